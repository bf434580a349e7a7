"""Fill a topic, and measure the growth of another."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2

from tests.brokers.load import KEEP_ALL, stamp_ms

PARTITIONS = 2
"""At least twice the number of workers, so that each has several."""


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """Give the partition of a key by Kafka's default partitioner."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


async def create_topics(bootstrap: str, names: Sequence[str], configs: dict[str, str] | None = None) -> None:
    """Create topics of PARTITIONS partitions; unless `configs` say otherwise they keep records of any date."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topic_configs = {**KEEP_ALL, **(configs or {})}
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=topic_configs) for name in names])
    finally:
        await admin.close()


async def fill(bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes]]) -> int:
    """Produce keyed authorizations in large batches, each with its own time; return their number."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, max_batch_size=1 << 19)
    await producer.start()
    batches = [producer.create_batch() for _ in range(PARTITIONS)]
    pending: set[asyncio.Future[object]] = set()
    count, now_ms = 0, time.time_ns() // 1_000_000

    async def flush(partition: int) -> None:
        nonlocal pending
        pending.add(await producer.send_batch(batches[partition], topic, partition=partition))
        batches[partition] = producer.create_batch()
        if len(pending) > 64:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    try:
        for key, value in records:
            partition = partition_of(key)
            at_ms = stamp_ms(value, now_ms)
            if batches[partition].append(timestamp=at_ms, key=key, value=value) is None:
                await flush(partition)
                batches[partition].append(timestamp=at_ms, key=key, value=value)
            count += 1
        for partition in range(PARTITIONS):
            if batches[partition].record_count():
                await flush(partition)
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return count


class Gauge:
    """Reads the number of records of a topic."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]

    async def __aenter__(self) -> "Gauge":
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self) -> int:
        """Return the sum of end offsets over the partitions."""
        ends = await self._consumer.end_offsets(self._partitions)
        return int(sum(ends.values()))
