"""Rows of state to a real broker and back: blocks from an idempotent producer, ranges from a reader without a group."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import ProducerClosed, RequestTimedOutError
from aiokafka.structs import TopicPartition

from streams.kafka.admin import create_topics
from streams.kafka.errors import TopicsMismatchError, UnreadableError
from streams.kafka.fence.lease import ExpelledError
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan
from streams.state.log.packing import pack
from streams.state.log.producer import StateProducer
from tests.state.rows import Row, pairs, rows_of

NOW_MS = time.time_ns() // 1_000_000
BATCH_MAX = 4_000


async def new_topic(broker: Broker, policy: str = "compact") -> TopicPartition:
    topic = f"{uuid.uuid4().hex[:8]}-card-profiles"
    configs = {"cleanup.policy": policy}
    await create_topics(broker, [TopicPlan(name=topic, partitions=2, replication_factor=1, configs=configs)])
    return TopicPartition(topic, 1)


@asynccontextmanager
async def writing(broker: Broker, tp: TopicPartition, **changes: Any) -> AsyncIterator[StateProducer]:
    options = {"client_id": "test-writer", "batch_max_bytes": BATCH_MAX, "request_timeout_s": 10.0, **changes}
    producer = StateProducer(broker, [tp.topic], **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(broker: Broker, **changes: Any) -> AsyncIterator[LogReader]:
    options = {"client_id": "test-reader", "isolation": "read_committed", "timeout_s": 20.0, **changes}
    reader = LogReader(broker, **options)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def collect(reader: LogReader, tp: TopicPartition, begin: int, end: int) -> list[tuple[int, bytes, bytes | None]]:
    found = []
    async for rows in reader.read(tp, begin, end):
        assert 0 < len(rows) == len(rows.offsets) == len(rows.values) == len(rows.timestamps_ms)
        found += list(zip(rows.offsets, rows.keys, rows.values, strict=True))
    return found


def numbered(rows: list[Row], first: int = 0) -> list[tuple[int, bytes, bytes | None]]:
    return [(first + number, key, value) for number, (key, value) in enumerate(rows)]


async def written(
    broker: Broker, sizes: list[int], policy: str = "compact"
) -> tuple[TopicPartition, list[tuple[int, bytes, bytes | None]]]:
    tp, packed = await new_topic(broker, policy), rows_of(sizes)
    async with writing(broker, tp) as producer:
        for ack in producer.write(tp, packed, NOW_MS):
            await ack
    return tp, numbered(pairs(packed))


def test_rows_come_back_as_they_were_written(broker: Broker) -> None:
    async def play() -> None:
        tp = await new_topic(broker)
        first, second = rows_of([3, 0, 50, 7] * 100), rows_of([0, 9] * 50, seed=1)
        async with writing(broker, tp) as producer:
            acks = producer.write(tp, first, NOW_MS)  # many blocks in a row, none awaited
            acks.append(producer.write_one(tp, b"marker", b"one", NOW_MS + 1))
            acks += producer.write(tp, second, NOW_MS + 2)
            acks.append(producer.write_one(tp, b"marker", None, NOW_MS + 3))
            offsets = [(await ack).offset for ack in acks]
        expected = [*pairs(first), (b"marker", b"one"), *pairs(second), (b"marker", None)]
        assert len(acks) > 10
        assert offsets == sorted(offsets)
        assert offsets[0] == 0
        assert {400, 501} <= set(offsets)  # of the markers: each in a batch of its own
        async with reading(broker) as reader:
            bounds = await reader.bounds([tp])
            assert bounds == {tp: (0, 502)}
            assert await collect(reader, tp, 0, 502) == numbered(expected)
            times = [ms async for rows in reader.read(tp, 399, 502) for ms in rows.timestamps_ms]
            assert times == [NOW_MS, NOW_MS + 1, *[NOW_MS + 2] * 100, NOW_MS + 3]

    asyncio.run(play())


def test_any_range_is_read_exactly(broker: Broker) -> None:
    async def play() -> None:
        tp, rows = await written(broker, [20] * 1_000)
        async with reading(broker, fetch_max_bytes=BATCH_MAX) as reader:
            assert await reader.bounds([tp]) == {tp: (0, 1_000)}  # ListOffsets of the embedded broker is lower
            for begin, end in ((0, 1_000), (1, 999), (40, 41), (500, 500), (700, 600), (0, 1), (999, 1_000)):
                assert await collect(reader, tp, begin, end) == rows[begin:end]

    asyncio.run(play())


def test_a_reader_whose_fetch_is_under_way_is_closed_at_once(broker: Broker) -> None:
    """As at SIGTERM during a restore from a slow broker, or when another rebalance interrupts the restore."""

    async def play() -> None:
        tp, _ = await written(broker, [20])
        for turns in range(4):
            reader = LogReader(broker, client_id="test", isolation="read_committed", fetch_max_wait_ms=60_000)
            await reader.start()

            async def wait_for_more(reader: LogReader = reader, turns: int = turns) -> None:
                try:
                    await collect(reader, tp, 0, 2)  # there is one record
                finally:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await reader.stop()

            waiting = asyncio.create_task(wait_for_more())
            while not reader._consumer._fetcher._in_flight:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # past the fetch that brings the record
            waiting.cancel()
            done, _ = await asyncio.wait([waiting], timeout=5)
            assert done

    asyncio.run(play())


def test_an_empty_partition_has_nothing_to_read(broker: Broker) -> None:
    async def play() -> None:
        tp = await new_topic(broker)
        async with reading(broker) as reader:
            assert await reader.bounds([tp]) == {tp: (0, 0)}
            assert await collect(reader, tp, 0, 0) == []
            assert await reader.last(tp, b"marker", 0, 0) is None

    asyncio.run(play())


async def in_transactions(broker: Broker, tp: TopicPartition, parts: list[tuple[list[bytes], bool]]) -> None:
    """Produce each part in a transaction of its own, committed or rolled back."""
    client = aiokafka.AIOKafkaProducer(**client_options(broker), transactional_id=uuid.uuid4().hex, acks="all")
    await client.start()
    try:
        for keys, commits in parts:
            await client.begin_transaction()
            for key in keys:
                await client.send_and_wait(tp.topic, b"data", key, partition=tp.partition)
            await (client.commit_transaction() if commits else client.abort_transaction())
    finally:
        await client.stop()


@pytest.mark.kafka
def test_gaps_of_transactions_are_passed_even_at_the_end(apache: Broker) -> None:
    async def play() -> None:
        tp = await new_topic(apache)
        await in_transactions(
            apache, tp, [([b"a", b"b"], True), ([b"no"] * 3, False), ([b"c"], True), ([b"no"], False)]
        )
        async with reading(apache) as reader:
            assert await reader.bounds([tp]) == {tp: (0, 11)}  # a b commit, no no no abort, c commit, no abort
            expected = [(0, b"a", b"data"), (1, b"b", b"data"), (7, b"c", b"data")]
            assert await collect(reader, tp, 0, 11) == expected
            assert await collect(reader, tp, 1, 7) == expected[1:2]
            assert await collect(reader, tp, 3, 6) == []
            assert await collect(reader, tp, 8, 11) == []
        async with reading(apache, isolation="read_uncommitted") as reader:
            assert [offset for offset, _, _ in await collect(reader, tp, 0, 11)] == [0, 1, 3, 4, 5, 7, 9]

    asyncio.run(play())


def test_the_last_of_a_key_is_found_with_the_keys_after_it(broker: Broker) -> None:
    async def play() -> None:
        tp, packed = await new_topic(broker), rows_of([1] * 10_000)
        async with writing(broker, tp, batch_max_bytes=100_000) as producer:
            acks = [producer.write_one(tp, b"far", b"1", NOW_MS), producer.write_one(tp, b"near", b"2", NOW_MS)]
            acks += producer.write(tp, packed, NOW_MS)
            acks += [producer.write_one(tp, b"near", value, NOW_MS) for value in (b"3", b"4", None)]
            for ack in acks:
                await ack
        keys = [key for key, _ in pairs(packed)]
        async with reading(broker) as reader:
            near = await reader.last(tp, b"near", 0, 10_005)
            assert near is not None
            assert (near.offset, near.value, near.later_keys) == (10_004, None, [])
            before = await reader.last(tp, b"near", 0, 10_004)
            assert before is not None
            assert (before.offset, before.value) == (10_003, b"4")
            far = await reader.last(tp, b"far", 0, 10_005)
            assert far is not None
            assert (far.offset, far.value, far.later_keys) == (0, b"1", [b"near", *keys, *[b"near"] * 3])
            middle = await reader.last(tp, keys[5_000], 0, 10_005)
            assert middle is not None
            assert (middle.offset, middle.later_keys) == (5_002, [*keys[5_001:], *[b"near"] * 3])
            assert await reader.last(tp, b"absent", 0, 10_005) is None
            assert await reader.last(tp, b"far", 1, 10_005) is None

    asyncio.run(play())


def test_rows_that_were_read_are_packed_as_they_were_written(broker: Broker) -> None:
    async def play() -> Rows:
        tp, packed = await new_topic(broker), rows_of([3, 0, 5])
        async with writing(broker, tp) as producer:
            for ack in [*producer.write(tp, packed, NOW_MS), producer.write_one(tp, b"marker", b"odd", NOW_MS)]:
                await ack
        async with reading(broker) as reader:
            (rows,) = [rows async for rows in reader.read(tp, 0, 4)]
        assert pairs(pack(rows.keys, rows.values)) == pairs(packed)
        return rows

    assert len(asyncio.run(play())) == 4


@pytest.mark.kafka
def test_a_range_that_does_not_exist_is_an_error(apache: Broker) -> None:
    async def play() -> None:
        tp, _ = await written(apache, [1] * 10)
        async with reading(apache, timeout_s=1.0) as reader:
            with pytest.raises(UnreadableError, match="no data for 1 s"):
                await collect(reader, tp, 5, 20)  # the log ends at 10
            with pytest.raises(UnreadableError, match="OffsetOutOfRange"):
                await collect(reader, tp, 12, 20)
            with pytest.raises(UnreadableError, match="no offsets of nowhere"):
                await reader.bounds([TopicPartition("nowhere", 0)])
            assert len(await collect(reader, tp, 0, 10)) == 10  # the reader can read again

    asyncio.run(play())


@pytest.mark.kafka
def test_records_that_retention_deleted_are_skipped_on_request(apache: Broker) -> None:
    async def play() -> None:
        tp, _ = await written(apache, [1] * 10, "delete")
        admin = AIOKafkaAdminClient(**client_options(apache))
        await admin.start()
        try:
            await admin.delete_records({tp: RecordsToDelete(before_offset=6)})
        finally:
            await admin.close()
        async with reading(apache, timeout_s=5.0, skips_expired=True) as reader:
            assert (await reader.bounds([tp]))[tp] == (6, 10)
            assert [offset for offset, *_ in await collect(reader, tp, 0, 8)] == [6, 7]
            assert await collect(reader, tp, 0, 4) == []
            found = [record.offset async for records in reader.records(tp, 2, 10) for record in records]
            assert found == [6, 7, 8, 9]
        async with reading(apache, timeout_s=5.0) as reader:
            with pytest.raises(UnreadableError, match="OffsetOutOfRange"):
                await collect(reader, tp, 0, 8)

    asyncio.run(play())


@pytest.mark.kafka
def test_a_missing_topic_is_found_at_the_start(apache: Broker) -> None:
    async def play() -> None:
        with pytest.raises(TopicsMismatchError, match="nowhere"):
            async with writing(apache, TopicPartition("nowhere", 0), request_timeout_s=1.0):
                pass

    asyncio.run(play())


def test_batches_that_wait_in_a_producer_are_not_sent_after_a_refusal(broker: Broker) -> None:
    """The first batch is sent, the second waits for its answer, as in a process that freezes and wakes up."""

    async def play() -> None:
        tp, may = await new_topic(broker), [True] * 100  # a new topic without a leader may get several

        def check() -> None:
            if not may.pop():
                raise ExpelledError("too late")

        async with writing(broker, tp, check=check) as producer:
            assert (await producer.write_one(tp, b"marker", b"zeroth", NOW_MS)).offset == 0
            may[:] = [True]
            first = producer.write_one(tp, b"marker", b"first", NOW_MS)
            second = producer.write_one(tp, b"marker", b"second", NOW_MS)
            async with asyncio.timeout(10):
                while may:
                    await asyncio.sleep(0)
            may += [False, False]
            assert (await first).offset == 1
            with pytest.raises(ExpelledError):
                await second
        async with reading(broker) as reader:
            assert await reader.bounds([tp]) == {tp: (0, 2)}

    asyncio.run(play())


async def time_out(*_: object, **__: object) -> None:
    """Fail as aiokafka does when a broker does not answer."""
    await asyncio.sleep(0.2)
    raise RequestTimedOutError


@pytest.mark.kafka
def test_writes_without_an_acknowledgement_fail_when_the_producer_stops(apache: Broker) -> None:
    async def play() -> list[Awaitable[Any]]:
        tp = await new_topic(apache)
        producer = StateProducer(apache, [tp.topic], client_id="t", batch_max_bytes=BATCH_MAX, request_timeout_s=0.5)
        await producer.start()
        producer._client.client.send = time_out
        acks = producer.write(tp, rows_of([20] * 200), NOW_MS)
        async with asyncio.timeout(15):
            await producer.stop()
        for ack in acks:
            with pytest.raises(ProducerClosed):
                await ack
        with pytest.raises(ProducerClosed):
            producer.write(tp, rows_of([1]), NOW_MS)
        return list(acks)

    assert len(asyncio.run(play())) > 1
