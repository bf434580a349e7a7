"""Characters that may hide digits: escapes, digits of other scripts, exponents, invisible characters."""

import unicodedata
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.decode.digits import SEPARATORS, is_hex
from scoring.jit import helper

ODD, ESCAPED, FOREIGN = 4, 32, 64
"""Marks of a text: characters in it may hide digits, it has a backslash, it has a byte beyond ASCII."""

SPECIAL, RUN = 1, 2
"""Bits of a byte's class: part of JSON's syntax, or may hide digits; may be in a run of digits."""

DIGIT, JOINER = 1, 2
"""Kinds of a character: a digit, or a separator that may stand between digits."""

_DOTS: Final = {"\u00b7": ".", "\u2022": ".", "\u30fb": ".", "\uff65": ".", "\u3001": ",", "\uff64": ",", "\u3002": "."}
_LINES: Final = frozenset({"Zl", "Zp", "Cc"})
_NEITHER: Final = frozenset({"Lo", "Cn", "Co", "Cs"})
"""Categories of most characters, such as ideographs: below the full-width forms, none is a digit or a separator."""
_FORMS: Final = range(0xFE10, 0xFFF0)
"""Code points of full-width and other forms: each stands for the first character of its NFKC form."""


def decimal_of(character: str) -> int:
    """Return the value of a digit of any script (full-width, Arabic, superscript); -1 for other characters."""
    return unicodedata.digit(character, -1)


def joins_digits(character: str) -> bool:
    """Tell whether a character beyond ASCII may be a separator between digits, or is invisible."""
    return separator_of(character) is not None


def separator_of(character: str) -> str | None:
    """Return the ASCII separator for a character beyond ASCII: empty if it is invisible, None if it is no separator.

    Spaces and dashes of all kinds become a space. Full-width punctuation becomes ASCII. Line separators and control
    characters become a line feed. Middle dots and Japanese commas become a point and a comma.
    """
    category = unicodedata.category(character)
    if category in {"Zs", "Pd"} or character == "\u2212":
        return " "
    if category in {"Cf", "Mn"}:
        return ""
    if category in _LINES:
        return "\n"
    if character in _DOTS:
        return _DOTS[character]
    code = ord(character)
    if code in _FORMS:
        code = ord(unicodedata.normalize("NFKC", character)[0])
    return chr(code) if code in SEPARATORS else None


def _byte_classes() -> NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for byte in b'"\\.{}[]':
        table[byte] = SPECIAL
    for byte in (*b"0123456789", *SEPARATORS):
        if byte >= 0x20:  # a JSON string cannot contain control characters
            table[byte] |= RUN
    table[0x80:] = SPECIAL
    return table


def _character_kinds() -> NDArray[np.uint8]:
    table = np.zeros(0x10000, dtype=np.uint8)
    for code, character in enumerate(map(chr, range(0x10000))):
        if code < _FORMS.start and unicodedata.category(character) in _NEITHER:
            continue  # each start of a command makes this table
        if decimal_of(character) >= 0:
            table[code] = DIGIT
        elif code >= 0x80 and joins_digits(character):
            table[code] = JOINER
    for byte in (*SEPARATORS, *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"):
        table[byte] = DIGIT  # an escaped separator is suspect: no writer needs to escape it
    return table


BYTE_CLASSES: Final = _byte_classes()
"""uint8[256]."""

CHARACTER_KINDS: Final = _character_kinds()
"""uint8[65536], by code point of the basic plane."""


@helper
def _may_join(byte: int) -> bool:
    """Tell whether a byte beside a separator can be a digit, another separator, or an escape of one."""
    return 48 <= byte <= 57 or byte == 92 or byte in SEPARATORS


@helper
def is_exponent(data: NDArray[np.uint8], high: int, i: int) -> bool:
    """Tell whether the point at i is in a number with an exponent; a letter without a point may be that of a token."""
    k = i + 1
    while k < high and 48 <= data[k] <= 57:
        k += 1
    if k == i + 1 or k + 1 >= high or (data[k] != 69 and data[k] != 101):
        return False
    byte = int(data[k + 1])
    return 48 <= byte <= 57 or byte == 43 or byte == 45


@helper
def escaped(data: NDArray[np.uint8], high: int, i: int, kinds: NDArray[np.uint8]) -> int:
    """Read the escape at i: ODD if its character may hide digits, else 0."""
    if i + 1 >= high:
        return 0
    if data[i + 1] == 34:
        return ODD  # a quote in a string: it may be JSON within JSON
    if data[i + 1] != 117:  # a tab, a line break, a slash: they may be separators of digits
        return ODD if i + 2 < high and _may_join(data[i - 1]) and _may_join(data[i + 2]) else 0
    code = 0
    for k in range(i + 2, min(i + 6, high)):
        byte = data[k]
        if not is_hex(byte):
            return ODD
        code = code * 16 + (byte - 48 if byte <= 57 else (byte & 0xDF) - 55)
    if 0xD800 <= code <= 0xDFFF:
        return ODD if code <= 0xD83C or code >= 0xDFF0 else 0  # surrogates: some are digits beyond the basic plane
    return ODD if kinds[code] else 0


@helper
def wide_mark(data: NDArray[np.uint8], high: int, i: int, kinds: NDArray[np.uint8]) -> tuple[int, int]:
    """Read the UTF-8 sequence at i: (its length, ODD if it is a digit of another script or may join digits)."""
    byte = int(data[i])
    size = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if size == 1 or i + size > high:
        return 1, 0
    code = byte & (0x7F >> size)
    for k in range(1, size):
        code = code << 6 | (int(data[i + k]) & 0x3F)
    if code >= 0x10000:  # digits beyond the basic plane: scripts and mathematics below the pictures, segments, tags
        return 4, ODD if code < 0x1F200 or 0x1FBC0 <= code < 0x1FC00 or code >= 0xE0000 else 0
    return size, ODD if kinds[code] == DIGIT or (kinds[code] == JOINER and _may_join(data[i - 1])) else 0


@helper
def outer_mark(data: NDArray[np.uint8], high: int, i: int) -> int:
    """Mark a special byte outside of strings: ODD, except a decimal point without an exponent."""
    return ODD if data[i] != 46 or is_exponent(data, high, i) else 0


@helper
def inner_mark(data: NDArray[np.uint8], high: int, i: int, kinds: NDArray[np.uint8]) -> tuple[int, int]:
    """Mark a special byte inside a string at i: (next position, marks)."""
    byte = data[i]
    if byte == 92:
        after = i + 6 if i + 1 < high and data[i + 1] == 117 else i + 2
        return after, ESCAPED | escaped(data, high, i, kinds)
    if byte >= 128:
        size, mark = wide_mark(data, high, i, kinds)
        return i + size, FOREIGN | mark
    return i, ODD if byte == 46 and is_exponent(data, high, i) else 0
