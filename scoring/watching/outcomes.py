"""Payments of experiments, remembered until their reports come, and what became of them by arm.

Rows of `card-profiles`: one for each remembered payment. Sums are added up from the rows, also after a restore, so they
need no rows of their own.
"""

from collections.abc import Mapping
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from scoring.contract.codes import Band
from scoring.policy.experiment import Arm
from scoring.profile.packed import (
    NO_ROWS,
    OUTCOME,
    ROW_FORMAT,
    OwnRows,
    Packed,
    RowFormatError,
    side_keys,
    side_rows_of,
)
from scoring.watching.book import AGES, DAYS_REMEMBERED
from scoring.watching.kernel import KEPT_IN

PAYMENTS_MAX: Final = 1 << 18
"""Payments remembered of all partitions together, some 90 MB when full."""

_WORDS: Final = 5  # of a value: ROW_FORMAT, number of the experiment, packed, yen (lower half, upper half)
_FRAUD, _SAMPLED, _ARM_SHIFT, _BAND_SHIFT, _DAY_SHIFT = 1, 2, 2, 4, 8
_ARM_MASK, _BAND_MASK = 3, 3
_32, _LOW = 32, (1 << 32) - 1

ArmFigures = Mapping[tuple[str, ...], tuple[int, int]]
"""By age, arm, band and label: payments and yen, both estimates of all payments."""


class Outcome(NamedTuple):
    """A decided payment of an experiment. `number`: the experiment's. `arm`: A or B. `is_sampled`: it stands for
    KEPT_IN payments. `yen`: 0 where the amount in yen is not known."""

    number: int
    day: int
    arm: int
    band: int
    yen: int
    is_sampled: bool
    is_fraud: bool


