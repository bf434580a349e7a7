"""Columns of the dated tables of the schemes' monitoring programmes: their tiers, and single limits."""

from datetime import date
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta

from scoring.contract.types import Currency
from scoring.reference.compliance import Bps, Word
from scoring.reference.limits import Limit
from scoring.reference.table import DatedRow, DatedTable, shipped_table

Programme = Literal["VAMP", "VAMP_ENUMERATION", "ECM", "EFM"]
Subject = Literal["ACQUIRER", "MERCHANT"]
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=10**12)]


class ProgrammeTier(DatedRow, frozen=True, kw_only=True):
    """`monitoring_tiers.yaml`: from where on a month of an acquirer or a merchant falls into a tier of a programme.

    All that a row names must hold: a ratio of at least `ratio_min_bps`, at least `items_min` items in its numerator, at
    least `sales_min` sales below it, an amount of at least `amount_min_minor` or of more than `amount_over_minor` of
    `amount_currency`, and a share of 3-D Secure below `tds_below_bps`. `enforced_from`: before that day a tier is only
    advice. `exit_months`: a merchant leaves after so many months in a row below.
    """

    KEY = ("programme", "subject", "tier", "region")

    programme: Programme
    subject: Subject
    tier: Word
    region: Word
    ratio_min_bps: Bps
    items_min: _Count = 0
    sales_min: _Count = 0
    amount_min_minor: _Minor | None = None
    amount_over_minor: _Minor | None = None
    amount_currency: Currency | None = None
    tds_below_bps: Bps | None = None
    enforced_from: date | None = None
    exit_months: Annotated[int, Meta(ge=1, le=24)] = 1

    def __post_init__(self) -> None:
        amounts = [amount for amount in (self.amount_min_minor, self.amount_over_minor) if amount is not None]
        if len(amounts) != (self.amount_currency is not None):
            raise ValueError("amount_currency stands beside one of amount_min_minor and amount_over_minor")


@cache
def programme_tiers() -> DatedTable[ProgrammeTier]:
    """Give the tiers, read once."""
    return shipped_table("monitoring_tiers", ProgrammeTier)


@cache
def monitoring_limits() -> DatedTable[Limit]:
    """Give the limits, read once."""
    return shipped_table("monitoring_limits", Limit)


def begins_on(table: DatedTable[Limit], scope: str) -> date:
    """Return the first day on which a scope has a limit. It must have one."""
    return min(row.effective_from for row in table if row.scope == scope)
