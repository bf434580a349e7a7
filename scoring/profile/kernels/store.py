"""Find, insert and evict rows: an open-addressing index over a bounded arena.

An index entry is the upper 32 bits of the mixed key and, below them, the row number plus one; 0 is free. Linear probing,
at most half full; a deletion shifts its cluster back, so there are no tombstones and a store does not slow with age.
Rows are handed out in order until the store is full. After that each new key takes the row that was idle longest among
the next SWEEP rows under a clock hand: bounded work, and a function of the order of events alone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.kernels.jit import Singles, Words, helper, whole

SWEEP: Final = 8

# Columns of the int64[8, 8] table of stores, one line for each entity.
ARENA_AT: Final = 0  # first word of the entity's rows
WORDS: Final = 1  # words of a row
CAPACITY: Final = 2  # rows
INDEX_AT: Final = 3  # first entry of its index
INDEX_BITS: Final = 4  # log2 of the entries of its index
USED: Final = 5  # rows handed out
HAND: Final = 6  # next row that an eviction looks at
AGE_FIELD: Final = (
    7  # offset in uint32 of a second clock that counts as activity (reports), else that of the last second
)

LAST_S: Final = 2  # offsets in uint32 of the header's two times
FIRST_S: Final = 3

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth's multiplicative hashing
_LOW: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_32: Final = np.uint64(32)


@helper
def mix(key: np.uint64) -> np.uint64:
    """Spread a key over its upper bits."""
    key ^= key >> _32
    return key * _MIX


@helper
def _row_at(stores: Words, entity: int, row: int) -> int:
    return stores[entity, ARENA_AT] + row * stores[entity, WORDS]


@helper
def _probe(stores: Words, entity: int, index: NDArray[np.uint64], arena: Words, key: np.uint64) -> int:
    """Return the entry that holds the key, or else ~entry of the free one where it belongs."""
    tag = mix(key) >> _32
    mask = (1 << stores[entity, INDEX_BITS]) - 1
    position = whole(tag >> np.uint64(32 - stores[entity, INDEX_BITS]))
    while True:
        entry = index[stores[entity, INDEX_AT] + position]
        if entry == np.uint64(0):
            return ~position
        if entry >> _32 == tag and arena[_row_at(stores, entity, whole(entry & _LOW) - 1)] == whole(key):
            return position
        position = (position + 1) & mask


@helper
def _unlink(stores: Words, entity: int, index: NDArray[np.uint64], position: int) -> None:
    """Free an entry and shift back those behind it that would no longer be found."""
    mask = (1 << stores[entity, INDEX_BITS]) - 1
    shift = np.uint64(64 - stores[entity, INDEX_BITS])
    hole = position
    while True:
        position = (position + 1) & mask
        entry = index[stores[entity, INDEX_AT] + position]
        if entry == np.uint64(0):
            break
        home = whole(entry >> shift)
        if (position - home) & mask >= (position - hole) & mask:
            index[stores[entity, INDEX_AT] + hole] = entry
            hole = position
    index[stores[entity, INDEX_AT] + hole] = np.uint64(0)


@helper
def _evict(
    stores: Words,
    entity: int,
    index: NDArray[np.uint64],
    arena: Words,
    times: Singles,
) -> int:
    """Empty the row that was idle longest among the next SWEEP under the hand, and return it."""
    oldest, oldest_s = whole(-1), whole(0)
    for step in range(min(SWEEP, stores[entity, CAPACITY])):
        row = (stores[entity, HAND] + step) % stores[entity, CAPACITY]
        at = 2 * _row_at(stores, entity, row)
        seen_s = max(whole(times[at + LAST_S]), whole(times[at + stores[entity, AGE_FIELD]]))
        if oldest < 0 or seen_s < oldest_s:
            oldest, oldest_s = row, seen_s
    stores[entity, HAND] = (stores[entity, HAND] + SWEEP) % stores[entity, CAPACITY]
    at = _row_at(stores, entity, oldest)
    _unlink(stores, entity, index, _probe(stores, entity, index, arena, np.uint64(arena[at])))
    for word in range(at, at + stores[entity, WORDS]):
        arena[word] = 0
    return oldest


@helper
def find_or_insert(
    stores: Words,
    entity: int,
    index: NDArray[np.uint64],
    arena: Words,
    times: Singles,
    key: np.uint64,
) -> int:
    """Return the first word of the key's row, an empty one if it is new; evict when the store is full."""
    position = _probe(stores, entity, index, arena, key)
    if position >= 0:
        return _row_at(stores, entity, whole(index[stores[entity, INDEX_AT] + position] & _LOW) - 1)
    if stores[entity, USED] < stores[entity, CAPACITY]:
        row = stores[entity, USED]
        stores[entity, USED] += 1
    else:
        row = _evict(stores, entity, index, arena, times)
        position = _probe(stores, entity, index, arena, key)  # the eviction may have shifted the cluster
    at = _row_at(stores, entity, row)
    arena[at] = whole(key)
    index[stores[entity, INDEX_AT] + ~position] = (mix(key) >> _32) << _32 | np.uint64(row + 1)
    return at
