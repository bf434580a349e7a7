"""A hundred policies, fifty in a row at each of two workers on Apache Kafka, which are killed two times each.

Each event is decided once, and everything that is published equals an uninterrupted run of the core in memory, given
the policies that markers record. The partitions have acquirers of their own, so they share no profile.
"""

import asyncio
import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.outputs import Source
from scoring.policy import Policy
from streams.config.policies import load_policy_file
from streams.kafka.settings import Broker
from streams.state.log.marker import KEY, Held, decode
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import producer, read, reader, stamp_ms
from tests.brokers.workers import terminate, worker_process
from tests.bundles import small_bundle
from tests.incidents.test_storm import attempt
from tests.integration.state.deciding import new_engine
from tests.integration.state.test_end_to_end import told_by
from tests.integration.state.test_profiles import END_S, MODULE, alerts, await_committed, letters, new_worker

pytestmark = pytest.mark.kafka

PARTITIONS = 2
FILES = 50
BAD = range(5, FILES, 10)
KILLS = {10: ("one",), 22: ("two",), 35: ("one", "two")}
"""Workers that are killed while they take the policy of a number into use."""
NAMES = ("one", "two")
CHUNK = 6
REFUSED = b'{"event_ts":"2026-05-01T03:00:00.000Z"}'
APPROVED = {"phase": "POST_AUTH", "approved": True, "response_code": "00"}


