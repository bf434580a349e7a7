"""Packed rows for tests, and their conversion to pairs of bytes."""

from collections.abc import Sequence

import numpy as np

from scoring.profile.packed import Packed

Row = tuple[bytes, bytes | None]


def rows_of(sizes: Sequence[int], seed: int = 0) -> Packed:
    """Make rows whose values have these numbers of words; 0 makes a tombstone."""
    random = np.random.default_rng(seed)
    keys = random.integers(0, 2**32, (len(sizes), 3), dtype=np.uint32)
    values = random.integers(0, 2**32, sum(sizes), dtype=np.uint32)
    return Packed(keys, values, np.cumsum(sizes, dtype=np.int64))


def pairs(packed: Packed) -> list[Row]:
    ends = packed.ends.tolist()
    starts = [0, *ends][:-1]
    values = [packed.values[start:end].tobytes() or None for start, end in zip(starts, ends, strict=True)]
    return [(key.tobytes(), value) for key, value in zip(packed.keys, values, strict=True)]
