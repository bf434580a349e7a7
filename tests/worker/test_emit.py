"""Outputs keep their order and their partition, and use few produce requests."""

import asyncio
import struct
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from scoring.outputs import Outputs
from streams.kafka.errors import TopicsMismatchError
from streams.kafka.fence import ProducerIdentity
from streams.kafka.sending.append import append
from streams.kafka.settings import Topics
from streams.transport.batch import Batch
from streams.worker.emit import Emitter

LIMIT = 500
OWN_ID = 77


class FakeCluster:
    def leader_for_partition(self, tp: TopicPartition) -> int:
        return 1


class FakeClient:
    """A producer without a broker: a real accumulator that only the test drains."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {"authorizations": 6, "decisions": 6, "alerts": 3, "dead-letters": 1, **partitions}
        self._txn_manager = TransactionManager(None, 1_000)
        self._txn_manager.set_pid_and_epoch(OWN_ID, 0)
        self._message_accumulator = MessageAccumulator(FakeCluster(), LIMIT, 0, 30, txn_manager=self._txn_manager)

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions[topic]))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(LIMIT, 0)

    def drain(self) -> dict[tuple[str, int], list[tuple[bytes, bytes]]]:
        """Take one batch per partition, as a produce request does, acknowledge it and return its records."""
        nodes, _ = self._message_accumulator.drain_by_nodes(ignore_nodes=set())
        taken = {}
        for batches in nodes.values():
            for tp, batch in batches.items():
                taken[tp.topic, tp.partition] = unpack(batch._builder)
                batch.done(0, 0)
        return taken


def unpack(built: BatchBuilder) -> list[tuple[bytes, bytes]]:
    batch = MemoryRecords(bytes(built._build())).next_batch()
    return [(record.key, record.value) for record in batch]


async def start(**partitions: int) -> tuple[Emitter, FakeClient]:
    client = FakeClient(**partitions)
    emitter = Emitter(lambda: client, Topics())
    await emitter.start()
    return emitter, client


def batch_of(partition: int) -> Batch:
    return Batch(
        topic="authorizations",
        partition=partition,
        offsets=range(3),
        timestamps_ms=[1, 2, 3],
        values=[b""] * 3,
        polled_at_ms=0,
        polled_ns=0,
    )


async def settled(acks: list[Any]) -> list[bool]:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [ack.done() for ack in acks]


@pytest.mark.asyncio
async def test_decisions_go_to_the_partition_of_their_events() -> None:
    emitter, client = await start()
    acks = emitter.emit(batch_of(4), Outputs(decisions=[(b"a", b"1"), (b"b", b"2")]), 1_000)
    assert await settled(acks) == [False]
    assert client.drain() == {("decisions", 4): [(b"a", b"1"), (b"b", b"2")]}
    assert await settled(acks) == [True]


@pytest.mark.asyncio
async def test_records_before_the_producer_is_ready_share_one_produce() -> None:
    emitter, client = await start()
    first = emitter.emit(batch_of(4), Outputs(decisions=[(b"a", b"1")]), 1_000)
    second = emitter.emit(batch_of(4), Outputs(decisions=[(b"b", b"2")]), 1_001)
    assert client.drain() == {("decisions", 4): [(b"a", b"1"), (b"b", b"2")]}
    assert await settled(first + second) == [True, True]


@pytest.mark.asyncio
async def test_alerts_go_where_java_would_put_their_keys() -> None:
    emitter, client = await start()
    emitter.emit(batch_of(0), Outputs(alerts=[(b"key %d" % number, b"alert") for number in range(20)]), 1_000)
    partitioner, sent = DefaultPartitioner(), client.drain()
    for (topic, partition), records in sent.items():
        assert topic == "alerts"
        assert {partitioner(key, [0, 1, 2], [0, 1, 2]) for key, _ in records} == {partition}
    assert sum(map(len, sent.values())) == 20


@pytest.mark.asyncio
async def test_every_pending_acknowledgement_is_returned() -> None:
    emitter, client = await start()
    big = [(b"k", bytes(300))] * 3
    acks = emitter.emit(batch_of(1), Outputs(decisions=big, alerts=[(b"a", b"1")], dead_letters=[(b"d", b"2")]), 1_000)
    assert await settled(acks) == [False] * 5
    client.drain()
    assert await settled(acks) == [True, False, False, True, True]
    client.drain()
    client.drain()
    assert await settled(acks) == [True] * 5


@pytest.mark.asyncio
async def test_a_failed_batch_fails_everything_that_went_into_it() -> None:
    emitter, client = await start()
    acks = emitter.emit(batch_of(4), Outputs(decisions=[(b"a", b"1")]), 1_000)
    acks += emitter.emit(batch_of(4), Outputs(decisions=[(b"b", b"2")]), 1_000)
    client._message_accumulator.fail_all(NotEnoughReplicasError())
    for ack in acks:
        with pytest.raises(NotEnoughReplicasError):
            await ack
    with pytest.raises(NotEnoughReplicasError):
        emitter.emit(batch_of(4), Outputs(decisions=[(b"c", b"3")]), 1_000)


@pytest.mark.asyncio
async def test_without_outputs_nothing_is_produced() -> None:
    emitter, client = await start()
    assert emitter.emit(batch_of(4), Outputs(repeats=3), 1_000) == []
    assert client.drain() == {}


records = st.lists(st.tuples(st.binary(max_size=10), st.binary(max_size=700)), max_size=30)


@given(st.lists(records, max_size=5))
def test_appending_keeps_every_record_in_order_and_under_the_limit(emissions: list[list[tuple[bytes, bytes]]]) -> None:
    async def play() -> None:
        tp, client = TopicPartition("decisions", 0), FakeClient()
        acks = [ack for part in emissions for ack in append(client._message_accumulator, tp, part, 1_000)]
        batches = list(client._message_accumulator._batches.get(tp, ()))
        assert all(batch._builder.size() <= LIMIT or batch.record_count == 1 for batch in batches)
        sent = []
        while drained := client.drain():
            sent += drained["decisions", 0]
        assert sent == [record for part in emissions for record in part]
        assert all(await settled(acks))
        assert len(acks) >= sum(map(bool, emissions))

    asyncio.run(play())


@pytest.mark.parametrize("counts", [{"decisions": 5}, {"decisions": 0}, {"alerts": 0}])
@pytest.mark.asyncio
async def test_topics_that_do_not_fit_are_found_at_the_start(counts: dict[str, int]) -> None:
    with pytest.raises(TopicsMismatchError):
        await start(**counts)


def headers(client: FakeClient) -> list[tuple[str, int, int, int, int]]:
    """Take all batches: topic, producer id, epoch, first sequence number, records."""
    found = []
    while client._message_accumulator._batches:
        nodes, _ = client._message_accumulator.drain_by_nodes(ignore_nodes=set())
        for tp, batch in nodes[1].items():
            head = MemoryRecords(bytes(batch._builder._build())).next_batch()
            count = len(list(head))
            raw = bytes(batch._builder._build())
            found.append((tp.topic, head.producer_id, *struct.unpack_from(">hi", raw, 51), count))
            batch.done(0, 0)
    return found


def test_each_partition_writes_under_its_own_identity_and_counts_its_own_records() -> None:
    """In `dead-letters` several owners write: no batch holds records of two owners, and the producer's own are
    separate.
    """

    async def play() -> None:
        emitter, client = await start()
        emitter.identities |= {0: ProducerIdentity(10, 4), 1: ProducerIdentity(11, 9)}
        record = (b"key", b"value")
        for partition in (0, 1, 1, 2, 0):
            emitter.emit(batch_of(partition), Outputs(decisions=[record], alerts=[], dead_letters=[record] * 2), 1)
        assert sorted(headers(client)) == [
            ("dead-letters", 10, 4, 0, 2),
            ("dead-letters", 10, 4, 2, 2),
            ("dead-letters", 11, 9, 0, 4),
            ("dead-letters", OWN_ID, 0, 0, 2),
            ("decisions", 10, 4, 0, 2),
            ("decisions", 11, 9, 0, 2),
            ("decisions", OWN_ID, 0, 0, 1),
        ]
        emitter.emit(batch_of(2), Outputs(decisions=[record], alerts=[], dead_letters=[record]), 1)
        assert sorted(headers(client)) == [("dead-letters", OWN_ID, 0, 2, 1), ("decisions", OWN_ID, 0, 1, 1)]

    asyncio.run(play())


def test_sequence_numbers_start_again_at_zero_after_the_last_one() -> None:
    identity, tp = ProducerIdentity(1, 0), TopicPartition("decisions", 0)
    identity._sequences[tp] = 2**31 - 3
    assert [identity.take(tp, 2), identity.take(tp, 2), identity.take(tp, 1)] == [2**31 - 3, 2**31 - 1, 1]
