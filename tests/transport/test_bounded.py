"""Records polled one by one are aiokafka's own; a refused batch is reported in its place and skipped."""

import asyncio
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.reading.records import Record, RefusedBatchError, fail
from tests.records import build
from tests.records.build import Row
from tests.transport.test_fetch import FakeAssignment, FakeError

MIB = 1 << 20
HERE, THERE = TopicPartition("merchants", 0), TopicPartition("merchants", 1)


class FakeFetcher:
    _wait_consume_future = None

    def __init__(self) -> None:
        self._records: dict[TopicPartition, Any] = {}
        self.waits = 0
        self.waiters: list[asyncio.Future[None]] = []

    def _notify(self, _: object) -> None: ...

    def _create_fetch_waiter(self) -> "asyncio.Future[None]":
        self.waits += 1
        self.waiters.append(asyncio.get_running_loop().create_future())
        return self.waiters[-1]


class BareConsumer(BoundedConsumer):
    """A consumer without a connection, so there is nothing to close."""

    def __del__(self) -> None: ...


def consumer(**fetched: tuple[TopicPartition, bytes, int]) -> Any:
    """Make a consumer that has fetched some bytes of partitions, from a position on."""
    made = BareConsumer.__new__(BareConsumer)
    made._closed = False
    made._limit = MIB
    made.refuse = fail
    made._fetcher = FakeFetcher()
    made.positions = {}
    for tp, raw, position in fetched.values():
        assignment = FakeAssignment(position)
        made.positions[tp] = assignment.state
        records = PartitionRecords(tp, MemoryRecords(raw), None, position, None, None, True, 1)
        made._fetcher._records[tp] = FetchResult(tp, assignment=assignment, partition_records=records, backoff=0)
    return made


def poll(one: Any, *tps: TopicPartition, **options: Any) -> dict[TopicPartition, list[Record]]:
    found: dict[TopicPartition, list[Record]] = asyncio.run(one.getmany(*tps, **options))
    return found


def drain(one: Any, **options: Any) -> list[Record]:
    found: list[Record] = []
    while one._fetcher._records:
        for records in poll(one, **options).values():
            assert len(records) <= options.get("max_records", 1 << 20)
            found += records
            assert one.positions[HERE].position > records[-1].offset, "it must pass a gap at the end, and no record"
    return found


@given(
    batches=st.lists(
        st.tuples(st.sampled_from(sorted(build.CODECS)), st.sets(st.integers(0, 20), min_size=1), st.integers(20, 25)),
        min_size=1,
        max_size=4,
    ),
    into=st.integers(0, 30),
    at_most=st.integers(1, 9),
)
def test_records_equal_those_of_aiokafka(batches: list[tuple[str, set[int], int]], into: int, at_most: int) -> None:
    raw, base = b"", 0
    for codec, offsets, last in batches:
        rows = [
            Row(k, b"v%d" % k if k % 3 else None, b"k" if k % 2 else None, k, [(b"h", b"x")]) for k in sorted(offsets)
        ]
        raw += build.batch(rows, codec=codec, base=base, last=last)
        base += last + 1
    position = min(into, base - 1)
    records = PartitionRecords(HERE, MemoryRecords(raw), None, position, None, None, True, 1)
    theirs = FetchResult(HERE, assignment=FakeAssignment(position), partition_records=records, backoff=0).getall()
    one = consumer(here=(HERE, raw, position))
    ours = drain(one, max_records=at_most)
    assert [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers) for r in ours] == [
        (r.offset, r.timestamp, r.timestamp_type, r.key, r.value, r.headers) for r in theirs
    ]
    assert one.positions[HERE].position == base


def test_a_refused_batch_is_reported_between_the_records_around_it() -> None:
    raw = build.values(b"a", b"b") + build.bomb("zstd", 2 * MIB, base=2) + build.values(b"c", base=3)
    one = consumer(here=(HERE, raw, 0))
    told: list[Any] = []
    one.refuse = lambda tp, refused: told.append((tp, refused.first, refused.reason))
    assert [record.value for record in poll(one)[HERE]] == [b"a", b"b"]
    assert told == []
    assert [record.value for record in poll(one)[HERE]] == [b"c"]
    assert told == [(HERE, 2, "OVERSIZE_BATCH")]
    assert one.positions[HERE].position == 4


def test_a_caller_that_does_not_expect_such_a_batch_gets_an_error_with_its_offsets() -> None:
    with pytest.raises(RefusedBatchError, match=r"merchants\[0\], offsets 7 to 7: OVERSIZE_BATCH, \d+ bytes as stored"):
        poll(consumer(here=(HERE, build.bomb("gzip", 2 * MIB, base=7), 7)))


def test_one_poll_unpacks_one_batch_of_a_partition() -> None:
    raw = b"".join(build.values(bytes(900_000), codec="gzip", base=base) for base in range(3))
    one = consumer(here=(HERE, raw, 0), there=(THERE, raw, 0))
    for offset in range(3):
        polled = poll(one)
        assert {tp: [record.offset for record in records] for tp, records in polled.items()} == {
            HERE: [offset],
            THERE: [offset],
        }


def test_only_wanted_partitions_are_taken() -> None:
    one = consumer(here=(HERE, build.values(b"a"), 0), there=(THERE, build.values(b"b"), 0))
    assert list(poll(one, THERE)) == [THERE]
    assert list(poll(one, HERE)) == [HERE]


def test_an_error_comes_after_the_good_records() -> None:
    one = consumer(here=(HERE, build.values(b"a"), 0))
    one._fetcher._records[THERE] = FakeError()
    assert list(poll(one)) == [HERE]
    with pytest.raises(CorruptRecordException):
        poll(one)


def test_a_wrong_checksum_is_an_error_and_the_position_stays() -> None:
    broken = bytearray(build.values(b"a", base=5))
    broken[-1] ^= 1
    one = consumer(here=(HERE, bytes(broken), 5))
    with pytest.raises(CorruptRecordException):
        poll(one)
    assert one.positions[HERE].position == 5


def test_without_records_it_waits_until_its_timeout() -> None:
    one = consumer()
    assert poll(one) == {}
    assert one._fetcher.waits == 0
    assert poll(one, timeout_ms=10) == {}
    assert one._fetcher.waits == 1
    one._closed = True
    with pytest.raises(ConsumerStoppedError):
        poll(one)


def test_records_fetched_before_a_seek_are_dropped() -> None:
    one = consumer(here=(HERE, build.values(b"a"), 0))
    one.positions[HERE].position = 9
    assert poll(one) == {}
    assert one._fetcher._records == {}


def test_the_size_and_time_of_its_batch_are_with_each_record() -> None:
    raw = build.values(b"a", b"b", codec="lz4", max_ms=5)
    assert [record.stored for record in poll(consumer(here=(HERE, raw, 0)))[HERE]] == [(len(raw), 5)] * 2


def test_malformed_headers_are_left_out() -> None:
    raw = build.stored(bytes([14, 0, 0, 0, 1, 1, 2, 100]), count=1)
    (record,) = poll(consumer(here=(HERE, raw, 0)))[HERE]
    assert (record.value, record.headers) == (None, ())


def test_a_poll_that_waits_while_the_consumer_closes_returns_nothing() -> None:
    one = consumer()

    async def play() -> dict[TopicPartition, list[Record]]:
        waiting = asyncio.create_task(one.getmany(timeout_ms=60_000))
        await asyncio.sleep(0)
        one._closed = True
        one._fetcher.waiters.pop().set_result(None)
        found: dict[TopicPartition, list[Record]] = await waiting
        return found

    assert asyncio.run(play()) == {}
