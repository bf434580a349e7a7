"""Outputs keep their order and their partition, in as few produces as fit."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from scoring.outputs import Outputs
from streams.emit import Emitter, TopicsMismatchError, build
from streams.transport.batch import Batch
from streams.transport.settings import Topics

LIMIT = 500


class FakeClient:
    def __init__(self, **partitions: int) -> None:
        self.partitions = {"authorizations": 6, "decisions": 6, "alerts": 3, "dead-letters": 1, **partitions}
        self.sent: dict[tuple[str, int], list[list[tuple[bytes, bytes]]]] = defaultdict(list)

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(LIMIT, 0)

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.partitions[topic]))

    async def send_batch(self, built: BatchBuilder, topic: str, *, partition: int) -> str:
        self.sent[topic, partition].append(unpack(built))
        return f"{topic}[{partition}]"


def unpack(built: BatchBuilder) -> list[tuple[bytes, bytes]]:
    batch = MemoryRecords(bytes(built._build())).next_batch()
    return [(record.key, record.value) for record in batch]


def emitted(client: FakeClient, outputs: Outputs, partition: int = 4) -> list[Any]:
    async def play() -> list[Any]:
        emitter = Emitter(lambda: client, Topics())
        await emitter.start()
        return await emitter.emit(batch, outputs, 1_000)

    batch = Batch(
        topic="authorizations",
        partition=partition,
        offsets=range(3),
        timestamps_ms=[1, 2, 3],
        values=[b""] * 3,
        polled_at_ms=0,
        polled_ns=0,
    )
    return asyncio.run(play())


def test_decisions_go_to_the_partition_of_their_events_in_one_produce() -> None:
    client = FakeClient()
    acks = emitted(client, Outputs(decisions=[(b"a", b"1"), (b"b", b"2")]))
    assert client.sent == {("decisions", 4): [[(b"a", b"1"), (b"b", b"2")]]}
    assert acks == ["decisions[4]"]


def test_alerts_go_where_java_would_put_their_keys() -> None:
    client = FakeClient()
    alerts = [(b"key %d" % number, b"alert") for number in range(20)]
    emitted(client, Outputs(alerts=alerts))
    partitioner = DefaultPartitioner()
    for (topic, partition), batches in client.sent.items():
        assert topic == "alerts"
        assert {partitioner(key, [0, 1, 2], [0, 1, 2]) for batch in batches for key, _ in batch} == {partition}
    assert sum(len(batch) for batches in client.sent.values() for batch in batches) == 20


def test_every_acknowledgement_to_come_is_returned() -> None:
    client = FakeClient()
    big = [(b"k", bytes(300))] * 3
    acks = emitted(client, Outputs(decisions=big, alerts=[(b"a", b"1")], dead_letters=[(b"d", b"2")]))
    assert len(acks) == 3 + 1 + 1


def test_nothing_out_means_nothing_produced() -> None:
    client = FakeClient()
    assert emitted(client, Outputs(repeats=3)) == []
    assert client.sent == {}


@given(st.lists(st.tuples(st.binary(max_size=10), st.binary(max_size=700)), max_size=30))
def test_packing_keeps_every_record_in_order_and_under_the_limit(records: list[tuple[bytes, bytes]]) -> None:
    built = build(FakeClient(), records, 1_000)
    packed = [unpack(builder) for builder in built]
    assert [record for batch in packed for record in batch] == records
    assert all(builder.size() <= LIMIT or builder.record_count() == 1 for builder in built)


@pytest.mark.parametrize("counts", [{"decisions": 5}, {"decisions": 0}, {"alerts": 0}])
def test_topics_that_do_not_fit_are_found_at_the_start(counts: dict[str, int]) -> None:
    with pytest.raises(TopicsMismatchError):
        emitted(FakeClient(**counts), Outputs())
