"""Encode packed rows as Kafka record batches in a kernel. aiokafka's builder takes 1.3 us for each record."""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final

import numpy as np
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, revision
from scoring.profile.packed import Packed
from streams.kafka.fence import ProducerIdentity

_HEADER: Final = Struct(">qiibIhiqqqhii")
"""A record batch of magic 2 (https://kafka.apache.org/documentation/#recordbatch): base offset, length of what follows,
leader epoch, magic, CRC-32C of what follows, attributes, last offset delta, first and last timestamp, producer's id,
epoch and base sequence, number of records. Records come after it."""

_HEADER_SIZE: Final = _HEADER.size
_LENGTH_END: Final = 12
_CRC: Final = Struct(">I")
_CRC_AT: Final = 17
_CRC_END: Final = 21
_MAGIC: Final = 2
_PLAIN: Final = 0  # attributes: no compression, timestamps of creation, no transaction, data
_TRANSACTIONAL: Final = 1 << 4  # the same in a transaction
_KEY_SIZE: Final = 12
_KEY_LENGTH: Final = 2 * _KEY_SIZE  # zigzag
_NULL: Final = 1  # zigzag of -1
_FIXED: Final = 4 + _KEY_SIZE  # attributes, timestamp delta, length of the key, the key, count of headers: a byte each

Bytes = NDArray[np.uint8]
Words = NDArray[np.int64]


@helper
def _varint_size(value: int) -> int:
    """Count the bytes of a varint that is zero or positive."""
    size, rest = 1, value >> 6  # zigzag takes a bit of the first seven
    while rest > 0:
        size += 1
        rest >>= 7
    return size


@helper
def _put_varint(value: int, out: Bytes, at: int) -> int:
    rest = value << 1
    while rest > 127:
        out[at] = (rest & 127) | 128
        at += 1
        rest >>= 7
    out[at] = rest
    return at + 1


@helper
def _body_size(delta: int, size: int) -> int:
    """Count the bytes of a record after its length; `size` is that of its value."""
    return _FIXED + _varint_size(delta) + _varint_size(size) + size  # null takes one byte, as zero does


@helper
def _copy(source: Bytes, start: int, size: int, out: Bytes, at: int) -> int:
    target, source = out[at : at + size], source[start : start + size]  # indices from zero: copied in vectors
    for k in range(size):
        target[k] = source[k]
    return at + size


@helper
def _put(keys: Bytes, values: Bytes, row: int, start: int, size: int, delta: int, out: Bytes, at: int) -> int:
    """Write one record."""
    at = _put_varint(_body_size(delta, size), out, at)
    out[at] = 0
    out[at + 1] = 0
    at = _put_varint(delta, out, at + 2)
    out[at] = _KEY_LENGTH
    at = _copy(keys, row * _KEY_SIZE, _KEY_SIZE, out, at + 1)
    if size == 0:
        out[at] = _NULL
        at += 1
    else:
        at = _put_varint(size, out, at)
        at = _copy(values, start, size, out, at)
    out[at] = 0
    return at + 1


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def cut(ends: Words, first: int, room: int, out: Words) -> int:
        """Find how far a batch that begins with row `first` goes if its records may take `room` bytes.

        `out` int64[2] is overwritten: the row before which it ends, at least one on, and the bytes of its records.
        """
        total, row = 0, first
        start = ends[first - 1] if first > 0 else 0
        while row < len(ends):
            body = _body_size(row - first, 4 * (ends[row] - start))
            record = _varint_size(body) + body
            if total + record > room and row > first:
                break
            total += record
            start = ends[row]
            row += 1
        out[0], out[1] = row, total
        return key

    @entry
    def write(keys: Bytes, values: Bytes, ends: Words, first: int, last: int, out: Bytes) -> int:
        """Write the records of rows first to last - 1 after the place of the header."""
        keys, values, ends, out = borrow((keys, values, ends, out))
        start = 4 * (ends[first - 1] if first > 0 else 0)
        at = _HEADER_SIZE
        for row in range(first, last):
            size = 4 * ends[row] - start
            at = _put(keys, values, row, start, size, row - first, out, at)
            start += size
        return key

    return cut, write


