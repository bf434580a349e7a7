"""Figures of two models over the same payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.promotion.pair import Rated
from models.training.metrics import average_precision
from models.training.report.card import weighted_metrics

BIN_POINTS: Final = 50
BINS: Final = 20
"""Bins of the score, 0 to 999: those of the metric of a challenger."""

DIGITS: Final = 6


class Compared(Struct, frozen=True, kw_only=True):
    """A figure of both models, and the interval of 95% of candidate minus current; null if no resample has it."""

    current: float
    candidate: float
    low: float | None
    high: float | None


class Bin(Struct, frozen=True, kw_only=True):
    """Payments, frauds, and frauds expected by the probabilities, whose score is from `first` to `last`, by model."""

    first: int
    last: int
    current: int
    current_frauds: int
    current_expected: float
    candidate: int
    candidate_frauds: int
    candidate_expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Counted payments, n rows: `fraud` bool[n], `yen` int64[n] (0 unknown), `card` uint64[n] hashes."""

    fraud: NDArray[np.bool_]
    yen: NDArray[np.int64]
    card: NDArray[np.uint64]


def value_recall(scores: NDArray[np.int16], rows: Counted, share: float) -> float:
    """Return the share of fraud yen in alerts, if `share` of the rows raise them; 0 without fraud yen.

    By the score 0 to 999, which thresholds see. Of equal scores at the limit as large a part counts as fits: sound
    models give 999 to many frauds, and a limit within them must not decide between all and none.
    """
    return _Ranked(scores, rows).value_recall(np.ones(len(scores)), share)


def compared(
    current: Rated, candidate: Rated, rows: Counted, *, share: float, resamples: int, seed: int
) -> tuple[Compared, Compared]:
    """Compare PR-AUC by probability, and the share of fraud yen in alerts by score, with intervals of the differences.

    Cards are resampled with a Poisson weight of mean 1, the same for both models: payments of a card depend on each
    other, and so do two models on one payment.
    """
    both = (current, candidate)
    pr_auc = [average_precision(one.probabilities, rows.fraud) for one in both]
    value = [value_recall(one.scores, rows, share) for one in both]
    _, card = np.unique(rows.card, return_inverse=True)
    rng = np.random.default_rng(seed)
    ranked = [(_Ranked(one.probabilities, rows), _Ranked(one.scores, rows)) for one in both]
    of_pr_auc, of_value = [], []
    for _ in range(resamples):
        weight = rng.poisson(1.0, int(card.max()) + 1).astype(np.float64)[card]
        if not (weight[rows.fraud].any() and weight[~rows.fraud].any()):
            continue
        areas = [precise.pr_auc(weight) for precise, _ in ranked]
        shares = [coarse.value_recall(weight, share) for _, coarse in ranked]
        of_pr_auc.append(areas[1] - areas[0])
        of_value.append(shares[1] - shares[0])
    return _compared(pr_auc, of_pr_auc), _compared(value, of_value)


class _Ranked:
    """The rows in falling order of one score."""

    def __init__(self, scores: NDArray[np.float64] | NDArray[np.int16], rows: Counted) -> None:
        self._order = np.argsort(-scores.astype(np.float64), kind="stable")
        sorted_scores = scores[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
        self._fraud = rows.fraud[self._order].astype(np.float64)
        self._yen = rows.yen[self._order] * self._fraud

    def pr_auc(self, weight: NDArray[np.float64]) -> float:
        return dict(weighted_metrics(self._fraud, self._yen, weight[self._order], self._ends, ()))["pr_auc"]

    def value_recall(self, weight: NDArray[np.float64], share: float) -> float:
        ordered = weight[self._order]
        alerts = np.append(0.0, ordered.cumsum()[self._ends])
        yen = np.append(0.0, (ordered * self._yen).cumsum()[self._ends])
        return float(np.interp(share * alerts[-1], alerts, yen) / yen[-1]) if yen[-1] else 0.0


def _compared(of_all: list[float], differences: list[float]) -> Compared:
    low, high = np.percentile(differences, (2.5, 97.5)).tolist() if differences else (None, None)
    return Compared(
        current=round(of_all[0], DIGITS),
        candidate=round(of_all[1], DIGITS),
        low=None if low is None else round(low, DIGITS),
        high=None if high is None else round(high, DIGITS),
    )


def bins_of(current: Rated, candidate: Rated, rows: Counted) -> list[Bin]:
    """Count the rows by the score of each model, in bins of 50 points."""
    columns = []
    for one in (current, candidate):
        place = one.scores // BIN_POINTS
        weights: tuple[NDArray[np.float64] | None, ...] = (None, rows.fraud.astype(np.float64), one.probabilities)
        columns.append([np.bincount(place, weight, minlength=BINS).tolist() for weight in weights])
    (own, own_frauds, own_expected), (other, other_frauds, other_expected) = columns
    return [
        Bin(
            first=k * BIN_POINTS,
            last=(k + 1) * BIN_POINTS - 1,
            current=int(own[k]),
            current_frauds=round(own_frauds[k]),
            current_expected=round(own_expected[k], DIGITS),
            candidate=int(other[k]),
            candidate_frauds=round(other_frauds[k]),
            candidate_expected=round(other_expected[k], DIGITS),
        )
        for k in range(BINS)
    ]


def psi(bins: Sequence[Bin], from_score: int) -> float:
    """Return the population stability index of the candidate's scores against the current ones, from a score on.

    Sum over bins of (q - p) ln(q / p), p and q the shares of the current and the candidate among the payments in these
    bins, with half a payment added to each bin, so that an empty bin has a finite part. The bin with the score counts,
    bins below do not: no threshold is there, and they hold nearly all payments.
    """
    seen = [one for one in bins if one.last >= from_score]
    current, candidate = (
        sum(counts) + len(seen) / 2 for counts in ([one.current for one in seen], [one.candidate for one in seen])
    )
    found = 0.0
    for one in seen:
        p, q = (one.current + 0.5) / current, (one.candidate + 0.5) / candidate
        found += (q - p) * float(np.log(q / p))
    return round(found, DIGITS)


def load_ratio(current: int, candidate: int) -> float:
    """Return how much the number of alerts changes: the larger one by the smaller one, half an alert added to each."""
    few, many = sorted((current, candidate))
    return round((many + 0.5) / (few + 0.5), DIGITS)


def calibration_error(expected: list[float], frauds: list[int]) -> float | None:
    """Return the sum over bins of |expected frauds - frauds|, divided by the frauds; None without frauds.

    It is the expected calibration error divided by the rate of fraud: with rare fraud the former is small for any
    model.
    """
    whole = sum(frauds)
    if not whole:
        return None
    return round(sum(abs(e - f) for e, f in zip(expected, frauds, strict=True)) / whole, DIGITS)
