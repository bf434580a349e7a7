"""Visa's Acquirer Monitoring Program (VAMP), in force since 2025-04-01 in place of VFMP and VDMP.

Ratio of a month: fraud reports (TC40) and disputes (TC15) without the card present, over settled sales (TC05) without
the card present, all by count, domestic and cross-border. A fraud that becomes a dispute counts twice; a dispute counts
in the month in which it was received. The acquirer is judged by its whole portfolio, so what matters of a merchant is
what it contributes to that. Visa decides with a model of its own what enumeration is: ours is an estimate and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, auto
from fractions import Fraction

from scoring.merchants.months.calendar import DAY_MS, begin_ms, days_in, first_day, month_of_day
from scoring.merchants.months.columns import MonthCol, MonthFigures, total
from scoring.merchants.programmes.tiers import (
    Measured,
    Rates,
    Ratio,
    SalesBasis,
    Verdict,
    headroom,
    judge,
    sales_of,
    tiers_on,
)
from scoring.reference.limits import Limit, limits_from
from scoring.reference.monitoring import ProgrammeTier, begins_on
from scoring.reference.table import DatedTable

_BPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantShare:
    """Hold one merchant's part in a month of its acquirer.

    `marginal_bps`: its items over all sales, what it adds to the acquirer's ratio. `without_bps`: the acquirer's ratio
    if this merchant were not there. Both are None where there would be no sales.
    """

    merchant: int
    fraud_n: int
    dispute_n: int
    ratio: Ratio
    marginal_bps: Fraction | None
    without_bps: Fraction | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Hold what a month comes to if items and sales go on as they began, counts rounded down."""

    ratio: Ratio
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Vamp:
    """Hold a month of an acquirer. `headroom`: items that may still come at these sales; see `tiers.headroom`.

    `merchants`: those with items or sales, by what they contribute, the largest part first.
    """

    month: int
    basis: SalesBasis
    fraud_n: int
    dispute_n: int
    ratio: Ratio
    verdict: Verdict
    headroom: int | None
    projection: Projection | None
    merchants: tuple[MerchantShare, ...]


def ratio_of(figures: MonthFigures, basis: SalesBasis) -> Ratio:
    """Count a month's items and sales."""
    sales = sales_of(figures, basis, MonthCol.VISA_SETTLED_N, MonthCol.VISA_APPROVED_N, MonthCol.VISA_REVERSED_N)
    return Ratio(items=figures[MonthCol.VISA_FRAUD_N] + figures[MonthCol.VISA_DISPUTE_N], sales=sales)


def vamp(
    months: Mapping[int, MonthFigures],
    month: int,
    table: DatedTable[ProgrammeTier],
    *,
    region: str,
    basis: SalesBasis,
    rates: Rates,
    now_ms: int,
) -> Vamp:
    """Judge a month of an acquirer: `months` is that month of each of its merchants, by merchant.

    Tiers are those of the month's first day. Sales of the acquirer are the sum of its merchants', so that parts add up.
    """
    day = first_day(month)
    of_acquirer = tiers_on(table, "VAMP", "ACQUIRER", region, day)
    of_merchant = tiers_on(table, "VAMP", "MERCHANT", region, day)
    whole = total(month, months.values())
    ratios = {merchant: ratio_of(figures, basis) for merchant, figures in months.items()}
    ratio = Ratio(items=sum(one.items for one in ratios.values()), sales=sum(one.sales for one in ratios.values()))
    shares = [
        MerchantShare(
            merchant=merchant,
            fraud_n=figures[MonthCol.VISA_FRAUD_N],
            dispute_n=figures[MonthCol.VISA_DISPUTE_N],
            ratio=ratios[merchant],
            marginal_bps=Fraction(ratios[merchant].items * _BPS, ratio.sales) if ratio.sales else None,
            without_bps=_without(ratio, ratios[merchant]).bps,
            verdict=judge(of_merchant, _measured(ratios[merchant], figures), rates, day),
        )
        for merchant, figures in months.items()
        if ratios[merchant] != Ratio(items=0, sales=0)
    ]
    return Vamp(
        month=month,
        basis=basis,
        fraud_n=whole[MonthCol.VISA_FRAUD_N],
        dispute_n=whole[MonthCol.VISA_DISPUTE_N],
        ratio=ratio,
        verdict=judge(of_acquirer, _measured(ratio, whole), rates, day),
        headroom=headroom(of_acquirer, ratio),
        projection=_projection(month, ratio, whole, of_acquirer, rates, now_ms),
        merchants=tuple(sorted(shares, key=lambda share: (-share.ratio.items, share.merchant))),
    )


