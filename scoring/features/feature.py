"""The record of a model input."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Describe one column of the model matrix.

    `family` groups columns that tell an analyst the same thing; reasons are summed by it.
    A categorical column holds small non-negative integers, every other one a float; NaN is unknown.
    `trend` is a constraint on every model: with 1 the score never falls as the value rises, with -1 it never rises, and
    0 is free. A column with a trend is never NaN: LightGBM may score NaN above every value.
    """

    name: str
    unit: str
    family: str
    doc: str
    categorical: bool = False
    trend: int = 0
