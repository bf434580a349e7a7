"""Read records from aiokafka's fetcher as columns, within limits of bytes.

aiokafka builds a `ConsumerRecord` of eleven fields for each record (3.4 us), and decompresses a batch of any size.
`take` and `unpack_columns` do together what `Fetcher.fetched_records`, `FetchResult.getall` and
`PartitionRecords._unpack_records` do, on the same private objects. Tests pin the source of all three.
"""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any, NamedTuple

from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.kafka.reading.fetcher import fetch_again, next_batch
from streams.records.batches import Fetched, Refused, unpack
from streams.records.columns import RECORD_BYTES, Records
from streams.transport.batch import Columns


class Bounds(NamedTuple):
    """Limits of one `take`, in bytes unpacked.

    A record batch larger than `batch` is refused. After `partition` bytes a partition gives no further batch, and after
    `room` bytes none does. The rest stays packed in the fetcher.
    """

    batch: int
    partition: int
    room: int


def take(fetcher: Any, wanted: Collection[TopicPartition], bounds: Bounds) -> dict[TopicPartition, Columns]:
    """Take buffered records of the wanted partitions, within the limits, and advance their positions.

    Like `fetched_records(timeout=0)` it drops records of unassigned partitions and leaves those of other partitions.
    Unlike it, it does not start the next fetch: `fetch_again` does.

    Raises:
        aiokafka.errors.KafkaError: the broker's answer for a partition was an error and nothing else was buffered.
    """
    taken: dict[TopicPartition, Columns] = {}
    weight = 0
    buffered = fetcher._records
    for tp in list(buffered):
        if tp not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):
                del buffered[tp]
            continue
        result = buffered[tp]
        is_error = not hasattr(result, "getall")  # FetchError
        if weight >= bounds.room or (is_error and taken):
            break  # return the good records; the next call raises the error
        del buffered[tp]
        if is_error:
            fetch_again(fetcher)
            result.check_raise()
        columns = unpack_columns(result, bounds)
        if result.has_more():
            buffered[tp] = result  # behind the others
        if columns is not None:
            taken[tp] = columns
            weight += columns.weight
    return taken


def unpack_columns(result: Any, bounds: Bounds) -> Columns | None:
    """Unpack one `FetchResult` within the limits, or return None if its partition moved or was paused meanwhile.

    A refused record batch is returned alone, without values.

    Raises:
        aiokafka.errors.CorruptRecordException: a checksum does not match; the position stays before that batch.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return None
    source = result._partition_records
    walk = Fetched.of(source)
    start: int = source.next_fetch_offset
    gathered = _Gathered()
    try:
        _read_batches(source, walk, gathered, bounds)
    finally:
        result._update_position()
        if not walk:
            result._partition_records = None
    end: int = source.next_fetch_offset
    return gathered.columns(start, end) if end != start or gathered.weight else None


class _Gathered:
    """Collect the columns of one batch after the other."""

    def __init__(self) -> None:
        self._offsets: list[Sequence[int]] = []
        self._timestamps_ms: list[int] = []
        self._values: list[bytes] = []
        self._few: list[Any] = []  # aiokafka's records, after all others
        self.refused: Refused | None = None
        self.weight = 0

    def add(self, records: Records) -> None:
        """Append the records of a batch, at least one. A null value becomes an empty one."""
        self._settle()
        self._offsets.append(records.offsets)
        self._timestamps_ms += records.timestamps_ms
        self._values += records.payloads
        self.weight += records.weight

    def add_few(self, rows: Sequence[Any], size: int) -> None:
        """Append aiokafka's own records of a small batch of `size` bytes."""
        self._few += rows
        self.weight += size + RECORD_BYTES * len(rows)

    def _settle(self) -> None:
        """Append the records that `add_few` has collected to the columns."""
        if self._few:
            rows, self._few = self._few, []
            self._offsets.append([row.offset for row in rows])
            self._timestamps_ms += [row.timestamp for row in rows]
            self._values += [row.value or b"" for row in rows]

    def columns(self, start: int, end: int) -> Columns:
        """Return the collected records as columns of the fetch positions [start, end)."""
        self._settle()
        refused, parts = self.refused, self._offsets
        if refused is not None:
            return Columns(
                start=start,
                end=end,
                offsets=range(refused.first, refused.end),
                timestamps_ms=(refused.last_ms,),
                values=[],
                refused=refused,
            )
        offsets: Sequence[int] = ()
        if parts:
            first, last = parts[0][0], parts[-1][-1]
            is_dense = last - first + 1 == len(self._values)
            offsets = range(first, last + 1) if is_dense else list(chain.from_iterable(parts))
        return Columns(
            start=start,
            end=end,
            offsets=offsets,
            timestamps_ms=self._timestamps_ms,
            values=self._values,
            weight=self.weight,
        )


def _read_batches(source: Any, walk: Fetched, gathered: _Gathered, bounds: Bounds) -> None:
    while walk.held is None and gathered.weight < bounds.partition:
        try:
            batch = next_batch(source, walk)
        except CorruptRecordException:
            if not gathered.weight:
                raise
            walk.drop()  # return the good records; the corrupt batch is fetched again and raises then
            return
        if batch is None:
            return
        position, header = source.next_fetch_offset, batch.header
        few = batch.few() if position <= header.base_offset else None
        if few is not None:
            gathered.add_few(few, batch.size)
        elif isinstance(unpacked := unpack(batch, position, bounds.batch), Refused):
            walk.held = unpacked
            break
        elif len(unpacked):
            gathered.add(unpacked)
        source.next_fetch_offset = header.next_offset
    if walk.held is not None and not gathered.weight:  # it is returned alone: else by the next call
        gathered.refused, walk.held = walk.held, None
        source.next_fetch_offset = gathered.refused.end
