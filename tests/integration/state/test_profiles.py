"""Profiles survive the worker: on Apache Kafka each event has one decision, that of an uninterrupted run."""

import asyncio
import json
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from typing import Any

import aiokafka
import msgspec
import pytest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from models.simulator import Simulator, SimulatorConfig
from scoring.contract.alert import Alert
from scoring.outputs import Source
from streams.kafka.admin import create_topics
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, TopicPartitions, TopicRetention, Topics
from streams.kafka.topics import TopicsSettings, plan
from streams.state.log.marker import KEY, Marker, decode
from streams.state.settings import State
from streams.transport.settings import Consume, Emit
from streams.worker.settings import Watch, WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import committed, load, read, stamp_ms
from tests.brokers.topic_settings import changed
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.bundles import small_bundle
from tests.events import request_of
from tests.integration.state.deciding import new_engine

pytestmark = pytest.mark.kafka

MODULE = "tests.integration.state.deciding"
END_S = 60.0
YEARS_MS = 10 * 365 * 86_400_000
SHORT_SEGMENTS = {"segment.ms": "200"}
CLEANED_AT_ONCE = {"min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0.01"}


def traffic(count: int) -> list[bytes]:
    """Make events: every hundredth no JSON, every fiftieth sent again at once, every tenth in two phases."""
    config = SimulatorConfig(seed=11, days=1, events_per_day=2 * count, cards=400, merchants=60, repeat_share=0.0)
    values = [item.value for item in Simulator(config).traffic() if item.topic == "authorizations"][:count]
    assert len(values) == count
    for number in range(0, count, 100):
        values[number] = b"{no json"
        values[number + 51] = values[number + 50]
    for number in range(3, count - 4, 10):  # a request, answered after three others
        values[number], values[number + 4] = request_of(values[number]), values[number]
    return values


TRAFFIC = traffic(6_000)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Compile the kernels once: a worker that compiled between two heartbeats would be expelled."""
    warm_up(small_bundle())


def new_worker(
    broker: Broker, partitions: int, instance: str | None = "one", names: Topics | None = None
) -> WorkerSettings:
    name = uuid.uuid4().hex[:8]
    topics = TopicsSettings(
        prefix=f"{name}-",
        names=names or Topics(),
        partitions=TopicPartitions(events=partitions),
        retention_ms=TopicRetention(
            authorizations=YEARS_MS, authorization_outcomes=YEARS_MS, fraud_reports=YEARS_MS, threeds_results=YEARS_MS
        ),
    )
    asyncio.run(create_topics(broker, plan(topics)))
    return WorkerSettings(
        broker=broker,
        topics=topics.full,
        consume=Consume(group=f"group-{name}", instance_id=instance, commit_interval_s=0.1, batch_max_events=20),
        emit=Emit(ack_timeout_s=5.0),
        state=State(flush_interval_s=0.1),
        watch=Watch(interval_s=0.2, stall_s=20.0, drain_s=20.0),
    )


def fill(settings: WorkerSettings, *parts: list[bytes]) -> None:
    asyncio.run(load(settings.broker, settings.topics.authorizations, dict(enumerate(parts))))


def by_card(values: list[bytes], partitions: int) -> list[list[bytes]]:
    parts: list[list[bytes]] = [[] for _ in range(partitions)]
    for value in values:
        token = value.split(b'"pan_hmac":"')[1][:8] if b'"pan_hmac":"' in value else b""
        parts[sum(token) % partitions].append(value)
    return parts


def offsets(settings: WorkerSettings, partitions: int) -> dict[int, int]:
    topic, group = settings.topics.authorizations, settings.consume.group
    return asyncio.run(committed(settings.broker, group, topic, range(partitions)))


def await_committed(settings: WorkerSettings, at_least: int, partitions: int, *workers: Any) -> None:
    """Wait until so many authorizations are committed."""
    await_applied(settings, settings.topics.authorizations, at_least, partitions, *workers)


def answers(settings: WorkerSettings) -> dict[str, list[dict[str, Any]]]:
    """Read all decisions by id, without the times, which differ from run to run."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in asyncio.run(read(settings.broker, settings.topics.decisions, 1, END_S)):
        made = json.loads(record.value)
        made["times"] = made["times"].get("record_ms")
        found.setdefault(made["decision_id"], []).append(made)
    return found


