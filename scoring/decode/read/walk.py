"""Parse one record strictly, as JSON of the contract.

The walk ends at anything unusual: a repeated key, an escape in a text that is needed, a number with a fraction, a type
or bound that the contract does not have. msgspec then reads the record again and decides. So the walk may leave any
record, but may accept only what msgspec accepts, with the same meaning.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.decode.read.fields import (
    CHILD,
    COLUMN,
    FLAG,
    FORM,
    KEYS_FROM,
    KIND,
    LEAST,
    MOST,
    NOTHING,
    NULLABLE,
    OBJECT,
    REQUIRED,
    REQUIRED_OF,
    SPAN,
    TABLE,
    TEXT,
    TIME,
    WHOLE,
    Slate,
)
from scoring.decode.read.lexicon import eight_bytes
from scoring.decode.read.meaning import take_text
from scoring.decode.read.oddities import note_unknown
from scoring.decode.read.times import time_of
from scoring.decode.read.words import look_up
from scoring.jit import helper, trailing_zeros, whole

_NONE: Final = -1
_SKIP_DEPTH_MAX: Final = 32
_DIGITS_MAX: Final = 17
_ONES: Final = np.uint64(0x0101010101010101)
_SPACES: Final = np.uint64(0x2020202020202020)
_QUOTES: Final = np.uint64(0x2222222222222222)
_BACKSLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_TOPS: Final = np.uint64(0x8080808080808080)
_ESCAPES: Final = (34, 92, 47, 98, 102, 110, 114, 116)  # quote, backslash, slash, b f n r t


@helper
def _after_blanks(data: NDArray[np.uint8], i: int, stop: int) -> int:
    while i < stop and (data[i] == 32 or data[i] == 10 or data[i] == 13 or data[i] == 9):
        i += 1
    return i


@helper
def _plain_end(data: NDArray[np.uint8], start: int, stop: int) -> int:
    """Find the first special byte of a string from `start` on; `stop` or later if there is none.

    Eight bytes a step: the top bit of each byte of `odd` is set if the byte is beyond ASCII, DEL, a control character,
    a quote or a backslash. Only an odd byte can cause a carry or borrow, so the first set bit is exact.
    """
    i = start
    while i < stop:
        word = np.uint64(eight_bytes(data, i))
        odd = word | (word + _ONES) | (word - _SPACES)
        odd = (odd | ((word ^ _QUOTES) - _ONES) | ((word ^ _BACKSLASHES) - _ONES)) & _TOPS
        if odd:
            return i + (trailing_zeros(odd) >> 3)
        i += 8
    return i


@helper
def _is_word(data: NDArray[np.uint8], i: int, stop: int, a: int, b: int, c: int, d: int) -> bool:
    return i + 4 <= stop and data[i] == a and data[i + 1] == b and data[i + 2] == c and data[i + 3] == d


@helper
def _characters(data: NDArray[np.uint8], start: int, stop: int) -> tuple[int, int]:
    """Find the end of a string with escapes or beyond ASCII: (place of its quote, characters); (-1, 0) if it is
    unusual.
    """
    i, count = start, 0
    while i < stop:
        byte = data[i]
        if byte == 34:
            return i, count
        if byte < 32 or byte == 127:
            return _NONE, 0
        if byte == 92:
            if i + 1 >= stop:
                return _NONE, 0
            kind = data[i + 1]
            if kind == 117:
                if i + 6 > stop:
                    return _NONE, 0
                for k in range(i + 2, i + 6):
                    low = data[k] | 32
                    if not (48 <= data[k] <= 57 or 97 <= low <= 102):
                        return _NONE, 0
                if (data[i + 2] | 32) == 100 and data[i + 3] > 55:  # one half of a surrogate pair
                    return _NONE, 0
                i += 6
            elif kind in _ESCAPES:
                i += 2
            else:
                return _NONE, 0
            count += 1
        else:
            count += 1 if byte & 192 != 128 else 0
            i += 1
    return _NONE, 0


@helper
def _number_end(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Find the end of a plain number, of at most 17 digits before the point and after it; -1 for other numbers."""
    if i < stop and data[i] == 45:
        i += 1
    first = i
    while i < stop and 48 <= data[i] <= 57:
        i += 1
    if i == first or i - first > _DIGITS_MAX or (data[first] == 48 and i - first > 1):
        return _NONE
    if i < stop and data[i] == 46:
        first = i + 1
        i += 1
        while i < stop and 48 <= data[i] <= 57:
            i += 1
        if i == first or i - first > _DIGITS_MAX:
            return _NONE
    if i < stop and (data[i] == 101 or data[i] == 69):
        return _NONE
    return i


