"""The grace period of VAMP: 90 days once per 12 months without a tier, against a look back over days."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.compliance.programmes import Terms, vamp_months
from scoring.compliance.scope import Scope
from scoring.merchants.months.calendar import month_of_day
from scoring.merchants.months.columns import MonthFigures
from scoring.merchants.programmes.tiers import SalesBasis
from scoring.merchants.programmes.vamp import grace
from scoring.reference.limits import Limit
from scoring.reference.monitoring import monitoring_limits
from scoring.reference.table import table_from
from tests.compliance.figures import figures

BEGUN = date(2025, 4, 1)


def plus(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def oracle(marks: list[bool], first: date) -> tuple[str, date | None] | None:
    """Look back from each month in a tier over the twelve before it."""
    given: list[tuple[date, date, str]] = []
    found: tuple[str, date | None] | None = None
    for number, is_marked in enumerate(marks):
        begin, found = plus(first, number), None
        if not is_marked:
            continue
        last = plus(begin, 1) - timedelta(1)
        running = [one for one in given if one[0] <= last <= one[1]]
        if running:
            found = (running[-1][2], running[-1][1])
            continue
        before = []
        for back in range(1, 13):
            if number - back >= 0:
                before.append(marks[number - back])
            else:
                before.append(False if plus(begin, -back) < BEGUN else None)
        if True in before:
            found = ("USED", None)
            continue
        state = "UNKNOWN" if None in before else "RUNNING"
        given.append((last, last + timedelta(90), state))
        found = (state, last + timedelta(90))
    return found


@given(
    st.lists(st.sampled_from([False, False, False, True]), min_size=1, max_size=36),
    st.sampled_from([date(2024, 1, 1), date(2025, 3, 1), BEGUN, date(2025, 5, 1), date(2026, 1, 1), date(2026, 11, 1)]),
)
@example([True] * 5, date(2026, 1, 1))
@example([False] * 12 + [True] * 5, date(2026, 1, 1))
@example([False] * 11 + [True] * 5, date(2026, 1, 1))
@example([False] * 12 + [True, False, False, True], date(2026, 1, 1))
@example([True, *[False] * 12, True], date(2025, 5, 1))
@example([True, *[False] * 11, True], date(2025, 4, 1))
def test_the_grace_period_is_what_a_look_back_finds(marks: list[bool], first: date) -> None:
    for end in range(1, len(marks) + 1):
        found = grace(marks[:end], month_of_day(first), monitoring_limits())
        assert (None if found is None else (found.state.name, found.until)) == oracle(marks[:end], first)


def test_ninety_days_from_january_reach_over_april_but_not_from_december() -> None:
    """February, March and April of 2027 are 89 days; January to March 90."""
    for first, within in ((date(2027, 1, 1), 4), (date(2026, 12, 1), 4), (date(2027, 3, 1), 3)):
        marks = [False] * 12 + [True] * 6
        states = [
            found.state.name
            for end in range(13, 19)
            if (found := grace(marks[:end], month_of_day(plus(first, -12)), monitoring_limits())) is not None
        ]
        assert states == ["RUNNING"] * within + ["USED"] * (6 - within), first


@pytest.mark.parametrize(("days", "state"), [(30, "USED"), (31, "RUNNING")])
def test_a_change_of_the_table_counts_from_its_day_on(days: int, state: str) -> None:
    rows = [
        {"scope": "VAMP_GRACE", "name": name, "value": value, "unit": "x", "effective_from": day, "source": ["DES"]}
        for name, value, day in (
            ("grace_days", 90, "2025-04-01"),
            ("grace_days", days, "2026-11-30"),
            ("clean_months", 12, "2025-04-01"),
        )
    ]
    table = table_from({"title": "T", "rows": rows}, Limit, "t.yaml")
    found = grace([False] * 12 + [True, True], month_of_day(date(2025, 11, 1)), table)
    assert found is not None
    assert found.state.name == state


class Months:
    """Months of merchants as a report reads them: frauds and settled sales of Visa, by merchant and first day."""

    def __init__(self, told: dict[tuple[str, date], tuple[int, int]]) -> None:
        self._told = {(name, month_of_day(day)): pair for (name, day), pair in told.items()}

    def month(self, merchant: str, month: int) -> MonthFigures:
        frauds, sales = self._told.get((merchant, month), (0, 10_000))
        return figures(month, VISA_FRAUD_N=frauds, VISA_SETTLED_N=sales)

    def basis(self, month: int) -> SalesBasis:
        return SalesBasis.SETTLED


MANY = (2_000, 20_000)
TOLD = {("m-1", date(2026, month, 1)): MANY for month in (8, 9, 10)} | {
    ("m-2", date(2025, 9, 1)): MANY,  # advice only: enforced since October 2025
    ("m-2", date(2026, 9, 1)): MANY,
    ("m-3", date(2026, 2, 1)): MANY,
    ("m-3", date(2026, 10, 1)): MANY,
}


@pytest.mark.parametrize(("months", "first"), [(15, "RUNNING"), (14, "UNKNOWN")])
def test_a_report_says_of_each_tier_whether_its_grace_period_runs(months: int, first: str) -> None:
    scope = Scope(acquirer_id="acq-1", as_of=date(2026, 10, 14), months=months)
    terms = Terms(region="AP", efm_region="AU", rates={})
    known: Any = Months(TOLD)
    september, october = vamp_months(known, ["m-1", "m-2", "m-3", "m-4"], scope, terms)
    assert [(one.month, one.tier.tier, one.basis) for one in (september, october)] == [
        ("2026-09", "EXCESSIVE", "SETTLED"),
        ("2026-10", "EXCESSIVE", "SETTLED"),
    ]
    found = {
        (month.month, part.merchant_id): None if part.grace is None else (part.grace.state, part.grace.until)
        for month in (september, october)
        for part in month.merchants
    }
    assert found == {
        ("2026-09", "m-1"): (first, date(2026, 11, 29)),
        ("2026-09", "m-2"): ("RUNNING", date(2026, 12, 29)),
        ("2026-10", "m-1"): (first, date(2026, 11, 29)),
        ("2026-10", "m-3"): ("USED", None),
    }
    assert september.grace is not None
    assert september.grace.state == "USED", "the acquirer was in a tier in February"
