"""Read a stored file as the input of one partition: JSON lines as recorders write them, or a table by its mapping."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from scoring.clock import UNDATED
from streams.explain.portion import Portion
from streams.replay.lines import FIELDS, Line, read_lines
from streams.replay.opened import Tables, open_source

LINES_MAX: Final = 2_048
TOPICS: Final = {
    **FIELDS,
    "authorization-outcomes": "authorization_outcomes",
    "threeds-results": "threeds_results",
}
"""Topics whose records a file may hold, and the fields of `Topics`."""


def of_lines(file: Path) -> Iterator[Portion]:
    """Yield the records of a file of JSON lines in its order.

    Raises:
        SourceError: a line is no record, or of another topic.
        OSError: the file cannot be read.
    """
    taken: list[Line] = []
    offset = 0
    with file.open("rb") as stream:
        for line in read_lines(stream, str(file), TOPICS):
            if taken and (line.topic != taken[0].topic or len(taken) == LINES_MAX):
                yield _of_lines(taken, offset)
                offset += len(taken)
                taken = []
            taken.append(line)
    if taken:
        yield _of_lines(taken, offset)


def _of_lines(lines: list[Line], offset: int) -> Portion:
    records: list[tuple[bytes, bytes | None]] = [
        (line.key.encode(), None if bytes(line.value) == b"null" else bytes(line.value)) for line in lines
    ]
    return _portion(TOPICS[lines[0].topic], records, [line.at_ms for line in lines], offset)


def of_table(tables: Tables, tell: Callable[[str], None]) -> Iterator[Portion]:
    """Yield the payments and reports of a table as `sekisho replay` sends them.

    Raises:
        ConfigError, SourceError: the table or its mapping is refused.
    """
    offset = 0
    for chunk in open_source(tables, tell).source.chunks():
        at_ms = chunk.times_ms[0] if chunk.times_ms else 0
        for field, records in chunk.others.items():
            yield _portion(field, records, [at_ms] * len(records), 0)
        yield _portion("authorizations", chunk.events, chunk.times_ms, offset)
        offset += len(chunk.events)


def of_event(value: bytes) -> Iterator[Portion]:
    """Yield one event, of an unknown time of receipt."""
    yield _portion("authorizations", [(b"", value)], [UNDATED], 0)


def _portion(
    field: str, records: Sequence[tuple[bytes, bytes | None]], times_ms: Sequence[int], offset: int
) -> Portion:
    return Portion(
        field=field,
        partition=0,
        offsets=range(offset, offset + len(records)),
        keys=[key for key, _ in records],
        values=[value for _, value in records],
        times_ms=times_ms,
        received_ms=max([0, *times_ms]),
    )
