"""The merchant registry: a compacted topic that every worker reads as a whole, without a group."""

import asyncio
import logging
import time
from typing import Any

from aiokafka.structs import TopicPartition
from mode import Service

from scoring.outputs import Outputs, Source
from streams.emit import Emitter
from streams.records.batches import Refused
from streams.refused import outputs_of
from streams.seams import Engine, Telemetry
from streams.transport import failover
from streams.transport.bounded import BoundedConsumer, Polled
from streams.transport.security import client_options
from streams.transport.settings import WorkerSettings

log = logging.getLogger(__name__)

METADATA_S = 10.0  # for a broker to know the topic, if there is one
POLL_MAX_RECORDS = 256  # applied in one go on the main loop: a few ms


class RegistryError(Exception):
    """Raised when the registry cannot be read to its end in time, or does not exist."""


class ReferenceLoader(Service):
    """Read `merchants` to its end before anything else starts, then follow it.

    It runs on the main loop, so the engine is never touched from two threads; a reload of the whole registry is applied
    256 records at a time between batches of authorizations.
    """

    def __init__(
        self, settings: WorkerSettings, engine: Engine, emitter: Emitter, telemetry: Telemetry, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._consumer: BoundedConsumer | None = None
        self._refused: list[tuple[TopicPartition, Refused]] = []
        self.loaded = False

    async def on_start(self) -> None:
        """Load the registry. The consumer group is joined only after this returns.

        Raises:
            RegistryError: the topic does not exist, or its end was not reached within `reference_timeout_s`.
        """
        consumer = self._consumer = BoundedConsumer(
            batch_max_bytes=self._settings.consume.record_batch_max_bytes,
            refuse=lambda tp, refused: self._refused.append((tp, refused)),
            **client_options(self._settings.broker),
            client_id="sekisho-merchants",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._settings.consume.isolation,
            fetch_max_wait_ms=100,
        )
        failover.watch(consumer._client)
        try:
            async with asyncio.timeout(self._settings.reference_timeout_s):
                await consumer.start()
                records = await self._load(consumer)
        except TimeoutError:
            raise RegistryError(f"{self._settings.topics.merchants!r} was not read to its end in time") from None
        self.loaded = True
        log.info("merchants_loaded records=%d", records)

    async def _load(self, consumer: BoundedConsumer) -> int:
        topic = self._settings.topics.merchants
        await asyncio.wait_for(consumer._client._wait_on_metadata(topic), METADATA_S)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            raise RegistryError(f"topic {topic!r} does not exist")
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records = 0
        while True:
            polled = await consumer.getmany(timeout_ms=250, max_records=POLL_MAX_RECORDS)
            records += await self._apply(polled)
            # A broker may report an end that lies inside its last batch: an empty poll has to agree.
            if not polled and all([await consumer.position(tp) >= ends[tp] for tp in partitions]):
                return records

    @Service.task
    async def _follow(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        while not self.should_stop:
            await self._apply(await consumer.getmany(timeout_ms=1000, max_records=POLL_MAX_RECORDS))

    async def _apply(self, polled: Polled) -> int:
        applied, outputs = 0, []
        received_at_ms = time.time_ns() // 1_000_000
        for tp, refused in self._refused:
            outputs.append(outputs_of(tp.topic, tp.partition, refused, received_at_ms=received_at_ms))
        self._refused.clear()
        for tp, records in polled.items():
            source = Source(
                topic=tp.topic,
                partition=tp.partition,
                offsets=[record.offset for record in records],
                timestamps_ms=[record.timestamp for record in records],
            )
            keys, values = [record.key or b"" for record in records], [record.value for record in records]
            outputs.append(self._engine.merchant(keys, values, source, received_at_ms=received_at_ms))
            applied += len(records)
        if outputs:
            await self._bury(outputs, received_at_ms)
            self._telemetry.merchants(applied, outputs)
        return applied

    async def _bury(self, outputs: list[Outputs], now_ms: int) -> None:
        """Produce the dead letters. Nothing is committed here, so a failure is seen only by waiting for it."""
        letters = [letter for output in outputs for letter in output.dead_letters]
        acks = self._emitter.by_key(self._settings.topics.dead_letters, letters, now_ms)
        async with asyncio.timeout(self._settings.emit.ack_timeout_s):
            for ack in acks:
                await ack

    async def on_stop(self) -> None:
        """Close the consumer."""
        if self._consumer is not None:
            await self._consumer.stop()
