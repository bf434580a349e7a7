"""Find, insert and evict rows: an open-addressing index over a bounded arena.

An index entry is the upper 32 bits of the mixed key and, below them, the row number plus one; 0 is free. Linear
probing, at most half full; a deletion shifts its cluster back, so there are no tombstones and a store does not slow
with age. Rows are given out in order until the store is full. After that each new key takes the row that was idle
longest among the next SWEEP rows from the eviction cursor on: bounded work, which depends on the order of events alone.

There are sixteen stores. Features are read from the first eight, one for each entity. The part of a row from one
partition belongs to that partition: it is logged, moved and followed with it. A card's row belongs to one partition,
and so does any other row until a second partition has the same key. Then it is split: the row in the first eight
becomes the sum, which belongs to no partition, and the next seven stores have the part of each partition. The last
store has the reports of cards, apart from their own rows: few cards are reported, and a report evicts no row of a card
that pays. In the last eight stores, as with cards, a row is found under its key with the partition's salt.

The stores have one clock: the latest time of an event that changed windows. A row's time of activity is the time of
such an event, or the value of that clock when a report came. It is never the time in a report.
"""

from typing import Final

import numpy as np

from scoring.jit import helper, rare, whole
from scoring.profile.entities import Entity
from scoring.profile.kernels.arrays import Arena, Journal

SWEEP: Final = 8
ENTITIES: Final = len(Entity)
STORES: Final = 2 * ENTITIES
OWN: Final = ENTITIES - 1  # store of the parts of an entity's rows: the entity's number plus this
REPORTS: Final = STORES - 1  # store of the reports of cards: the ninth kind of row, REPORTED, plus OWN

# Columns of the int64[STORES, 15] table of stores.
ARENA_AT: Final = 0  # first word of the store's rows
WORDS: Final = 1  # words of a row
CAPACITY: Final = 2  # rows
INDEX_AT: Final = 3  # first entry of its index
INDEX_BITS: Final = 4  # log2 of the entries of its index
USED: Final = 5  # rows used so far, freed ones included
EVICTION_CURSOR: Final = 6  # next row that an eviction looks at
SECOND_CLOCK: Final = 7  # offset in uint32 of another time that counts as activity: when the last report was heard
FREE: Final = 8  # a row that was given back, plus one; each names the next in its second word
LIVE: Final = 9  # rows in use
PARTITION: Final = 10  # offset in uint16 of the partition that a row belongs to, plus one; 0 for a sum
DIRTY: Final = 11  # offset in uint8: whether the row awaits the next flush
SEEN_BY: Final = 12  # offset in uint32: of which partitions it is the sum, one bit for each (modulo 32)
PARTITIONS: Final = 13  # the same in every line
CLOCK_S: Final = 14  # latest second of an event that moved windows: in the first line, for all stores
COLUMNS: Final = 15

LAST_S: Final = 2  # offsets in uint32 of the header's two times
FIRST_S: Final = 3

BITS: Final = 32  # of what is at SEEN_BY
AT_BITS: Final = 48  # a dirty row is noted as its store above its place in the arena

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth's multiplicative hashing
_SALT: Final = np.uint64(0xD1B54A32D192ED03)  # odd: no two partitions have the same
_LOW: Final = np.uint64(0xFFFFFFFF)
_FREE: Final = np.uint64(0)
_32: Final = np.uint64(32)


@helper
def mix(key: np.uint64) -> np.uint64:
    """Spread a key over its upper bits."""
    key ^= key >> _32
    return key * _MIX


@helper
def salted(key: np.uint64, partition: int) -> np.uint64:
    """Turn the key of an entity into the key of its row in a partition, or back."""
    return key ^ (np.uint64(partition) * _SALT)


@helper
def is_sum_store(store: int) -> bool:
    """Tell whether a store has one row for a key, for all partitions: keys have no salt there."""
    return 0 < store < ENTITIES


@helper
def entity_of(store: int) -> int:
    """Return the kind of the rows of a store: an entity, or REPORTED."""
    return store if store < ENTITIES else store - OWN


@helper
def first_store_of(entity: int) -> int:
    """Return the store in which a key of an entity, or of REPORTED, is looked up first."""
    return entity if entity < ENTITIES else entity + OWN


@helper
def is_card_store(store: int) -> bool:
    """Tell whether each row of a store has one owner partition and is logged with the cards."""
    return store == 0 or store == REPORTS


@helper
def pass_time(arena: Arena, second: int) -> None:
    """Bring the clock of the stores up to the time of an event."""
    arena.stores[0, CLOCK_S] = max(arena.stores[0, CLOCK_S], second)


@helper
def _row_at(arena: Arena, store: int, row: int) -> int:
    return whole(arena.stores[store, ARENA_AT] + row * arena.stores[store, WORDS])


