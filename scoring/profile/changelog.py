"""Changelog of profiles: rows that changed since the last flush, and the restore of rows.

Every row that is logged belongs to one partition of the input. `flush` packs the rows of a partition that changed, each
once, and the tombstones of those that were evicted; `restore` puts rows back, in the order of their log.
"""

from collections.abc import Mapping
from typing import Final, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import REPORTED, Entity
from scoring.profile.kernels import entry_points, rows, store
from scoring.profile.kernels.arrays import Arena, Journal
from scoring.profile.layout import ROW_LAYOUTS, ROW_WORDS
from scoring.profile.packed import (
    KEY_WORDS,
    NO_ROWS,
    PARTITION_BITS,
    ROW_FORMAT,
    SIDE_KINDS,
    Packed,
    RowFormatError,
    SideRows,
    joined,
)
from scoring.profile.proofs import Proofs
from scoring.profile.sightings import Sightings

LAYOUT: Final = f"{crc32(repr(ROW_LAYOUTS).encode()):08x}"
"""Digest of the offsets and names in a row. Rows of another layout cannot be read, even if their version is the same.

A new name of a field changes it too: so the owner partition of a row is still called `home` there.
"""

_T = TypeVar("_T", bound=np.generic)
_PARTITION_MASK: Final = np.uint64(0xFFFFFFFF)
_FORM: Final = ("C", "W")
_ROOM_MIN: Final = 4_096
_NO_KIND: Final = -1


