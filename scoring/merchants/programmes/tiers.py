"""Ratios, and the tier of a programme that a month falls into. All comparisons are of integers or fractions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from fractions import Fraction
from typing import Final

from scoring.merchants.months.columns import MonthCol, MonthFigures
from scoring.reference.monitoring import ProgrammeTier
from scoring.reference.table import DatedTable

ALL_REGIONS: Final = "ALL"
_BPS: Final = 10_000


class SalesBasis(Enum):
    """What sales are counted by: settlements where there are any, else approvals less reversals. Figures say which."""

    SETTLED = auto()
    APPROVED = auto()


def sales_of(
    figures: MonthFigures, basis: SalesBasis, settled: MonthCol, approved: MonthCol, reversed_: MonthCol
) -> int:
    """Count the sales of a month by three of its columns."""
    return figures[settled] if basis is SalesBasis.SETTLED else max(figures[approved] - figures[reversed_], 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Hold items over sales. Without sales there is no ratio."""

    items: int
    sales: int

    @property
    def bps(self) -> Fraction | None:
        """The ratio in hundredths of a percent, exact; None without sales."""
        return Fraction(self.items * _BPS, self.sales) if self.sales else None

    def reaches(self, bps: int) -> bool:
        """Say whether the ratio is at least so many hundredths of a percent."""
        return self.sales > 0 and self.items * _BPS >= bps * self.sales


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Hold what a month is judged by; None where it is not known.

    `amount_jpy`: of the items. `tds`: share of 3-D Secure as a ratio of payments.
    """

    ratio: Ratio
    amount_jpy: int | None = None
    tds: Ratio | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say which tier a month falls into.

    `tier` None: none. `is_enforced`: it is more than advice. `unjudged`: tiers that cannot be ruled out, because a rate
    or a share that they ask for is not known.
    """

    tier: str | None = None
    is_enforced: bool = False
    unjudged: tuple[str, ...] = ()


Rates = Mapping[str, Fraction]
"""Yen for one minor unit of a currency (ISO 4217): 1.5 for a US cent at 150 yen to the dollar."""


def tiers_on(
    table: DatedTable[ProgrammeTier], programme: str, subject: str, region: str, day: date
) -> tuple[ProgrammeTier, ...]:
    """Return the tiers of a programme in a region on a day, the worst first; rows of region ALL hold everywhere."""
    found = [
        row
        for row in table.on(day).values()
        if (row.programme, row.subject) == (programme, subject) and row.region in (region, ALL_REGIONS)
    ]
    return tuple(sorted(found, key=lambda row: -row.ratio_min_bps))


def judge(tiers: Iterable[ProgrammeTier], measured: Measured, rates: Rates, day: date) -> Verdict:
    """Find the worst tier whose conditions all hold. `tiers`: the worst first. `day`: the month's first day."""
    unjudged: list[str] = []
    for row in tiers:
        holds = _holds(row, measured, rates)
        if holds is None:
            unjudged.append(row.tier)
        elif holds:
            is_enforced = row.enforced_from is None or day >= row.enforced_from
            return Verdict(tier=row.tier, is_enforced=is_enforced, unjudged=tuple(unjudged))
    return Verdict(unjudged=tuple(unjudged))


def _holds(row: ProgrammeTier, measured: Measured, rates: Rates) -> bool | None:
    """Say whether a month meets all that a tier asks for; None where that depends on what is not known."""
    ratio = measured.ratio
    if not ratio.reaches(row.ratio_min_bps) or ratio.items < row.items_min or ratio.sales < row.sales_min:
        return False
    amount, share = _amount_holds(row, measured, rates), _share_holds(row, measured)
    if amount is False or share is False:
        return False
    return None if amount is None or share is None else True


def _amount_holds(row: ProgrammeTier, measured: Measured, rates: Rates) -> bool | None:
    if row.amount_currency is None:
        return True
    if measured.amount_jpy is None or row.amount_currency not in rates:
        return None
    rate = rates[row.amount_currency]
    if row.amount_over_minor is not None:
        return measured.amount_jpy > row.amount_over_minor * rate
    return row.amount_min_minor is None or measured.amount_jpy >= row.amount_min_minor * rate


def _share_holds(row: ProgrammeTier, measured: Measured) -> bool | None:
    if row.tds_below_bps is None:
        return True
    if measured.tds is None or measured.tds.sales == 0:
        return None
    return not measured.tds.reaches(row.tds_below_bps)


def headroom(tiers: Iterable[ProgrammeTier], ratio: Ratio) -> int | None:
    """Count the items that may still come, at these sales, before the first tier is reached by ratio and count.

    0 where one is reached. None where there is no tier, or there are no sales to divide by.
    """
    if ratio.sales == 0:
        return None
    needed = [max(-(-row.ratio_min_bps * ratio.sales // _BPS), row.items_min) for row in tiers]
    return max(min(needed) - 1 - ratio.items, 0) if needed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Hold whether a merchant is in a programme after some months: its last tier, and the months below it since."""

    tier: str | None = None
    months_below: int = 0


def membership(tiers: Sequence[str | None], exit_months: int) -> Membership:
    """Follow the tiers of consecutive months: a merchant leaves after so many months in a row without one."""
    found = Membership()
    for tier in tiers:
        if tier is not None:
            found = Membership(tier=tier)
        elif found.tier is not None:
            below = found.months_below + 1
            found = Membership() if below >= exit_months else Membership(tier=found.tier, months_below=below)
    return found
