"""What a replay sends: chunks of records in order, and how a decision finds its way back to the event it answers."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from scoring.outputs import Record

EVENT_MS_MIN = 946_684_800_000  # 2000-01-01
EVENT_MS_END = 4_133_980_800_000  # 2101-01-01: with the above, the event times that the contract takes

CHUNK_EVENTS = 2_000
"""Events of one chunk: a few milliseconds of work between two looks at the decisions."""

NOT_OURS = -1

T = TypeVar("T")


class SourceError(Exception):
    """A table or file cannot be read as what it was said to be; the text names it and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stretch of the stream.

    `events` are (key, value) of authorizations in order, `positions` their places in the account and `times_ms` the
    timestamps of their records, as many: of what is old, the time at which it came then, so that it is on time again.
    `others` are records of other topics, by the field of `Topics`; they go out before the events. `answers` says of
    each event whether it answers one that was sent before, and so has no decision of its own; empty where none does.
    """

    events: Sequence[Record]
    positions: Sequence[int]
    times_ms: Sequence[int]
    others: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    answers: Sequence[bool] = ()


@dataclass(slots=True)
class Labels:
    """What is known to be true of each position: fraud or not, and the amount in minor units.

    `unknown` counts positions of which nothing is known; they are not fraud.
    """

    fraud: bytearray = field(default_factory=bytearray)
    amounts: "array[int]" = field(default_factory=lambda: array("q"))
    unknown: int = 0


class Source(Protocol):
    """A stream that can be sent once."""

    @property
    def total(self) -> int | None:
        """How many events there will be, where that is known beforehand."""
        ...

    @property
    def labels(self) -> Labels | None:
        """The truth about the events sent so far, or None where there is none."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """What was refused before it could be sent so far, by reason."""
        ...

    @property
    def empty(self) -> int:
        """Empty rows that were passed over so far."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """Yield the stream in order.

        Raises:
            SourceError: it cannot be read on.
        """
        ...

    def position(self, event_id: str) -> int:
        """Return the place in the account of an event that was sent, or NOT_OURS."""
        ...


ASKED: Final = b'"outcome":{"phase":"PRE_AUTH"}}'
APPROVED: Final = b'"outcome":{"phase":"POST_AUTH","approved":true}}'


class Phases(StrEnum):
    """Name what is sent of each row: the request and its answer, or one of them."""

    BOTH = "both"
    PRE_AUTH = "pre-auth"
    POST_AUTH = "post-auth"


class Approved:
    """Rows of a table whose payments were all approved: each request is followed by its answer, or comes answered.

    A table gives one time, so an answer has that of its request, and stands right behind it.
    """

    def __init__(self, requests: Source, phases: Phases) -> None:
        self._requests = requests
        self._is_asked = phases == Phases.BOTH

    @property
    def total(self) -> int | None:
        """How many events there will be, answers among them."""
        rows = self._requests.total
        return rows if rows is None or not self._is_asked else 2 * rows

    @property
    def labels(self) -> Labels | None:
        """The truth about the rows read so far."""
        return self._requests.labels

    @property
    def left_out(self) -> Mapping[str, int]:
        """Rows that were refused so far, by reason."""
        return self._requests.left_out

    @property
    def empty(self) -> int:
        """Empty rows that were passed over so far."""
        return self._requests.empty

    def chunks(self) -> Iterator[Chunk]:
        """Yield the events of each chunk with their answers."""
        for chunk in self._requests.chunks():
            answers = [(key, _approved(value)) for key, value in chunk.events]
            if not self._is_asked:
                yield replace(chunk, events=answers)
                continue
            yield replace(
                chunk,
                events=_in_turn(chunk.events, answers),
                positions=_in_turn(chunk.positions, chunk.positions),
                times_ms=_in_turn(chunk.times_ms, chunk.times_ms),
                answers=_in_turn([False] * len(answers), [True] * len(answers)),
            )

    def position(self, event_id: str) -> int:
        """Return the place of an event in the account."""
        return self._requests.position(event_id)


def _approved(request: bytes) -> bytes:
    assert request.endswith(ASKED), "a row is a request"
    return request.removesuffix(ASKED) + APPROVED


def _in_turn(first: Sequence[T], second: Sequence[T]) -> list[T]:
    return [one for pair in zip(first, second, strict=True) for one in pair]
