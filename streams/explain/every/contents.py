"""Contents of recorded policies, from the rows of `card-profiles`. Rows that a later record replaced count too."""

from collections.abc import Sequence
from typing import Final

from scoring.policy.record import PolicyRows
from scoring.profile.packed import POLICY, RowFormatError
from streams.state.log.packing import KEY_SIZE, pack

BYTES_MAX: Final = 1 << 28
"""Most bytes of rows that are kept, of all partitions together. A policy of usual size is one row of some kB in each
partition, so 24 partitions keep the contents of thousands of policies."""

_ROW_BYTES: Final = 512
"""Reckoned for a row beside its value: its key, and its places in dicts."""

_KIND_BYTE = 3
"""Place of the kind in a key: the highest byte of its first word, little-endian."""


class Contents:
    """Collect the rows of policies; a tombstone is passed over, as the content before it is what once held.

    `bytes_max`: most bytes of rows. `left_out`: the rows beyond it, which are not kept. A policy whose rows are among
    them is not found, so its decisions are not compared, and are counted as such.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._rows = PolicyRows()
        self._sizes: dict[tuple[int, bytes], int] = {}  # by partition and key
        self._bytes, self._bytes_max = 0, bytes_max
        self.left_out = 0

    def take(self, partition: int, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Take records of a partition. Those that are no rows of policies, or damaged ones, are passed over."""
        for key, value in zip(keys, values, strict=True):
            if value and len(key) == KEY_SIZE and key[_KIND_BYTE] == POLICY:
                self._take(partition, key, value)

    def _take(self, partition: int, key: bytes, value: bytes) -> None:
        name, size = (partition, key), len(value) + _ROW_BYTES
        after = self._bytes + size - self._sizes.get(name, 0)
        if after > self._bytes_max:
            self.left_out += 1
            return
        try:
            self._rows.restore(partition, pack([key], [value]))
        except RowFormatError:
            return
        self._sizes[name], self._bytes = size, after

    def of(self, identity: str) -> bytes | None:
        """Return the content of a policy; None if no partition has it whole."""
        partitions = sorted({partition for partition, _ in self._sizes})
        found = (self._rows.content(partition, identity) for partition in partitions)
        return next((content for content in found if content is not None), None)
