"""Fit the calibration: isotonic where there are enough frauds; Platt's line at the ends and elsewhere.

The fits are scikit-learn's. This module adds blocks with enough frauds, knots in log-odds, and a mean probability that
equals the fraud rate.
"""

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped]  # ships no types
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]  # the same
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]  # the same
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # the same

from scoring.model.calibration import KNOT_GAP_MIN, KNOTS_MAX, Calibration, CalibrationTable

FRAUDS_MIN: Final = 10
_ISOTONIC_FRAUDS_MIN: Final = 200
_FRAUDS_PER_BLOCK: Final = 25  # the odds of a block are then known to about a fifth
_REACH: Final = 4.0  # how far, in margin, the end segments are drawn; beyond they go on
_LOG_ODDS_MAX: Final = 25.0
_SLOPE_MIN: Final = 1e-3
_SHIFT_MAX: Final = 20.0
_MEAN_ERROR_MAX: Final = 1e-3  # of the mean probability, relative to the fraud rate


class CalibrationError(ValueError):
    """Raised when a calibration does not converge, or its mean probability misses the fraud rate of its own rows."""


def fit_calibration(margins: NDArray[np.float64], fraud: NDArray[np.bool_]) -> CalibrationTable:
    """Fit a table on rows the model was not trained on. `margins: float64[n]`, `fraud: bool[n]`.

    Blocks of at least 25 frauds, pooled until their odds rise (isotonic regression); between the centres of blocks the
    log-odds are straight lines, so that equal scores stay rare. Then all log-odds are moved by one constant until the
    mean probability of these rows is their fraud rate.

    Raises:
        ValueError: there are fewer than 10 frauds.
        CalibrationError: a fit does not converge, or the mean probability misses the fraud rate.
    """
    frauds = int(fraud.sum())
    if frauds < FRAUDS_MIN or frauds == len(fraud):
        raise ValueError(f"{frauds} frauds among {len(fraud)} rows to calibrate on, at least {FRAUDS_MIN} are needed")
    slope, intercept = fit_platt(margins, fraud)
    slope = max(slope, _SLOPE_MIN)  # a slope below zero would reverse the ranking of a model no better than chance
    if frauds < _ISOTONIC_FRAUDS_MIN:
        centre = float(margins.mean())
        centres, log_odds, method = np.array([centre]), np.array([slope * centre + intercept]), "platt"
    else:
        centres, log_odds = _isotonic(margins, fraud)
        method = "isotonic, platt at the ends"
    centres = np.concatenate(([centres[0] - _REACH], centres, [centres[-1] + _REACH]))
    log_odds = np.concatenate(([log_odds[0] - _REACH * slope], log_odds, [log_odds[-1] + _REACH * slope]))
    return _with_true_mean(margins, fraud, centres, log_odds, method)


def fit_platt(margins: NDArray[np.float64], fraud: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and intercept of the log-odds, by logistic regression on smoothed targets (Platt, 1999).

    Raises:
        CalibrationError: the fit does not converge.
    """
    frauds, rows = int(fraud.sum()), len(fraud)
    target = np.where(fraud, (frauds + 1) / (frauds + 2), 1 / (rows - frauds + 2))
    centre, scale = float(margins.mean()), float(margins.std())
    if scale < KNOT_GAP_MIN:  # all margins are the same: there is no slope to find
        mean = float(target.mean())
        return 0.0, float(np.log(mean / (1 - mean)))
    design = np.tile((margins - centre) / scale, 2)[:, None]  # each row as a fraud and as none, weighted by its target
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(design, np.repeat([1, 0], rows), sample_weight=np.concatenate((target, 1 - target)))
        except (ConvergenceWarning, np.linalg.LinAlgError) as error:
            raise CalibrationError(f"Platt's line does not converge on {rows} rows, {frauds} frauds: {error}") from None
    slope = float(model.coef_[0, 0]) / scale
    return slope, float(model.intercept_[0]) - slope * centre


def _isotonic(
    margins: NDArray[np.float64], fraud: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return margins and log-odds of the pooled blocks, both rising."""
    order = np.argsort(margins, kind="stable")
    margins, fraud = margins[order], fraud[order]
    per_block = max(_FRAUDS_PER_BLOCK, -(-int(fraud.sum()) // (KNOTS_MAX - 2)))
    at = np.flatnonzero(fraud)[per_block - 1 :: per_block] + 1
    edges = np.unique(np.concatenate(([0], at[:-1], [len(margins)])))
    rows, frauds = np.diff(edges).astype(np.float64), np.add.reduceat(fraud.astype(np.float64), edges[:-1])
    centres = np.add.reduceat(margins, edges[:-1]) / rows
    # margins closer than KNOT_GAP_MIN are one block
    block = np.cumsum(np.concatenate(([0], (np.diff(centres) >= KNOT_GAP_MIN).astype(np.int64))))
    rows, frauds, total = (_sums(block, column) for column in (rows, frauds, centres * rows))
    rates = IsotonicRegression().fit_transform(total / rows, frauds / rows, sample_weight=rows)
    pooled = np.cumsum(np.concatenate(([0], (np.diff(rates) > 0).astype(np.int64))))
    rows, frauds, total = (_sums(pooled, column) for column in (rows, frauds, total))
    log_odds = np.log((frauds + 0.5) / (rows - frauds + 0.5))  # Haldane and Anscombe: no block has log-odds of infinity
    return total / rows, np.maximum.accumulate(log_odds)


def _sums(group: NDArray[np.int64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add a column up by group."""
    return np.bincount(group, weights=column).astype(np.float64)


def _with_true_mean(
    margins: NDArray[np.float64],
    fraud: NDArray[np.bool_],
    centres: NDArray[np.float64],
    log_odds: NDArray[np.float64],
    method: str,
) -> CalibrationTable:
    """Move all log-odds by one constant so that the probabilities of these rows sum to their frauds."""
    rate = float(fraud.mean())

    def table(shift: float) -> CalibrationTable:
        moved = np.clip(log_odds + shift, -_LOG_ODDS_MAX, _LOG_ODDS_MAX).tolist()
        knots = tuple(zip(centres.tolist(), moved, strict=True))
        return CalibrationTable(method=method, rows=len(fraud), frauds=int(fraud.sum()), knots=knots)

    def excess(shift: float) -> float:
        return mean_probability(table(shift), margins) - rate

    try:
        shift = float(brentq(excess, -_SHIFT_MAX, _SHIFT_MAX, xtol=1e-12))
    except ValueError:
        raise CalibrationError(f"no shift of the log-odds gives the fraud rate {rate:.3g}") from None
    if abs(excess(shift)) > _MEAN_ERROR_MAX * rate:
        raise CalibrationError(f"the mean probability misses the fraud rate {rate:.3g} by {excess(shift):.3g}")
    return table(shift)


def mean_probability(table: CalibrationTable, margins: NDArray[np.float64]) -> float:
    """Return the mean probability that a table gives to margins, float64[n]: over many rows their fraud rate."""
    return float(Calibration(table).apply(margins)[0].mean())
