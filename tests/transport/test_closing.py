"""A consumer that is closed at once, or while it waits after an error, closes all its parts and does not cancel its
caller.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka.reading.bounded import BoundedConsumer
from streams.kafka.reading.fetcher import close

TP = TopicPartition("merchants", 0)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaClient]:
    """Record the clients that were closed, and connect none."""
    clients: list[AIOKafkaClient] = []

    async def bootstrap(self: AIOKafkaClient) -> None:
        pass

    async def noted(self: AIOKafkaClient) -> None:
        clients.append(self)

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", bootstrap)
    monkeypatch.setattr(AIOKafkaClient, "close", noted)
    return clients


def bounded() -> BoundedConsumer:
    return BoundedConsumer(batch_max_bytes=1 << 20)


Stop = Callable[[Any], Awaitable[None]]


@pytest.mark.parametrize(
    ("make", "stop"),
    [(bounded, BoundedConsumer.stop), (aiokafka.AIOKafkaConsumer, close)],
    ids=["BoundedConsumer", "close"],
)
def test_a_consumer_that_is_closed_at_once_does_not_cancel_its_caller(
    closed: list[AIOKafkaClient], make: Callable[[], aiokafka.AIOKafkaConsumer], stop: Stop
) -> None:
    async def play() -> aiokafka.AIOKafkaConsumer:
        consumer = make()
        await consumer.start()
        await stop(consumer)
        return consumer

    consumer = asyncio.run(play())
    assert closed == [consumer._client]


def test_a_consumer_closes_its_connections_while_a_fetch_waits_after_an_error(closed: list[AIOKafkaClient]) -> None:
    async def play() -> aiokafka.AIOKafkaConsumer:
        consumer = bounded()
        await consumer.start()
        waiting = asyncio.create_task(asyncio.sleep(60))
        consumer._fetcher._pending_tasks.add(waiting)
        await asyncio.sleep(0)  # all tasks have started
        await consumer.stop()
        assert waiting.cancelled()
        return consumer

    consumer = asyncio.run(play())
    assert closed == [consumer._client]


def test_a_consumer_whose_fetcher_failed_closes_its_connections_and_raises(closed: list[AIOKafkaClient]) -> None:
    async def fail() -> None:
        raise KafkaError("a fault of the fetcher")

    async def play() -> None:
        consumer = bounded()
        await consumer.start()
        await asyncio.sleep(0)
        consumer._fetcher._fetch_task.cancel()
        consumer._fetcher._fetch_task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        await consumer.stop()

    with pytest.raises(KafkaError, match="a fault of the fetcher"):
        asyncio.run(play())
    assert len(closed) == 1


def test_the_caller_that_closes_a_consumer_can_still_be_cancelled(
    closed: list[AIOKafkaClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: AIOKafkaClient) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(AIOKafkaClient, "close", never)

    async def play() -> None:
        consumer = bounded()
        await consumer.start()
        async with asyncio.timeout(0.1):
            await consumer.stop()

    with pytest.raises(TimeoutError):
        asyncio.run(play())
