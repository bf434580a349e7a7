"""Merchants on a real broker: a refused record has one dead letter, and added partitions are followed."""

import asyncio
import time
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from scoring.contract.dead_letter import DeadLetter
from streams.dlq.letters import letter_of
from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from streams.worker.merchants.loader import MerchantLoader
from streams.worker.settings import WorkerSettings
from streams.worker.whole import reader as loader_module
from tests.brokers.load import committed, producer, read
from tests.brokers.workers import terminate, worker_process
from tests.doubles import NoTelemetry
from tests.integration.conftest import NewWorker
from tests.integration.fakes import EchoEngine

END_S = 40.0


pytestmark = pytest.mark.kafka


async def produce(settings: WorkerSettings, partition: int, *values: bytes) -> None:
    """Write records of merchants, each with a key of its own: the topic is compacted."""
    async with producer(settings.broker) as client:
        for value in values:
            await client.send_and_wait(
                settings.topics.merchants, value, key=uuid.uuid4().hex.encode(), partition=partition
            )


def send(settings: WorkerSettings, *values: bytes) -> None:
    asyncio.run(produce(settings, 0, *values))


def lettered(settings: WorkerSettings, at_least: int) -> list[int]:
    """Return the offsets of merchants that have a dead letter."""
    letters = [letter_of(r.value) for r in asyncio.run(read(settings.broker, settings.topics.dead_letters, at_least))]
    assert all(isinstance(letter, DeadLetter) and letter.topic == settings.topics.merchants for letter in letters)
    return [letter.offset for letter in letters if letter is not None]


def await_kept(settings: WorkerSettings, at_least: int) -> None:
    """Wait until the group has committed that letters are written up to this offset at least."""
    topic, deadline = settings.topics.merchants, time.monotonic() + END_S
    while True:
        found = asyncio.run(committed(settings.broker, settings.consume.group, topic, [0])).get(0, 0)
        if found >= at_least:
            return
        assert time.monotonic() < deadline, f"kept {found}, expected {at_least}"


def test_a_refused_record_has_one_letter_across_starts_workers_and_rebalances(
    apache: Broker, new_worker: NewWorker
) -> None:
    settings = new_worker(apache)
    send(settings, b"good", b"!letter")
    with worker_process(settings) as worker:
        assert lettered(settings, 1) == [1]
        await_kept(settings, 2)
        assert terminate(worker) == 0
    with worker_process(settings) as first, worker_process(settings) as second:
        send(settings, b"!letter", b"good")
        await_kept(settings, 3)
        assert terminate(first) == 0
        send(settings, b"!letter")
        await_kept(settings, 5)
        assert terminate(second) == 0
    assert lettered(settings, 3) == [1, 2, 4]


class _NoLetters:
    def note(self, partition: int, begin: int, end: int) -> None: ...


async def _add_partition(broker: Broker, topic: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(broker))
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(2)})
    finally:
        await admin.close()


def test_a_partition_that_is_added_is_followed(
    apache: Broker, new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, engine = new_worker(apache), EchoEngine()
    monkeypatch.setattr(loader_module, "REFRESH_S", 0.1)
    topic, applied = settings.topics.merchants, list[tuple[int, int]]()
    merchant = engine.merchant

    def noted(keys, values, source, **options):  # type: ignore[no-untyped-def]
        applied.extend((source.partition, offset) for offset in source.offsets)
        return merchant(keys, values, source, **options)

    monkeypatch.setattr(engine, "merchant", noted)

    async def play() -> None:
        await produce(settings, 0, b"a", b"b")
        loader = MerchantLoader(settings, engine, _NoLetters(), NoTelemetry())  # type: ignore[arg-type]
        async with loader:
            await _add_partition(apache, topic)
            async with asyncio.timeout(END_S):
                while len(loader._partitions) < 2:
                    await asyncio.sleep(0.05)
                await produce(settings, 0, b"c")
                await produce(settings, 1, b"d")
                while len(applied) < 4:
                    await asyncio.sleep(0.05)

    asyncio.run(play())
    assert sorted(applied) == [(0, 0), (0, 1), (0, 2), (1, 0)]
