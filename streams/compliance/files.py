"""Read a stored file of records, as `sekisho simulate --out` and other recorders write it, for reports."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scoring.compliance.assembly import BATCH_MAX, Assembly, feed, feed_outcomes
from scoring.decode import DecodeLimits
from streams.replay.lines import FIELDS, Line, read_lines
from streams.replay.source import SourceError

TOPICS: Final = frozenset({*FIELDS, "authorization-outcomes", "settlements"})
"""Topics whose records a file may hold for a report."""


def read_file(file: Path, assemblies: Sequence[Assembly], limits: DecodeLimits) -> None:
    """Give all records of a file to assemblies: all but payments in a first pass, then these.

    Raises:
        SourceError: a line is no record, or the file has none.
        OSError: it cannot be read.
        TooManyError: there is more to add up than the limits allow.
    """
    is_empty = True
    for lines in _batches(file, "merchants", "fraud-reports", "authorization-outcomes", "settlements"):
        is_empty = False
        keys, values = [line.key.encode() for line in lines], [bytes(line.value) for line in lines]
        times_ms = [line.at_ms for line in lines]
        for assembly in assemblies:
            if lines[0].topic == "merchants":
                tombstones = [None if value == b"null" else value for value in values]
                assembly.take_merchants(keys, tombstones, times_ms)
            elif lines[0].topic == "fraud-reports":
                assembly.reports.take(values, times_ms)
            elif lines[0].topic == "settlements":
                assembly.settlements.take(values, times_ms)
        if lines[0].topic == "authorization-outcomes":
            feed_outcomes(assemblies, values, times_ms, limits)
    traffics = [assembly.begin() for assembly in assemblies]
    for lines in _batches(file, "authorizations"):
        is_empty = False
        feed(traffics, [bytes(line.value) for line in lines], [line.at_ms for line in lines], limits)
    if is_empty:
        raise SourceError(f"{file}: is empty")


def _batches(file: Path, *topics: str) -> Iterator[list[Line]]:
    """Yield lines of topics in batches of one topic each, in order."""
    batches: dict[str, list[Line]] = {topic: [] for topic in topics}
    with file.open("rb") as stream:
        for line in read_lines(stream, str(file), TOPICS):
            if line.topic in batches:
                batch = batches[line.topic]
                batch.append(line)
                if len(batch) == BATCH_MAX:
                    yield batch
                    batches[line.topic] = []
    yield from (batch for batch in batches.values() if batch)
