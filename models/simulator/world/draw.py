"""Vectorised draws: seeded generators, weighted choice, new random identities."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NEW_ID_MIN = 2**40
"""Identities of this number and above were drawn at random and belong to no person of the population."""


def generator(seed: int, purpose: int, part: int = 0) -> np.random.Generator:
    """Return a generator that depends on these three integers alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, purpose, part))))


def cumulative(weights: Floats) -> Floats:
    """Return the cumulative distribution of positive weights, float64[n], ending in exactly 1."""
    out: Floats = np.cumsum(weights, dtype=np.float64)
    out /= out[-1]
    out[-1] = 1.0
    return out


def weighted(rng: np.random.Generator, cdf: Floats, n: int) -> Ints:
    """Draw n indices from a cumulative distribution."""
    return np.searchsorted(cdf, rng.random(n), side="right").astype(np.int64)


def mixed(rng: np.random.Generator, n: int, choices: tuple[tuple[int, float], ...]) -> Ints:
    """Draw n values from (value, weight) pairs."""
    cdf = cumulative(np.array([weight for _, weight in choices]))
    values = np.array([value for value, _ in choices], dtype=np.int64)
    out: Ints = values[weighted(rng, cdf, n)]
    return out


def chance(rng: np.random.Generator, n: int, p: float | Floats) -> Mask:
    """Draw n independent events of probability p."""
    out: Mask = rng.random(n) < p
    return out


def new_ids(rng: np.random.Generator, n: int) -> Ints:
    """Draw n new identities."""
    return rng.integers(NEW_ID_MIN, 2**62, n)
