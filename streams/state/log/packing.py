"""Pack changelog records as rows."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from scoring.profile.packed import Packed
from streams.kafka.errors import UnreadableError

KEY_SIZE: Final = 12  # bytes of a row's key; a record with another key is no row


def pack(keys: Sequence[bytes], values: Sequence[bytes | None]) -> Packed:
    """Pack the records whose keys have 12 bytes, in order. Leave out all others: they are no rows.

    Raises:
        UnreadableError: a value is not made of whole words.
    """
    sizes = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    if (sizes != KEY_SIZE).any():
        rows = [row for row, key in enumerate(keys) if len(key) == KEY_SIZE]
        keys, values = [keys[row] for row in rows], [values[row] for row in rows]
    filled = [b"" if value is None else value for value in values]
    ends = np.cumsum(np.fromiter(map(len, filled), dtype=np.int64, count=len(filled)))
    if (ends & 3).any():
        raise UnreadableError(f"the value of row {(ends & 3).argmax()} of {len(ends)} is not made of words of 4 bytes")
    return Packed(
        np.frombuffer(bytearray().join(keys), dtype="<u4").reshape(-1, 3),  # a bytearray, so that the array is writable
        np.frombuffer(bytearray().join(filled), dtype="<u4"),
        ends >> 2,
    )
