"""Topics read back without a group: from one place to the end that they had, or at single offsets."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiokafka
from aiokafka.structs import TopicPartition

from streams.kafka.reading.bounded import BoundedConsumer, Polled, Record
from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from streams.records.batches import Refused

POLL_MS = 250
POLL_RECORDS = 2_048
END_SLACK = 4_096
"""Offsets read beyond a reported end while records still come: a broker may report one inside its last batch."""
SEEK_BEYOND = 2_000
"""Offsets to the next record that is wanted: fewer are read through, more are jumped over."""


class UnreadableError(Exception):
    """A topic does not exist, or stopped giving what its offsets promise."""


class Span(NamedTuple):
    """The offsets that a partition holds: `begin` is its first, `end` is the next to come."""

    begin: int
    end: int

    def holds(self, offset: int) -> bool:
        """Tell whether a record may still be there; outside, retention took it, or the topic was made anew."""
        return self.begin <= offset < self.end


class Reader:
    """Read whatever is asked for with one connection, one question at a time."""

    def __init__(self, consumer: aiokafka.AIOKafkaConsumer, stall_s: float) -> None:
        self._consumer = consumer
        self._stall_s = stall_s
        self.refusals: dict[tuple[str, int], list[Refused]] = {}
        """Batches met that expand beyond the limit, or cannot be read, by partition: nothing in them was yielded."""

    def note(self, tp: TopicPartition, refused: Refused) -> None:
        """Remember a batch that was refused."""
        met = self.refusals.setdefault((tp.topic, tp.partition), [])
        if refused not in met:
            met.append(refused)

    async def spans(self, topics: Iterable[str]) -> dict[tuple[str, int], Span]:
        """Look up what the partitions of some topics hold; a topic that does not exist has none."""
        consumer = self._consumer
        existing = await consumer.topics()  # asking for one by name could create it
        tps: list[TopicPartition] = []
        for topic in sorted(existing & set(topics)):
            await consumer._client._wait_on_metadata(topic)
            tps += [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not tps:
            return {}
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        return {(tp.topic, tp.partition): Span(begins[tp], ends[tp]) for tp in tps}

    async def records(self, spans: Mapping[tuple[str, int], Span]) -> AsyncIterator[list[Record]]:
        """Yield what some partitions hold, a poll of one at a time, each in order.

        Raises:
            UnreadableError: nothing came for too long.
        """
        ends = {TopicPartition(*partition): span.end for partition, span in spans.items() if span.begin < span.end}
        if not ends:
            return
        self._consumer.assign(list(ends))
        for tp in ends:
            self._consumer.seek(tp, spans[tp.topic, tp.partition].begin)
        patience = _Patience(self._stall_s)
        while ends:
            polled = await self._poll(ends)
            for records in polled.values():
                yield records
            positions = {tp: await self._position(tp, patience) for tp in ends}
            for tp, position in positions.items():
                if position >= ends[tp] and (tp not in polled or position >= ends[tp] + END_SLACK):
                    del ends[tp]
                    self._consumer.pause(tp)
            patience.spend(sum(positions.values()))

    async def pick(self, partition: tuple[str, int], offsets: Sequence[int]) -> AsyncIterator[list[Record]]:
        """Yield the records at some offsets of a partition, ascending, a poll at a time; what is gone is left out.

        Raises:
            UnreadableError: nothing came for too long.
        """
        if not offsets:
            return
        tp, patience, next_wanted = TopicPartition(*partition), _Patience(self._stall_s), 0
        self._consumer.assign([tp])
        self._consumer.seek(tp, offsets[0])
        while next_wanted < len(offsets):
            polled = (await self._poll([tp])).get(tp, [])
            position = await self._position(tp, patience)
            passed = next_wanted
            while passed < len(offsets) and offsets[passed] < position:
                passed += 1
            wanted = set(offsets[next_wanted:passed])
            found = [record for record in polled if record.offset in wanted]
            if found:
                yield found
            next_wanted = passed
            if next_wanted < len(offsets) and offsets[next_wanted] > position + SEEK_BEYOND:
                self._consumer.seek(tp, offsets[next_wanted])
            patience.spend(position)

    async def _poll(self, tps: Collection[TopicPartition]) -> Polled:
        polled: Polled = await self._consumer.getmany(*tps, timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        return polled

    async def _position(self, tp: TopicPartition, patience: "_Patience") -> int:
        """Return the offset that is read next, over transaction markers and what compaction took."""
        try:
            position: int = await asyncio.wait_for(self._consumer.position(tp), self._stall_s)
        except TimeoutError as error:
            raise patience.error() from error
        return position


class _Patience:
    """A bounded wait for progress, seen by a position that changes."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._since = time.monotonic()
        self._position = -1

    def spend(self, position: int) -> None:
        now = time.monotonic()
        if position != self._position:
            self._since, self._position = now, position
        elif now - self._since > self._stall_s:
            raise self.error() from TimeoutError()

    def error(self) -> UnreadableError:
        return UnreadableError(f"the brokers gave no records for {self._stall_s:g} s before the end was reached")


@asynccontextmanager
async def reading(broker: Broker, batch_max_bytes: int) -> AsyncIterator[Reader]:
    """Connect a reader that belongs to no group and commits nothing.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    consumer = BoundedConsumer(
        batch_max_bytes=batch_max_bytes,
        **client_options(broker),
        client_id="sekisho-dlq",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # retention may take what is asked for while we ask
        # What is asked for was seen by a worker, so it is committed; and a copy that was put back must be seen even
        # while an upstream transaction is open before it, or it is put back again.
        isolation_level="read_uncommitted",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=1 << 21,
    )
    reader = Reader(consumer, stall_s=broker.request_timeout_s)
    consumer.refuse = reader.note
    try:
        await consumer.start()
        yield reader
    finally:
        await consumer.stop()
