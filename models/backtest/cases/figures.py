"""Figures by case, which people work on: a case has the payments of one entity, an incident those of an attack."""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.figures import DIGITS, days_in
from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored
from scoring.merchants.months.calendar import months_of


class Cases(Struct, frozen=True, kw_only=True):
    """Cases with a counted payment. A share whose denominator is 0 is null.

    `frauds`: cases with a reported fraud. The others are false positives; `declined`, `refunded` and `good` say what
    happened to their payments, the first that is true of one of them. `payments`: counted payments in cases,
    attempts of incidents below the lowest band that raises an alert included, `fraud_payments` of them reported.
    `false_positives_per_fraud`: other cases for each with a fraud. `hours`: cases by the minutes that one takes.
    """

    cases: int
    frauds: int
    declined: int
    refunded: int
    good: int
    payments: int
    fraud_payments: int
    cases_a_day: float | None
    precision: float | None
    false_positives_per_fraud: float | None
    hours: float
    hours_a_day: float | None


class CaseMonth(Struct, frozen=True, kw_only=True):
    """The cases that opened in a month in Tokyo, within the period: those whose first payment is of the month.

    A case is of one month, with all of its payments. `is_mature` false: some payment of the month, or of its cases, has
    no label yet, so that its precision is too low.
    """

    month: str
    is_mature: bool
    figures: Cases


class Grouped:
    """The cases of some rows, in the order of their numbers.

    `first` int64[cases]: the first row of each, in the order of receipt; `fates` int8[cases] of `Fate`: the first fate
    that one of its rows has. `rows` int64[k]: the rows that are in a case; `of_row` int64[k]: the place of their case.
    """

    def __init__(self, rows: Scored, numbers: NDArray[np.int64], some: NDArray[np.bool_]) -> None:
        """Group the rows of `some`, bool[n], by `numbers`, int64[n]: 0 for no case."""
        self.rows = np.flatnonzero(some & (numbers != 0))
        _, places, self.of_row = np.unique(numbers[self.rows], return_index=True, return_inverse=True)
        self.first = self.rows[places]
        self.fates = np.full(len(places), max(Fate), np.int8)
        np.minimum.at(self.fates, self.of_row, rows.fates[self.rows])

    def __len__(self) -> int:
        return len(self.first)


def cases(rows: Scored, judged: Judged, minutes: float) -> Cases:
    """Count the cases of a policy. `minutes`: work for one case."""
    found = Grouped(rows, judged.cases, rows.is_counted)
    return _figures(rows, found, np.ones(len(found), np.bool_), days_in(rows, rows.is_counted), minutes)


def case_months(rows: Scored, judged: Judged, minutes: float) -> Iterator[CaseMonth]:
    """Give the cases of each month with payments of the period, in order."""
    found, months = Grouped(rows, judged.cases, rows.is_within), months_of(rows.event_ms)
    opened = months[found.first]
    is_young = np.zeros(len(found), np.bool_)
    is_young[found.of_row[~rows.is_counted[found.rows]]] = True
    for number in np.unique(months[rows.is_within]).tolist():
        some, own = rows.is_within & (months == number), opened == number
        yield CaseMonth(
            month=str(np.datetime64(number, "M")),
            is_mature=bool(rows.is_counted[some].all()) and not bool(is_young[own].any()),
            figures=_figures(rows, found, own, days_in(rows, some), minutes),
        )


def _figures(rows: Scored, found: Grouped, own: NDArray[np.bool_], days: int, minutes: float) -> Cases:
    """Count the cases of `own`, bool[cases]. `days`: those by which they are divided."""
    of_fate = {fate: int(np.count_nonzero(found.fates[own] == fate)) for fate in Fate}
    count, frauds = int(np.count_nonzero(own)), of_fate[Fate.FRAUD]
    payments = found.rows[own[found.of_row]]
    hours = count * minutes / 60
    return Cases(
        cases=count,
        frauds=frauds,
        declined=of_fate[Fate.DECLINED],
        refunded=of_fate[Fate.REFUNDED],
        good=of_fate[Fate.GOOD],
        payments=len(payments),
        fraud_payments=int(np.count_nonzero(rows.fates[payments] == Fate.FRAUD)),
        cases_a_day=_share(count, days),
        precision=_share(frauds, count),
        false_positives_per_fraud=_share(count - frauds, frauds),
        hours=round(hours, DIGITS),
        hours_a_day=_share(hours, days),
    )


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole else None
