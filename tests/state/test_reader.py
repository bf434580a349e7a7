"""The records that a read yields, and where it ends, for any shape of log."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.errors import UnreadableError
from streams.kafka.reading.log import RECORDS_MAX, LogReader
from streams.kafka.reading.records import Record
from streams.kafka.reading.rows import BATCH_MAX_BYTES, ROWS_MAX
from streams.kafka.settings import EMBEDDED, Broker
from streams.records.columns import RECORD_BYTES
from streams.state.log.packing import pack
from streams.state.settings import State
from tests.records import build
from tests.records.build import Row
from tests.state.rows import pairs, rows_of

TP = TopicPartition("card-profiles", 3)
KAFKA, SLOW = Broker(), Broker(profile=EMBEDDED)

Found = list[tuple[int, bytes, bytes | None, int]]


def encode(base: int, kept: list[int], last: int) -> bytes:
    """Build a stored batch from offset `base` to `last` in which compaction has kept some offsets."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 24)
    for offset in sorted({*kept, last}):
        builder.append(offset - base, 1_000 + offset, b"key %d" % offset, None if offset % 7 == 0 else b"data", [])
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")  # not covered by the checksum
    return bytes(raw)


def record(offset: int) -> tuple[int, bytes, bytes | None, int]:
    return offset, b"key %d" % offset, None if offset % 7 == 0 else b"data", 1_000 + offset


class FakeFetcher:
    """Gives one prepared answer for each wait of the reader, then none."""

    _isolation_level = 1
    _wait_consume_future = None

    def __init__(self, subscription: SubscriptionState, answers: list[tuple[bytes | Exception, int]]) -> None:
        self._records: dict[TopicPartition, Any] = {}
        self._subscription = subscription
        self._answers = answers

    def _notify(self, _: object) -> None:
        pass

    def _create_fetch_waiter(self) -> Awaitable[None]:
        waiter = asyncio.get_running_loop().create_future()
        if not self._answers:
            return waiter
        raw, highwater = self._answers.pop(0)
        assignment = self._subscription.subscription.assignment
        state = assignment.state_value(TP)
        if isinstance(raw, Exception):
            self._records[TP] = FetchError(error=raw, backoff=0)
        else:
            state.highwater, state.lso, state.timestamp = highwater, -1, 1
            if raw:
                records = PartitionRecords(TP, MemoryRecords(raw), None, state.position, None, None, True, 1)
                self._records[TP] = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)
        waiter.set_result(None)
        return waiter


class FakeConsumer:
    def __init__(self, answers: list[tuple[bytes | Exception, int]]) -> None:
        self._subscription = SubscriptionState()
        self._fetcher = FakeFetcher(self._subscription, answers)

    def assign(self, tps: list[TopicPartition]) -> None:
        self._subscription.assign_from_user(tps)

    def seek(self, tp: TopicPartition, position: int) -> None:
        self._subscription.seek(tp, position)


def read(
    begin: int,
    end: int,
    answers: list[tuple[bytes | Exception, int]],
    timeout_s: float = 20.0,
    broker: Broker = KAFKA,
    **options: Any,
) -> Found:
    async def play() -> Found:
        reader = LogReader(broker, client_id="test", isolation="read_committed", timeout_s=timeout_s, **options)
        reader._started = FakeConsumer(answers)
        found: Found = []
        async for rows in reader.read(TP, begin, end):
            assert 0 < len(rows) <= ROWS_MAX
            found += zip(rows.offsets, rows.keys, rows.values, rows.timestamps_ms, strict=True)
        return found

    return asyncio.run(play())


batches = st.lists(
    st.tuples(st.integers(0, 5), st.sets(st.integers(0, 700)), st.integers(0, 700)), min_size=1, max_size=8
)


