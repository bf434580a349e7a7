"""Records to topics in bulk: in order, in whole batches, to the partition that Java's default partitioner picks."""

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

import aiokafka
from aiokafka.partitioner import murmur2
from aiokafka.structs import RecordMetadata

from scoring.outputs import Record
from streams.kafka.security import client_options
from streams.kafka.sending.append import build
from streams.kafka.settings import Broker

BATCH_BYTES_MAX = 500_000
UNACKNOWLEDGED_MAX = 64  # batches
KEYS_MAX = 1_000_000


class MissingTopicError(Exception):
    """A topic to be written or read does not exist."""


class Sender:
    """Produce what it is given. Waits when too much is unacknowledged, so that memory stays bounded."""

    def __init__(self, client: aiokafka.AIOKafkaProducer) -> None:
        self._client = client
        self._counts: dict[str, int] = {}
        self._partitions: dict[tuple[bytes, int], int] = {}
        self._pending: deque[Awaitable[RecordMetadata]] = deque()
        self.acknowledged = 0

    async def send(self, topic: str, records: Sequence[Record], times_ms: Sequence[int] | None = None) -> None:
        """Hand over records of one topic; those of one key keep their order.

        `times_ms` are their timestamps, as many; without them all are of now.

        Raises:
            aiokafka.errors.KafkaError: the broker refused a batch, now or earlier.
            MissingTopicError: there is no such topic.
        """
        count = await self._partition_count(topic)
        stamps = [time.time_ns() // 1_000_000] * len(records) if times_ms is None else times_ms
        groups: dict[int, tuple[list[Record], list[int]]] = {}
        for record, at_ms in zip(records, stamps, strict=True):
            group, times = groups.setdefault(self._partition(record[0], count), ([], []))
            group.append(record)
            times.append(at_ms)
        for partition, (group, times) in groups.items():
            for built in build(self._client, group, times):
                self._pending.append(await self._client.send_batch(built, topic, partition=partition))
        while len(self._pending) > UNACKNOWLEDGED_MAX:
            await self._pending.popleft()

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything.

        Raises:
            aiokafka.errors.KafkaError: it refused a batch.
        """
        while self._pending:
            await self._pending.popleft()

    def _partition(self, key: bytes, count: int) -> int:
        place = self._partitions.get((key, count))
        if place is None:
            if len(self._partitions) >= KEYS_MAX:
                self._partitions.clear()
            place = self._partitions[key, count] = (murmur2(key) & 0x7FFFFFFF) % count
        return place

    async def _partition_count(self, topic: str) -> int:
        count = self._counts.get(topic)
        if count is None:
            count = len(await self._client.partitions_for(topic) or ())
            if not count:
                raise MissingTopicError(f"topic {topic!r} does not exist: run `sekisho topics create`")
            self._counts[topic] = count
        return count


@asynccontextmanager
async def sending(broker: Broker) -> AsyncIterator[Sender]:
    """Open a sender; leaving closes the connection without waiting for what was not flushed."""
    client = aiokafka.AIOKafkaProducer(
        **client_options(broker),
        client_id="sekisho-replay",
        acks="all",
        enable_idempotence=broker.profile.idempotent_producer,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=1 << 23,
    )
    try:
        await client.start()
        yield Sender(client)
    finally:
        await client.stop()
