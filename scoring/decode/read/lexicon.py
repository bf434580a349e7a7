"""Words and their meanings in a hash table that a kernel reads without a branch for each letter.

A word is at most 24 bytes, three machine words. Each belongs to a space: a vocabulary, or the keys of one object.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.jit import helper

MISSING: Final = -(2**62)
WORD_MAX: Final = 24

_BITS: Final = 13
SHIFT: Final = 64 - _BITS
MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xFF51AFD7ED558CCD)
_ALL: Final = 0xFFFFFFFFFFFFFFFF


class Lexicon(NamedTuple):
    """`slots` int16[2**13]: entry + 1, 0 empty; `entries` uint64[n, 4]: three words and a tag; `meanings` int64[n]."""

    slots: NDArray[np.int16]
    entries: NDArray[np.uint64]
    meanings: NDArray[np.int64]


def lexicon_of(items: Iterable[tuple[int, str, int]]) -> Lexicon:
    """Build the table of (space, word, meaning)."""
    slots = np.zeros(1 << _BITS, dtype=np.int16)
    entries: list[tuple[int, int, int, int]] = []
    meanings: list[int] = []
    for space, word, meaning in items:
        text = word.encode()
        assert len(text) <= WORD_MAX, f"{word!r} is too long to be looked up"
        first, second, third = (int.from_bytes(text[k : k + 8], "little") for k in (0, 8, 16))
        tag = space << 8 | len(text)
        slot = _mixed(first, second, third, tag) >> SHIFT
        while slots[slot]:
            slot = (slot + 1) % len(slots)
        entries.append((first, second, third, tag))
        meanings.append(meaning)
        slots[slot] = len(entries)
    assert len(entries) < len(slots) // 2, "the table is too full to be fast"
    return Lexicon(slots, np.array(entries, dtype=np.uint64), np.array(meanings, dtype=np.int64))


def _mixed(first: int, second: int, third: int, tag: int) -> int:
    sum_ = first * MIX[0] + second * MIX[1] + third * MIX[2] + tag * MIX[3] & _ALL
    return (sum_ ^ sum_ >> 29) * MIX[1] & _ALL


@helper
def eight_bytes(data: NDArray[np.uint8], start: int) -> int:
    """Load data[start : start + 8] as one little-endian word."""
    at, word = np.uint64(start), np.uint64(0)
    for k in range(8):
        word |= np.uint64(data[at + np.uint64(k)]) << np.uint64(8 * k)
    return word  # type: ignore[return-value]  # uint64, an int to its users


@helper
def cut(word: int, length: int) -> int:
    """Keep the first `length` bytes of a word; none if `length` is negative."""
    if length >= 8:
        return word
    bits = np.uint64(8 * max(length, 0))
    return np.uint64(word) & ((np.uint64(1) << bits) - np.uint64(1))  # type: ignore[return-value]  # the same
