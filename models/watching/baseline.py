"""Measure how inputs and scores are distributed at training, for the bundle."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.features.all import FEATURES
from scoring.model.baseline import CATEGORIES_MAX, SCORE_BINS, SCORES_A_BIN, Baseline, InputBaseline

ROWS_MAX: Final = 50_000
LEVELS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Quantiles at which bins of a number begin: tenths, and one that shows a change of the highest values."""


class Rows(Protocol):
    """Rows of a matrix, in memory or on disk."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.float64]:
        """Return some of the rows, by their numbers."""


def baseline_of(matrix: NDArray[np.float64] | Rows, scores: NDArray[np.int16]) -> Baseline:
    """Return the distribution of inputs and scores.

    `matrix` float64[n, F]: rows that the trees learnt from, of which at most 50,000 are read, evenly spread. `scores`
    int16[m], 0..999: those of rows that the trees did not learn from; the scores of learnt rows are too good.
    """
    taken = np.linspace(0, len(matrix) - 1, min(len(matrix), ROWS_MAX)).astype(np.int64)
    rows = matrix[taken]
    counts = np.bincount(scores // SCORES_A_BIN, minlength=SCORE_BINS)
    return Baseline(
        inputs={
            feature.name: _categories(rows[:, column]) if feature.categorical else _number(rows[:, column])
            for column, feature in enumerate(FEATURES)
        },
        scores=tuple(counts.tolist()),
    )


def _categories(values: NDArray[np.float64]) -> InputBaseline:
    known = values[~np.isnan(values)]
    found, rows = np.unique(known.astype(np.int64), return_counts=True)
    assert len(found) <= CATEGORIES_MAX, "a category of the catalogue has few codes"
    return InputBaseline(categories=tuple(found.tolist()), rows=tuple(rows.tolist()), missing=len(values) - len(known))


def _number(values: NDArray[np.float64]) -> InputBaseline:
    """Bin a number: equal values are in one bin, so one that is nearly always 0 has fewer and larger bins."""
    known = values[~np.isnan(values)]
    if not len(known):
        return InputBaseline(rows=(0,), missing=len(values))
    least = known.min()
    bounds = np.unique(np.quantile(known, LEVELS, method="lower"))
    bounds = bounds[(bounds > least) & np.isfinite(bounds)]
    above = known[(known > least) & np.isfinite(known)]
    if not len(bounds) and len(above):  # rarer than one in 33: any other value is a bin
        bounds = np.array([above.min()])
    rows = np.bincount(np.searchsorted(bounds, known, side="right"), minlength=len(bounds) + 1)
    return InputBaseline(bounds=tuple(bounds.tolist()), rows=tuple(rows.tolist()), missing=len(values) - len(known))
