"""Blocks keep their order among the other records of a partition."""

import gc
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError, ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from streams.kafka.sending.append import append
from streams.kafka.settings import Broker
from streams.state.log.blocks import blocks
from streams.state.log.producer import StateProducer, append_blocks
from tests.state.rows import pairs, rows_of
from tests.worker.test_emit import FakeClient, settled

TP = TopicPartition("card-profiles", 3)
NOW_MS = 1_000


def drain(client: FakeClient) -> list[tuple[bytes, bytes | None]]:
    return client.drain()["card-profiles", 3]  # type: ignore[return-value]  # a tombstone is None


@pytest.mark.asyncio
async def test_blocks_are_batches_of_their_own_in_order_between_other_records() -> None:
    client = FakeClient()
    accumulator: Any = client._message_accumulator
    packed = rows_of([10, 0, 20, 30, 5, 40])
    built = blocks(packed, NOW_MS, 300)
    assert len(built) == 3
    acks = append(accumulator, TP, [(b"before", b"1")], NOW_MS)
    acks += append_blocks(accumulator, TP, built)
    acks += append(accumulator, TP, [(b"after", b"2")], NOW_MS)
    sent = [drain(client) for _ in range(5)]
    assert sent[0] == [(b"before", b"1")]
    assert [row for batch in sent[1:4] for row in batch] == pairs(packed)
    assert [len(batch) for batch in sent[1:4]] == [block.record_count() for block in built]
    assert sent[4] == [(b"after", b"2")]
    assert await settled(acks) == [True] * 5


@pytest.mark.asyncio
async def test_each_block_has_an_acknowledgement_of_its_own() -> None:
    client = FakeClient()
    acks = append_blocks(client._message_accumulator, TP, blocks(rows_of([20, 20]), NOW_MS, 150))
    assert await settled(acks) == [False, False]
    drain(client)
    assert await settled(acks) == [True, False]


@pytest.mark.asyncio
async def test_no_record_is_passed_to_a_producer_that_has_failed_or_is_closed() -> None:
    client = FakeClient()
    accumulator: Any = client._message_accumulator
    (ack,) = append_blocks(accumulator, TP, blocks(rows_of([1]), NOW_MS, 500))
    accumulator.fail_all(NotEnoughReplicasError())
    with pytest.raises(NotEnoughReplicasError):
        await ack
    with pytest.raises(NotEnoughReplicasError):
        append_blocks(accumulator, TP, blocks(rows_of([1]), NOW_MS, 500))
    accumulator._closed = True
    with pytest.raises(ProducerClosed):
        append_blocks(accumulator, TP, [])


@pytest.mark.asyncio
async def test_of_several_refused_batches_only_the_awaited_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Who waits for batches in turn stops at the first that fails. asyncio would log each other one as an error."""
    client = FakeClient()
    accumulator: Any = client._message_accumulator
    acks = append(accumulator, TP, [(b"before", b"1" * 200), (b"beside", b"2" * 400)], NOW_MS)
    acks += append_blocks(accumulator, TP, blocks(rows_of([20, 20]), NOW_MS, 150))
    assert len(acks) == 4
    accumulator.fail_all(NotEnoughReplicasError())
    with pytest.raises(NotEnoughReplicasError):
        await acks[0]
    acks.clear()
    del client, accumulator
    gc.collect()
    assert caplog.records == []


@pytest.mark.asyncio
async def test_an_open_batch_is_refused() -> None:
    with pytest.raises(AssertionError, match="open batch"):
        append_blocks(FakeClient()._message_accumulator, TP, [BatchBuilder(500, 0)])


@pytest.mark.asyncio
async def test_a_producer_that_was_not_started_accepts_nothing() -> None:
    producer = StateProducer(Broker(), [], client_id="test", batch_max_bytes=500, request_timeout_s=1.0)
    await producer.stop()
    with pytest.raises(ProducerClosed):
        producer.write(TP, rows_of([1]), NOW_MS)
    with pytest.raises(ProducerClosed):
        producer.write_one(TP, b"key", None, NOW_MS)
