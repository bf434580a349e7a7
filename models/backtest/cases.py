"""Figures by case, which people work on: a case has the payments of one entity, an incident those of an attack."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.figures import DIGITS, days_of
from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored


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


def cases(rows: Scored, judged: Judged, minutes: float) -> Cases:
    """Count the cases of a policy. `minutes`: work for one case."""
    some = rows.is_counted & (judged.cases != 0)
    fates, days = _fates(judged.cases[some], rows.fates[some]), days_of(rows)
    of_fate = {fate: int(np.count_nonzero(fates == fate)) for fate in Fate}
    count, frauds = len(fates), of_fate[Fate.FRAUD]
    hours = count * minutes / 60
    return Cases(
        cases=count,
        frauds=frauds,
        declined=of_fate[Fate.DECLINED],
        refunded=of_fate[Fate.REFUNDED],
        good=of_fate[Fate.GOOD],
        payments=int(np.count_nonzero(some)),
        fraud_payments=int(np.count_nonzero(some & (rows.fates == Fate.FRAUD))),
        cases_a_day=_share(count, days),
        precision=_share(frauds, count),
        false_positives_per_fraud=_share(count - frauds, frauds),
        hours=round(hours, DIGITS),
        hours_a_day=_share(hours, days),
    )


def _fates(cases: NDArray[np.int64], fates: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the fate of each case, int8[cases]: the first of `Fate` that one of its payments has."""
    numbers, places = np.unique(cases, return_inverse=True)
    found = np.full(len(numbers), max(Fate), np.int8)
    np.minimum.at(found, places, fates)
    return found


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole else None
