"""Figures of an acquirer's merchants: what traffic and reports add up to, by merchant and month or day."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.inputs.columns import CoverageCol, DayCol
from scoring.compliance.inputs.reports import Reported
from scoring.compliance.inputs.settlements import Settlements
from scoring.compliance.inputs.traffic import Traffic
from scoring.compliance.report import Basis, Share
from scoring.merchants.months.columns import COLUMNS, MonthFigures
from scoring.merchants.programmes.tiers import SalesBasis

_NONE: Final = (0,) * max(COLUMNS, len(CoverageCol), len(DayCol))


class Figures:
    """Join what payments, reports and settlements say of merchants, by their ids."""

    def __init__(self, traffic: Traffic, reported: Reported, settlements: Settlements) -> None:
        self._traffic = traffic
        self._reported = reported
        self._settlements = settlements
        self._numbers = {name.decode(): number for name, number in traffic.names.items()}
        self._with_days = traffic.days.entities()
        self._named = {merchant for merchant, _ in reported.scams}

    @property
    def merchants(self) -> set[str]:
        """The merchants of which there is a payment, a report or a settlement."""
        return {*self._numbers, *(merchant for merchant, _ in self._reported.months), *self._settlements.names}

    def basis(self, month: int) -> SalesBasis:
        """Say what the sales of a month are counted by."""
        return self._settlements.basis(month)

    def month(self, merchant_id: str, month: int) -> MonthFigures:
        """Return a month of a merchant; zeros where nothing was seen."""
        number = self._numbers.get(merchant_id, -1)
        sums = self._traffic.months.get(number, month)
        values = [0] * COLUMNS if sums is None else sums.tolist()
        for column, amount in self._reported.months.get((merchant_id, month), {}).items():
            values[column] += amount
        settled = self._settlements.months.get(self._settlements.names.get(merchant_id, -1), month)
        if settled is not None:
            values = [value + amount for value, amount in zip(values, settled.tolist(), strict=True)]
        return MonthFigures(month=month, values=tuple(values))

    def mcc(self, merchant_id: str) -> int:
        """Return the category of a merchant by its payments, 0 where there is none."""
        return self._traffic.mccs.get(self._numbers.get(merchant_id, -1), 0)

    def coverage(self, merchant_id: str, month: int) -> Sequence[int]:
        """Return a month of a merchant by CoverageCol."""
        sums = self._traffic.coverage.get(self._numbers.get(merchant_id, -1), month)
        return _NONE[: len(CoverageCol)] if sums is None else sums.tolist()

    def has_days(self, merchant_id: str) -> bool:
        """Tell whether there is anything of single days."""
        return self._numbers.get(merchant_id, -1) in self._with_days or merchant_id in self._named

    def running(self, merchant_id: str, first: int, last: int) -> NDArray[np.int64]:
        """Sum days of a merchant up, by DayCol: row k of int64[n + 1, columns] is the sum of the first k days."""
        number, days = self._numbers.get(merchant_id, -1), np.zeros((last - first + 2, len(DayCol)), dtype=np.int64)
        for day in range(first, last + 1):
            row = self._traffic.days.get(number, day)
            if row is not None:
                days[day - first + 1] = row
        return days.cumsum(axis=0)

    def taken_over(self, merchant_id: str, first: int) -> int:
        """Count the accounts of members with a payment since a day that is reported as fraud."""
        return sum(day >= first for day in self._reported.taken_over.get(merchant_id, {}).values())

    def running_reports(self, merchant_id: str, first: int, last: int) -> NDArray[np.int64]:
        """Sum reports up as `running`: int64[n + 1, 2], chargebacks of Mastercard and reports of the merchant itself.

        Chargebacks are those without the card.
        """
        found = self._reported.chargebacks, self._reported.scams
        days = [[by_day[merchant_id, day] for by_day in found] for day in range(first, last + 1)]
        return np.array([[0, 0], *days], dtype=np.int64).cumsum(axis=0)


def basis_name(basis: SalesBasis) -> Basis:
    """Name what sales are counted by."""
    return "SETTLED" if basis is SalesBasis.SETTLED else "APPROVED"


def bps_of(items: int, of: int) -> Fraction:
    """Give a ratio in hundredths of a percent; `of` is not 0."""
    return Fraction(items * 10_000, of)


def rounded(bps: Fraction | None) -> float | None:
    """Round a ratio in bps to two places."""
    return None if bps is None else round(float(bps), 2)


def share(items: int, of: int) -> Share:
    """Make a share."""
    return Share(items=items, of=of, bps=rounded(bps_of(items, of)) if of else None)
