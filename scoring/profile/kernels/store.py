"""Find, insert and evict rows: an open-addressing index over a bounded arena.

An index entry is the upper 32 bits of the mixed key and, below them, the row number plus one; 0 is free. Linear
probing, at most half full; a deletion shifts its cluster back, so there are no tombstones and a store does not slow
with age. Rows are handed out in order until the store is full. After that each new key takes the row that was idle
longest among the next SWEEP rows under a clock hand: bounded work, and a function of the order of events alone.
"""

from typing import Final

import numpy as np

from scoring.jit import helper, whole
from scoring.profile.kernels.arrays import Arena

SWEEP: Final = 8

# Columns of the int64[8, 8] table of stores, one line for each entity.
ARENA_AT: Final = 0  # first word of the entity's rows
WORDS: Final = 1  # words of a row
CAPACITY: Final = 2  # rows
INDEX_AT: Final = 3  # first entry of its index
INDEX_BITS: Final = 4  # log2 of the entries of its index
USED: Final = 5  # rows handed out
HAND: Final = 6  # next row that an eviction looks at
SECOND_CLOCK: Final = 7  # offset in uint32 of another time that counts as activity: the last report

LAST_S: Final = 2  # offsets in uint32 of the header's two times
FIRST_S: Final = 3

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth's multiplicative hashing
_LOW: Final = np.uint64(0xFFFFFFFF)
_FREE: Final = np.uint64(0)
_32: Final = np.uint64(32)


@helper
def mix(key: np.uint64) -> np.uint64:
    """Spread a key over its upper bits."""
    key ^= key >> _32
    return key * _MIX


@helper
def _row_at(arena: Arena, entity: int, row: int) -> int:
    return whole(arena.stores[entity, ARENA_AT] + row * arena.stores[entity, WORDS])


@helper
def _probe(arena: Arena, entity: int, key: np.uint64) -> int:
    """Return the entry that holds the key, or else ~entry of the free one where it belongs."""
    first, bits = arena.stores[entity, INDEX_AT], arena.stores[entity, INDEX_BITS]
    tag = mix(key) >> _32
    mask = (1 << bits) - 1
    position = whole(tag >> np.uint64(32 - bits))
    while True:
        entry = arena.entries[first + position]
        if entry == _FREE:
            return ~position
        if entry >> _32 == tag and arena.words[_row_at(arena, entity, whole(entry & _LOW) - 1)] == whole(key):
            return position
        position = (position + 1) & mask


@helper
def _unlink(arena: Arena, entity: int, position: int) -> None:
    """Free an entry and shift back those behind it that would no longer be found."""
    first, bits = arena.stores[entity, INDEX_AT], arena.stores[entity, INDEX_BITS]
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits)
    hole = position
    while True:
        position = (position + 1) & mask
        entry = arena.entries[first + position]
        if entry == _FREE:
            break
        home = whole(entry >> shift)
        if (position - home) & mask >= (position - hole) & mask:
            arena.entries[first + hole] = entry
            hole = position
    arena.entries[first + hole] = _FREE


@helper
def _evict(arena: Arena, entity: int) -> int:
    """Empty the row that was idle longest among the next SWEEP under the hand, and return it."""
    capacity, hand = arena.stores[entity, CAPACITY], arena.stores[entity, HAND]
    second_clock = arena.stores[entity, SECOND_CLOCK]
    oldest, oldest_s = whole(-1), whole(0)
    for step in range(min(SWEEP, capacity)):
        row = (hand + step) % capacity
        at = 2 * _row_at(arena, entity, row)
        seen_s = max(whole(arena.singles[at + LAST_S]), whole(arena.singles[at + second_clock]))
        if oldest < 0 or seen_s < oldest_s:
            oldest, oldest_s = row, seen_s
    arena.stores[entity, HAND] = (hand + SWEEP) % capacity
    at = _row_at(arena, entity, oldest)
    _unlink(arena, entity, _probe(arena, entity, np.uint64(arena.words[at])))
    for word in range(at, at + arena.stores[entity, WORDS]):
        arena.words[word] = 0
    return oldest


@helper
def find_or_insert(arena: Arena, entity: int, key: np.uint64) -> int:
    """Return the first word of the key's row, an empty one if it is new; evict when the store is full."""
    position = _probe(arena, entity, key)
    if position >= 0:
        return _row_at(arena, entity, whole(arena.entries[arena.stores[entity, INDEX_AT] + position] & _LOW) - 1)
    if arena.stores[entity, USED] < arena.stores[entity, CAPACITY]:
        row = whole(arena.stores[entity, USED])
        arena.stores[entity, USED] += 1
    else:
        row = _evict(arena, entity)
        position = _probe(arena, entity, key)  # the eviction may have shifted the cluster
    at = _row_at(arena, entity, row)
    arena.words[at] = whole(key)
    arena.entries[arena.stores[entity, INDEX_AT] + ~position] = (mix(key) >> _32) << _32 | np.uint64(row + 1)
    return at