_cut, _write = _compile(revision(__name__))


class BlockBuilder:
    """A closed `BatchBuilder` for aiokafka, with all its records.

    `data` has the records after an empty header. The header is written when the sender takes the batch: only then is
    the producer state known, that of `identity` or the sender's own.
    """

    def __init__(
        self,
        data: bytearray,
        count: int,
        now_ms: int,
        identity: ProducerIdentity | None = None,
        tp: TopicPartition | None = None,
        *,
        is_transactional: bool = False,
    ) -> None:
        assert (identity is None) == (tp is None), "sequence numbers of an identity are counted by log"
        self.identity = identity
        self._tp = tp
        self._data = data
        self._count = count
        self._now_ms = now_ms
        self._attributes = _TRANSACTIONAL if is_transactional else _PLAIN
        self._producer = (-1, -1, -1)  # none
        self._is_built = False

    def append(self, *, timestamp: int | None, key: Any, value: Any, headers: Sequence[Any] = ()) -> None:
        """Return None: the batch is full, and the caller opens another one."""

    def close(self) -> None:
        """Do nothing: the batch is already closed."""

    def closed(self) -> bool:
        """Tell that nothing can be appended."""
        return True

    def size(self) -> int:
        """Return the bytes of the batch."""
        return len(self._data)

    def record_count(self) -> int:
        """Return the number of records."""
        return self._count

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        assert not self._is_built, "a batch keeps its sequence number when it is sent again"
        if self.identity is None or self._tp is None:
            self._producer = (producer_id, producer_epoch, base_sequence)
        else:
            first = self.identity.take(self._tp, self._count)
            self._producer = (self.identity.producer_id, self.identity.epoch, first)

    def _build(self) -> bytearray:
        """Return the encoded batch: the same bytes at every call."""
        if not self._is_built:
            self._write_header()
            self._is_built = True
        return self._data

    def _write_header(self) -> None:
        length, now_ms = len(self._data) - _LENGTH_END, self._now_ms
        state = (*self._producer, self._count)
        _HEADER.pack_into(
            self._data, 0, 0, length, -1, _MAGIC, 0, self._attributes, self._count - 1, now_ms, now_ms, *state
        )
        _CRC.pack_into(self._data, _CRC_AT, calc_crc32c(memoryview(self._data)[_CRC_END:]))


def blocks(
    packed: Packed,
    now_ms: int,
    bytes_max: int,
    identity: ProducerIdentity | None = None,
    tp: TopicPartition | None = None,
    *,
    is_transactional: bool = False,
) -> list[BlockBuilder]:
    """Encode rows in order as batches of at most `bytes_max` bytes each. A larger row gets a batch of its own.

    A tombstone becomes a null value. Every record has the time `now_ms`.
    """
    keys = np.require(packed.keys, np.uint32, ("C", "W")).view(np.uint8).reshape(-1)
    values = np.require(packed.values, np.uint32, ("C", "W")).view(np.uint8)
    ends = np.require(packed.ends, np.int64, ("C", "W"))  # kernels are compiled for arrays that can be written to
    assert len(keys) == _KEY_SIZE * len(ends), "a key for each row"
    assert len(values) == 4 * (ends[-1] if len(ends) else 0), "the values end where the last row does"
    built = []
    cut = np.empty(2, dtype=np.int64)
    first = 0
    while first < len(ends):
        _cut(ends, first, bytes_max - _HEADER_SIZE, cut)
        last, size = cut.tolist()
        data = bytearray(_HEADER_SIZE + size)
        _write(keys, values, ends, first, last, np.frombuffer(data, dtype=np.uint8))
        built.append(BlockBuilder(data, last - first, now_ms, identity, tp, is_transactional=is_transactional))
        first = last
    return built
