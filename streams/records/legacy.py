"""Message sets of Kafka before 0.11 (formats 0 and 1). Brokers still serve them from old segments.

Apache Kafka 4 does not accept new ones. A compressed message contains a message set, one level deep.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from streams.records.codecs import MASK, BrokenError, expand
from streams.records.columns import PLACES, Records, weigh

MAGIC_AT: Final = 16
_HEAD: Final = Struct(">qiIbb")  # offset, size of what follows the size, CRC-32 of what follows that, magic, attributes
_TIME: Final = Struct(">q")  # in format 1
_LENGTH: Final = Struct(">i")
_SIZE_END: Final = 12
_IS_APPEND_TIME: Final = 8  # of the attributes


class _Message(NamedTuple):
    """A message. Key and value are positions in the data, -1 for null."""

    offset: int
    attributes: int
    at_ms: int
    key: tuple[int, int]
    value: tuple[int, int]
    end: int


class MessageSet:
    """A stored message, with the messages that are compressed inside it."""

    is_control_batch = False
    is_transactional = False
    producer_id = None

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self._data, self._begin, self._end = data, begin, end
        self.header = self
        offset, _, _, _, attributes = _HEAD.unpack_from(data, begin)
        self.base_offset: int = 0 if attributes & MASK else offset  # a compressed set has its last offset only
        self.next_offset: int = offset + 1

    def validate_crc(self) -> bool:
        """Tell whether the checksum is right."""
        crc: int = _HEAD.unpack_from(self._data, self._begin)[2]
        return crc == crc32(memoryview(self._data)[self._begin + MAGIC_AT : self._end])

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return self._end - self._begin

    @property
    def count(self) -> int:
        """Return 1: the number of compressed messages is not known without decompression."""
        return 1

    @property
    def last_ms(self) -> int:
        """Return its newest timestamp in ms, or -1."""
        return (
            -1
            if self._data[self._begin + MAGIC_AT] == 0
            else _TIME.unpack_from(self._data, self._begin + _HEAD.size)[0]
        )

    def few(self) -> None:
        """Return None: aiokafka's own records are not used."""

    def records(self, limit: int) -> Records:
        """Unpack the messages.

        Raises:
            TooLargeError: unpacked, they have more than `limit` bytes.
            BrokenError: they are corrupt, or compressed twice.
        """
        outer = _message(self._data, self._begin, self._end)
        codec = outer.attributes & MASK
        if not codec:
            return _records(self._data, [outer], 0, None, weigh(self.size, 1, limit))
        if outer.value[0] < 0:
            raise BrokenError("it is compressed and null")
        data = expand(codec, memoryview(self._data)[slice(*outer.value)], limit)
        inner: list[_Message] = []
        weight = 0
        for message in _messages(data):
            if message.attributes & MASK:
                raise BrokenError("it is compressed twice")
            inner.append(message)
            weight = weigh(len(data), len(inner), limit)
        if not inner:
            raise BrokenError("it is compressed and holds nothing")
        is_relative = self._data[self._begin + MAGIC_AT] > 0
        base = outer.offset - inner[-1].offset if is_relative else 0
        return _records(data, inner, base, outer.at_ms if outer.attributes & _IS_APPEND_TIME else None, weight)


def _records(data: bytes, messages: list[_Message], base: int, append_ms: int | None, weight: int) -> Records:
    places = np.full((PLACES, len(messages)), -1, dtype=np.int64)
    for k, message in enumerate(messages):
        places[:6, k] = message.offset, message.at_ms, *message.key, *message.value
    if (np.diff(places[0]) <= 0).any():
        raise BrokenError("its offsets do not rise")
    return Records(data, places, base, places[1] if append_ms is None else append_ms, weight)


def _messages(data: bytes) -> Iterator[_Message]:
    at = 0
    while at < len(data):
        message = _message(data, at, len(data))
        yield message
        at = message.end


def _message(data: bytes, at: int, end: int) -> _Message:
    if end - at < _HEAD.size:
        raise BrokenError("a message is cut off")
    offset, size, _, magic, attributes = _HEAD.unpack_from(data, at)
    stop, at_ms, place = at + _SIZE_END + size, -1, at + _HEAD.size
    if stop > end or magic not in {0, 1}:
        raise BrokenError("a message is not what its length says")
    if magic == 1:
        if stop - place < _TIME.size:
            raise BrokenError("a message is cut off")
        (at_ms,) = _TIME.unpack_from(data, place)
        place += _TIME.size
    key, place = _span(data, place, stop)
    value, place = _span(data, place, stop)
    if place != stop:
        raise BrokenError("a message is not what its length says")
    return _Message(offset, attributes, at_ms, key, value, stop)


def _span(data: bytes, at: int, end: int) -> tuple[tuple[int, int], int]:
    if end - at < _LENGTH.size:
        raise BrokenError("a message is cut off")
    (length,) = _LENGTH.unpack_from(data, at)
    at += _LENGTH.size
    if length > end - at:
        raise BrokenError("a message is not what its length says")
    return ((-1, -1), at) if length < 0 else ((at, at + length), at + length)