def alerts(settings: WorkerSettings) -> list[Alert]:
    """Read all alerts, in the order of their topic."""
    found = asyncio.run(read(settings.broker, settings.topics.alerts, 1, END_S))
    return [msgspec.json.decode(one.value, type=Alert) for one in found]


def letters(settings: WorkerSettings) -> Counter[tuple[int, int]]:
    records = asyncio.run(read(settings.broker, settings.topics.dead_letters, 1, END_S))
    found = [json.loads(record.value) for record in records]
    return Counter((letter["partition"], letter["offset"]) for letter in found)


def uninterrupted(values: list[bytes]) -> dict[str, dict[str, Any]]:
    engine, found = new_engine(), {}
    for start in range(0, len(values), 500):
        part = values[start : start + 500]
        stamps = [stamp_ms(value, 0) for value in part]
        source = Source(topic="authorizations", partition=0, offsets=range(start, start + 500), timestamps_ms=stamps)
        for _, value in engine.score(part, source, received_at_ms=1, decided_at_ms=lambda: 1).decisions:
            made = json.loads(value)
            made["times"] = made["times"].get("record_ms")
            found[made["decision_id"]] = made
    return found


def markers(settings: WorkerSettings, partition: int, partitions: int) -> list[Marker]:
    topic = settings.topics.card_profiles
    records = asyncio.run(read(settings.broker, topic, 1, END_S))
    values = [record.value for record in records if record.key == KEY and record.partition == partition]
    return [decode(value, topic, partitions) for value in values]


def test_a_worker_that_is_killed_repeatedly_decides_each_event_once_and_with_the_same_bytes(
    apache: Broker,
) -> None:
    settings = new_worker(apache, 1)
    fill(settings, TRAFFIC)
    for least in (1, 1_500, 3_000):
        with worker_process(settings, module=MODULE) as worker:
            await_committed(settings, least, 1, worker)
            worker.kill()
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(TRAFFIC), 1, worker)
        assert terminate(worker) == 0
    expected, found = uninterrupted(TRAFFIC), answers(settings)
    assert set(found) == set(expected)
    assert {name: len(made) for name, made in found.items() if len(made) > 1} == {}
    assert {name: made[0] for name, made in found.items()} == expected
    assert letters(settings) == {(0, number): 1 for number in range(0, len(TRAFFIC), 100)}


def test_sigterm_leaves_a_marker_at_the_committed_offset_and_no_input_to_apply_again(apache: Broker) -> None:
    settings = new_worker(apache, 2)
    parts = by_card(TRAFFIC, 2)
    fill(settings, *parts)
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, 500, 2, worker)
        assert terminate(worker) == 0
    stopped = offsets(settings, 2)
    assert 0 < sum(stopped.values()) < len(TRAFFIC)
    assert {number: markers(settings, number, 2)[-1].inputs["authorizations"] for number in stopped} == stopped
    before = answers(settings)
    assert all(len(made) == 1 for made in before.values())
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(TRAFFIC), 2, worker)
        assert terminate(worker) == 0
    found = answers(settings)
    assert set(found) == set(uninterrupted(TRAFFIC))
    assert all(len(made) == 1 for made in found.values())


def test_workers_that_come_and_go_decide_each_event_once(apache: Broker) -> None:
    settings = new_worker(apache, 4, instance=None)
    parts = by_card(TRAFFIC, 4)
    fill(settings, *parts)
    with worker_process(settings, module=MODULE) as first:
        await_committed(settings, 300, 4, first)
        with worker_process(settings, module=MODULE) as second, worker_process(settings, module=MODULE) as third:
            await_committed(settings, 2_500, 4, first, second, third)
            first.kill()
            await_committed(settings, 3_500, 4, second, third)
            assert terminate(second) == 0
            await_committed(settings, len(TRAFFIC), 4, third)
            assert terminate(third) == 0
    found = answers(settings)
    assert {name: len(made) for name, made in found.items() if len(made) > 1} == {}
    assert set(found) == set(uninterrupted(TRAFFIC))
    assert set(letters(settings).values()) == {1}


