"""Merge the partitions of the inputs by the times of their records, with a part of each partition in memory.

Within a partition the offsets are the order: a record with an older time than the one before it follows that at once.
Of records with the same time, merchants come first, then results of 3-D Secure, reports, payments and their outcomes;
then the partition decides. So the order depends on nothing but the records.
"""

import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import Final, NamedTuple

from aiokafka.structs import TopicPartition

from streams.kafka.reading.log import LogReader
from streams.kafka.settings import READ_ROLES, label_of

STEP_MAX: Final = 8_192
AHEAD_MAX: Final = 131_072
"""Records that are read ahead of their use, of all partitions together."""

BYTES_MAX: Final = 256 << 20
"""Bytes of them, about; a partition has its share, and one fetch of at most `FETCH_BYTES_MAX` more."""

FETCH_BYTES_MAX: Final = 1 << 20
CHUNK: Final = 2_048

_ORDER: Final = ("merchants", "threeds_results", "fraud_reports", "authorizations", "authorization_outcomes")
"""Fields of `Topics` in the order of records with the same time."""

assert set(_ORDER) == set(READ_ROLES), "each input has its place"


class Record(NamedTuple):
    """A record of a topic, by the name that messages give it; `place` is partition and offset, None a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    at_ms: int
    place: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The offsets [begin, end) of a partition of an input, a field of `Topics`."""

    field: str
    tp: TopicPartition
    begin: int
    end: int


class Lane:
    """A part that is read in order, `step` records at a time."""

    def __init__(self, reader: LogReader, part: Part, step: int, bytes_max: int = BYTES_MAX) -> None:
        self._reader, self.part, self._step, self._bytes_max = reader, part, step, bytes_max
        self._at = part.begin
        self._topic = label_of(part.field)
        self._hash = hashlib.sha256() if part.field == "merchants" else None
        self.rank = _ORDER.index(part.field), part.tp.partition
        self.ahead: deque[Record] = deque()

    @property
    def is_over(self) -> bool:
        """Whether all was read from the broker."""
        return self._at >= self.part.end

    @property
    def digest(self) -> bytes:
        """Hash of the records of merchants read so far."""
        assert self._hash is not None
        return self._hash.digest()

    async def fill(self) -> None:
        """Read ahead if nothing is left of the step before.

        Raises:
            UnreadableError: the broker does not return the records.
        """
        while not self.ahead and not self.is_over:
            until, size = min(self._at + self._step, self.part.end), 0
            async with aclosing(self._reader.read(self.part.tp, self._at, until)) as found:
                self._at = until
                async for rows in found:
                    columns = zip(rows.offsets, rows.keys, rows.values, rows.timestamps_ms, strict=True)
                    for offset, key, value, at_ms in columns:
                        self.ahead.append(Record(self._topic, key, value, at_ms, (self.part.tp.partition, offset)))
                        size += len(key) + len(value or b"")
                        if self._hash is not None:
                            self._hash.update(b"%d %d %d " % (offset, len(key), -1 if value is None else len(value)))
                            self._hash.update(key + (value or b""))
                    if size > self._bytes_max:
                        self._at = rows.offsets[-1] + 1
                        break

    def head(self) -> tuple[int, tuple[int, int]]:
        """Return what the next record is sorted by."""
        return self.ahead[0].at_ms, self.rank


def lanes(reader: LogReader, parts: Sequence[Part]) -> list[Lane]:
    """Return lanes for parts that share the memory."""
    step, share = step_of(len(parts)), BYTES_MAX // max(1, len(parts))
    return [Lane(reader, part, step, share) for part in parts]


def step_of(parts: int) -> int:
    """Return how many records are read at a time of each of so many parts."""
    return max(1, min(STEP_MAX, AHEAD_MAX // max(1, parts)))


async def merged(each: Sequence[Lane]) -> AsyncGenerator[list[Record], None]:
    """Yield the records of lanes in order, up to 2,048 at a time.

    Raises:
        UnreadableError: as `Lane.fill`.
    """
    for lane in each:
        await lane.fill()
    heap = [(lane.head(), at) for at, lane in enumerate(each) if lane.ahead]
    heapify(heap)
    chunk: list[Record] = []
    while heap:
        at = heap[0][1]
        lane = each[at]
        chunk.append(lane.ahead.popleft())
        if not lane.ahead:
            await lane.fill()
        if lane.ahead:
            heapreplace(heap, (lane.head(), at))
        else:
            heappop(heap)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
