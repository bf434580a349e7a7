"""Confidence intervals of precision and recall, of policies and of their differences, by resampling days.

Days are drawn, not cards or payments: an attack tries many cards of one merchant on one day, so cards of a day depend
on each other. Policies are compared on the same drawn days.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.figures import DIGITS
from models.backtest.scored import Fate, Scored
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS

RESAMPLES: Final = 1_000
CONFIDENCE: Final = 0.95
DAYS_MIN: Final = 20
"""Fewer days are too few to resample: intervals would be too narrow, and are null."""

UNDEFINED_MAX: Final = 0.05
"""Share of resamples in which a figure may have no denominator. With more the interval is null."""

_SEED: Final = 20_260

Flags = NDArray[np.bool_]


class Resampling(Struct, frozen=True, kw_only=True):
    """How intervals are made: `days` in Tokyo with a counted payment are drawn with replacement, as many as there are.

    With fewer than `days_min` all intervals are null.
    """

    days: int
    days_min: int
    resamples: int
    confidence: float
    seed: int


class Estimate(Struct, frozen=True, kw_only=True):
    """A figure, or a difference of two, with its interval. `value` null: no denominator. Limits null: not known."""

    value: float | None
    low: float | None
    high: float | None


class Estimates(Struct, frozen=True, kw_only=True):
    """Precision, and recall by count and by yen: those of a policy, or a candidate's minus the current policy's."""

    precision: Estimate
    recall: Estimate
    value_recall: Estimate


class Resampled:
    """Days of the counted payments of a history, drawn once for all policies."""

    def __init__(
        self, rows: Scored, *, resamples: int = RESAMPLES, seed: int = _SEED, days_min: int = DAYS_MIN
    ) -> None:
        self._rows = rows
        days, self._day = np.unique((rows.event_ms[rows.is_counted] + TOKYO_MS) // DAY_MS, return_inverse=True)
        count = len(days)
        self.terms = Resampling(days=count, days_min=DAYS_MIN, resamples=resamples, confidence=CONFIDENCE, seed=seed)
        times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / max(1, count)), resamples)
        # the first row is the history as it is
        self._times = np.concatenate((np.ones((1, count), np.int64), times))

    def estimates(self, alerts: Flags) -> Estimates:
        """Return the figures of alerts, bool[n], with their intervals."""
        return self._estimates(self._shares(alerts))

    def difference(self, before: Flags, after: Flags) -> Estimates:
        """Return the figures of `after` minus those of `before`, each drawn on the same days; bool[n] both."""
        old, new = self._shares(before), self._shares(after)
        return self._estimates({name: new[name] - old[name] for name in new})

    def _shares(self, alerts: Flags) -> dict[str, NDArray[np.float64]]:
        """Return each figure of the history and of each resample, float64[1 + resamples], NaN without denominator."""
        some = self._rows.is_counted
        flagged, fraud = alerts[some], self._rows.fates[some] == Fate.FRAUD
        yen = self._rows.yen[some]
        one = np.ones(len(yen), np.int64)
        totals = {
            name: self._times @ self._by_day(own, weight)
            for name, own, weight in (
                ("alerts", flagged, one),
                ("hits", flagged & fraud, one),
                ("frauds", fraud, one),
                ("hits_jpy", flagged & fraud, yen),
                ("frauds_jpy", fraud, yen),
            )
        }
        return {
            "precision": _ratio(totals["hits"], totals["alerts"]),
            "recall": _ratio(totals["hits"], totals["frauds"]),
            "value_recall": _ratio(totals["hits_jpy"], totals["frauds_jpy"]),
        }

    def _by_day(self, own: Flags, weight: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add whole numbers up by day: int64[days]."""
        sums = np.zeros(self.terms.days, np.int64)
        np.add.at(sums, self._day[own], weight[own])
        return sums

    def _estimates(self, shares: Mapping[str, NDArray[np.float64]]) -> Estimates:
        return Estimates(**{name: self._estimate(values) for name, values in shares.items()})

    def _estimate(self, values: NDArray[np.float64]) -> Estimate:
        known = values[1:][~np.isnan(values[1:])]
        edges: list[float | None] = [None, None]
        is_known = len(known) >= (1 - UNDEFINED_MAX) * self.terms.resamples
        if is_known and self.terms.days >= self.terms.days_min and not np.isnan(values[0]):
            tail = 50 * (1 - CONFIDENCE)
            edges = [round(float(edge), DIGITS) for edge in np.percentile(known, (tail, 100 - tail))]
        value = None if np.isnan(values[0]) else round(float(values[0]), DIGITS)
        return Estimate(value=value, low=edges[0], high=edges[1])


def named(estimates: Estimates) -> Iterator[tuple[str, Estimate]]:
    """Yield each figure with its name."""
    for name in Estimates.__struct_fields__:
        yield name, getattr(estimates, name)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
