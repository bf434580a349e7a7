"""Bundles of the arrays that kernels pass to each other: every array argument of a call costs time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]
Keys = NDArray[np.uint64]
Scratch = NDArray[np.float64]


class Arena(NamedTuple):
    """Hold the table of stores, their index, and all rows as views of the same bytes by element type.

    And what the kernels write for one event at a time: `values`, the scratch that features are made of; `work`, see
    `scoring.profile.kernels.rings`; `at`, the first word of each of its rows.
    """

    stores: Words
    entries: Keys
    words: Words
    singles: NDArray[np.uint32]
    floats: NDArray[np.float32]
    shorts: NDArray[np.uint16]
    octets: NDArray[np.uint8]
    values: Scratch
    work: Words
    at: Words


class Journal(NamedTuple):
    """Rows that the next flush of a partition writes, and evicted rows that need tombstones.

    `dirty`: the rows that changed, `dirty_n` how many; `gone`: uint64[., 2], entity and partition above key of each row
    that was evicted, `gone_n` how many. Whoever calls a kernel makes room first.
    """

    dirty: Words
    dirty_n: Words
    gone: Keys
    gone_n: Words


class Outputs(NamedTuple):
    """Results of a batch: the feature matrix, and which events are repeats, out of order, or answers."""

    features: Scratch
    repeats: NDArray[np.bool_]
    disordered: NDArray[np.bool_]
    answers: NDArray[np.bool_]
