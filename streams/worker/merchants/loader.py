"""The loader of merchants: every worker reads the whole compacted topic `merchants`, without a consumer group."""

import asyncio
import logging
import time
from typing import Any, Final

from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from mode import Service

from scoring.outputs import Outputs, Source
from streams.kafka import failover
from streams.kafka.reading.bounded import BoundedConsumer, Polled
from streams.kafka.reading.ends import bounds
from streams.kafka.security import client_options
from streams.records.batches import Refused
from streams.transport.tasks import WatchedService
from streams.worker.merchants.letters import MerchantLetters
from streams.worker.protocols import Engine, Telemetry
from streams.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

METADATA_S: Final = 10.0  # to wait for metadata of the topic
REFRESH_S: Final = 30.0
"""Interval between looks for added partitions: without a group, aiokafka does not look for them."""

POLL_MAX_RECORDS: Final = 256  # applied in one step of the main loop: a few ms


class MerchantsError(Exception):
    """Raised when `merchants` cannot be read to its end in time, or does not exist."""


class MerchantLoader(WatchedService):
    """Read `merchants` to its end before anything else starts, then follow it.

    It runs on the main loop, so only one thread uses the engine. Records are applied 256 at a time, between batches of
    authorizations. The offsets of refused records go to `letters`.
    """

    def __init__(
        self, settings: WorkerSettings, engine: Engine, letters: MerchantLetters, telemetry: Telemetry, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._engine = engine
        self._letters = letters
        self._telemetry = telemetry
        self._consumer: BoundedConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._refreshed_s = time.monotonic()
        self._beyond_limit = 0  # records of new merchants that the full merchant store refused
        self.loaded = False

    async def on_start(self) -> None:
        """Load all merchants. The consumer group is joined only after this returns.

        Raises:
            MerchantsError: the topic does not exist, or its end was not reached within `merchants.load_timeout_s`.
        """
        consumer = self._consumer = BoundedConsumer(
            batch_max_bytes=self._settings.consume.record_batch_max_bytes,
            refuse=self._refuse,
            **client_options(self._settings.broker),
            client_id="sekisho-merchants",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._settings.consume.isolation,
            fetch_max_wait_ms=100,
        )
        failover.watch(consumer._client)
        try:
            async with asyncio.timeout(self._settings.merchants.load_timeout_s):
                await consumer.start()
                records = await self._load(consumer)
        except TimeoutError:
            topic, limit_s = self._settings.topics.merchants, self._settings.merchants.load_timeout_s
            raise MerchantsError(
                f"topic {topic!r} was not read to its end within merchants.load_timeout_s ({limit_s:g} s)"
            ) from None
        self.loaded = True
        log.info("merchants_loaded records=%d", records)

    async def _load(self, consumer: BoundedConsumer) -> int:
        topic = self._settings.topics.merchants
        await asyncio.wait_for(consumer._client._wait_on_metadata(topic), METADATA_S)
        partitions = self._partitions = self._known(consumer)
        if not partitions:
            raise MerchantsError(f"topic {topic!r} does not exist")
        spans = await bounds(consumer, partitions, self._settings.merchants.load_timeout_s)
        consumer.assign(partitions)
        records = 0
        while not all([await consumer.position(tp) >= span.end for tp, span in spans.items()]):
            records += self._apply(await consumer.getmany(timeout_ms=250, max_records=POLL_MAX_RECORDS))
        return records

    def _known(self, consumer: BoundedConsumer) -> list[TopicPartition]:
        topic = self._settings.topics.merchants
        return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]

    @Service.task
    async def _follow(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        try:
            while not self.should_stop:
                self._apply(await consumer.getmany(timeout_ms=1000, max_records=POLL_MAX_RECORDS))
                if time.monotonic() - self._refreshed_s > REFRESH_S:
                    await self._refresh(consumer)
                    self._refreshed_s = time.monotonic()
        except ConsumerStoppedError:  # closing the consumer ends a poll with this error
            if not self.should_stop:
                raise

    async def _refresh(self, consumer: BoundedConsumer) -> None:
        """Read added partitions too, each from its start."""
        await consumer._client.force_metadata_update()
        added = set(self._known(consumer)).difference(self._partitions)
        if not added:
            return
        try:
            async with asyncio.timeout(METADATA_S):
                positions = {tp: await consumer.position(tp) for tp in self._partitions}
        except TimeoutError:
            return  # a partition was added just now and has no position yet: try again at the next refresh
        self._partitions += sorted(added)
        consumer.assign(self._partitions)  # it resets all positions
        for tp, position in positions.items():
            consumer.seek(tp, position)
        log.info("merchants_partitions_added partitions=%d", len(added))

    def _apply(self, polled: Polled) -> int:
        applied, outputs = 0, []
        received_at_ms = time.time_ns() // 1_000_000
        for tp, records in polled.items():
            source = Source(
                topic=tp.topic,
                partition=tp.partition,
                offsets=[record.offset for record in records],
                timestamps_ms=[record.timestamp for record in records],
            )
            keys, values = [record.key or b"" for record in records], [record.value for record in records]
            output = self._engine.merchant(keys, values, source, received_at_ms=received_at_ms)
            for key, _ in output.dead_letters:
                offset = int(key.rpartition(b"/")[2])  # a letter's key is topic/partition/offset
                self._letters.note(tp.partition, offset, offset + 1)
            outputs.append(output)
            applied += len(records)
        if applied:
            self._telemetry.merchants(applied, outputs)
            self._note_beyond_limit(outputs)
        return applied

    def _refuse(self, tp: TopicPartition, refused: Refused) -> None:
        self._letters.note(tp.partition, refused.first, refused.end)

    def _note_beyond_limit(self, outputs: list[Outputs]) -> None:
        records = sum(output.tally.merchants_beyond_limit for output in outputs)
        self._beyond_limit += records
        if records:  # the log lets a repeating line through once per interval
            log.warning("merchants_refused records=%d setting=merchants.merchants_max", self._beyond_limit)

    async def on_stop(self) -> None:
        """Close the consumer."""
        if self._consumer is not None:
            await self._consumer.stop()
