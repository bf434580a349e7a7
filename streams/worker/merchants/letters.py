"""Dead letters of merchants, each written once, although all workers read `merchants`, and at every start.

Every worker finds every refused record. One worker writes the letters: the owner of partition 0 of the authorizations.
The group keeps an offset up to which they are written (`progress`). Letters beyond it, which an earlier owner wrote
before it died, are found in the dead letters by their coordinates. Letters carry the owner's producer identity of
partition 0, so a late letter of an earlier owner is refused (ADR 0017).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiokafka.structs import TopicPartition
from faust.types import TP
from mode import Service

from scoring.contract.faults import FAULTS
from scoring.outputs import Emitted, Outputs, Source
from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.records import Record
from streams.kafka.security import client_options
from streams.records.batches import Refused
from streams.transport.consumer import BatchConsumer
from streams.transport.tasks import WatchedService
from streams.worker.deliveries import UndeliveredError
from streams.worker.emit import Emitter
from streams.worker.merchants.progress import read_offset, write_offset
from streams.worker.protocols import Engine, Telemetry
from streams.worker.refused import outputs_of
from streams.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

OWNER: Final = 0
"""The owner of this partition of the authorizations writes the letters."""

LOOK_S: Final = 1.0
RENEW_S: Final = 86_400.0  # the group forgets an offset after 7 days
POLL_MAX_RECORDS: Final = 256  # decoded in one step of the main loop: a few ms


class _Letter(msgspec.Struct):
    topic: str
    partition: int
    offset: int


_decode = msgspec.json.Decoder(_Letter).decode


@dataclass(slots=True)
class _Span:
    """The range [begin, end) of offsets in a partition of `merchants` that contains all refused records seen."""

    begin: int
    end: int


@dataclass(slots=True, eq=False)
class _Taken:
    """A partition of `merchants` while this worker writes its letters.

    Letters of records below offset `done` are written. The group keeps `kept`, with the topic's id. An earlier owner
    may have written letters of records below `end`; their offsets (`written`) are read when first needed.
    """

    topic_id: str
    done: int
    kept: int
    end: int
    kept_s: float
    written: frozenset[int] | None = None


class MerchantLetters(WatchedService):
    """Write the dead letters of merchants while this worker owns partition 0 of the authorizations."""

    def __init__(
        self,
        settings: WorkerSettings,
        engine: Engine,
        emitter: Emitter,
        telemetry: Telemetry,
        consumer: Callable[[], BatchConsumer | None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._topic = settings.topics.merchants
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._consumer = consumer
        self._spans: dict[int, _Span] = {}
        self._taken: dict[int, _Taken] = {}
        self._releases = 0
        self._writing = asyncio.Lock()

    def note(self, partition: int, begin: int, end: int) -> None:
        """Record that offsets in [begin, end) were refused. Ranges are kept, not records: there may be millions."""
        span = self._spans.setdefault(partition, _Span(begin, end))
        span.begin, span.end = min(span.begin, begin), max(span.end, end)

    async def release(self, *_: Any, **__: Any) -> None:
        """Stop writing and wait for pending acknowledgements, because partitions are revoked."""
        self._releases += 1
        self._taken.clear()
        async with self._writing:
            pass

    @Service.task
    async def _write(self) -> None:
        while not self.should_stop:
            await self._look()
            await self.sleep(LOOK_S)

    def _owned(self) -> BatchConsumer | None:
        """Return the consumer if this worker writes the letters now, else None."""
        consumer, mine = self._consumer(), TP(self._settings.topics.authorizations, OWNER)
        return consumer if consumer is not None and consumer.settled and mine in consumer.assignment() else None

    async def _look(self) -> None:
        """Write the missing letters of each partition, and commit the progress to the group."""
        for partition, span in list(self._spans.items()):
            tp = TopicPartition(self._topic, partition)
            taken = self._taken.get(partition) or await self._take(tp)
            if taken is None:
                return
            begin = max(taken.done, span.begin)
            if begin < span.end:
                await self._bury(tp, taken, begin, span.end)
            if taken.kept < taken.done or time.monotonic() - taken.kept_s > RENEW_S:
                await self._keep(tp, taken)

    async def _take(self, tp: TopicPartition) -> _Taken | None:
        """Read the progress of a partition's letters. None if this worker does not write them, or not yet."""
        consumer, releases = self._owned(), self._releases
        if consumer is None:
            return None
        try:
            async with asyncio.timeout(self._settings.emit.ack_timeout_s):
                done, topic_id = await read_offset(consumer, tp)
        except TimeoutError:
            log.warning("merchant_letters_delayed reason='the coordinator did not return the progress in time'")
            return None
        async with self._reading() as reader:
            end = (await reader.bounds([tp]))[tp][1]
            present_id = (await reader.topic_ids([tp.topic])).get(tp.topic, topic_id)
        if self._releases != releases:
            return None
        if topic_id not in {"", present_id}:
            done = end = 0  # the topic was created anew: earlier letters are about other records
        taken = _Taken(topic_id=present_id, done=done, kept=done, end=end, kept_s=time.monotonic())
        self._taken[tp.partition] = taken
        return taken

    async def _bury(self, tp: TopicPartition, taken: _Taken, begin: int, end: int) -> None:
        """Read a partition again, at least up to `end`, and write a letter for each refused record without one."""
        if taken.written is None and begin < taken.end:
            taken.written = await self._written(tp, begin)
        emitted = Emitted(dead_letters=taken.written or frozenset())
        refusals: list[Refused] = []
        consumer = BoundedConsumer(
            batch_max_bytes=self._settings.consume.record_batch_max_bytes,
            refuse=lambda _, refused: refusals.append(refused),
            **client_options(self._settings.broker),
            client_id="sekisho-merchant-letters",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._settings.consume.isolation,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            consumer.assign([tp])
            consumer.seek(tp, begin)
            read_s = time.monotonic()
            while taken.done < end and self._taken.get(tp.partition) is taken:
                polled = await consumer.getmany(timeout_ms=1000, max_records=POLL_MAX_RECORDS)
                position = await consumer.position(tp)
                if position > max(begin, taken.done):
                    await self._emit(taken, tp, self._judge(tp, polled.get(tp, []), refusals, emitted), position)
                    refusals.clear()
                    read_s = time.monotonic()
                elif time.monotonic() - read_s > self._settings.state.read_timeout_s:
                    raise UndeliveredError(f"{tp.topic}[{tp.partition}] could not be read again up to offset {end}")
        finally:
            await consumer.stop()

    def _judge(
        self, tp: TopicPartition, records: list[Record], refusals: list[Refused], emitted: Emitted
    ) -> list[Outputs]:
        now_ms = time.time_ns() // 1_000_000
        outputs = [
            outputs_of(tp.topic, tp.partition, refused, received_at_ms=now_ms, emitted=emitted) for refused in refusals
        ]
        if records:
            source = Source(
                topic=tp.topic,
                partition=tp.partition,
                offsets=[record.offset for record in records],
                timestamps_ms=[record.timestamp for record in records],
            )
            keys, values = [record.key or b"" for record in records], [record.value for record in records]
            outputs.append(self._engine.refused_merchants(keys, values, source, received_at_ms=now_ms, emitted=emitted))
        return outputs

    async def _emit(self, taken: _Taken, tp: TopicPartition, outputs: list[Outputs], position: int) -> None:
        """Write letters and advance `done` to `position`. Do nothing if another worker may write them now."""
        letters = [letter for output in outputs for letter in output.dead_letters]
        async with self._writing:
            if self._taken.get(tp.partition) is not taken or self._owned() is None:
                return
            identity = self._emitter.identities.get(OWNER)
            now_ms = time.time_ns() // 1_000_000
            acks = self._emitter.by_key(self._settings.topics.dead_letters, letters, now_ms, identity)
            try:
                async with asyncio.timeout(self._settings.emit.ack_timeout_s):
                    for ack in acks:
                        await ack
            except TimeoutError:
                raise UndeliveredError("dead letters of merchants were not acknowledged") from None
            taken.done = position
            self._telemetry.letters_written(outputs)

    async def _keep(self, tp: TopicPartition, taken: _Taken) -> None:
        """Commit the progress of the letters to the group. Without it the next owner reads the dead letters."""
        async with self._writing:
            consumer = self._owned()
            if consumer is None or self._taken.get(tp.partition) is not taken:
                return
            try:
                async with asyncio.timeout(self._settings.emit.ack_timeout_s):
                    await write_offset(consumer, tp, taken.done, taken.topic_id)
            except TimeoutError:
                log.warning("merchant_letters_delayed reason='the coordinator did not store the progress in time'")
                return
            taken.kept, taken.kept_s = taken.done, time.monotonic()

    async def _written(self, tp: TopicPartition, begin: int) -> frozenset[int]:
        """Return the offsets of a partition, from `begin` on, that have a dead letter."""
        topic = self._settings.topics.dead_letters
        tps = [TopicPartition(topic, number) for number in range(self._emitter.partitions_of(topic))]
        found: set[int] = set()
        async with self._reading() as reader:
            for log_tp, bounds in (await reader.bounds(tps)).items():
                async with aclosing(reader.read(log_tp, *bounds)) as log_rows:
                    async for rows in log_rows:
                        found.update(_offsets(rows.values, tp, begin))
        return frozenset(found)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[LogReader]:
        reader = LogReader(
            self._settings.broker,
            client_id="sekisho-merchant-letters",
            isolation=self._settings.isolation_of[self._settings.topics.dead_letters],
            timeout_s=self._settings.state.read_timeout_s,
            passes_over={self._settings.topics.dead_letters},
        )
        try:
            await reader.start()
            yield reader
        finally:
            await reader.stop()


def _offsets(values: Iterable[bytes | None], tp: TopicPartition, begin: int) -> Iterator[int]:
    """Yield the offsets of a partition, from `begin` on, that these letters name."""
    for value in values:
        with suppress(*FAULTS):
            letter = _decode(value or b"")
            if letter.offset >= begin and (letter.topic, letter.partition) == (tp.topic, tp.partition):
                yield letter.offset