@helper
def row_of(arena: Arena, store: int, at: int) -> int:
    """Return the number of the row that begins at a word."""
    return whole((at - arena.stores[store, ARENA_AT]) // arena.stores[store, WORDS])


@helper
def partition_of(arena: Arena, store: int, at: int) -> int:
    """Return the partition that a row belongs to, or -1 for a sum."""
    return whole(arena.shorts[4 * at + arena.stores[store, PARTITION]]) - 1


@helper
def key_of(arena: Arena, store: int, at: int) -> np.uint64:
    """Return the key of the entity that a row is about."""
    key = np.uint64(arena.words[at])
    return key if is_sum_store(store) else salted(key, partition_of(arena, store, at))


@helper
def _probe(arena: Arena, store: int, key: np.uint64) -> int:
    """Return the entry that holds the key, or else ~entry of the free one where it belongs."""
    first, bits = arena.stores[store, INDEX_AT], arena.stores[store, INDEX_BITS]
    tag = mix(key) >> _32
    mask = (1 << bits) - 1
    position = whole(tag >> np.uint64(32 - bits))
    while True:
        entry = arena.entries[first + position]
        if entry == _FREE:
            return ~position
        if entry >> _32 == tag and arena.words[_row_at(arena, store, whole(entry & _LOW) - 1)] == whole(key):
            return position
        position = (position + 1) & mask


@helper
def _unlink(arena: Arena, store: int, position: int) -> None:
    """Free an entry and shift back those behind it that would no longer be found."""
    first, bits = arena.stores[store, INDEX_AT], arena.stores[store, INDEX_BITS]
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits)
    hole = position
    while True:
        position = (position + 1) & mask
        entry = arena.entries[first + position]
        if entry == _FREE:
            break
        probed_from = whole(entry >> shift)
        if (position - probed_from) & mask >= (position - hole) & mask:
            arena.entries[first + hole] = entry
            hole = position
    arena.entries[first + hole] = _FREE


@helper
def find(arena: Arena, store: int, key: np.uint64) -> int:
    """Return the first word of the key's row, or -1."""
    position = _probe(arena, store, key)
    if position < 0:
        return -1
    return _row_at(arena, store, whole(arena.entries[arena.stores[store, INDEX_AT] + position] & _LOW) - 1)


@helper
def remove(arena: Arena, store: int, key: np.uint64) -> bool:
    """Empty the key's row and give it back; say whether there was one."""
    position = _probe(arena, store, key)
    if position < 0:
        return False
    row = whole(arena.entries[arena.stores[store, INDEX_AT] + position] & _LOW) - 1
    _unlink(arena, store, position)
    at = _row_at(arena, store, row)
    for word in range(at, at + arena.stores[store, WORDS]):
        arena.words[word] = 0
    arena.words[at + 1] = arena.stores[store, FREE]
    arena.stores[store, FREE] = row + 1
    arena.stores[store, LIVE] -= 1
    return True


@helper
def _bury(arena: Arena, store: int, key: np.uint64, partition: int, journal: Journal) -> None:
    """Remove a row that is logged, and note its tombstone."""
    if remove(arena, store, key if is_sum_store(store) else salted(key, partition)):
        note_gone(entity_of(store), key, partition, journal)


@helper
def note_gone(entity: int, key: np.uint64, partition: int, journal: Journal) -> None:
    """Note that a changelog needs a tombstone."""
    n = journal.gone_n[0]
    journal.gone[n, 0] = np.uint64(entity << 32 | partition)
    journal.gone[n, 1] = key
    journal.gone_n[0] = n + 1


@helper
def _forget(arena: Arena, store: int, key: np.uint64, owner: int, journal: Journal) -> None:
    """Remove an entity: the row that is read, and the rows of all partitions."""
    entity = entity_of(store)
    if not is_card_store(store):
        at = find(arena, entity, key)
        owner = partition_of(arena, entity, at)
        if owner < 0:
            seen_by = arena.singles[2 * at + arena.stores[entity, SEEN_BY]]
            for partition in range(arena.stores[0, PARTITIONS]):
                if seen_by >> np.uint32(partition % BITS) & np.uint32(1):
                    _bury(arena, OWN + entity, key, partition, journal)
            remove(arena, entity, key)
            return
    _bury(arena, first_store_of(entity), key, owner, journal)


@rare
def _make_room(arena: Arena, store: int, keep: np.uint64, journal: Journal) -> None:
    """Forget the entity that was idle longest among the next SWEEP rows from the eviction cursor on, but not `keep`."""
    capacity, second_clock = arena.stores[store, CAPACITY], arena.stores[store, SECOND_CLOCK]
    oldest, oldest_s = whole(-1), whole(0)
    looked = whole(0)
    while oldest < 0 or looked % min(SWEEP, capacity) != 0:
        at = _row_at(arena, store, (arena.stores[store, EVICTION_CURSOR] + looked) % capacity)
        looked += 1
        if key_of(arena, store, at) == keep:
            continue
        seen_s = max(whole(arena.singles[2 * at + LAST_S]), whole(arena.singles[2 * at + second_clock]))
        if oldest < 0 or seen_s < oldest_s:
            oldest, oldest_s = at, seen_s
    arena.stores[store, EVICTION_CURSOR] = (arena.stores[store, EVICTION_CURSOR] + max(looked, SWEEP)) % capacity
    _forget(arena, store, key_of(arena, store, oldest), partition_of(arena, store, oldest), journal)


