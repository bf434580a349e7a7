"""Confidence intervals by resampling cards: payments of one card depend on each other."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 200
_DIGITS: Final = 6


def card_weights(card: NDArray[np.uint64], seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Yield the weights of rows in each resample, float64[n]. `card`: uint64[n].

    Each card has a Poisson weight of mean 1 (Oza and Russell, 2001), all of its rows the same. The same cards and seed
    give the same weights, so that figures of one resample belong together.
    """
    cards, place = np.unique(card, return_inverse=True)
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.poisson(1.0, len(cards)).astype(np.float64)[place]


def interval(values: Iterable[float]) -> list[float]:
    """Return [low, high] of 95% of the values, without those that are NaN; empty if all are."""
    known = np.fromiter(values, np.float64)
    known = known[~np.isnan(known)]
    return [round(float(edge), _DIGITS) for edge in np.percentile(known, (2.5, 97.5))] if len(known) else []
