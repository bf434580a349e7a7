"""The guard's first stage: one compiled pass over the raw bytes of a batch, that marks whatever deserves a look.

It reads bytes, not JSON values, so that unknown fields, keys, repeated keys and broken JSON hide nothing. The judgement
on digits is the very one that the second stage applies to decoded strings.
"""

import sys
import unicodedata
from collections.abc import Callable
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.decode.digits import DIGITS_ROOM, REVISION, RUN_MIN, is_hex, judge_run, run_end
from scoring.decode.sensitive import KIND_OF_NAME, NAME_MAX

ODD, NAMED, DEEP = 4, 8, 16
"""Marks beside PAN and TRACK: characters that may hide one, a sensitive name with a value, nesting too deep."""

_PLAIN, _DIGIT, _QUOTE, _BACKSLASH, _OPEN, _CLOSE, _COMMA, _COLON, _WIDE = 0, 1, 2, 3, 4, 5, 6, 7, 8
_MARKED: Final = (_QUOTE, _BACKSLASH, _OPEN, _OPEN, _CLOSE, _CLOSE, _COMMA, _COLON)
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_SLOT_SHIFT: Final = 55  # 512 slots for some fifty names


def _classes() -> NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    table[ord("0") : ord("9") + 1] = _DIGIT
    for characters, kind in (
        ('"', _QUOTE),
        ("\\", _BACKSLASH),
        ("{[", _OPEN),
        ("}]", _CLOSE),
        (",", _COMMA),
        (":", _COLON),
    ):
        for character in characters:
            table[ord(character)] = kind
    table[0x80:] = _WIDE
    return table


def decimal_of(character: str) -> int:
    """Return the digit that a character of any script stands for (full-width, Arabic, superscript), or -1."""
    return unicodedata.digit(character, -1)


def joins_digits(character: str) -> bool:
    """Tell whether a character may stand between digits as a space or a dash does, or cannot be seen at all."""
    return unicodedata.category(character) in {"Zs", "Pd", "Cf", "Mn"} or character == "\u2212"


def _wide() -> NDArray[np.uint8]:
    """Mark code points of the basic plane: 1 a digit, 2 a separator or an invisible character."""
    table = np.zeros(0x10000, dtype=np.uint8)
    for code in range(min(sys.maxunicode, 0xFFFF) + 1):
        character = chr(code)
        if decimal_of(character) >= 0:
            table[code] = 1
        elif code >= 0x80 and joins_digits(character):
            table[code] = 2
    for character in "%;=^?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -":
        table[ord(character)] = 1  # nobody escapes these without a reason
    return table


