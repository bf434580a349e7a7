"""Follow topics without a consumer group, from their start or from their present end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.reading.ends import bounds, partitions_of
from streams.kafka.reading.rows import BATCH_MAX_BYTES
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Isolation


@asynccontextmanager
async def following(
    broker: Broker, topics: Sequence[str], *, from_start: bool, isolation: Isolation = "read_committed"
) -> AsyncIterator[BoundedConsumer]:
    """Open a consumer of every partition of some topics, at their start or at their present end.

    Raises:
        MissingTopicError: a topic does not exist.
        UnreadableError: the broker does not return the end of a partition.
        RefusedBatchError: while polling: a batch is not one that a worker or the demonstration writes.
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    consumer = BoundedConsumer(
        batch_max_bytes=BATCH_MAX_BYTES,
        **client_options(broker),
        client_id="sekisho-replay",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=1 << 21,
    )
    try:
        await consumer.start()
        partitions = []
        for topic in topics:
            found = await partitions_of(consumer, topic)
            if not found:
                raise MissingTopicError(topic)
            partitions += found
        spans = {} if from_start else await bounds(consumer, partitions, broker.request_timeout_s)
        consumer.assign(partitions)
        if from_start:
            await consumer.seek_to_beginning(*partitions)
        for tp, span in spans.items():
            consumer.seek(tp, span.end)
        yield consumer
    finally:
        await consumer.stop()
