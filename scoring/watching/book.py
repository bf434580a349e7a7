"""What one partition has seen of the model: counts by day, payments that are remembered, and what became of them."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Band
from scoring.policy.rules import KEYS_MAX
from scoring.watching.kernel import KEPT_IN

DAYS_COUNTED: Final = 28
"""Days of which the counts of inputs and scores are kept."""

AGES: Final = (7, 30, 60)
"""Days for which reports may come before payments are judged by them, once for each."""

COHORT_DAYS: Final = 28
DAYS_REMEMBERED: Final = AGES[-1] + COHORT_DAYS
"""Days of which payments are remembered."""

SCORE_BANDS: Final = 10
SCORES_A_BAND: Final = 100
BANDS: Final = len(Band)

PAYMENTS, REPORTED, EXPECTED = range(3)
"""What a cohort adds up: payments, those reported as fraud, and the frauds that the model expected, in millionths."""

COHORT_CELLS: Final = SCORE_BANDS * BANDS * 3
MILLION: Final = 1_000_000
NO_DAY: Final = -1

COUNTS_ROW, COHORT_ROW, PAYMENT_ROW, RULE_ROW = range(4)
"""What a row is of: in the upper two bits of its key."""

PART_BITS: Final = 62
KEY_MASK: Final = (1 << PART_BITS) - 1
RULE_BITS: Final = 32

_FRAUD, _SAMPLED = 1, 2
"""Bits of a remembered payment. Its band is above them in 2 bits, its score's band in 4, its day since 1970 in 16."""

_BAND_SHIFT, _SCORE_SHIFT, _DAY_SHIFT = 2, 4, 8
PAYMENT_MAX: Final = 1 << 24


class Payment(NamedTuple):
    """A decided payment. `expected`: probability of fraud in millionths. `rules`: keys of the rules that hit."""

    event: int
    day: int
    score: int
    band: int
    expected: int
    rules: tuple[int, ...]
    is_fraud: bool


