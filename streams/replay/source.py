"""Sources of a replay: chunks of records in order, and the position of each event in the ledger."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol

from scoring.outputs import Record

EVENT_MS_MIN = 946_684_800_000  # 2000-01-01
EVENT_MS_END = 4_133_980_800_000  # 2101-01-01: end of the event times that the contract allows

CHUNK_EVENTS = 2_000
"""Events of one chunk: a few ms of work before decisions are read again."""

NOT_OURS = -1


class SourceError(Exception):
    """Raised when a table or file cannot be read as declared. The text gives its name and the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive records of a source.

    `events`: (key, value) of authorizations in order. `positions`: their positions in the ledger. `times_ms`: the
    timestamps of their records, as old as the events, so that none is late. `others`: records of other topics, by the
    field of `Topics`; they are sent before the events. `answers`: whether each event is an issuer's answer to an
    earlier event, which has no decision of its own; empty if none is. `outcomes`: the issuer's answer to each event as
    the end of its text, b"" where it is not known; empty if none is.
    """

    events: Sequence[Record]
    positions: Sequence[int]
    times_ms: Sequence[int]
    others: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    answers: Sequence[bool] = ()
    outcomes: Sequence[bytes] = ()


@dataclass(slots=True)
class Labels:
    """Labels by position: fraud or not, and the amount in minor units, or in yen if currencies differ.

    `unknown`: number of positions without a label; they count as not fraud.
    """

    fraud: bytearray = field(default_factory=bytearray)
    amounts: "array[int]" = field(default_factory=lambda: array("q"))
    unknown: int = 0


class Source(Protocol):
    """A stream that can be sent once."""

    @property
    def total(self) -> int | None:
        """Number of events, or None if it is not known beforehand."""
        ...

    @property
    def labels(self) -> Labels | None:
        """Labels of the events sent so far, or None without labels."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of rows refused so far, by reason."""
        ...

    @property
    def empty(self) -> int:
        """Number of empty rows so far."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield all chunks in order.

        Raises:
            SourceError: the source cannot be read.
        """
        ...

    def position(self, event_id: str) -> int:
        """Return the position of an event that was sent, or NOT_OURS."""
        ...


ASKED: Final = b'"outcome":{"phase":"PRE_AUTH"}}'
APPROVED: Final = b'"outcome":{"phase":"POST_AUTH","approved":true}}'


class Phases(StrEnum):
    """Events sent for each row: the request, the issuer's answer, or both."""

    BOTH = "both"
    PRE_AUTH = "pre-auth"
    POST_AUTH = "post-auth"


class Answered:
    """A table with issuers' answers: each request is followed by its answer, or replaced by it, where it is known.

    A table has one time for a row, so an answer has the time of its request and comes right after it.
    """

    def __init__(self, requests: Source, phases: Phases, *, is_each: bool = True) -> None:
        self._requests = requests
        self._is_asked = phases == Phases.BOTH
        self._is_each = is_each

    @property
    def total(self) -> int | None:
        """Number of events, with issuers' answers, or None."""
        rows = self._requests.total
        if rows is None or not self._is_asked:
            return rows
        return 2 * rows if self._is_each else None

    @property
    def labels(self) -> Labels | None:
        """Labels of the rows read so far."""
        return self._requests.labels

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of rows refused so far, by reason."""
        return self._requests.left_out

    @property
    def empty(self) -> int:
        """Number of empty rows so far."""
        return self._requests.empty

    def chunks(self) -> Iterator[Chunk]:
        """Yield the events of each chunk with their answers."""
        for chunk in self._requests.chunks():
            if self._is_asked:
                yield _asked_and_answered(chunk)
            else:
                events = [
                    (key, _answered(value, end) if end else value)
                    for (key, value), end in zip(chunk.events, chunk.outcomes, strict=True)
                ]
                yield replace(chunk, events=events, outcomes=())

    def position(self, event_id: str) -> int:
        """Return the position of an event, or NOT_OURS."""
        return self._requests.position(event_id)


def _asked_and_answered(chunk: Chunk) -> Chunk:
    """Return a chunk with each known answer after its request."""
    events: list[Record] = []
    positions, times_ms, answers = [], [], []
    columns = zip(chunk.events, chunk.positions, chunk.times_ms, chunk.outcomes, strict=True)
    for (key, value), position, time_ms, end in columns:
        events.append((key, value))
        answers.append(False)
        if end:
            events.append((key, _answered(value, end)))
            answers.append(True)
        positions += [position] * (1 + bool(end))
        times_ms += [time_ms] * (1 + bool(end))
    return replace(chunk, events=events, positions=positions, times_ms=times_ms, answers=answers, outcomes=())


def _answered(request: bytes, end: bytes) -> bytes:
    assert request.endswith(ASKED), "a row is a request"
    return request.removesuffix(ASKED) + end
