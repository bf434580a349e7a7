"""What a fetch brought, batch by batch. Nothing of a batch is decompressed before its bound is known."""

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
_SIZE_MIN: Final = 26  # of a message of the oldest format that holds nothing
_INT: Final = Struct(">i")

RefusedReason = Literal["OVERSIZE_BATCH", "MALFORMED_BATCH"]


class RecordBatch:
    """A batch of format 2 (https://kafka.apache.org/documentation/#recordbatch), its checksum not yet looked at.

    `header` is aiokafka's own batch: offsets, producer, transaction, and whether the checksum is right.
    """

    __slots__ = ("_begin", "_data", "_end", "header")

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self.header = DefaultRecordBatch(data[begin:end] if end - begin <= FEW_BYTES else memoryview(data)[begin:end])
        self._data, self._begin, self._end = data, begin, end

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self._end - self._begin

    @property
    def count(self) -> int:
        """Return how many records it claims to have."""
        count: int = _INT.unpack_from(self._data, self._begin + _COUNT_AT)[0]
        return count

    @property
    def last_ms(self) -> int:
        """Return the time of its newest record, -1 if it has none."""
        return int(self.header.max_timestamp)

    def few(self) -> list[Any] | None:
        """Give aiokafka's own records, if they are so few that a kernel would take longer; else None.

        Stored bytes are bounded with them: of headers they become thirty times as much, for a moment.
        """
        header, begin = self.header, self._begin
        count = _INT.unpack_from(self._data, begin + _COUNT_AT)[0]
        if not 0 < count <= FEW or self._end - begin > FEW_BYTES or header.attributes & MASK:
            return None
        try:
            return list(header)
        except (UnicodeDecodeError, CorruptRecordException):
            return None  # a header's name, which is not asked for; or it is broken, as will be found

    def records(self, limit: int) -> Records:
        """Take its records apart.

        Raises:
            TooLargeError: unpacked they would take more than `limit` bytes, each counted with 128 beside its own.
            BrokenError: it is not what it says, though its checksum is right.
        """
        header, count = self.header, self.count
        data, begin, end = self._data, self._begin + HEADER_SIZE, self._end
        codec = header.attributes & MASK
        if codec and count > 0:  # of a batch that compaction has emptied nothing is left to decompress
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
    """A batch that is not unpacked, by its coordinates: of [first, end) no record is known.

    `size` is the batch's as it is stored, `last_ms` the time of its newest record. `is_whole` tells that its header
    counts a record for each offset; compaction leaves fewer.
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
    """Describe a batch that cannot be unpacked, from `position` on if that lies inside it."""
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
    """Take the records of a batch apart, those from `position` on, or say why not.

    Memory: at most three times `limit`, for a moment, and what is kept of the records.
    """
    try:
        records = batch.records(limit)
    except TooLargeError:
        return refusal(batch, "OVERSIZE_BATCH", position)
    except BrokenError:
        return refusal(batch, "MALFORMED_BATCH", position)
    return records if position <= batch.header.base_offset else records.since(position)


class Opened(NamedTuple):
    """Records of a batch that have not been handed on, and the batch."""

    records: Records
    batch: Stored


class Fetched:
    """Walk over the batches that a fetch brought of a partition; takes the place of aiokafka's MemoryRecords.

    That one reads every batch in the format of the first.
    """

    __slots__ = ("_at", "_data", "held", "rest")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.held: Refused | None = None
        """The last batch given, if it was refused and nobody has been told."""
        self.rest: Opened | None = None
        """Of the last batch given what has not been handed on, where it is handed on in parts."""

    @classmethod
    def of(cls, source: Any) -> "Fetched":
        """Return the walk over the batches of aiokafka's `PartitionRecords`, begun or not.

        The bytes are in a compiled object that gives them to nobody but pickle.
        """
        if not isinstance(source._records, Fetched):
            data, begin = source._records.__reduce_cython__()[2]
            assert begin == 0, "nobody has taken a batch"
            source._records = cls(data)
        walk: Fetched = source._records
        return walk

    def __bool__(self) -> bool:
        """Tell whether something is left."""
        return self.held is not None or self.rest is not None or self._end() is not None

    def __iter__(self) -> Iterator[Stored]:
        """Give the batches from here on; one that was given is passed.

        Raises:
            aiokafka.errors.CorruptRecordException: a length is wrong.
        """
        while (batch := self.next()) is not None:
            yield batch

    def next(self) -> Stored | None:
        """Give the next batch and pass it; None if there is none.

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
        """Forget what is left: it will be fetched again."""
        self._at, self.held, self.rest = len(self._data), None, None

    def leave(self, count: int) -> int:
        """Hand on `count` records of the rest; return from which offset on nothing has been handed on."""
        assert self.rest is not None
        records, batch = self.rest
        left = records.part(count, len(records))
        self.rest = Opened(left, batch) if len(left) else None
        return int(batch.header.next_offset) if self.rest is None else left.offsets[0]

    def _end(self) -> int | None:
        """Return where the next batch ends; None if no whole one is left: the last may be cut off."""
        after, size = self._at + _LENGTH_END, len(self._data)
        if after > size:
            return None
        end: int = after + _INT.unpack_from(self._data, after - _INT.size)[0]
        return end if end <= size else None
