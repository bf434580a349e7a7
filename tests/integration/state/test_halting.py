"""A worker that was fenced halts and leaves its group, so the next one does not wait for its session to end."""

import asyncio

import aiokafka
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.kafka.fence import Fence
from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.workers import terminate, worker_process
from tests.bundles import small_bundle
from tests.integration.state.test_profiles import END_S, MODULE, TRAFFIC, answers, await_committed, fill, new_worker

pytestmark = pytest.mark.kafka

SESSION_S = 120.0
"""Longer than all of this test: a member that did not leave stays in the group."""


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Compile the kernels once."""
    warm_up(small_bundle())


async def take_over(settings: WorkerSettings) -> None:
    """Fence the worker out of the decisions of partition 0, as a new owner does."""
    producer = aiokafka.AIOKafkaProducer(**client_options(settings.broker))
    await producer.start()
    try:
        fence = Fence(lambda: producer.client, settings.consume.group, timeout_s=20.0)
        await fence.take(0, [TopicPartition(settings.topics.decisions, 0)])
    finally:
        await producer.stop()


async def members(settings: WorkerSettings) -> int:
    """Count the members of the worker's group by its coordinator."""
    admin = AIOKafkaAdminClient(**client_options(settings.broker))
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([settings.consume.group])
        ((_, group, _, _, _, found, *_),) = answer.groups
        assert group == settings.consume.group
        return len(found)
    finally:
        await admin.close()


@pytest.mark.parametrize(("instance", "left"), [(None, 0), ("one", 1)], ids=["dynamic", "static"])
def test_after_a_fenced_worker_has_halted_the_next_one_continues_at_once(
    apache: Broker, instance: str | None, left: int
) -> None:
    """A dynamic member leaves its group. A static one stays a member, which the next worker of its name replaces."""
    profile = msgspec.structs.replace(apache.profile, session_timeout_s=SESSION_S)
    settings = new_worker(msgspec.structs.replace(apache, profile=profile, request_timeout_s=SESSION_S), 1, instance)
    first, rest = TRAFFIC[:400], TRAFFIC[400:600]
    fill(settings, first)
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(first), 1, worker)
        assert asyncio.run(members(settings)) == 1
        asyncio.run(take_over(settings))
        fill(settings, rest)
        assert worker.wait(END_S) == 1
    assert asyncio.run(members(settings)) == left
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(first) + len(rest), 1, worker)
        assert terminate(worker) == 0
    assert all(len(found) == 1 for found in answers(settings).values())
