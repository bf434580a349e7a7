"""Record batches decompressed into a bounded buffer: what a batch claims to hold is not believed.

aiokafka decompresses a batch as a whole, however large it becomes: 306 KB of gzip become 300 MB, 10 KB of zstd too.
Here the output has a limit from the start, whatever the frames say of themselves.
"""

from collections.abc import Callable
from typing import Final

import cramjam
import numpy as np

Buffer = bytes | memoryview

NONE: Final = 0
MASK: Final = 7
"""The bits of a batch's attributes that name its codec."""

ROOM_MIN: Final = 1 << 16
ROOM_RATIO: Final = 16
"""What is tried first: events compress to a fifth or a tenth of what they were."""

_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_SIZE: Final = 16  # the magic, a version and the oldest version that can read it
_XERIAL_LENGTH_SIZE: Final = 4
_FULL: Final = "failed to write whole buffer"
"""What cramjam says when the output does not fit; anything else is an input that is broken."""


class TooLargeError(Exception):
    """Raised when a batch would take more than its limit."""


class BrokenError(Exception):
    """Raised when a batch cannot be unpacked although its checksum is right: so its producer wrote it."""


def expand(codec: int, payload: Buffer, limit: int) -> bytes:
    """Decompress the records of a batch; memory: twice what comes out, at most twice `limit`.

    Args:
        codec: as in the attributes of a batch, from 1 on: gzip, snappy, lz4, zstd.

    Raises:
        TooLargeError: they would take more than `limit` bytes.
        BrokenError: the codec is unknown, or the payload is not what it says.
    """
    decompress = _INTO.get(codec)
    if decompress is None:
        raise BrokenError(f"unknown codec {codec}")
    room = min(limit, max(ROOM_MIN, ROOM_RATIO * len(payload)))  # enough for nearly all, and quicker to have
    while True:
        out = np.empty(room, dtype=np.uint8).data  # no page of it is taken before it is written to
        try:
            size = decompress(payload, out)
        except TooLargeError:
            if room == limit:
                raise
            room = limit
        except cramjam.DecompressionError as error:
            if str(error) != _FULL:
                raise BrokenError("it does not decompress") from None  # the library's text may quote
            if room == limit:
                raise TooLargeError from None
            room = limit
        else:
            return out[:size].tobytes()


def _snappy_into(payload: Buffer, out: memoryview) -> int:
    """Decompress snappy, bare or in the blocks of the xerial library, as which Java's producers write it."""
    if bytes(payload[: len(_XERIAL)]) != _XERIAL or len(payload) < _XERIAL_HEADER_SIZE:
        return _bare_snappy_into(payload, out)
    size, at, payload = 0, _XERIAL_HEADER_SIZE, memoryview(payload)
    while at < len(payload):
        length = int.from_bytes(payload[at : at + _XERIAL_LENGTH_SIZE], "big")
        at += _XERIAL_LENGTH_SIZE
        if not 0 < length <= len(payload) - at:
            raise BrokenError("a block of snappy reaches over the end")
        size += _bare_snappy_into(payload[at : at + length], out[size:])
        at += length
    return size


def _bare_snappy_into(payload: Buffer, out: memoryview) -> int:
    """Decompress one block, whose length stands at its beginning: the library believes it no further than `out`."""
    if cramjam.snappy.decompress_raw_len(payload) > len(out):
        raise TooLargeError
    return cramjam.snappy.decompress_raw_into(payload, out)


_INTO: Final[dict[int, Callable[[Buffer, memoryview], int]]] = {
    1: cramjam.gzip.decompress_into,
    2: _snappy_into,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}
