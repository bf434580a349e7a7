"""Where a merchant stands by its fraud: NORMAL, WATCH, WARNING, ACTUALISED, MONITORED.

Japan's Guidelines speak of actualised fraud (不正顕在化) where the fraud that a card company knows of at a merchant is
more than 500,000 yen in each of three months in a row. The figures here are this acquirer's own: others may know more.
Up to WARNING a merchant stands where its months put it, and a late or reversed report moves it either way. ACTUALISED
ends by an act of the acquirer only, because the merchant is registered with the exchange centre by then.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum, auto
from functools import cache
from typing import Final

from scoring.contract.codes import FraudStatusCode
from scoring.merchants.months.calendar import DAY_MS, begin_ms, day_of, days_in, first_day, month_of, month_of_day
from scoring.reference.limits import Limit, limits, limits_from
from scoring.reference.table import DatedTable

NORMAL, WATCH, WARNING, ACTUALISED, MONITORED = FraudStatusCode


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimits:
    """Hold the limits of scope FRAUD_FREQUENT: strictly more than `over_jpy`, in so many months in a row.

    `frequent_months`: from where on fraud is frequent, so that 3-D Secure is due at once (the Guidelines give none).
    `forecast_after_days`: no forecast before so many days of a month have passed. `remind_days`: fraud that is frequent
    without 3-D Secure is told of again after so many days.
    """

    over_jpy: int
    watch_months: int
    warning_months: int
    actualised_months: int
    frequent_months: int
    forecast_after_days: int
    remind_days: int

    def __post_init__(self) -> None:
        assert 0 < self.watch_months <= self.warning_months <= self.actualised_months
        assert 0 < self.frequent_months <= self.actualised_months


SCOPE: Final = "FRAUD_FREQUENT"


class StandingRules:
    """The limits by day. A month is judged by the yen that holds on its first day, a run by the limits of the day."""

    def __init__(self, table: DatedTable[Limit]) -> None:
        self._days = sorted({row.effective_from for row in table if row.scope == SCOPE})
        self._on = [limits_from(table, SCOPE, day, StandingLimits) for day in self._days]

    def on(self, day: date) -> StandingLimits:
        """Return the limits of a day; of a day before the first one, the first ones."""
        return self._on[max(bisect_right(self._days, day) - 1, 0)]

    def is_above(self, month: int, fraud_jpy: int) -> bool:
        """Say whether a month has more fraud than it may have."""
        return fraud_jpy > self.on(first_day(month)).over_jpy


@cache
def standing_rules() -> StandingRules:
    """Give the rules of the table that ships, read once."""
    return StandingRules(limits())


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Hold the fraud of a merchant in whole yen by month: `fraud_jpy` is consecutive and ends with month `last`."""

    last: int
    fraud_jpy: tuple[int, ...]

    @property
    def first(self) -> int:
        """The first month."""
        return self.last - len(self.fraud_jpy) + 1

    def above(self, rules: StandingRules, counts_from: int) -> list[bool]:
        """Say of each month whether it is above the limit and counts."""
        months = enumerate(self.fraud_jpy, self.first)
        return [month >= counts_from and rules.is_above(month, jpy) for month, jpy in months]


