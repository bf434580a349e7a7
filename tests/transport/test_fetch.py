"""The columns of a fetch equal the records that aiokafka itself returns."""

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
from streams.transport.fetch import Bounds, take, unpack_columns
from tests.examples import is_quick
from tests.records.build import Row, batch, bomb, stored
from tests.records.build import values as batch_of

TP = TopicPartition("authorizations", 3)
BASE_OFFSET, ATTRIBUTES = 0, 21  # positions of fields in a v2 record batch
MIB = 1 << 20
WIDE = Bounds(batch=16 * MIB, partition=4 * MIB, room=64 * MIB)


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
    columns = unpack_columns(ours, WIDE)
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


def test_records_before_a_broken_batch_are_delivered() -> None:
    broken = bytearray(encode(2, [b"c"]))
    broken[-1] ^= 1
    result, assignment = result_of(encode(0, [b"a", b"b"]) + bytes(broken), 0)
    columns = unpack_columns(result, WIDE)
    assert columns is not None
    assert columns.values == [b"a", b"b"]
    assert assignment.state.position == 2
    result, assignment = result_of(bytes(broken), 2)
    with pytest.raises(CorruptRecordException):
        unpack_columns(result, WIDE)
    assert assignment.state.position == 2


def test_records_of_a_partition_that_was_seeked_are_dropped() -> None:
    result, assignment = result_of(encode(0, [b"a"]), 0)
    assignment.state.position = 5
    assert unpack_columns(result, WIDE) is None
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
    assert list(take(fetcher, {wanted}, WIDE)) == [wanted]
    assert list(fetcher._records) == [other]


def test_an_error_waits_until_good_records_are_handed_over() -> None:
    good, bad = TopicPartition("authorizations", 1), TopicPartition("authorizations", 2)
    fetcher = FakeFetcher({good: result_of(encode(0, [b"a"]), 0)[0], bad: FakeError()})
    assert list(take(fetcher, {good, bad}, WIDE)) == [good]
    with pytest.raises(CorruptRecordException):
        take(fetcher, {good, bad}, WIDE)
    assert fetcher._records == {}
    assert fetcher.notified == 1


def taken(fetcher: FakeFetcher, tp: TopicPartition, bounds: Bounds = WIDE) -> Columns:
    found = take(fetcher, {tp}, bounds)
    assert list(found) == [tp]
    return found[tp]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_bomb_comes_alone_between_good_records(codec: str) -> None:
    raw = batch_of(b"a", b"b") + bomb(codec, 20 * MIB, base=2) + batch_of(b"c", codec=codec, base=3)
    result, assignment = result_of(raw, 0)
    fetcher = FakeFetcher({TP: result})
    before, refused, after = (taken(fetcher, TP) for _ in range(3))
    assert (before.values, before.start, before.end) == ([b"a", b"b"], 0, 2)
    assert (refused.values, refused.start, refused.end, refused.offsets) == ([], 2, 3, range(2, 3))
    assert refused.refused is not None
    assert refused.refused.reason == "OVERSIZE_BATCH"
    assert [chunk.refused for chunk in refused.chunks(10)] == [refused.refused]
    assert (after.values, after.start, after.end) == ([b"c"], 3, 4)
    assert fetcher._records == {}
    assert assignment.state.position == 4


def test_a_bomb_of_an_aborted_transaction_is_skipped() -> None:
    raw = bomb("zstd", 20 * MIB, attributes=16, producer=(7, 0, 0)) + batch_of(b"a", base=1)
    assignment = FakeAssignment(0)
    records = PartitionRecords(TP, MemoryRecords(raw), [(7, 0)], 0, None, None, True, 1)
    result = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0.1)
    columns = unpack_columns(result, WIDE)
    assert columns is not None
    assert (columns.values, columns.refused) == ([b"a"], None)


def test_batches_within_their_bound_are_bounded_in_sum() -> None:
    """Sixty batches of 3 MiB each in 200 KB; twelve in the inner loop."""
    count = 12 if is_quick() else 60
    packed = batch_of(bytes(3 * MIB), codec="gzip")
    # the base offset is not covered by the checksum
    raw = b"".join(base.to_bytes(8, "big") + packed[BASE_OFFSET + 8 :] for base in range(count))
    other = TopicPartition("authorizations", 4)
    fetcher = FakeFetcher({TP: result_of(raw, 0)[0], other: result_of(raw, 0)[0]})
    bounds = Bounds(batch=4 * MIB, partition=5 * MIB, room=8 * MIB)
    found = take(fetcher, {TP, other}, bounds)
    assert {tp: len(columns.values) for tp, columns in found.items()} == {TP: 2, other: 2}
    assert all(6 * MIB < columns.weight < 7 * MIB for columns in found.values())
    found = take(fetcher, {TP, other}, bounds._replace(room=5 * MIB))
    assert {tp: list(columns.offsets) for tp, columns in found.items()} == {TP: [2, 3]}
    found = take(fetcher, {TP, other}, bounds._replace(room=5 * MIB))
    assert {tp: list(columns.offsets) for tp, columns in found.items()} == {other: [2, 3]}, "one batch at a time"
    assert take(fetcher, {TP, other}, bounds._replace(room=0)) == {}
    rest = 4
    while fetcher._records:
        rest += len(taken(fetcher, next(iter(fetcher._records)), bounds).values)
    assert rest == 2 * count - 2 * 2


def test_weights_of_chunks_are_those_of_their_records() -> None:
    columns = taken(FakeFetcher({TP: result_of(batch_of(*[b"0123456789"] * 100), 0)[0]}), TP)
    assert columns.weight == pytest.approx(100 * (128 + 20), rel=0.1)
    assert [chunk.weight for chunk in columns.chunks(50)] == [columns.weight // 2] * 2


def test_a_broken_batch_behind_a_refused_one_is_reported_after_it() -> None:
    broken = bytearray(batch_of(b"c", base=2))
    broken[-1] ^= 1
    fetcher = FakeFetcher({TP: result_of(batch_of(b"a") + bomb("lz4", 20 * MIB, base=1) + bytes(broken), 0)[0]})
    assert taken(fetcher, TP).values == [b"a"]
    assert taken(fetcher, TP).refused is not None
    with pytest.raises(CorruptRecordException):
        take(fetcher, {TP}, WIDE)


def test_an_unreadable_batch_is_refused_and_not_fetched_again() -> None:
    """Brokers accept a header whose name is not UTF-8; aiokafka then failed at every start."""
    raw = batch([Row(0, b"a", headers=[(b"\xff", b"")])]) + stored(b"garbage", codec=3, base=1) + batch_of(b"c", base=2)
    fetcher = FakeFetcher({TP: result_of(raw, 0)[0]})
    assert taken(fetcher, TP).values == [b"a"]
    refused = taken(fetcher, TP).refused
    assert refused is not None
    assert refused.reason == "MALFORMED_BATCH"
    assert taken(fetcher, TP).values == [b"c"]
