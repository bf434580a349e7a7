"""Topics are read to their end, records are read at given offsets, and deleted ones are left out."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from aiokafka.structs import TopicPartition

from streams.dlq.reading import Reader
from streams.kafka.reading.ends import Span
from streams.kafka.reading.records import Record, Refuse
from streams.records.batches import Refused
from tests.dlq.fakes import record

HERE = ("t", 0)


class FakeLog:
    """A LogReader of one partition that has these offsets; the rest up to `end` is a gap."""

    def __init__(self, offsets: Iterable[int], end: int, reported_end: int | None = None) -> None:
        self.offsets, self.end = list(offsets), end
        self.reported_end = end if reported_end is None else reported_end
        self.reads: list[tuple[int, int]] = []
        self.bombs: list[Refused] = []

    async def partitions_of(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(*HERE)] if topic == "t" else []

    async def reported(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Span]:
        return dict.fromkeys(tps, Span(0, self.reported_end))

    async def bounds(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Span]:
        return dict.fromkeys(tps, Span(0, self.end))

    async def records(self, tp: TopicPartition, begin: int, end: int, refuse: Refuse) -> AsyncIterator[list[Record]]:
        self.reads.append((begin, end))
        for bomb in self.bombs:
            refuse(tp, bomb)
        found = [record(*tp, offset, b"v") for offset in self.offsets if begin <= offset < end]
        for at in range(0, len(found), 3):
            yield found[at : at + 3]


def reader(log: FakeLog) -> Reader:
    return Reader(log)  # type: ignore[arg-type]


def offsets_of(batches: AsyncIterator[list[Record]]) -> list[int]:
    async def play() -> list[int]:
        return [found.offset async for polled in batches for found in polled]

    return asyncio.run(play())


def test_a_partition_is_read_from_an_offset_to_its_end() -> None:
    log = FakeLog([5, 6, 9, 20, 21], end=30)
    assert offsets_of(reader(log).records({HERE: 6})) == [6, 9, 20, 21]
    assert log.reads == [(6, 30)]


def test_an_end_reported_inside_the_last_batch_hides_no_record() -> None:
    assert offsets_of(reader(FakeLog(range(12), end=12, reported_end=4)).records({HERE: 0})) == list(range(12))


def test_a_topic_that_does_not_exist_has_no_records() -> None:
    found = asyncio.run(reader(FakeLog([1], end=2)).spans(["t", "nowhere", "t"]))
    assert found == {HERE: Span(0, 2)}


def test_without_offsets_nothing_is_read() -> None:
    log = FakeLog([], 0)
    assert offsets_of(reader(log).records({})) == []
    assert offsets_of(reader(log).pick(HERE, [])) == []
    assert log.reads == []


def test_single_records_are_read_and_deleted_ones_left_out() -> None:
    log = FakeLog([0, 1, 2, 3, 7, 8, 50], end=60)
    assert offsets_of(reader(log).pick(HERE, [1, 3, 5, 8, 55])) == [1, 3, 8]
    assert log.reads == [(1, 56)]


def test_offsets_far_ahead_are_reached_by_a_seek() -> None:
    log = FakeLog(range(100_000), end=100_000)
    assert offsets_of(reader(log).pick(HERE, [10, 2_010, 50_000, 50_001])) == [10, 2_010, 50_000, 50_001]
    assert log.reads == [(10, 2_011), (50_000, 50_002)]


def test_a_batch_that_is_read_twice_is_noted_once() -> None:
    bomb = Refused(reason="OVERSIZE_BATCH", first=3, end=5, size=99, last_ms=7, is_whole=True)
    log = FakeLog([0, 9_000], end=9_001)
    log.bombs = [bomb]
    one = reader(log)
    assert offsets_of(one.pick(HERE, [0, 9_000])) == [0, 9_000]
    assert one.refusals == {HERE: [bomb]}