class Act(Enum):
    """What an acquirer does about a merchant that is ACTUALISED or MONITORED."""

    MEASURES_RECORDED = auto()  # further measures are in place: ACTUALISED becomes MONITORED
    RELEASED = auto()  # the merchant is judged by its months again


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold where a merchant stands.

    `since`: the day of the last change. `months`: how many months in a row are above the limit, up to month `run_to`,
    which was the current one or the one before it. `actualised_month`: the last month of the run that made the merchant
    ACTUALISED. `is_unfounded`: late reversals took every such run away, and an acquirer may release the merchant.
    `counts_from`: months before this one do not count any more, because the acquirer acted. `frequent_since`: since
    when fraud is frequent.
    """

    status: FraudStatusCode = NORMAL
    since: date | None = None
    months: int = 0
    run_to: int = 0
    actualised_month: int | None = None
    is_unfounded: bool = False
    counts_from: int = 0
    frequent_since: date | None = None


NO_REPORTS: Final = Standing()
"""Of a merchant nothing was reported of."""


def _trailing(above: Sequence[bool]) -> int:
    return next((n for n, is_above in enumerate(reversed(above)) if not is_above), len(above))


def _actualised_in(above: Sequence[bool], first: int, needed: int) -> int | None:
    """Return the last month of the latest run that is long enough; None where there is none.

    It need not reach up to now: where months are those of payments, late reports fill months long past.
    """
    ends = (n for n in range(len(above), 0, -1) if _trailing(above[:n]) >= needed)
    return next((first + n - 1 for n in ends), None)


def level_of(months: int, limits: StandingLimits) -> FraudStatusCode:
    """Say where a run of so many months puts a merchant."""
    if months >= limits.actualised_months:
        return ACTUALISED
    if months >= limits.warning_months:
        return WARNING
    return WATCH if months >= limits.watch_months else NORMAL


def aged(standing: Standing, month: int) -> Standing:
    """Say where a merchant stands in a month if nothing was reported of it since: a run that ended is none."""
    if standing.status not in (WATCH, WARNING) or standing.run_to >= month - 1:
        return standing
    since = first_day(standing.run_to + 2)
    return replace(standing, status=NORMAL, since=since, months=0, run_to=0, frequent_since=None)


def advance(before: Standing, history: History, rules: StandingRules, day: date) -> Standing:
    """Say where a merchant stands on a day, after its months changed or a month began.

    `history` ends with the month of `day` and reaches back over `actualised_months + 1` months at least. A current
    month that is not above the limit yet does not end the run before it.
    """
    limits, before = rules.on(day), aged(before, history.last)
    assert len(history.fraud_jpy) > limits.actualised_months
    assert history.last == month_of_day(day)
    above = history.above(rules, before.counts_from)
    months, run_to = _trailing(above), history.last
    if months == 0:
        months, run_to = _trailing(above[:-1]), history.last - 1
    actualised_month = _actualised_in(above, history.first, limits.actualised_months)
    status = level_of(months, limits) if actualised_month is None else ACTUALISED
    if before.status is ACTUALISED or (before.status is MONITORED and status is not ACTUALISED):
        status = before.status
    is_frequent = months >= limits.frequent_months or status in (ACTUALISED, MONITORED)
    after = replace(
        before,
        status=status,
        since=before.since if status is before.status else day,
        months=months,
        run_to=run_to if months else 0,
        frequent_since=(before.frequent_since or day) if is_frequent else None,
    )
    return _founded(after, actualised_month, history.first, limits) if status is ACTUALISED else after


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
    return replace(
        before, status=MONITORED, since=since, months=0, run_to=0, is_unfounded=False, counts_from=counts_from
    )


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


def forecast(history: History, standing: Standing, rules: StandingRules, now_ms: int) -> Forecast | None:
    """Project the current month, the last of `history`, by its fraud over the share of it that has passed.

    None before `forecast_after_days` of the month have passed, unless it is above the limit already.
    """
    month, fraud_jpy = history.last, history.fraud_jpy[-1]
    assert month == month_of(now_ms)
    limits, over_jpy = rules.on(day_of(now_ms)), rules.on(first_day(month)).over_jpy
    passed_ms, whole_ms = now_ms - begin_ms(month), days_in(month) * DAY_MS
    is_above = fraud_jpy > over_jpy
    if not is_above and passed_ms < limits.forecast_after_days * DAY_MS:
        return None
    projected_jpy = fraud_jpy * whole_ms // max(passed_ms, 1)
    crosses_on = None
    if not is_above and fraud_jpy > 0:
        crosses_ms = over_jpy * passed_ms // fraud_jpy + 1
        if crosses_ms < whole_ms:
            crosses_on = first_day(month) + timedelta(crosses_ms // DAY_MS)
    becomes = None
    if is_above or crosses_on is not None:
        run = _trailing(history.above(rules, standing.counts_from)[:-1])
        becomes = level_of(run + (month >= standing.counts_from), limits)
    return Forecast(is_above=is_above, crosses_on=crosses_on, projected_jpy=projected_jpy, becomes=becomes)
