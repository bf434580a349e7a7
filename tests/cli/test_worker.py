"""The whole service from outside: topics, worker, endpoints, signals, on the embedded broker."""

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka.structs import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streams.config.policies import load_policy_file
from streams.kafka.embedded import EmbeddedBrokerError, embedded_broker, find_binary, free_port
from streams.kafka.settings import Broker
from tests.bundles import bundle_files
from tests.events import encoded, token

pytestmark = pytest.mark.embedded

ROOT = Path(__file__).parents[2]
READY_S = 240  # kernels may have to be compiled
ANSWER_S = 30
COMMAND = [sys.executable, "-c", "from streams.cli import main; raise SystemExit(main())"]
ENTITIES = ("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    try:
        find_binary()
    except EmbeddedBrokerError as error:
        pytest.skip(str(error))
    with embedded_broker() as running:
        yield running


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    for name, content in bundle_files().items():
        (folder / name).write_bytes(content)
    return folder


@dataclass
class Deployment:
    file: Path
    port: int
    bootstrap: str

    def sekisho(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *words, "--config", str(self.file)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=READY_S)

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
            return 0, ""
        finally:
            connection.close()

    def total(self, name: str) -> float:
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)


@pytest.fixture
def deployment(broker: Broker, bundle: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Deployment:
    settings = {
        "kafka": {"bootstrap_servers": list(broker.bootstrap), "profile": "embedded"},
        "topics": {"prefix": f"{abs(hash(request.node.name))}.", "partitions": {"events": 3}},
        "consume": {"group": f"group-{abs(hash(request.node.name))}"},
        "model": {"bundle_dir": str(bundle)},
        "profiles": {"rows": dict.fromkeys(ENTITIES, 1024)},
        "http": {"port": free_port()},
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(settings))
    return Deployment(file=file, port=settings["http"]["port"], bootstrap=broker.bootstrap[0])  # type: ignore[index]


def until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def test_topics_are_created_once_and_a_difference_is_reported(deployment: Deployment) -> None:
    created = deployment.sekisho("topics", "create")
    assert created.returncode == 0, created.stderr
    assert [line.split()[0] for line in created.stdout.splitlines()] == ["created"] * 9
    again = deployment.sekisho("topics", "create")
    assert again.returncode == 0, again.stderr
    assert [line.split()[0] for line in again.stdout.splitlines()] == ["exists"] * 9
    settings = json.loads(deployment.file.read_text())
    settings["topics"]["partitions"]["events"] = 5
    deployment.file.write_text(json.dumps(settings))
    differs = deployment.sekisho("topics", "create")
    assert differs.returncode == 2
    assert "authorizations: 3 partitions, not the configured 5" in differs.stderr


def test_a_broker_that_cannot_be_reached_is_infrastructure(deployment: Deployment) -> None:
    settings = json.loads(deployment.file.read_text())
    settings["kafka"]["bootstrap_servers"] = [f"127.0.0.1:{free_port()}"]
    deployment.file.write_text(json.dumps(settings))
    told = deployment.sekisho("topics", "create")
    assert told.returncode == 3
    assert told.stderr.startswith("sekisho topics create: 127.0.0.1:")
    assert len(told.stderr.splitlines()) == 1
    halted = deployment.sekisho("worker")
    assert halted.returncode == 3
    logged = [json.loads(line) for line in halted.stderr.splitlines()]
    assert [line["event"] for line in logged].count("worker_halted") == 1
    address = settings["kafka"]["bootstrap_servers"][0]
    assert logged[-1]["event"] == "worker_halted"
    assert logged[-1]["error"].startswith(f"UnreachableError: {address}: connection refused")


def test_a_worker_decides_everything_shows_it_and_drains_on_sigterm(deployment: Deployment, tmp_path: Path) -> None:
    assert deployment.sekisho("topics", "create").returncode == 0
    prefix = json.loads(deployment.file.read_text())["topics"]["prefix"]
    log = tmp_path / "log"
    command = [*COMMAND, "worker", "--config", str(deployment.file)]
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr) as worker:
        try:
            until(lambda: deployment.get("/livez")[0] == 200, READY_S, "alive")
            assert deployment.get("/readyz")[0] in {200, 503}
            until(lambda: deployment.get("/readyz")[0] == 200 or worker.poll() is not None, READY_S, "ready")
            asyncio.run(produce(deployment.bootstrap, prefix))
            until(lambda: deployment.total("sekisho_decision_latency_seconds_count") == 200, ANSWER_S, "delivered")
            assert deployment.total("sekisho_events_total") == 200
            assert deployment.total("sekisho_repeats_total") == 3
            assert deployment.total("sekisho_pan_guard_hits_total") == 1
            assert deployment.total("sekisho_decisions_total") == 193
            versions = json.loads(deployment.get("/version")[1])
            assert versions["model"].startswith("tests-")
        finally:
            worker.send_signal(signal.SIGTERM)
            status = worker.wait(READY_S)
    text = log.read_text()
    assert status == 0, text
    assert [json.loads(line)["event"] for line in text.splitlines()] == [
        "model_not_watched",
        "engine_built",
        "merchants_loaded",
        "predecessors_excluded_by",
        "profiles_restored",
        "worker_started",
        "policy_held",
        "worker_stopped",
    ]
    assert token("card-1") not in text
    decisions, committed = asyncio.run(outcome(deployment, prefix))
    assert len(decisions) == 193
    assert len({decision["decision_id"] for decision in decisions}) == 193
    assert committed == 200


