"""Keys of entities: 64-bit hashes that are the same in every process, computed for a batch in one kernel.

The mixing uses the block multipliers and the finaliser of MurmurHash3 (public domain), with a seed per entity.
Each part is hashed with its length, then the hashes are chained, so ("ab", "c") and ("a", "bc") differ. The inputs are
keyed hashes and identifiers already, so the seeds need not be secret.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.jit import entry, helper, revision

PARTS: Final = 9
"""Strings per event: event id, acquirer, card, merchant, BIN, device, network address, account, delivery address."""
KEYS: Final = 9
"""Columns of the hash matrix: the event's id, then the eight entities in the order of the profile's Entity."""
CARD_KEY: Final = 1
MERCHANT_KEY: Final = 2
BIN_KEY: Final = 3
"""Of a BIN at a merchant."""

_CARD: Final = 0  # entities, as the profile's Entity
_MERCHANT: Final = 1
_MERCHANT_BIN: Final = 2  # the entity made of two parts
_BIN: Final = 3
_K1: Final = 0x87C37B91114253D5
_K2: Final = 0x4CF5AD432745937F
_F1: Final = 0xFF51AFD7ED558CCD
_F2: Final = 0xC4CEB9FE1A85EC53
_F1_INVERSE: Final = pow(_F1, -1, 1 << 64)
_F2_INVERSE: Final = pow(_F2, -1, 1 << 64)
_K1_INVERSE: Final = pow(_K1, -1, 1 << 64)
_K2_INVERSE: Final = pow(_K2, -1, 1 << 64)
_FIFTH: Final = pow(5, -1, 1 << 64)
_BLOCK_SUM: Final = 0x52DCE729
_WORD_BYTES: Final = 8
_SEED: Final = 0x5E5B1540A3C9D271
_BLANK: Final = 32
_UUID_BYTES: Final = 36
_LOWER: Final = 0x20  # the bit that a capital letter lacks; digits and hyphens have it


@helper
def _final(h: uint64) -> uint64:
    """Mix all bits: the finaliser of MurmurHash3."""
    h = (h ^ (h >> uint64(33))) * uint64(_F1)
    h = (h ^ (h >> uint64(33))) * uint64(_F2)
    return h ^ (h >> uint64(33))


@helper
def _scramble(word: uint64) -> uint64:
    """Mix one block of eight bytes."""
    word = word * uint64(_K1)
    return ((word << uint64(31)) | (word >> uint64(33))) * uint64(_K2)


@helper
def _hash_bytes(data: NDArray[np.uint8], start: int, stop: int) -> uint64:
    """Hash data[start:stop], eight bytes a step. The rest is padded with zeros; the length is hashed too."""
    at, end = uint64(start), uint64(stop)  # unsigned, so the kernel does not check for negative positions
    h = uint64(_SEED) ^ (end - at) * uint64(_K2)
    while end - at >= uint64(8):
        word = uint64(0)
        for k in range(8):
            word |= uint64(data[at + uint64(k)]) << uint64(8 * k)
        h ^= _scramble(word)
        h = ((h << uint64(27)) | (h >> uint64(37))) * uint64(5) + uint64(_BLOCK_SUM)
        at += uint64(8)
    word, shift = uint64(0), uint64(0)
    while at < end:
        word |= uint64(data[at]) << shift
        shift += uint64(8)
        at += uint64(1)
    return _final(h ^ _scramble(word))


@helper
def chain(left: uint64, right: uint64) -> uint64:
    """Join two hashes in their order."""
    return _final((left * uint64(5) + uint64(0x38495AB5)) ^ ((right << uint64(31)) | (right >> uint64(33))))


@helper
def unchained(left: uint64, key: uint64) -> uint64:
    """Return the right hash of a `chain` from its left one: every step of it can be undone."""
    h = _unfinal(key) ^ (left * uint64(5) + uint64(0x38495AB5))
    return (h >> uint64(31)) | (h << uint64(33))


@helper
def prefix_key(key: uint64, size: int) -> uint64:
    """Return the `part_key` of the first `size` digits of a text of digits, by that of the text.

    0 if the text is no longer than that, has other characters, or is longer than eight digits. The hash of a text of
    at most eight bytes can be undone, so the text itself need not be kept.
    """
    mixed = _unfinal(key)
    for length in range(size + 1, _WORD_BYTES + 1):
        h = mixed
        if length == _WORD_BYTES:  # a whole block, and a rest of no bytes, which changes nothing
            h = (h - uint64(_BLOCK_SUM)) * uint64(_FIFTH)
            h = (h >> uint64(27)) | (h << uint64(37))
        word = _unscrambled(h ^ _start(length))
        if _are_digits(word, length):
            return _final(_start(size) ^ _scramble(word & ((uint64(1) << uint64(8 * size)) - uint64(1))))
    return uint64(0)


@helper
def _start(length: int) -> uint64:
    """Return the state before the first block of a text of some bytes."""
    return uint64(_SEED) ^ uint64(length) * uint64(_K2)


@helper
def _unfinal(h: uint64) -> uint64:
    """Undo `_final`."""
    h = (h ^ (h >> uint64(33))) * uint64(_F2_INVERSE)
    h = (h ^ (h >> uint64(33))) * uint64(_F1_INVERSE)
    return h ^ (h >> uint64(33))


@helper
def _unscrambled(word: uint64) -> uint64:
    """Undo `_scramble`."""
    word *= uint64(_K2_INVERSE)
    return ((word >> uint64(31)) | (word << uint64(33))) * uint64(_K1_INVERSE)


@helper
def _are_digits(word: uint64, length: int) -> bool:
    """Tell whether the lower `length` bytes are digits in ASCII, and the others 0."""
    for k in range(_WORD_BYTES):
        byte = (word >> uint64(8 * k)) & uint64(255)
        if k < length:
            if byte < uint64(48) or byte > uint64(57):
                return False
        elif byte != uint64(0):
            return False
    return True


@helper
def present(h: uint64) -> uint64:
    """Replace 0, which means absent, by 1."""
    return h if h != uint64(0) else uint64(1)


@helper
def keys_of(data: NDArray[np.uint8], spans: NDArray[np.int64], joined: int, out: NDArray[np.uint64], r: int) -> None:
    """Write row r of uint64[n, 9] from nine parts of `data`; an empty part is absent.

    Bit e of `joined` leaves the acquirer out of the key of entity e.
    """
    nothing = uint64(0)
    acquirer = part_key(data, spans, 1)
    merchant = part_key(data, spans, 3)
    prefix = part_key(data, spans, 4)
    out[r, 0] = present(part_key(data, spans, 0))
    for e in range(8):
        if e == _CARD:
            own = part_key(data, spans, 2)
        elif e == _MERCHANT:
            own = merchant
        elif e == _MERCHANT_BIN:
            own = chain(merchant, prefix) if merchant != nothing and prefix != nothing else nothing
        elif e == _BIN:
            own = prefix
        else:
            own = part_key(data, spans, 1 + e)
        scope = nothing if (joined >> e) & 1 else acquirer
        out[r, 1 + e] = present(chain(chain(uint64(e + 1), scope), own)) if own != nothing else nothing


@helper
def part_key(data: NDArray[np.uint8], spans: NDArray[np.int64], part: int) -> uint64:
    """Hash one part of `data`, by its number among int64[n, 2] spans; 0 if it is empty."""
    return _hash_bytes(data, spans[part, 0], spans[part, 1]) if spans[part, 1] > spans[part, 0] else uint64(0)


@helper
def folded_keys(data: NDArray[np.uint8], spans: NDArray[np.int64], part: int) -> tuple[uint64, uint64]:
    """Hash a part that is a UUID: `part_key` of its 36 characters in lower case, without the blanks around them.

    The second hash is of its first 32 characters, which are all but the last four digits.
    """
    start = spans[part, 0]
    while data[start] <= _BLANK:
        start += 1
    h = stem = uint64(_SEED) ^ uint64(_UUID_BYTES) * uint64(_K2)
    for step in range(0, _UUID_BYTES, 8):
        word = uint64(0)
        for k in range(min(_UUID_BYTES - step, 8)):
            word |= (uint64(data[start + step + k]) | uint64(_LOWER)) << uint64(8 * k)
        h ^= _scramble(word)
        if step + 8 <= _UUID_BYTES:
            h = stem = ((h << uint64(27)) | (h >> uint64(37))) * uint64(5) + uint64(_BLOCK_SUM)
    return _final(h), _final(stem)


def _compile(key: int) -> Callable[..., None]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def batch(data: NDArray[np.uint8], spans: NDArray[np.int64], joined: int, out: NDArray[np.uint64]) -> None:
        """Write the keys of each event from int64[n, 9, 2] spans."""
        for i in range(out.shape[0] + 0 * key):
            keys_of(data, spans[i], joined, out, i)

    return batch


_entity_keys = _compile(revision("scoring.decode"))


def entity_keys(parts: Sequence[str], joined: frozenset[int]) -> NDArray[np.uint64]:
    """Hash nine strings per event, in the order of `PARTS`, into uint64[n, 9]; an empty string is absent: 0.

    `joined` holds the entities whose key leaves out the acquirer.
    """
    encoded = [part.encode() for part in parts]
    stops = np.cumsum(np.array([len(part) for part in encoded], dtype=np.int64))
    spans = np.empty((len(parts) // PARTS, PARTS, 2), dtype=np.int64)
    flat = spans.reshape(-1, 2)
    flat[:, 1] = stops
    flat[1:, 0] = stops[:-1]
    flat[:1, 0] = 0
    out = np.empty((len(spans), KEYS), dtype=np.uint64)
    _entity_keys(
        np.frombuffer(b"".join(encoded), dtype=np.uint8), spans, sum(1 << int(entity) for entity in joined), out
    )
    return out
