"""Payments that rules blocked, counted by rule, merchant and hour: what the caps of rules are compared with.

Counts are rows of `card-profiles`. They depend on the events of one partition alone, so input that is applied again
after a crash is capped as it was before. Each partition has a share of a cap, and the shares add up to the cap.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from scoring.contract.decision import CapName
from scoring.profile.packed import (
    BLOCKED,
    NO_ROWS,
    ROW_FORMAT,
    OwnRows,
    Packed,
    RowFormatError,
    side_keys,
    side_rows_of,
)

HOUR_MS: Final = 3_600_000

PER_MILLE: Final = 1_000

ROWS_MAX: Final = 32_768
"""Most counts of a partition: one for each rule and hour, and one for each rule, merchant and hour."""

HOURS_KEPT: Final = 26
"""Counts are dropped when a rule blocks in an hour that is this much later. Trusted times are at most 24 h late."""

_WORDS: Final = 3  # of a value: ROW_FORMAT, hour since 1970, count
_HOUR_MAX: Final = (1 << 32) - 1
_EVERY_MERCHANT: Final = 0


class Caps(NamedTuple):
    """Most payments that a rule blocks in an hour of event time: over all partitions, and at one merchant."""

    hour: int
    merchant: int

    def scaled(self, per_mille: int) -> "Caps":
        """Return the caps for a share of the cards, rounded up, each at least 1."""
        return Caps(*(max(-(-cap * per_mille // PER_MILLE), 1) for cap in self))


def share_of(cap: int, partition: int, partitions: int) -> int:
    """Return the share of a partition in a cap. Shares add up to the cap, but each is at least 1.

    >>> [share_of(10, partition, 4) for partition in range(4)]
    [3, 3, 2, 2]
    """
    return max(cap // partitions + (partition < cap % partitions), 1)


def number_of(rule: str, *, is_candidate: bool = False) -> int:
    """Return the number by which a rule is counted: it depends on its id alone, so counts outlive a change of it.

    `is_candidate`: the rule is one of an experiment's candidate, whose blocks are counted apart.
    """
    name = f"{rule}/B" if is_candidate else rule  # no id has a slash
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


class BlockCounts(OwnRows):
    """Count blocked payments of the partitions of a worker (`profile.packed.SideRows`)."""

    kind: Final = BLOCKED
    name: Final = "BLOCKED"
    words: Final = _WORDS
    is_shared: Final = False

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        super().__init__(BLOCKED)
        self._rows_max = rows_max
        self._partitions = 1
        self._rows: dict[int, dict[int, tuple[int, int]]] = {}  # by partition, by key: hour and count

    def set_partitions(self, partitions: int) -> None:
        """Set the number of input partitions, which share each cap. Before the first event only."""
        assert not self._rows, "payments are counted already"
        self._partitions = partitions

    def take(self, partition: int, rule: int, merchant: int, hour: int, caps: Caps) -> CapName | None:
        """Count a payment that a rule blocks, or say which cap forbids it: then nothing is counted.

        `rule` by `number_of`, `merchant` its key of 64 bits, `hour` that of the payment's time since 1970.
        """
        rows, hour = self._rows.setdefault(partition, {}), min(hour, _HOUR_MAX)
        keys = _key(rule, _EVERY_MERCHANT, hour), _key(rule, merchant, hour)
        of_all, at_merchant = (rows.get(key, (hour, 0))[1] for key in keys)
        if of_all >= share_of(caps.hour, partition, self._partitions):
            return "HOUR"
        if at_merchant >= share_of(caps.merchant, partition, self._partitions):
            return "MERCHANT"
        if keys[0] not in rows:
            self._drop(partition, hour - HOURS_KEPT)
        if len(rows) + sum(key not in rows for key in keys) > self._rows_max:
            return "PAIRS"
        for key in keys:
            rows[key] = hour, rows.get(key, (hour, 0))[1] + 1
        self.note(partition, keys)
        return None

    def _drop(self, partition: int, until: int) -> None:
        """Drop the counts of hours up to `until`."""
        rows = self._rows[partition]
        old = [key for key, (hour, _) in rows.items() if hour <= until]
        for key in old:
            del rows[key]
        self.note(partition, old)

    # -- rows

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition."""
        self._rows.pop(partition, None)

    def flush(self, partition: int) -> Packed:
        """Pack the counts of a partition that changed, and tombstones of those that were dropped."""
        keys, rows = self.take_changed(partition), self._rows.get(partition, {})
        if not keys:
            return NO_ROWS
        values = [[ROW_FORMAT, *rows[key]] if key in rows else [] for key in keys]
        ends = np.cumsum([len(value) for value in values], dtype=np.int64)
        words = np.array([word for value in values for word in value], dtype=np.uint32)
        return Packed(side_keys(BLOCKED, partition, np.array(keys, dtype=np.uint64)), words, ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the counts among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a count is damaged.
        """
        rows = self._rows.setdefault(partition, {})
        for n, key, begin, end in side_rows_of(BLOCKED, packed):
            if begin == end:
                rows.pop(key, None)
                continue
            _, hour, count = packed.values[begin:end].tolist()
            if count == 0:
                raise RowFormatError(f"row {n} of BLOCKED is damaged")
            rows[key] = hour, count


def _key(rule: int, merchant: int, hour: int) -> int:
    """Return the key of a count: of 32,768 of them, two are equal with a probability of 3e-11."""
    told = rule | merchant << 64 | hour << 128
    return int.from_bytes(blake2b(told.to_bytes(20, "little"), digest_size=8).digest(), "little")
