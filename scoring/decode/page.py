"""The values of a batch, one after the other in one buffer for kernels."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from scoring.contract.dead_letter import Reject
from scoring.decode.rejects import ROOT
from scoring.decode.settings import DecodeLimits

PADDING = b"\n" * 32
"""Padding behind the data of kernels: they read eight bytes at a time."""


@dataclass(frozen=True, slots=True)
class Page:
    """`data` holds the values, a line feed after each, and padding at the end.

    `stops` int64[n]: the end of each value. `longest`: bytes of the longest value.
    """

    data: bytes
    stops: NDArray[np.int64]
    longest: int


def lay_out(values: Sequence[bytes], limits: DecodeLimits) -> tuple[Page, dict[int, Reject]]:
    """Join values; an empty or too long value is refused and left out."""
    refused: dict[int, Reject] = {}
    sizes = list(map(len, values))
    longest = max(sizes, default=0)
    if longest > limits.bytes_max or 0 in sizes:
        for position, size in enumerate(sizes):
            if size == 0 or size > limits.bytes_max:
                refused[position] = Reject(reason="OVERSIZE" if size else "EMPTY", path=ROOT)
        values = [b"" if position in refused else value for position, value in enumerate(values)]
    return _page(values), refused


def lay_out_again(values: Sequence[bytes], refused: Container[int]) -> Page:
    """Join values that were judged, of any length; a refused value is left out."""
    return _page([b"" if position in refused else value for position, value in enumerate(values)])


def _page(values: Sequence[bytes]) -> Page:
    sizes = list(map(len, values))
    stops = np.fromiter(accumulate(sizes), dtype=np.int64, count=len(sizes))
    stops += np.arange(len(sizes))  # a line feed for each value before it
    return Page(b"\n".join((*values, PADDING)), stops, max(sizes, default=0))
