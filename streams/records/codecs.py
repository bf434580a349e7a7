"""Decompress record batches into a bounded buffer.

aiokafka decompresses a batch to any size: 306 KB of gzip become 300 MB, and so do 10 KB of zstd. Here the output has a
limit. The size in the header of a frame is not trusted.
"""

from collections.abc import Callable
from typing import Final

import cramjam
import numpy as np

Buffer = bytes | memoryview

NONE: Final = 0
MASK: Final = 7
"""Bits of a batch's attributes with its codec."""

ROOM_MIN: Final = 1 << 16
ROOM_RATIO: Final = 16
"""Ratio of the first buffer to the payload. Events compress to a fifth or a tenth of their size."""

_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_SIZE: Final = 16  # the magic, a version and the oldest version that can read it
_XERIAL_LENGTH_SIZE: Final = 4
_FULL: Final = "failed to write whole buffer"
"""cramjam's error if the output does not fit. Every other error is a corrupt input."""


class TooLargeError(Exception):
    """Raised when a batch is larger than its limit."""


class BrokenError(Exception):
    """Raised when a batch cannot be unpacked although its checksum is right: its producer wrote it so."""


def expand(codec: int, payload: Buffer, limit: int) -> bytes:
    """Decompress the records of a batch. Memory: twice the output, at most twice `limit`.

    Args:
        codec: number in the attributes of a batch: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises:
        TooLargeError: the output has more than `limit` bytes.
        BrokenError: the codec is unknown, or the payload is corrupt.
    """
    decompress = _INTO.get(codec)
    if decompress is None:
        raise BrokenError(f"unknown codec {codec}")
    room = min(limit, max(ROOM_MIN, ROOM_RATIO * len(payload)))  # enough for nearly all batches, and faster to allocate
    while True:
        out = np.empty(room, dtype=np.uint8).data  # pages are allocated when they are written
        try:
            size = decompress(payload, out)
        except TooLargeError:
            if room == limit:
                raise
            room = limit
        except cramjam.DecompressionError as error:
            if str(error) != _FULL:
                raise BrokenError("it does not decompress") from None  # the library's text may quote data
            if room == limit:
                raise TooLargeError from None
            room = limit
        else:
            return out[:size].tobytes()


def _snappy_into(payload: Buffer, out: memoryview) -> int:
    """Decompress snappy, raw or in the blocks of the xerial library, which Java's producers use."""
    if bytes(payload[: len(_XERIAL)]) != _XERIAL or len(payload) < _XERIAL_HEADER_SIZE:
        return _bare_snappy_into(payload, out)
    size, at, payload = 0, _XERIAL_HEADER_SIZE, memoryview(payload)
    while at < len(payload):
        length = int.from_bytes(payload[at : at + _XERIAL_LENGTH_SIZE], "big")
        at += _XERIAL_LENGTH_SIZE
        if not 0 < length <= len(payload) - at:
            raise BrokenError("a block of snappy extends over the end")
        size += _bare_snappy_into(payload[at : at + length], out[size:])
        at += length
    return size


def _bare_snappy_into(payload: Buffer, out: memoryview) -> int:
    """Decompress one block. Its header has its size; it is checked against `out` first."""
    if cramjam.snappy.decompress_raw_len(payload) > len(out):
        raise TooLargeError
    return cramjam.snappy.decompress_raw_into(payload, out)


_INTO: Final[dict[int, Callable[[Buffer, memoryview], int]]] = {
    1: cramjam.gzip.decompress_into,
    2: _snappy_into,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}
