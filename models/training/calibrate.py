"""Fit what a margin means: isotonic where there are frauds enough, Platt's line at the ends and where there are not."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.model.calibration import KNOT_GAP_MIN, KNOTS_MAX, CalibrationTable

FRAUDS_MIN: Final = 10
_ISOTONIC_FRAUDS_MIN: Final = 200
_FRAUDS_PER_BLOCK: Final = 25  # the odds of a block are then known to about a fifth
_REACH: Final = 4.0  # how far, in margin, the end segments are drawn; beyond they go on
_LOG_ODDS_MAX: Final = 25.0


def fit_calibration(margins: NDArray[np.float64], fraud: NDArray[np.bool_]) -> CalibrationTable:
    """Fit a table on rows the model was not trained on. `margins: float64[n]`, `fraud: bool[n]`.

    Blocks of at least 25 frauds, pooled until their odds rise (pool adjacent violators); between the centres of blocks
    the log-odds are straight lines, so that equal scores stay rare. Raises `ValueError` for fewer than 10 frauds.
    """
    frauds = int(fraud.sum())
    if frauds < FRAUDS_MIN or frauds == len(fraud):
        raise ValueError(f"{frauds} frauds among {len(fraud)} rows to calibrate on, at least {FRAUDS_MIN} are needed")
    slope, intercept = fit_platt(margins, fraud)
    if frauds < _ISOTONIC_FRAUDS_MIN:
        centres, log_odds, method = np.array([0.0]), np.array([intercept]), "platt"
    else:
        centres, log_odds = _isotonic(margins, fraud)
        method = "isotonic, platt at the ends"
    centres = np.concatenate(([centres[0] - _REACH], centres, [centres[-1] + _REACH]))
    log_odds = np.concatenate(([log_odds[0] - _REACH * slope], log_odds, [log_odds[-1] + _REACH * slope]))
    knots = zip(centres.tolist(), np.clip(log_odds, -_LOG_ODDS_MAX, _LOG_ODDS_MAX).tolist(), strict=True)
    return CalibrationTable(method=method, rows=len(fraud), frauds=frauds, knots=tuple(knots))


def fit_platt(margins: NDArray[np.float64], fraud: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope (positive) and intercept of the log-odds, by Newton's method on smoothed targets (Platt, 1999)."""
    frauds, rows = int(fraud.sum()), len(fraud)
    target = np.where(fraud, (frauds + 1) / (frauds + 2), 1 / (rows - frauds + 2))
    design = np.column_stack((margins, np.ones(rows)))
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        curvature = np.maximum(p * (1 - p), 1e-12)
        hessian = (design * curvature[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (target - p))
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    # a model no better than chance must not turn its ranking round
    return max(float(weights[0]), 1e-3), float(weights[1])


def _isotonic(
    margins: NDArray[np.float64], fraud: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return margins and log-odds of the pooled blocks, both rising."""
    order = np.argsort(margins, kind="stable")
    margins, fraud = margins[order], fraud[order]
    per_block = max(_FRAUDS_PER_BLOCK, -(-int(fraud.sum()) // (KNOTS_MAX - 2)))
    at = np.flatnonzero(fraud)[per_block - 1 :: per_block] + 1
    edges = np.unique(np.concatenate(([0], at[:-1], [len(margins)])))
    blocks: list[tuple[float, float, float]] = []  # rows, frauds, sum of margins
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        block = (float(end - start), float(fraud[start:end].sum()), float(margins[start:end].sum()))
        while blocks and (
            _log_odds(blocks[-1]) >= _log_odds(block) or _centre(block) - _centre(blocks[-1]) < KNOT_GAP_MIN
        ):
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    return np.array([_centre(block) for block in blocks]), np.array([_log_odds(block) for block in blocks])


def _centre(block: tuple[float, float, float]) -> float:
    return block[2] / block[0]


def _log_odds(block: tuple[float, float, float]) -> float:
    rows, frauds, _ = block
    return float(np.log((frauds + 0.5) / (rows - frauds + 0.5)))  # Haldane and Anscombe: no block is quite certain
