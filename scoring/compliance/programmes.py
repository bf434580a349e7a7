"""The part of a report that is about the schemes' programmes: VAMP, ECM, EFM, and the tests for scam merchants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.figures import Figures, basis_name, rounded, share
from scoring.compliance.inputs.columns import DayCol
from scoring.compliance.report import (
    EnumerationLine,
    GracePeriod,
    MastercardLine,
    ScamLine,
    Share,
    Tier,
    VampMerchant,
    VampMonth,
)
from scoring.compliance.scope import APPROVAL_DAYS, CASE_DAYS, DAYS, RECENT_DAYS, Scope
from scoring.merchants.months.calendar import DAY_MS, first_day, name_of
from scoring.merchants.months.columns import MonthCol
from scoring.merchants.programmes.mastercard import MonthJudged, ecm, efm
from scoring.merchants.programmes.scam import (
    Answers,
    Behaviour,
    ScamCase,
    ScamFinding,
    ScamLimits,
    ScamTest,
    follow,
    scam_limits_on,
    scam_tests,
)
from scoring.merchants.programmes.tiers import (
    ALL_REGIONS,
    Ratio,
    Verdict,
    headroom,
    membership,
    tiers_on,
)
from scoring.merchants.programmes.vamp import GraceState, Vamp, enumeration, grace, vamp
from scoring.reference.monitoring import monitoring_limits, programme_tiers

_EPOCH: Final = date(1970, 1, 1)
_GRACE: Final[Mapping[GraceState, Literal["RUNNING", "USED", "UNKNOWN"]]] = {
    GraceState.RUNNING: "RUNNING",
    GraceState.USED: "USED",
    GraceState.UNKNOWN: "UNKNOWN",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where an acquirer stands: its region at Visa, at Mastercard, and yen for one minor unit of a currency."""

    region: str
    efm_region: str
    rates: Mapping[str, Fraction]


def shown(ratio: Ratio) -> Share:
    """Show a ratio of a programme."""
    return share(ratio.items, ratio.sales)


def tier(verdict: Verdict) -> Tier:
    """Show a verdict."""
    return Tier(tier=verdict.tier, is_enforced=verdict.is_enforced, unjudged=verdict.unjudged)


def vamp_months(figures: Figures, merchants: list[str], scope: Scope, terms: Terms) -> Iterator[VampMonth]:
    """Judge the last two months of the acquirer; the months before tell of grace periods."""
    months = range(scope.first_month, scope.month + 1)
    found = [_judged(figures, merchants, month, scope, terms) for month in months]
    for last in (-2, -1):
        yield _vamp_month(found[: len(found) + 1 + last], merchants, terms)


def _judged(figures: Figures, merchants: list[str], month: int, scope: Scope, terms: Terms) -> Vamp:
    return vamp(
        {number: figures.month(merchant, month) for number, merchant in enumerate(merchants)},
        month,
        programme_tiers(),
        region=terms.region,
        basis=figures.basis(month),
        rates=terms.rates,
        now_ms=scope.end_ms,
    )


def _grace(verdicts: Sequence[Verdict | None], first: int) -> GracePeriod | None:
    marks = [verdict is not None and verdict.tier is not None and verdict.is_enforced for verdict in verdicts]
    found = grace(marks, first, monitoring_limits())
    return None if found is None else GracePeriod(state=_GRACE[found.state], until=found.until)


def _vamp_month(months: Sequence[Vamp], merchants: list[str], terms: Terms) -> VampMonth:
    """Lay out the last of the months."""
    found, first = months[-1], months[0].month
    of_merchant = tiers_on(programme_tiers(), "VAMP", "MERCHANT", terms.region, first_day(found.month))
    verdicts = [{part.merchant: part.verdict for part in one.merchants} for one in months]
    projected = found.projection
    return VampMonth(
        month=name_of(found.month),
        basis=basis_name(found.basis),
        frauds=found.fraud_n,
        disputes=found.dispute_n,
        ratio=shown(found.ratio),
        tier=tier(found.verdict),
        grace=_grace([one.verdict for one in months], first),
        headroom=found.headroom,
        projected=None if projected is None else shown(projected.ratio),
        projected_tier=None if projected is None else tier(projected.verdict),
        merchants=tuple(
            VampMerchant(
                merchant_id=merchants[part.merchant],
                basis=basis_name(found.basis),
                frauds=part.fraud_n,
                disputes=part.dispute_n,
                ratio=shown(part.ratio),
                marginal_bps=rounded(part.marginal_bps),
                without_bps=rounded(part.without_bps),
                headroom=headroom(of_merchant, part.ratio),
                tier=tier(part.verdict),
                grace=_grace([of.get(part.merchant) for of in verdicts], first),
            )
            for part in found.merchants
            if part.ratio.items
        ),
    )


def enumerations(figures: Figures, merchants: list[str], month: int, region: str) -> Iterator[EnumerationLine]:
    """Show the merchants at which something looks like enumeration in a month."""
    for merchant in merchants:
        found = enumeration(figures.month(merchant, month), programme_tiers(), region)
        if found.ratio.items:
            yield EnumerationLine(
                merchant_id=merchant,
                month=name_of(month),
                ratio=shown(found.ratio),
                tier=tier(found.verdict),
                is_estimate=found.is_estimate,
            )