class Changelog:
    """Track changed rows of one worker's profiles by partition, and evicted rows in one list."""

    def __init__(self, arena: Arena, partitions: int) -> None:
        self._arena = arena
        self._partitions = partitions
        self._dirty: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._gone = np.empty((0, 2), dtype=np.uint64)
        self._gone_n = np.zeros(1, dtype=np.int64)
        self._owned: set[int] = set()
        self._names = {**{int(entity): entity.name for entity in Entity}, REPORTED: "REPORTED"}
        self._side: list[SideRows] = []
        self._side_words = np.full(1 << 32 - PARTITION_BITS, _NO_KIND, dtype=np.int64)  # `SideRows.words` by kind
        self.sightings = Sightings(partitions)
        self.proofs = Proofs(partitions)
        self.attach(self.sightings)
        self.attach(self.proofs)

    def attach(self, side: SideRows) -> None:
        """Log other rows with those of the profiles, closed by the same markers. Before the first event only."""
        assert side.kind >= SIDE_KINDS, "a kind below is an entity"
        assert side.kind not in self._names, "a kind is given once"
        self._names[side.kind] = side.name
        self._side_words[side.kind] = side.words
        self._side.append(side)

    def own(self, partition: int) -> None:
        """Track evictions of a partition: this worker flushes it. Evictions of other partitions are not kept."""
        self._owned.add(partition)
        for side in self._side:
            side.own(partition)

    def journal(self, partition: int, events: int) -> Journal:
        """Return the journal of a partition, with room for all rows that so many events can change."""
        dirty, dirty_n = self._dirty.get(partition) or (np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64))
        needed = int(dirty_n[0]) + events * len(Entity)
        if needed > len(dirty):
            dirty = _grown(dirty, int(dirty_n[0]), needed)
            self._dirty[partition] = dirty, dirty_n
        evictions = events * len(Entity) * (self._partitions + 1)  # an entity takes its rows in all partitions with it
        evictions *= 2 if self._partitions > 1 else 1
        if self._gone_n[0] + evictions > len(self._gone):
            self._forget_gone(self._owned)
            if self._gone_n[0] + evictions > len(self._gone):
                self._gone = _grown(self._gone, int(self._gone_n[0]), int(self._gone_n[0]) + evictions)
        return Journal(dirty, dirty_n, self._gone, self._gone_n)

    def flush(self, partition: int) -> tuple[Packed, Packed]:
        """Pack the dirty rows of a partition, rows of cards and shared rows apart, and mark them clean.

        Side rows come last, in the order in which they were attached.
        """
        journal = self.journal(partition, 0)
        stores = journal.dirty[: journal.dirty_n[0]] >> store.AT_BITS
        entities = np.where(stores < store.ENTITIES, stores, stores - store.OWN)
        counts = dict(enumerate(np.bincount(entities, minlength=len(ROW_WORDS)).tolist()))
        of_cards = {kind: counts.pop(kind) for kind in (Entity.CARD, REPORTED)}
        gone = int(self._gone_n[0])
        last = [
            joined(side.flush(partition) for side in self._side if side.is_shared == shared) for shared in (False, True)
        ]
        cards = self._pack(partition, True, of_cards, gone, journal, last[False])
        shared = self._pack(partition, False, counts, gone, journal, last[True])
        journal.dirty_n[0] = 0
        self._forget_gone(self._owned - {partition})
        return cards, shared

    def _forget_gone(self, but: set[int]) -> None:
        """Drop evictions of all partitions except those in `but`."""
        noted = self._gone[: self._gone_n[0]]
        left = noted[np.isin(noted[:, 0] & _PARTITION_MASK, np.array(sorted(but), dtype=np.uint64))]
        self._gone[: len(left)] = left
        self._gone_n[0] = len(left)

    def _pack(
        self, partition: int, cards: bool, counts: Mapping[int, int], gone: int, journal: Journal, last: Packed
    ) -> Packed:
        n = sum(counts.values()) + gone + len(last)
        words = sum(count * _packed_words(ROW_WORDS[kind]) for kind, count in counts.items()) + len(last.values)
        to = Packed(
            np.empty((n, KEY_WORDS), dtype=np.uint32), np.empty(words, dtype=np.uint32), np.empty(n, dtype=np.int64)
        )
        n = entry_points.pack(partition, cards, self._arena, journal, to)
        words = int(to.ends[n - 1]) if n else 0
        rows_end, words_end = n + len(last), words + len(last.values)
        to.keys[n:rows_end], to.values[words:words_end], to.ends[n:rows_end] = last.keys, last.values, last.ends + words
        return Packed(to.keys[:rows_end], to.values[:words_end], to.ends[:rows_end])

    def restore(self, partition: int, packed: Packed, *, in_place: bool = False) -> None:
        """Restore rows of a partition; of two rows with one key the later counts. No row becomes dirty.

        `in_place` puts each row at its former position, so that later evictions are the same. It needs one partition,
        empty stores, and `settle` afterwards.

        Raises:
            RowFormatError: a row is of another version, of another partition, or damaged.
        """
        packed = _writable(packed)
        n = entry_points.restore(packed, partition, in_place, self._arena, self.journal(partition, len(packed)))
        heads = packed.keys[:, 0]
        places = np.flatnonzero(heads >= np.uint32(SIDE_KINDS << PARTITION_BITS))
        kinds = heads[places] >> np.uint32(PARTITION_BITS)
        if n == rows.DONE:
            n = self._damaged_side_row(packed, places, kinds)
        if n != rows.DONE:
            raise RowFormatError(self._what_is_wrong(packed, n, partition))
        counts = np.bincount(kinds, minlength=len(self._side_words)).tolist()
        for side in self._side:  # a log has rows of few kinds: the others need not look for theirs
            side.restore(partition, packed if counts[side.kind] else NO_ROWS)

    def _damaged_side_row(self, packed: Packed, places: NDArray[np.int64], kinds: NDArray[np.uint32]) -> int:
        """Return the number of the first side row that cannot be read, or DONE. `places`: those of the side rows."""
        if not len(places):
            return rows.DONE
        begins = np.where(places > 0, packed.ends[places - 1], 0)
        lengths, wanted = packed.ends[places] - begins, self._side_words[kinds]
        is_whole = (wanted == 0) | (wanted != _NO_KIND) & ((lengths == wanted) | (lengths == 0))
        filled = np.flatnonzero(lengths)
        is_whole[filled] &= packed.values[begins[filled]] == ROW_FORMAT
        return rows.DONE if is_whole.all() else int(places[np.argmin(is_whole)])

    def settle(self) -> None:
        """End a restore in place: the rows that it left empty can be used."""
        entry_points.collect(self._arena)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Mark rows dirty by their keys, uint32[n, KEY_WORDS]: the next flush writes them, or their tombstones.

        For records after the last marker, which a crash left: compaction must not keep them instead of valid rows.
        """
        journal = self.journal(partition, len(keys))
        entry_points.mark(np.require(keys, np.uint32, _FORM), partition, self._arena, journal)
        for side in self._side:
            side.rewrite(partition, keys)

    def forget_cards(self, partition: int) -> None:
        """Remove the cards of a partition that was revoked."""
        entry_points.leave(partition, True, self._arena, self.journal(partition, 0))
        self._drop_notes(partition)
        for side in self._side:
            if not side.is_shared:
                side.forget(partition)

    def forget_shared(self, partition: int) -> None:
        """Remove the shared rows of a partition, before they are restored from its changelog."""
        entry_points.leave(partition, False, self._arena, self.journal(partition, 1 << 10))
        self._drop_notes(partition)
        for side in self._side:
            if side.is_shared:
                side.forget(partition)

    def _drop_notes(self, partition: int) -> None:
        self.journal(partition, 0).dirty_n[0] = 0
        self._owned.discard(partition)
        for side in self._side:
            side.leave(partition)
        self._forget_gone(self._owned)

    def _what_is_wrong(self, packed: Packed, n: int, partition: int) -> str:
        """Return the fault of row n as text. Keys are digests, so none is shown."""
        begin, end = int(packed.ends[n - 1]) if n else 0, int(packed.ends[n])
        kind, owner = int(packed.keys[n, 0]) >> PARTITION_BITS, int(packed.keys[n, 0]) & ((1 << PARTITION_BITS) - 1)
        name = self._names.get(kind)
        if owner != partition or name is None:
            return f"row {n} is of entity {kind} and partition {owner}, in the log of partition {partition}"
        if end > begin and packed.values[begin] != ROW_FORMAT:
            return f"row {n} has format {int(packed.values[begin])}; this version reads format {ROW_FORMAT}"
        return f"row {n} of {name} is damaged"

    @property
    def eviction_cursors(self) -> list[int]:
        """Eviction cursors: the next row that an eviction of each store looks at."""
        return [int(cursor) for cursor in self._arena.stores[:, store.EVICTION_CURSOR]]

    @eviction_cursors.setter
    def eviction_cursors(self, rows: list[int]) -> None:
        self._arena.stores[:, store.EVICTION_CURSOR] = rows


def _writable(packed: Packed) -> Packed:
    """Copy read-only arrays: numba would compile the kernel again for their type."""
    keys, values = np.require(packed.keys, np.uint32, _FORM), np.require(packed.values, np.uint32, _FORM)
    return Packed(keys, values, np.require(packed.ends, np.int64, _FORM))


def _packed_words(row_words: int) -> int:
    cells = 2 * row_words - rows.KEY_CELLS
    return rows.HEADER + (cells + 31) // 32 + cells


def _grown(array: NDArray[_T], used: int, needed: int) -> NDArray[_T]:
    grown = np.empty((max(2 * len(array), needed, _ROOM_MIN), *array.shape[1:]), dtype=array.dtype)
    grown[:used] = array[:used]
    return grown