def superseded(settings: WorkerSettings) -> dict[str, int]:
    """Count the records in the logs of profiles whose key comes again later: what a cleaner may delete."""
    topics = (settings.topics.card_profiles, settings.topics.shared_profiles)
    found = {topic: [one.key for one in asyncio.run(read(settings.broker, topic, 1, END_S))] for topic in topics}
    return {topic: len(keys) - len(set(keys)) for topic, keys in found.items()}


def await_compaction(settings: WorkerSettings) -> None:
    """Wait until the broker's cleaner has compacted most of the logs of profiles, not the newest segments."""
    before = superseded(settings)
    assert min(before.values()) > 500
    with ExitStack() as changes:
        for topic in before:
            changes.enter_context(changed(settings.broker.bootstrap[0], topic, CLEANED_AT_ONCE))
        deadline = time.monotonic() + END_S
        while any(count > before[topic] // 2 for topic, count in superseded(settings).items()):
            assert time.monotonic() < deadline, (before, superseded(settings))


def test_profiles_survive_compaction_by_the_broker(apache: Broker) -> None:
    """Workers die in the middle, the next one writes the rows of the crash again, and the broker compacts them all."""
    settings = new_worker(apache, 1)
    fill(settings, TRAFFIC)
    with ExitStack() as changes:
        for topic in (settings.topics.card_profiles, settings.topics.shared_profiles):
            changes.enter_context(changed(apache.bootstrap[0], topic, SHORT_SEGMENTS))
        for least in (1_000, 2_000):
            with worker_process(settings, module=MODULE) as worker:
                await_committed(settings, least, 1, worker)
                worker.kill()
        with worker_process(settings, module=MODULE) as worker:
            await_committed(settings, 3_500, 1, worker)
            assert terminate(worker) == 0
    await_compaction(settings)
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(TRAFFIC), 1, worker)
        assert terminate(worker) == 0
    found = answers(settings)
    assert {name: len(made) for name, made in found.items() if len(made) > 1} == {}
    assert {name: made[0] for name, made in found.items()} == uninterrupted(TRAFFIC)


@pytest.mark.parametrize("topic", ["card_profiles", "shared_profiles"])
def test_a_topic_that_would_lose_rows_ends_the_worker_before_the_first_event(apache: Broker, topic: str) -> None:
    settings = new_worker(apache, 1)
    fill(settings, TRAFFIC[:10])
    with (
        changed(apache.bootstrap[0], getattr(settings.topics, topic), {"cleanup.policy": "delete"}),
        worker_process(settings, module=MODULE) as worker,
    ):
        assert worker.wait(END_S) == 1
    assert offsets(settings, 1) == {}


def test_a_group_that_is_ahead_of_the_profiles_ends_the_worker(apache: Broker) -> None:
    settings = new_worker(apache, 1)
    fill(settings, TRAFFIC[:300])
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, 300, 1, worker)
        assert terminate(worker) == 0
    fill(settings, TRAFFIC[300:400])
    asyncio.run(commit(settings, 350))
    with worker_process(settings, module=MODULE) as worker:
        assert worker.wait(END_S) == 1
    assert offsets(settings, 1) == {0: 350}
    asyncio.run(commit(settings, 300))
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, 400, 1, worker)
        assert terminate(worker) == 0


async def commit(settings: WorkerSettings, offset: int) -> None:
    """Set the group's offset, as `kafka-consumer-groups --reset-offsets` does."""
    tp = TopicPartition(settings.topics.authorizations, 0)
    deadline = time.monotonic() + END_S
    while True:
        client = aiokafka.AIOKafkaConsumer(
            **client_options(settings.broker), group_id=settings.consume.group, enable_auto_commit=False
        )
        await client.start()
        try:
            client.assign([tp])
            await client.commit({tp: OffsetAndMetadata(offset, "")})
            return
        except aiokafka.errors.KafkaError:  # a static member that ended is missed after its session timeout
            assert time.monotonic() < deadline
        finally:
            await client.stop()