class Traffic:
    """The events of one partition as they were sent: an attack on a merchant, payments, repeats, refused records."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.sent: list[bytes] = []

    def more(self) -> list[bytes]:
        begin = len(self.sent)
        for number in range(begin, begin + CHUNK):
            self.sent.append(self._event(number))
        return self.sent[begin:]

    def _event(self, number: int) -> bytes:
        if number % 13 == 6:
            return self.sent[-2]
        if number % 29 == 8:
            return REFUSED
        about: dict[str, Any] = {"acquirer": {"id": f"acq-{self._partition}"}}
        if number % 7 == 4:
            about |= {"merchant": {"id": "m-9"}, "outcome": APPROVED}
        return attempt(number + self._partition * 10**6, number / 20, yen=100_000 * (number % 10), **about)


class Worker:
    """A worker with files of its own."""

    def __init__(self, settings: WorkerSettings, name: str, folder: Path, stack: ExitStack) -> None:
        consume = msgspec.structs.replace(settings.consume, instance_id=name)
        self._settings = msgspec.structs.replace(settings, consume=consume)
        self._stack, self.name, self.folder = stack, name, folder / name
        self.folder.mkdir()
        (self.folder / "log").touch()
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        run = worker_process(self._settings, module=MODULE, arguments=(str(self.folder),))
        self.process = self._stack.enter_context(run)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def put(self, text: str) -> None:
        """Write the file in two steps: a worker may look between them."""
        with (self.folder / "policy.yaml").open("w") as file:
            file.write(text[: len(text) // 2])
            file.flush()
            file.write(text[len(text) // 2 :])

    @property
    def starts(self) -> int:
        """Number of times that it has started: it reads its file before, and not while the next is written."""
        return self.logged.count("worker_started")

    @property
    def logged(self) -> str:
        return (self.folder / "log").read_text()


def text_of(name: str, number: int) -> str:
    choose = random.Random(f"{name}-{number}")  # noqa: S311 -- a seed, no secret
    review = choose.randint(50, 700)
    levels = f"{{review: {review}, step_up: {review + 80}, block: {review + 160}}}"
    lowest, cards = choose.choice(("REVIEW", "BLOCK")), choose.randint(8, 60)
    rules = f"{{minimum_band: {lowest}, incidents: {{bin_cards_10m: {cards}}}}}"
    return f"version: '{name}-{number}'\nglobal: {levels}\nalerts: {rules}\n"


async def until_decided(
    settings: WorkerSettings,
    client: Any,
    seen: Any,
    parts: list[Traffic],
    wanted: set[str],
    is_met: Callable[[], bool] = lambda: True,
) -> None:
    """Send events until decisions name these versions, and a condition is met."""
    async with asyncio.timeout(END_S):
        while wanted or not is_met():
            for partition, traffic in enumerate(parts):
                for value in traffic.more():
                    topic, at_ms = settings.topics.authorizations, stamp_ms(value, 0)
                    await client.send(topic, value, partition=partition, timestamp_ms=at_ms)
            for records in (await seen.getmany(timeout_ms=30)).values():
                wanted -= {json.loads(record.value)["versions"]["policy"].partition("+")[0] for record in records}


async def play(settings: WorkerSettings, workers: dict[str, Worker], parts: list[Traffic]) -> None:
    decisions = settings.topics.decisions
    async with producer(settings.broker) as client, reader(settings.broker, decisions, wait_ms=20) as seen:
        for number in range(FILES):
            for name, worker in workers.items():
                if number in BAD:
                    refused = worker.logged.count("policy_refused")
                    worker.put("version: [")
                    async with asyncio.timeout(END_S):
                        while worker.logged.count("policy_refused") == refused:
                            await asyncio.sleep(0.01)
                worker.put(text_of(name, number))
                if worker.process is None:
                    worker.start()
            killed = KILLS.get(number, ())
            if killed:
                await until_decided(settings, client, seen, parts, {f"{killed[0]}-{number}"})
            starts = sum(worker.starts for worker in workers.values())
            for name in killed:
                workers[name].kill()
                workers[name].start()

            def is_back(starts: int = starts + len(killed)) -> bool:
                return sum(worker.starts for worker in workers.values()) >= starts

            wanted = {f"{name}-{number}" for name in set(NAMES).difference(killed)}
            await until_decided(settings, client, seen, parts, wanted, is_back)
        await client.flush()


def switches(settings: WorkerSettings, partition: int) -> list[Held]:
    """Return every policy that a committed marker names, by offset."""
    topic = settings.topics.card_profiles
    records = asyncio.run(read(settings.broker, topic, 1, END_S, isolation="read_committed"))
    values = [record.value for record in records if record.key == KEY and record.partition == partition]
    found = {held.offset: held for value in values for held in decode(value, topic, PARTITIONS).policies}
    return [found[offset] for offset in sorted(found)]


def recount(
    values: list[bytes], held: list[Held], policies: dict[str, Policy], partition: int
) -> tuple[list[Any], dict[str, Any]]:
    """Decide a partition in memory, without interruption, by the recorded policies. Return decisions and alerts."""
    engine = new_engine(policies[held[0].policy])
    engine.set_partitions(PARTITIONS)
    engine.changelog.own(partition)
    made: list[Any] = []
    told: dict[str, Any] = {}
    for one, after in pairwise([*held, Held(policy="", offset=len(values))]):
        engine.use(engine.compile(policies[one.policy]))
        for begin in range(one.offset, after.offset, 500):
            end = min(begin + 500, after.offset)
            piece = values[begin:end]
            stamps = [stamp_ms(value, 0) for value in piece]
            where = Source(topic="authorizations", partition=partition, offsets=range(begin, end), timestamps_ms=stamps)
            found = engine.score(piece, where, received_at_ms=1, decided_at_ms=lambda: 1)
            made += [without_times(value) for _, value in found.decisions]
            told |= {msgspec.json.decode(value)["alert_id"]: value for _, value in found.alerts}
    return made, told


def without_times(value: bytes) -> Any:
    made = json.loads(value)
    made["times"] = made["times"].get("record_ms")
    return made


def test_a_hundred_policies_and_four_kills_leave_decisions_alerts_and_incidents_as_recorded(
    apache: Broker, tmp_path: Path
) -> None:
    warm_up(small_bundle())
    settings = msgspec.structs.replace(new_worker(apache, PARTITIONS), state=State(flush_interval_s=0.05))
    parts = [Traffic(partition) for partition in range(PARTITIONS)]
    with ExitStack() as stack:
        workers = {name: Worker(settings, name, tmp_path, stack) for name in NAMES}
        asyncio.run(play(settings, workers, parts))
        running = [worker.process for worker in workers.values() if worker.process is not None]
        await_committed(settings, sum(len(traffic.sent) for traffic in parts), PARTITIONS, *running)
        assert [terminate(process) for process in running] == [0, 0]
    check(settings, parts, tmp_path)


def check(settings: WorkerSettings, parts: list[Traffic], folder: Path) -> None:
    file, policies = folder / "one.yaml", {}
    for name in NAMES:
        for number in range(FILES):
            file.write_text(text_of(name, number))
            policy = load_policy_file(file)
            policies[policy.identity] = policy
    published = asyncio.run(read(settings.broker, settings.topics.decisions, 1, END_S))
    told = alerts(settings)
    assert len(told) == len({alert.alert_id for alert in told}), "each is told once"
    for partition, traffic in enumerate(parts):
        held = switches(settings, partition)
        expected, raised = recount(traffic.sent, held, policies, partition)
        made = [without_times(record.value) for record in published if record.partition == partition]
        assert Counter(one["decision_id"] for one in made) == Counter(one["decision_id"] for one in expected)
        assert made == expected
        mine = [alert for alert in told if alert.acquirer_id == f"acq-{partition}"]
        known = {name: told_by(msgspec.json.decode(value, type=type(mine[0]))) for name, value in raised.items()}
        assert {alert.alert_id: told_by(alert) for alert in mine} == known
        assert any(alert.incident is not None for alert in mine)
        assert len({one.policy for one in held}) >= FILES - len(KILLS), "its worker used them all"
    refused = {(p, n): 1 for p, traffic in enumerate(parts) for n, v in enumerate(traffic.sent) if v == REFUSED}
    assert letters(settings) == refused
