"""Contents of recorded policies, from the rows of `card-profiles`. Rows that a later record replaced count too."""

from collections.abc import Sequence

from scoring.policy.record import PolicyRows
from scoring.profile.packed import POLICY, RowFormatError
from streams.state.log.packing import KEY_SIZE, pack

_KIND_BYTE = 3
"""Place of the kind in a key: the highest byte of its first word, little-endian."""


class Contents:
    """Collect the rows of policies; a tombstone is passed over, as the content before it is what once held."""

    def __init__(self) -> None:
        self._rows = PolicyRows()
        self._partitions: set[int] = set()

    def take(self, partition: int, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Take records of a partition. Those that are no rows of policies, or damaged ones, are passed over."""
        found = [
            (key, value)
            for key, value in zip(keys, values, strict=True)
            if value and len(key) == KEY_SIZE and key[_KIND_BYTE] == POLICY
        ]
        if not found:
            return
        self._partitions.add(partition)
        for key, value in found:
            try:
                self._rows.restore(partition, pack([key], [value]))
            except RowFormatError:
                continue

    def of(self, identity: str) -> bytes | None:
        """Return the content of a policy; None if no partition has it whole."""
        found = (self._rows.content(partition, identity) for partition in sorted(self._partitions))
        return next((content for content in found if content is not None), None)
