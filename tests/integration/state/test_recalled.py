"""The published alerts that a real broker returns for the time of the waiting input."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from faust.types import TP

from streams.kafka.reading.log import LogReader
from streams.kafka.settings import Broker
from streams.state.assignment import Assignment
from streams.worker.settings import WorkerSettings
from tests.integration.conftest import PARTITIONS, NewWorker

NOW, DAY, RECALL = 1_700_000_000_000, 86_400_000, 60_000


async def produced(broker: Broker, topic: str, partition: int, times_ms: list[int]) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=",".join(broker.bootstrap), acks="all")
    await producer.start()
    try:
        for at_ms in times_ms:
            await producer.send_and_wait(topic, b"%d" % at_ms, b"key", partition, timestamp_ms=at_ms)
    finally:
        await producer.stop()


class Consumer:
    """Holds the committed offsets of the group."""

    def __init__(self, settings: WorkerSettings, committed: dict[int, int]) -> None:
        self._committed = {TP(settings.topics.authorizations, number): at for number, at in committed.items()}

    async def committed(self, tp: TP) -> int | None:
        return self._committed.get(tp)


async def recalled(settings: WorkerSettings, committed: dict[int, int]) -> list[bytes]:
    found: list[bytes] = []

    def restore_cases(values: list[bytes]) -> int:
        found.extend(values)
        return 0

    engine, emitter = (
        SimpleNamespace(reach_of_cases_ms=RECALL, restore_cases=restore_cases),
        SimpleNamespace(partitions_of=lambda _: 1),
    )
    nobody: Any = None
    assignment = Assignment(settings, engine, emitter, nobody, nobody, nobody)  # type: ignore[arg-type]
    reader = LogReader(settings.broker, client_id="restore_cases", isolation=settings.consume.isolation)
    await reader.start()
    try:
        await assignment._restore_cases(reader, Consumer(settings, committed), list(range(PARTITIONS)))
    finally:
        await reader.stop()
    return found


@pytest.mark.kafka  # the embedded broker gives the first offset for any time: more alerts than needed, harmless
def test_alerts_are_read_from_before_the_oldest_event_that_waits(apache: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(apache)
    topics = settings.topics

    async def play() -> None:
        alerts = [NOW - 9 * DAY, NOW - 3 * DAY - RECALL - 1, NOW - 3 * DAY - RECALL, NOW - DAY, NOW]
        await produced(apache, topics.alerts, 0, alerts)
        await produced(apache, topics.authorizations, 0, [NOW - 8 * DAY, NOW - 3 * DAY, NOW - 2 * DAY])
        await produced(apache, topics.authorizations, 1, [NOW - 8 * DAY, NOW])
        assert await recalled(settings, {0: 1, 1: 1}) == [b"%d" % at_ms for at_ms in alerts[2:]]
        assert await recalled(settings, {0: 3, 1: 1}) == [b"%d" % at_ms for at_ms in alerts[4:]]
        assert await recalled(settings, {}) == [b"%d" % at_ms for at_ms in alerts[1:]]
        assert await recalled(settings, {0: 3, 1: 2}) == [], "no input waits: this machine's clock decides"

    asyncio.run(play())
