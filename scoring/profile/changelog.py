"""What changed since the last flush, and how it comes back: the durable side of profiles.

Every row that is logged belongs to one partition of the input. `flush` packs the rows of a partition that changed, each
once, and the tombstones of those that were evicted; `restore` puts rows back, in the order of their log.
"""

from collections.abc import Iterable
from typing import Final, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import Entity
from scoring.profile.kernels import entry, rows, store
from scoring.profile.kernels.arrays import Arena, Journal
from scoring.profile.layout import ROW_LAYOUTS, ROW_WORDS
from scoring.profile.packed import KEY_WORDS, PARTITION_BITS, ROW_FORMAT, Packed, RowFormatError

LAYOUT: Final = f"{crc32(repr(ROW_LAYOUTS).encode()):08x}"
"""Digest of where everything lies in a row. Rows of another layout cannot be read, whatever their version says."""

_T = TypeVar("_T", bound=np.generic)
_FORM: Final = ("C", "W")
_ROOM_MIN: Final = 4_096


class Changelog:
    """Keep the notes of one worker's profiles: per partition what changed, and in one list what was evicted."""

    def __init__(self, arena: Arena, partitions: int) -> None:
        self._arena = arena
        self._partitions = partitions
        self._dirty: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._gone = np.empty((0, 2), dtype=np.uint64)
        self._gone_n = np.zeros(1, dtype=np.int64)

    def journal(self, partition: int, events: int) -> Journal:
        """Return the notes of a partition with room for what so many events can change."""
        dirty, dirty_n = self._dirty.get(partition) or (np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
        needed = int(dirty_n[0]) + events * len(Entity)
        if needed > len(dirty):
            dirty = _grown(dirty, int(dirty_n[0]), needed)
            self._dirty[partition] = dirty, dirty_n
        evictions = events * len(Entity) * (self._partitions + 1)  # an entity takes its rows in all partitions with it
        needed = int(self._gone_n[0]) + evictions * (2 if self._partitions > 1 else 1)
        if needed > len(self._gone):
            self._gone = _grown(self._gone, int(self._gone_n[0]), needed)
        return Journal(dirty, dirty_n, self._gone, self._gone_n)

    def pending(self, partition: int) -> int:
        """Return how many rows of a partition await a flush, at most."""
        return int(self._dirty[partition][1][0]) if partition in self._dirty else 0

    def flush(self, partition: int) -> tuple[Packed, Packed]:
        """Pack what changed in a partition, card rows and shared rows apart, and begin anew."""
        journal = self.journal(partition, 0)
        stores = journal.dirty[: journal.dirty_n[0]] >> store.AT_BITS
        entities = np.where(stores < store.ENTITIES, stores, stores - store.OWN)
        counts = np.bincount(entities, minlength=len(Entity)).tolist()
        gone = int(self._gone_n[0])
        cards = self._pack(partition, True, counts[:1], gone, journal)
        shared = self._pack(partition, False, [0, *counts[1:]], gone, journal)
        journal.dirty_n[0] = 0
        self.drop_burials([partition])
        return cards, shared

    def drop_burials(self, partitions: Iterable[int]) -> None:
        """Forget what was evicted of partitions: it is written, or not to be.

        Evictions take rows of all partitions. In the log of one that another worker flushes they live on.
        """
        gone = self._gone[: self._gone_n[0]]
        left = gone[~np.isin(gone[:, 0] & np.uint64(0xFFFFFFFF), np.fromiter(partitions, dtype=np.uint64))]
        self._gone[: len(left)] = left
        self._gone_n[0] = len(left)

    def _pack(self, partition: int, cards: bool, counts: list[int], gone: int, journal: Journal) -> Packed:
        n = sum(counts) + gone
        words = sum(count * _packed_words(ROW_WORDS[entity]) for entity, count in enumerate(counts))
        to = Packed(
            np.empty((n, KEY_WORDS), dtype=np.uint32), np.empty(words, dtype=np.uint32), np.empty(n, dtype=np.int64)
        )
        n = entry.pack(partition, cards, self._arena, journal, to)
        ends = to.ends[:n]
        return Packed(to.keys[:n], to.values[: ends[-1] if n else 0], ends)

    def restore(self, partition: int, packed: Packed, *, in_place: bool = False) -> None:
        """Put rows of a partition back, the later of two with one key prevailing; nothing is noted for a flush.

        `in_place` puts each row where it was, so that evictions repeat themselves: for the only partition there is,
        into stores that hold nothing, closed by `settle`.

        Raises:
            RowFormatError: a row is of another version, of another partition, or damaged.
        """
        packed = _writable(packed)
        n = entry.restore(packed, partition, in_place, self._arena, self.journal(partition, len(packed)))
        if n != rows.DONE:
            raise RowFormatError(_what_is_wrong(packed, n, partition))

    def settle(self) -> None:
        """Close a restore in place."""
        entry.collect(self._arena)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note rows by their keys, uint32[n, KEY_WORDS], so that the next flush writes them, or their tombstones.

        For what a crash left behind the last marker: rows that do not count must not outlive the ones that do.
        """
        entry.mark(np.require(keys, np.uint32, _FORM), partition, self._arena, self.journal(partition, len(keys)))

    def forget_cards(self, partition: int) -> None:
        """Let go of a partition's cards: they are another worker's now."""
        entry.leave(partition, True, self._arena, self.journal(partition, 0))
        self._drop_notes(partition)

    def forget_shared(self, partition: int) -> None:
        """Let go of what a partition saw of all other entities, to restore it from its log."""
        entry.leave(partition, False, self._arena, self.journal(partition, 1 << 10))
        self._drop_notes(partition)

    def _drop_notes(self, partition: int) -> None:
        journal = self.journal(partition, 0)
        journal.dirty_n[0] = 0
        self.drop_burials([partition])

    @property
    def hands(self) -> list[int]:
        """The rows at which the next evictions look, one for each store."""
        return [int(hand) for hand in self._arena.stores[:, store.HAND]]

    @hands.setter
    def hands(self, hands: list[int]) -> None:
        self._arena.stores[:, store.HAND] = hands


def _writable(packed: Packed) -> Packed:
    """Copy what is read-only, as bytes of a log are: for it a kernel would be compiled again."""
    keys, values = np.require(packed.keys, np.uint32, _FORM), np.require(packed.values, np.uint32, _FORM)
    return Packed(keys, values, np.require(packed.ends, np.int64, _FORM))


def _packed_words(row_words: int) -> int:
    cells = 2 * row_words - rows.KEY_CELLS
    return rows.HEADER + (cells + 31) // 32 + cells


def _grown(array: NDArray[_T], used: int, needed: int) -> NDArray[_T]:
    grown = np.empty((max(2 * len(array), needed, _ROOM_MIN), *array.shape[1:]), dtype=array.dtype)
    grown[:used] = array[:used]
    return grown


def _what_is_wrong(packed: Packed, n: int, partition: int) -> str:
    """Say what is wrong with row n. Keys are digests, so none is shown."""
    begin, end = int(packed.ends[n - 1]) if n else 0, int(packed.ends[n])
    entity, home = int(packed.keys[n, 0]) >> PARTITION_BITS, int(packed.keys[n, 0]) & ((1 << PARTITION_BITS) - 1)
    if home != partition or entity >= len(Entity):
        return f"row {n} is of entity {entity} and partition {home}, in the log of partition {partition}"
    if end > begin and packed.values[begin] != ROW_FORMAT:
        return f"row {n} has format {int(packed.values[begin])}; this version reads format {ROW_FORMAT}"
    return f"row {n} of {Entity(entity).name} is damaged"
