"""Where a merchant stands by its fraud: NORMAL, WATCH, WARNING, ACTUALISED, MONITORED.

Japan's Guidelines speak of actualised fraud (不正顕在化) where the fraud that a card company knows of at a merchant is
more than 500,000 yen in each of three months in a row. The figures here are this acquirer's own: others may know more.
Up to WARNING a merchant stands where its months put it, and a late or reversed report moves it either way. ACTUALISED
ends by an act of the acquirer only, because the merchant is registered with the exchange centre by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import Any, Final

import numpy as np

from scoring.contract.codes import FraudStatusCode
from scoring.merchants.answers import Answer, Owed, TdsUse
from scoring.merchants.months.calendar import DAY_MS, begin_ms, days_in, first_day, month_of, month_of_day
from scoring.merchants.months.columns import MonthCol, MonthFigures

NORMAL, WATCH, WARNING, ACTUALISED, MONITORED = FraudStatusCode


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimits:
    """Hold the limits of scope FRAUD_FREQUENT: strictly more than `over_jpy`, in so many months in a row.

    `frequent_months`: from where on fraud is frequent, so that 3-D Secure is due at once (the Guidelines give none).
    `forecast_after_days`: no forecast before so many days of a month have passed.
    """

    over_jpy: int
    watch_months: int
    warning_months: int
    actualised_months: int
    frequent_months: int
    forecast_after_days: int

    def __post_init__(self) -> None:
        assert 0 < self.watch_months <= self.warning_months <= self.actualised_months
        assert 0 < self.frequent_months <= self.actualised_months


class Act(Enum):
    """What an acquirer does about a merchant that is ACTUALISED or MONITORED."""

    MEASURES_RECORDED = auto()  # further measures are in place: ACTUALISED becomes MONITORED
    RELEASED = auto()  # the merchant is judged by its months again


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold where a merchant stands.

    `since`: the day of the last change. `months`: how many months in a row are above the limit, up to the current one,
    or the one before it. `actualised_month`: the last month of the run that made the merchant ACTUALISED.
    `is_unfounded`: late reversals took every such run away, and an acquirer may release the merchant. `counts_from`:
    months before this one do not count any more, because the acquirer acted. `frequent_since`: since when fraud is
    frequent.
    """

    status: FraudStatusCode = NORMAL
    since: date | None = None
    months: int = 0
    actualised_month: int | None = None
    is_unfounded: bool = False
    counts_from: int = 0
    frequent_since: date | None = None


UNTOLD: Final = Standing()
"""Of a merchant nothing was reported of."""


def _above(history: Sequence[MonthFigures], limits: StandingLimits, counts_from: int) -> list[bool]:
    assert all(later.month == earlier.month + 1 for earlier, later in pairwise(history))
    return [one.month >= counts_from and one[MonthCol.FRAUD_JPY] > limits.over_jpy for one in history]


def _trailing(above: Sequence[bool]) -> int:
    return next((n for n, is_above in enumerate(reversed(above)) if not is_above), len(above))


def run_of(history: Sequence[MonthFigures], limits: StandingLimits, counts_from: int = 0) -> int:
    """Count months in a row above the limit; `history` is consecutive, its last month the current one.

    A current month that is not above the limit yet does not end the run before it.
    """
    above = _above(history, limits, counts_from)
    return _trailing(above) or _trailing(above[:-1])


def actualised_in(history: Sequence[MonthFigures], limits: StandingLimits, counts_from: int = 0) -> int | None:
    """Return the last month of the latest run that is long enough; None where there is none.

    It need not reach up to now: where months are those of payments, late reports fill months long past.
    """
    above = _above(history, limits, counts_from)
    ends = (n for n in range(len(above), 0, -1) if _trailing(above[:n]) >= limits.actualised_months)
    return next((history[n - 1].month for n in ends), None)


def level_of(months: int, limits: StandingLimits) -> FraudStatusCode:
    """Say where a run of so many months puts a merchant."""
    if months >= limits.actualised_months:
        return ACTUALISED
    if months >= limits.warning_months:
        return WARNING
    return WATCH if months >= limits.watch_months else NORMAL


def advance(before: Standing, history: Sequence[MonthFigures], limits: StandingLimits, day: date) -> Standing:
    """Say where a merchant stands on a day, after its months changed or a month began.

    `history` ends with the month of `day` and reaches back over `actualised_months + 1` months at least.
    """
    assert len(history) > limits.actualised_months
    assert history[-1].month == month_of_day(day)
    months = run_of(history, limits, before.counts_from)
    actualised_month = actualised_in(history, limits, before.counts_from)
    status = level_of(months, limits) if actualised_month is None else ACTUALISED
    if before.status is ACTUALISED or (before.status is MONITORED and status is not ACTUALISED):
        status = before.status
    is_frequent = months >= limits.frequent_months or status in (ACTUALISED, MONITORED)
    after = replace(
        before,
        status=status,
        since=before.since if status is before.status else day,
        months=months,
        frequent_since=(before.frequent_since or day) if is_frequent else None,
    )
    return _founded(after, actualised_month, history[0].month, limits) if status is ACTUALISED else after


