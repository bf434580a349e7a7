"""Declarations of payment features: name, unit, family and text beside their arithmetic."""

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.features.feature import Feature
from scoring.jit import inlined

DAY_MS = 86_400_000


class Payment(NamedTuple):
    """One authorization with its merchant and verdict, without its history.

    `event` int64[Col]; `keys` uint64[Entity], 0 absent; `merchant` int64[MerchantCol], its row of the merchant store;
    `verdict` int64[threeds.VERDICT_COLUMNS], of 3-D Secure.
    """

    event: NDArray[np.int64]
    keys: NDArray[np.uint64]
    merchant: NDArray[np.int64]
    verdict: NDArray[np.int64]


Arithmetic = Callable[[Payment], float]
"""Computes one input; NaN where it is unknown. Compiled: numbers, columns and other compiled functions only."""


class Inputs:
    """Hold inputs of the model in the order in which they are declared."""

    def __init__(self) -> None:
        self.made: dict[Feature, Arithmetic] = {}

    def add(
        self, unit: str, family: str, *, categorical: bool = False, trend: int = 0
    ) -> Callable[[Arithmetic], Arithmetic]:
        """Declare the decorated function as an input: its name is the feature's name, its docstring the text."""

        def declare(function: Arithmetic) -> Arithmetic:
            assert function.__doc__, f"{function.__name__} says nothing of itself"
            assert all(made.name != function.__name__ for made in self.made), f"{function.__name__} is declared twice"
            feature = Feature(
                name=function.__name__,
                unit=unit,
                family=family,
                doc=function.__doc__,
                categorical=categorical,
                trend=trend,
            )
            compiled = inlined(function)
            self.made[feature] = compiled
            return compiled

        return declare


@inlined
def known(value: int) -> float:
    """Read a column in which -1 is unknown."""
    return float(value) if value >= 0 else nan


@inlined
def flag(condition: bool) -> float:
    """Write a condition as 0 or 1: numba has no float of a bool."""
    return 1.0 if condition else 0.0


@inlined
def differs(left: int, right: int) -> float:
    """Compare two country codes; unknown where either is."""
    return nan if left == 0 or right == 0 else (1.0 if left != right else 0.0)


@inlined
def days_since(then_ms: int, now_ms: int) -> float:
    """Return the days between two times; unknown if the first is."""
    return (now_ms - then_ms) / DAY_MS if then_ms >= 0 else nan
