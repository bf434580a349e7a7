"""aiokafka's fetcher: records out of it by column, within bounds, and its end.

aiokafka builds a `ConsumerRecord` of eleven fields for each record (3.4 us), and decompresses whatever a batch expands
to. The first functions do what `Fetcher.fetched_records`, `FetchResult.getall` and `PartitionRecords._unpack_records`
do together, on the same private objects; tests pin the source of all three, and of what `close` works around.
"""

import asyncio
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import aiokafka
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.records.batches import Fetched, Refused, Stored, unpack
from streams.records.columns import RECORD_BYTES, Records
from streams.transport.batch import Columns

READ_COMMITTED = 1  # aiokafka.consumer.fetcher.READ_COMMITTED
READ_UNCOMMITTED = 0

CLOSE_AGAIN_S: Final = 0.01


class Bounds(NamedTuple):
    """Bound what one look takes of what was fetched, in bytes unpacked.

    A batch beyond `batch` is refused. Of a partition no further batch is taken once `partition` are, and none of any
    once `room` are: what is left stays in the fetcher, as it was fetched.
    """

    batch: int
    partition: int
    room: int


def take(fetcher: Any, wanted: Collection[TopicPartition], bounds: Bounds) -> dict[TopicPartition, Columns]:
    """Take buffered records of the wanted partitions, as far as the bounds go, and move their positions on.

    Like `fetched_records(timeout=0)`: what belongs to unassigned partitions is dropped, the rest of the unwanted stays.
    Unlike it, the fetcher is not told: it fetches again once `fetch_again` is called.

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
            break  # hand over what is good; the error comes up at the next call
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


def fetch_again(fetcher: Any) -> None:
    """Tell the fetcher that there is room: it sends the next fetch at once."""
    fetcher._notify(fetcher._wait_consume_future)


def unpack_columns(result: Any, bounds: Bounds) -> Columns | None:
    """Unpack one `FetchResult` up to the bounds, or return None if its partition moved or was paused meanwhile.

    A batch that is refused comes alone, without values.

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
        """Append the records of a batch, of which there are some; a null value counts as an empty one."""
        self._settle()
        self._offsets.append(records.offsets)
        self._timestamps_ms += records.timestamps_ms
        self._values += records.payloads
        self.weight += records.weight

    def add_few(self, rows: Sequence[Any], size: int) -> None:
        """Append aiokafka's own records of a batch of `size` bytes."""
        self._few += rows
        self.weight += size + RECORD_BYTES * len(rows)

    def _settle(self) -> None:
        """Take the few apart that came one batch after the other."""
        if self._few:
            rows, self._few = self._few, []
            self._offsets.append([row.offset for row in rows])
            self._timestamps_ms += [row.timestamp for row in rows]
            self._values += [row.value or b"" for row in rows]

    def columns(self, start: int, end: int) -> Columns:
        """Put together what was collected of [start, end)."""
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
            walk.drop()  # hand over what is good; the broken batch is fetched again and raises then
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
    if walk.held is not None and not gathered.weight:  # it comes alone: else at the next call
        gathered.refused, walk.held = walk.held, None
        source.next_fetch_offset = gathered.refused.end


def next_batch(source: Any, walk: Fetched) -> Stored | None:
    """Give the next batch that is for us; None if there is none. What is not has been moved past.

    Raises:
        aiokafka.errors.CorruptRecordException: its checksum or its length is wrong; the position stays before it.
    """
    while (batch := walk.next()) is not None:
        header = batch.header
        if source._check_crcs and not header.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {source._tp}")
        if not (aborted(source, header) or header.is_control_batch):
            return batch
        source.next_fetch_offset = header.next_offset
    return None


def aborted(source: Any, batch: Any) -> bool:
    """Tell whether a transaction of this batch was rolled back, keeping aiokafka's list of aborted producers."""
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and source._contains_abort_marker(batch):
        source._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in source._aborted_producers)


async def close(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and wait until its connections are closed.

    aiokafka tells its fetcher to end by one cancellation. The fetcher forgets it if it comes while it cancels fetches
    itself, those of an assignment that is gone: at the end of a read or in a rebalance. So it is told again.

    Raises:
        aiokafka.errors.KafkaError: the fetcher had failed.
    """
    stopping = asyncio.create_task(_stop(consumer))
    while not (await asyncio.wait([stopping], timeout=CLOSE_AGAIN_S))[0]:
        if consumer._fetcher is not None and consumer._fetcher._closed:
            consumer._fetcher._fetch_task.cancel()
    stopping.result()


async def _stop(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and what `AIOKafkaConsumer.stop` leaves when it ends early.

    It cancels tasks and awaits them. One that has not begun, or that waits to fetch again after an error, ends by this
    cancellation, and so does the stop: its caller would see itself cancelled, and connections would stay open.
    """
    try:
        await aiokafka.AIOKafkaConsumer.stop(consumer)
        return
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():  # the loop ends
            raise
    fetcher = consumer._fetcher
    if fetcher is not None:
        tasks = [fetcher._fetch_task, *fetcher._pending_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await consumer._client.close()