def _founded(after: Standing, found: int | None, first: int, limits: StandingLimits) -> Standing:
    """Note which run made a merchant ACTUALISED, and whether there is one still, as far back as months were read."""
    if found is not None:
        return replace(after, actualised_month=found, is_unfounded=False)
    assert after.actualised_month is not None
    is_read = first <= after.actualised_month - limits.actualised_months + 1
    return replace(after, is_unfounded=True) if is_read else after


def act(before: Standing, what: Act, day: date) -> Standing:
    """Apply an act of the acquirer. Months up to that of the act do not count any more.

    An act on a merchant that is neither ACTUALISED nor MONITORED changes nothing.
    """
    if before.status not in (ACTUALISED, MONITORED):
        return before
    counts_from = month_of_day(day) + 1
    if what is Act.RELEASED:
        return Standing(status=NORMAL, since=day, counts_from=counts_from)
    since = before.since if before.status is MONITORED else day
    return replace(before, status=MONITORED, since=since, months=0, is_unfounded=False, counts_from=counts_from)


def entered(before: Standing, after: Standing) -> FraudStatusCode | None:
    """Name the status that a merchant entered for the worse, which is an alert; else None."""
    rank = {NORMAL: 0, WATCH: 1, WARNING: 2, MONITORED: 2, ACTUALISED: 3}
    worse = rank[after.status] > rank[before.status]
    return after.status if worse and after.status is not MONITORED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Hold what a month comes to if it goes on as it began.

    `is_above`: it is above the limit already. `crosses_on`: the day on which it will be, in this month; None if it will
    not. `projected_jpy`: at its end. `becomes`: where that would put the merchant; None if it does not cross.
    """

    is_above: bool
    crosses_on: date | None
    projected_jpy: int
    becomes: FraudStatusCode | None


def forecast(
    history: Sequence[MonthFigures], standing: Standing, limits: StandingLimits, now_ms: int
) -> Forecast | None:
    """Project the current month, the last of `history`, by its fraud over the share of it that has passed.

    None before `forecast_after_days` of the month have passed, unless it is above the limit already.
    """
    current = history[-1]
    assert current.month == month_of(now_ms)
    passed_ms, whole_ms = now_ms - begin_ms(current.month), days_in(current.month) * DAY_MS
    fraud_jpy = current[MonthCol.FRAUD_JPY]
    is_above = fraud_jpy > limits.over_jpy
    if not is_above and passed_ms < limits.forecast_after_days * DAY_MS:
        return None
    projected_jpy = fraud_jpy * whole_ms // max(passed_ms, 1)
    crosses_on = None
    if not is_above and fraud_jpy > 0:
        crosses_ms = limits.over_jpy * passed_ms // fraud_jpy + 1
        if crosses_ms < whole_ms:
            crosses_on = first_day(current.month) + timedelta(crosses_ms // DAY_MS)
    becomes = None
    if is_above or crosses_on is not None:
        run = _trailing(_above(history[:-1], limits, standing.counts_from))
        becomes = level_of(run + (current.month >= standing.counts_from), limits)
    return Forecast(is_above=is_above, crosses_on=crosses_on, projected_jpy=projected_jpy, becomes=becomes)


def without_tds(standing: Standing, use: TdsUse, day: date) -> Owed:
    """Say whether fraud is frequent at a merchant without 3-D Secure, and for how many days."""
    if standing.frequent_since is None:
        return Owed(answer=Answer.NO)
    used = use.on(day)
    if used is Answer.NO:
        return Owed(answer=Answer.YES, days=(day - standing.frequent_since).days)
    return Owed(answer=Answer.UNKNOWN if used is Answer.UNKNOWN else Answer.NO)


STANDING_KIND: Final = 252
STANDING_ROW: Final = np.dtype(
    [
        *[("key", "<u8"), ("at", "<i8")],
        *[("since", "<i4"), ("frequent_since", "<i4"), ("actualised_month", "<i4"), ("counts_from", "<i4")],
        *[("months", "<u2"), ("home", "<u2"), ("dirty", "u1"), ("status", "u1"), ("unfounded", "u1"), ("spare", "u1")],
    ]
)
"""A merchant's standing: `key` is the merchant, `at` the day of the last change, for the eviction. 40 bytes."""

_NO_DAY: Final = date(1970, 1, 1)


def _number(day: date | None) -> int:
    return 0 if day is None else (day - _NO_DAY).days


def _day(number: int) -> date | None:
    return None if number == 0 else _NO_DAY + timedelta(number)


def write_row(row: Any, standing: Standing) -> None:
    """Write a standing into a row of STANDING_ROW, but for its key and owner."""
    row["at"] = row["since"] = _number(standing.since)
    row["frequent_since"], row["counts_from"] = _number(standing.frequent_since), standing.counts_from
    row["actualised_month"] = 0 if standing.actualised_month is None else standing.actualised_month
    row["months"], row["status"], row["unfounded"] = standing.months, standing.status, standing.is_unfounded


def read_row(row: Any) -> Standing:
    """Read a standing from a row of STANDING_ROW."""
    return Standing(
        status=FraudStatusCode(int(row["status"])),
        since=_day(int(row["since"])),
        months=int(row["months"]),
        actualised_month=int(row["actualised_month"]) or None,
        is_unfounded=bool(row["unfounded"]),
        counts_from=int(row["counts_from"]),
        frequent_since=_day(int(row["frequent_since"])),
    )
