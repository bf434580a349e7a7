"""A bounded table of rows of fixed size, with what a changelog needs: dirty rows, tombstones, packing and restoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scoring.profile.packed import (
    PARTITION_BITS,
    ROW_FORMAT,
    SIDE_KINDS,
    Packed,
    RowFormatError,
    side_keys,
    side_keys_of,
    side_rows_of,
)

Row: TypeAlias = np.void
"""A row of a table: a view, so what is written to it is in the table."""

NO_ROW: Final = -1

_ROOM_MIN: Final = 64
_EVICTED_SHARE: Final = 64
"""A full table gives up one row in so many at once: those with the lowest `at`, which finds them once for many."""

_AT_THE_FRONT: Final = 2  # words of a value before the row: ROW_FORMAT, and the table's layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Say what a table holds.

    `kind` and `name` stand in the keys of its rows and in errors, `dtype` is a row with the members key, at, home and
    dirty, `columns` names what the places of its arrays mean. `is_shared`: other workers follow the rows.
    """

    kind: int
    name: str
    dtype: np.dtype[np.void]
    is_shared: bool
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        assert SIDE_KINDS <= self.kind < 1 << (32 - PARTITION_BITS)
        assert self.dtype.itemsize % 8 == 0


class RowTable:
    """Hold at most `rows_max` rows, each of one partition and one key of 64 bits, not 0: `profile.packed.SideRows`.

    `data` is the rows, dtype[capacity], replaced when it grows: read it anew after `make`. Whoever changes a row says
    so with `mark`. A full table gives up the rows with the lowest `at`; those of partitions that are flushed from here
    (`own`) leave a tombstone. `layout` digests the shape: the second word of a logged row. Rows of another layout
    cannot be read. `observe` is called with a row and its sign: -1 before the row goes, 1 after it is read from a log.
    """

    def __init__(self, shape: Shape, rows_max: int, observe: Callable[[Row, int], None] | None = None) -> None:
        assert rows_max > 0
        dtype = shape.dtype
        self.kind: Final = shape.kind
        self.name: Final = shape.name
        self.is_shared: Final = shape.is_shared
        self.words: Final = dtype.itemsize // 4 + _AT_THE_FRONT
        self.layout: Final = crc32(repr((shape.kind, dtype.descr, list(shape.columns))).encode())
        self.evicted = 0
        self.data: NDArray[np.void] = np.zeros(min(_ROOM_MIN, rows_max), dtype=dtype)
        self._rows_max = rows_max
        self._observe = observe
        self._index: dict[tuple[int, int], int] = {}
        self._free: list[int] = []
        self._used = 0
        self._dirty: dict[int, dict[int, None]] = {}
        self._gone: dict[int, dict[int, None]] = {}
        self._owned: set[int] = set()

    def __len__(self) -> int:
        return len(self._index)

    def own(self, partition: int) -> None:
        """Note evictions of a partition from now on: it is flushed from here."""
        self._owned.add(partition)

    def find(self, partition: int, key: int) -> int | None:
        """Return the number of a row; None where there is none."""
        return self._index.get((partition, key))

    def find_all(self, partition: int, keys: Sequence[int]) -> NDArray[np.int64]:
        """Return the numbers of the rows of n keys, int64[n]; NO_ROW where there is none."""
        found = map(self._index.get, zip(repeat(partition), keys, strict=False), repeat(NO_ROW))
        return np.fromiter(found, dtype=np.int64, count=len(keys))

    def make(self, partition: int, key: int) -> int:
        """Return the number of a row, a new and empty one if need be."""
        found = self._index.get((partition, key))
        if found is not None:
            return found
        if len(self._index) == self._rows_max:
            self._evict()
        row = self._free.pop() if self._free else self._next()
        self.data[row] = np.zeros((), dtype=self.data.dtype)
        self.data[row]["key"], self.data[row]["home"] = key, partition + 1
        self._index[partition, key] = row
        self._gone.get(partition, {}).pop(key, None)
        return row

    def _next(self) -> int:
        if self._used == len(self.data):
            grown = np.zeros(min(2 * self._used, self._rows_max), dtype=self.data.dtype)
            grown[: self._used] = self.data
            self.data = grown
        self._used += 1
        return self._used - 1

    def _evict(self) -> None:
        rows = self.rows()
        count = max(self._rows_max // _EVICTED_SHARE, 1)
        order = np.lexsort((self.data["key"][rows], self.data["home"][rows], self.data["at"][rows]))
        for row in rows[order[:count]].tolist():
            self.remove(row)
        self.evicted += count

    def mark(self, row: int) -> None:
        """Note that a row changed."""
        if not self.data[row]["dirty"]:
            self.data[row]["dirty"] = 1
            self._dirty.setdefault(int(self.data[row]["home"]) - 1, {})[row] = None

    def mark_all(self, rows: NDArray[np.int64]) -> None:
        """Note that rows changed, int64[n], each as often as it stands there."""
        for row in set(rows[self.data["dirty"][rows] == 0].tolist()):
            self.mark(row)

    def remove(self, row: int) -> None:
        """Drop a row, with a tombstone if its partition is flushed from here."""
        partition, key = int(self.data[row]["home"]) - 1, int(self.data[row]["key"])
        self._forget(row)
        if partition in self._owned:
            self._gone.setdefault(partition, {})[key] = None

    def _forget(self, row: int) -> None:
        if self._observe is not None:
            self._observe(self.data[row], -1)
        partition, key = int(self.data[row]["home"]) - 1, int(self.data[row]["key"])
        if self.data[row]["dirty"]:
            del self._dirty[partition][row]
        del self._index[partition, key]
        self._free.append(row)

    def expire(self, before: int) -> int:
        """Drop all rows whose `at` is below a bound; return how many."""
        rows = self.rows()
        old = rows[self.data["at"][rows] < before].tolist()
        for row in old:
            self.remove(row)
        return len(old)

    def rows(self) -> NDArray[np.int64]:
        """Number all rows, int64[n], in no order that means anything."""
        return np.fromiter(self._index.values(), dtype=np.int64, count=len(self._index))

    def pending(self, partition: int) -> int:
        """Return how many rows of a partition await a flush, tombstones included."""
        return len(self._dirty.get(partition, ())) + len(self._gone.get(partition, ()))

    def flush(self, partition: int) -> Packed:
        """Pack the rows of a partition that changed, each once, and the tombstones of those that are gone."""
        gone, dirty = list(self._gone.pop(partition, ())), list(self._dirty.pop(partition, ()))
        self.data["dirty"][dirty] = 0
        rows = self.data[dirty].copy()
        rows["home"] = 0  # where a row is kept is no part of its value
        values = np.empty((len(dirty), self.words), dtype=np.uint32)
        values[:, :_AT_THE_FRONT] = ROW_FORMAT, self.layout
        values[:, _AT_THE_FRONT:] = np.frombuffer(rows.tobytes(), dtype="<u4").reshape(values[:, _AT_THE_FRONT:].shape)
        keys = side_keys(self.kind, partition, np.array([*gone, *rows["key"].tolist()], dtype=np.uint64))
        ends = np.concatenate(
            [np.zeros(len(gone), np.int64), np.arange(1, len(dirty) + 1, dtype=np.int64) * self.words]
        )
        return Packed(keys, values.reshape(-1), ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Put rows of a partition back in the order of their log; rows of other kinds are none of this table's.

        Raises:
            RowFormatError: a row is of another layout, or damaged.
        """
        for n, key, begin, end in side_rows_of(self.kind, packed):
            if begin == end:
                row = self._index.get((partition, key))
                if row is not None:
                    self._forget(row)
            elif packed.values[begin + 1] != self.layout:
                raise RowFormatError(f"row {n} of {self.name} has another layout than this version reads")
            else:
                self._put(partition, key, packed.values[begin + _AT_THE_FRONT : end], n)

    def _put(self, partition: int, key: int, words: NDArray[np.uint32], n: int) -> None:
        read: Any = np.frombuffer(words.astype("<u4").tobytes(), dtype=self.data.dtype)[0]
        if int(read["key"]) != key:
            raise RowFormatError(f"row {n} of {self.name} is damaged")
        row = self.make(partition, key)
        if self.data[row]["dirty"]:
            del self._dirty[partition][row]
        if self._observe is not None:
            self._observe(self.data[row], -1)
        self.data[row] = read
        self.data[row]["home"], self.data[row]["dirty"] = partition + 1, 0
        if self._observe is not None:
            self._observe(self.data[row], 1)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note rows by their logged keys, so that the next flush writes them, or their tombstones."""
        for key in side_keys_of(self.kind, keys):
            row = self._index.get((partition, key))
            if row is None:
                self._gone.setdefault(partition, {})[key] = None
            else:
                self.mark(row)

    def leave(self, partition: int) -> None:
        """Write a partition no longer; its rows stay."""
        self._owned.discard(partition)
        self._gone.pop(partition, None)
        self.data["dirty"][list(self._dirty.pop(partition, ()))] = 0

    def forget(self, partition: int) -> None:
        """Let go of a partition, without tombstones: its rows live on in its log."""
        self._owned.discard(partition)
        for row in [row for (home, _), row in self._index.items() if home == partition]:
            self._forget(row)
        self._gone.pop(partition, None)
