"""Find, insert and evict rows: an open-addressing index over a bounded arena.

An index entry is the upper 32 bits of the mixed key and, below them, the row number plus one; 0 is free. Linear probing,
at most half full; a deletion shifts its cluster back, so there are no tombstones and a store does not slow with age.
Rows are handed out in order until the store is full. After that each new key takes the row that was idle longest among
the next SWEEP rows under a clock hand: bounded work, and a function of the order of events alone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.jit import helper

SWEEP: Final = 8

# Columns of the int64[8, 8] table of stores.
ARENA_AT: Final = 0  # first word of the entity's rows
WORDS: Final = 1  # words of a row
CAPACITY: Final = 2  # rows
INDEX_AT: Final = 3  # first entry of its index
INDEX_BITS: Final = 4  # log2 of the entries of its index
USED: Final = 5  # rows handed out
HAND: Final = 6  # next row that an eviction looks at
AGE_FIELD: Final = 7  # offset in uint32 of a second clock that counts as activity (reports), else that of the last second

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
def _row_at(store: NDArray[np.int64], row: int) -> int:
    return store[ARENA_AT] + row * store[WORDS]


@helper
def _probe(store: NDArray[np.int64], index: NDArray[np.uint64], arena: NDArray[np.uint64], key: np.uint64) -> int:
    """Return the entry that holds the key, or else ~entry of the free one where it belongs."""
    tag = mix(key) >> _32
    mask = (1 << store[INDEX_BITS]) - 1
    position = np.int64(tag >> np.uint64(32 - store[INDEX_BITS]))
    while True:
        entry = index[store[INDEX_AT] + position]
        if entry == np.uint64(0):
            return ~position
        if entry >> _32 == tag and arena[_row_at(store, np.int64(entry & _LOW) - 1)] == key:
            return position
        position = (position + 1) & mask


@helper
def _unlink(store: NDArray[np.int64], index: NDArray[np.uint64], position: int) -> None:
    """Free an entry and shift back those behind it that would no longer be found."""
    mask = (1 << store[INDEX_BITS]) - 1
    shift = np.uint64(64 - store[INDEX_BITS])
    hole = position
    while True:
        position = (position + 1) & mask
        entry = index[store[INDEX_AT] + position]
        if entry == np.uint64(0):
            break
        home = np.int64(entry >> shift)
        if (position - home) & mask >= (position - hole) & mask:
            index[store[INDEX_AT] + hole] = entry
            hole = position
    index[store[INDEX_AT] + hole] = np.uint64(0)


@helper
def _evict(
    store: NDArray[np.int64], index: NDArray[np.uint64], arena: NDArray[np.uint64], times: NDArray[np.uint32]
) -> int:
    """Empty the row that was idle longest among the next SWEEP under the hand, and return it."""
    oldest, oldest_s = -1, np.int64(0)
    for step in range(min(SWEEP, store[CAPACITY])):
        row = (store[HAND] + step) % store[CAPACITY]
        at = 2 * _row_at(store, row)
        seen_s = max(np.int64(times[at + LAST_S]), np.int64(times[at + store[AGE_FIELD]]))
        if oldest < 0 or seen_s < oldest_s:
            oldest, oldest_s = row, seen_s
    store[HAND] = (store[HAND] + SWEEP) % store[CAPACITY]
    at = _row_at(store, oldest)
    _unlink(store, index, _probe(store, index, arena, arena[at]))
    for word in range(at, at + store[WORDS]):
        arena[word] = np.uint64(0)
    return oldest


@helper
def find(store: NDArray[np.int64], index: NDArray[np.uint64], arena: NDArray[np.uint64], key: np.uint64) -> int:
    """Return the first word of the key's row, or -1."""
    position = _probe(store, index, arena, key)
    if position < 0:
        return -1
    return _row_at(store, np.int64(index[store[INDEX_AT] + position] & _LOW) - 1)


@helper
def find_or_insert(
    store: NDArray[np.int64],
    index: NDArray[np.uint64],
    arena: NDArray[np.uint64],
    times: NDArray[np.uint32],
    key: np.uint64,
) -> int:
    """Return the first word of the key's row, an empty one if it is new; evict when the store is full."""
    position = _probe(store, index, arena, key)
    if position >= 0:
        return _row_at(store, np.int64(index[store[INDEX_AT] + position] & _LOW) - 1)
    if store[USED] < store[CAPACITY]:
        row = store[USED]
        store[USED] += 1
    else:
        row = _evict(store, index, arena, times)
        position = _probe(store, index, arena, key)  # the eviction may have shifted the cluster
    at = _row_at(store, row)
    arena[at] = key
    index[store[INDEX_AT] + ~position] = (mix(key) >> _32) << _32 | np.uint64(row + 1)
    return at
