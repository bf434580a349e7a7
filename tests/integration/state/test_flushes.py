"""A flush of profiles on Apache Kafka is visible once it is committed; a takeover aborts what a crash left of it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiokafka
import numpy as np
import pytest
from aiokafka.structs import TopicPartition

from scoring.profile.packed import Packed
from streams.kafka.admin import create_topics
from streams.kafka.fence import Fence, ProducerIdentity
from streams.kafka.security import client_options
from streams.kafka.sending.append import append
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan
from streams.state.log.producer import StateProducer
from tests.integration.state.test_state_transport import collect, reading
from tests.state.rows import pairs

pytestmark = pytest.mark.kafka

END_S = 240.0  # the cleaner takes the dirtiest log first, and earlier tests left others
CLEANED_AT_ONCE = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
}


def now_ms() -> int:
    """Return the present time: segments end by the times of records."""
    return time.time_ns() // 1_000_000


class Owner:
    """The owner of partition 0, which writes rows into its log as a worker does."""

    def __init__(self, producer: StateProducer, fence: Fence, identity: ProducerIdentity, tp: TopicPartition) -> None:
        self._producer, self._fence, self._identity, self._tp = producer, fence, identity, tp

    async def write(self, rows: Packed) -> None:
        """Begin a flush and wait until its rows are acknowledged."""
        await self._fence.begin(0, self._identity, [self._tp])
        self._producer.transactional_id = self._fence.name(0)
        for ack in self._producer.write(self._tp, rows, now_ms(), self._identity):
            await ack

    async def flush(self, rows: Packed) -> None:
        await self.write(rows)
        await self._fence.commit(0, self._identity)


class Site:
    """A log of profiles and its owners."""

    def __init__(self, producer: StateProducer, tp: TopicPartition) -> None:
        self.producer, self.tp = producer, tp
        self.fence = Fence(lambda: producer.connection, f"group-{uuid.uuid4().hex[:8]}", timeout_s=20.0)

    async def take(self) -> Owner:
        return Owner(self.producer, self.fence, await self.fence.take(0, [self.tp]), self.tp)


@asynccontextmanager
async def a_site(broker: Broker, configs: dict[str, str] | None = None) -> AsyncIterator[Site]:
    topic = f"{uuid.uuid4().hex[:8]}-rows"
    await create_topics(broker, [TopicPlan(name=topic, partitions=1, replication_factor=1, configs=configs or {})])
    producer = StateProducer(broker, [topic], client_id="test-rows", batch_max_bytes=100_000, request_timeout_s=10.0)
    await producer.start()
    try:
        yield Site(producer, TopicPartition(topic, 0))
    finally:
        await producer.stop()


def rows(keys: Iterable[int], value: int) -> Packed:
    """Make rows of one word each."""
    names = np.array([[key, 0, 0] for key in keys], dtype=np.uint32)
    return Packed(names, np.full(len(names), value, dtype=np.uint32), np.arange(1, len(names) + 1, dtype=np.int64))


async def stored(broker: Broker, tp: TopicPartition) -> list[tuple[bytes, bytes | None]]:
    """Read the log as a restore does."""
    async with reading(broker) as reader:
        begin, end = (await reader.bounds([tp]))[tp]
        return [(key, value) for _, key, value in await collect(reader, tp, begin, end)]


def test_a_flush_is_visible_from_its_commit_on(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            owner = await site.take()
            await owner.write(rows([1, 2], 10))
            async with reading(apache) as reader:
                assert await reader.held_back([site.tp]) == [site.tp]
            assert await stored(apache, site.tp) == []
            await owner._fence.commit(0, owner._identity)
            await owner.flush(rows([1], 11))
            later = await site.take()  # until both are in the log
            assert await stored(apache, site.tp) == [*pairs(rows([1, 2], 10)), *pairs(rows([1], 11))]
            async with reading(apache) as reader:
                assert await reader.held_back([site.tp]) == []
            await later.flush(rows([3], 12))

    asyncio.run(play())


def test_a_takeover_aborts_the_flush_that_a_crash_left_open(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            owner = await site.take()
            await owner.flush(rows([1], 10))
            await owner.write(rows([1], 11))
            later = await site.take()
            assert await stored(apache, site.tp) == pairs(rows([1], 10))
            await later.flush(rows([2], 12))
            assert (await stored(apache, site.tp))[:1] == pairs(rows([1], 10))

    asyncio.run(play())


def test_the_cleaner_keeps_committed_rows_beside_newer_ones_of_a_crashed_flush(apache: Broker) -> None:
    """The cleaner compacts all segments but the newest, including those of the crashed flush, before rows are written
    again.
    """

    async def play() -> None:
        async with a_site(apache, CLEANED_AT_ONCE) as site:
            owner = await site.take()
            counted = rows(range(100), 10)
            await owner.flush(counted)
            await owner.write(rows(range(50), 11))
            filler, ((first, _),) = 1_000, pairs(rows([1_000], 0))
            async with asyncio.timeout(END_S):
                while True:
                    later = await site.take()
                    await later.flush(rows([filler], filler))  # a segment of its own, behind those to compact
                    found = await stored(apache, site.tp)
                    values = dict(found)
                    assert {key: values.get(key) for key, _ in pairs(counted)} == dict(pairs(counted))
                    if filler > 1_000 and [key for key, _ in found].count(first) == 1:
                        break  # it is there only once: the cleaner has compacted it
                    filler += 1
                    await later.flush(rows([filler - 1], filler))
                    await asyncio.sleep(0.1)

    asyncio.run(play())


def test_outputs_are_written_beside_a_transaction_of_the_same_owner(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site, a_site(apache) as other:
            client = aiokafka.AIOKafkaProducer(**client_options(apache), acks="all", enable_idempotence=True)
            await client.start()
            try:
                await client.partitions_for(other.tp.topic)
                identity = await site.fence.take(0, [site.tp, other.tp])
                owner = Owner(site.producer, site.fence, identity, site.tp)
                for number in range(3):
                    await owner.write(rows([number], number))
                    (ack,) = append(client._message_accumulator, other.tp, [(b"k", b"v")], now_ms(), identity)
                    await ack
                    assert len(await stored(apache, other.tp)) == number + 1
                    await site.fence.commit(0, identity)
            finally:
                await client.stop()

    asyncio.run(play())


def test_an_open_transaction_of_a_stranger_hides_no_output(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            stranger = aiokafka.AIOKafkaProducer(**client_options(apache), transactional_id=uuid.uuid4().hex)
            client = aiokafka.AIOKafkaProducer(**client_options(apache), acks="all", enable_idempotence=True)
            await stranger.start()
            await client.start()
            try:
                async with stranger.transaction():
                    await stranger.send_and_wait(site.tp.topic, b"foreign")
                    await client.send_and_wait(site.tp.topic, b"ours")
                    assert await stored(apache, site.tp) == [], "a read_committed consumer must wait"
                    async with reading(apache, isolation_of={site.tp.topic: "read_uncommitted"}) as reader:
                        begin, end = (await reader.bounds([site.tp]))[site.tp]
                        found = [value for _, _, value in await collect(reader, site.tp, begin, end)]
                        assert found == [b"foreign", b"ours"]
            finally:
                await stranger.stop()
                await client.stop()

    asyncio.run(play())
