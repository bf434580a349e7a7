"""Prefetch the rows of the next events while one event is processed.

An event has up to eight rows, far apart in memory: without this, cache misses took two fifths of the time of this
stage. A prefetch changes no value. One of the wrong line only costs time.
"""

from typing import Final

import numpy as np

from scoring.jit import helper, prefetch, whole
from scoring.profile.columns import EventColumns
from scoring.profile.entities import Entity
from scoring.profile.kernels.arrays import Arena
from scoring.profile.kernels.store import (
    ARENA_AT,
    INDEX_AT,
    INDEX_BITS,
    OWN,
    PARTITIONS,
    REPORTS,
    WORDS,
    is_sum_store,
    mix,
    salted,
)

_ENTITIES: Final = len(Entity)
_CARD: Final = int(Entity.CARD)
_ABSENT: Final = np.uint64(0)
_LINE_WORDS: Final = 8  # 64 bytes
_ROWS_AHEAD: Final = 1  # events: one takes longer than the memory
_ENTRIES_AHEAD: Final = 2  # an entry of the index must be there before it can tell where its row is
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)


@helper
def _entry_at(arena: Arena, store: int, tag: np.uint64) -> int:
    """Return where a look-up begins in the index."""
    return whole(arena.stores[store, INDEX_AT] + whole(tag >> (_32 - np.uint64(arena.stores[store, INDEX_BITS]))))


@helper
def _fetch(arena: Arena, store: int, key: np.uint64, partition: int, rows: bool) -> None:
    """Fetch the row of a key, if the first entry of its look-up is the key's, or only that entry."""
    tag = mix(key if is_sum_store(store) else salted(key, partition)) >> _32
    entry_at = _entry_at(arena, store, tag)
    if not rows:
        prefetch(arena.entries, entry_at)
        return
    entry = arena.entries[entry_at]
    if entry >> _32 != tag:
        return
    words = arena.stores[store, WORDS]
    at = arena.stores[store, ARENA_AT] + (whole(entry & _LOW) - 1) * words
    for word in range(at, at + words, _LINE_WORDS):
        prefetch(arena.words, word)
    prefetch(arena.words, at + words - 1)


@helper
def _fetch_event(columns: EventColumns, i: int, partition: int, arena: Arena, rows: bool) -> None:
    for entity in range(_ENTITIES):
        key = columns.keys[i, entity]
        if key == _ABSENT:
            continue
        _fetch(arena, entity, key, partition, rows)
        if entity == _CARD:
            _fetch(arena, REPORTS, key, partition, rows)
        elif arena.stores[0, PARTITIONS] > 1:
            _fetch(arena, OWN + entity, key, partition, rows)


@helper
def look_ahead(columns: EventColumns, i: int, partition: int, arena: Arena) -> None:
    """Fetch the rows of the event after the `i`th, and the index entries of the one after that."""
    if i + _ROWS_AHEAD < len(columns.event_id):
        _fetch_event(columns, i + _ROWS_AHEAD, partition, arena, True)
    if i + _ENTRIES_AHEAD < len(columns.event_id):
        _fetch_event(columns, i + _ENTRIES_AHEAD, partition, arena, False)
