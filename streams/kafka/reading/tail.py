"""Topics as they are read back: without a group, from a known place on."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiokafka
from aiokafka.structs import TopicPartition

from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.security import client_options
from streams.kafka.sending.bulk import MissingTopicError
from streams.kafka.settings import Broker

_DRAIN_POLLS = 20
_BATCH_MAX_BYTES = 1 << 26
"""More than a worker's batch takes, which is the configuration's 8 MiB at most, and its records."""


@asynccontextmanager
async def reading(
    broker: Broker, topics: Sequence[str], *, from_start: bool, isolation: str = "read_committed"
) -> AsyncIterator[BoundedConsumer]:
    """Open a consumer of every partition of some topics, at their start or at their present end.

    Raises:
        MissingTopicError: a topic does not exist.
        RefusedBatchError: while polling: a batch is not one that a worker or the demonstration writes.
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    consumer = BoundedConsumer(
        batch_max_bytes=_BATCH_MAX_BYTES,
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
        partitions = [tp for topic in topics for tp in await partitions_of(consumer, topic)]
        consumer.assign(partitions)
        if from_start:
            await consumer.seek_to_beginning(*partitions)
        else:
            await _to_end(consumer, partitions)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(consumer: aiokafka.AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic.

    Raises:
        MissingTopicError: it does not exist.
    """
    if topic not in await consumer.topics():
        raise MissingTopicError(f"topic {topic!r} does not exist: run `sekisho topics create`")
    await consumer._client._wait_on_metadata(topic)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def _to_end(consumer: aiokafka.AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
    await consumer.seek_to_end(*partitions)
    # A broker may report an end that lies inside its last batch: skip what is left of it.
    for _ in range(_DRAIN_POLLS):
        if not await consumer.getmany(timeout_ms=100):
            break
