"""Parts of cases, and their rows in `shared-profiles` (`profile.packed.SideRows`)."""

from typing import Final

import numpy as np

from scoring.decide.cases.kept import Kept
from scoring.decide.cases.part import Part, pack, unpack
from scoring.profile.packed import CASE, NO_ROWS, OwnRows, Packed, RowFormatError, side_keys, side_rows_of


class CaseRows(OwnRows):
    """The parts that a worker knows. `parts_max`: most of a partition."""

    kind: Final = CASE
    name: Final = "CASE"
    words: Final = 0
    is_shared: Final = True

    def __init__(self, parts_max: int) -> None:
        super().__init__(CASE)
        self.cases = Kept[Part](parts_max)

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition: they are restored from its log."""
        self.cases.forget(partition)

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
        part = self.cases.of(key).get(partition)
        return b"" if part is None else pack(part)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the parts among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a part is damaged.
        """
        for n, key, begin, end in side_rows_of(CASE, packed):
            if begin == end:
                self.cases.drop(key, partition)
                continue
            part = unpack(packed.values[begin:end].astype("<u4").tobytes())
            if part is None:
                raise RowFormatError(f"row {n} of CASE is damaged")
            self.cases.restore(key, partition, part)
