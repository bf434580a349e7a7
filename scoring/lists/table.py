"""The table of entries: looked up for a whole batch by one kernel.

Memory: 18 bytes a slot, at most 80% of the slots used, and a step of growth by a quarter: 23 to 28 bytes an entry, and
51 while the table moves into a larger one. Keys have 64 bits. With ten million entries a value that is in no list
meets a wrong entry with a chance of 5e-13; that two entries share a key has a chance of 3e-6.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, chain, unchained
from scoring.jit import borrow, entry, helper, prefetch, revision, whole
from scoring.lists.kinds import KINDS, PLACES
from scoring.lists.slots import ENTRY_BYTES, PERIODS_MAX, Slots, empty_slots, entry_key, first_slot, put

_LOAD: Final = 0.8
_GROWTH: Final = 1.25
_SIZE_MIN: Final = 64
_ACQUIRER_KEY: Final = int(Col.ACQUIRER_KEY)
_CARD_KEY: Final = CARD_KEY
_PAIRS_MIN: Final = 256


@helper
def _own_hash(
    ints: NDArray[np.int64], hashes: NDArray[np.uint64], i: int, entity: int, column: int, joined: int
) -> uint64:
    """Return the hash of an event's value alone, 0 absent. The key of an entity contains it, and gives it back."""
    nothing = uint64(0)
    if entity < 0:
        return uint64(ints[i, column])
    key = hashes[i, _CARD_KEY + entity]
    if key == nothing:
        return nothing
    scope = nothing if (joined >> entity) & 1 else uint64(ints[i, _ACQUIRER_KEY])
    return unchained(chain(uint64(entity + 1), scope), key)


@helper
def _find(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    at_ms: NDArray[np.int64],
    sought: NDArray[np.int64],
    joined: int,
    slots: Slots,
    keys: NDArray[np.uint64],
    pairs: NDArray[np.int64],
) -> int:
    """Look up each event. `sought` int64[k, 4]: kind, entity, column, and 1 for entries of the event's own acquirer.

    All slots are asked for first, so that the waits for memory overlap.
    """
    size, found, nothing = len(slots.keys), 0, uint64(0)
    for i in range(len(ints)):
        for k in range(len(sought)):
            own = _own_hash(ints, hashes, i, sought[k, 1], sought[k, 2], joined)
            acquirer = uint64(ints[i, _ACQUIRER_KEY]) if sought[k, 3] else nothing
            keys[i, k] = entry_key(sought[k, 0], acquirer, own) if own != nothing else nothing
            if own != nothing:
                prefetch(slots.keys, first_slot(keys[i, k], size))
    for i in range(len(ints)):
        second = at_ms[i] // 1000
        for k in range(len(sought)):
            key = keys[i, k]
            if key == nothing:
                continue
            at = first_slot(key, size)
            while slots.keys[at] != nothing:
                if slots.keys[at] == key and whole(slots.since[at]) <= second < whole(slots.until[at]):
                    if found < len(pairs):
                        pairs[found, 0] = i
                        pairs[found, 1] = whole(slots.numbers[at])
                    found += 1
                at = at + 1 if at + 1 < size else 0
    return found


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def find(
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        at_ms: NDArray[np.int64],
        sought: NDArray[np.int64],
        joined: int,
        slots: Slots,
        keys: NDArray[np.uint64],
        pairs: NDArray[np.int64],
    ) -> int:
        """Write pairs of event and list, int64[m, 2], as far as they fit; return their number."""
        batch = borrow((ints, hashes, at_ms, sought))
        return 0 * key + _find(*batch, joined, borrow(slots), *borrow((keys, pairs)))

    @entry
    def add(slots: Slots, entries: Slots, count: int) -> int:
        """Add entries; return the number of those that were not: the value has PERIODS_MAX in its list already."""
        into, new = borrow(slots), borrow(entries)
        beyond = 0 * key
        for i in range(count):
            since, until, number = whole(new.since[i]), whole(new.until[i]), whole(new.numbers[i])
            if put(into, new.keys[i], since, until, number) > PERIODS_MAX:
                beyond += 1
        return beyond

    @entry
    def move(slots: Slots, into: Slots) -> int:
        """Copy all entries into a larger table. Both are nearly in the order of their keys."""
        old, new = borrow(slots), borrow(into)
        for i in range(len(old.keys)):
            if old.keys[i] != uint64(0):
                put(new, old.keys[i], whole(old.since[i]), whole(old.until[i]), whole(old.numbers[i]))
        return 0 * key

    return find, add, move


_find_batch, _add, _move = _compile(revision("scoring.lists", "scoring.decode.hashing"))


class ListTable:
    """Entries of all lists, by the hash of what they name. `joined`: entities whose keys leave the acquirer out."""

    def __init__(self, joined: frozenset[int] = frozenset()) -> None:
        self._slots = empty_slots(_SIZE_MIN)
        self._count = 0
        self._joined = sum(1 << int(entity) for entity in joined)
        self._sought: dict[tuple[int, bool], tuple[int, int, int, int]] = {}
        self._plan = np.empty((0, 4), dtype=np.int64)
        self._pairs = np.empty((_PAIRS_MIN, 2), dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of all slots."""
        return ENTRY_BYTES * len(self._slots.keys)

    def seek(self, kind: str, is_of_acquirer: bool) -> None:
        """Look up a kind from now on: among the entries for the event's own acquirer, or those for all."""
        number, place = KINDS.index(kind), PLACES[kind]
        self._sought[number, is_of_acquirer] = (number, place.entity, place.column, int(is_of_acquirer))
        self._plan = np.array(sorted(self._sought.values()), dtype=np.int64)

    def add(self, entries: Slots, count: int) -> int:
        """Add the first `count` entries. Return the number of those that were refused: see PERIODS_MAX.

        A table that is full moves into one that is larger by a quarter: 10 to 20 ns an entry, for which nothing else
        runs.
        """
        needed = self._count + count
        if needed > _LOAD * len(self._slots.keys):
            larger = empty_slots(max(int(needed / _LOAD) + 1, int(len(self._slots.keys) * _GROWTH)))
            _move(self._slots, larger)
            self._slots = larger
        refused = _add(self._slots, entries, count)
        self._count += count - refused
        return refused

    def find(self, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lists with an entry in force for each event: int64[m, 2] of (row, number of the list), by row.

        `ints` int64[n, Col] and `hashes` uint64[n, KEYS] are those of the decoded batch, `at_ms` int64[n] in ms since
        the epoch. The result is valid until the next call. A list may stand twice if its periods overlap.
        """
        keys = np.empty((len(ints), len(self._plan)), dtype=np.uint64)
        while True:
            found = _find_batch(ints, hashes, at_ms, self._plan, self._joined, self._slots, keys, self._pairs)
            if found <= len(self._pairs):
                return self._pairs[:found]
            self._pairs = np.empty((2 * found, 2), dtype=np.int64)
