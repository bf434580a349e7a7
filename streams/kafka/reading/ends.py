"""Where a log ends: one rule for whatever reads to the end.

A reader has read everything once its position has reached the end. Neither the offset of the last record nor an empty
poll says so: compaction and the markers of transactions leave gaps, and a broker may be slow. The end that ListOffsets
gives may lie inside the last batch (the embedded broker gives the base offset of that batch plus one). So a partition
that is not empty is also fetched from there: the answer tells how far the log goes, whatever the broker.
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

LOOK_S: Final = 0.01  # aiokafka wakes no one for an empty answer: how often to look for it


class Span(NamedTuple):
    """The offsets that a partition holds: `begin` is its first, `end` is the next to come."""

    begin: int
    end: int

    def holds(self, offset: int) -> bool:
        """Tell whether a record may still be there; outside, retention took it, or the topic was made anew."""
        return self.begin <= offset < self.end


class Patience:
    """A bounded wait for what must be there: `seconds` from now, and again from each `renew`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin to wait anew: something came."""
        self._until_s = time.monotonic() + self._seconds

    def left_s(self, tp: TopicPartition) -> float:
        """Return how many seconds are left.

        Raises:
            UnreadableError: none.
        """
        left = self._until_s - time.monotonic()
        if left <= 0:
            text = f"{name_of(tp)}: nothing in {self._seconds:g} s of what must be there"
            raise UnreadableError(text) from TimeoutError()
        return left


def name_of(tp: TopicPartition) -> str:
    """Name a partition for people."""
    return f"{tp.topic}[{tp.partition}]"


async def partitions_of(consumer: aiokafka.AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic; none if it does not exist. To ask for one by name could create it."""
    if topic not in await consumer.topics():
        return []
    await consumer._client._wait_on_metadata(topic)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def reported(
    consumer: aiokafka.AIOKafkaConsumer, tps: Sequence[TopicPartition], timeout_s: float
) -> dict[TopicPartition, Span]:
    """Return what partitions hold, as ListOffsets says. A right to Describe is enough for it.

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
    """Return the first offset of each partition and the one after its last record. The consumer has none afterwards.

    Under `read_committed` the last record is the last before the first open transaction.

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
    """Fetch partitions from positions until the context is left; give aiokafka's state of each."""
    subscriptions = consumer._subscription
    try:
        if positions:
            consumer.assign(list(positions))
        for tp, position in positions.items():
            consumer.seek(tp, position)
        yield {tp: subscriptions.subscription.assignment.state_value(tp) for tp in positions}
    finally:
        subscriptions.unsubscribe()  # the consumer's own would ask for the metadata of every topic
        consumer._fetcher._records.clear()


async def next_fetch(
    consumer: aiokafka.AIOKafkaConsumer, tp: TopicPartition, state: Any, end: int, patience: Patience
) -> Any:
    """Wait for the next fetch that brings something; None if the log has nothing more before `end`.

    That is so when the broker answers with nothing although it knows the log up to `end`. After a change of leader
    it may know less for a moment.

    Raises:
        UnreadableError: the broker refused, or the time is over.
    """
    while True:
        fetched = consumer._fetcher._records.pop(tp, None)
        if hasattr(fetched, "getall"):
            return fetched
        if fetched is not None:  # FetchError
            kind = type(fetched._error).__name__
            raise UnreadableError(f"{name_of(tp)} at {state.position}: {kind}") from fetched._error
        if state.timestamp is not None:
            if end_of(consumer, state) >= end:
                return None
            state.timestamp = None
        waiter = consumer._fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=min(patience.left_s(tp), LOOK_S))
        if not done:
            waiter.cancel()


def end_of(consumer: aiokafka.AIOKafkaConsumer, state: Any) -> int:
    """Return the end of what the last answer could have brought."""
    is_committed = consumer._fetcher._isolation_level == READ_COMMITTED and state.lso is not None
    end: int = state.lso if is_committed and state.lso >= 0 else state.highwater
    return end
