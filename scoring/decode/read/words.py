"""Look-up of words in kernels: the meaning of a text in a space."""

import numpy as np
from numpy.typing import NDArray

from scoring.decode.read.codes import WORDS
from scoring.decode.read.fields import FIELDS, KEYS_FROM
from scoring.decode.read.lexicon import MISSING, MIX, SHIFT, WORD_MAX, Lexicon, cut, eight_bytes, lexicon_of
from scoring.jit import helper, whole


def _lexicon() -> Lexicon:
    words = [(space, word, meaning) for space, known in WORDS.items() for word, meaning in known.items()]
    assert max(WORDS) < KEYS_FROM
    # sorted: lists of codes are sets, and a table that differs between processes would be compiled again
    words += [(KEYS_FROM + f.node, f.path[-1], number) for number, f in enumerate(FIELDS)]
    return lexicon_of(sorted(words))


_SLOTS, _ENTRIES, _MEANINGS = _lexicon()


@helper
def look_up(data: NDArray[np.uint8], start: int, stop: int, space: int) -> int:
    """Give the meaning of data[start:stop] in a space; MISSING if it has none. Reads up to 24 bytes from start."""
    length = stop - start
    if length > WORD_MAX:
        return MISSING
    first = np.uint64(cut(eight_bytes(data, start), length))
    second = np.uint64(cut(eight_bytes(data, start + 8), length - 8))
    third = np.uint64(cut(eight_bytes(data, start + 16), length - 16))
    tag = np.uint64(space << 8 | length)
    mixed = first * np.uint64(MIX[0]) + second * np.uint64(MIX[1])
    mixed += third * np.uint64(MIX[2]) + tag * np.uint64(MIX[3])
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(MIX[1])
    slot = np.int64(mixed >> np.uint64(SHIFT))
    while True:
        entry = whole(_SLOTS[slot]) - 1
        if entry < 0:
            return MISSING
        differs = (_ENTRIES[entry, 0] ^ first) | (_ENTRIES[entry, 1] ^ second) | (_ENTRIES[entry, 2] ^ third)
        if differs | (_ENTRIES[entry, 3] ^ tag) == 0:
            return whole(_MEANINGS[entry])
        slot = (slot + 1) & (len(_SLOTS) - 1)
