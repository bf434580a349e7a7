"""Columns out of a fetch equal what aiokafka itself would have handed over, record by record."""

from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.batch import Columns
from streams.transport.fetch import take, unpack

TP = TopicPartition("authorizations", 3)
BASE_OFFSET, ATTRIBUTES = 0, 21  # where the fields lie in a v2 record batch


class FakeState:
    def __init__(self, position: int) -> None:
        self.position = position
        self.paused = False

    def consumed_to(self, position: int) -> None:
        self.position = position


class FakeAssignment:
    active = True

    def __init__(self, position: int) -> None:
        self.state = FakeState(position)

    def state_value(self, tp: TopicPartition) -> FakeState:
        return self.state


def encode(base: int, values: list[bytes | None]) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for index, value in enumerate(values):
        builder.append(index, 1_000 + base + index, b"key", value, [])
    raw = bytearray(builder.build())
    raw[BASE_OFFSET : BASE_OFFSET + 8] = base.to_bytes(8, "big")  # not covered by the checksum
    return bytes(raw)


def result_of(raw: bytes, position: int) -> tuple[Any, FakeAssignment]:
    assignment = FakeAssignment(position)
    records = PartitionRecords(TP, MemoryRecords(raw), None, position, None, None, True, 0)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0.1), assignment


payloads = st.one_of(st.none(), st.binary(max_size=20))


@given(
    batches=st.lists(st.tuples(st.integers(0, 5), st.lists(payloads, min_size=1, max_size=12)), min_size=1, max_size=6),
    first=st.integers(0, 1000),
    into=st.integers(0, 8),
)
def test_columns_equal_the_records_aiokafka_returns(
    batches: list[tuple[int, list[bytes | None]]], first: int, into: int
) -> None:
    raw, base = b"", first
    for gap, values in batches:
        base += gap
        raw += encode(base, values)
        base += len(values)
    position = first + into
    ours, our_assignment = result_of(raw, position)
    theirs, their_assignment = result_of(raw, position)
    expected = theirs.getall()
    columns = unpack(ours)
    assert our_assignment.state.position == their_assignment.state.position
    if columns is None:
        assert expected == []
        return
    assert [record.offset for record in expected] == list(columns.offsets)
    assert [record.timestamp for record in expected] == list(columns.timestamps_ms)
    assert [record.value or b"" for record in expected] == columns.values
    assert (columns.start, columns.end) == (position, our_assignment.state.position)


@given(count=st.integers(0, 100), size=st.integers(1, 30), tail=st.integers(0, 5))
def test_chunks_meet_and_lose_nothing(count: int, size: int, tail: int) -> None:
    columns = Columns(
        start=7,
        end=10 + count + tail + 1,
        offsets=range(10, 10 + count),
        timestamps_ms=list(range(count)),
        values=[b"%d" % number for number in range(count)],
    )
    chunks = list(columns.chunks(size))
    assert [chunk.start for chunk in chunks] == [7, *(chunk.end for chunk in chunks[:-1])]
    assert chunks[-1].end == columns.end
    assert [value for chunk in chunks for value in chunk.values] == columns.values
    assert [offset for chunk in chunks for offset in chunk.offsets] == list(columns.offsets)
    assert all(len(chunk.values) <= size for chunk in chunks)


def test_a_broken_batch_is_not_delivered_and_what_came_before_it_is() -> None:
    broken = bytearray(encode(2, [b"c"]))
    broken[-1] ^= 1
    result, assignment = result_of(encode(0, [b"a", b"b"]) + bytes(broken), 0)
    columns = unpack(result)
    assert columns is not None
    assert columns.values == [b"a", b"b"]
    assert assignment.state.position == 2
    result, assignment = result_of(bytes(broken), 2)
    with pytest.raises(CorruptRecordException):
        unpack(result)
    assert assignment.state.position == 2


def test_records_of_a_partition_that_was_seeked_are_dropped() -> None:
    result, assignment = result_of(encode(0, [b"a"]), 0)
    assignment.state.position = 5
    assert unpack(result) is None
    assert assignment.state.position == 5


class FakeFetcher:
    def __init__(self, records: dict[TopicPartition, Any]) -> None:
        self._records = records
        self._subscriptions = self
        self._wait_consume_future = object()
        self.notified = 0

    def is_assigned(self, tp: TopicPartition) -> bool:
        return tp.partition < 10

    def _notify(self, _: object) -> None:
        self.notified += 1


class FakeError:
    def check_raise(self) -> None:
        raise CorruptRecordException("told to")


def test_only_wanted_partitions_are_taken_and_lost_ones_are_dropped() -> None:
    wanted, other, lost = (TopicPartition("authorizations", number) for number in (1, 2, 10))
    fetcher = FakeFetcher({tp: result_of(encode(0, [b"a"]), 0)[0] for tp in (wanted, other, lost)})
    assert list(take(fetcher, {wanted})) == [wanted]
    assert list(fetcher._records) == [other]


def test_an_error_waits_until_good_records_are_handed_over() -> None:
    good, bad = TopicPartition("authorizations", 1), TopicPartition("authorizations", 2)
    fetcher = FakeFetcher({good: result_of(encode(0, [b"a"]), 0)[0], bad: FakeError()})
    assert list(take(fetcher, {good, bad})) == [good]
    with pytest.raises(CorruptRecordException):
        take(fetcher, {good, bad})
    assert fetcher._records == {}
    assert fetcher.notified == 1