class ArmOutcomes(OwnRows):
    """What became of the payments of experiments, by partition (`profile.packed.SideRows`)."""

    kind: Final = OUTCOME
    name: Final = "OUTCOME"
    words: Final = _WORDS
    is_shared: Final = False

    def __init__(self, partitions: int, payments_max: int = PAYMENTS_MAX) -> None:
        super().__init__(OUTCOME)
        self._payments_max = max(payments_max // partitions, 1)
        self._rows: dict[int, dict[int, Outcome]] = {}  # by partition, by key
        self._days: dict[int, dict[int, dict[int, None]]] = {}  # by partition, by day: keys
        self._oldest: dict[int, int] = {}  # by partition with a payment: its oldest day
        self._sums: dict[tuple[int, int, int, int, bool], list[int]] = {}  # all of Outcome but yen: payments, yen

    def remember(self, partition: int, key: int, payment: Outcome) -> None:
        """Remember a payment by the key of its event. One that is known, or of a day before all others, changes
        nothing. A full partition drops its oldest day; one that is full of a single day takes no more of it.
        """
        rows, oldest = self._rows.setdefault(partition, {}), self._oldest
        if key in rows or payment.day < oldest.get(partition, payment.day):
            return
        while len(rows) >= self._payments_max and oldest[partition] < payment.day:
            self._drop(partition, oldest[partition])
        if len(rows) < self._payments_max:
            self._put(partition, key, payment)
            self.note(partition, (key,))

    def pass_to(self, partition: int, day: int) -> None:
        """Forget the payments of a partition that are too old on a day."""
        while self._oldest.get(partition, day) <= day - DAYS_REMEMBERED:
            self._drop(partition, self._oldest[partition])

    def judge(self, partition: int, key: int, *, is_fraud: bool) -> None:
        """Take what is reported of an event. One that is not remembered changes nothing."""
        payment = self._rows.get(partition, {}).get(key)
        if payment is not None and payment.is_fraud != is_fraud:
            self._remove(partition, key)
            self._put(partition, key, payment._replace(is_fraud=is_fraud))
            self.note(partition, (key,))

    def figures(self, number: int, last: int) -> ArmFigures:
        """Return the figures of an experiment on a day: of payments of at least each age. Also for another thread."""
        found: dict[tuple[str, ...], tuple[int, int]] = {}
        for labels in product((f"{age}d" for age in AGES), ("A", "B"), (band.name for band in Band), ("FRAUD", "NONE")):
            found[labels] = (0, 0)
        for (of, day, arm, band, is_fraud), (payments, yen) in list(self._sums.items()):
            for age in AGES:
                if of == number and day <= last - age:
                    cell = f"{age}d", Arm(arm).name, Band(band).name, "FRAUD" if is_fraud else "NONE"
                    before = found[cell]
                    found[cell] = before[0] + payments, before[1] + yen
        return found

    def _put(self, partition: int, key: int, payment: Outcome) -> None:
        self._rows.setdefault(partition, {})[key] = payment
        self._days.setdefault(partition, {}).setdefault(payment.day, {})[key] = None
        self._oldest[partition] = min(self._oldest.get(partition, payment.day), payment.day)
        self._add(payment, 1)

    def _remove(self, partition: int, key: int) -> None:
        payment = self._rows.get(partition, {}).pop(key, None)
        if payment is None:
            return
        days = self._days[partition]
        del days[payment.day][key]
        if not days[payment.day]:
            del days[payment.day]
            if days:
                self._oldest[partition] = min(days)
            else:
                del self._oldest[partition]
        self._add(payment, -1)

    def _drop(self, partition: int, day: int) -> None:
        keys = list(self._days[partition][day])
        for key in keys:
            self._remove(partition, key)
        self.note(partition, keys)

    def _add(self, payment: Outcome, sign: int) -> None:
        cell = payment.number, payment.day, payment.arm, payment.band, payment.is_fraud
        sums, weight = self._sums.setdefault(cell, [0, 0]), sign * (KEPT_IN if payment.is_sampled else 1)
        sums[0] += weight
        sums[1] += weight * payment.yen
        if not sums[0]:
            del self._sums[cell]

    # -- rows

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition."""
        for key in list(self._rows.get(partition, ())):
            self._remove(partition, key)

    def flush(self, partition: int) -> Packed:
        """Pack the payments of a partition that changed, and tombstones of those that were dropped."""
        keys, rows = self.take_changed(partition), self._rows.get(partition, {})
        if not keys:
            return NO_ROWS
        values = [_words(rows[key]) if key in rows else [] for key in keys]
        ends = np.cumsum([len(value) for value in values], dtype=np.int64)
        words = np.array([word for value in values for word in value], dtype=np.uint32)
        return Packed(side_keys(OUTCOME, partition, np.array(keys, dtype=np.uint64)), words, ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the payments among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a row is damaged.
        """
        for n, key, begin, end in side_rows_of(OUTCOME, packed):
            self._remove(partition, key)
            if begin == end:
                continue
            _, number, bits, low, high = packed.values[begin:end].tolist()
            arm = bits >> _ARM_SHIFT & _ARM_MASK
            if arm not in (Arm.A, Arm.B) or bits >> 24:
                raise RowFormatError(f"row {n} of OUTCOME is damaged")
            payment = Outcome(
                number=number,
                day=bits >> _DAY_SHIFT,
                arm=arm,
                band=bits >> _BAND_SHIFT & _BAND_MASK,
                yen=low | high << _32,
                is_sampled=bool(bits & _SAMPLED),
                is_fraud=bool(bits & _FRAUD),
            )
            self._put(partition, key, payment)


def _words(payment: Outcome) -> list[int]:
    bits = payment.day << _DAY_SHIFT | payment.band << _BAND_SHIFT | payment.arm << _ARM_SHIFT
    bits |= _SAMPLED * payment.is_sampled | _FRAUD * payment.is_fraud
    return [ROW_FORMAT, payment.number, bits, payment.yen & _LOW, payment.yen >> _32]
