"""A consumer of single records with bounded memory, for any records of producers.

It serves readers without a group: of merchants, of dead letters, of decisions in the demonstration. The inputs are
read as columns by `streams.transport.poller`.
"""

import asyncio
import time
from typing import Any, Final

import aiokafka
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition

from streams.kafka.reading.fetcher import close, fetch_again, next_batch
from streams.kafka.reading.records import Record, Refuse, fail, records_of
from streams.records.batches import Fetched, Opened, Refused, unpack

ALL: Final = 1 << 31

Polled = dict[TopicPartition, list[Record]]


class BoundedConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # it has no types
    """Poll like `AIOKafkaConsumer.getmany`, but unpack one batch at a time.

    A batch that is larger than `batch_max_bytes` unpacked, or that cannot be read, goes to `refuse` and is skipped,
    after all records before it were returned.
    """

    def __init__(self, *, batch_max_bytes: int, refuse: Refuse = fail, **options: Any) -> None:
        super().__init__(**options)
        self._limit = batch_max_bytes
        self.refuse = refuse

    async def stop(self) -> None:
        """Close the connections. Overrides the original, which may cancel its caller (`fetch.close`).

        Raises:
            aiokafka.errors.KafkaError: the fetcher had failed.
        """
        await close(self)

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Polled:
        """Return at most `max_records` records, by partition, of the given partitions or of all. Overrides aiokafka's.

        Raises:
            ConsumerStoppedError: the consumer is closed.
            aiokafka.errors.KafkaError: the broker refused a fetch.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        if self._closed:
            raise ConsumerStoppedError
        while True:
            polled = self._take(partitions, max_records or ALL)
            left = deadline - time.monotonic()
            if polled or left <= 0 or self._closed:
                return polled
            waiter = self._fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=left)
            if done:
                waiter.result()
            else:
                waiter.cancel()

    def _take(self, partitions: tuple[TopicPartition, ...], room: int) -> Polled:
        """Take at most `room` fetched records, from one batch of each partition."""
        polled: Polled = {}
        buffered = self._fetcher._records
        for tp in list(buffered):
            if room == 0:
                break
            if partitions and tp not in partitions:
                continue
            result = buffered.pop(tp)
            if not hasattr(result, "getall"):  # FetchError
                if polled:
                    buffered[tp] = result
                    break
                fetch_again(self._fetcher)
                result.check_raise()
            records = self._some(tp, result, room)
            if result.has_more():
                buffered[tp] = result  # behind the others
            else:
                fetch_again(self._fetcher)
            if records:
                polled[tp] = records
                room -= len(records)
        return polled

    def _some(self, tp: TopicPartition, result: Any, room: int) -> list[Record]:
        """Take at most `room` records of the next non-empty batch, or pass it to `refuse`."""
        if not result.has_more() or not result.check_assignment(tp):
            return []
        source = result._partition_records
        walk = Fetched.of(source)
        records: list[Record] = []
        try:
            while walk and not records:
                if walk.rest is None:
                    self._open(tp, source, walk)
                if walk.rest is not None:
                    rest, batch = walk.rest
                    records = list(records_of(tp, rest.part(0, min(room, len(rest))), batch))
                    source.next_fetch_offset = walk.leave(len(records))
        finally:
            result._update_position()
            if not walk:
                result._partition_records = None
        return records

    def _open(self, tp: TopicPartition, source: Any, walk: Fetched) -> None:
        batch, position = next_batch(source, walk), source.next_fetch_offset
        if batch is None:
            return
        unpacked = unpack(batch, position, self._limit)
        if isinstance(unpacked, Refused):
            source.next_fetch_offset = unpacked.end
            self.refuse(tp, unpacked)
        elif len(unpacked):
            walk.rest = Opened(unpacked, batch)
        else:
            source.next_fetch_offset = batch.header.next_offset
