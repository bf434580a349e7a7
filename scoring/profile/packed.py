"""Rows of profiles as they are kept outside this process."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Packed(NamedTuple):
    """Hold n rows back to back, in the words whose little-endian bytes are what is kept. All arrays are C-contiguous.

    `keys` uint32[n, 3]: the 12 bytes of each row's key. `values` uint32[m]: the values one after another. `ends`
    int64[n], ascending: where in `values` each row's value ends, in elements. A value of no elements is a tombstone:
    the row is gone.
    """

    keys: NDArray[np.uint32]
    values: NDArray[np.uint32]
    ends: NDArray[np.int64]