def _slots() -> NDArray[np.uint64]:
    """Place the hash of every sensitive name in an open-addressed table, by its top bits."""
    table = np.zeros(1 << (64 - _SLOT_SHIFT), dtype=np.uint64)
    for name in KIND_OF_NAME:
        code = _FNV_OFFSET
        for byte in name.encode():
            code = ((code ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
        slot = code >> _SLOT_SHIFT
        while table[slot]:
            slot = (slot + 1) % len(table)
        table[slot] = code
    return table


_CLASSES: Final = _classes()
_WIDES: Final = _wide()
_SLOTS: Final = _slots()


@njit(cache=True)
def _is_exponent(data: NDArray[np.uint8], high: int, j: int, in_string: bool) -> bool:
    """Tell whether the digits that end at j are the mantissa of a number with an exponent."""
    k = j
    if k < high and data[k] == 46:
        k += 1
        while k < high and 48 <= data[k] <= 57:
            k += 1
    elif in_string:
        return False  # without a point, letters and digits in a string are more likely a token: judged as such
    if k + 1 >= high or (data[k] != 69 and data[k] != 101):
        return False
    byte = int(data[k + 1])
    return 48 <= byte <= 57 or byte == 43 or byte == 45


@njit(cache=True)
def _escaped(data: NDArray[np.uint8], high: int, i: int, wide: NDArray[np.uint8]) -> int:
    """Read the escape at i: ODD if what it stands for may hide something, else 0."""
    if i + 1 >= high:
        return 0
    if data[i + 1] == 34:
        return ODD  # a quote in a string: perhaps a document in a document
    if data[i + 1] != 117:
        return 0
    code = 0
    for k in range(i + 2, min(i + 6, high)):
        byte = data[k]
        if not is_hex(byte):
            return ODD
        code = code * 16 + (byte - 48 if byte <= 57 else (byte & 0xDF) - 55)
    if 0xD800 <= code <= 0xDFFF:
        return ODD if code <= 0xD83C or code >= 0xDFF0 else 0  # digits beyond the basic plane sit here
    return ODD if wide[code] else 0


@njit(cache=True)
def _wide_mark(data: NDArray[np.uint8], low: int, high: int, i: int, wide: NDArray[np.uint8]) -> tuple[int, int]:
    """Read the UTF-8 sequence at i: (its length, ODD if it is a digit of another script or may join digits)."""
    byte = np.int64(data[i])
    if byte < 0xC0 or i + 1 >= high:
        return 1, 0
    second = np.int64(data[i + 1]) & 0x3F
    if byte < 0xE0:
        code, size = (byte & 0x1F) << 6 | second, 2
    elif i + 2 < high and byte < 0xF0:
        code, size = (byte & 0x0F) << 12 | second << 6 | (np.int64(data[i + 2]) & 0x3F), 3
    elif i + 3 < high:
        code = (byte & 0x07) << 18 | second << 12 | (np.int64(data[i + 2]) & 0x3F) << 6
        return 4, ODD if code < 0x1F200 or 0x1FBC0 <= code < 0x1FC00 or code >= 0xE0000 else 0
    else:
        return 1, 0
    kind = wide[code]
    near = i > low and 48 <= data[i - 1] <= 57
    return size, ODD if kind == 1 or (kind == 2 and near) else 0


@njit(cache=True)
def _name_mark(data: NDArray[np.uint8], high: int, first: int, stop: int, slots: NDArray[np.uint64]) -> int:
    """Check the key data[first:stop], and where it is a sensitive name whether its value has more than letters."""
    code = np.uint64(_FNV_OFFSET)
    for k in range(first, stop):
        byte = data[k]
        if byte == 95 or byte == 45 or byte == 46 or byte == 32:
            continue
        if 65 <= byte <= 90:
            byte += 32
        code = (code ^ np.uint64(byte)) * np.uint64(_FNV_PRIME)
    slot = np.int64(code >> np.uint64(_SLOT_SHIFT))
    while slots[slot] != code:
        if slots[slot] == 0:
            return 0
        slot = (slot + 1) % slots.shape[0]
    k = stop + 1
    while k < high and (data[k] == 32 or data[k] == 58 or 9 <= data[k] <= 13):
        k += 1
    if k >= high or data[k] == 110 or data[k] == 116 or data[k] == 102:  # null, true, false
        return 0
    if data[k] != 34:
        return NAMED
    k += 1
    while k < high and data[k] != 34:
        if 48 <= data[k] <= 57 or data[k] == 92 or data[k] >= 128:
            return NAMED
        k += 1
    return 0


@njit(cache=True)
def _scan_record(
    data: NDArray[np.uint8],
    start: int,
    high: int,
    depth_max: int,
    classes: NDArray[np.uint8],
    wide: NDArray[np.uint8],
    slots: NDArray[np.uint64],
    digits: NDArray[np.uint8],
) -> int:
    """Mark one record, data[start:high]; `low` is how far back the bytes before a digit are those of its own text."""
    marks, depth, i, low, key_at = 0, 0, start, start, -1
    in_string, key_next = False, False
    while i < high:
        kind = classes[data[i]]
        if kind == _PLAIN:
            i += 1
        elif kind == _DIGIT:
            j, count = run_end(data, high, i)
            if count >= RUN_MIN:
                marks |= judge_run(data, low, high, i, j, digits)
            if j < high and _is_exponent(data, high, j, in_string):
                marks |= ODD
            i = j
        elif kind == _QUOTE:
            if in_string and key_at >= 0:
                if i - key_at <= NAME_MAX:
                    marks |= _name_mark(data, high, key_at, i, slots)
                key_at = -1
            elif not in_string and key_next:
                key_at = i + 1
            in_string = not in_string
            key_next = False
            i += 1
            low = i
        elif in_string:
            if kind == _BACKSLASH:
                marks |= _escaped(data, high, i, wide) | (ODD if key_at >= 0 else 0)
                i += 6 if i + 1 < high and data[i + 1] == 117 else 2
                low = i
            elif kind == _WIDE:
                size, mark = _wide_mark(data, low, high, i, wide)
                marks |= mark | (ODD if key_at >= 0 else 0)
                i += size
            else:
                i += 1
        else:
            if kind == _OPEN:
                depth += 1
                if depth > depth_max:
                    marks |= DEEP
                key_next = data[i] == 123
            elif kind == _CLOSE:
                depth -= 1
            elif kind == _COMMA:
                key_next = True
            elif kind == _WIDE:
                marks |= ODD
            i += 1
            low = i
    return marks


def _compile(revision: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `revision` is part of the key under which numba keeps them."""

    @njit(cache=True)
    def batch(
        data: NDArray[np.uint8],
        stops: NDArray[np.int64],
        depth_max: int,
        classes: NDArray[np.uint8],
        wide: NDArray[np.uint8],
        slots: NDArray[np.uint64],
        marks: NDArray[np.uint8],
    ) -> int:
        """Mark every record of a batch, one byte apart; return how many are marked."""
        digits = np.zeros(DIGITS_ROOM, dtype=np.uint8)
        start, found = 0, 0 * revision
        for r in range(stops.shape[0]):
            marks[r] = _scan_record(data, start, stops[r], depth_max, classes, wide, slots, digits)
            found += marks[r] != 0
            start = stops[r] + 1
        return found

    @njit(cache=True)
    def text(data: NDArray[np.uint8]) -> int:
        """Judge every run of digits of a text."""
        digits = np.zeros(DIGITS_ROOM, dtype=np.uint8)
        verdict, i, high = 0 * revision, 0, data.shape[0]
        while i < high:
            if 48 <= data[i] <= 57:
                j, count = run_end(data, high, i)
                if count >= RUN_MIN:
                    verdict |= judge_run(data, 0, high, i, j, digits)
                i = j
            else:
                i += 1
        return verdict

    return batch, text


_scan_batch, _scan_text = _compile(REVISION)


def scan_batch(joined: bytes, stops: NDArray[np.int64], depth_max: int) -> NDArray[np.uint8] | None:
    """Mark the records of `joined` that end at `stops` with one byte between two; None where nothing is marked."""
    marks = np.empty(len(stops), dtype=np.uint8)
    found = _scan_batch(np.frombuffer(joined, dtype=np.uint8), stops, depth_max, _CLASSES, _WIDES, _SLOTS, marks)
    return marks if found else None


def scan_text(text: bytes) -> int:
    """Judge a text, other scripts' digits already turned to ASCII: bits PAN and TRACK."""
    return int(_scan_text(np.frombuffer(text, dtype=np.uint8)))
