"""Fairness of a policy: how often good payments of a group raise alerts or are blocked, against the largest group."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]  # ships no types

from models.backtest.figures import DIGITS
from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored
from scoring.contract.codes import Band, NetworkCode
from scoring.merchants.months.calendar import DAY_MS

LIMIT: Final = 1.25
"""Default of the largest ratio: with its inverse 0.8 the "four-fifths rule" of 29 CFR 1607.4 D, a usual first test."""

GENUINE_MIN: Final = 1_000
"""Default of the fewest genuine payments of a judged group: at 50 alerts for 10,000 they are five alerts."""

CONFIDENCE: Final = 0.99
"""Of every interval. A report has about 20 ratios of each policy: with 0.95 one of them would exclude 1 by chance."""

NEW_DAYS: Final = 90
UNKNOWN: Final = "UNKNOWN"

Verdict = Literal["REFERENCE", "LIKE", "HIGHER", "LOWER", "TOO_SMALL", "UNKNOWN"]
ALARMS: Final = ("HIGHER", "LOWER")
RATES: Final = ("false_positives", "genuine_blocked")
"""Fields of `Group` that are judged."""


class Terms(Struct, frozen=True, kw_only=True):
    """What groups are judged by. Merchants with at most `small_until` payments in the history are SMALL, those with at
    most `medium_until` MEDIUM: a third of the merchants each, as far as equal counts allow.
    """

    limit: float
    genuine_min: int
    confidence: float
    new_days: int
    small_until: int
    medium_until: int


class Rate(Struct, frozen=True, kw_only=True):
    """Genuine payments of a group to which one thing happens, for 10,000; with intervals. `ratio`: to the reference.

    Null: no genuine payment, no reference, or a denominator of 0. `ratio_high` is null also where there is no bound.
    """

    count: int
    rate_bps: float | None
    low_bps: float | None
    high_bps: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: Verdict


class Group(Struct, frozen=True, kw_only=True):
    """Counted payments of one group. Only rates of genuine ones are judged: more fraud explains more alerts, not more
    alerts on good payments. `genuine`: neither reported nor declined by the issuer.

    `false_positives`: genuine payments that raise alerts. `genuine_blocked`: those whose band is BLOCK.
    """

    dimension: str
    group: str
    payments: int
    frauds: int
    genuine: int
    alerts: int
    blocked: int
    fraud_rate_bps: float | None
    alert_rate_bps: float | None
    block_rate_bps: float | None
    false_positives: Rate
    genuine_blocked: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grouping:
    """`codes` int64[n]: the place of each row's group in `names`; place 0 is UNKNOWN."""

    dimension: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]


class Fairness:
    """The groups of a history, to judge policies by."""

    def __init__(self, rows: Scored, *, limit: float = LIMIT, genuine_min: int = GENUINE_MIN) -> None:
        self._rows = rows
        size, small_until, medium_until = _sizes(rows)
        self._groupings = (_issuers(rows), _networks(rows), size, _ages(rows))
        self.terms = Terms(
            limit=limit,
            genuine_min=genuine_min,
            confidence=CONFIDENCE,
            new_days=NEW_DAYS,
            small_until=small_until,
            medium_until=medium_until,
        )

    def groups(self, judged: Judged) -> list[Group]:
        """Measure every group that has a counted payment. The group with most genuine payments is the reference."""
        return [group for grouping in self._groupings for group in self._of(grouping, judged)]

    def _of(self, grouping: _Grouping, judged: Judged) -> Iterator[Group]:
        some, fates = self._rows.is_counted, self._rows.fates
        genuine = some & ((fates == Fate.GOOD) | (fates == Fate.REFUNDED))
        blocks = judged.bands == Band.BLOCK

        def per(flags: NDArray[np.bool_]) -> list[int]:
            found: list[int] = np.bincount(grouping.codes[flags], minlength=len(grouping.names)).tolist()
            return found

        payments, good = per(some), per(genuine)
        frauds, alerts, blocked = (per(some & flags) for flags in (fates == Fate.FRAUD, judged.alerts, blocks))
        alerted_good, blocked_good = per(genuine & judged.alerts), per(genuine & blocks)
        reference = max(range(1, len(good)), key=lambda k: good[k])

        def rate(counts: list[int], k: int) -> Rate:
            whole, verdict = (counts[reference], good[reference]), self._standing(good, k, reference)
            return _rate((counts[k], good[k]), None if k == 0 else whole, verdict, self.terms.limit)

        for k, name in enumerate(grouping.names):
            if payments[k]:
                yield Group(
                    dimension=grouping.dimension,
                    group=name,
                    payments=payments[k],
                    frauds=frauds[k],
                    genuine=good[k],
                    alerts=alerts[k],
                    blocked=blocked[k],
                    fraud_rate_bps=_bps(frauds[k], payments[k]),
                    alert_rate_bps=_bps(alerts[k], payments[k]),
                    block_rate_bps=_bps(blocked[k], payments[k]),
                    false_positives=rate(alerted_good, k),
                    genuine_blocked=rate(blocked_good, k),
                )

    def _standing(self, genuine: list[int], k: int, reference: int) -> Verdict | None:
        """Return what a group is before its rates are looked at; None: it is to be judged."""
        if k == 0:
            return "UNKNOWN"
        if genuine[k] < self.terms.genuine_min:  # the reference has at least as many
            return "TOO_SMALL"
        return "REFERENCE" if k == reference else None


