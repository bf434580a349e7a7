"""The end of a log is that of a fetch response; the one of ListOffsets may be wrong."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from streams.kafka.errors import UnreadableError
from streams.kafka.reading.ends import Span, bounds, partitions_of, reported
from tests.state.test_reader import TP, FakeConsumer, encode

Answers = list[tuple[bytes | Exception, int]]


class Topic(FakeConsumer):
    """One partition for which ListOffsets gives `span`; fetches get the prepared answers."""

    def __init__(self, span: Span, answers: Answers) -> None:
        super().__init__(answers)
        self.span, self.fails = span, False
        self.fetched_from: list[int] = []
        self._client = self

    async def _wait_on_metadata(self, topic: str) -> None: ...

    async def topics(self) -> set[str]:
        return {TP.topic}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {4, 3}

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if self.fails:
            raise KafkaConnectionError
        return dict.fromkeys(tps, self.span.begin)

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self.span.end)

    def seek(self, tp: TopicPartition, position: int) -> None:
        self.fetched_from.append(position)
        super().seek(tp, position)


def look(span: Span, answers: Answers, timeout_s: float = 20.0) -> tuple[Span, Topic]:
    """Find the start and the end of a topic."""

    async def play() -> tuple[Span, Topic]:
        topic = Topic(span, answers)
        consumer: Any = topic
        return (await bounds(consumer, [TP], timeout_s))[TP], topic

    return asyncio.run(play())


def test_an_end_inside_the_last_batch_is_corrected() -> None:
    found, topic = look(Span(2, 5), [(encode(4, [5, 6], 9), 10)])
    assert found == Span(2, 10)
    assert topic.fetched_from == [4]


def test_a_correct_end_is_kept_also_if_the_last_records_were_compacted_away() -> None:
    assert look(Span(2, 10), [(encode(4, [], 6), 10)])[0] == Span(2, 10)
    assert look(Span(2, 10), [(b"", 10)])[0] == Span(2, 10)


def test_a_leader_with_a_lower_end_is_asked_again() -> None:
    assert look(Span(0, 10), [(b"", 7), (b"", 7), (b"", 12)])[0] == Span(0, 12)


def test_an_empty_partition_is_not_fetched() -> None:
    found, topic = look(Span(7, 7), [])
    assert found == Span(7, 7)
    assert topic.fetched_from == []


def test_nothing_is_assigned_and_nothing_buffered_when_the_end_is_known() -> None:
    _, topic = look(Span(2, 5), [(encode(4, [5, 6], 9), 10)])
    assert topic._subscription.subscription is None
    assert topic._fetcher._records == {}


def test_a_broker_that_does_not_answer_is_an_error_that_names_the_partition() -> None:
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\]: no data for 0\.05 s, although"):
        look(Span(0, 5), [], timeout_s=0.05)
    with pytest.raises(UnreadableError, match=r"card-profiles\[3\] at 4: TopicAuthorizationFailedError"):
        look(Span(0, 5), [(TopicAuthorizationFailedError(), 0)])

    async def unreachable() -> None:
        topic = Topic(Span(0, 5), [])
        topic.fails = True
        consumer: Any = topic
        await reported(consumer, [TP], 1.0)

    with pytest.raises(UnreadableError, match=r"no offsets of card-profiles\[3\]: KafkaConnectionError"):
        asyncio.run(unreachable())


def test_partitions_are_listed_in_order_and_a_missing_topic_has_none() -> None:
    async def play() -> list[list[TopicPartition]]:
        consumer: Any = Topic(Span(0, 0), [])
        return [await partitions_of(consumer, topic) for topic in (TP.topic, "nowhere")]

    assert asyncio.run(play()) == [[TopicPartition(TP.topic, 3), TopicPartition(TP.topic, 4)], []]


def test_a_span_contains_the_offsets_between_its_ends() -> None:
    assert [offset for offset in range(8) if Span(3, 6).holds(offset)] == [3, 4, 5]
