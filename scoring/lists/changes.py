"""Changes of a table of entries in the order of their records: end an entry, and put another in its place."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, revision, whole
from scoring.lists.slots import PERIODS_MAX, Slots, empty_slots, first_slot, put

KEEP_S: Final = 7 * 86_400
"""Seconds for which an entry that has ended is kept: events that are applied again find it."""

_LOAD: Final = 0.8


@helper
def _end(slots: Slots, key: uint64, number: int, at: int) -> None:
    """End the periods of a key in a list at a second: those in force, and those to come."""
    size, place = len(slots.keys), first_slot(key, len(slots.keys))
    while slots.keys[place] != uint64(0):
        if slots.keys[place] == key and whole(slots.numbers[place]) == number and whole(slots.until[place]) > at:
            slots.until[place] = at  # it may lie before the beginning: then no time is inside
        place = place + 1 if place + 1 < size else 0


@helper
def _begin(slots: Slots, key: uint64, since: int, until: int, number: int, room: int, at: int) -> int:
    """Add a period. Return 1 if it took an empty slot, 0 if that of an ended one, -1 if `room` is 0 and it needs one.

    The slot of the period that ended first is used again if it ended KEEP_S before `at`, or there are PERIODS_MAX.
    """
    size, place, same, first = len(slots.keys), first_slot(key, len(slots.keys)), 0, -1
    while slots.keys[place] != uint64(0):
        if slots.keys[place] == key and whole(slots.numbers[place]) == number:
            same += 1
            if first < 0 or whole(slots.until[place]) < whole(slots.until[first]):
                first = place
        place = place + 1 if place + 1 < size else 0
    is_new = first < 0 or (same < PERIODS_MAX and whole(slots.until[first]) > at - KEEP_S)
    if is_new and room <= 0:
        return -1
    if not is_new:
        place = first
    slots.keys[place] = key
    slots.since[place] = since
    slots.until[place] = until
    slots.numbers[place] = number
    return 1 if is_new else 0


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def change(slots: Slots, changes: Slots, at: NDArray[np.int64], room: int, is_beyond: NDArray[np.bool_]) -> int:
        """Apply changes in their order; return the number of slots that they took, at most `room`.

        Each ends the entry of its key and list at second `at`, int64[n]. One with a period then adds it, from `at` on
        at the earliest. `is_beyond` bool[n], overwritten: no slot was left for it.
        """
        into, new = borrow(slots), borrow(changes)
        seconds, beyond = borrow((at, is_beyond))
        taken = 0 * key
        for i in range(len(seconds)):
            number, second = whole(new.numbers[i]), seconds[i]
            _end(into, new.keys[i], number, second)
            since, until = max(whole(new.since[i]), second), whole(new.until[i])
            beyond[i] = False
            if since < until:
                found = _begin(into, new.keys[i], since, until, number, room - taken, second)
                beyond[i] = found < 0
                taken += max(found, 0)
        return taken

    @entry
    def live(slots: Slots, into: Slots, after: int) -> int:
        """Copy the entries that end after a second into an empty table of the same size; return their number."""
        old, new = borrow(slots), borrow(into)
        count = 0 * key
        for i in range(len(old.keys)):
            if old.keys[i] != uint64(0) and whole(old.until[i]) > after:
                put(new, old.keys[i], whole(old.since[i]), whole(old.until[i]), whole(old.numbers[i]))
                count += 1
        return count

    return change, live


_change, _live = _compile(revision("scoring.lists", "scoring.decode.hashing"))


class ChangingSlots:
    """Slots for a limited number of entries, which change one by one. They never move but to forget ended entries."""

    def __init__(self, entries_max: int) -> None:
        self.slots = empty_slots(int(entries_max / _LOAD) + 1)
        self.count = 0
        self._max = entries_max
        self.change(empty_slots(0), np.empty(0, dtype=np.int64))  # the kernels compile now, and not while payments wait
        _live(empty_slots(1), empty_slots(1), 0)

    def change(self, changes: Slots, at_s: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Apply changes in their order. Return for which of them there was no room: bool[n].

        `changes`: key, number of the list, and the new period, empty for a removal. `at_s` int64[n]: the second from
        which each counts.
        """
        beyond = np.zeros(len(at_s), dtype=np.bool_)
        if self.count + len(at_s) > self._max:
            self._forget(int(at_s.max()) - KEEP_S)
        self.count += _change(self.slots, changes, at_s, self._max - self.count, beyond)
        return beyond

    def _forget(self, after_s: int) -> None:
        """Forget entries that ended before a second. About 20 ns an entry, while nothing else runs."""
        kept = empty_slots(len(self.slots.keys))
        self.count = _live(self.slots, kept, after_s)
        self.slots = kept
