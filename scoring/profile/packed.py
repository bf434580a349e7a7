"""Rows in the format of changelogs: a packed batch, and the error for a row that cannot be read."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROW_FORMAT: Final = 5
"""Version of the bytes of a row: a new one for each `LAYOUT` of `scoring.profile.changelog`. A test checks that."""

KEY_WORDS: Final = 3
"""uint32 words of a row's key: entity (or REPORTED) << 24 | partition, then the key's lower and upper half."""

PARTITION_BITS: Final = 24

SIGHTING: Final = 255
"""In place of the entity, in the key of a sighting: a card was seen in a partition (`profile.sightings`)."""

SIGHTING_WORDS: Final = 2
"""uint32 words of the value of such a row: ROW_FORMAT, and 1 if it was reported as a conflict, else 0."""


PROOF: Final = 254
"""In place of the entity, in the key of a proof: its first use that a partition saw (`profile.proofs`)."""

PROOF_WORDS: Final = 8
"""uint32 words of the value of such a row: ROW_FORMAT, number of the use (lower half, upper half), its five facts."""


class RowFormatError(Exception):
    """Raised when a logged row cannot be read: it is of another version, or damaged."""


class Packed(NamedTuple):
    """Hold n rows: `keys` uint32[n, KEY_WORDS], `values` uint32[m] back to back, `ends` int64[n] of each value in them.

    A value of no words is a tombstone. In bytes all of it is little-endian, on every machine.
    """

    keys: NDArray[np.uint32]
    values: NDArray[np.uint32]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)


NO_ROWS: Final = Packed(
    np.empty((0, KEY_WORDS), dtype=np.uint32), np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
)


def joined(first: Packed, second: Packed) -> Packed:
    """Put the rows of one batch behind those of another."""
    if not len(first) or not len(second):
        return first if len(first) else second
    return Packed(
        np.concatenate([first.keys, second.keys]),
        np.concatenate([first.values, second.values]),
        np.concatenate([first.ends, second.ends + len(first.values)]),
    )
