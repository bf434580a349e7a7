"""What redriving and listing ask: what topics hold, all from an offset on, or records at some offsets."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka.structs import TopicPartition

from streams.kafka.reading.ends import Span
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.records import Record
from streams.kafka.settings import Broker
from streams.records.batches import Refused

SEEK_BEYOND = 2_000
"""Offsets to the next record that is wanted: fewer are read through, more are jumped over."""

Partition = tuple[str, int]


class Reader:
    """Read whatever is asked for, one question at a time."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self.refusals: dict[Partition, list[Refused]] = {}
        """Batches met that expand beyond the limit, or cannot be read: nothing in them was yielded."""

    def note(self, tp: TopicPartition, refused: Refused) -> None:
        """Remember a batch that was refused."""
        met = self.refusals.setdefault((tp.topic, tp.partition), [])
        if refused not in met:
            met.append(refused)

    async def spans(self, topics: Iterable[str]) -> dict[Partition, Span]:
        """Look up what the partitions of some topics hold, as ListOffsets says; a topic that does not exist has none.

        Raises:
            UnreadableError: the broker did not answer in time.
        """
        tps = [tp for topic in sorted(set(topics)) for tp in await self._log.partitions_of(topic)]
        found = await self._log.reported(tps) if tps else {}
        return {(tp.topic, tp.partition): span for tp, span in found.items()}

    async def records(self, begins: Mapping[Partition, int]) -> AsyncIterator[list[Record]]:
        """Yield what some partitions hold from an offset each to their end, one after the other, each in order.

        Raises:
            UnreadableError: a partition cannot be read to its end.
        """
        tps = {TopicPartition(*partition): begin for partition, begin in begins.items()}
        bounds = await self._log.bounds(list(tps)) if tps else {}
        for tp, begin in tps.items():
            async with aclosing(self._log.records(tp, begin, bounds[tp].end, self.note)) as found:
                async for records in found:
                    yield records

    async def pick(self, partition: Partition, offsets: Sequence[int]) -> AsyncIterator[list[Record]]:
        """Yield the records at some offsets of a partition, ascending, some at a time; what is gone is left out.

        Raises:
            UnreadableError: the broker did not give what must be there.
        """
        tp = TopicPartition(*partition)
        for run in _runs(offsets):
            wanted = set(run)
            async with aclosing(self._log.records(tp, run[0], run[-1] + 1, self.note)) as found:
                async for records in found:
                    picked = [record for record in records if record.offset in wanted]
                    if picked:
                        yield picked


def _runs(offsets: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut ascending offsets where the next one is far ahead."""
    begin = 0
    for at in range(1, len(offsets) + 1):
        if at == len(offsets) or offsets[at] > offsets[at - 1] + SEEK_BEYOND:
            yield offsets[begin:at]
            begin = at


@asynccontextmanager
async def reading(broker: Broker, batch_max_bytes: int) -> AsyncIterator[Reader]:
    """Connect a reader.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    log = LogReader(
        broker,
        client_id="sekisho-dlq",
        # What is asked for was seen by a worker, so it is committed; and a copy that was put back must be seen even
        # while an upstream transaction is open before it, or it is put back again.
        isolation="read_uncommitted",
        timeout_s=broker.request_timeout_s,
        batch_max_bytes=batch_max_bytes,
        skips_expired=True,  # retention may take what is asked for while we ask
    )
    async with log:
        yield Reader(log)
