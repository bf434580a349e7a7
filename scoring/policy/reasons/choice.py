"""Choose the texts of one event: families by their contribution to the score, and in each the text that adds most."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Conditions(NamedTuple):
    """The bounds of all texts, one after the other. It is a named tuple, which compiled code accepts.

    Bound `b` is met if `low[b] <= row[column[b]] <= high[b]`. `own[b]`: whether that feature is of the family of the
    text. Text `t` has the bounds `first[t]:first[t + 1]` and holds if at least `needed[t]` of them are met. Family `f`
    has the texts `run[f]:run[f + 1]`. `family: int64[F]` is the family of each feature.
    """

    column: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    own: NDArray[np.bool_]
    first: NDArray[np.int64]
    needed: NDArray[np.int64]
    run: NDArray[np.int64]
    family: NDArray[np.int64]


@njit(cache=True)
def choose(
    contributions: NDArray[np.float64],
    row: NDArray[np.float64],
    conditions: Conditions,
    weight_min: float,
    texts: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[int, float]:
    """Fill `texts` and `weights` with the texts to show, heaviest family first. Return their number and a weight.

    A missing value (NaN) meets no bound. Families that add less than `weight_min` have no text. The returned weight is
    the sum of the families that were skipped because none of their texts holds.
    """
    families = len(conditions.run) - 1
    adds = np.zeros(families)
    for k in range(len(row)):
        adds[conditions.family[k]] += contributions[k]
    count, unsaid = 0, 0.0
    while count < len(texts):
        family = np.argmax(adds)
        weight = adds[family]
        if weight < weight_min:
            break
        adds[family] = -np.inf
        best, share = -1, 0.0
        for text in range(conditions.run[family], conditions.run[family + 1]):
            held, added = 0, 0.0
            for bound in range(conditions.first[text], conditions.first[text + 1]):
                column = conditions.column[bound]
                if conditions.low[bound] <= row[column] <= conditions.high[bound]:
                    held += 1
                    if conditions.own[bound]:
                        added += contributions[column]
            if held >= conditions.needed[text] and added > share:
                best, share = text, added
        if best < 0:
            unsaid += weight
        else:
            texts[count], weights[count] = best, weight
            count += 1
    return count, unsaid
