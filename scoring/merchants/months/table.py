"""A bounded table of rows of fixed size, with what a changelog needs: dirty rows, tombstones, packing and restoring."""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import REPORTED
from scoring.profile.packed import KEY_WORDS, PARTITION_BITS, Packed, RowFormatError

_ROOM_MIN: Final = 64
_EVICTED_SHARE: Final = 64
"""A full table gives up one row in so many at once: those with the lowest `at`, which finds them once for many."""

_LOW: Final = 0xFFFFFFFF
_AT_THE_FRONT: Final = 1  # word of a value before the row: the table's layout


class RowTable:
    """Hold at most `rows_max` rows of `dtype`, each of one partition and one key of 64 bits, not 0.

    `data` is the rows, dtype[capacity], replaced when it grows: read it anew after `make`. Whoever changes a row says
    so with `mark`. A full table gives up the rows with the lowest `at`; those of partitions that are flushed from here
    (`own`) leave a tombstone. `columns` names what arrays in a row mean; `layout` digests that and where all lies: the
    first word of a logged row. Rows of another layout cannot be read.
    """

    def __init__(self, kind: int, dtype: np.dtype[np.void], rows_max: int, columns: Sequence[str] = ()) -> None:
        assert REPORTED < kind < 1 << (32 - PARTITION_BITS)
        assert dtype.itemsize % 8 == 0
        assert rows_max > 0
        self.kind: Final = kind
        self.layout: Final = crc32(repr((kind, dtype.descr, list(columns))).encode())
        self.evicted = 0
        self.data: NDArray[np.void] = np.zeros(min(_ROOM_MIN, rows_max), dtype=dtype)
        self._rows_max = rows_max
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
        rows = np.fromiter(self._index.values(), dtype=np.int64, count=len(self._index))
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

    def has_room_for(self, rows: int) -> bool:
        """Say whether so many new rows fit without an eviction."""
        return len(self._index) + rows <= self._rows_max

    def mark_all(self, partition: int, rows: NDArray[np.int64]) -> None:
        """Note that rows of a partition changed."""
        fresh = rows[self.data["dirty"][rows] == 0]
        self.data["dirty"][fresh] = 1
        self._dirty.setdefault(partition, {}).update(dict.fromkeys(fresh.tolist()))

    def remove(self, row: int) -> None:
        """Drop a row, with a tombstone if its partition is flushed from here."""
        partition, key = int(self.data[row]["home"]) - 1, int(self.data[row]["key"])
        self._forget(row)
        if partition in self._owned:
            self._gone.setdefault(partition, {})[key] = None

    def _forget(self, row: int) -> None:
        partition, key = int(self.data[row]["home"]) - 1, int(self.data[row]["key"])
        if self.data[row]["dirty"]:
            del self._dirty[partition][row]
        del self._index[partition, key]
        self._free.append(row)

    def expire(self, before: int) -> int:
        """Drop all rows whose `at` is below a bound; return how many."""
        old = [row for row in self._index.values() if self.data[row]["at"] < before]
        for row in old:
            self.remove(row)
        return len(old)

    def rows(self) -> Iterator[int]:
        """Number all rows, in no order that means anything."""
        return iter(list(self._index.values()))

    def pending(self, partition: int) -> int:
        """Return how many rows of a partition await a flush, tombstones included."""
        return len(self._dirty.get(partition, ())) + len(self._gone.get(partition, ()))

    def flush(self, partition: int) -> Packed:
        """Pack the rows of a partition that changed, each once, and the tombstones of those that are gone."""
        gone, dirty = list(self._gone.pop(partition, ())), list(self._dirty.pop(partition, ()))
        self.data["dirty"][dirty] = 0
        rows = self.data[dirty].copy()
        rows["home"] = 0  # where a row is kept is no part of its value
        words = self.data.dtype.itemsize // 4 + _AT_THE_FRONT
        values = np.full((len(dirty), words), self.layout, dtype=np.uint32)
        values[:, _AT_THE_FRONT:] = np.frombuffer(rows.tobytes(), dtype="<u4").reshape(
            len(dirty), words - _AT_THE_FRONT
        )
        keys = np.empty((len(gone) + len(dirty), KEY_WORDS), dtype=np.uint32)
        keys[:, 0] = self.kind << PARTITION_BITS | partition
        both = np.array([*gone, *rows["key"].tolist()], dtype=np.uint64)
        keys[:, 1], keys[:, 2] = both & np.uint64(_LOW), both >> np.uint64(32)
        ends = np.concatenate([np.zeros(len(gone), np.int64), np.arange(1, len(dirty) + 1, dtype=np.int64) * words])
        return Packed(keys, values.reshape(-1), ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Put rows of a partition back in the order of their log; rows of other kinds are none of this table's.

        Raises:
            RowFormatError: a row is of another layout, of another partition, or damaged.
        """
        words = self.data.dtype.itemsize // 4 + _AT_THE_FRONT
        begin = 0
        for n, (first, low, high) in enumerate(packed.keys.tolist()):
            end = int(packed.ends[n])
            value, begin = packed.values[begin:end], end
            if first >> PARTITION_BITS != self.kind:
                continue
            if first & ((1 << PARTITION_BITS) - 1) != partition:
                raise RowFormatError(f"row {n} is of another partition than {partition}")
            key = high << 32 | low
            if len(value) == 0:
                row = self._index.get((partition, key))
                if row is not None:
                    self._forget(row)
                continue
            if len(value) != words or value[0] != self.layout:
                raise RowFormatError(f"row {n} has another layout than this version reads")
            self._put(partition, key, value[_AT_THE_FRONT:], n)

    def _put(self, partition: int, key: int, words: NDArray[np.uint32], n: int) -> None:
        read: Any = np.frombuffer(words.astype("<u4").tobytes(), dtype=self.data.dtype)[0]
        if int(read["key"]) != key:
            raise RowFormatError(f"row {n} is damaged")
        row = self.make(partition, key)
        if self.data[row]["dirty"]:
            del self._dirty[partition][row]
        self.data[row] = read
        self.data[row]["home"], self.data[row]["dirty"] = partition + 1, 0

    def forget(self, partition: int) -> None:
        """Let go of a partition, without tombstones: its rows live on in its log."""
        self._owned.discard(partition)
        for row in [row for (home, _), row in self._index.items() if home == partition]:
            self._forget(row)
        self._gone.pop(partition, None)
