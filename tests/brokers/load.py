"""Produce and read in bulk, for tests and benchmarks."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiokafka
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.kafka import failover
from streams.kafka.reading.fetcher import close
from streams.kafka.security import client_options
from streams.kafka.settings import Broker

BATCH_BYTES = 900_000
EVENT_TS = b'"event_ts":"'
KEEP_ALL = {"retention.ms": "-1"}
"""For topics of past events: a record with their time is old when it is written."""


def stamp_ms(value: bytes, otherwise_ms: int) -> int:
    """Return an authorization's own time, so that it is on time at any age; the present time for other records."""
    start = value.find(EVENT_TS) + len(EVENT_TS)
    if start < len(EVENT_TS):
        return otherwise_ms
    try:
        return round(datetime.fromisoformat(value[start : value.index(b'"', start)].decode()).timestamp() * 1000)
    except ValueError:
        return otherwise_ms


@asynccontextmanager
async def producer(broker: Broker) -> AsyncIterator[aiokafka.AIOKafkaProducer]:
    """Connect a producer that waits for all replicas and packs big batches."""
    client = aiokafka.AIOKafkaProducer(**client_options(broker), acks="all", max_batch_size=BATCH_BYTES)
    failover.watch(client.client)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def load(broker: Broker, topic: str, partitions: dict[int, Iterable[bytes]]) -> int:
    """Produce values to the given partitions, in order; return their number once all are acknowledged.

    The record of an authorization has its own time: see KEEP_ALL.
    """
    async with producer(broker) as client:
        return sum(await asyncio.gather(*(_load(client, topic, p, values) for p, values in partitions.items())))


async def _load(client: aiokafka.AIOKafkaProducer, topic: str, partition: int, values: Iterable[bytes]) -> int:
    count, acks, batch = 0, [], client.create_batch()
    now_ms = time.time_ns() // 1_000_000
    for value in values:
        at_ms = stamp_ms(value, now_ms)
        if batch.append(timestamp=at_ms, key=None, value=value) is None:
            acks.append(await client.send_batch(batch, topic, partition=partition))
            batch, now_ms = client.create_batch(), time.time_ns() // 1_000_000
            batch.append(timestamp=at_ms, key=None, value=value)
        count += 1
    if batch.record_count():
        acks.append(await client.send_batch(batch, topic, partition=partition))
    for ack in acks:
        await ack
    return count


@asynccontextmanager
async def consumer(broker: Broker, **options: Any) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    """Connect a consumer, and leave no connection open: aiokafka forgets one that the broker closes."""
    client = aiokafka.AIOKafkaConsumer(**client_options(broker), enable_auto_commit=False, **options)
    failover.watch(client._client)
    try:
        await client.start()
        yield client
    finally:
        await close(client)


@asynccontextmanager
async def reader(
    broker: Broker, topic: str, *, wait_ms: int = 100, isolation: str = "read_uncommitted"
) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    """Connect a group-less consumer at the start of every partition of a topic."""
    options = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": wait_ms, "isolation_level": isolation}
    async with consumer(broker, **options) as client:
        await client._client._wait_on_metadata(topic)
        client.assign([TopicPartition(topic, partition) for partition in client.partitions_for_topic(topic) or ()])
        yield client


async def read(
    broker: Broker, topic: str, at_least: int, timeout_s: float = 30.0, isolation: str = "read_uncommitted"
) -> list[ConsumerRecord]:
    """Read a topic from its start until it has `at_least` records and no more come for a moment.

    Raises:
        TimeoutError: it has not within `timeout_s`.
    """
    records: list[ConsumerRecord] = []
    async with asyncio.timeout(timeout_s), reader(broker, topic, isolation=isolation) as client:
        while True:
            polled = await client.getmany(timeout_ms=300)
            for part in polled.values():
                records += part
            if not polled and len(records) >= at_least:
                return records


async def committed(broker: Broker, group: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Return the committed offsets of a group; partitions without one are left out."""
    async with consumer(broker, group_id=group) as client:
        found = {number: await client.committed(TopicPartition(topic, number)) for number in partitions}
    return {number: offset for number, offset in found.items() if offset is not None}
