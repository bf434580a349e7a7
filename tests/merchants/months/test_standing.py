"""Where a merchant stands by its months, what an acquirer's act changes, and what a month will come to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.contract.codes import FraudStatusCode
from scoring.merchants.standing import (
    NO_REPORTS,
    Act,
    History,
    Standing,
    StandingLimits,
    StandingRules,
    act,
    advance,
    aged,
    entered,
    forecast,
    standing_rules,
)
from scoring.reference.limits import Limit, limits
from scoring.reference.table import DatedTable, TableError, table_from

TABLE = limits()
RULES = standing_rules()
LIMITS = RULES.on(date(2026, 11, 27))
LINE = 500_000
JAN = (2026 - 1970) * 12
TOKYO = timezone(timedelta(hours=9))


def fraud(yen: Mapping[int, int], first: int, last: int) -> History:
    return History(last=last, fraud_jpy=tuple(yen.get(month, 0) for month in range(first, last + 1)))


def number(day: date) -> int:
    return day.year * 12 + day.month - 1 - 1970 * 12


SHIPPED = {
    "over_jpy": (LINE, "W16"),
    "watch_months": (1, "DES"),
    "warning_months": (2, "DES"),
    "actualised_months": (3, "W16"),
    "frequent_months": (2, "UNV"),
    "forecast_after_days": (3, "DES"),
    "remind_days": (30, "DES"),
}


def dated(**later: int) -> DatedTable[Limit]:
    """The limits that ship, and other values from April 2026 on."""
    plain = {"scope": "FRAUD_FREQUENT", "unit": "x", "source": ["DES"]}
    rows = [plain | {"name": n, "value": v, "effective_from": "2020-03-01"} for n, (v, _) in SHIPPED.items()]
    rows += [plain | {"name": n, "value": v, "effective_from": "2026-04-01"} for n, v in later.items()]
    return table_from({"title": "Limits", "rows": rows}, Limit, "limits.yaml")


def test_limits_are_those_of_the_table_on_the_day() -> None:
    of_standing = {row.name: row for row in TABLE if row.scope == "FRAUD_FREQUENT"}
    assert {name: (row.value, *row.source) for name, row in of_standing.items()} == SHIPPED
    assert {row.effective_from for row in TABLE} == {date(2020, 3, 1)}
    assert asdict(LIMITS) == {name: value for name, (value, _) in SHIPPED.items()}
    assert RULES.on(date(2019, 1, 1)) == LIMITS
    rules = StandingRules(dated(watch_months=2))
    assert [rules.on(date(2026, *day)).watch_months for day in ((3, 31), (4, 1), (12, 1))] == [1, 2, 2]
    row = {"scope": "A", "name": "b", "value": 1, "unit": "x", "effective_from": "2020-03-01", "source": ["DES"]}
    table = table_from({"title": "Limits", "rows": [row | {"scope": "FRAUD_FREQUENT"}]}, Limit, "limits.yaml")
    with pytest.raises(TableError, match="limits of FRAUD_FREQUENT: no row of over_jpy holds on 2020-03-01: add one"):
        StandingRules(table)


def test_a_month_is_judged_by_the_yen_of_its_own_first_day() -> None:
    rules = StandingRules(dated(over_jpy=300_000))
    yen = dict.fromkeys((JAN + 1, JAN + 2, JAN + 3), 400_000)
    found = advance(NO_REPORTS, fraud(yen, JAN - 1, JAN + 3), rules, date(2026, 4, 30))
    assert (found.status.name, found.months) == ("WATCH", 1)
    cast = forecast(
        fraud({JAN + 3: 160_000}, JAN, JAN + 3),
        NO_REPORTS,
        rules,
        int(datetime(2026, 4, 16, tzinfo=TOKYO).timestamp() * 1000),
    )
    assert cast is not None
    assert cast.crosses_on == date(2026, 4, 29)


@pytest.mark.parametrize(
    "wrong",
    [{"watch_months": 0}, {"warning_months": 0}, {"warning_months": 4}, {"frequent_months": 4}, {"frequent_months": 0}],
)
def test_limits_that_make_no_ladder_are_refused(wrong: dict[str, int]) -> None:
    fine: dict[str, Any] = {name: value for name, (value, _) in SHIPPED.items()}
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
    end: int = 0
    yen: dict[int, int] = field(default_factory=dict)

    def runs(self) -> list[list[int]]:
        found: list[list[int]] = []
        for month in sorted(m for m, yen in self.yen.items() if yen > LINE and m >= self.floor):
            if found and found[-1][-1] == month - 1:
                found[-1].append(month)
            else:
                found.append([month])
        return found

    def age(self, day: date) -> None:
        """A run that ended before the last month is none, since the month after that in which it could go on."""
        if self.status in ("WATCH", "WARNING") and self.end < number(day) - 1:
            year, month = divmod(self.end + 2, 12)
            self.status, self.since, self.frequent_since = "NORMAL", date(1970 + year, month + 1, 1), None

    def advance(self, day: date, first: int) -> None:
        now = number(day)
        self.age(day)
        live = [run for run in self.runs() if run[-1] in (now, now - 1)]
        self.months = len(live[-1]) if live else 0
        self.end = live[-1][-1] if live else 0
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
    day, standing, oracle = date(2026, 1, 31), NO_REPORTS, Oracle()
    for days, back, yen, what in steps:
        day += timedelta(days)
        now = number(day)
        oracle.yen[now - back] = yen
        if what is not None:
            standing = act(standing, what, day)
            oracle.act(what.name, day)
        first = now - reach + 1
        kept, oracle.yen = oracle.yen, {month: value for month, value in oracle.yen.items() if month >= first}
        before, standing = standing, advance(standing, fraud(kept, first, now), RULES, day)
        oracle.age(day)
        was = oracle.status
        before = aged(before, now)
        assert (before.status.name, before.since) == (was, oracle.since)
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
    standing, found = NO_REPORTS, []
    for month in months:
        day = date(2026, month - JAN + 2, 1) - timedelta(1)
        standing = advance(standing, fraud(months, month - 5, month), RULES, day)
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
    reversed_away = advance(actualised, fraud({JAN: LINE + 1, JAN + 2: LINE + 1}, JAN - 3, JAN + 3), RULES, day)
    assert (reversed_away.status.name, reversed_away.is_unfounded) == ("ACTUALISED", True)
    again = advance(reversed_away, fraud(dict.fromkeys(range(JAN, JAN + 3), LINE + 1), JAN - 3, JAN + 3), RULES, day)
    assert again.is_unfounded is False


def test_a_monitored_merchant_is_actualised_anew_by_months_after_the_act_only() -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    monitored = act(actualised, Act.MEASURES_RECORDED, date(2026, 4, 1))
    assert (monitored.months, monitored.counts_from, monitored.is_unfounded) == (0, JAN + 4, False)
    months = dict.fromkeys(range(JAN, JAN + 7), LINE + 1)
    for last, status in ((JAN + 5, "MONITORED"), (JAN + 6, "ACTUALISED")):
        day = date(2026, last - JAN + 1, 2)
        before, monitored = monitored, advance(monitored, fraud(months, JAN - 3, last), RULES, day)
        assert monitored.status.name == status
        assert entered(before, monitored) is (FraudStatusCode.ACTUALISED if status == "ACTUALISED" else None)
    assert (monitored.since, monitored.actualised_month) == (date(2026, 7, 2), JAN + 6)
    assert monitored.frequent_since == date(2026, 2, 28)


def test_acts_on_an_unfounded_standing_clear_it() -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    unfounded = advance(actualised, fraud({}, JAN, JAN + 3), RULES, date(2026, 4, 2))
    assert unfounded.is_unfounded
    for what in Act:
        assert not act(unfounded, what, date(2026, 4, 3)).is_unfounded


@pytest.mark.parametrize(("first", "is_unfounded"), [(JAN, True), (JAN + 1, False), (JAN - 1, True)])
def test_a_run_that_is_older_than_what_was_read_is_not_missed(first: int, is_unfounded: bool) -> None:
    *_, actualised = walk(LINE + 1, LINE + 1, LINE + 1)
    found = advance(actualised, fraud({}, first, JAN + 6), RULES, date(2026, 7, 1))
    assert found.is_unfounded is is_unfounded


def test_one_month_is_a_run_where_limits_say_so_however_long_ago_it_was() -> None:
    one = StandingRules(dated(warning_months=1, actualised_months=1, frequent_months=1))
    found = advance(NO_REPORTS, fraud({JAN: LINE + 1}, JAN, JAN + 3), one, date(2026, 4, 1))
    assert (found.status.name, found.actualised_month, found.months) == ("ACTUALISED", JAN, 0)


def test_a_history_of_another_month_or_too_short_is_a_bug_of_its_caller() -> None:
    day = date(2026, 4, 2)
    for history in (fraud({}, JAN + 1, JAN + 3), fraud({}, JAN - 3, JAN + 2)):
        with pytest.raises(AssertionError):
            advance(NO_REPORTS, history, RULES, day)
    assert advance(NO_REPORTS, fraud({}, JAN, JAN + 3), RULES, day) == NO_REPORTS


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
    found = forecast(fraud(months, month - 3, month), Standing(counts_from=floor), RULES, now_ms)
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
    found = forecast(fraud({month: 270_000}, month - 3, month), NO_REPORTS, RULES, begin + 10 * 86_400_000)
    assert found is not None
    assert (found.crosses_on, found.projected_jpy) == (date(2026, 11, 19), 810_000)
    assert found.becomes is FraudStatusCode.WATCH
    with pytest.raises(AssertionError):
        forecast(fraud({}, month - 3, month), NO_REPORTS, RULES, begin - 1)
