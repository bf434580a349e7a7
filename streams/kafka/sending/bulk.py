"""Send records in bulk: in order and in whole batches, by key or to given partitions."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby, repeat
from typing import Final, NamedTuple

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from scoring.outputs import Record
from streams.kafka import failover
from streams.kafka.errors import MissingTopicError
from streams.kafka.security import client_options
from streams.kafka.settings import Broker

BATCH_BYTES_MAX: Final = 500_000
UNACKNOWLEDGED_MAX: Final = 64  # batches
KEYS_MAX: Final = 1_000_000

Header = tuple[str, bytes | None]


class Placed(NamedTuple):
    """A record with its topic and partition. A `timestamp_ms` of None is the time of sending."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    timestamp_ms: int | None
    headers: tuple[Header, ...]


class BulkSender:
    """Produce records in bulk. Waits while UNACKNOWLEDGED_MAX batches are pending, so memory is bounded."""

    def __init__(self, client: aiokafka.AIOKafkaProducer) -> None:
        self._client = client
        self._counts: dict[str, int] = {}
        self._partitions: dict[tuple[bytes, int], int] = {}
        self._pending: deque[Awaitable[RecordMetadata]] = deque()

    async def send(self, topic: str, records: Sequence[Record], times_ms: Sequence[int] | None = None) -> None:
        """Send records to a topic. Records of one key keep their order.

        The partition is that of Java's default partitioner. `times_ms`: their timestamps; without it all get the
        present time.

        Raises:
            aiokafka.errors.KafkaError: the broker refused this batch or an earlier one.
            MissingTopicError: the topic does not exist.
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
            aiokafka.errors.KafkaError: the broker refused a batch.
        """
        while self._pending:
            await self._pending.popleft()

    async def place(self, records: Sequence[Placed]) -> list[str]:
        """Send records to their partitions, in order, and wait for all acknowledgements.

        Return the error name of each record that was not acknowledged. Records of one batch have the same one.
        """
        failures: list[str] = []
        acks: list[Awaitable[RecordMetadata]] = []
        counts: list[int] = []
        for (topic, partition), group in groupby(records, key=lambda record: (record.topic, record.partition)):
            placed = list(group)
            pairs, times = [(one.key, one.value) for one in placed], [one.timestamp_ms for one in placed]
            for built in build(self._client, pairs, times, [list(one.headers) for one in placed]):
                count = built.record_count()
                try:
                    acks.append(await self._client.send_batch(built, topic, partition=partition))
                    counts.append(count)
                except KafkaError as error:
                    failures += [type(error).__name__] * count
        for count, result in zip(counts, await asyncio.gather(*acks, return_exceptions=True), strict=True):
            if isinstance(result, KafkaError):
                failures += [type(result).__name__] * count
            elif isinstance(result, BaseException):
                raise result
        return failures

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
                raise MissingTopicError(topic)
            self._counts[topic] = count
        return count


@asynccontextmanager
async def sending(broker: Broker, client_id: str) -> AsyncIterator[BulkSender]:
    """Connect a sender. Leaving the context closes it, without waiting for batches that were not flushed.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    client = aiokafka.AIOKafkaProducer(
        **client_options(broker),
        client_id=client_id,
        acks="all",
        enable_idempotence=broker.profile.idempotent_producer,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=1 << 23,
    )
    failover.watch(client.client)
    try:
        await client.start()
        yield BulkSender(client)
    finally:
        await client.stop()


def build(
    client: aiokafka.AIOKafkaProducer,
    records: Iterable[tuple[bytes | None, bytes]],
    times_ms: Iterable[int | None],
    headers: Iterable[list[Header]] | None = None,
) -> list[BatchBuilder]:
    """Pack records in order into as few batches for `send_batch` as the size limit allows.

    `times_ms` and `headers` have at least one item for each record. A timestamp of None is the time of packing. A
    record larger than the limit gets a batch of its own.
    """
    built: list[BatchBuilder] = []
    builder: BatchBuilder | None = None
    for (key, value), at_ms, named in zip(records, times_ms, repeat([]) if headers is None else headers, strict=False):
        if builder is None or builder.append(timestamp=at_ms, key=key, value=value, headers=named) is None:
            builder = client.create_batch()
            built.append(builder)
            fits = builder.append(timestamp=at_ms, key=key, value=value, headers=named)
            assert fits is not None, "an empty batch takes any record"
    return built
