"""Operations on aiokafka's fetcher: start the next fetch, take the next batch of an answer, close.

`next_batch` and `aborted` do what `PartitionRecords._unpack_records` does, on the same private objects. Tests pin its
source, and that of the code that `close` works around.
"""

import asyncio
from typing import Any, Final

import aiokafka
from aiokafka.errors import CorruptRecordException, KafkaError

from streams.records.batches import Fetched, Stored

READ_COMMITTED = 1  # aiokafka.consumer.fetcher.READ_COMMITTED
READ_UNCOMMITTED = 0

CLOSE_AGAIN_S: Final = 0.01


def fetch_again(fetcher: Any) -> None:
    """Make the fetcher send the next fetch at once."""
    fetcher._notify(fetcher._wait_consume_future)


def next_batch(source: Any, walk: Fetched) -> Stored | None:
    """Return the next data batch, or None. Control batches and aborted batches are skipped.

    Raises:
        aiokafka.errors.CorruptRecordException: a checksum or a length is wrong. The position stays before that batch.
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
    """Tell whether a batch belongs to an aborted transaction. Updates aiokafka's list of aborted producers."""
    if source._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    source._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and source._contains_abort_marker(batch):
        source._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in source._aborted_producers)


async def close(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and wait until its connections are closed.

    aiokafka cancels its fetcher once. The fetcher swallows the cancellation if it is just cancelling fetches of an
    earlier assignment: at the end of a read, or in a rebalance. So it is cancelled again.

    Raises:
        aiokafka.errors.KafkaError: the fetcher had failed.
    """
    stopping = asyncio.create_task(_stop(consumer))
    while not (await asyncio.wait([stopping], timeout=CLOSE_AGAIN_S))[0]:
        if consumer._fetcher is not None and consumer._fetcher._closed:
            consumer._fetcher._fetch_task.cancel()
    stopping.result()


async def _stop(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and also what `AIOKafkaConsumer.stop` leaves open when it ends early.

    The original cancels tasks and awaits them. A task that has not begun, or that waits after an error, raises the
    cancellation into `stop`: its caller would seem cancelled, and connections would stay open.
    """
    failure: KafkaError | None = None
    try:
        await aiokafka.AIOKafkaConsumer.stop(consumer)
        return
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():  # the loop ends
            raise
    except KafkaError as error:  # the fetcher had failed
        failure = error
    fetcher = consumer._fetcher
    if fetcher is not None:
        tasks = [fetcher._fetch_task, *fetcher._pending_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await consumer._client.close()
    if failure is not None:
        raise failure