@helper
def _leaf_end(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Find the end of the string, number, true, false or null at i; -1 if it is unusual."""
    if i >= stop:
        return _NONE
    if data[i] == 34:
        end, _ = _characters(data, i + 1, stop)
        return _NONE if end < 0 else end + 1
    if _is_word(data, i, stop, 110, 117, 108, 108) or _is_word(data, i, stop, 116, 114, 117, 101):
        return i + 4
    if _is_word(data, i, stop, 102, 97, 108, 115) and i + 4 < stop and data[i + 4] == 101:
        return i + 5
    return _number_end(data, i, stop)


@helper
def _skip(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Find the end of any value; -1 if it is unusual. `inside` has a bit per level, 1 for an object."""
    depth, inside = 0, 0
    while i < stop:
        if data[i] == 123 or data[i] == 91:
            is_object = data[i] == 123
            closing = 125 if is_object else 93
            i = _after_blanks(data, i + 1, stop)
            if i >= stop:
                return _NONE
            if data[i] == closing:
                i += 1
            else:
                depth += 1
                if depth > _SKIP_DEPTH_MAX:
                    return _NONE
                inside = inside << 1 | (1 if is_object else 0)
                if is_object:
                    i = _after_key(data, i, stop)
                    if i < 0:
                        return _NONE
                continue
        else:
            i = _leaf_end(data, i, stop)
            if i < 0:
                return _NONE
        while depth > 0:
            i = _after_blanks(data, i, stop)
            if i >= stop:
                return _NONE
            if data[i] == 44:
                i = _after_blanks(data, i + 1, stop)
                if inside & 1:
                    i = _after_key(data, i, stop)
                    if i < 0:
                        return _NONE
                break
            if data[i] != (125 if inside & 1 else 93):
                return _NONE
            depth -= 1
            inside >>= 1
            i += 1
        if depth == 0:
            return i
    return _NONE


@helper
def _after_key(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Go from the quote of a key to its value; -1 if there is no key."""
    if i >= stop or data[i] != 34:
        return _NONE
    end, _ = _characters(data, i + 1, stop)
    if end < 0:
        return _NONE
    i = _after_blanks(data, end + 1, stop)
    if i >= stop or data[i] != 58:
        return _NONE
    return _after_blanks(data, i + 1, stop)


@helper
def _take_string(field: int, start: int, stop: int, slate: Slate) -> int:
    """Read the string that begins at `start`; return the place after its quote, -1 if msgspec must read it."""
    data = slate.data
    end = _plain_end(data, start, stop)
    if end >= stop:
        return _NONE
    count = end - start
    if data[end] != 34:
        end, count = _characters(data, start, stop)
        if end < 0 or TABLE[field, FORM] != NOTHING or TABLE[field, SPAN] >= 0:
            return _NONE
    if TABLE[field, KIND] == TEXT:
        if count < TABLE[field, LEAST] or count > TABLE[field, MOST]:
            return _after_empty(field, count, end)
        if not take_text(field, start, end, slate):
            return _NONE
        return end + 1
    if TABLE[field, KIND] != TIME:
        return _after_empty(field, count, end)
    at_ms = time_of(data, start, end)
    if at_ms < 0:
        return _after_empty(field, count, end)
    if TABLE[field, COLUMN] >= 0:
        slate.row[TABLE[field, COLUMN]] = at_ms
    return end + 1


@helper
def _after_empty(field: int, count: int, end: int) -> int:
    """Return the place after an empty text in an optional field of any type; -1 for other unusual values."""
    return end + 1 if count == 0 and not TABLE[field, REQUIRED] else _NONE


@helper
def _take_whole(field: int, start: int, stop: int, slate: Slate) -> int:
    """Read the whole number that begins at `start`; return the place after it, -1 if msgspec must read it."""
    data, i, value = slate.data, start, 0
    while i < stop and 48 <= data[i] <= 57 and i - start <= _DIGITS_MAX:
        value = value * 10 + whole(data[i]) - 48
        i += 1
    if i == start or i - start > _DIGITS_MAX or (data[start] == 48 and i - start > 1) or TABLE[field, KIND] != WHOLE:
        return _NONE
    if i < stop and (data[i] == 46 or data[i] == 101 or data[i] == 69):
        return _NONE
    if value < TABLE[field, LEAST] or value > TABLE[field, MOST]:
        return _NONE
    if TABLE[field, COLUMN] >= 0:
        slate.row[TABLE[field, COLUMN]] = value
    return i


@helper
def _take_leaf(field: int, i: int, stop: int, slate: Slate) -> int:
    """Read a value that is no object; return the place after it, -1 if msgspec must read it."""
    data, row = slate.data, slate.row
    byte = data[i]
    if byte == 34:
        return _take_string(field, i + 1, stop, slate)
    if byte == 116 and TABLE[field, KIND] == FLAG and _is_word(data, i, stop, 116, 114, 117, 101):
        if TABLE[field, COLUMN] >= 0:
            row[TABLE[field, COLUMN]] = 1
        return i + 4
    if byte == 102 and TABLE[field, KIND] == FLAG and i + 5 <= stop and data[i + 4] == 101:
        if not _is_word(data, i, stop, 102, 97, 108, 115):
            return _NONE
        if TABLE[field, COLUMN] >= 0:
            row[TABLE[field, COLUMN]] = 0
        return i + 5
    if byte == 110 and TABLE[field, NULLABLE] and _is_word(data, i, stop, 110, 117, 108, 108):
        return i + 4
    return _take_whole(field, i, stop, slate)


@helper
def walk(start: int, stop: int, reading: int, slate: Slate, levels: NDArray[np.int64]) -> bool:
    """Walk the record data[start:stop]; True if all of it keeps the contract's types and bounds.

    `reading` is twice the record's number; `levels` int64[2, DEPTH] is scratch memory.
    """
    data, seen = slate.data, slate.seen
    nodes, missing = levels[0], levels[1]
    level = 0
    nodes[0] = 0
    missing[0] = REQUIRED_OF[0]
    i = _after_blanks(data, start, stop)
    if i >= stop or data[i] != 123:
        return False
    i = _after_blanks(data, i + 1, stop)
    while True:
        if i >= stop or data[i] != 34:
            return False
        end = _plain_end(data, i + 1, stop)
        if end >= stop or data[end] != 34:
            return False
        key = i + 1
        field = look_up(data, key, end, KEYS_FROM + nodes[level])
        i = _after_blanks(data, end + 1, stop)
        if i >= stop or data[i] != 58:
            return False
        i = _after_blanks(data, i + 1, stop)
        if i >= stop:
            return False
        if field < 0:
            note_unknown(key, end, nodes[level], reading, slate)
            i = _skip(data, i, stop)
        else:
            if seen[field] == reading:
                return False
            seen[field] = reading
            missing[level] -= TABLE[field, REQUIRED]
            if data[i] == 123 and TABLE[field, KIND] == OBJECT:
                level += 1
                nodes[level] = TABLE[field, CHILD]
                missing[level] = REQUIRED_OF[nodes[level]]
                i = _after_blanks(data, i + 1, stop)
                if i >= stop or data[i] != 125:
                    continue
            else:
                i = _take_leaf(field, i, stop, slate)
        if i < 0:
            return False
        while True:
            i = _after_blanks(data, i, stop)
            if i >= stop:
                return False
            if data[i] == 44:
                i = _after_blanks(data, i + 1, stop)
                break
            if data[i] != 125 or missing[level] != 0:
                return False
            i += 1
            if level == 0:
                return _after_blanks(data, i, stop) == stop
            level -= 1
