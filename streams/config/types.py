"""Bounded numbers and names for settings: no option can be set to a value that never ends or never fits."""

from typing import Annotated

from msgspec import Meta

Rate = Annotated[float, Meta(gt=0.0, le=1e6)]
RowsPowerOfTwo = Annotated[int, Meta(ge=1, le=1 << 26)]
Rows = Annotated[int, Meta(ge=16, le=1 << 26)]

FilePath = Annotated[str, Meta(min_length=1, max_length=4096)]
Currency = Annotated[str, Meta(min_length=1, max_length=16)]  # ISO 4217 alphabetic: looked up, not only matched
