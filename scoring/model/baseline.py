"""What training saw of each input and of the score: counts of rows by bin, to compare with what a worker sees."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec

SCORE_BINS: Final = 20
SCORES_A_BIN: Final = 50
"""The score's bins: 0 to 49, 50 to 99, up to 950 to 999. Each is a doubling of the odds."""

BOUNDS_MAX: Final = 15
CATEGORIES_MAX: Final = 256
INPUTS_MAX: Final = 1_024
"""Most inputs that have a series of their own in metrics; a model with more has no baseline."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_Bound = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
_Category = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class InputBaseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows of one input by bin. `missing`: rows in which it was NaN.

    A number has `bounds`, rising: bin 0 holds the values below the first, bin k those from bound k - 1 on. A category
    has `categories`, rising: bin k holds the k-th. `rows` has one count for each bin.
    """

    rows: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=CATEGORIES_MAX)]
    missing: _Count = 0
    bounds: Annotated[tuple[_Bound, ...], msgspec.Meta(max_length=BOUNDS_MAX)] = ()
    categories: Annotated[tuple[_Category, ...], msgspec.Meta(max_length=CATEGORIES_MAX)] | None = None

    def __post_init__(self) -> None:
        if self.categories is not None and self.bounds:
            raise ValueError("bounds and categories are both given")
        if any(low >= high for low, high in pairwise(self.bounds if self.categories is None else self.categories)):
            raise ValueError("bounds or categories do not rise")
        expected = len(self.bounds) + 1 if self.categories is None else len(self.categories)
        if len(self.rows) != expected:
            raise ValueError(f"{len(self.rows)} counts for {expected} bins")


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs by name, over rows that the trees learnt from, and scores, over later rows that they did not."""

    inputs: Annotated[dict[_Name, InputBaseline], msgspec.Meta(min_length=1, max_length=INPUTS_MAX)]
    scores: Annotated[tuple[_Count, ...], msgspec.Meta(min_length=SCORE_BINS, max_length=SCORE_BINS)]

    def check(self, names: Sequence[str], categorical: Sequence[bool]) -> None:
        """Check that it describes exactly these inputs.

        Raises:
            ValueError: an input is missing, unknown, or of the other kind.
        """
        wrong = self.inputs.keys() ^ set(names)
        if wrong:
            raise ValueError(f"baseline.inputs.{min(wrong)} is no feature, or is missing")
        for name, is_category in zip(names, categorical, strict=True):
            if (self.inputs[name].categories is not None) != is_category:
                raise ValueError(f"baseline.inputs.{name} is {'no ' if is_category else 'a '}category there")
