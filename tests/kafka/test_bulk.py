"""Records sent in bulk keep their order, place and time, and every failure is named."""

import asyncio
import time
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.errors import MissingTopicError
from streams.kafka.sending.bulk import BulkSender, Placed, build

LIMIT = 500

records = st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=600)), max_size=30)


class FakeClient:
    """Keep what is sent, by topic and partition; refuse `now` at once and `later` on acknowledgement, fail on `bug`."""

    def __init__(self, size: int = 1 << 16) -> None:
        self.sent: dict[tuple[str, int], list[Any]] = {}
        self.partitions: set[int] = {0, 1, 2}
        self._size = size

    async def partitions_for(self, _topic: str) -> set[int]:
        return self.partitions

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self._size, 0)

    async def send_batch(self, built: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        found = unpack(built)
        values = {record.value for record in found}
        if b"now" in values:
            raise MessageSizeTooLargeError
        self.sent.setdefault((topic, partition), []).extend(found)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if b"later" in values:
            done.set_exception(KafkaTimeoutError())
        elif b"bug" in values:
            done.set_exception(AssertionError("a bug"))
        else:
            done.set_result(None)
        return done


def unpack(built: BatchBuilder) -> list[Any]:
    return list(MemoryRecords(bytes(built._build())).next_batch())


def sender(client: FakeClient) -> BulkSender:
    return BulkSender(cast(Any, client))


@given(st.binary(min_size=1, max_size=64), st.integers(1, 60))
def test_the_partition_is_the_default_partitioners(key: bytes, count: int) -> None:
    one = BulkSender(cast(Any, None))
    partitions = list(range(count))
    expected = DefaultPartitioner()(key, partitions, partitions)
    assert one._partition(key, count) == expected
    assert one._partition(key, count) == expected


def test_records_have_the_given_times_on_any_partition_and_otherwise_now() -> None:
    client = FakeClient()
    records = [(b"key-%d" % n, b"%d" % n) for n in range(50)]
    asyncio.run(sender(client).send("t", records, [1_522_540_800_000 + n for n in range(50)]))
    found = [(record.value, record.timestamp) for part in client.sent.values() for record in part]
    assert len(client.sent) == 3
    assert sorted(found) == sorted((b"%d" % n, 1_522_540_800_000 + n) for n in range(50))
    client.sent.clear()
    asyncio.run(sender(client).send("t", records[:1]))
    (((stamped,),),) = (client.sent.values(),)
    assert abs(stamped.timestamp - time.time_ns() // 1_000_000) < 60_000


def test_a_topic_that_does_not_exist_is_named() -> None:
    client = FakeClient()
    client.partitions = set()
    with pytest.raises(MissingTopicError, match="topic 't' does not exist: run `sekisho topics create`"):
        asyncio.run(sender(client).send("t", [(b"k", b"v")]))


@given(records)
def test_packing_keeps_every_record_in_order_and_under_the_limit(packed: list[tuple[bytes, bytes]]) -> None:
    times_ms = [1_000 * (n % 3) for n in range(len(packed))]
    built = build(FakeClient(LIMIT), packed, times_ms)
    assert [(record.key, record.value) for builder in built for record in unpack(builder)] == packed
    assert all(builder.size() <= LIMIT or builder.record_count() == 1 for builder in built)


def test_each_packed_record_keeps_its_own_timestamp_also_where_time_runs_back() -> None:
    times_ms = [2_000_000, 1_000, 1_777_604_400_000]
    (built,) = build(FakeClient(LIMIT), [(b"k", b"v")] * 3, times_ms)
    assert [record.timestamp for record in unpack(built)] == times_ms


def at(partition: int, value: bytes, timestamp_ms: int | None = 1_000, key: bytes | None = b"k") -> Placed:
    return Placed("t", partition, key, value, timestamp_ms, (("h", value),))


def place(*placed: Placed, size: int = 1 << 16) -> tuple[list[str], FakeClient]:
    client = FakeClient(size)
    return asyncio.run(sender(client).place(placed)), client


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=600)), max_size=30))
def test_records_with_a_partition_are_sent_there_in_order_with_their_headers(given_: list[tuple[int, bytes]]) -> None:
    failures, client = place(*(at(partition, b"v" + value) for partition, value in given_), size=LIMIT)
    assert failures == []
    for partition in range(3):
        wanted = [b"v" + value for number, value in given_ if number == partition]
        found = client.sent.get(("t", partition), [])
        assert [record.value for record in found] == wanted
        assert [tuple(record.headers) for record in found] == [(("h", value),) for value in wanted]


def test_records_with_a_partition_keep_their_time_and_missing_key_or_get_the_time_of_sending() -> None:
    _, client = place(at(1, b"a", 7), at(1, b"b", 3, key=None), at(2, b"c", None))
    first, second = client.sent["t", 1]
    assert (first.timestamp, first.key, second.timestamp, second.key) == (7, b"k", 3, None)
    (third,) = client.sent["t", 2]
    assert abs(third.timestamp - time.time_ns() // 1_000_000) < 60_000


def test_every_record_that_failed_is_named_and_the_others_are_sent() -> None:
    failures, client = place(at(0, b"later"), at(0, b"with it"), at(1, b"a"), at(2, b"now"), at(1, b"b"))
    assert sorted(failures) == ["KafkaTimeoutError", "KafkaTimeoutError", "MessageSizeTooLargeError"]
    assert [record.value for record in client.sent["t", 1]] == [b"a", b"b"]


def test_a_bug_is_not_reported_as_a_failure_of_the_broker() -> None:
    with pytest.raises(AssertionError, match="a bug"):
        place(at(0, b"a"), at(1, b"bug"))