def mastercard_lines(figures: Figures, merchant: str, scope: Scope, terms: Terms) -> Iterator[MastercardLine]:
    """Judge the last two months of a merchant in ECM and EFM, if anything was charged back or it is held in one."""
    months = range(scope.first_month + 1, scope.month + 1)
    found = [figures.month(merchant, month) for month in range(scope.first_month, scope.month + 1)]
    if not any(month[MonthCol.MC_CHARGEBACK_N] or month[MonthCol.MC_FRAUD_CHARGEBACK_N] for month in found):
        return
    pairs = list(pairwise(found))
    table = programme_tiers()
    chargebacks = [ecm(before, month, table, figures.basis(before.month)) for before, month in pairs]
    frauds = [
        efm(before, month, table, figures.basis(before.month), region=terms.efm_region, rates=terms.rates)
        for before, month in pairs
    ]
    for at in range(len(months) - 2, len(months)):
        yield _mastercard_line(merchant, "ECM", ALL_REGIONS, chargebacks[: at + 1])
        yield _mastercard_line(merchant, "EFM", terms.efm_region, frauds[: at + 1])


def _mastercard_line(
    merchant: str, programme: Literal["ECM", "EFM"], region: str, judged: list[MonthJudged]
) -> MastercardLine:
    now = judged[-1]
    tiers = tiers_on(programme_tiers(), programme, "MERCHANT", region, first_day(now.month))
    held = membership([one.verdict.tier for one in judged], max((row.exit_months for row in tiers), default=1))
    measured = now.measured
    return MastercardLine(
        merchant_id=merchant,
        programme=programme,
        month=name_of(now.month),
        basis=basis_name(now.basis),
        ratio=shown(measured.ratio),
        amount_jpy=measured.amount_jpy,
        tds=None if measured.tds is None else shown(measured.tds),
        tier=tier(now.verdict),
        headroom=headroom(tiers, measured.ratio),
        member=held.tier,
        months_below=held.months_below,
    )


def scam_line(figures: Figures, merchant: str, contracted_on: date | None, scope: Scope) -> ScamLine | None:
    """Make the tests at the end of each of the last days, and follow their clock; None where none held or may hold.

    The clock is known to a day: it begins at the end of the day on which a test held first.
    """
    if not figures.has_days(merchant):
        return None
    first = scope.day - DAYS + 1
    days = figures.running(merchant, first, scope.day)
    reports = figures.running_reports(merchant, first, scope.day)
    case: ScamCase | None = None
    finding: ScamFinding | None = None
    limits: ScamLimits | None = None
    for day in range(scope.day - CASE_DAYS + 1, scope.day + 1):
        on = _EPOCH + timedelta(day)
        limits = scam_limits_on(monitoring_limits(), on)
        if limits is None:
            continue
        at = day - first + 1
        finding = scam_tests(_behaviour(days, reports, at, contracted_on), limits, on)
        case = follow(case, finding, scope.end_ms - (scope.day - day) * DAY_MS)
    if finding is None or limits is None or (case is None and not finding.unjudged):
        return None
    return _scam_line(merchant, case, finding, limits, scope)


def _scam_line(
    merchant: str, case: ScamCase | None, finding: ScamFinding, limits: ScamLimits, scope: Scope
) -> ScamLine:
    opened = None if case is None else scope.day - (scope.end_ms - case.opened_ms) // DAY_MS
    return ScamLine(
        merchant_id=merchant,
        tests=_names(finding.holds),
        tests_since=() if case is None else _names(case.tests),
        unjudged=_names(finding.unjudged),
        approvals=shown(finding.approvals),
        bad_card=shown(finding.bad_declines),
        reading=finding.reading.name,
        opened_on=None if opened is None else _EPOCH + timedelta(opened),
        begin_by=None if case is None else _day_of(case.deadline_ms(limits), scope),
        is_overdue=case is not None and case.is_overdue(limits, scope.end_ms),
    )


def _day_of(at_ms: int, scope: Scope) -> date:
    """Return the last day that is over by a time which is the end of a day."""
    return scope.as_of + timedelta((at_ms - scope.end_ms) // DAY_MS)


def _names(tests: ScamTest) -> tuple[str, ...]:
    return tuple(test.name or "" for test in ScamTest if test in tests)


def _behaviour(days: NDArray[np.int64], reports: NDArray[np.int64], at: int, contracted_on: date | None) -> Behaviour:
    """Cut windows out of running sums; `at` days are over."""
    begin = at - APPROVAL_DAYS
    month, told = days[at] - days[at - RECENT_DAYS], reports[at] - reports[at - RECENT_DAYS]
    return Behaviour(
        last_72h=_answers(days[at] - days[begin]),
        before=_answers(days[begin] - days[begin - RECENT_DAYS]),
        purchases_30d=int(month[DayCol.MC_PURCHASES_N]),
        refunds_30d=int(month[DayCol.MC_REFUNDS_N]),
        chargebacks_30d=int(told[0]),
        contracted_on=contracted_on,
        alerts=int(told[1]),
    )


def _answers(sums: NDArray[np.int64]) -> Answers:
    return Answers(
        attempts=int(sums[DayCol.MC_ATTEMPTS_N]),
        approved=int(sums[DayCol.MC_APPROVED_N]),
        tech=int(sums[DayCol.MC_TECH_N]),
        bad_card=int(sums[DayCol.MC_BAD_CARD_N]),
    )
