"""The end of a partition: one rule for all code that reads to the end.

A reader has read everything once its position has reached the end offset. The offset of the last record does not show
this, since compaction and transaction markers leave gaps. Nor does an empty poll, since a broker may be slow. The end
that ListOffsets returns may be inside the last batch: the embedded broker returns the base offset of that batch plus
one. So a partition that is not empty is also fetched from there: the answer contains the true end.

An empty answer says that there are no more records, but not from the embedded broker (`BrokerTraits.empty_is_end`):
under load it gives up before the first record.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka.errors import UnreadableError
from streams.kafka.reading.fetcher import READ_COMMITTED

LOOK_S: Final = 0.01  # interval to check for an empty answer, of which aiokafka does not notify


class Span(NamedTuple):
    """Offsets of a partition: `begin` is the first one, `end` is the next one to be written."""

    begin: int
    end: int

    def holds(self, offset: int) -> bool:
        """Tell whether a record may exist. Outside, retention removed it, or the topic was created anew."""
        return self.begin <= offset < self.end


class Patience:
    """A deadline for records that must exist: `seconds` from now, and anew after each `renew`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Restart the deadline: data arrived."""
        self._until_s = time.monotonic() + self._seconds

    def left_s(self, tp: TopicPartition) -> float:
        """Return the seconds left.

        Raises:
            UnreadableError: the deadline has passed.
        """
        left = self._until_s - time.monotonic()
        if left <= 0:
            text = f"{name_of(tp)}: no data for {self._seconds:g} s, although there are records to read"
            raise UnreadableError(text) from TimeoutError()
        return left


def name_of(tp: TopicPartition) -> str:
    """Return the name of a partition for messages: `topic[number]`."""
    return f"{tp.topic}[{tp.partition}]"


async def partitions_of(consumer: aiokafka.AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic; none if it does not exist. It lists all topics: asking for one may make it."""
    if topic not in await consumer.topics():
        return []
    await consumer._client._wait_on_metadata(topic)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def reported(
    consumer: aiokafka.AIOKafkaConsumer, tps: Sequence[TopicPartition], timeout_s: float
) -> dict[TopicPartition, Span]:
    """Return the offsets of partitions as ListOffsets reports them. The right to Describe is enough.

    Raises:
        UnreadableError: a partition does not exist, or the broker did not answer within `timeout_s`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            for topic in {tp.topic for tp in tps}:
                await consumer._client._wait_on_metadata(topic)
            begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    except (KafkaError, TimeoutError) as error:
        raise UnreadableError(f"no offsets of {', '.join(map(name_of, tps))}: {type(error).__name__}") from error
    return {tp: Span(begins[tp], ends[tp]) for tp in tps}


async def bounds(
    consumer: aiokafka.AIOKafkaConsumer, tps: Sequence[TopicPartition], timeout_s: float
) -> dict[TopicPartition, Span]:
    """Return the first offset of each partition and the offset after its last record. It clears the assignment.

    With `read_committed`, the last record is the last one before the first open transaction.

    Raises:
        UnreadableError: as `reported`; or a partition cannot be fetched.
    """
    patience = Patience(timeout_s)
    spans = await reported(consumer, tps, timeout_s)
    with assigned(consumer, {tp: end - 1 for tp, (begin, end) in spans.items() if end > begin}) as states:
        for tp, state in states.items():
            begin, end = spans[tp]
            await next_fetch(consumer, tp, state, end, patience)
            spans[tp] = Span(begin, max(end, end_of(consumer, state)))
    return spans


@contextmanager
def assigned(
    consumer: aiokafka.AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
) -> Iterator[dict[TopicPartition, Any]]:
    """Assign partitions with positions until the context is left. Yield aiokafka's state of each."""
    subscriptions = consumer._subscription
    try:
        if positions:
            consumer.assign(list(positions))
        for tp, position in positions.items():
            consumer.seek(tp, position)
        yield {tp: subscriptions.subscription.assignment.state_value(tp) for tp in positions}
    finally:
        subscriptions.unsubscribe()  # the consumer's own method would request metadata of every topic
        consumer._fetcher._records.clear()


async def next_fetch(
    consumer: aiokafka.AIOKafkaConsumer,
    tp: TopicPartition,
    state: Any,
    end: int,
    patience: Patience,
    *,
    empty_is_end: bool = True,
) -> Any:
    """Wait for the next non-empty fetch. None if the partition has no more records before `end`.

    It has none if an answer is empty although the broker's end offset is `end` or more. After a change of leader the
    broker's end offset may be lower for a moment. Without `empty_is_end`, an empty answer says nothing: records are
    awaited.

    Raises:
        UnreadableError: the broker refused, or the deadline has passed.
    """
    while True:
        fetched = consumer._fetcher._records.pop(tp, None)
        if hasattr(fetched, "getall"):
            return fetched
        if fetched is not None:  # FetchError
            kind = type(fetched._error).__name__
            raise UnreadableError(f"{name_of(tp)} at {state.position}: {kind}") from fetched._error
        if state.timestamp is not None:
            if empty_is_end and end_of(consumer, state) >= end:
                return None
            state.timestamp = None
        waiter = consumer._fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=min(patience.left_s(tp), LOOK_S))
        if not done:
            waiter.cancel()


def end_of(consumer: aiokafka.AIOKafkaConsumer, state: Any) -> int:
    """Return the end offset of the last answer: the last stable offset or the high watermark, by isolation level."""
    is_committed = consumer._fetcher._isolation_level == READ_COMMITTED and state.lso is not None
    end: int = state.lso if is_committed and state.lso >= 0 else state.highwater
    return end
