"""Figures of a model on its test rows, as the page of a training draws them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve  # type: ignore[import-untyped]  # ships no types

from models.training.matrix import Samples
from models.training.report.resampling import RESAMPLES, card_weights, interval
from scoring.model.calibration import SCORE_MAX

SHARES: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)
"""Alert rates of the curve of detection."""

POINTS_MAX: Final = 400
BAND: Final = 50
"""Width of a band of scores in the calibration: the odds of fraud double."""
BAR: Final = 20
_DIGITS: Final = 6

Flags = NDArray[np.bool_]


class Detection(Struct, frozen=True, kw_only=True):
    """What is found if the rows with the highest scores raise alerts, at most `share` of all.

    Of equal scores at the limit none does. `precision` is null without alerts; the other two, of frauds and of their
    yen, without frauds and without yen.
    """

    share: float
    alerts: int
    precision: float | None
    recall: float | None
    value_recall: float | None


class Reliability(Struct, frozen=True, kw_only=True):
    """Rows of a band of scores: the mean probability that the model gives, and the rate of fraud with 95% limits.

    The limits are null where no resample has a row of the band.
    """

    score_from: int
    score_to: int
    rows: int
    frauds: int
    probability: float
    rate: float
    rate_low: float | None
    rate_high: float | None


class Bar(Struct, frozen=True, kw_only=True):
    """Rows whose score is in [score_from, score_from + 20)."""

    score_from: int
    frauds: int
    others: int


class Curves(Struct, frozen=True, kw_only=True):
    """Figures of a page. `precision_recall`: pairs of recall and precision, recall rising, at most 400."""

    precision_recall: list[tuple[float, float]]
    detection: list[Detection]
    reliability: list[Reliability]
    histogram: list[Bar]


def curves(
    test: Samples,
    margins: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    scores: NDArray[np.int16],
    seed: int,
) -> Curves:
    """Measure a model on `test`, n rows: `margins` and `probabilities` float64[n], `scores` int16[n]."""
    return Curves(
        precision_recall=precision_recall(test.fraud, margins),
        detection=[detection(test, margins, share) for share in SHARES],
        reliability=reliability(test, probabilities, scores, seed=seed),
        histogram=histogram(test.fraud, scores),
    )


def precision_recall(fraud: Flags, margins: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return recall and precision for every threshold at which recall changes, thinned evenly in recall."""
    if not fraud.any():
        return []
    precision, recall, _ = precision_recall_curve(fraud, margins)
    precision, recall = precision[-2::-1], recall[-2::-1]  # without the point of no alert, whose precision is made up
    first = np.append(True, np.diff(recall) > 0)  # the highest threshold of each recall has the fewest false alerts
    precision, recall = precision[first], recall[first]
    places = np.arange(len(recall))
    if len(recall) > POINTS_MAX:
        wanted = np.linspace(recall[0], recall[-1], POINTS_MAX)
        places = np.unique(np.minimum(np.searchsorted(recall, wanted), len(recall) - 1))
    return [(round(float(recall[k]), _DIGITS), round(float(precision[k]), _DIGITS)) for k in places.tolist()]


def detection(test: Samples, margins: NDArray[np.float64], share: float) -> Detection:
    """Measure the alerts at one rate."""
    budget = int(len(margins) * share)
    alerts: Flags = margins > np.partition(margins, -(budget + 1))[-(budget + 1)]
    yen, hit = np.maximum(test.amount_jpy, 0), alerts & test.fraud
    return Detection(
        share=share,
        alerts=int(alerts.sum()),
        precision=_ratio(int(hit.sum()), int(alerts.sum())),
        recall=_ratio(int(hit.sum()), int(test.fraud.sum())),
        value_recall=_ratio(int(yen[hit].sum()), int(yen[test.fraud].sum())),
    )


def reliability(
    test: Samples,
    probabilities: NDArray[np.float64],
    scores: NDArray[np.int16],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> list[Reliability]:
    """Compare probabilities with rates of fraud by bands of 50 points of score, without empty bands."""
    bands, band = np.unique(scores // BAND, return_inverse=True)
    rows, frauds = np.bincount(band), np.bincount(band, test.fraud)
    sums = np.bincount(band, probabilities)
    drawn = []
    for weight in card_weights(test.card, seed, resamples):
        whole, part = np.bincount(band, weight), np.bincount(band, weight * test.fraud)
        drawn.append(np.divide(part, whole, out=np.full(len(bands), np.nan), where=whole > 0))
    found = []
    for k, code in enumerate(bands.tolist()):
        edges: Sequence[float | None] = interval(rates[k] for rates in drawn) or (None, None)
        found.append(
            Reliability(
                score_from=code * BAND,
                score_to=min(SCORE_MAX, code * BAND + BAND - 1),
                rows=int(rows[k]),
                frauds=int(frauds[k]),
                probability=_significant(sums[k] / rows[k]),
                rate=_significant(frauds[k] / rows[k]),
                rate_low=edges[0],
                rate_high=edges[1],
            )
        )
    return found


def histogram(fraud: Flags, scores: NDArray[np.int16]) -> list[Bar]:
    """Count rows by bars of 20 points of score, all bars."""
    bars = SCORE_MAX // BAR + 1
    frauds, others = (np.bincount(scores[kind] // BAR, minlength=bars).tolist() for kind in (fraud, ~fraud))
    return [Bar(score_from=k * BAR, frauds=frauds[k], others=others[k]) for k in range(bars)]


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, _DIGITS) if whole else None


def _significant(value: float) -> float:
    """Round to six significant digits: probabilities of low scores are far below a millionth."""
    return float(f"{value:.6g}")
