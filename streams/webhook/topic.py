"""Read the topic of alerts as a member of a consumer group, and commit finished offsets."""

import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

import aiokafka
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import TopicPartition

from streams.kafka import failover
from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.reading.ends import partitions_of
from streams.kafka.reading.records import Record, Refuse
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Isolation
from streams.webhook.alerts import Offsets

log = logging.getLogger(__name__)

POLL_MS: Final = 200
POLL_RECORDS_MAX: Final = 500


class AlertsTopic(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    """The assigned partitions of the topic. `forget` is called for each partition that leaves."""

    def __init__(self, consumer: BoundedConsumer, forget: Callable[[Offsets], None]) -> None:
        self._consumer = consumer
        self._forget = forget
        self._offsets: dict[TopicPartition, Offsets] = {}
        self._revoked: object = None
        self.is_assigned = False

    async def poll(self) -> list[tuple[Record, Offsets]]:
        """Return the next records of assigned partitions; none if there are none within POLL_MS.

        Raises:
            aiokafka.errors.KafkaError: a fetch or the group failed.
        """
        # Both calls are in the `getmany` that BoundedConsumer replaces. Without the context the group would drop this
        # member after max_poll_interval_ms, and without the check a failure of the group would stay unseen.
        self._consumer._coordinator.check_errors()
        with self._consumer._subscription.fetch_context():
            polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        if self._assignment() is self._revoked:
            return []  # they are read again from the committed offset, by whoever owns the partition then
        return [(record, self._of(tp, record.offset)) for tp, records in polled.items() for record in records]

    def _assignment(self) -> object:
        """Return aiokafka's present assignment. A rebalance makes a new one, with positions of its own."""
        return self._consumer._subscription.subscription.assignment

    def _of(self, tp: TopicPartition, offset: int) -> Offsets:
        if tp not in self._offsets:
            self._offsets[tp] = Offsets(offset)
        return self._offsets[tp]

    async def commit(self) -> None:
        """Commit what has moved since the last commit. In a rebalance nothing may be committed: it is read again.

        Raises:
            aiokafka.errors.KafkaError: the broker refused.
        """
        moved = {tp: offset for tp, part in self._offsets.items() if (offset := part.advance()) is not None}
        if not moved:
            return
        try:
            await self._consumer.commit(moved)
        except (CommitFailedError, IllegalStateError) as error:
            log.warning("webhook_commit_failed error=%s", type(error).__name__)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Commit, then forget all partitions. aiokafka calls it before each rebalance."""
        self.is_assigned = False
        self._revoked = self._assignment()
        await self.commit()
        for part in self._offsets.values():
            self._forget(part)
        self._offsets.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin to take records."""
        self.is_assigned = True
        log.info("webhook_assigned partitions=%d", len(assigned))


@asynccontextmanager
async def subscribed(
    broker: Broker,
    topic: str,
    group: str,
    forget: Callable[[Offsets], None],
    *,
    isolation: Isolation,
    batch_max_bytes: int,
    refuse: Refuse,
) -> AsyncIterator[AlertsTopic]:
    """Join the group. A group that has committed nothing begins at the oldest alert.

    Raises:
        MissingTopicError: the topic does not exist.
        aiokafka.errors.KafkaError: the broker cannot be reached, or refuses.
    """
    consumer = BoundedConsumer(
        batch_max_bytes=batch_max_bytes,
        refuse=refuse,
        **client_options(broker),
        client_id="sekisho-webhook",
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        session_timeout_ms=int(broker.profile.session_timeout_s * 1000),
        heartbeat_interval_ms=int(broker.profile.heartbeat_interval_s * 1000),
    )
    failover.watch(consumer._client)
    try:
        await consumer.start()
        if not await partitions_of(consumer, topic):
            raise MissingTopicError(topic)
        alerts = AlertsTopic(consumer, forget)
        consumer.subscribe([topic], listener=alerts)
        yield alerts
    finally:
        await consumer.stop()
