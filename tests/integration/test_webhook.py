"""Alerts on Apache Kafka reach a receiver, a second time under the same id if nothing was committed, never after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.kafka.settings import Broker
from streams.webhook.alerts import WaitingAlert
from streams.webhook.facts import Facts
from streams.webhook.post import Result
from streams.webhook.serve import Source, serve
from streams.webhook.topic import AlertsTopic
from tests.brokers.load import committed, producer
from tests.integration.conftest import NewWorker
from tests.webhook.made import body, in_loop, settings

pytestmark = pytest.mark.kafka

PATIENCE_S = 120.0
ALERTS = 20


class Receiver:
    """Accepts all."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def post(self, alert: WaitingAlert) -> Result:
        self.ids.append(alert.alert_id)
        return "ACCEPTED"


@asynccontextmanager
async def webhook(source: Source, group: str) -> AsyncIterator[Receiver]:
    """Run a webhook in this process."""
    receiver, stop = Receiver(), asyncio.Event()
    task = asyncio.create_task(serve(source, settings(group=group), receiver, Facts(), stop, tell_s=1.0))
    try:
        yield receiver
    finally:
        stop.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def until_has(receiver: Receiver, ids: set[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not ids <= set(receiver.ids):
            await asyncio.sleep(0.02)


def test_a_crash_before_the_commit_delivers_again_under_the_same_ids(
    apache: Broker, new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = new_worker(apache).topics
    source = Source(broker=apache, topic=topics.alerts, isolation="read_committed", batch_max_bytes=1 << 20)
    group = f"{topics.alerts}-webhook"
    ids = {f"{number:032x}" for number in range(ALERTS)}

    @in_loop
    async def play() -> None:
        async with producer(apache) as client:
            for number in range(ALERTS):
                await client.send_and_wait(topics.alerts, body(number, f"acq-{number % 3}"), key=b"k", partition=0)
            await client.send_and_wait(topics.alerts, b"no alert", key=b"k", partition=0)
        with monkeypatch.context() as patch:
            patch.setattr(AlertsTopic, "commit", _nothing)
            async with webhook(source, group) as first:
                await until_has(first, ids)
        assert await committed(apache, group, topics.alerts, [0]) == {}
        async with webhook(source, group) as second:
            await until_has(second, ids)
        assert sorted(second.ids) == sorted(ids)
        assert await committed(apache, group, topics.alerts, [0]) == {0: ALERTS + 1}
        async with producer(apache) as client:
            await client.send_and_wait(topics.alerts, body(ALERTS), key=b"k", partition=0)
        async with webhook(source, group) as third:
            await until_has(third, {f"{ALERTS:032x}"})
        assert third.ids == [f"{ALERTS:032x}"]

    play()


async def _nothing(_: AlertsTopic) -> None:
    """Commit nothing, as a process that is killed."""
