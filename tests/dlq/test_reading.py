"""Topics are read to the end they had, over gaps, and a broker that gives nothing is not waited for without end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from streams.dlq import reading
from streams.dlq.reading import Reader, Span, UnreadableError
from tests.dlq.fakes import record

HERE = ("t", 0)


class FakeConsumer:
    """One partition: `offsets` are there, everything else up to `end` is a gap; a poll brings at most three."""

    def __init__(self, offsets: Sequence[int], end: int) -> None:
        self.offsets, self.end = offsets, end
        self.at, self.seeks, self.paused = 0, list[int](), 0

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [TopicPartition(*HERE)]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at = offset
        self.seeks.append(offset)

    def pause(self, tp: TopicPartition) -> None:
        self.paused += 1

    async def position(self, tp: TopicPartition) -> int:
        return self.at

    async def getmany(self, *tps: TopicPartition, **_: Any) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        brought = [offset for offset in self.offsets if offset >= self.at][:3]
        self.at = brought[-1] + 1 if brought else self.end
        return {TopicPartition(*HERE): [record(*HERE, offset, b"v") for offset in brought]} if brought else {}


async def offsets_of(batches: Any) -> list[int]:
    return [found.offset async for polled in batches for found in polled]


def test_a_partition_is_read_to_its_end_over_a_gap_at_the_end() -> None:
    consumer = FakeConsumer([5, 6, 9, 20, 21], end=30)
    spans = {HERE: Span(6, 30), ("empty", 1): Span(4, 4)}
    assert asyncio.run(offsets_of(Reader(consumer, 1.0).records(spans))) == [6, 9, 20, 21]
    assert (consumer.seeks, consumer.paused) == ([6], 1)


def test_an_end_inside_the_last_batch_hides_no_record() -> None:
    consumer = FakeConsumer(range(12), end=12)
    assert asyncio.run(offsets_of(Reader(consumer, 1.0).records({HERE: Span(0, 4)}))) == list(range(12))


def test_a_topic_that_never_rests_is_left_a_little_beyond_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "END_SLACK", 10)
    consumer = FakeConsumer(range(1_000_000), end=1_000_000)
    assert len(asyncio.run(offsets_of(Reader(consumer, 1.0).records({HERE: Span(0, 20)})))) == 30


def test_nothing_to_read_asks_for_nothing() -> None:
    reader = Reader(FakeConsumer([], 0), 1.0)
    assert asyncio.run(offsets_of(reader.records({}))) == []
    assert asyncio.run(offsets_of(reader.pick(HERE, []))) == []


def test_single_records_are_picked_and_what_is_gone_is_left_out() -> None:
    consumer = FakeConsumer([0, 1, 2, 3, 7, 8, 50], end=60)
    assert asyncio.run(offsets_of(Reader(consumer, 1.0).pick(HERE, [1, 3, 5, 8, 55]))) == [1, 3, 8]
    assert consumer.seeks == [1]


def test_what_is_far_ahead_is_jumped_to() -> None:
    consumer = FakeConsumer(range(100_000), end=100_000)
    assert asyncio.run(offsets_of(Reader(consumer, 1.0).pick(HERE, [10, 50_000, 50_001]))) == [10, 50_000, 50_001]
    assert consumer.seeks == [10, 50_000]


@pytest.mark.parametrize("way", ["records", "pick"])
def test_a_broker_that_gives_nothing_is_an_error(way: str) -> None:
    consumer = FakeConsumer([], end=0)
    reader = Reader(consumer, 0.05)
    batches = reader.records({HERE: Span(0, 5)}) if way == "records" else reader.pick(HERE, [4])
    with pytest.raises(UnreadableError, match=r"gave no records for 0\.05 s before the end"):
        asyncio.run(offsets_of(batches))
