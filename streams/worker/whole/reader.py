"""Read a compacted topic to its end at start, then follow it: every worker reads all of it."""

import abc
import asyncio
import logging
import time
from typing import Any, Final

from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from mode import Service

from streams.kafka import failover
from streams.kafka.reading.bounded import BoundedConsumer, Polled
from streams.kafka.reading.ends import bounds
from streams.kafka.security import client_options
from streams.records.batches import Refused
from streams.transport.tasks import WatchedService
from streams.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

METADATA_S: Final = 10.0  # to wait for metadata of the topic
REFRESH_S: Final = 30.0
"""Interval between looks for added partitions: without a group, aiokafka does not look for them."""

POLL_MAX_RECORDS: Final = 256  # applied in one step of the main loop: a few ms
LOAD_MAX_RECORDS: Final = 4_096  # applied in one step at start, when nothing else waits for the main loop


class WholeTopicError(Exception):
    """Raised when a topic cannot be read to its end in time, or does not exist."""


class WholeTopic(WatchedService, abc.ABC):
    """Read a topic to its end before anything else starts, then follow it.

    It runs on the main loop, so only one thread uses the engine. Followed records are applied 256 at a time, between
    batches of authorizations. `setting`: what limits the time to read it at start.
    """

    def __init__(
        self, name: str, topic: str, settings: WorkerSettings, setting: tuple[str, float], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._name, self._topic = name, topic
        self._setting = setting
        self._settings = settings
        self._consumer: BoundedConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._refreshed_s = time.monotonic()
        self.loaded = False

    @abc.abstractmethod
    def _apply(self, polled: Polled) -> int:
        """Apply records; return their number."""

    @abc.abstractmethod
    def _refuse(self, tp: TopicPartition, refused: Refused) -> None:
        """Note a record batch that cannot be read."""

    async def _looked(self, consumer: BoundedConsumer) -> None:
        """Do nothing after a poll of the followed topic."""

    async def on_start(self) -> None:
        """Read all records. The consumer group is joined only after this returns.

        Raises:
            WholeTopicError: the topic does not exist, or its end was not reached in time.
        """
        consumer = self._consumer = BoundedConsumer(
            batch_max_bytes=self._settings.consume.record_batch_max_bytes,
            refuse=self._refuse,
            **client_options(self._settings.broker),
            client_id=f"sekisho-{self._name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._settings.consume.isolation,
            fetch_max_wait_ms=100,
        )
        failover.watch(consumer._client)
        try:
            async with asyncio.timeout(self._setting[1]):
                await consumer.start()
                records = await self._load(consumer)
        except TimeoutError:
            setting, limit_s = self._setting
            raise WholeTopicError(
                f"topic {self._topic!r} was not read to its end within {setting} ({limit_s:g} s)"
            ) from None
        self.loaded = True
        log.info("%s_loaded records=%d", self._name, records)

    async def _load(self, consumer: BoundedConsumer) -> int:
        topic = self._topic
        await asyncio.wait_for(consumer._client._wait_on_metadata(topic), METADATA_S)
        partitions = self._partitions = self._known(consumer)
        if not partitions:
            raise WholeTopicError(f"topic {topic!r} does not exist")
        spans = await bounds(consumer, partitions, self._setting[1])
        consumer.assign(partitions)
        records = 0
        while not all([await consumer.position(tp) >= span.end for tp, span in spans.items()]):
            records += self._apply(await consumer.getmany(timeout_ms=250, max_records=LOAD_MAX_RECORDS))
        return records

    def _known(self, consumer: BoundedConsumer) -> list[TopicPartition]:
        topic = self._topic
        return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]

    @Service.task
    async def _follow(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        try:
            while not self.should_stop:
                self._apply(await consumer.getmany(timeout_ms=1000, max_records=POLL_MAX_RECORDS))
                await asyncio.sleep(0)  # a poll of fetched records does not wait: batches of authorizations go between
                await self._looked(consumer)
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
        log.info("%s_partitions_added partitions=%d", self._name, len(added))

    async def on_stop(self) -> None:
        """Close the consumer."""
        if self._consumer is not None:
            await self._consumer.stop()
