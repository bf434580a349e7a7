"""Pack rows for their changelog, and restore them.

A packed row is uint32 words: format version and the row's number in its store, a bitmap of the cells that are not zero,
then those cells. A cell is a uint32 of the row after its key; most of a row is zero, so a fresh one packs to a tenth.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import constant, helper, rare, trailing_zeros, whole
from scoring.profile.entities import REPORTED, Entity
from scoring.profile.kernels import store as s
from scoring.profile.kernels.arrays import Arena, Journal
from scoring.profile.kernels.union import add_up
from scoring.profile.packed import PARTITION_BITS, ROW_FORMAT, SIDE_KINDS, Packed

Singles = NDArray[np.uint32]

HEADER: Final = 2  # words before the bitmap
KEY_CELLS: Final = 2  # cells of a row that its key takes

DONE: Final = -1
"""What `restore` returns when it took all rows; else the number of the first that it could not read."""

_CARD: Final = constant(Entity.CARD)
_REPORTED: Final = REPORTED
_FORMAT: Final = np.uint32(ROW_FORMAT)
_PARTITION_BITS: Final = PARTITION_BITS
_SIDE_KINDS: Final = SIDE_KINDS
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_AT_MASK: Final = constant((1 << s.AT_BITS) - 1)


@helper
def _put_key(keys: Singles, n: int, entity: int, partition: int, key: np.uint64) -> None:
    keys[n, 0] = np.uint32(entity << _PARTITION_BITS | partition)
    keys[n, 1] = np.uint32(key & _LOW)
    keys[n, 2] = np.uint32(key >> _32)


@helper
def _put_row(arena: Arena, store: int, at: int, values: Singles, cursor: int) -> int:
    """Write one row's value; return where it ends."""
    owner, dirty = 4 * at + arena.stores[store, s.PARTITION], 8 * at + arena.stores[store, s.DIRTY]
    partition = arena.shorts[owner]
    arena.shorts[owner] = 0  # owner and dirty flag are no part of the value
    arena.octets[dirty] = 0
    values[cursor] = _FORMAT
    values[cursor + 1] = np.uint32(s.row_of(arena, store, at))
    words = arena.stores[store, s.WORDS] - 1
    bitmap = cursor + HEADER
    cursor = bitmap + (2 * words + 31) // 32
    for word in range(bitmap, cursor):
        values[word] = 0
    for word in range(words):
        both = np.uint64(arena.words[at + 1 + word])
        if both != np.uint64(0):
            named = np.uint32(0)
            low = np.uint32(both & _LOW)
            if low != np.uint32(0):
                named |= np.uint32(1)
                values[cursor] = low
                cursor += 1
            high = np.uint32(both >> _32)
            if high != np.uint32(0):
                named |= np.uint32(2)
                values[cursor] = high
                cursor += 1
            values[bitmap + (word >> 4)] |= named << np.uint32(2 * (word & 15))
    arena.shorts[owner] = partition
    return cursor


@helper
def pack(partition: int, cards: bool, arena: Arena, journal: Journal, to: Packed) -> int:
    """Write the rows of a partition that changed, those of cards or all others; return how many."""
    n, cursor = whole(0), whole(0)
    for k in range(journal.gone_n[0]):
        entity, owner = whole(journal.gone[k, 0] >> _32), whole(journal.gone[k, 0] & _LOW)
        if owner == partition and (entity == _CARD or entity == _REPORTED) == cards:
            _put_key(to.keys, n, entity, partition, journal.gone[k, 1])
            to.ends[n] = cursor
            n += 1
    for k in range(journal.dirty_n[0]):
        store, at = journal.dirty[k] >> s.AT_BITS, journal.dirty[k] & _AT_MASK
        if s.is_card_store(store) != cards:
            continue
        if s.is_sum_store(store) and s.partition_of(arena, store, at) < 0:  # split since: the change is in the copy
            at = s.find(arena, store + s.OWN, s.salted(np.uint64(arena.words[at]), partition))
            store += s.OWN
        # else the row was given to another key since, perhaps of another partition
        if at < 0 or arena.octets[8 * at + arena.stores[store, s.DIRTY]] == 0:
            continue
        if s.partition_of(arena, store, at) == partition:
            _put_key(to.keys, n, s.entity_of(store), partition, s.key_of(arena, store, at))
            cursor = _put_row(arena, store, at, to.values, cursor)
            to.ends[n] = cursor
            n += 1
    return n


@helper
def _is_whole(values: Singles, begin: int, end: int, cells: int) -> bool:
    """Tell whether a value has as many cells as its bitmap says, and none beyond the row."""
    bitmap = begin + HEADER
    first = bitmap + (cells + 31) // 32
    if first > end:
        return False
    named = whole(0)
    for word in range(bitmap, first):
        bits = np.uint64(values[word])
        while bits != np.uint64(0):
            named += 1
            bits &= bits - np.uint64(1)
    spare = np.uint32(cells & 31)
    return first + named == end and (spare == 0 or values[first - 1] >> spare == 0)