@helper
def _take_row(arena: Arena, store: int) -> int:
    row = whole(arena.stores[store, FREE]) - 1
    if row >= 0:
        at = _row_at(arena, store, row)
        arena.stores[store, FREE] = arena.words[at + 1]
        arena.words[at + 1] = 0
    else:
        row = whole(arena.stores[store, USED])
        arena.stores[store, USED] += 1
    return row


@helper
def link(arena: Arena, store: int, position: int, row: int, key: np.uint64) -> int:
    """Put a key that is not there into an empty row and the free entry ~position; return the row's first word."""
    at = _row_at(arena, store, row)
    arena.words[at] = whole(key)
    arena.entries[arena.stores[store, INDEX_AT] + ~position] = (mix(key) >> _32) << _32 | np.uint64(row + 1)
    arena.stores[store, LIVE] += 1
    return at


@helper
def find_or_insert(arena: Arena, store: int, key: np.uint64, partition: int, journal: Journal) -> int:
    """Return the first word of a key's row, the partition's if it is new; evict when the store is full."""
    own = key if is_sum_store(store) else salted(key, partition)
    position = _probe(arena, store, own)
    if position >= 0:
        return _row_at(arena, store, whole(arena.entries[arena.stores[store, INDEX_AT] + position] & _LOW) - 1)
    if arena.stores[store, FREE] == 0 and arena.stores[store, USED] == arena.stores[store, CAPACITY]:
        _make_room(arena, store, key, journal)
        position = _probe(arena, store, own)  # the eviction may have shifted the cluster
    at = link(arena, store, position, _take_row(arena, store), own)
    arena.shorts[4 * at + arena.stores[store, PARTITION]] = partition + 1
    return at


@helper
def part_of(arena: Arena, entity: int, at: int, key: np.uint64, partition: int, journal: Journal) -> int:
    """Return the row that keeps what one partition saw of the row at `at`: that one itself while no other saw it.

    The second partition to come splits it: the first gets a copy of its own.
    """
    owner = partition_of(arena, entity, at)
    if owner == partition:
        return at
    mine = find_or_insert(arena, OWN + entity, key, partition, journal)
    seen_by = 2 * at + arena.stores[entity, SEEN_BY]
    if owner >= 0:
        theirs = find_or_insert(arena, OWN + entity, key, owner, journal)
        # If the row was noted for the next flush, the note is now about the copy.
        for word in range(1, arena.stores[entity, WORDS]):
            arena.words[theirs + word] = arena.words[at + word]
        arena.octets[8 * at + arena.stores[entity, DIRTY]] = 0
        arena.shorts[4 * at + arena.stores[entity, PARTITION]] = 0
        arena.singles[seen_by] = np.uint32(1) << np.uint32(owner % BITS)
    arena.singles[seen_by] |= np.uint32(1) << np.uint32(partition % BITS)
    return mine


@helper
def insert_at(arena: Arena, store: int, key: np.uint64, row: int) -> int:
    """Put a key of partition 0 where it was before a restart, if the row is untouched; return its first word or -1.

    Only while an empty store is being filled: rows that this leaves empty are not given out until `collect_free`.
    """
    position = _probe(arena, store, key)
    if position >= 0 or row >= arena.stores[store, CAPACITY] or arena.words[_row_at(arena, store, row)] != 0:
        return -1
    arena.stores[store, USED] = max(arena.stores[store, USED], row + 1)
    return link(arena, store, position, row, key)


@helper
def collect_free(arena: Arena, store: int) -> None:
    """Chain all empty rows, so that they are given out, lowest first."""
    arena.stores[store, FREE] = 0
    for row in range(arena.stores[store, USED] - 1, -1, -1):
        at = _row_at(arena, store, row)
        if arena.words[at] == 0:
            arena.words[at + 1] = arena.stores[store, FREE]
            arena.stores[store, FREE] = row + 1


@helper
def touch(arena: Arena, store: int, at: int, journal: Journal) -> None:
    """Note once that a row changed since its partition's last flush."""
    dirty = 8 * at + arena.stores[store, DIRTY]
    if arena.octets[dirty] == 0:
        arena.octets[dirty] = 1
        n = journal.dirty_n[0]
        journal.dirty[n] = store << AT_BITS | at
        journal.dirty_n[0] = n + 1
