"""Counts that decide, on Apache Kafka: caps of rules and cases of alerts, while workers are killed and partitions move.

Every decision and every alert equals a recount in plain Python.
"""

import asyncio
import json
import time
from pathlib import Path

import msgspec
import pytest

from streams.kafka.settings import APACHE_KAFKA, Broker
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import read
from tests.brokers.workers import terminate, worker_process
from tests.bundles import small_bundle
from tests.integration.state.test_halting import members
from tests.integration.state.test_profiles import END_S, MODULE, await_committed, fill, new_worker
from tests.policy.rules.capped import Caps, Recount, Told, policy
from tests.state.cases import world
from tests.state.policies.test_caps import traffic

pytestmark = pytest.mark.kafka

PARTITIONS = 2
COUNT = 420
FIRST, SECOND, KILLED = 120, 240, 300
"""Events of each partition until the second worker starts, those written before the kill, and those that wait for it:
counted over both partitions where a test waits."""

CAPS = Caps(8, 5, 5, 3)


def start(settings: WorkerSettings, folder: Path, name: str) -> tuple[str, ...]:
    """Write the files of a worker, and return its arguments."""
    place = folder / name
    place.mkdir()
    (place / "policy.yaml").write_bytes(msgspec.json.encode(policy(CAPS)))  # JSON is YAML too
    return (str(place),)


def await_members(settings: WorkerSettings, count: int) -> None:
    deadline = time.monotonic() + END_S
    while asyncio.run(members(settings)) < count:
        assert time.monotonic() < deadline


def published(settings: WorkerSettings, topic: str, at_least: int) -> list[tuple[int, bytes]]:
    records = asyncio.run(read(settings.broker, topic, at_least, END_S))
    return [(record.partition, record.value) for record in records]


def test_caps_and_cases_are_exact_through_a_move_and_a_kill(apache: Broker, tmp_path: Path) -> None:
    warm_up(small_bundle())
    soon = msgspec.structs.replace(APACHE_KAFKA, session_timeout_s=6.0, heartbeat_interval_s=1.0)
    settings = new_worker(msgspec.structs.replace(apache, profile=soon), PARTITIONS, instance=None)
    settings = msgspec.structs.replace(
        settings,
        consume=msgspec.structs.replace(settings.consume, batch_max_events=4),
        state=State(flush_interval_s=0.4),  # so that a kill leaves decisions behind the last marker
    )
    parts = [traffic(7, partition, COUNT) for partition in range(PARTITIONS)]
    values = [[pay.value for pay in part] for part in parts]
    fill(settings, *(part[:FIRST] for part in values))
    with worker_process(settings, module=MODULE, arguments=start(settings, tmp_path, "one")) as one:
        await_committed(settings, FIRST, PARTITIONS, one)
        with worker_process(settings, module=MODULE, arguments=start(settings, tmp_path, "two")) as other:
            await_members(settings, 2)
            await_committed(settings, 2 * FIRST, PARTITIONS, one, other)
            fill(settings, *(part[FIRST:SECOND] for part in values))
            await_committed(settings, KILLED, PARTITIONS, one, other)
            fill(settings, *(part[SECOND:] for part in values))
            one.kill()
            await_committed(settings, PARTITIONS * COUNT, PARTITIONS, other)
            assert terminate(other) == 0
    expected = [dict(Recount(PARTITIONS).decide(part, CAPS)) for part in parts]
    made = published(settings, settings.topics.decisions, sum(map(len, expected)))
    by_partition: list[list[bytes]] = [[value for number, value in made if number == p] for p in range(PARTITIONS)]
    for partition, records in enumerate(by_partition):
        decided = [json.loads(value) for value in records]
        assert len(decided) == len(expected[partition])
        told = {
            int(each["decision_id"].removeprefix("e-")): Told(
                each["band"], tuple((hit["id"], hit.get("capped")) for hit in each["rule_hits"])
            )
            for each in decided
        }
        assert told == expected[partition]
        assert {cap for each in told.values() for _, cap in each.hits} == {None, "HOUR", "MERCHANT"}
    alerts = [json.loads(value) for _, value in published(settings, settings.topics.alerts, 1)]
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    recounted = [
        each
        for records, part in zip(by_partition, values, strict=True)
        for each in world.recount(part, [json.loads(value) for value in records])
    ]
    assert sorted(world.told_by(alert) for alert in alerts) == sorted(recounted)
    assert any(each.count > 1 for each in recounted)
