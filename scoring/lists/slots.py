"""Slots of a table of entries, and how kernels find and fill them.

Open addressing with linear probing. The first slot of a key is its upper half, scaled to the number of slots, so any
number of slots will do, and slots are nearly in the order of their keys: a move into a larger table reads and writes
both from front to back. A key may have several entries: of several lists, or several periods of one.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.decode.hashing import chain, present
from scoring.jit import helper, whole

ENTRY_BYTES: Final = 18
"""Bytes of a slot."""

PERIODS_MAX: Final = 16
"""Most entries of one value in one list. More would make the searches of all others slow."""


class Slots(NamedTuple):
    """Arrays of one length: `keys` uint64, 0 empty; `since` and `until` uint32, seconds since the epoch; `numbers`
    uint16, those of the lists.
    """

    keys: NDArray[np.uint64]
    since: NDArray[np.uint32]
    until: NDArray[np.uint32]
    numbers: NDArray[np.uint16]


def empty_slots(size: int) -> Slots:
    """Return slots without an entry."""
    return Slots(
        keys=np.zeros(size, dtype=np.uint64),
        since=np.zeros(size, dtype=np.uint32),
        until=np.zeros(size, dtype=np.uint32),
        numbers=np.zeros(size, dtype=np.uint16),
    )


def copy(entries: Slots, rows: Sequence[int], into: Slots, places: Sequence[int]) -> None:
    """Copy the entries of some rows to places of others."""
    into.keys[places] = entries.keys[rows]
    into.since[places] = entries.since[rows]
    into.until[places] = entries.until[rows]
    into.numbers[places] = entries.numbers[rows]


@helper
def entry_key(tag: int, acquirer: uint64, own: uint64) -> uint64:
    """Return the key of a value by the hash of its text: that of the entity, where the kind is one.

    `tag`: that of the kind. `acquirer`: the hash of the list's acquirer, 0 for all.
    """
    return present(chain(chain(uint64(tag), acquirer), own))


@helper
def first_slot(key: uint64, size: int) -> int:
    """Return where the search of a key begins."""
    return whole(((key >> uint64(32)) * uint64(size)) >> uint64(32))


@helper
def put(slots: Slots, key: uint64, since: int, until: int, number: int) -> int:
    """Add an entry. There must be an empty slot. Return how many of this key and list there are now.

    Beyond PERIODS_MAX nothing is added.
    """
    size = len(slots.keys)
    at, same = first_slot(key, size), 1
    while slots.keys[at] != uint64(0):
        if slots.keys[at] == key and whole(slots.numbers[at]) == number:
            same += 1
            if same > PERIODS_MAX:
                return same
        at = at + 1 if at + 1 < size else 0
    slots.keys[at] = key
    slots.since[at] = since
    slots.until[at] = until
    slots.numbers[at] = number
    return same
