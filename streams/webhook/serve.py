"""`sekisho webhook`: read alerts, deliver them, commit what is finished, until told to stop."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka.structs import TopicPartition

from streams.kafka.settings import Broker, Isolation
from streams.records.batches import Refused
from streams.webhook.alerts import read_alert
from streams.webhook.deliver import Delivery, Posts
from streams.webhook.facts import Facts
from streams.webhook.settings import WebhookSettings
from streams.webhook.topic import AlertsTopic, subscribed

log = logging.getLogger(__name__)

SHOW_S: Final = 1.0
"""Interval of commits and of the gauges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where alerts are read. `batch_max_bytes`: largest record batch, unpacked."""

    broker: Broker
    topic: str
    isolation: Isolation
    batch_max_bytes: int


async def serve(
    source: Source, settings: WebhookSettings, posts: Posts, facts: Facts, stop: asyncio.Event, tell_s: float
) -> None:
    """Deliver until `stop` is set. `tell_s`: interval of the lines about dropped alerts.

    Raises:
        MissingTopicError: the topic does not exist.
        aiokafka.errors.KafkaError: the broker cannot be reached, or refuses. Unfinished alerts stay uncommitted.
    """
    delivery = Delivery(settings, posts, facts)

    def refuse(tp: TopicPartition, batch: Refused) -> None:
        log.error(
            "webhook_batch_refused partition=%d first=%d end=%d reason=%s",
            *(tp.partition, batch.first, batch.end, batch.reason),
        )
        facts.unreadable(batch.end - batch.first)

    async with subscribed(
        source.broker,
        source.topic,
        settings.group,
        delivery.forget,
        isolation=source.isolation,
        batch_max_bytes=source.batch_max_bytes,
        refuse=refuse,
    ) as alerts:
        delivering = asyncio.create_task(delivery.run())
        try:
            await _read(alerts, delivery, facts, stop, delivering, tell_s)
        finally:
            delivering.cancel()
            with suppress(asyncio.CancelledError):
                await delivering  # attempts in flight end first
            with suppress(TimeoutError):
                async with asyncio.timeout(source.broker.request_timeout_s):
                    await alerts.commit()
            facts.tell_dropped()


async def _read(
    alerts: AlertsTopic,
    delivery: Delivery,
    facts: Facts,
    stop: asyncio.Event,
    delivering: "asyncio.Task[None]",
    tell_s: float,
) -> None:
    """Read alerts into the queue, and commit and show once a second."""
    shown_s = told_s = time.monotonic()
    while not (stop.is_set() or delivering.done()):
        for record, offsets in await alerts.poll():
            alert = read_alert(record, offsets)
            if alert is not None:
                delivery.add(alert)
                continue
            log.error("webhook_alert_unreadable partition=%d offset=%d", record.partition, record.offset)
            facts.unreadable(1)
        facts.not_ready_because = "" if alerts.is_assigned else "joining the group"
        now_s = time.monotonic()
        if now_s - shown_s >= SHOW_S:
            shown_s = now_s
            await alerts.commit()
            delivery.show()
        if now_s - told_s >= tell_s:
            told_s = now_s
            facts.tell_dropped()
