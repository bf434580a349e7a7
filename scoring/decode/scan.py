"""First stage of the guard: one compiled pass over the raw bytes of a batch marks suspect records.

It reads bytes, not JSON values, so nothing is hidden by unknown fields, keys, repeated keys or invalid JSON. The second
stage uses the same test of digits on decoded strings.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.decode.characters import (
    BYTE_CLASSES,
    CHARACTER_KINDS,
    ESCAPED,
    ODD,
    RUN,
    SPECIAL,
    inner_mark,
    outer_mark,
)
from scoring.decode.digits import DIGITS_ROOM, RUN_MIN, groups_end, judge_groups, judge_run, run_end
from scoring.decode.sensitive import NAME_ENDS, NAME_SLOTS, name_mark
from scoring.jit import entry, helper, rare, revision

DEEP: Final = 16
"""Mark of a record that nests too deeply, beside PAN and TRACK (`digits`), ODD (`characters`), NAMED (`sensitive`)."""

_OWN_MARKS: Final = 31
_STRIDE: Final = RUN_MIN - 2
_RECORDS: Final = 0
_TEXT: Final = 1
_ID: Final = 2


@helper
def _find_special(
    data: NDArray[np.uint8], start: int, high: int, classes: NDArray[np.uint8], places: NDArray[np.int64]
) -> int:
    """List the special bytes of data[start:high] in `places`; return their number.

    It has no branch for each string: that would cost more than reading all bytes.
    """
    count = 0
    for i in range(start, high):
        places[count] = i
        count += classes[data[i]] & SPECIAL
    return count


@helper
def _structure_marks(
    data: NDArray[np.uint8],
    high: int,
    depth_max: int,
    kinds: NDArray[np.uint8],
    ends: NDArray[np.bool_],
    slots: NDArray[np.uint64],
    places: NDArray[np.int64],
    count: int,
) -> int:
    """Read a record as JSON up to its first fault: names, depth, numbers with exponents, characters that may hide
    digits.

    The work for each string is inlined by hand: a call would count references to its arrays.
    """
    marks, depth, k = 0, 0, 0
    while k < count:
        i = places[k]
        k += 1
        byte = data[i]
        if byte == 34:
            first, after, found = i + 1, 0, 0
            i = high
            while k < count:
                j = places[k]
                k += 1
                if j >= after:
                    if data[j] == 34:
                        i = j
                        break
                    after, mark = inner_mark(data, high, j, kinds)
                    found |= mark
            marks |= found
            if i + 1 < high and data[i + 1] <= 58 and i > first:  # a colon, or white space before it
                begin, end = data[first], data[i - 1]
                pair = (begin & 31) << 5 | (end & 31)
                if found | ends[pair] or begin < 48 or begin == 95 or end < 48 or end == 95:
                    marks |= name_mark(data, high, first, i, found, slots)
        elif byte == 123 or byte == 91:
            depth += 1
            if depth > depth_max:
                marks |= DEEP
        elif byte == 125 or byte == 93:
            depth -= 1
        else:
            marks |= outer_mark(data, high, i)
        until = places[k] if k < count else high
        for e in range(i + 2, until):  # numbers between two strings: most have no special byte
            if (data[e] == 69 or data[e] == 101) and 48 <= data[e - 1] <= 57:
                marks |= ODD
    return marks


@helper
def digit_marks(
    data: NDArray[np.uint8], start: int, high: int, classes: NDArray[np.uint8], digits: NDArray[np.uint8]
) -> int:
    """Judge the runs of digits of a record without escapes.

    Every run of 13 digits covers three bytes from a multiple of 11 on, so only those are tested: three at a time,
    because a branch for each single digit or separator costs more. A line feed follows each record.
    """
    marks, i, done = 0, start + _STRIDE - 1, start
    while i < high:
        if classes[data[i]] & classes[data[i + 1]] & classes[data[i + 2]] & RUN == 0:
            i += _STRIDE
            continue
        a, z = i, i + 1
        while a > done and classes[data[a - 1]] & RUN:
            a -= 1
        while z < high and classes[data[z]] & RUN:
            z += 1
        if z - a >= RUN_MIN:
            marks |= _judge_runs(data, start, high, a, z, True, digits)
        done = z
        i = z + _STRIDE
    return marks


@rare
def _judge_runs(
    data: NDArray[np.uint8], low: int, high: int, a: int, z: int, is_id: bool, digits: NDArray[np.uint8]
) -> int:
    """Judge the runs that begin in data[a:z]; bytes before `low` and from `high` on are not part of the text."""
    marks, judged = 0, a
    while a < z:
        if 48 <= data[a] <= 57:
            end, count = run_end(data, high, a)
            if count >= RUN_MIN:
                marks |= judge_run(data, low, high, a, end, is_id, digits)
            if a >= judged:
                judged, count, odd = groups_end(data, high, a)
                if odd and count >= RUN_MIN:
                    marks |= judge_groups(data, low, high, a, judged, is_id, digits)
            a = end
        else:
            a += 1
    return marks


@helper
def _escaped_digit_marks(data: NDArray[np.uint8], start: int, high: int, digits: NDArray[np.uint8]) -> int:
    """Judge the runs of digits of a record with escapes: an escape ends a text."""
    marks, low, i = 0, start, start
    while i < high:
        z = i
        while z < high and data[z] != 92:
            z += 1
        marks |= _judge_runs(data, low, z, i, z, True, digits)
        i = z + 6 if z + 1 < high and data[z + 1] == 117 else z + 2
        low = i
    return marks


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def batch(
        data: NDArray[np.uint8],
        stops: NDArray[np.int64],
        size_max: int,
        depth_max: int,
        classes: NDArray[np.uint8],
        kinds: NDArray[np.uint8],
        ends: NDArray[np.bool_],
        slots: NDArray[np.uint64],
        marks: NDArray[np.uint8],
        text: int,
    ) -> int:
        """Mark every record of a batch, one byte apart; return the number of marked records.

        With `text` (_TEXT or _ID), judge every run of digits of one text instead and return its marks. A second entry
        point would compile the same helpers again.
        """
        digits = np.zeros(DIGITS_ROOM, dtype=np.uint8)
        if text != _RECORDS:
            return _judge_runs(data, 0 * key, data.shape[0], 0, data.shape[0], text == _ID, digits)
        places = np.empty(size_max, dtype=np.int64)
        start, found = 0, 0 * key
        for r in range(stops.shape[0]):
            stop = stops[r]
            count = _find_special(data, start, stop, classes, places)
            mark = _structure_marks(data, stop, depth_max, kinds, ends, slots, places, count)
            if mark & ESCAPED:
                mark |= _escaped_digit_marks(data, start, stop, digits)
            else:
                mark |= digit_marks(data, start, stop, classes, digits)
            marks[r] = mark & _OWN_MARKS
            found += marks[r] != 0
            start = stop + 1
        return found

    return batch


_scan = _compile(revision("scoring.decode"))
_NO_STOPS: Final = np.empty(0, dtype=np.int64)
_NO_MARKS: Final = np.empty(0, dtype=np.uint8)
_TABLES: Final = (BYTE_CLASSES, CHARACTER_KINDS, NAME_ENDS, NAME_SLOTS)


def scan_batch(joined: bytes, stops: NDArray[np.int64], size_max: int, depth_max: int) -> NDArray[np.uint8] | None:
    """Mark the records of `joined` that end at `stops`, one byte apart; None if no record is marked."""
    marks = np.empty(len(stops), dtype=np.uint8)
    data = np.frombuffer(joined, dtype=np.uint8)
    found = _scan(data, stops, size_max + 1, depth_max, *_TABLES, marks, _RECORDS)
    return marks if found else None


def scan_text(text: bytes, is_id: bool = False) -> int:
    """Judge a text whose digits are ASCII: bits PAN and TRACK."""
    data = np.frombuffer(text, dtype=np.uint8)
    return int(_scan(data, _NO_STOPS, 0, 0, *_TABLES, _NO_MARKS, _ID if is_id else _TEXT))