def alarms(groups: list[Group]) -> Iterator[tuple[Group, str, Rate]]:
    """Give the judged rates that differ too much, with their names."""
    for group in groups:
        for name, rate in zip(RATES, (group.false_positives, group.genuine_blocked), strict=True):
            if rate.verdict in ALARMS:
                yield group, name, rate


def ratio_interval(own: tuple[int, int], other: tuple[int, int]) -> tuple[float, float | None]:
    """Return the interval of the ratio of two shares, each (count, of), from their Wilson intervals.

    Method of variance estimates recovery: Donner and Zou, Statistical Methods in Medical Research 21 (2012) 347. Solved
    so that no denominator vanishes. No upper bound (None) if the second count is 0; both `of` are above 0.
    """
    (low, high), (other_low, other_high) = _wilson(*own), _wilson(*other)
    share, other_share = own[0] / own[1], other[0] / other[1]
    product = share * other_share
    least = low * (2 * share - low)
    root = sqrt(max(0.0, product**2 - least * other_high * (2 * other_share - other_high)))
    below = least / (product + root) if least > 0 else 0.0
    if other[0] == 0:
        return below, None
    most = other_low * (2 * other_share - other_low)
    return below, (product + sqrt(max(0.0, product**2 - high * (2 * share - high) * most))) / most


def _rate(own: tuple[int, int], reference: tuple[int, int] | None, verdict: Verdict | None, limit: float) -> Rate:
    (count, genuine), ratio, below, above = own, None, None, None
    low, high = _wilson(*own) if genuine else (None, None)
    if genuine and reference is not None and reference[1]:
        below, above = ratio_interval(own, reference)
        ratio = count * reference[1] / (reference[0] * genuine) if reference[0] else None
    if verdict is None:
        assert reference is not None
        assert below is not None
        verdict = "LIKE"
        mine, its = count * reference[1], reference[0] * genuine  # shares of a common denominator
        if mine > limit * its and below > 1:
            verdict = "HIGHER"
        elif mine * limit < its and above is not None and above < 1:
            verdict = "LOWER"
    return Rate(
        count=count,
        rate_bps=_bps(count, genuine),
        low_bps=_rounded(low, 10_000),
        high_bps=_rounded(high, 10_000),
        ratio=_rounded(ratio),
        ratio_low=_rounded(below),
        ratio_high=_rounded(above),
        verdict=verdict,
    )


def _wilson(count: int, of: int) -> tuple[float, float]:
    found = binomtest(count, of).proportion_ci(CONFIDENCE, "wilson")
    return float(found.low), float(found.high)


def _issuers(rows: Scored) -> _Grouping:
    """A card is FOREIGN if its issuer is not in the country of the merchant."""
    issuer, merchant = rows.particulars.issuer_country, rows.particulars.merchant_country
    codes = np.where((issuer == 0) | (merchant == 0), 0, np.where(issuer == merchant, 1, 2))
    return _Grouping(dimension="card", names=(UNKNOWN, "DOMESTIC", "FOREIGN"), codes=codes)


def _networks(rows: Scored) -> _Grouping:
    return _Grouping(dimension="network", names=tuple(code.name for code in NetworkCode), codes=rows.network)


def _sizes(rows: Scored) -> tuple[_Grouping, int, int]:
    """Group merchants by their payments in the whole history; return also the largest count of SMALL and of MEDIUM."""
    _, place, counts = np.unique(rows.particulars.merchant, return_inverse=True, return_counts=True)
    ranked, n = np.sort(counts).tolist(), len(counts)
    small, medium = (int(ranked[-(-n * thirds // 3) - 1]) for thirds in (1, 2))
    codes = 1 + (counts > small).astype(np.int64) + (counts > medium)
    names = (UNKNOWN, "SMALL", "MEDIUM", "LARGE")
    return _Grouping(dimension="merchant_size", names=names, codes=codes[place]), small, medium


def _ages(rows: Scored) -> _Grouping:
    """A merchant is NEW at a payment if its contract is younger than 90 days. If its record does not say so, it is NEW
    if it was first seen less than 90 days before, and UNKNOWN while the history does not reach back 90 days.
    """
    new_ms = NEW_DAYS * DAY_MS
    _, place = np.unique(rows.particulars.merchant, return_inverse=True)
    first_ms = np.full(int(place.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first_ms, place, rows.event_ms)
    is_reached = rows.event_ms - rows.event_ms.min() >= new_ms
    seen = np.where(is_reached, np.where(rows.event_ms - first_ms[place] < new_ms, 1, 2), 0)
    codes = np.where(np.isnan(rows.age_days), seen, np.where(rows.age_days < NEW_DAYS, 1, 2))
    return _Grouping(dimension="merchant_age", names=(UNKNOWN, "NEW", "ESTABLISHED"), codes=codes)


def _bps(part: int, whole: int) -> float | None:
    return round(10_000 * part / whole, DIGITS) if whole else None


def _rounded(value: float | None, by: int = 1) -> float | None:
    return None if value is None else round(value * by, DIGITS)
