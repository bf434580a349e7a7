"""Figures of a policy over payments: alerts, precision, recall, yen, hours, and what happened to the payments."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored
from scoring.contract.codes import Band
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS, months_of

DIGITS: Final = 6

Flags = NDArray[np.bool_]


class Figures(Struct, frozen=True, kw_only=True):
    """Figures of some payments. A share whose denominator is 0 is null.

    `days`: days in Tokyo with a payment. `precision`: share of frauds among alerts. `recall`: share of frauds that
    raised an alert, by count and by yen. `false_positives_per_fraud`: alerts on other payments for each on a fraud.
    `saved_jpy`: yen of frauds that raised an alert and that the issuer did not decline anyway: what could have been
    stopped, if every alert had stopped its payment. `hours`: alerts by the minutes that one takes.
    """

    payments: int
    days: int
    alerts: int
    frauds: int
    frauds_alerted: int
    fraud_jpy: int
    fraud_alerted_jpy: int
    saved_jpy: int
    alerts_a_day: float | None
    alert_rate_bps: float | None
    precision: float | None
    recall: float | None
    value_recall: float | None
    false_positives_per_fraud: float | None
    hours: float
    hours_a_day: float | None


class Cell(Struct, frozen=True, kw_only=True):
    """Counted payments of one band to which one thing happened, how many of them raise alerts, and yen of both."""

    band: str
    fate: str
    payments: int
    jpy: int
    alerts: int
    alerted_jpy: int


class Month(Struct, frozen=True, kw_only=True):
    """Figures of a month in Tokyo, within the period. `is_mature` false: some of its payments have no label yet.

    Its precision and recall are then too low.
    """

    month: str
    is_mature: bool
    figures: Figures


def figures(rows: Scored, alerts: Flags, some: Flags, minutes: float) -> Figures:
    """Count the rows of `some`, bool[n]. `minutes`: work for one alert."""
    frauds = some & (rows.fates == Fate.FRAUD)
    flagged, hit = some & alerts, frauds & alerts
    payments, days, count = _count(some), days_in(rows, some), _count(flagged)
    fraud_jpy, hit_jpy = _yen(rows, frauds), _yen(rows, hit)
    hours = count * minutes / 60
    return Figures(
        payments=payments,
        days=days,
        alerts=count,
        frauds=_count(frauds),
        frauds_alerted=_count(hit),
        fraud_jpy=fraud_jpy,
        fraud_alerted_jpy=hit_jpy,
        saved_jpy=_yen(rows, hit & ~rows.is_declined),
        alerts_a_day=_share(count, days),
        alert_rate_bps=_share(count * 10_000, payments),
        precision=_share(_count(hit), count),
        recall=_share(_count(hit), _count(frauds)),
        value_recall=_share(hit_jpy, fraud_jpy),
        false_positives_per_fraud=_share(count - _count(hit), _count(hit)),
        hours=round(hours, DIGITS),
        hours_a_day=_share(hours, days),
    )


def cells(rows: Scored, judged: Judged) -> Iterator[Cell]:
    """Give the counted payments by band and fate, without empty cells."""
    for band in Band:
        for fate in Fate:
            some = rows.is_counted & (judged.bands == band) & (rows.fates == fate)
            if some.any():
                flagged = some & judged.alerts
                yield Cell(
                    band=band.name,
                    fate=fate.name,
                    payments=_count(some),
                    jpy=_yen(rows, some),
                    alerts=_count(flagged),
                    alerted_jpy=_yen(rows, flagged),
                )


def months(rows: Scored, alerts: Flags, minutes: float) -> Iterator[Month]:
    """Give the figures of each month with payments of the period, in order."""
    numbers = months_of(rows.event_ms)
    for number in np.unique(numbers[rows.is_within]).tolist():
        some = rows.is_within & (numbers == number)
        yield Month(
            month=str(np.datetime64(number, "M")),
            is_mature=bool(rows.is_counted[some].all()),
            figures=figures(rows, alerts, some, minutes),
        )


def days_of(rows: Scored) -> int:
    """Return the number of days in Tokyo with a counted payment."""
    return days_in(rows, rows.is_counted)


def days_in(rows: Scored, some: Flags) -> int:
    """Return the number of days in Tokyo with a payment of `some`, bool[n]."""
    return len(np.unique((rows.event_ms[some] + TOKYO_MS) // DAY_MS))


def _count(some: Flags) -> int:
    return int(np.count_nonzero(some))


def _yen(rows: Scored, some: Flags) -> int:
    return int(rows.yen[some].sum())


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, DIGITS) if whole else None
