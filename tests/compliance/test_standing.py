"""Where a merchant stands by its months, what an acquirer's act changes, and what a month will come to."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.contract.codes import FraudStatusCode, TdsModeCode
from scoring.merchants.answers import Answer, TdsUse
from scoring.merchants.months.store import CLAIM_KIND, MONTH_KIND
from scoring.merchants.months.table import RowTable
from scoring.merchants.programmes.scam import SCAM_KIND
from scoring.merchants.standing import (
    STANDING_KIND,
    STANDING_ROW,
    UNTOLD,
    Act,
    Standing,
    StandingLimits,
    act,
    advance,
    entered,
    forecast,
    read_row,
    without_tds,
    write_row,
)
from scoring.profile.packed import SIGHTING
from scoring.reference import TableError, table_from
from scoring.reference.limits import begins_on, limits_from
from scoring.reference.rows import Limit
from streams.config.tables import shipped_table
from tests.compliance.figures import fraud

TABLE = shipped_table("limits", Limit)
LIMITS = limits_from(TABLE, "FRAUD_FREQUENT", date(2026, 11, 27), StandingLimits)
LINE = 500_000
JAN = (2026 - 1970) * 12
TOKYO = timezone(timedelta(hours=9))


def number(day: date) -> int:
    return day.year * 12 + day.month - 1 - 1970 * 12


def test_limits_are_those_of_the_table_on_the_day() -> None:
    assert (
        StandingLimits(
            over_jpy=LINE,
            watch_months=1,
            warning_months=2,
            actualised_months=3,
            frequent_months=2,
            forecast_after_days=3,
        )
        == LIMITS
    )
    with pytest.raises(TableError, match="no row of frequent_months holds on 2024-03-13: add one"):
        limits_from(TABLE, "FRAUD_FREQUENT", date(2024, 3, 13), StandingLimits)
    assert begins_on(TABLE, "FRAUD_FREQUENT") == date(2020, 3, 1)
    assert begins_on(TABLE, "SCAM_MERCHANT") == date(2026, 7, 24)


@pytest.mark.parametrize(
    "wrong",
    [{"watch_months": 0}, {"warning_months": 0}, {"warning_months": 4}, {"frequent_months": 4}, {"frequent_months": 0}],
)
def test_limits_that_make_no_ladder_are_refused(wrong: dict[str, int]) -> None:
    fine: dict[str, Any] = {name: getattr(LIMITS, name) for name in StandingLimits.__slots__}
    StandingLimits(**fine)
    StandingLimits(**(fine | {"watch_months": 3, "warning_months": 3, "frequent_months": 3}))
    with pytest.raises(AssertionError):
        StandingLimits(**(fine | wrong))


@dataclass
class Oracle:
    """The rules as prose has them, over sets of months."""

    status: str = "NORMAL"
    since: date | None = None
    frequent_since: date | None = None
    floor: int = 0
    unfounded: bool = False
    basis: int | None = None
    months: int = 0
    yen: dict[int, int] = field(default_factory=dict)

    def runs(self) -> list[list[int]]:
        found: list[list[int]] = []
        for month in sorted(m for m, yen in self.yen.items() if yen > LINE and m >= self.floor):
            if found and found[-1][-1] == month - 1:
                found[-1].append(month)
            else:
                found.append([month])
        return found

    def advance(self, day: date, first: int) -> None:
        now = number(day)
        live = [run for run in self.runs() if run[-1] in (now, now - 1)]
        self.months = len(live[-1]) if live else 0
        long = [run for run in self.runs() if len(run) >= 3]
        before = self.status
        if before in ("ACTUALISED", "MONITORED") and not (before == "MONITORED" and long):
            pass
        else:
            self.status = "ACTUALISED" if long else ["NORMAL", "WATCH", "WARNING"][self.months]
        if self.status != before:
            self.since = day
        if self.status == "ACTUALISED":
            if long:
                self.basis, self.unfounded = long[-1][-1], False
            elif self.basis is not None and self.basis - 2 >= first:
                self.unfounded = True
        if self.months >= 2 or self.status in ("ACTUALISED", "MONITORED"):
            self.frequent_since = self.frequent_since or day
        else:
            self.frequent_since = None

    def act(self, what: str, day: date) -> None:
        if self.status not in ("ACTUALISED", "MONITORED"):
            return
        self.floor, self.months, self.unfounded = number(day) + 1, 0, False
        if what == "RELEASED":
            self.status, self.since, self.frequent_since, self.basis = "NORMAL", day, None, None
        elif self.status == "ACTUALISED":
            self.status, self.since = "MONITORED", day


STEP = st.tuples(
    st.sampled_from([0, 1, 28, 31, 31, 31, 45]),
    st.sampled_from([0, 0, 0, 0, 1, 2, 3, 5]),
    st.sampled_from([0, LINE, LINE + 1, LINE + 1, LINE + 1, 10**9]),
    st.sampled_from([None, None, None, *Act]),
)


@given(st.lists(STEP, max_size=25), st.integers(4, 12))
@example([(0, 0, LINE + 1, None), (31, 0, LINE + 1, None), (31, 0, LINE + 1, None), (31, 0, 0, None)], 4)
def test_a_merchant_stands_where_the_rules_put_it(steps: list[tuple[int, int, int, Act | None]], reach: int) -> None:
    day, standing, oracle = date(2026, 1, 31), UNTOLD, Oracle()
    for days, back, yen, what in steps:
        day += timedelta(days)
        now = number(day)
        oracle.yen[now - back] = yen
        if what is not None:
            standing = act(standing, what, day)
            oracle.act(what.name, day)
        first = now - reach + 1
        kept, oracle.yen = oracle.yen, {month: value for month, value in oracle.yen.items() if month >= first}
        before, standing = standing, advance(standing, fraud(kept, first, now), LIMITS, day)
        was = oracle.status
        oracle.advance(day, first)
        oracle.yen = kept
        told = (standing.status.name, standing.since, standing.months, standing.frequent_since, standing.counts_from)
        assert told == (oracle.status, oracle.since, oracle.months, oracle.frequent_since, oracle.floor)
        assert (standing.is_unfounded, standing.actualised_month) == (oracle.unfounded, oracle.basis)
        order = ["NORMAL", "WATCH", "WARNING", "ACTUALISED"]
        alert = entered(before, standing)
        rank = order.index("WARNING" if was == "MONITORED" else was)
        worse = oracle.status in order and order.index(oracle.status) > rank
        assert (alert.name if alert else None) == (oracle.status if worse else None)


def walk(*yen: int) -> list[Standing]:
    """Advance on the last day of each month, from January 2026 on."""
    months = dict(enumerate(yen, JAN))
    standing, found = UNTOLD, []
    for month in months:
        day = date(2026, month - JAN + 2, 1) - timedelta(1)
        standing = advance(standing, fraud(months, month - 5, month), LIMITS, day)
        found.append(standing)
    return found


def test_three_months_above_the_line_are_watch_warning_actualised() -> None:
    names = [standing.status.name for standing in walk(LINE, LINE + 1, LINE + 1, LINE, LINE + 1, LINE + 1, LINE + 1)]
    assert names == ["NORMAL", "WATCH", "WARNING", "WARNING", "WATCH", "WARNING", "ACTUALISED"]


def test_a_month_at_the_line_is_not_above_it_and_ends_a_run_when_it_is_over() -> None:
    standings = walk(LINE + 1, LINE + 1, LINE, LINE, LINE + 1)
    assert [standing.status.name for standing in standings] == ["WATCH", "WARNING", "WARNING", "NORMAL", "WATCH"]
    assert [standing.frequent_since for standing in standings][1:4] == [date(2026, 2, 28), date(2026, 2, 28), None]


def test_an_actualised_merchant_stays_until_the_acquirer_acts() -> None:
    *_, actualised, later = walk(LINE + 1, LINE + 1, LINE + 1, 0, 0, 0)
    assert (later.status.name, later.since, later.is_unfounded) == ("ACTUALISED", date(2026, 3, 31), False)
    assert actualised.status.name == "ACTUALISED"
    monitored = act(later, Act.MEASURES_RECORDED, date(2026, 7, 10))
    assert (monitored.status.name, monitored.since) == ("MONITORED", date(2026, 7, 10))
    assert act(monitored, Act.MEASURES_RECORDED, date(2026, 7, 20)).since == date(2026, 7, 10)
    released = act(monitored, Act.RELEASED, date(2026, 9, 1))
    assert (released.status.name, released.counts_from) == ("NORMAL", JAN + 9)
    assert act(walk(LINE + 1)[0], Act.RELEASED, date(2026, 2, 1)) == walk(LINE + 1)[0]


def test_reversals_that_take_the_run_away_say_so_and_release_nobody() -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    day = date(2026, 4, 2)
    reversed_away = advance(actualised, fraud({JAN: LINE + 1, JAN + 2: LINE + 1}, JAN - 3, JAN + 3), LIMITS, day)
    assert (reversed_away.status.name, reversed_away.is_unfounded) == ("ACTUALISED", True)
    again = advance(reversed_away, fraud(dict.fromkeys(range(JAN, JAN + 3), LINE + 1), JAN - 3, JAN + 3), LIMITS, day)
    assert again.is_unfounded is False


def test_a_monitored_merchant_is_actualised_anew_by_months_after_the_act_only() -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    monitored = act(actualised, Act.MEASURES_RECORDED, date(2026, 4, 1))
    assert (monitored.months, monitored.counts_from, monitored.is_unfounded) == (0, JAN + 4, False)
    months = dict.fromkeys(range(JAN, JAN + 7), LINE + 1)
    for last, status in ((JAN + 5, "MONITORED"), (JAN + 6, "ACTUALISED")):
        day = date(2026, last - JAN + 1, 2)
        before, monitored = monitored, advance(monitored, fraud(months, JAN - 3, last), LIMITS, day)
        assert monitored.status.name == status
        assert entered(before, monitored) is (FraudStatusCode.ACTUALISED if status == "ACTUALISED" else None)
    assert (monitored.since, monitored.actualised_month) == (date(2026, 7, 2), JAN + 6)
    assert monitored.frequent_since == date(2026, 2, 28)


def test_acts_on_an_unfounded_standing_clear_it() -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    unfounded = advance(actualised, fraud({}, JAN, JAN + 3), LIMITS, date(2026, 4, 2))
    assert unfounded.is_unfounded
    for what in Act:
        assert not act(unfounded, what, date(2026, 4, 3)).is_unfounded


@pytest.mark.parametrize(("first", "is_unfounded"), [(JAN, True), (JAN + 1, False), (JAN - 1, True)])
def test_a_run_that_is_older_than_what_was_read_is_not_missed(first: int, is_unfounded: bool) -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    found = advance(actualised, fraud({}, first, JAN + 6), LIMITS, date(2026, 7, 1))
    assert found.is_unfounded is is_unfounded


def test_one_month_is_a_run_where_limits_say_so_however_long_ago_it_was() -> None:
    one = StandingLimits(
        over_jpy=LINE, watch_months=1, warning_months=1, actualised_months=1, frequent_months=1, forecast_after_days=3
    )
    found = advance(UNTOLD, fraud({JAN: LINE + 1}, JAN, JAN + 3), one, date(2026, 4, 1))
    assert (found.status.name, found.actualised_month, found.months) == ("ACTUALISED", JAN, 0)


def test_kinds_of_rows_differ_from_each_other_and_from_those_of_profiles() -> None:
    """They stand in the log."""
    assert (MONTH_KIND, CLAIM_KIND, STANDING_KIND, SCAM_KIND, SIGHTING) == (254, 253, 252, 251, 255)


def test_a_history_with_a_gap_of_another_month_or_too_short_is_a_bug_of_its_caller() -> None:
    day = date(2026, 4, 2)
    for history in (
        fraud({}, JAN + 1, JAN + 3),
        fraud({}, JAN - 3, JAN + 2),
        [*fraud({}, JAN - 3, JAN), *fraud({}, JAN + 2, JAN + 3)],
    ):
        with pytest.raises(AssertionError):
            advance(UNTOLD, history, LIMITS, day)
    assert advance(UNTOLD, fraud({}, JAN, JAN + 3), LIMITS, day) == UNTOLD


@given(
    st.integers(0, 2 * LINE),
    st.integers(0, 29 * 86_400_000 - 1),
    st.lists(st.sampled_from([0, LINE, LINE + 1]), min_size=3, max_size=3),
    st.sampled_from([0, JAN + 24, JAN + 25, JAN + 26]),
)
@example(LINE, 20 * 86_400_000, [0, LINE + 1, LINE + 1], 0)
@example(LINE // 2, 14 * 86_400_000 + 43_200_000, [0, 0, 0], 0)
@example(0, 3 * 86_400_000, [0, 0, 0], 0)
@example(1, 3 * 86_400_000 - 1, [0, 0, 0], 0)
@example(LINE, 29 * 86_400_000 - 1, [0, 0, 0], 0)
@example(LINE, 20 * 86_400_000 - 2, [0, 0, 0], 0)
@example(LINE + 1, 0, [LINE + 1, LINE + 1, LINE + 1], JAN + 24)
def test_a_forecast_is_the_month_so_far_over_the_share_that_has_passed(
    yen: int, passed_ms: int, earlier: list[int], floor: int
) -> None:
    """February 2028, the 26th month from January 2026, has 29 days."""
    month = JAN + 25
    begin = datetime(2028, 2, 1, tzinfo=TOKYO)
    months = {month - 3: earlier[0], month - 2: earlier[1], month - 1: earlier[2], month: yen}
    now_ms = int(begin.timestamp() * 1000) + passed_ms
    found = forecast(fraud(months, month - 3, month), Standing(counts_from=floor), LIMITS, now_ms)
    if yen <= LINE and passed_ms < 3 * 86_400_000:
        assert found is None
        return
    assert found is not None
    share = Fraction(max(passed_ms, 1), 29 * 86_400_000)
    assert found.projected_jpy == int(yen / share)
    assert found.is_above == (yen > LINE)
    expected = None
    if 0 < yen <= LINE:
        for day in range(29):  # the first day in which the line is passed before midnight
            if yen * Fraction((day + 1) * 86_400_000 - 1, max(passed_ms, 1)) > LINE:
                expected = date(2028, 2, 1) + timedelta(day)
                break
    assert found.crosses_on == expected
    if found.crosses_on is None and not found.is_above:
        assert found.becomes is None
        return
    run = 1 if month >= floor else 0
    for back in (1, 2, 3):
        if earlier[3 - back] <= LINE or month - back < floor:
            break
        run += 1
    assert found.becomes is not None
    assert found.becomes.name == ["NORMAL", "WATCH", "WARNING", "ACTUALISED", "ACTUALISED"][run]


def test_the_forecast_names_the_day_on_which_the_line_is_crossed() -> None:
    begin = int(datetime(2026, 11, 1, tzinfo=TOKYO).timestamp() * 1000)
    month = JAN + 10
    found = forecast(fraud({month: 270_000}, month - 3, month), UNTOLD, LIMITS, begin + 10 * 86_400_000)
    assert found is not None
    assert (found.crosses_on, found.projected_jpy) == (date(2026, 11, 19), 810_000)
    assert found.becomes is FraudStatusCode.WATCH
    with pytest.raises(AssertionError):
        forecast(fraud({}, month - 3, month), UNTOLD, LIMITS, begin - 1)


@pytest.mark.parametrize(
    ("mode", "introduced_on", "answer", "days"),
    [
        (TdsModeCode.NONE, None, "YES", 31),
        (TdsModeCode.NONE, date(2025, 1, 1), "YES", 31),
        (TdsModeCode.EVERY_PAYMENT, None, "NO", 0),
        (TdsModeCode.EVERY_PAYMENT, date(2026, 3, 31), "NO", 0),
        (TdsModeCode.EVERY_PAYMENT, date(2026, 4, 1), "YES", 31),
        (TdsModeCode.CARD_REGISTRATION, date(2025, 4, 1), "NO", 0),
        (None, None, "UNKNOWN", 0),
        (None, date(2026, 4, 1), "YES", 31),
        (None, date(2025, 4, 1), "UNKNOWN", 0),
    ],
)
def test_frequent_fraud_without_3d_secure_is_said_with_its_days(
    mode: TdsModeCode | None, introduced_on: date | None, answer: str, days: int
) -> None:
    *_, warned, _ = walk(LINE + 1, LINE + 1, LINE)
    assert warned.frequent_since == date(2026, 2, 28)
    use = TdsUse(mode=mode, introduced_on=introduced_on)
    found = without_tds(warned, use, date(2026, 3, 31))
    assert (found.answer, found.days) == (Answer[answer], days)
    watched = walk(LINE + 1)[0]
    assert without_tds(watched, use, date(2026, 3, 31)).answer is Answer.NO


DAYS = st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2100, 1, 1)))


@given(
    st.builds(
        Standing,
        status=st.sampled_from(FraudStatusCode),
        since=DAYS,
        months=st.integers(0, 65_535),
        actualised_month=st.one_of(st.none(), st.integers(1, 2_000)),
        is_unfounded=st.booleans(),
        counts_from=st.integers(0, 2_000),
        frequent_since=DAYS,
    )
)
def test_a_standing_comes_back_from_its_row(standing: Standing) -> None:
    assert STANDING_ROW.itemsize == 40
    table = RowTable(STANDING_KIND, STANDING_ROW, 10)
    row = table.make(3, 77)
    write_row(table.data[row], standing)
    table.mark(row)
    again = RowTable(STANDING_KIND, STANDING_ROW, 10)
    again.restore(3, table.flush(3))
    found = again.find(3, 77)
    assert found is not None
    assert read_row(again.data[found]) == standing
    assert again.data[found]["at"] == (0 if standing.since is None else (standing.since - date(1970, 1, 1)).days)


def test_tables_of_limits_lack_nothing_and_a_limit_of_another_scope_is_not_read() -> None:
    rows = [
        {"scope": "A", "name": "over_jpy", "value": 1, "unit": "x", "effective_from": "2020-01-01", "source": ["DES"]}
    ]
    table = table_from({"title": "Limits", "rows": rows}, Limit, "limits.yaml")
    with pytest.raises(TableError, match="limits of FRAUD_FREQUENT: no row of over_jpy holds on 2026-01-01"):
        limits_from(table, "FRAUD_FREQUENT", date(2026, 1, 1), StandingLimits)
    assert np.dtype(STANDING_ROW).itemsize % 8 == 0
