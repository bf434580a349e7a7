"""Read topics for listing and redriving: their offsets, all records from an offset on, or records at given offsets."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka.structs import TopicPartition

from streams.kafka.reading.ends import Span
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.records import Record
from streams.kafka.settings import Broker
from streams.records.batches import Refused

SEEK_BEYOND = 2_000
"""Gap to the next wanted offset from which the reader seeks instead of reading."""

Partition = tuple[str, int]


class Reader:
    """Reader of topics, one read at a time."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self.refusals: dict[Partition, list[Refused]] = {}
        """Batches that were refused, by partition: larger than the limit, or corrupt. Their records are not yielded."""

    def note(self, tp: TopicPartition, refused: Refused) -> None:
        """Record a refused batch."""
        met = self.refusals.setdefault((tp.topic, tp.partition), [])
        if refused not in met:
            met.append(refused)

    async def spans(self, topics: Iterable[str]) -> dict[Partition, Span]:
        """Return the offsets of all partitions of topics, as ListOffsets reports them. Missing topics have none.

        Raises:
            UnreadableError: the broker did not answer in time.
        """
        tps = [tp for topic in sorted(set(topics)) for tp in await self._log.partitions_of(topic)]
        found = await self._log.reported(tps) if tps else {}
        return {(tp.topic, tp.partition): span for tp, span in found.items()}

    async def records(self, begins: Mapping[Partition, int]) -> AsyncIterator[list[Record]]:
        """Yield the records of partitions from a given offset to the end, one partition after the other, in order.

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
        """Yield the records at given offsets of a partition, ascending. Missing records are left out.

        Raises:
            UnreadableError: the broker did not return records that exist.
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
    """Split ascending offsets where the gap to the next one is larger than SEEK_BEYOND."""
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
        # A worker has read these records, so they are committed. A redriven copy must be found even behind an open
        # transaction of another producer, or it would be redriven again.
        isolation="read_uncommitted",
        timeout_s=broker.request_timeout_s,
        batch_max_bytes=batch_max_bytes,
        skips_expired=True,  # retention may remove records during a read
    )
    async with log:
        yield Reader(log)
