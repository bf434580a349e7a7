"""The record of a model input."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Describe one column of the model matrix.

    `family` groups columns that tell an analyst the same thing; reasons are summed by it.
    A categorical column holds small non-negative integers, every other one a float; NaN is unknown.
    """

    name: str
    unit: str
    family: str
    doc: str
    categorical: bool = False
