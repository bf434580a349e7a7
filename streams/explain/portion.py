"""Parts of the input in the order in which they are applied again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Times(NamedTuple):
    """Times of poll and decision in ms since the epoch, as a decision has them."""

    received_ms: int
    decided_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Consecutive records of one partition of one input, a field of `Topics`; None is a tombstone.

    `received_ms` is the time at which the worker polled them, as far as it is known, else that of their records.
    `decided`: the times and the published decisions of payments, if all of them are asked for; else empty.
    """

    field: str
    partition: int
    offsets: Sequence[int]
    keys: Sequence[bytes]
    values: Sequence[bytes | None]
    times_ms: Sequence[int]
    received_ms: int
    decided: "Sequence[tuple[Times, bytes | None]]" = ()

    def __len__(self) -> int:
        return len(self.values)

    def part(self, low: int, high: int) -> "Portion":
        """Return the records from `low` until before `high`."""
        return Portion(
            field=self.field,
            partition=self.partition,
            offsets=self.offsets[low:high],
            keys=self.keys[low:high],
            values=self.values[low:high],
            times_ms=self.times_ms[low:high],
            received_ms=self.received_ms,
            decided=self.decided[low:high],
        )