def test_a_running_worker_follows_its_policy_and_keeps_the_last_good(deployment: Deployment, tmp_path: Path) -> None:
    policy, settings = tmp_path / "policy.yaml", json.loads(deployment.file.read_text())
    settings["policy"] = {"file": str(policy), "watch_interval_s": 0.1, "audit_file": str(tmp_path / "audit.jsonl")}
    deployment.file.write_text(json.dumps(settings))
    known: dict[str, dict[str, int]] = {}

    def change(text: str) -> None:
        """Put a file into place whole."""
        (tmp_path / "beside").write_text(text)
        (tmp_path / "beside").rename(policy)

    def version(number: int) -> None:
        levels = {"review": 100 * number, "step_up": 100 * number + 150, "block": 100 * number + 300}
        change(json.dumps({"version": str(number), "global": levels}))
        known[load_policy_file(policy).identity] = levels

    def fed(upto: int, reloads: int) -> None:
        """Send events up to a number, and wait for so many changes of the policy meanwhile."""
        asyncio.run(send(deployment.bootstrap, prefix, range(upto - 100, upto)))
        until(lambda: deployment.total("sekisho_policy_reloads_total") == reloads, ANSWER_S, "reloaded")

    version(3)
    assert deployment.sekisho("topics", "create").returncode == 0
    prefix = settings["topics"]["prefix"]
    command = [*COMMAND, "worker", "--config", str(deployment.file)]
    with (tmp_path / "log").open("wb") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr) as worker:
        try:
            until(lambda: deployment.get("/readyz")[0] == 200 or worker.poll() is not None, READY_S, "ready")
            fed(100, 0)
            version(5)
            fed(200, 1)
            change("version: [")
            fed(300, 2)
            assert deployment.total("sekisho_policy_refused") == 1
            version(4)
            worker.send_signal(signal.SIGHUP)
            fed(400, 3)
            assert deployment.total("sekisho_policy_refused") == 0
            fed(500, 3)
            until(lambda: deployment.total("sekisho_decisions_total") == 500, ANSWER_S, "decided")
        finally:
            worker.send_signal(signal.SIGTERM)
            status = worker.wait(READY_S)
    assert status == 0, (tmp_path / "log").read_text()
    decisions, committed = asyncio.run(outcome(deployment, prefix, 500))
    assert sorted(made["decision_id"] for made in decisions) == sorted(f"e-{n}" for n in range(500))
    assert committed == 500
    assert {made["versions"]["policy"] for made in decisions} == set(known)
    for made in decisions:
        reached = sum(made["score"] >= level for level in known[made["versions"]["policy"]].values())
        assert made["band"] == ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")[reached]
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["STARTED", "CHANGED", "REFUSED", "CHANGED"]


async def send(bootstrap: str, prefix: str, numbers: range) -> None:
    """Send events of different cards and amounts."""
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number in numbers:
            card = token(f"card-{number}")
            value = encoded(event_id=f"e-{number}", card={"pan_hmac": card}, amount={"minor": 1 << (number % 34)})
            await producer.send(f"{prefix}authorizations", value, key=card.encode())
        await producer.flush()


async def produce(bootstrap: str, prefix: str) -> None:
    """Send 200 values: 193 events, three of them again, three broken ones and one whose id is a card number."""
    number = "4000" + "0000" + "0000" + "0002"
    values = [encoded(event_id=f"e-{i}") for i in range(193)]
    values += [*values[-3:], b"{", b"[]", b"", encoded(event_id=number)]
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in values:
            await producer.send(f"{prefix}authorizations", value, key=b"one card, one partition")
        await producer.flush()


async def outcome(deployment: Deployment, prefix: str, expected: int = 193) -> tuple[list[dict[str, Any]], int]:
    """Return the decisions, and the number of events that the group's commits cover."""
    decisions: list[dict[str, Any]] = []
    topic = f"{prefix}decisions"
    async with aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=deployment.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        deadline = time.monotonic() + ANSWER_S
        while len(decisions) < expected and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                decisions += [json.loads(record.value) for record in records]
    group = json.loads(deployment.file.read_text())["consume"]["group"]
    async with aiokafka.AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap, group_id=group, enable_auto_commit=False
    ) as member:
        inputs = [TopicPartition(f"{prefix}authorizations", partition) for partition in range(3)]
        member.assign(inputs)
        return decisions, sum([await member.committed(partition) or 0 for partition in inputs])
