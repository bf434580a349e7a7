"""Choose the texts of one event: families by what they add to the score, and of each the text that adds most."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Conditions(NamedTuple):
    """Hold the bounds of all texts, one after the other. A named tuple, because compiled code takes one as it is.

    Bound `b` asks that `low[b] <= row[column[b]] <= high[b]`; `own[b]` says whether that feature is of the family whose
    text it belongs to. Text `t` owns the bounds `first[t]:first[t + 1]` and holds where `needed[t]` of them do. Family
    `f` owns the texts `run[f]:run[f + 1]`. `family: int64[F]` is the family of each feature.
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
    """Fill `texts` and `weights` with the texts to show, heaviest family first; return how many, and the weight unsaid.

    A missing value (NaN) is within no bound. Families that add less than `weight_min` are not told. The weight unsaid
    is that of the families that were passed over because none of their texts holds.
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
