"""The rights of a worker: together they are enough, each one is needed, and a missing one is named at the start."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiokafka
import msgspec
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka.admin import create_topics
from streams.kafka.errors import RightsError, UnreadableError
from streams.kafka.fence import Fence, FenceError
from streams.kafka.reading.log import LogReader
from streams.kafka.rights.acls import grants
from streams.kafka.rights.granted import require
from streams.kafka.rights.table import Kind, Operation, Right
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, TopicPartitions, Topics
from streams.kafka.topics import TopicsSettings, plan
from streams.state.check import check_topics
from streams.state.settings import State
from streams.transport.settings import Consume, Emit
from streams.worker.settings import Watch, WorkerSettings
from streams.worker.whole.lists import ListLoader
from tests.brokers.acls import put_in_force
from tests.brokers.load import committed, load, producer, read
from tests.brokers.secured import USER, Secured
from tests.brokers.workers import ROOT, terminate
from tests.bundles import bundle_files
from tests.doubles import NoTelemetry
from tests.events import encoded
from tests.integration.fakes import EchoEngine

pytestmark = pytest.mark.kafka

WHOSE = f"User:{USER}"
TOPICS = TopicsSettings(prefix="rights-", partitions=TopicPartitions(events=2), names=Topics(lists="lists"))
SETTINGS = WorkerSettings(
    topics=TOPICS.full,
    consume=Consume(group="rights", commit_interval_s=0.1),
    emit=Emit(ack_timeout_s=5.0),
    state=State(flush_interval_s=0.1),
    watch=Watch(interval_s=0.2, stall_s=20.0, drain_s=20.0),
)
RIGHTS = SETTINGS.rights
READY_S = 240.0  # kernels may have to be compiled
END_S = 40.0


@pytest.fixture(scope="module", autouse=True)
def topics(secured: Secured) -> None:
    """Create all topics, with a record in each."""
    asyncio.run(create_topics(secured.as_super, plan(TOPICS)))
    asyncio.run(fill(secured.as_super))


async def fill(broker: Broker) -> None:
    async with producer(broker) as client:
        for name in SETTINGS.topics.of(Topics.__struct_fields__):
            await client.send_and_wait(name, b"no such thing", key=b"nobody", partition=0)


def as_user(secured: Secured, **changes: object) -> WorkerSettings:
    return msgspec.structs.replace(SETTINGS, broker=secured.as_user, **changes)


def grant(secured: Secured, rights: Sequence[Right]) -> None:
    """Grant the user these rights and no others."""
    put_in_force(secured.as_super, WHOSE, grants(rights, WHOSE, "broker:9092"))


def without(right: Right) -> list[Right]:
    return [other for other in RIGHTS if other != right]


def name_of(right: Right) -> str:
    return f"{right.operation}-{right.kind}-{right.name}"


@pytest.mark.parametrize("left_out", RIGHTS, ids=name_of)
def test_each_right_that_is_missing_is_named_alone_and_with_the_line_that_grants_it(
    secured: Secured, left_out: Right
) -> None:
    settings = as_user(secured)
    grant(secured, without(left_out))
    with pytest.raises(RightsError) as refused:
        asyncio.run(require(settings.broker, RIGHTS))
    told, _, lines = str(refused.value).partition(". Grant with: ")
    what = f"{left_out.kind}s that begin with" if left_out.is_prefix else left_out.kind
    assert told == f"{WHOSE} lacks {left_out.operation} on {what} {left_out.name!r}"
    put_in_force(secured.as_super, WHOSE, [*grants(without(left_out), WHOSE, "b:1"), *lines.split("; ")])
    asyncio.run(require(settings.broker, RIGHTS))


async def use(settings: WorkerSettings, right: Right) -> None:
    """Use a right as a worker does, with the worker's own parts where it has them."""
    if right.kind is Kind.TRANSACTIONAL_ID:
        await _fence(settings)
    elif right.kind is Kind.GROUP:
        await _join(settings)
    elif right.operation is Operation.DESCRIBE_CONFIGS and right.name == settings.topics.lists:
        loader = ListLoader(right.name, settings, EchoEngine(), NoTelemetry())
        try:
            await loader.on_start()
        finally:
            await loader.on_stop()
    elif right.operation is Operation.DESCRIBE_CONFIGS:
        await check_topics(settings)
    elif right.operation is Operation.WRITE:
        async with aiokafka.AIOKafkaProducer(**client_options(settings.broker), acks="all") as client:
            await client.send_and_wait(right.name, b"once more", key=b"nobody", partition=0)
    else:
        reader = LogReader(settings.broker, client_id="test", isolation="read_committed")
        await reader.start()
        try:
            tp = TopicPartition(right.name, 0)
            begin, _ = (await reader.bounds([tp]))[tp]
            assert [len(rows) async for rows in reader.read(tp, begin, begin + 1)] == [1]
        finally:
            await reader.stop()


async def _fence(settings: WorkerSettings) -> None:
    client = AIOKafkaClient(**client_options(settings.broker))
    await client.bootstrap()
    try:
        fence = Fence(lambda: client, settings.consume.group, timeout_s=END_S)
        await fence.take(0, [TopicPartition(settings.topics.decisions, 0)])
    finally:
        await client.close()


