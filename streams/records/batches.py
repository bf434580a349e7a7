"""Split a fetch into record batches. A batch is decompressed only within a limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, Literal, NamedTuple

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch

from streams.records.codecs import MASK, BrokenError, TooLargeError, expand
from streams.records.columns import Records, find_records, weigh
from streams.records.legacy import MAGIC_AT, MessageSet

FEW: Final = 16
FEW_BYTES: Final = 1 << 15

HEADER_SIZE: Final = 61
_COUNT_AT: Final = 57
_LENGTH_END: Final = 12
_SIZE_MIN: Final = 26  # an empty message of the oldest format
_INT: Final = Struct(">i")

RefusedReason = Literal["OVERSIZE_BATCH", "MALFORMED_BATCH"]


class RecordBatch:
    """A record batch of format 2 (https://kafka.apache.org/documentation/#recordbatch). Its checksum is not checked.

    `header` is aiokafka's batch object: it has offsets, producer and transaction, and checks the checksum.
    """

    __slots__ = ("_begin", "_data", "_end", "header")

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self.header = DefaultRecordBatch(data[begin:end] if end - begin <= FEW_BYTES else memoryview(data)[begin:end])
        self._data, self._begin, self._end = data, begin, end

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return self._end - self._begin

    @property
    def count(self) -> int:
        """Return the number of records in its header."""
        count: int = _INT.unpack_from(self._data, self._begin + _COUNT_AT)[0]
        return count

    @property
    def last_ms(self) -> int:
        """Return its newest timestamp in ms, or -1."""
        return int(self.header.max_timestamp)

    def few(self) -> list[Any] | None:
        """Return aiokafka's own records if a batch has at most FEW, for which a kernel is slower. Otherwise None.

        The size of the batch is limited too: headers take thirty times their bytes for a moment.
        """
        header, begin = self.header, self._begin
        count = _INT.unpack_from(self._data, begin + _COUNT_AT)[0]
        if not 0 < count <= FEW or self._end - begin > FEW_BYTES or header.attributes & MASK:
            return None
        try:
            return list(header)
        except (UnicodeDecodeError, CorruptRecordException):
            return None  # the name of a header, or a corrupt batch, which `records` will report

    def records(self, limit: int) -> Records:
        """Unpack its records.

        Raises:
            TooLargeError: unpacked, they have more than `limit` bytes. Each record counts with 128 bytes more.
            BrokenError: the content does not fit its header, though the checksum is right.
        """
        header, count = self.header, self.count
        data, begin, end = self._data, self._begin + HEADER_SIZE, self._end
        codec = header.attributes & MASK
        if codec and count > 0:  # a batch that compaction has emptied has nothing to decompress
            data = expand(codec, memoryview(data)[begin:end], limit - weigh(0, count, limit))
            begin, end = 0, len(data)
        weigh(end - begin, count, limit)
        return find_records(
            data,
            begin,
            end,
            count=count,
            last=header.last_offset_delta,
            base=header.base_offset,
            first_ms=header.first_timestamp,
            append_ms=header.max_timestamp if header.timestamp_type else None,
        )


Stored = RecordBatch | MessageSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record batch that is not unpacked: its offsets [first, end), and no records.

    `size`: bytes of the batch as stored. `last_ms`: its newest timestamp. `is_whole`: its header counts one record for
    each offset; after compaction there are fewer.
    """

    reason: RefusedReason
    first: int
    end: int
    size: int
    last_ms: int
    is_whole: bool

    def __len__(self) -> int:
        return self.end - self.first


def refusal(batch: Stored, reason: RefusedReason, position: int) -> Refused:
    """Return a refused batch, from `position` on if that is inside it."""
    header = batch.header
    return Refused(
        reason=reason,
        first=max(position, header.base_offset),
        end=max(header.next_offset, position + 1),
        size=batch.size,
        last_ms=batch.last_ms,
        is_whole=batch.count == header.next_offset - header.base_offset,
    )


def unpack(batch: Stored, position: int, limit: int) -> Records | Refused:
    """Unpack the records of a batch from `position` on, or return why it is refused.

    Memory: at most three times `limit` for a moment, besides the records returned.
    """
    try:
        records = batch.records(limit)
    except TooLargeError:
        return refusal(batch, "OVERSIZE_BATCH", position)
    except BrokenError:
        return refusal(batch, "MALFORMED_BATCH", position)
    return records if position <= batch.header.base_offset else records.since(position)


class Opened(NamedTuple):
    """Records of a batch that were not returned yet, and the batch."""

    records: Records
    batch: Stored


class Fetched:
    """Iterate over the record batches of a fetch of a partition. Replaces aiokafka's MemoryRecords.

    MemoryRecords reads every batch in the format of the first one.
    """

    __slots__ = ("_at", "_data", "held", "rest")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.held: Refused | None = None
        """The last batch, if it was refused and is not reported yet."""
        self.rest: Opened | None = None
        """The records of the last batch that were not returned yet, if it is returned in parts."""

    @classmethod
    def of(cls, source: Any) -> "Fetched":
        """Return the iterator of aiokafka's `PartitionRecords`, new or begun.

        The bytes are in a compiled object that returns them only for pickling.
        """
        if not isinstance(source._records, Fetched):
            data, begin = source._records.__reduce_cython__()[2]
            assert begin == 0, "no batch was taken before"
            source._records = cls(data)
        walk: Fetched = source._records
        return walk

    def __bool__(self) -> bool:
        """Tell whether batches or records are left."""
        return self.held is not None or self.rest is not None or self._end() is not None

    def __iter__(self) -> Iterator[Stored]:
        """Yield the remaining batches.

        Raises:
            aiokafka.errors.CorruptRecordException: a length is wrong.
        """
        while (batch := self.next()) is not None:
            yield batch

    def next(self) -> Stored | None:
        """Return the next batch, or None.

        Raises:
            aiokafka.errors.CorruptRecordException: its length is wrong.
        """
        data, begin, end = self._data, self._at, self._end()
        if end is None:
            return None
        self._at = end
        if end - begin >= HEADER_SIZE and data[begin + MAGIC_AT] >= 2:
            return RecordBatch(data, begin, end)
        if end - begin >= _SIZE_MIN and data[begin + MAGIC_AT] < 2:
            return MessageSet(data, begin, end)
        raise CorruptRecordException(f"a batch of {end - begin} bytes")

    def drop(self) -> None:
        """Drop all that is left: it will be fetched again."""
        self._at, self.held, self.rest = len(self._data), None, None

    def leave(self, count: int) -> int:
        """Remove `count` records from the rest. Return the offset of the next record that was not returned."""
        assert self.rest is not None
        records, batch = self.rest
        left = records.part(count, len(records))
        self.rest = Opened(left, batch) if len(left) else None
        return int(batch.header.next_offset) if self.rest is None else left.offsets[0]

    def _end(self) -> int | None:
        """Return the end of the next whole batch, or None. The last batch of a fetch may be cut off."""
        after, size = self._at + _LENGTH_END, len(self._data)
        if after > size:
            return None
        end: int = after + _INT.unpack_from(self._data, after - _INT.size)[0]
        return end if end <= size else None