@given(batches=batches, first=st.integers(0, 50), edges=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_every_record_left_in_the_range_is_read(
    batches: list[tuple[int, set[int], int]], first: int, edges: tuple[float, float]
) -> None:
    answers: list[tuple[bytes | Exception, int]] = []
    stored, base = [], first
    for gap, kept, last in batches:
        base += gap
        offsets = sorted({base + number for number in kept if number < last} | {base + last})
        stored.append((encode(base, offsets, offsets[-1]), offsets))
        base = offsets[-1] + 1
    begin, end = sorted(first + round(edge * (base - first)) for edge in edges)
    ahead = [raw for raw, offsets in stored if offsets[-1] >= begin]
    answers = [(b"".join(ahead[at : at + 3]), base) for at in range(0, len(ahead), 3)]  # three batches a fetch
    every = [offset for _, offsets in stored for offset in offsets]
    assert read(begin, end, answers) == [record(offset) for offset in every if begin <= offset < end]


def test_a_big_batch_is_handed_over_in_pieces() -> None:
    kept = list(range(3 * ROWS_MAX + 17))
    assert read(0, kept[-1] + 1, [(encode(0, kept, kept[-1]), kept[-1] + 1)]) == [record(offset) for offset in kept]


def test_every_piece_of_a_read_is_progress_and_an_empty_answer_is_none() -> None:
    steps: list[int] = []
    kept = list(range(2 * ROWS_MAX))
    read(0, kept[-1] + 1, [(encode(0, kept, kept[-1]), kept[-1] + 1)], progressed=lambda: steps.append(1))
    assert len(steps) >= 3
    steps.clear()
    with pytest.raises(UnreadableError, match="no data for"):
        read(5, 10, [(b"", 5)] * 3, timeout_s=0.05, progressed=lambda: steps.append(1))
    assert steps == []


def test_a_read_ends_at_the_last_record_before_the_end() -> None:
    """As if compaction deleted the last records before the end."""
    assert read(0, 50, [(encode(0, [1], 9), 60), (b"", 60)]) == [record(1), record(9)]


def test_an_empty_answer_of_the_embedded_broker_is_not_the_end() -> None:
    """Under load it gives up before the first record: the end of its log is beyond, and there are records."""
    first, second = (encode(0, [1], 9), 60), (encode(10, [11, 12], 49), 60)
    answers: list[tuple[bytes | Exception, int]] = [(b"", 60), first, (b"", 60), (b"", 60), second]
    assert read(0, 50, list(answers), broker=SLOW) == [record(offset) for offset in (1, 9, 11, 12, 49)]
    assert read(0, 50, list(answers)) == [], "Apache Kafka would not answer like this"


def test_a_read_that_the_embedded_broker_never_ends_is_an_error_and_not_short() -> None:
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\]: no data for 0\.05 s, although there are records"):
        read(0, 50, [(encode(0, [1], 9), 60)] + [(b"", 60)] * 4, timeout_s=0.05, broker=SLOW)


def test_a_read_continues_while_the_high_watermark_is_lower_than_before() -> None:
    """As after a change of leader: answers are empty up to a high watermark that lags."""
    answers: list[tuple[bytes | Exception, int]] = [(b"", 5), (b"", 5), (encode(5, [], 9), 10)]
    assert read(5, 10, answers) == [record(9)]


def test_a_broker_that_brings_nothing_ends_the_read_with_an_error() -> None:
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\]: no data for 0\.05 s"):
        read(5, 10, [(b"", 5)], timeout_s=0.05)
    with pytest.raises(UnreadableError, match=r"no data for 0\.05 s"):
        read(5, 10, [], timeout_s=0.05)
    with pytest.raises(UnreadableError, match=r"no data for 0\.05 s"):
        read(5, 10, [(encode(0, [], 3), 10)] * 1_000, timeout_s=0.05)  # the same earlier records again and again


def test_an_error_of_the_broker_ends_the_read_with_its_name() -> None:
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\] at 5: NotLeaderForPartitionError"):
        read(5, 10, [(NotLeaderForPartitionError(), 0)])


def test_a_wrong_checksum_is_an_error() -> None:
    broken = bytearray(encode(3, [], 5))
    broken[-1] ^= 1
    with pytest.raises(UnreadableError, match="wrong checksum before offset 6"):
        read(0, 6, [(encode(0, [], 2) + bytes(broken), 6)])


def test_a_reader_that_is_closed_reads_nothing() -> None:
    async def play() -> None:
        reader = LogReader(Broker(), client_id="test", isolation="read_committed")
        await reader.stop()
        with pytest.raises(UnreadableError, match="closed"):
            async for _ in reader.read(TP, 0, 1):
                pass

    asyncio.run(play())


