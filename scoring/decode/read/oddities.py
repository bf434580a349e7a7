"""Count unknown and repeated keys of a batch while records are read, up to a limit.

The walk counts unknown keys when it skips them. The keys of a record that the walk leaves are read here, without
values.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.decode.read.fields import CHILD, KEYS_FROM, KIND, OBJECT, TABLE, Slate
from scoring.decode.read.lexicon import MIX, cut, eight_bytes
from scoring.decode.read.words import look_up
from scoring.jit import helper

KEY_MAX: Final = 64
"""Bytes of a key: longer ones are near no name of the contract."""

KEYS_MAX: Final = 48
"""Different unknown keys of a batch; further ones are not counted."""

SLOTS: Final = 64

TAG: Final = 0  # columns of the notes: hash of object and key, 0 for a free slot
NODE: Final = 1  # the object of the contract that has the key
START: Final = 2  # its first place in the page
STOP: Final = 3
COUNT: Final = 4  # records that have it
LAST: Final = 5  # the last of these records

SUMS: Final = SLOTS  # the last row holds sums
TAKEN: Final = 0  # slots
REPEATED: Final = 1  # records in which an object has a key twice
REPEATED_IN: Final = 2  # the last of these records, from 1

_SHIFT: Final = 58


def blank_notes() -> NDArray[np.int64]:
    """Make room for the notes of one batch: int64[SLOTS + 1, 6]."""
    return np.zeros((SLOTS + 1, LAST + 1), dtype=np.int64)


@helper
def note_repeated(reading: int, notes: NDArray[np.int64]) -> None:
    """Count a record once. `reading` is twice its number, plus 1 in the survey."""
    record = (reading >> 1) + 1
    if notes[SUMS, REPEATED_IN] != record:
        notes[SUMS, REPEATED_IN] = record
        notes[SUMS, REPEATED] += 1


@helper
def note_unknown(start: int, stop: int, node: int, reading: int, slate: Slate) -> None:
    """Note the unknown key data[start:stop] of an object; the survey does not count again what the walk has counted."""
    notes = slate.notes
    length = stop - start
    if length > KEY_MAX:
        return
    mixed, at = np.uint64(node << 8 | length), start
    while at < stop:
        mixed = (mixed ^ np.uint64(cut(eight_bytes(slate.data, at), stop - at))) * np.uint64(MIX[0])
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(MIX[1])
        at += 8
    tag = np.int64(mixed >> np.uint64(1)) + 1
    slot = np.int64(mixed >> np.uint64(_SHIFT))
    while notes[slot, TAG] != 0 and notes[slot, TAG] != tag:
        slot = (slot + 1) & (SLOTS - 1)
    if notes[slot, TAG] == 0:
        if notes[SUMS, TAKEN] == KEYS_MAX:
            return
        notes[SUMS, TAKEN] += 1
        notes[slot, TAG], notes[slot, NODE] = tag, node
        notes[slot, START], notes[slot, STOP] = start, stop
        notes[slot, LAST] = -1
    last = notes[slot, LAST]
    notes[slot, LAST] = reading
    if last == reading:
        note_repeated(reading, notes)
    elif reading & 1 == 0 or last != reading - 1:
        notes[slot, COUNT] += 1


@helper
def survey(start: int, stop: int, reading: int, slate: Slate, nodes: NDArray[np.int64]) -> None:
    """Note the keys of data[start:stop], which the walk has left, up to its first fault.

    `nodes` int64[DEPTH] is scratch memory.
    """
    data, seen = slate.data, slate.seen
    i, level = _after_space(data, start, stop), 0
    if i >= stop or data[i] != 123:
        return
    nodes[0] = 0
    i += 1
    while True:
        i = _after_space(data, i, stop)
        if i >= stop:
            return
        if data[i] == 44:
            i += 1
        elif data[i] == 125:
            level -= 1
            i += 1
            if level < 0:
                return
        elif data[i] == 34:
            end = _string_end(data, i + 1, stop)
            if end >= stop:
                return
            field = look_up(data, i + 1, end, KEYS_FROM + nodes[level])
            if field < 0:
                note_unknown(i + 1, end, nodes[level], reading, slate)
            elif seen[field] == reading:
                note_repeated(reading, slate.notes)
            else:
                seen[field] = reading
            i = _after_space(data, end + 1, stop)
            if i >= stop or data[i] != 58:
                return
            i = _after_space(data, i + 1, stop)
            if field >= 0 and i < stop and data[i] == 123 and TABLE[field, KIND] == OBJECT:
                level += 1
                nodes[level] = TABLE[field, CHILD]
                i += 1
            else:
                i = _value_end(data, i, stop)
        else:
            return


@helper
def _after_space(data: NDArray[np.uint8], i: int, stop: int) -> int:
    while i < stop and data[i] <= 32:
        i += 1
    return i


@helper
def _string_end(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Find the quote that ends a string; `stop` if there is none."""
    while i < stop and data[i] != 34:
        i += 2 if data[i] == 92 else 1
    return min(i, stop)


@helper
def _value_end(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Find the comma or the bracket after any value; `stop` if there is none."""
    depth = 0
    while i < stop:
        byte = data[i]
        if depth == 0 and (byte == 44 or byte == 125 or byte == 93):
            return i
        if byte == 34:
            i = _string_end(data, i + 1, stop)
        elif byte == 123 or byte == 91:
            depth += 1
        elif byte == 125 or byte == 93:
            depth -= 1
        i += 1
    return stop
