"""Apache Kafka refuses writes of an earlier owner to every log from the moment a takeover returns."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest
from aiokafka.structs import TopicPartition

from streams.kafka.admin import create_topics
from streams.kafka.fence import Fence, FenceError, ProducerIdentity
from streams.kafka.security import client_options
from streams.kafka.sending.append import append
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan
from streams.state.log.blocks import blocks
from streams.state.log.producer import append_blocks
from tests.integration.state.test_state_transport import reading
from tests.state.rows import rows_of

pytestmark = pytest.mark.kafka

TAKEOVERS = 20


class Site:
    """Three logs, a producer that writes to them with any producer identity, and a fence with a group of its own."""

    def __init__(self, producer: aiokafka.AIOKafkaProducer, topics: tuple[str, str]) -> None:
        self.producer = producer
        self.logs = [TopicPartition(topics[0], 0), TopicPartition(topics[0], 1), TopicPartition(topics[1], 0)]
        self.fence = Fence(lambda: producer.client, f"group-{uuid.uuid4().hex[:8]}", timeout_s=20.0)

    async def write(self, identity: ProducerIdentity, tp: TopicPartition, count: int = 1) -> Any:
        """Write records as outputs and rows are written; return the offset of the last one.

        They have the present time: a broker that starts forgets a producer whose last record is a day old.
        """
        accumulator, now_ms = self.producer._message_accumulator, int(time.time() * 1_000)
        (ack,) = append(accumulator, tp, [(b"key", b"value")] * count, now_ms, identity)
        await ack
        (ack,) = append_blocks(accumulator, tp, blocks(rows_of([3]), now_ms, 4_000, identity, tp))
        return await ack

    async def is_refused(self, identity: ProducerIdentity, tp: TopicPartition) -> bool:
        try:
            await self.write(identity, tp)
        except ProducerFenced:
            return True
        return False


@asynccontextmanager
async def a_site(broker: Broker) -> AsyncIterator[Site]:
    topics = (f"{uuid.uuid4().hex[:8]}-a", f"{uuid.uuid4().hex[:8]}-b")
    await create_topics(broker, [TopicPlan(name=t, partitions=2, replication_factor=1, configs={}) for t in topics])
    producer = aiokafka.AIOKafkaProducer(**client_options(broker), acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    try:
        for topic in topics:
            await producer.partitions_for(topic)
        yield Site(producer, topics)
    finally:
        await producer.stop()


def test_straight_after_each_takeover_no_earlier_owner_gets_a_batch_into_any_log(apache: Broker) -> None:
    """The write follows the takeover at once: a fence that is not yet in a log would let it pass."""

    async def play() -> None:
        async with a_site(apache) as site:
            await site.fence.probe()
            before: ProducerIdentity | None = None
            for _ in range(TAKEOVERS):
                owner = await site.fence.take(0, site.logs)
                if before is not None:
                    late = before
                    refused = await asyncio.gather(*(site.is_refused(late, tp) for tp in site.logs))
                    assert all(refused)
                for tp in site.logs:
                    await site.write(owner, tp, 2)
                await site.fence.renew(0, owner, site.logs)
                assert not any([await site.is_refused(owner, tp) for tp in site.logs]), (
                    "a fence must let its owner write"
                )
                before = owner

    asyncio.run(play())


def test_partitions_are_fenced_separately_also_in_the_same_log(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            (*_, tp) = site.logs
            owners = await asyncio.gather(*(site.fence.take(number, site.logs) for number in range(4)))
            manager = site.producer._txn_manager
            own = ProducerIdentity(manager.producer_id, manager.producer_epoch)
            for _ in range(2):
                for owner in (*owners, own):
                    await site.write(owner, tp)
            await site.fence.take(2, site.logs)
            assert [await site.is_refused(owner, tp) for owner in owners] == [False, False, True, False]

    asyncio.run(play())


def test_records_of_a_predecessor_are_seen_by_a_read_after_the_takeover(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site, reading(apache) as reader:
            tp = site.logs[0]
            owner = await site.fence.take(0, site.logs)
            end = (await reader.bounds([tp]))[tp][1]
            for _ in range(5):
                accumulator = site.producer._message_accumulator
                acks = [append(accumulator, tp, [(b"key", b"value")], 1_000, owner) for _ in range(10)]
                owner = await site.fence.take(0, site.logs)
                found = (await reader.bounds([tp]))[tp][1]
                await asyncio.gather(*(ack for some in acks for ack in some), return_exceptions=True)
                assert (await reader.bounds([tp]))[tp][1] == found, "a record was appended behind the fence"
                assert found > end
                end = found

    asyncio.run(play())


def test_a_predecessor_that_died_within_its_takeover_is_taken_over(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            owner = await site.fence.take(0, site.logs)
            name, by_topic = site.fence.name(0), [(site.logs[0].topic, [0, 1])]
            ask = AddPartitionsToTxnRequest(name, owner.producer_id, owner.epoch, by_topic)
            await site.fence._ask(name, ask, lambda answer: [code for _, some in answer.errors for _, code in some])
            later = await site.fence.take(0, site.logs)
            assert later.epoch > owner.epoch
            assert await site.is_refused(owner, site.logs[0])
            assert not await site.is_refused(later, site.logs[0])

    asyncio.run(play())


def test_a_topic_that_does_not_exist_ends_the_takeover_with_a_reason(apache: Broker) -> None:
    async def play() -> None:
        async with a_site(apache) as site:
            fence = Fence(lambda: site.producer.client, "group-nowhere", timeout_s=0.5)
            with pytest.raises(FenceError, match=r"no fence within 0.5 s .* UnknownTopicOrPartitionError"):
                await fence.take(0, [TopicPartition("nowhere", 0)])

    asyncio.run(play())


def test_a_topic_that_is_recreated_has_another_id(apache: Broker) -> None:
    async def play() -> None:
        topic = f"{uuid.uuid4().hex[:8]}-c"
        wanted = [TopicPlan(name=topic, partitions=1, replication_factor=1, configs={})]
        async with reading(apache) as reader:
            await create_topics(apache, wanted)
            before = await reader.topic_ids([topic])
            admin = AIOKafkaAdminClient(**client_options(apache))
            await admin.start()
            try:
                await admin.delete_topics([topic])
                async with asyncio.timeout(20):
                    while topic in await admin.list_topics():
                        await asyncio.sleep(0.05)
            finally:
                await admin.close()
            await create_topics(apache, wanted)
            after = await reader.topic_ids([topic])
            assert before.keys() == after.keys() == {topic}
            assert before != after

    asyncio.run(play())


@pytest.mark.embedded
def test_the_embedded_broker_has_no_fence_and_says_so(embedded: Broker) -> None:
    async def play() -> None:
        producer = aiokafka.AIOKafkaProducer(**client_options(embedded))
        await producer.start()
        try:
            with pytest.raises(FenceError, match="fencing: false"):
                await Fence(lambda: producer.client, "group", timeout_s=5.0).probe()
        finally:
            await producer.stop()

    asyncio.run(play())
