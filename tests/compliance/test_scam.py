"""Mastercard's tests for scam merchants, their clock, and what tells an attack from a scam."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.merchants.programmes.scam import (
    NO_TEST,
    Answers,
    Behaviour,
    Reading,
    ScamCase,
    ScamLimits,
    ScamTest,
    follow,
    months_later,
    scam_limits_on,
    scam_tests,
)
from scoring.reference.monitoring import monitoring_limits

TABLE = monitoring_limits()
TODAY = date(2026, 11, 27)
HOUR = 3_600_000


def limits() -> ScamLimits:
    found = scam_limits_on(TABLE, TODAY)
    assert found is not None
    return found


LIMITS = limits()


def test_the_tests_begin_with_the_programme() -> None:
    assert scam_limits_on(TABLE, date(2026, 7, 23)) is None
    assert scam_limits_on(TABLE, date(2026, 7, 24)) == LIMITS


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    attempts = draw(st.one_of(st.integers(0, 60), st.integers(0, 2_000)))
    tech = draw(st.integers(0, attempts // 4))
    approved = draw(st.integers(0, attempts - tech))
    return Answers(
        attempts=attempts, tech=tech, approved=approved, bad_card=draw(st.integers(0, attempts - tech - approved))
    )


BEHAVIOUR = st.builds(
    Behaviour,
    last_72h=answers(),
    before=answers(),
    purchases_30d=st.one_of(st.integers(0, 3_000), st.sampled_from([499, 500])),
    refunds_30d=st.integers(0, 60),
    chargebacks_30d=st.integers(0, 60),
    contracted_on=st.one_of(st.none(), st.dates(TODAY - timedelta(400), TODAY)),
    alerts=st.integers(0, 1),
)
FELL = Behaviour(last_72h=Answers(attempts=25, approved=8), before=Answers(attempts=100, approved=82))


def returning(refunds: int, contracted_on: date) -> Behaviour:
    quiet = Answers()
    return Behaviour(last_72h=quiet, before=quiet, purchases_30d=500, refunds_30d=refunds, contracted_on=contracted_on)


@given(BEHAVIOUR)
@example(FELL)
@example(Behaviour(last_72h=Answers(attempts=25, approved=8), before=Answers(attempts=100, approved=81)))
@example(Behaviour(last_72h=Answers(attempts=30, approved=9), before=Answers()))
@example(Behaviour(last_72h=Answers(attempts=25, approved=12), before=Answers(attempts=25, approved=25)))
@example(Behaviour(last_72h=Answers(attempts=24, approved=0), before=Answers(attempts=24, approved=24)))
@example(
    Behaviour(last_72h=Answers(), before=Answers(), purchases_30d=500, refunds_30d=26, contracted_on=date(2026, 5, 27))
)
@example(
    Behaviour(last_72h=Answers(), before=Answers(), purchases_30d=500, refunds_30d=26, contracted_on=date(2026, 5, 28))
)
@example(returning(25, TODAY))
def test_a_merchant_meets_the_tests_that_the_rules_say(behaviour: Behaviour) -> None:
    found = scam_tests(behaviour, LIMITS, TODAY)
    now, before = behaviour.last_72h, behaviour.before
    counted, counted_before = now.attempts - now.tech, before.attempts - before.tech
    rate = Fraction(now.approved, counted) if counted else None
    rate_before = Fraction(before.approved, counted_before) if counted_before else None
    expected: set[str] = set()
    if rate is not None and counted >= 25:
        if rate < Fraction(30, 100):
            expected.add("APPROVALS_LOW")
        if rate_before is not None and counted_before >= 25 and rate_before - rate >= Fraction(1, 2):
            expected.add("APPROVALS_FELL")
    returned = behaviour.refunds_30d + behaviour.chargebacks_30d
    many = behaviour.purchases_30d >= 500 and Fraction(returned, behaviour.purchases_30d) > Fraction(5, 100)
    is_young = behaviour.contracted_on is not None and behaviour.contracted_on > date(2026, 5, 27)
    if many and is_young:
        expected.add("RETURNS_HIGH")
    if behaviour.alerts:
        expected.add("NAMED")
    assert {test.name for test in ScamTest if test in found.holds} == expected
    assert found.unjudged == (ScamTest.RETURNS_HIGH if many and behaviour.contracted_on is None else NO_TEST)
    declined = counted - now.approved
    share = Fraction(now.bad_card, declined) if declined else None
    reading = "UNCLEAR"
    if share is not None and share >= Fraction(1, 2):
        reading = "ATTACK"
    elif share is not None and share <= Fraction(1, 5):
        reading = "SCAM"
    assert found.reading.name == reading
    assert (found.approvals.items, found.approvals.sales) == (now.approved, counted)
    assert (found.bad_declines.items, found.bad_declines.sales) == (now.bad_card, declined)


def test_an_attack_on_an_honest_merchant_reads_otherwise_than_a_scam() -> None:
    before = Answers(attempts=1_000, approved=900)
    attacked = Behaviour(last_72h=Answers(attempts=1_000, approved=100, bad_card=800), before=before)
    scam = Behaviour(last_72h=Answers(attempts=1_000, approved=100, bad_card=10), before=before)
    both = ScamTest.APPROVALS_FELL | ScamTest.APPROVALS_LOW
    for behaviour, reading in ((attacked, Reading.ATTACK), (scam, Reading.SCAM)):
        found = scam_tests(behaviour, LIMITS, TODAY)
        assert (found.holds, found.reading) == (both, reading)


def test_faults_of_systems_are_no_fall() -> None:
    found = scam_tests(Behaviour(last_72h=Answers(attempts=100, approved=20, tech=75), before=Answers()), LIMITS, TODAY)
    assert found.holds == NO_TEST


def test_answers_that_are_more_than_there_were_attempts_are_a_bug_of_their_caller() -> None:
    Answers(attempts=3, approved=1, tech=1, bad_card=1)
    with pytest.raises(AssertionError):
        Answers(attempts=3, approved=1, tech=1, bad_card=2)


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.integers(0, 30))
@example(date(2026, 8, 31), 6)
@example(date(2027, 8, 29), 6)
@example(date(2026, 12, 31), 2)
def test_months_later_is_the_same_day_or_the_day_after_a_month_that_has_none(day: date, months: int) -> None:
    found = months_later(day, months)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    length = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - date(year, month + 1, 1)).days
    first = date(year, month + 1, 1)
    assert found == (first + timedelta(day.day - 1) if day.day <= length else first + timedelta(length))


def test_what_was_not_counted_is_none() -> None:
    quiet = Answers()
    assert (quiet.attempts, quiet.approved, quiet.tech, quiet.bad_card) == (0, 0, 0, 0)
    nothing = Behaviour(last_72h=quiet, before=quiet)
    assert (nothing.purchases_30d, nothing.refunds_30d, nothing.chargebacks_30d, nothing.alerts) == (0, 0, 0, 0)
    assert ScamTest(0) == NO_TEST


def test_a_case_opens_once_has_72_hours_and_stays_open() -> None:
    found = scam_tests(FELL, LIMITS, TODAY)
    quiet = scam_tests(Behaviour(last_72h=Answers(), before=Answers()), LIMITS, TODAY)
    named = scam_tests(Behaviour(last_72h=Answers(), before=Answers(), alerts=1), LIMITS, TODAY)
    assert follow(None, quiet, 5) is None
    case = follow(None, found, 1_000)
    assert case == ScamCase(opened_ms=1_000, tests=ScamTest.APPROVALS_FELL)
    assert follow(case, quiet, 2_000) == case
    assert follow(case, named, 2_000) == ScamCase(opened_ms=1_000, tests=ScamTest.APPROVALS_FELL | ScamTest.NAMED)
    assert case.deadline_ms(LIMITS) == 1_000 + 72 * HOUR
    assert [case.is_overdue(LIMITS, 1_000 + 72 * HOUR + late) for late in (0, 1)] == [False, True]
