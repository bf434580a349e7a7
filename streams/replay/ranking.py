"""Quality of scores: AUC, average precision, and recall at given alert rates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALERT_RATES = (0.001, 0.002, 0.005, 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtRate:
    """Recall and false alerts if the share `rate` of events with the highest scores is alerted.

    Of events with equal scores at the limit, only the share that fits is counted.
    """

    rate: float
    recall: float
    value_recall: float
    false_per_fraud: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Quality of a score over labelled events."""

    events: int
    frauds: int
    auc: float
    average_precision: float
    at_rates: tuple[AtRate, ...]


def rank(scores: NDArray[np.float32], fraud: NDArray[np.bool_], amounts: NDArray[np.int64]) -> Ranking | None:
    """Return the quality of scores (all arrays of length n, no NaN); None if all events are of one kind.

    AUC is the probability that a fraud has a higher score than a genuine event; a tie counts half. Average precision is
    the sum of precision times the step of recall at each distinct score, without interpolation.
    """
    n, frauds = len(scores), int(fraud.sum())
    if frauds in (0, n):
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), n - 1)  # last place of each run of equal scores
    alerted = ends + 1.0
    caught = np.cumsum(fraud[order])[ends].astype(np.float64)
    value = np.cumsum(np.where(fraud, amounts, 0)[order])[ends].astype(np.float64)
    false = alerted - caught
    steps = np.diff(caught, prepend=0.0)
    false_before = np.append(0.0, false[:-1])
    auc = 1.0 - float((steps * (false_before + np.diff(false, prepend=0.0) / 2)).sum() / (frauds * (n - frauds)))
    precision = float((steps * caught / alerted).sum() / frauds)
    rates = tuple(_at(rate, n, alerted, caught, value) for rate in ALERT_RATES)
    return Ranking(events=n, frauds=frauds, auc=auc, average_precision=precision, at_rates=rates)


def _at(
    rate: float, n: int, alerted: NDArray[np.float64], caught: NDArray[np.float64], value: NDArray[np.float64]
) -> AtRate:
    budget = rate * n
    edges = np.append(0.0, alerted)
    hits = float(np.interp(budget, edges, np.append(0.0, caught)))
    worth = float(np.interp(budget, edges, np.append(0.0, value)))
    return AtRate(
        rate=rate,
        recall=hits / float(caught[-1]),
        value_recall=worth / float(value[-1]) if value[-1] > 0 else 0.0,
        false_per_fraud=(budget - hits) / hits if hits > 0 else float("inf"),
    )