class Book:
    """All of one partition. Days are numbers since 1970, UTC. `changed` notes the key of each row that changes,
    if it is not None.

    `counts`: uint32[places] by day. `cohorts`: by day of the payment, COHORT_CELLS sums: those of
    PAYMENTS, REPORTED and EXPECTED of each band, of each band of scores.
    `rules`: by (day, key of rule), hits and those reported. `payments`: packed, by key.
    """

    def __init__(self, payments_max: int, changed: dict[int, None] | None = None) -> None:
        self._payments_max = payments_max
        self.changed = changed
        self.counts: dict[int, NDArray[np.uint32]] = {}
        self.cohorts: dict[int, list[int]] = {}
        self.rules: dict[tuple[int, int], list[int]] = {}
        self.payments: dict[int, int] = {}
        self.hits: dict[int, tuple[int, ...]] = {}
        self._keys: dict[int, list[int]] = {}  # of payments, by day
        self.last = NO_DAY
        """The latest day of which anything is known."""
        self.first = NO_DAY
        """The oldest day with a remembered payment."""

    def counts_of(self, day: int, places: int) -> NDArray[np.uint32] | None:
        """Return the counts of a day, to be added to, and `note_counts` said after that; None of a day long ago."""
        found = self.counts.get(day)
        if found is None and day > self.last - DAYS_COUNTED:
            return np.zeros(places, dtype=np.uint32)
        return found

    def note_counts(self, day: int, counts: NDArray[np.uint32]) -> None:
        """Keep the counts of a day, which changed."""
        self._see(day)
        self.put_counts(day, counts)
        self.touch(row_key(COUNTS_ROW, day))

    def put_counts(self, day: int, counts: NDArray[np.uint32] | None) -> None:
        """Keep the counts of a day, or forget them."""
        if counts is not None:
            self.counts[day] = counts
            self.last = max(self.last, day)
        elif self.counts.pop(day, None) is not None:
            self._look()

    def drop_counts(self) -> None:
        """Forget the counts of all days."""
        for day in list(self.counts):
            self.put_counts(day, None)
            self.touch(row_key(COUNTS_ROW, day))

    def remember(self, payment: Payment) -> None:
        """Remember a payment, and count it in the cohort of its day.

        One that is known already, or of a day before the oldest that is remembered, changes nothing. A full book drops
        its oldest day with all that was counted of it; one that is full of a single day takes no more of it.
        """
        key, day = payment.event & KEY_MASK, payment.day
        if key in self.payments or day < self.first:
            return
        while len(self.payments) >= self._payments_max and self.first < day:
            self._drop(self.first)
        if len(self.payments) >= self._payments_max:
            return
        rules = payment.rules[:KEYS_MAX]
        packed = day << _DAY_SHIFT | payment.score // SCORES_A_BAND << _SCORE_SHIFT | payment.band << _BAND_SHIFT
        if not payment.band and not rules:
            packed |= _SAMPLED
        self._see(day)
        self.put(key, packed, rules)
        self.touch(row_key(PAYMENT_ROW, key))
        weight, (cohort, at) = _weight(packed), self._cell(packed)
        cohort[at + PAYMENTS] += weight
        cohort[at + EXPECTED] += weight * payment.expected
        for rule in rules:
            self._count_rule(day, rule, 0, 1)
        if payment.is_fraud:
            self.judge(payment.event, is_fraud=True)

    def judge(self, event: int, *, is_fraud: bool) -> None:
        """Take what is reported of an event: whether it is fraud now. One that is not remembered changes nothing."""
        key = event & KEY_MASK
        packed = self.payments.get(key)
        if packed is None or bool(packed & _FRAUD) == is_fraud:
            return
        self.payments[key] = packed ^ _FRAUD
        self.touch(row_key(PAYMENT_ROW, key))
        sign = 1 if is_fraud else -1
        cohort, at = self._cell(packed)
        cohort[at + REPORTED] += sign * _weight(packed)
        for rule in self.hits.get(key, ()):
            self._count_rule(packed >> _DAY_SHIFT, rule, 1, sign)

    def put(self, key: int, packed: int, rules: tuple[int, ...]) -> None:
        """Keep a payment in place of what was known of its key, and count nothing."""
        day, before = packed >> _DAY_SHIFT, self.payments.get(key)
        if before is not None and before >> _DAY_SHIFT != day:
            self.remove(key)
            before = None
        self.payments[key] = packed
        if rules:
            self.hits[key] = rules
        else:
            self.hits.pop(key, None)
        if before is None:
            self._keys.setdefault(day, []).append(key)
            self.first = day if self.first == NO_DAY else min(self.first, day)
            self.last = max(self.last, day)

    def remove(self, key: int) -> None:
        """Forget a payment, and count nothing."""
        packed = self.payments.pop(key, None)
        if packed is None:
            return
        self.hits.pop(key, None)
        keys = self._keys[packed >> _DAY_SHIFT]
        keys.remove(key)
        if not keys:
            del self._keys[packed >> _DAY_SHIFT]
            self._look()

    def _cell(self, packed: int) -> tuple[list[int], int]:
        """Return the cohort of a payment, which is about to change, and where it counts payments like this one."""
        day = packed >> _DAY_SHIFT
        cohort = self.cohorts.get(day)
        if cohort is None:
            cohort = self.cohorts[day] = [0] * COHORT_CELLS
        self.touch(row_key(COHORT_ROW, day))
        return cohort, (packed >> _BAND_SHIFT & 63) * 3

    def touch(self, key: int) -> None:
        """Note that a row is to be written, or its tombstone."""
        if self.changed is not None:
            self.changed[key] = None

    def _count_rule(self, day: int, rule: int, place: int, amount: int) -> None:
        counts = self.rules.setdefault((day, rule), [0, 0])
        counts[place] += amount
        self.touch(row_key(RULE_ROW, day << RULE_BITS | rule))

    def _see(self, day: int) -> None:
        """Forget what is too old for a later day than all before."""
        if day <= self.last:
            return
        for old in [old for old in self.counts if old <= day - DAYS_COUNTED]:
            del self.counts[old]
            self.touch(row_key(COUNTS_ROW, old))
        while self._keys and self.first <= day - DAYS_REMEMBERED:
            self._drop(self.first)

    def _look(self) -> None:
        """Find the first and the last day anew."""
        self.first = min(self._keys, default=NO_DAY)
        self.last = max(max(self.counts, default=NO_DAY), max(self._keys, default=NO_DAY))

    def _drop(self, day: int) -> None:
        """Forget the payments of a day, and what was counted of them."""
        for key in self._keys.pop(day):
            del self.payments[key]
            self.hits.pop(key, None)
            self.touch(row_key(PAYMENT_ROW, key))
        self.cohorts.pop(day, None)
        self.touch(row_key(COHORT_ROW, day))
        for place in [place for place in self.rules if place[0] == day]:
            del self.rules[place]
            self.touch(row_key(RULE_ROW, place[0] << RULE_BITS | place[1]))
        self._look()


def _weight(packed: int) -> int:
    """Return for how many payments a remembered one stands."""
    return KEPT_IN if packed & _SAMPLED else 1


def row_key(part: int, rest: int) -> int:
    """Return the key of a row, 64 bits."""
    return part << PART_BITS | rest
