"""What a replay sends: chunks of records in order, and how a decision finds its way back to the event it answers."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scoring.outputs import Record

EVENT_MS_MIN = 946_684_800_000  # 2000-01-01
EVENT_MS_END = 4_133_980_800_000  # 2101-01-01: with the above, the event times that the contract takes

CHUNK_EVENTS = 2_000
"""Events of one chunk: a few milliseconds of work between two looks at the decisions."""

NOT_OURS = -1


class SourceError(Exception):
    """A table or file cannot be read as what it was said to be; the text names it and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stretch of the stream.

    `events` are (key, value) of authorizations in order, `positions` their places in the account and `times_ms` the
    timestamps of their records, as many: of what is old, the time at which it came then, so that it is on time again.
    `others` are records of other topics, by the field of `Topics`; they go out before the events.
    """

    events: Sequence[Record]
    positions: Sequence[int]
    times_ms: Sequence[int]
    others: Mapping[str, Sequence[Record]] = field(default_factory=dict)


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
