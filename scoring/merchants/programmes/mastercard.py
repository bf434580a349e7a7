"""Mastercard's programmes for excessive chargebacks (ECM, HECM) and excessive fraud (EFM), by merchant and month.

Both divide what came in a month by the transactions of the month before. The share of 3-D Secure, with Data Only, is
that of the approved e-commerce payments of the month itself.
"""

from dataclasses import dataclass

from scoring.merchants.months.calendar import first_day
from scoring.merchants.months.columns import MonthCol, MonthFigures
from scoring.merchants.programmes.tiers import (
    ALL_REGIONS,
    Measured,
    Rates,
    Ratio,
    SalesBasis,
    Verdict,
    judge,
    sales_of,
    tiers_on,
)
from scoring.reference.monitoring import ProgrammeTier
from scoring.reference.table import DatedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthJudged:
    """Hold one month of one merchant in one programme. `basis` is what its sales were counted by."""

    month: int
    basis: SalesBasis
    measured: Measured
    verdict: Verdict


def _check(before: MonthFigures, figures: MonthFigures) -> None:
    assert figures.month == before.month + 1, "a month is judged by the one before it"


def ecm(
    before: MonthFigures, figures: MonthFigures, table: DatedTable[ProgrammeTier], basis: SalesBasis
) -> MonthJudged:
    """Judge chargebacks of a month over all transactions of the month before: tiers ECM and HECM."""
    _check(before, figures)
    day = first_day(figures.month)
    sales = sales_of(before, basis, MonthCol.MC_SETTLED_N, MonthCol.MC_APPROVED_N, MonthCol.MC_REVERSED_N)
    measured = Measured(ratio=Ratio(items=figures[MonthCol.MC_CHARGEBACK_N], sales=sales))
    tiers = tiers_on(table, "ECM", "MERCHANT", ALL_REGIONS, day)
    return MonthJudged(month=figures.month, basis=basis, measured=measured, verdict=judge(tiers, measured, {}, day))


def efm(
    before: MonthFigures,
    figures: MonthFigures,
    table: DatedTable[ProgrammeTier],
    basis: SalesBasis,
    *,
    region: str,
    rates: Rates,
) -> MonthJudged:
    """Judge fraud chargebacks without the card present over the e-commerce transactions of the month before.

    `region`: REGULATED where the law asks for strong authentication, NON_REGULATED, or AU.
    """
    _check(before, figures)
    day = first_day(figures.month)
    columns = MonthCol.MC_ECOM_SETTLED_N, MonthCol.MC_ECOM_APPROVED_N, MonthCol.MC_ECOM_REVERSED_N
    measured = Measured(
        ratio=Ratio(items=figures[MonthCol.MC_FRAUD_CHARGEBACK_N], sales=sales_of(before, basis, *columns)),
        amount_jpy=figures[MonthCol.MC_FRAUD_CHARGEBACK_JPY],
        tds=Ratio(items=figures[MonthCol.MC_ECOM_TDS_N], sales=figures[MonthCol.MC_ECOM_APPROVED_N]),
    )
    tiers = tiers_on(table, "EFM", "MERCHANT", region, day)
    return MonthJudged(month=figures.month, basis=basis, measured=measured, verdict=judge(tiers, measured, rates, day))
