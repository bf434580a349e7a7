"""Parts of cases and of digests, and their rows in `shared-profiles` (`profile.packed.SideRows`)."""

from typing import Final

import numpy as np

from scoring.decide.cases import flood
from scoring.decide.cases import part as parts
from scoring.decide.cases.flood import Flood
from scoring.decide.cases.kept import Kept
from scoring.decide.cases.part import Part
from scoring.profile.packed import CASE, NO_ROWS, OwnRows, Packed, RowFormatError, side_keys, side_rows_of

FLOODS_MAX: Final = 2_000
"""Most merchants of a partition whose alerts are counted. Beyond it the one that was idle longest is dropped."""


class CaseRows(OwnRows):
    """The parts that a worker knows: `cases` by the key of the case, `floods` by that of the merchant.

    `parts_max` and `floods_max`: most of a partition.
    """

    kind: Final = CASE
    name: Final = "CASE"
    words: Final = 0
    is_shared: Final = True

    def __init__(self, parts_max: int, floods_max: int = FLOODS_MAX) -> None:
        super().__init__(CASE)
        self.cases = Kept[Part](parts_max)
        self.floods = Kept[Flood](floods_max)
        self._open: dict[int, tuple[int, ...]] = {}  # by partition: merchants with an open digest, where it is known

    def open_floods(self, partition: int) -> tuple[int, ...]:
        """Return the merchants whose digest is open in a partition, in the order of their keys."""
        found = self._open.get(partition)
        if found is None:
            keys = sorted(self.floods.keys_of(partition))
            found = tuple(key for key in keys if self.floods.of(key)[partition].is_open)
            self._open[partition] = found
        return found

    @property
    def led_floods(self) -> int:
        """Number of open digests that own partitions lead. Also for another thread, which only reads."""
        found = [pair for parts in self.floods.all() for pair in list(parts.items())]
        return sum(one.is_open and one.leads and (self.owns(number) or not self._changed) for number, one in found)

    def look_again(self, partition: int) -> None:
        """Have `open_floods` look for the digests that opened or ended."""
        self._open.pop(partition, None)

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition: they are restored from its log."""
        self.cases.forget(partition)
        self.floods.forget(partition)
        self.look_again(partition)

    def flush(self, partition: int) -> Packed:
        """Pack the parts of a partition that changed, and tombstones of those that were dropped."""
        keys = self.take_changed(partition)
        if not keys:
            return NO_ROWS
        values = [self._value(key, partition) for key in keys]
        ends = np.cumsum([len(value) // 4 for value in values], dtype=np.int64)
        words = np.frombuffer(b"".join(values), dtype="<u4").astype(np.uint32)
        return Packed(side_keys(CASE, partition, np.array(keys, dtype=np.uint64)), words, ends)

    def _value(self, key: int, partition: int) -> bytes:
        part, counted = self.cases.of(key).get(partition), self.floods.of(key).get(partition)
        if part is not None:
            return parts.pack(part)
        return b"" if counted is None else flood.pack(counted)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the parts among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a part is damaged.
        """
        self.look_again(partition)
        for n, key, begin, end in side_rows_of(CASE, packed):
            value = packed.values[begin:end].astype("<u4").tobytes()
            part, counted = parts.unpack(value), flood.unpack(value)
            if part is not None:
                self.cases.restore(key, partition, part)
            elif counted is not None:
                self.floods.restore(key, partition, counted)
            elif value:
                raise RowFormatError(f"row {n} of CASE is damaged")
            else:
                self.cases.drop(key, partition)
                self.floods.drop(key, partition)
