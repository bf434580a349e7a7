"""Figures of two models over the same payments."""

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
    """Return the share of fraud yen in alerts, if at most `share` of the rows raise them; 0 without fraud yen.

    By the score 0 to 999, which thresholds see: of equal scores at the limit all are left out.
    """
    counts = np.bincount(scores, minlength=BINS * BIN_POINTS)[::-1].cumsum()
    met = int(np.searchsorted(counts, len(scores) * share, side="right"))  # the highest `met` scores raise alerts
    fraud_yen = int(rows.yen[rows.fraud].sum())
    caught = rows.fraud & (scores >= BINS * BIN_POINTS - met)
    return int(rows.yen[caught].sum()) / fraud_yen if fraud_yen else 0.0


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
    name = f"value_recall_at_{share * 100:g}pct"
    of_pr_auc, of_value = [], []
    for _ in range(resamples):
        weight = rng.poisson(1.0, int(card.max()) + 1).astype(np.float64)[card]
        found = [(precise.metrics(weight, share), coarse.metrics(weight, share)) for precise, coarse in ranked]
        if found[0][0]:
            of_pr_auc.append(found[1][0]["pr_auc"] - found[0][0]["pr_auc"])
            of_value.append(found[1][1][name] - found[0][1][name])
    return _compared(pr_auc, of_pr_auc), _compared(value, of_value)


class _Ranked:
    """The rows in falling order of one score."""

    def __init__(self, scores: NDArray[np.float64] | NDArray[np.int16], rows: Counted) -> None:
        self._order = np.argsort(-scores.astype(np.float64), kind="stable")
        sorted_scores = scores[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
        self._fraud = rows.fraud[self._order].astype(np.float64)
        self._yen = rows.yen[self._order] * self._fraud

    def metrics(self, weight: NDArray[np.float64], share: float) -> dict[str, float]:
        return dict(weighted_metrics(self._fraud, self._yen, weight[self._order], self._ends, (share,)))


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


def psi(bins: list[Bin]) -> float:
    """Return the population stability index of the candidate's scores against the current ones.

    Sum over bins of (q - p) ln(q / p), p and q the shares of the current and the candidate, with half a payment added
    to each bin, so that an empty bin has a finite part.
    """
    whole = sum(one.current for one in bins) + len(bins) / 2
    found = 0.0
    for one in bins:
        p, q = (one.current + 0.5) / whole, (one.candidate + 0.5) / whole
        found += (q - p) * float(np.log(q / p))
    return round(found, DIGITS)


def calibration_error(expected: list[float], frauds: list[int]) -> float | None:
    """Return the sum over bins of |expected frauds - frauds|, divided by the frauds; None without frauds.

    It is the expected calibration error divided by the rate of fraud: with rare fraud the former is small for any
    model.
    """
    whole = sum(frauds)
    if not whole:
        return None
    return round(sum(abs(e - f) for e, f in zip(expected, frauds, strict=True)) / whole, DIGITS)
