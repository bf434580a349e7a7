"""Map margins to fraud probabilities, and probabilities to scores on a scale that no model changes.

Score 700 is a probability of one in two, and every 50 points double the odds:

    score = clip(floor(700 + 50 * log2(p / (1 - p))), 0, 999)

to a billionth of a point, so that odds of 2^k score 700 + 50 k. So 300 is one in 257, 200 one in 1,025, 0 at most one
in 16,385, 950 at least 32 in 33. The scale is fixed. The calibration of a model maps its margins to it, so a threshold
on the score keeps its meaning when the model changes.
"""

from math import exp, floor, log
from typing import Annotated, Final

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

SCORE_MAX: Final = 999
SCORE_EVEN_ODDS: Final = 700
POINTS_PER_DOUBLING: Final = 50
KNOTS_MAX: Final = 256
KNOT_GAP_MIN: Final = 1e-7  # nearer ones would make a slope that overflows

# exp(-30) is 1e-13. Beyond that a probability is 0 or 1 for every purpose here. In float64 it still differs from both.
_LOG_ODDS_MAX: Final = 30.0
_MARGIN_MAX: Final = 1e6
_POINTS_PER_NAT: Final = POINTS_PER_DOUBLING / log(2.0)
_ROUNDING_POINTS: Final = 1e-9  # log-odds of k ln 2 are 50 k points, though their product may round to a little less

Knot = tuple[
    Annotated[float, msgspec.Meta(ge=-_MARGIN_MAX, le=_MARGIN_MAX)],
    Annotated[float, msgspec.Meta(ge=-_LOG_ODDS_MAX, le=_LOG_ODDS_MAX)],
]


class CalibrationTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hold a piecewise linear map from margin to the log-odds of fraud: two knots for Platt's line, more for isotonic.

    `knots` are (margin, log-odds); margins rise by 1e-7 or more, log-odds never fall. Before the first and after the
    last knot the end segments go on. `method` says how the table was fitted, `rows` and `frauds` on how many of each.
    """

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    rows: Annotated[int, msgspec.Meta(ge=0)]
    frauds: Annotated[int, msgspec.Meta(ge=0)]
    knots: Annotated[tuple[Knot, ...], msgspec.Meta(min_length=2, max_length=KNOTS_MAX)]

    def __post_init__(self) -> None:
        pairs = list(zip(self.knots, self.knots[1:], strict=False))
        if any(far[0] - near[0] < KNOT_GAP_MIN for near, far in pairs):
            raise ValueError(f"margins of knots do not rise by {KNOT_GAP_MIN} or more")
        if any(not near[1] <= far[1] for near, far in pairs):
            raise ValueError("log-odds of knots fall")


class Calibration:
    """Map margins to probabilities and scores. Immutable; every answer depends on its own margin only."""

    __slots__ = ("_log_odds", "_margin")

    def __init__(self, table: CalibrationTable) -> None:
        self._margin, self._log_odds = (np.array(column, np.float64) for column in zip(*table.knots, strict=True))

    def apply(self, margins: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Return the probability of fraud, strictly between 0 and 1, and the score, 0..999, of each margin.

        `margins: float64[n]`, which hold no NaN (an infinity is fine); both results have its length and never fall as
        the margin rises.
        """
        probabilities = np.empty(len(margins), np.float64)
        scores = np.empty(len(margins), np.int16)
        assert _apply(margins, self._margin, self._log_odds, probabilities, scores), "a margin is NaN"
        return probabilities, scores


@njit(cache=True)
def _apply(
    margins: NDArray[np.float64],
    knot_margin: NDArray[np.float64],
    knot_log_odds: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    scores: NDArray[np.int16],
) -> bool:
    """Fill in probabilities and scores; False if a margin is NaN."""
    inner = knot_margin[1:-1]  # margins outside the knots are in the first or the last segment
    for row in range(len(margins)):
        if margins[row] != margins[row]:
            return False
        margin = min(max(margins[row], -_MARGIN_MAX), _MARGIN_MAX)
        segment = np.searchsorted(inner, margin, side="right")
        low, high = knot_log_odds[segment], knot_log_odds[segment + 1]
        slope = (high - low) / (knot_margin[segment + 1] - knot_margin[segment])
        log_odds = low + slope * (margin - knot_margin[segment])
        if segment < len(inner):
            log_odds = min(log_odds, high)  # rounding could lift the end of a segment above the start of the next
        log_odds = min(max(log_odds, -_LOG_ODDS_MAX), _LOG_ODDS_MAX)
        probabilities[row] = 1.0 / (1.0 + exp(-log_odds))
        points = floor(SCORE_EVEN_ODDS + log_odds * _POINTS_PER_NAT + _ROUNDING_POINTS)
        scores[row] = min(max(points, 0), SCORE_MAX)
    return True