@helper
def _get_row(arena: Arena, store: int, at: int, partition: int, values: Singles, begin: int) -> None:
    """Overwrite a row, but for its key and what says where it is kept, by a complete value.

    A log never sets the fields that exist in memory only: the owner partition, the partitions of a sum, the dirty flag.
    """
    for word in range(at + 1, at + arena.stores[store, s.WORDS]):
        arena.words[word] = 0
    bitmap = begin + HEADER
    cells = 2 * arena.stores[store, s.WORDS] - KEY_CELLS
    cursor = bitmap + (cells + 31) // 32
    for word in range(bitmap, bitmap + (cells + 31) // 32):
        bits = np.uint64(values[word])
        while bits != np.uint64(0):
            cell = 32 * (word - bitmap) + trailing_zeros(bits)
            arena.singles[2 * at + KEY_CELLS + cell] = values[cursor]
            cursor += 1
            bits &= bits - np.uint64(1)
    if not s.is_card_store(store):
        arena.singles[2 * at + arena.stores[store, s.SEEN_BY]] = 0
    arena.octets[8 * at + arena.stores[store, s.DIRTY]] = 0
    arena.shorts[4 * at + arena.stores[store, s.PARTITION]] = partition + 1
    s.pass_time(arena, whole(arena.singles[2 * at + s.LAST_S]))


@rare
def _add_again(arena: Arena, entity: int, key: np.uint64) -> None:
    if not add_up(arena, entity, s.find(arena, entity, key)):
        s.remove(arena, entity, key)


@rare
def _restore_tombstone(arena: Arena, entity: int, key: np.uint64, partition: int) -> None:
    store = s.first_store_of(entity)
    at = s.find(arena, store, s.salted(key, partition) if s.is_card_store(store) else key)
    if at < 0:
        return
    if s.partition_of(arena, store, at) == partition:
        s.remove(arena, store, np.uint64(arena.words[at]))
    elif s.remove(arena, entity + s.OWN, s.salted(key, partition)):
        _add_again(arena, entity, key)


@helper
def _restore_row(
    arena: Arena, entity: int, key: np.uint64, partition: int, packed: Packed, begin: int, journal: Journal
) -> None:
    store = s.first_store_of(entity)
    at = s.find_or_insert(arena, store, key, partition, journal)
    if s.is_card_store(store) or s.partition_of(arena, store, at) == partition:
        _get_row(arena, store, at, partition, packed.values, begin)
    else:
        part = s.part_of(arena, entity, at, key, partition, journal)
        _get_row(arena, entity + s.OWN, part, partition, packed.values, begin)
        _add_again(arena, entity, key)


@helper
def restore(packed: Packed, partition: int, in_place: bool, arena: Arena, journal: Journal) -> int:
    """Restore packed rows of a partition in order; return DONE, or the number of the first that cannot be read."""
    begin = whole(0)
    for n in range(len(packed.ends)):
        end = packed.ends[n]
        entity = whole(packed.keys[n, 0] >> np.uint32(_PARTITION_BITS))
        owner = whole(packed.keys[n, 0] & np.uint32((1 << _PARTITION_BITS) - 1))
        key = np.uint64(packed.keys[n, 2]) << _32 | np.uint64(packed.keys[n, 1])
        if entity >= _SIDE_KINDS and owner == partition:  # it is no row of a store
            begin = end
            continue
        if entity > _REPORTED or owner != partition:
            return n
        store = s.first_store_of(entity)
        if end == begin:
            _restore_tombstone(arena, entity, key, partition)
            if in_place:
                arena.stores[store, s.FREE] = 0
            continue
        cells = 2 * arena.stores[store, s.WORDS] - KEY_CELLS
        if packed.values[begin] != _FORMAT or not _is_whole(packed.values, begin, end, cells):
            return n
        if in_place:
            at = s.insert_at(arena, store, key, whole(packed.values[begin + 1]))
            if at >= 0:
                arena.shorts[4 * at + arena.stores[store, s.PARTITION]] = 1
        _restore_row(arena, entity, key, partition, packed, begin, journal)
        begin = end
    return DONE


@helper
def leave(partition: int, cards: bool, arena: Arena, journal: Journal) -> None:
    """Remove all rows of a partition, without tombstones: its changelog keeps them.

    If that partition is the only one, the clock of the stores is set to 0. Restored rows set it again.
    """
    if arena.stores[0, s.PARTITIONS] == 1:
        arena.stores[0, s.CLOCK_S] = 0
    for store in range(s.STORES):
        if s.is_card_store(store) != cards:
            continue
        at = whole(arena.stores[store, s.ARENA_AT])
        for _ in range(arena.stores[store, s.USED]):
            if arena.words[at] != 0 and s.partition_of(arena, store, at) == partition:
                key = s.key_of(arena, store, at)
                s.remove(arena, store, np.uint64(arena.words[at]))
                if store >= s.ENTITIES and store != s.REPORTS:
                    _add_again(arena, s.entity_of(store), key)
            at += arena.stores[store, s.WORDS]


@helper
def mark(keys: Singles, partition: int, arena: Arena, journal: Journal) -> None:
    """Mark rows dirty, and note tombstones for rows that do not exist."""
    for n in range(len(keys)):
        entity = whole(keys[n, 0] >> np.uint32(_PARTITION_BITS))
        if entity > _REPORTED:
            continue
        key = np.uint64(keys[n, 2]) << _32 | np.uint64(keys[n, 1])
        store = s.first_store_of(entity)
        at = s.find(arena, store, s.salted(key, partition) if s.is_card_store(store) else key)
        if at >= 0 and s.partition_of(arena, store, at) != partition:
            store = entity + s.OWN
            at = s.find(arena, store, s.salted(key, partition))
        if at >= 0:
            s.touch(arena, store, at, journal)
        else:
            s.note_gone(entity, key, partition, journal)


@helper
def collect(arena: Arena) -> None:
    """Chain the empty rows of all stores."""
    for store in range(s.STORES):
        s.collect_free(arena, store)
