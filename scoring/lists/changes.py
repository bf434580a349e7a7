"""Changes of a table of entries in the order of their records: end an entry, and put another in its place."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, revision, whole
from scoring.lists.slots import PERIODS_MAX, Slots, empty_slots, first_slot

KEEP_S: Final = 7 * 86_400
"""Seconds for which an entry that has ended is kept: events that are applied again find it."""

_LOAD: Final = 0.8

SWEEP_MIN: Final = 16_384
"""Least slots that a call looks at for entries to forget: less than a millisecond."""

SWEEP_EACH: Final = 64
"""Slots for each change of a call. So all slots of a table for ten million entries are seen within 200,000 changes."""


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


@helper
def _remove(slots: Slots, hole: int) -> None:
    """Empty a slot, and move later entries forward so that the search of each still finds it (Knuth, 6.4, R)."""
    size = len(slots.keys)
    at = hole + 1 if hole + 1 < size else 0
    while slots.keys[at] != uint64(0):
        first = first_slot(slots.keys[at], size)
        is_reached = hole < first <= at if hole < at else hole < first or first <= at
        if not is_reached:  # its search passes the hole
            slots.keys[hole], slots.since[hole] = slots.keys[at], slots.since[at]
            slots.until[hole], slots.numbers[hole] = slots.until[at], slots.numbers[at]
            hole = at
        at = at + 1 if at + 1 < size else 0
    slots.keys[hole] = uint64(0)


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
    def sweep(slots: Slots, first: int, count: int, after: int) -> int:
        """Remove the entries of `count` slots from `first` on that ended by a second; return their number."""
        into, at, removed = borrow(slots), first, 0 * key
        while count > 0:
            if into.keys[at] != uint64(0) and whole(into.until[at]) <= after:
                _remove(into, at)  # another entry may be in its slot now: look again
                removed += 1
            else:
                at = at + 1 if at + 1 < len(into.keys) else 0
                count -= 1
        return removed

    return change, sweep


_change, _sweep = _compile(revision("scoring.lists", "scoring.decode.hashing"))


class ChangingSlots:
    """Slots for a limited number of entries, which change one by one. The table never moves.

    From 7/8 of the limit on, each call looks at some slots and removes the entries that ended KEEP_S ago.
    """

    def __init__(self, entries_max: int) -> None:
        self.slots = empty_slots(int(entries_max / _LOAD) + 1)
        self.count = 0
        self._max = entries_max
        self._next = 0
        self.change(empty_slots(0), np.empty(0, dtype=np.int64))  # the kernels compile now, and not while payments wait
        _sweep(self.slots, 0, 0, 0)

    def change(self, changes: Slots, at_s: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Apply changes in their order. Return for which of them there was no room: bool[n].

        `changes`: key, number of the list, and the new period, empty for a removal. `at_s` int64[n]: the second from
        which each counts.
        """
        beyond = np.zeros(len(at_s), dtype=np.bool_)
        if len(at_s) and self.count + len(at_s) > self._max - self._max // 8:
            self._forget(max(SWEEP_MIN, SWEEP_EACH * len(at_s)), int(at_s.max()) - KEEP_S)
        self.count += _change(self.slots, changes, at_s, self._max - self.count, beyond)
        return beyond

    def _forget(self, slots: int, until_s: int) -> None:
        """Look at the next slots, and forget entries that ended by a second."""
        size = len(self.slots.keys)
        looked = min(slots, size)
        self.count -= _sweep(self.slots, self._next, looked, until_s)
        self._next = (self._next + looked) % size
