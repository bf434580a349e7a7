"""Entries of the topic of lists on Apache Kafka: two workers and a killed one decide as the topic's records say."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from scoring.policy import policy_from
from streams.kafka.settings import Broker, Topics
from streams.state.settings import State
from streams.worker.settings import ListsSettings, WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import producer, read
from tests.brokers.topic_settings import changed
from tests.brokers.workers import terminate, worker_process
from tests.bundles import small_bundle
from tests.events import encoded, token
from tests.integration.state.deciding import new_engine
from tests.integration.state.test_profiles import END_S, MODULE, await_committed, new_worker

pytestmark = pytest.mark.kafka

PARTITIONS = 2
DELAY_S = 3.0
SECONDS = 10.0
CARDS = [token(f"listed-{number}") for number in range(8)]
POLICY = """\
version: t
global: {review: 1000, step_up: 1000, block: 1000}
lists:
  - {id: stolen, kind: card, direction: deny, action: block, source: topic, author: a, reason: b}
"""


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Compile the kernels once: a worker that compiled between two heartbeats would be expelled."""
    warm_up(small_bundle())
    new_engine(policy_from(yaml.safe_load(POLICY)))


def stamp(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def starts(folder: Path) -> int:
    """Count how often workers have started."""
    log = folder / "log"
    return log.read_text().count("worker_started") if log.exists() else 0


async def play(settings: WorkerSettings, workers: list[Any], restart: Any, folder: Path) -> dict[str, tuple[str, int]]:
    """Send payments and changes of entries for some seconds, and kill a worker in the middle. Return the payments."""
    async with asyncio.timeout(END_S):
        while starts(folder) < 2:
            await asyncio.sleep(0.05)
    choose, sent = random.Random(5), {}  # noqa: S311 -- a seed, no secret
    began, is_killed = time.monotonic(), False
    async with producer(settings.broker) as client:
        while time.monotonic() - began < SECONDS or starts(folder) < 3:
            now_ms = time.time_ns() // 1_000_000
            card = choose.randrange(len(CARDS))
            entry = {"kind": "card", "effective_to": stamp(now_ms + choose.choice((4_000, 60_000)))}
            value = choose.choice((json.dumps(entry).encode(), json.dumps(entry).encode(), None, b"{"))
            await client.send_and_wait(settings.topics.lists, value, key=f"stolen/{CARDS[card]}".encode())
            for number, pan in enumerate(CARDS):
                name = f"e-{len(sent)}"
                sent[name] = (pan, now_ms)
                event = encoded(event_id=name, event_ts=stamp(now_ms), card={"pan_hmac": pan})
                topic = settings.topics.authorizations
                await client.send(topic, event, partition=number % PARTITIONS, timestamp_ms=now_ms)
            await asyncio.sleep(0.05)
            if not is_killed and time.monotonic() - began > SECONDS / 2:
                is_killed = True
                workers[0].kill()
                workers[0].wait()
                workers[0] = restart()
        await client.flush()
    return sent


def in_force(records: list[Any], pan: str, at_ms: int) -> bool:
    """Tell whether the last record of a card that counts at a time says that it is stolen."""
    last = None
    for record in records:
        counts_from_s = -(-(record.timestamp + int(DELAY_S * 1000)) // 1000)
        if record.key == f"stolen/{pan}".encode() and counts_from_s <= at_ms // 1000:
            last = record.value
    if last in (None, b"{"):
        return False
    return at_ms // 1000 < int(datetime.fromisoformat(json.loads(last)["effective_to"]).timestamp())


def test_two_workers_and_a_killed_one_decide_by_the_records_and_their_delay(apache: Broker, tmp_path: Path) -> None:
    settings = new_worker(apache, PARTITIONS, instance=None, names=Topics(lists="lists"))
    settings = msgspec.structs.replace(
        settings, state=State(flush_interval_s=0.05), lists=ListsSettings(delay_s=DELAY_S)
    )
    (tmp_path / "policy.yaml").write_text(POLICY)
    with ExitStack() as stack:

        def start() -> Any:
            return stack.enter_context(worker_process(settings, module=MODULE, arguments=(str(tmp_path),)))

        workers = [start(), start()]
        sent = asyncio.run(play(settings, workers, start, tmp_path))
        await_committed(settings, len(sent), PARTITIONS, *workers)
        assert [terminate(process) for process in workers] == [0, 0]
    assert settings.topics.lists is not None
    records = asyncio.run(read(settings.broker, settings.topics.lists, 1, END_S))
    made = [
        json.loads(r.value) for r in asyncio.run(read(settings.broker, settings.topics.decisions, len(sent), END_S))
    ]
    assert sorted(one["decision_id"] for one in made) == sorted(sent), "one decision for each payment"
    denied = 0
    for one in made:
        expected = in_force(records, *sent[one["decision_id"]])
        denied += expected
        assert bool(one.get("list_hits")) == expected, one["decision_id"]
        assert one["band"] == ("BLOCK" if expected else "ALLOW")
        assert one["versions"]["lists"] == "topic/3000ms"
    assert denied > len(sent) / 20
    assert "list_records_refused" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("configs", "told"),
    [
        ({"message.timestamp.type": "CreateTime"}, "message.timestamp.type=CreateTime, but needs LogAppendTime"),
        ({"cleanup.policy": "delete"}, "cleanup.policy=delete, but needs compact"),
        ({"min.compaction.lag.ms": "602000"}, "min.compaction.lag.ms=602000, but needs at least 603000"),
        ({"delete.retention.ms": "0"}, "delete.retention.ms=0, but needs at least 603000"),
    ],
)
def test_a_topic_that_would_lose_or_misdate_entries_is_refused(
    apache: Broker, tmp_path: Path, configs: dict[str, str], told: str
) -> None:
    settings = new_worker(apache, 1, instance=None, names=Topics(lists="lists"))
    settings = msgspec.structs.replace(settings, lists=ListsSettings(delay_s=DELAY_S))
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert settings.topics.lists is not None
    run = worker_process(settings, module=MODULE, arguments=(str(tmp_path),))
    with changed(settings.broker.bootstrap[0], settings.topics.lists, configs), run as worker:
        assert worker.wait(END_S) == 1
    assert told in (tmp_path / "log").read_text()


async def feed(settings: WorkerSettings, name: str, is_over: Callable[[], bool]) -> int:
    """Send payments with new devices to all partitions until something is over; return their number."""
    number = 0
    async with producer(settings.broker) as client, asyncio.timeout(END_S):
        while not is_over():
            for partition in range(PARTITIONS):
                event = encoded(event_id=f"{name}-{number}", device={"fp_hmac": token(f"{name}-{number}")})
                await client.send_and_wait(settings.topics.authorizations, event, partition=partition)
                number += 1
            await asyncio.sleep(0.02)
    return number


def test_a_worker_with_another_delay_than_the_group_halts_and_the_group_goes_on(apache: Broker, tmp_path: Path) -> None:
    settings = new_worker(apache, PARTITIONS, instance=None, names=Topics(lists="lists"))
    settings = msgspec.structs.replace(settings, state=State(flush_interval_s=0.05), lists=ListsSettings(delay_s=3.0))
    other = msgspec.structs.replace(settings, lists=ListsSettings(delay_s=4.0))
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
        (folder / "policy.yaml").write_text(POLICY)
    with ExitStack() as stack:

        def start(settings: WorkerSettings, folder: Path) -> Any:
            return stack.enter_context(worker_process(settings, module=MODULE, arguments=(str(folder),)))

        first = start(settings, folders[0])
        sent = asyncio.run(feed(settings, "a", lambda: starts(folders[0]) == 1))
        second = start(other, folders[1])
        sent += asyncio.run(feed(settings, "b", lambda: second.poll() is not None))
        assert (first.poll(), second.returncode) == (None, 1)
        *_, last = [line for line in (folders[1] / "log").read_text().splitlines() if "SettingsDifferError: " in line]
        assert "lists.delay_s is 4 here, and 3 at the worker that writes" in last
        await_committed(settings, sent, PARTITIONS, first)
        assert terminate(first) == 0
        before = sum(map(starts, folders))
        workers = [start(other, folder) for folder in folders]
        sent += asyncio.run(feed(settings, "c", lambda: sum(map(starts, folders)) == before + 2))
        await_committed(settings, sent, PARTITIONS, *workers)
        assert [terminate(process) for process in workers] == [0, 0], "all have the new delay"
    made = asyncio.run(read(settings.broker, settings.topics.decisions, sent, END_S))
    assert len({json.loads(record.value)["decision_id"] for record in made}) == sent == len(made)
