"""Both bundles over the rows of one history, side by side."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.training.stored import Matrix
from scoring.model.bundle import Bundle

CHUNK_ROWS: Final = 256
"""Rows that one bundle scores before the other has its turn: a batch of a busy worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A bundle over n rows: `probabilities` float64[n], `scores` int16[n], and its microseconds a row of each chunk."""

    version: str
    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    us_per_row: NDArray[np.float64]


def rated(matrix: NDArray[np.float64] | Matrix, current: Bundle, candidate: Bundle) -> tuple[Rated, Rated]:
    """Score every row by both, in turns, so that what else the machine does slows both.

    The first chunk is scored once more beforehand: it compiles and warms. Who is first changes with each chunk.
    """
    n = len(matrix)
    bundles = (current, candidate)
    probabilities = [np.empty(n) for _ in bundles]
    scores = [np.empty(n, np.int16) for _ in bundles]
    took: list[list[float]] = [[], []]
    for number, low in enumerate([0, *range(0, n, CHUNK_ROWS)] if n else []):
        rows = np.ascontiguousarray(matrix[low : low + CHUNK_ROWS])
        for which in (0, 1) if number % 2 else (1, 0):
            margins = np.empty(len(rows))
            began = time.perf_counter_ns()
            bundles[which].trees.margins(rows, margins)
            found = bundles[which].calibration.apply(margins)
            took[which].append((time.perf_counter_ns() - began) / 1e3 / len(rows))
            probabilities[which][low : low + len(rows)], scores[which][low : low + len(rows)] = found
    own, other = (
        Rated(
            version=bundle.version,
            probabilities=probabilities[which],
            scores=scores[which],
            us_per_row=np.array(took[which][1:]),
        )
        for which, bundle in enumerate(bundles)
    )
    return own, other
