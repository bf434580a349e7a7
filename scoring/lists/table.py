"""The table of entries: looked up for a whole batch by one kernel.

Memory: 18 bytes a slot, at most 80% of the slots used: 22.5 bytes an entry where their number was known before. Else a
step of growth is a quarter: 23 to 28 bytes an entry, and 51 while the table moves into a larger one. Keys have 64 bits.
With ten million entries a value that is in no list meets a wrong entry with a chance of 5e-13; that two entries share a
key has a chance of 3e-6.
"""

from collections.abc import Callable
from itertools import chain as chained
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, chain, prefix_key, present, unchained
from scoring.jit import borrow, entry, helper, prefetch, revision, whole
from scoring.lists.kinds import PLACES
from scoring.lists.slots import ENTRY_BYTES, PERIODS_MAX, Slots, empty_slots, first_slot, put

_LOAD: Final = 0.8
_GROWTH: Final = 1.25
_SIZE_MIN: Final = 64
_ACQUIRER_KEY: Final = int(Col.ACQUIRER_KEY)
_CARD_KEY: Final = CARD_KEY
_PAIRS_MIN: Final = 256
_BLOCK: Final = 64
"""Events whose slots are asked for together: so many lines of memory stay in the first cache until they are read."""

_TAG, _ENTITY, _COLUMN, _OWN, _SAME, _DIGITS = range(6)
"""Columns of the plan of a look-up: tag of the kind, its entity or column, 1 for entries of the event's own acquirer,
1 where the key of the entity is that of the entry, and the digits to which the value is shortened, 0 for the whole.
"""


@helper
def _keys(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    plan: NDArray[np.int64],
    lefts: NDArray[np.uint64],
    slots: Slots,
    keys: NDArray[np.uint64],
    rows: tuple[int, int],
) -> None:
    """Write the keys of what each event carries, 0 absent, and ask memory for their slots, so that the waits overlap.

    The key of an entity is that of an entry, if both contain the acquirer or both leave it out. Else the hash of the
    value is taken out of it and joined with the other left part. Most events have the acquirer of the event before, so
    the left parts stay.
    """
    size, nothing, last = len(slots.keys), uint64(0), uint64(0)
    for i in range(rows[0], rows[1]):
        acquirer = uint64(ints[i, _ACQUIRER_KEY])
        if i == rows[0] or acquirer != last:
            last = acquirer
            for k in range(len(plan)):
                tag = uint64(plan[k, _TAG])
                lefts[k, 0] = chain(tag, acquirer if plan[k, _OWN] else nothing)
                lefts[k, 1] = chain(tag, nothing if plan[k, _OWN] else acquirer)
        for k in range(len(plan)):
            entity = plan[k, _ENTITY]
            if entity >= 0:
                key = hashes[i, _CARD_KEY + entity]
                if key != nothing and (plan[k, _DIGITS] or not plan[k, _SAME]):
                    own = unchained(lefts[k, 0] if plan[k, _SAME] else lefts[k, 1], key)
                    if plan[k, _DIGITS]:
                        own = prefix_key(own, plan[k, _DIGITS])
                    key = present(chain(lefts[k, 0], own)) if own != nothing else nothing
            else:
                own = uint64(ints[i, plan[k, _COLUMN]])
                key = present(chain(lefts[k, 0], own)) if own != nothing else nothing
            keys[i, k] = key
            if key != nothing:
                prefetch(slots.keys, first_slot(key, size))


