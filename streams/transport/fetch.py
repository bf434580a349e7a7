"""aiokafka's fetcher: records out of it by column, without its per-record dataclass, and its end.

aiokafka builds a `ConsumerRecord` of eleven fields for each record (3.4 us); the compiled iterator below it needs 0.4.
The first functions do what `Fetcher.fetched_records`, `FetchResult.getall` and `PartitionRecords._unpack_records` do
together, on the same private objects; tests pin the source of all three, and of what `close` works around.
"""

import asyncio
from collections.abc import Collection
from itertools import chain
from typing import Any, Final

import aiokafka
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.transport.batch import Columns

READ_COMMITTED = 1  # aiokafka.consumer.fetcher.READ_COMMITTED

CLOSE_AGAIN_S: Final = 0.01


def take(fetcher: Any, wanted: Collection[TopicPartition]) -> dict[TopicPartition, Columns]:
    """Take all buffered records of the wanted partitions and move their positions on.

    Like `fetched_records(timeout=0)`: what belongs to unassigned partitions is dropped, the rest of the unwanted stays.
    Unlike it, the fetcher is not told: it fetches again once `fetch_again` is called.

    Raises:
        aiokafka.errors.KafkaError: the broker's answer for a partition was an error and nothing else was buffered.
    """
    taken: dict[TopicPartition, Columns] = {}
    buffered = fetcher._records
    for tp in list(buffered):
        if tp not in wanted:
            if not fetcher._subscriptions.is_assigned(tp):
                del buffered[tp]
            continue
        result = buffered[tp]
        is_error = not hasattr(result, "getall")  # FetchError
        if is_error and taken:
            break  # hand over what is good; the error comes up at the next call
        del buffered[tp]
        if is_error:
            fetch_again(fetcher)
            result.check_raise()
        columns = unpack(result)
        if columns is not None:
            taken[tp] = columns
    return taken


def fetch_again(fetcher: Any) -> None:
    """Tell the fetcher that there is room: it sends the next fetch at once."""
    fetcher._notify(fetcher._wait_consume_future)


def unpack(result: Any) -> Columns | None:
    """Unpack one `FetchResult`, or return None if its partition moved or was paused meanwhile.

    Raises:
        aiokafka.errors.CorruptRecordException: a checksum does not match; the position stays before that batch.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return None
    source = result._partition_records
    start: int = source.next_fetch_offset
    parts: list[list[Any]] = []
    try:
        _read_batches(source, parts)
    finally:
        result._update_position()
        result._partition_records = None
    end: int = source.next_fetch_offset
    rows: list[Any] = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
    if not rows:
        return None if end == start else Columns(start=start, end=end, offsets=(), timestamps_ms=(), values=[])
    first: int = rows[0].offset
    dense = rows[-1].offset - first + 1 == len(rows)
    values = [row.value for row in rows]
    if None in values:  # tombstones: nothing to score, and not to be dropped in silence either
        values = [b"" if value is None else value for value in values]
    return Columns(
        start=start,
        end=end,
        offsets=range(first, first + len(rows)) if dense else [row.offset for row in rows],
        timestamps_ms=[row.timestamp for row in rows],
        values=values,
    )


def _read_batches(source: Any, parts: list[list[Any]]) -> None:
    records = source._records
    while records.has_next():
        batch = records.next_batch()
        if source._check_crcs and not batch.validate_crc():
            if parts:
                return  # hand over what is good; the broken batch is fetched again and raises then
            raise CorruptRecordException(f"Invalid CRC - {source._tp}")
        if not (aborted(source, batch) or batch.is_control_batch):
            rows = list(batch)
            if rows and rows[0].offset < source.next_fetch_offset:  # the fetch began inside a stored batch
                rows = [row for row in rows if row.offset >= source.next_fetch_offset]
            parts.append(rows)
        source.next_fetch_offset = batch.next_offset


def aborted(source: Any, batch: Any) -> bool:
    """Tell whether a transaction of this batch was rolled back, keeping aiokafka's list of aborted producers."""
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and source._contains_abort_marker(batch):
        source._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in source._aborted_producers)


async def close(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and wait until it has.

    aiokafka tells its fetcher to end by one cancellation. The fetcher forgets it if it comes while it cancels fetches
    itself, those of an assignment that is gone: at the end of a read or in a rebalance. So it is told again.
    """
    stopping = asyncio.create_task(consumer.stop())
    while not (await asyncio.wait([stopping], timeout=CLOSE_AGAIN_S))[0]:
        if consumer._fetcher is not None and consumer._fetcher._closed:
            consumer._fetcher._fetch_task.cancel()
    stopping.result()
