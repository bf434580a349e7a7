"""Keys of entities: 64-bit hashes that are the same in every process, computed for a batch in one kernel.

The mixing uses the block multipliers and the finaliser of MurmurHash3 (public domain), with a seed per entity.
Parts are hashed apart, each with its length, and then chained: no pair of parts can be read as another pair.
The inputs are keyed hashes and identifiers already, so a secret seed would hide nothing.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit
from numpy import uint64
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization

PARTS: Final = 9
"""Strings per event: event id, acquirer, card, merchant, BIN, device, network address, account, delivery address."""
KEYS: Final = 9
"""Columns of the hash matrix: the event's id, then the eight entities in the order of the profile's Entity."""
CARD_KEY: Final = 1
MERCHANT_KEY: Final = 2

_MERCHANT_BIN: Final = 2  # the one entity made of two parts
_K1: Final = 0x87C37B91114253D5
_K2: Final = 0x4CF5AD432745937F
_F1: Final = 0xFF51AFD7ED558CCD
_F2: Final = 0xC4CEB9FE1A85EC53
_SEED: Final = 0x5E5B1540A3C9D271


@njit(inline="always")
def _final(h: uint64) -> uint64:
    """Spread every bit over all others."""
    h = (h ^ (h >> uint64(33))) * uint64(_F1)
    h = (h ^ (h >> uint64(33))) * uint64(_F2)
    return h ^ (h >> uint64(33))


@njit(inline="always")
def _scramble(word: uint64) -> uint64:
    """Mix one block of eight bytes."""
    word = word * uint64(_K1)
    return ((word << uint64(31)) | (word >> uint64(33))) * uint64(_K2)


@njit(cache=True)
def _hash_bytes(data: NDArray[np.uint8], start: int, stop: int) -> uint64:
    """Hash data[start:stop]; eight bytes a step, the rest padded with zeros (the length tells the pad apart)."""
    at, end = uint64(start), uint64(stop)  # unsigned, so that the kernel does not look for negative positions
    h = uint64(_SEED) ^ (end - at) * uint64(_K2)
    while end - at >= uint64(8):
        word = uint64(0)
        for k in range(8):
            word |= uint64(data[at + uint64(k)]) << uint64(8 * k)
        h ^= _scramble(word)
        h = ((h << uint64(27)) | (h >> uint64(37))) * uint64(5) + uint64(0x52DCE729)
        at += uint64(8)
    word, shift = uint64(0), uint64(0)
    while at < end:
        word |= uint64(data[at]) << shift
        shift += uint64(8)
        at += uint64(1)
    return _final(h ^ _scramble(word))


@njit(inline="always")
def _chain(left: uint64, right: uint64) -> uint64:
    """Join two hashes in their order."""
    return _final((left * uint64(5) + uint64(0x38495AB5)) ^ ((right << uint64(31)) | (right >> uint64(33))))


@njit(inline="always")
def _present(h: uint64) -> uint64:
    """Keep 0 for what is absent."""
    return h if h != uint64(0) else uint64(1)


@njit(cache=True)
def _entity_keys(data: NDArray[np.uint8], stops: NDArray[np.int64], joined: int, out: NDArray[np.uint64]) -> None:
    """Write out uint64[n, 9] from n * 9 parts of `data` that end at `stops`; bit e of `joined` drops the acquirer."""
    parts = np.zeros(9, dtype=np.uint64)
    nothing = uint64(0)
    start = 0
    for i in range(out.shape[0]):
        for p in range(9):
            stop = stops[i * 9 + p]
            parts[p] = _hash_bytes(data, start, stop) if stop > start else nothing
            start = stop
        out[i, 0] = _present(parts[0])
        for e in range(8):
            own = parts[2 + e] if e < _MERCHANT_BIN else parts[1 + e]
            if e == _MERCHANT_BIN:
                own = _chain(parts[3], parts[4]) if parts[3] != nothing and parts[4] != nothing else nothing
            scope = nothing if (joined >> e) & 1 else parts[1]
            out[i, 1 + e] = _present(_chain(_chain(uint64(e + 1), scope), own)) if own != nothing else nothing


def entity_keys(parts: Sequence[str], joined: frozenset[int]) -> NDArray[np.uint64]:
    """Hash nine strings per event (see `parts_of`) into uint64[n, 9]; an empty string is absent and hashes to 0.

    `joined` holds the entities whose key leaves out the acquirer.
    """
    text = "".join(parts)
    encoded = text.encode()
    if len(encoded) == len(text):
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    else:
        sizes = np.fromiter((len(part.encode()) for part in parts), dtype=np.int64, count=len(parts))
    out = np.empty((len(parts) // PARTS, KEYS), dtype=np.uint64)
    mask = sum(1 << int(entity) for entity in joined)
    _entity_keys(np.frombuffer(encoded, dtype=np.uint8), np.cumsum(sizes), mask, out)
    return out


def parts_of(event: Authorization) -> tuple[str, str, str, str, str, str, str, str, str]:
    """List what identifies an event's entities; the BIN is what the event gives of it, eight digits or six."""
    device, net, shopper, ship = event.device, event.net, event.shopper, event.ship
    return (
        event.event_id,
        event.acquirer.id,
        event.card.pan_hmac,
        event.merchant.id,
        event.card.bin or "",
        "" if device is None else device.fp_hmac or "",
        "" if net is None else net.ip_hmac or "",
        "" if shopper is None else shopper.account_hmac or "",
        "" if ship is None else ship.addr_hmac or "",
    )
