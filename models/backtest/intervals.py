"""Confidence intervals of figures by payment and by case, of policies and of their differences, by resampling days.

Days are drawn, not cards or payments: an attack tries many cards of one merchant on one day, so cards of a day depend
on each other. A case is drawn with the day of its first payment. Policies are compared on the same drawn days.
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


class CaseEstimates(Struct, frozen=True, kw_only=True):
    """Figures by case: those of a policy, or a candidate's minus the current policy's.

    `case_precision`: share of cases with a reported fraud. `case_recall`: share of frauds that are in a case.
    `cases_a_day`: over all days. A case is of the day of its first counted payment, a fraud of its own day.
    """

    case_precision: Estimate
    case_recall: Estimate
    cases_a_day: Estimate


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
        return Estimates(**self._each(self._shares(alerts)))

    def difference(self, before: Flags, after: Flags) -> Estimates:
        """Return the figures of `after` minus those of `before`, each drawn on the same days; bool[n] both."""
        return Estimates(**self._each(_minus(self._shares(after), self._shares(before))))

    def case_estimates(self, cases: NDArray[np.int64]) -> CaseEstimates:
        """Return the figures by case with their intervals. `cases` int64[n]: the number of each row's case, 0 none."""
        return CaseEstimates(**self._each(self._shares_of_cases(cases)))

    def case_difference(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> CaseEstimates:
        """Return the figures by case of `after` minus those of `before`, each drawn on the same days."""
        return CaseEstimates(**self._each(_minus(self._shares_of_cases(after), self._shares_of_cases(before))))

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

    def _shares_of_cases(self, cases: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return each figure by case, as `_shares` does."""
        some = self._rows.is_counted
        own, is_fraud = cases[some], self._rows.fates[some] == Fate.FRAUD
        first, has_fraud = np.zeros(len(own), np.bool_), np.zeros(len(own), np.bool_)
        numbers, opens, places = np.unique(own, return_index=True, return_inverse=True)
        first[opens[numbers != 0]] = True
        with_fraud = np.bincount(places[is_fraud], minlength=len(numbers)) > 0
        has_fraud[opens[(numbers != 0) & with_fraud]] = True
        one = np.ones(len(own), np.int64)
        opened, true, frauds, found = (
            self._times @ self._by_day(flags, one) for flags in (first, has_fraud, is_fraud, is_fraud & (own != 0))
        )
        days = np.full(len(opened), self.terms.days)
        return {
            "case_precision": _ratio(true, opened),
            "case_recall": _ratio(found, frauds),
            "cases_a_day": _ratio(opened, days),
        }

    def _by_day(self, own: Flags, weight: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add whole numbers up by day: int64[days]."""
        sums = np.zeros(self.terms.days, np.int64)
        np.add.at(sums, self._day[own], weight[own])
        return sums

    def _each(self, shares: Mapping[str, NDArray[np.float64]]) -> dict[str, Estimate]:
        return {name: self._estimate(values) for name, values in shares.items()}

    def _estimate(self, values: NDArray[np.float64]) -> Estimate:
        known = values[1:][~np.isnan(values[1:])]
        edges: list[float | None] = [None, None]
        is_known = len(known) >= (1 - UNDEFINED_MAX) * self.terms.resamples
        if is_known and self.terms.days >= self.terms.days_min and not np.isnan(values[0]):
            tail = 50 * (1 - CONFIDENCE)
            edges = [round(float(edge), DIGITS) for edge in np.percentile(known, (tail, 100 - tail))]
        value = None if np.isnan(values[0]) else round(float(values[0]), DIGITS)
        return Estimate(value=value, low=edges[0], high=edges[1])


def named(*estimates: Estimates | CaseEstimates | None) -> Iterator[tuple[str, Estimate]]:
    """Yield each figure with its name; nothing for None."""
    for each in estimates:
        for name in () if each is None else each.__struct_fields__:
            yield name, getattr(each, name)


def _minus(
    new: Mapping[str, NDArray[np.float64]], old: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    return {name: new[name] - old[name] for name in new}


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.full(len(part), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
