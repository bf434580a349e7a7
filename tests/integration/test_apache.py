"""Behaviour that only a real Kafka has: transactions, refused produces, topics that are deleted."""

import asyncio

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from streams.transport.settings import Emit
from streams.worker.settings import WorkerSettings
from tests.brokers.load import load
from tests.brokers.workers import terminate, worker_process
from tests.integration.conftest import NewWorker
from tests.integration.test_guarantee import END_S, await_offsets, decisions, fill, numbered, offsets

pytestmark = pytest.mark.kafka


async def transactions(settings: WorkerSettings) -> None:
    """Commit two events, abort three, commit one."""
    client = aiokafka.AIOKafkaProducer(
        **client_options(settings.broker), transactional_id=settings.consume.group, acks="all"
    )
    await client.start()
    try:
        for payloads, commits in (([b"a", b"b"], True), ([b"no"] * 3, False), ([b"c"], True)):
            await client.begin_transaction()
            for payload in payloads:
                await client.send_and_wait(settings.topics.authorizations, payload, partition=0)
            await (client.commit_transaction() if commits else client.abort_transaction())
    finally:
        await client.stop()


def test_aborted_events_are_not_decided_and_control_records_do_not_delay_the_commit(
    apache: Broker, new_worker: NewWorker
) -> None:
    settings = new_worker(apache)
    asyncio.run(transactions(settings))
    with worker_process(settings) as worker:
        assert decisions(settings, 3)[0] == [(0, b"a"), (1, b"b"), (7, b"c")]
        await_offsets(settings, {0: 9})  # a b commit, no no no abort, c commit
        assert terminate(worker) == 0


async def shrink(settings: WorkerSettings, topic: str, size: int) -> None:
    """Replace a topic by one that takes messages of at most `size` bytes."""
    admin = AIOKafkaAdminClient(**client_options(settings.broker))
    await admin.start()
    try:
        await admin.delete_topics([topic])
        smaller = NewTopic(topic, 2, 1, topic_configs={"max.message.bytes": str(size)})
        response = await admin.create_topics([smaller])
        while response.topic_errors[0][1] != 0:  # deletion takes a moment
            response = await admin.create_topics([smaller])
    finally:
        await admin.close()


def test_a_decision_that_the_broker_refuses_halts_the_worker(apache: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(apache)
    asyncio.run(shrink(settings, settings.topics.decisions, 2_000))
    fill(settings, numbered(20))
    with worker_process(settings) as worker:
        await_offsets(settings, {0: 20})
        fill(settings, [b"x" * 5_000])
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {0: 20}


async def delete(settings: WorkerSettings, topic: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings.broker))
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()


def test_an_output_topic_that_is_deleted_halts_the_worker(apache: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(apache, emit=Emit(ack_timeout_s=2.0))
    fill(settings, numbered(20))
    with worker_process(settings) as worker:
        await_offsets(settings, {0: 20})
        asyncio.run(delete(settings, settings.topics.decisions))
        asyncio.run(load(apache, settings.topics.authorizations, {0: numbered(1)}))
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {0: 20}


@pytest.mark.parametrize("field", ["decisions", "merchants"])
def test_a_missing_topic_is_found_before_the_first_event(apache: Broker, new_worker: NewWorker, field: str) -> None:
    settings = new_worker(apache)
    asyncio.run(delete(settings, getattr(settings.topics, field)))
    fill(settings, numbered(5))
    with worker_process(settings) as worker:
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {}