def _measured(ratio: Ratio, figures: MonthFigures) -> Measured:
    return Measured(ratio=ratio, amount_jpy=figures[MonthCol.VISA_ITEMS_JPY])


def _without(whole: Ratio, part: Ratio) -> Ratio:
    return Ratio(items=whole.items - part.items, sales=whole.sales - part.sales)


def _projection(
    month: int,
    ratio: Ratio,
    figures: MonthFigures,
    tiers: tuple[ProgrammeTier, ...],
    rates: Rates,
    now_ms: int,
) -> Projection | None:
    """Project to the end of the month; None before it begins. A month that is over is what it is."""
    whole_ms = days_in(month) * DAY_MS
    passed_ms = min(now_ms - begin_ms(month), whole_ms)
    if passed_ms <= 0:
        return None

    def grown(count: int) -> int:
        return count * whole_ms // passed_ms

    projected = Ratio(items=grown(ratio.items), sales=grown(ratio.sales))
    measured = Measured(ratio=projected, amount_jpy=grown(figures[MonthCol.VISA_ITEMS_JPY]))
    return Projection(ratio=projected, verdict=judge(tiers, measured, rates, first_day(month)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumerationEstimate:
    """Estimate what Visa would count as enumerated of a merchant's authorizations in a month.

    `is_estimate` is always True: Visa counts by its own model (VAAI). Approved and declined authorizations count alike.
    """

    ratio: Ratio
    verdict: Verdict
    is_estimate: bool = True


def enumeration(figures: MonthFigures, table: DatedTable[ProgrammeTier], region: str) -> EnumerationEstimate:
    """Estimate a month of a merchant."""
    day = first_day(figures.month)
    ratio = Ratio(items=figures[MonthCol.VISA_ENUMERATED_N], sales=figures[MonthCol.VISA_ATTEMPTS_N])
    tiers = tiers_on(table, "VAMP_ENUMERATION", "MERCHANT", region, day)
    return EnumerationEstimate(ratio=ratio, verdict=judge(tiers, Measured(ratio=ratio), {}, day))


@dataclass(frozen=True, slots=True, kw_only=True)
class GraceLimits:
    """Hold the limits of scope VAMP_GRACE: `grace_days` once per `clean_months` months without a tier."""

    grace_days: int
    clean_months: int


class GraceState(Enum):
    """Say what is known of the grace period of a month that is in a tier."""

    RUNNING = auto()
    USED = auto()  # the month is after it, or too few months without a tier were before it
    UNKNOWN = auto()  # RUNNING or USED: too few earlier months are known


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """Hold the grace period of a month in a tier. `until`: its last day, also where it is not known whether it runs."""

    state: GraceState
    until: date | None


def grace(marks: Sequence[bool], first: int, table: DatedTable[Limit]) -> Grace | None:
    """Follow months, the first of them `first`: marked ones are in a tier that is enforced. Judge the last one.

    None where it is not marked. Months before the programme began count as months without a tier. A month is within a
    grace period if its last day is.
    """
    begin, clean, is_known = month_of_day(begins_on(table, "VAMP_GRACE")), 0, True
    until: date | None = None
    found: Grace | None = None
    for month, is_marked in enumerate(marks, first):
        found = None
        if not is_marked:
            clean += 1
            continue
        last = first_day(month + 1) - timedelta(1)
        limits = limits_from(table, "VAMP_GRACE", last, GraceLimits)
        if until is None or last > until:
            is_first = until is None and clean == month - first  # none of the months that are known is marked
            is_enough = clean >= limits.clean_months or (is_first and first <= begin)
            is_known = is_enough or not is_first
            until = last + timedelta(limits.grace_days) if is_enough or is_first else None
        state = GraceState.UNKNOWN if not is_known else GraceState.USED if until is None else GraceState.RUNNING
        found, clean = Grace(state=state, until=until), 0
    return found