async def _join(settings: WorkerSettings) -> None:
    consumer = aiokafka.AIOKafkaConsumer(
        settings.topics.authorizations,
        **client_options(settings.broker),
        group_id=settings.consume.group,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        await consumer.getone()
    finally:
        await consumer.stop()


REFUSED = (KafkaError, UnreadableError, FenceError)


@pytest.mark.parametrize("right", RIGHTS, ids=name_of)
def test_each_right_is_needed(secured: Secured, right: Right) -> None:
    settings = as_user(secured)
    grant(secured, without(right))
    with pytest.raises(REFUSED):
        asyncio.run(use(settings, right))
    grant(secured, RIGHTS)
    asyncio.run(use(settings, right))


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the context ends; its log goes to a file."""
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr) as worker:
        try:
            yield worker
        finally:
            if worker.poll() is None:
                worker.kill()


def worker(settings: WorkerSettings, module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.integration.{module}", msgspec.json.encode(settings).decode(), *arguments]


def last_line(log: Path) -> str:
    return log.read_text().splitlines()[-1]


def until(reached: Callable[[], bool], worker: "subprocess.Popen[bytes]", log: Path, seconds: float = END_S) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert worker.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def offsets(secured: Secured, settings: WorkerSettings) -> int:
    topic, group = settings.topics.authorizations, settings.consume.group
    return sum(asyncio.run(committed(secured.as_super, group, topic, [0, 1])).values())


def test_all_of_them_are_enough_for_a_worker_that_decides_ends_and_restores(secured: Secured, tmp_path: Path) -> None:
    topics, log = msgspec.structs.replace(TOPICS, prefix="enough-"), tmp_path / "log"
    settings = as_user(secured, topics=topics.full, consume=Consume(group="enough", commit_interval_s=0.1))
    asyncio.run(create_topics(secured.as_super, plan(topics)))
    grant(secured, settings.rights)
    for turn in (1, 2):
        events = [encoded(event_id=f"turn-{turn}-{number}") for number in range(20)]
        asyncio.run(load(secured.as_super, settings.topics.authorizations, {0: [*events, b"{"]}))
        with process(worker(settings, "state.deciding"), log) as running:
            until(lambda turn=turn: offsets(secured, settings) >= 21 * turn, running, log, READY_S)  # type: ignore[misc]
            assert terminate(running) == 0, log.read_text()  # type: ignore[arg-type]
    made = asyncio.run(read(secured.as_super, settings.topics.decisions, 40, END_S))
    ids = sorted(json.loads(record.value)["decision_id"] for record in made)
    assert ids == sorted(f"turn-{turn}-{number}" for turn in (1, 2) for number in range(20))


CONFIG = """\
kafka:
  bootstrap_servers: ["{address}"]
  sasl: {{username: {user}, password: {{env: SEKISHO_TEST_KAFKA_PASSWORD}}}}
topics: {{prefix: "rights-", partitions: {{events: 2}}}}
consume: {{group: rights}}
http: {{enabled: false}}
model: {{bundle_dir: "{bundle}"}}
"""


def test_a_worker_that_may_not_read_the_group_ends_with_3_before_it_reads_anything(
    secured: Secured, tmp_path: Path
) -> None:
    for name, content in bundle_files().items():
        (tmp_path / name).write_bytes(content)
    config, log = tmp_path / "config.yaml", tmp_path / "log"
    address = secured.as_user.bootstrap[0]
    config.write_text(CONFIG.format(address=address, user=USER, bundle=tmp_path))
    (right,) = [right for right in RIGHTS if right.kind is Kind.GROUP]
    grant(secured, without(right))
    command = [sys.executable, "-c", "from streams.cli import main; raise SystemExit(main())"]
    with process([*command, "worker", "--config", str(config)], log) as running:
        assert running.wait(READY_S) == 3
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in logged] == ["model_not_watched", "engine_built", "worker_halted"]
    (line,) = grants([right], WHOSE, address)
    assert logged[-1]["error"] == f"RightsError: {WHOSE} lacks Read on Group 'rights'. Grant with: {line}"


def test_a_group_that_is_refused_after_the_check_ends_the_worker_at_once(secured: Secured, tmp_path: Path) -> None:
    """As if the right was revoked after the check, when no poll runs yet that would receive the error."""
    settings, log = as_user(secured, state=State(enabled=False), consume=Consume(group="late")), tmp_path / "log"
    rights = settings.rights
    grant(secured, [right for right in rights if right.kind is not Kind.GROUP])
    with process(worker(settings, "worker", "unchecked"), log) as running:
        assert running.wait(END_S) == 1
    assert f"RightsError: {WHOSE} lacks Read on Group 'late'. Grant with: " in last_line(log)


@pytest.mark.parametrize(
    "lost",
    [
        Right(Operation.READ, Kind.GROUP, "revoked", ""),
        Right(Operation.WRITE, Kind.TOPIC, SETTINGS.topics.decisions, ""),
    ],
    ids=name_of,
)
def test_a_right_that_is_revoked_ends_the_worker_with_its_name_in_the_last_line(
    secured: Secured, tmp_path: Path, lost: Right
) -> None:
    consume = Consume(group="revoked", commit_interval_s=0.1)
    settings, log = as_user(secured, state=State(enabled=False), consume=consume), tmp_path / "log"
    rights = settings.rights
    grant(secured, rights)
    topic = settings.topics.authorizations
    with process(worker(settings, "worker"), log) as running:
        asyncio.run(load(secured.as_super, topic, {0: [b"before"]}))
        (end,) = asyncio.run(ends(secured, topic))
        until(lambda: offsets(secured, settings) >= end, running, log)
        grant(secured, [right for right in rights if right[:3] != lost[:3]])
        asyncio.run(load(secured.as_super, topic, {0: [b"after"]}))
        assert running.wait(END_S) == 1, log.read_text()
    assert f"RightsError: {WHOSE} lacks {lost.operation} on {lost.kind} {lost.name!r}. Grant with: " in last_line(log)


async def ends(secured: Secured, topic: str) -> list[int]:
    async with aiokafka.AIOKafkaConsumer(**client_options(secured.as_super)) as consumer:
        return list((await consumer.end_offsets([TopicPartition(topic, 0)])).values())
