"""Mastercard's tests for scam merchants (SMMP, GLB 12772, from 2026-07-24), without the card present.

An acquirer begins an investigation within 72 hours of a test that holds. A fall of approvals is also what an attack
on an honest merchant looks like, so the share of declines for bad card data stands beside it.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, IntFlag, auto
from typing import Final

from scoring.merchants.programmes.tiers import Ratio
from scoring.reference.limits import Limit, limits_from
from scoring.reference.monitoring import begins_on
from scoring.reference.table import DatedTable

_BPS: Final = 10_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScamLimits:
    """Hold the limits of scope SCAM_MERCHANT."""

    attempts_min: int
    fall_min_bps: int
    approved_below_bps: int
    young_below_months: int
    returned_over_bps: int
    purchases_min: int
    clock_hours: int
    attack_min_bps: int
    scam_max_bps: int


def scam_limits_on(table: DatedTable[Limit], day: date) -> ScamLimits | None:
    """Return the limits of a day; None before the programme begins."""
    return None if day < begins_on(table, "SCAM_MERCHANT") else limits_from(table, "SCAM_MERCHANT", day, ScamLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Count authorizations over some time: `tech` are failures of systems, which no test counts.

    `bad_card`: declined for a wrong number, expiry, code or cryptogram (BAD_PAN, BAD_CRED).
    """

    attempts: int = 0
    approved: int = 0
    tech: int = 0
    bad_card: int = 0

    def __post_init__(self) -> None:
        assert self.approved + self.tech + self.bad_card <= self.attempts

    @property
    def approvals(self) -> Ratio:
        """Approved of those that no failure of systems spoilt."""
        return Ratio(items=self.approved, sales=self.attempts - self.tech)

    @property
    def bad_declines(self) -> Ratio:
        """Declined for bad card data, of all declined."""
        return Ratio(items=self.bad_card, sales=self.attempts - self.tech - self.approved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Hold what a merchant did: the last 72 hours, the 30 days before them, and the last 30 days of money.

    `alerts`: reports of issuers, of the scheme or of others that name the merchant as a scam.
    """

    last_72h: Answers
    before: Answers
    purchases_30d: int = 0
    refunds_30d: int = 0
    chargebacks_30d: int = 0
    contracted_on: date | None = None
    alerts: int = 0


class ScamTest(IntFlag):
    """Name the tests; a merchant may meet several."""

    APPROVALS_FELL = 1
    APPROVALS_LOW = 2
    RETURNS_HIGH = 4
    NAMED = 8


NO_TEST: Final = ScamTest(0)


class Reading(Enum):
    """What declines say of a fall in approvals: an attack guesses card data, the cards of a scam are genuine."""

    ATTACK = auto()
    SCAM = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScamFinding:
    """Hold which tests hold, and which cannot be judged because nobody told since when the merchant is one."""

    holds: ScamTest
    unjudged: ScamTest
    reading: Reading
    approvals: Ratio
    bad_declines: Ratio


def scam_tests(behaviour: Behaviour, limits: ScamLimits, day: date) -> ScamFinding:
    """Judge a merchant on a day."""
    now, before = behaviour.last_72h.approvals, behaviour.before.approvals
    holds = ScamTest.NAMED if behaviour.alerts > 0 else NO_TEST
    if now.sales >= limits.attempts_min:
        if not now.reaches(limits.approved_below_bps):
            holds |= ScamTest.APPROVALS_LOW
        if before.sales >= limits.attempts_min and _fell(before, now, limits.fall_min_bps):
            holds |= ScamTest.APPROVALS_FELL
    unjudged = NO_TEST
    if _returned_much(behaviour, limits):
        if behaviour.contracted_on is None:
            unjudged = ScamTest.RETURNS_HIGH
        elif day < months_later(behaviour.contracted_on, limits.young_below_months):
            holds |= ScamTest.RETURNS_HIGH
    return ScamFinding(
        holds=holds,
        unjudged=unjudged,
        reading=_reading(behaviour.last_72h.bad_declines, limits),
        approvals=now,
        bad_declines=behaviour.last_72h.bad_declines,
    )


def _fell(before: Ratio, now: Ratio, bps: int) -> bool:
    return (before.items * now.sales - now.items * before.sales) * _BPS >= bps * before.sales * now.sales


def _returned_much(behaviour: Behaviour, limits: ScamLimits) -> bool:
    returned = behaviour.refunds_30d + behaviour.chargebacks_30d
    is_much = returned * _BPS > limits.returned_over_bps * behaviour.purchases_30d
    return is_much and behaviour.purchases_30d >= limits.purchases_min


def _reading(declines: Ratio, limits: ScamLimits) -> Reading:
    if declines.sales == 0:
        return Reading.UNCLEAR
    if declines.reaches(limits.attack_min_bps):
        return Reading.ATTACK
    return Reading.SCAM if declines.items * _BPS <= limits.scam_max_bps * declines.sales else Reading.UNCLEAR


def months_later(day: date, months: int) -> date:
    """Return the day so many months later, the first of the next one where that month is too short.

    >>> months_later(date(2026, 8, 31), 6), months_later(date(2026, 11, 15), 2)
    (datetime.date(2027, 3, 1), datetime.date(2027, 1, 15))
    """
    number = day.year * 12 + day.month - 1 + months
    try:
        return date(number // 12, number % 12 + 1, day.day)
    except ValueError:
        return date(number // 12, number % 12 + 2, 1)  # December is never too short


@dataclass(frozen=True, slots=True, kw_only=True)
class ScamCase:
    """Hold an open investigation: when its first test held, and all that held since. Only the acquirer ends it."""

    opened_ms: int
    tests: ScamTest

    def deadline_ms(self, limits: ScamLimits) -> int:
        """Until when the investigation must have begun, in milliseconds since the epoch."""
        return self.opened_ms + limits.clock_hours * HOUR_MS

    def is_overdue(self, limits: ScamLimits, now_ms: int) -> bool:
        """Say whether the time is over."""
        return now_ms > self.deadline_ms(limits)


def follow(case: ScamCase | None, finding: ScamFinding, now_ms: int) -> ScamCase | None:
    """Open a case where a test holds, or note what else holds; a case stays open when its tests no longer hold."""
    if case is None:
        return ScamCase(opened_ms=now_ms, tests=finding.holds) if finding.holds else None
    return replace(case, tests=case.tests | finding.holds)