@helper
def _find(
    at_ms: NDArray[np.int64],
    slots: Slots,
    keys: NDArray[np.uint64],
    pairs: NDArray[np.int64],
    rows: tuple[int, int],
    found: int,
) -> int:
    """Look up the keys of each event. `found`: pairs before these; return their number after them."""
    size, nothing = len(slots.keys), uint64(0)
    for i in range(rows[0], rows[1]):
        second = at_ms[i] // 1000
        for k in range(keys.shape[1]):
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
        plan: NDArray[np.int64],
        slots: Slots,
        keys: NDArray[np.uint64],
        pairs: NDArray[np.int64],
    ) -> int:
        """Write pairs of event and list, int64[m, 2], as far as they fit; return their number."""
        lefts = np.empty((len(plan), 2), dtype=np.uint64)
        events, into = borrow((ints, hashes, plan, lefts)), borrow(slots)
        times, places, out = borrow((at_ms, keys, pairs))
        found = 0 * key
        for start in range(0, len(at_ms), _BLOCK):
            rows = start, min(start + _BLOCK, len(at_ms))
            _keys(*events, into, places, rows)
            found = _find(times, into, places, out, rows, found)
        return found

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


class LookUps:
    """Look up events by the kinds of values that lists name. `joined`: entities whose keys leave the acquirer out."""

    def __init__(self, joined: frozenset[int]) -> None:
        self._joined = joined
        self._sought: dict[tuple[str, bool], list[tuple[int, ...]]] = {}
        self._plan = np.empty((0, 6), dtype=np.int64)
        self._pairs = np.empty((_PAIRS_MIN, 2), dtype=np.int64)

    def seek(self, kind: str, is_of_acquirer: bool) -> None:
        """Look up a kind from now on: among the entries for the event's own acquirer, or those for all."""
        place = PLACES[kind]
        is_same = place.entity >= 0 and is_of_acquirer == (place.entity not in self._joined)
        look_up = (place.tag, place.entity, place.column, int(is_of_acquirer), int(is_same))
        self._sought[kind, is_of_acquirer] = [(*look_up, digits) for digits in (0, *place.shorter)]
        self._plan = np.array(sorted(chained(*self._sought.values())), dtype=np.int64)

    def find(
        self, slots: Slots, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the lists with an entry in force for each event: int64[m, 2] of (row, number of the list), by row.

        `ints` int64[n, Col] and `hashes` uint64[n, KEYS] are those of the decoded batch, `at_ms` int64[n] in ms since
        the epoch. The result is valid until the next call. A list may stand twice if its periods overlap.
        """
        keys = np.empty((len(ints), len(self._plan)), dtype=np.uint64)
        while True:
            found = _find_batch(ints, hashes, at_ms, self._plan, slots, keys, self._pairs)
            if found <= len(self._pairs):
                return self._pairs[:found]
            self._pairs = np.empty((2 * found, 2), dtype=np.int64)


class ListTable:
    """Entries of all lists, by the hash of what they name. `joined`: entities whose keys leave the acquirer out."""

    def __init__(self, joined: frozenset[int] = frozenset()) -> None:
        self._slots = empty_slots(_SIZE_MIN)
        self._count = 0
        self._look_ups = LookUps(joined)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of all slots."""
        return ENTRY_BYTES * len(self._slots.keys)

    def seek(self, kind: str, is_of_acquirer: bool) -> None:
        """Look up a kind from now on, as `LookUps` does."""
        self._look_ups.seek(kind, is_of_acquirer)

    def add(self, entries: Slots, count: int) -> int:
        """Add the first `count` entries. Return the number of those that were refused: see PERIODS_MAX.

        A table that is full moves into one that is larger by a quarter; `reserve` avoids it.
        """
        needed = self._count + count
        if needed > _LOAD * len(self._slots.keys):
            self.reserve(max(needed, int(self._count * _GROWTH)))
        refused = _add(self._slots, entries, count)
        self._count += count - refused
        return refused

    def reserve(self, entries: int) -> None:
        """Make room for a number of entries in all. While the table moves, 10 to 20 ns an entry, nothing else runs."""
        size = int(entries / _LOAD) + 1
        if size > len(self._slots.keys):
            larger = empty_slots(size)
            _move(self._slots, larger)
            self._slots = larger

    def find(self, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return pairs of event and list, as `LookUps.find` does."""
        return self._look_ups.find(self._slots, ints, hashes, at_ms)