@given(st.lists(st.integers(0, 40), max_size=50), st.data())
def test_packing_keeps_rows_and_leaves_out_other_records(sizes: list[int], data: st.DataObject) -> None:
    packed = rows_of(sizes)
    records = pairs(packed)
    for key in data.draw(st.lists(st.binary(max_size=20).filter(lambda key: len(key) != 12), max_size=5)):
        records.insert(data.draw(st.integers(0, len(records))), (key, b"odd"))
    again = pack([key for key, _ in records], [value for _, value in records])
    for ours, theirs in zip(again, packed, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.flags.c_contiguous
        assert ours.flags.writeable
        assert (ours == theirs).all()


def test_a_value_that_is_not_made_of_words_is_an_error_without_its_content() -> None:
    with pytest.raises(UnreadableError, match="the value of row 1 of 3 is not made of words") as caught:
        pack([b"k" * 12] * 3, [b"abcd", b"secret", b"ab"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_batches_that_the_broker_compressed_are_read(codec: str) -> None:
    rows = [Row(k, b"data" if k % 3 else None, b"key %d" % k, time=k) for k in range(3_000)]
    assert read(40, 2_950, [(build.batch(rows, codec=codec), 3_000)]) == [
        (k, row.key, row.value, 1_000 + k) for k, row in enumerate(rows[:2_950]) if k >= 40
    ]


def test_a_bomb_ends_a_restore_and_the_error_names_its_offsets() -> None:
    raw = build.values(b"good") + build.bomb("gzip", 2 << 20, base=1)
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\], offsets 1 to 1: OVERSIZE_BATCH, .*starting-anew"):
        read(0, 2, [(raw, 2)], batch_max_bytes=1 << 20)


def test_a_bomb_on_an_output_counts_as_one_foreign_record() -> None:
    raw = (
        build.values(b"good")
        + build.bomb("gzip", 2 << 20, base=1, max_ms=7)
        + build.stored(b"garbage", base=2, codec=4)
    )
    raw += build.values(b"good", base=3)
    assert read(0, 4, [(raw, 4)], passes_over={TP.topic}, batch_max_bytes=1 << 20) == [
        (0, b"key", b"good", 1_000),
        (1, b"", None, 7),
        (2, b"", None, 2_000),
        (3, b"key", b"good", 1_000),
    ]


def test_no_batch_that_a_worker_may_write_is_too_large() -> None:
    """The largest batch that the configuration allows, full of rows that have only a key."""
    largest = msgspec.json.schema(State)["$defs"]["State"]["properties"]["batch_max_bytes"]["maximum"]
    one = len(build.record(Row(largest // 24, None, bytes(12))))
    assert largest + largest // one * RECORD_BYTES < BATCH_MAX_BYTES


def read_records(raw: bytes, begin: int, end: int, **options: Any) -> tuple[list[list[Record]], list[tuple[int, int]]]:
    """Read single records of what one fetch brings; return them, and the offsets of the refused records."""
    refused: list[tuple[int, int]] = []

    async def play() -> list[list[Record]]:
        reader = LogReader(Broker(), client_id="test", isolation="read_committed", batch_max_bytes=1 << 20)
        reader._started = FakeConsumer([(raw, end)])
        return [
            records
            async for records in reader.records(TP, begin, end, lambda _, bomb: refused.append((bomb.first, bomb.end)))
        ]

    return asyncio.run(play()), refused


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_single_records_of_a_range_come_with_their_headers(codec: str) -> None:
    rows = [
        Row(k, b"v%d" % k if k % 3 else None, b"k" if k % 2 else None, k, [(b"h", b"%d" % k)]) for k in range(5_000)
    ]
    raw = build.batch(rows, codec=codec, max_ms=5_999)
    found, refused = read_records(raw, 40, 4_950)
    assert all(0 < len(records) <= RECORDS_MAX for records in found)
    assert refused == []
    assert [record for records in found for record in records] == [
        Record(*TP, k, 1_000 + k, 0, row.key, row.value, (("h", b"%d" % k),), (len(raw), 5_999))
        for k, row in enumerate(rows)
        if 40 <= k < 4_950
    ]


def test_a_refused_batch_is_reported_between_single_records() -> None:
    raw = build.values(b"a", b"b") + build.bomb("zstd", 2 << 20, base=2) + build.values(b"c", base=3)
    found, refused = read_records(raw, 0, 4)
    assert [record.value for records in found for record in records] == [b"a", b"b", b"c"]
    assert refused == [(2, 3)]


def test_only_one_read_is_under_way_at_a_time() -> None:
    async def play() -> None:
        reader = LogReader(Broker(), client_id="test", isolation="read_committed")
        reader._started = FakeConsumer([(build.values(b"a", b"b"), 2)])
        async for _ in reader.read(TP, 0, 2):
            with pytest.raises(AssertionError, match="one read at a time"):
                await reader.bounds([TP])

    asyncio.run(play())


def test_a_gap_by_retention_ends_a_read_unless_the_reader_skips_it() -> None:
    strict, lenient = (
        LogReader(Broker(), client_id="test", isolation="read_committed", skips_expired=skips)
        for skips in (False, True)
    )
    assert (strict._options["auto_offset_reset"], lenient._options["auto_offset_reset"]) == ("none", "earliest")
    assert read(0, 9, [(encode(12, [13], 14), 15)], skips_expired=True) == [], "retention deleted the whole range"
