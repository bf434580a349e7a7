"""Two workers under an attack of 10,000 attempts, beside a merchant that floods, while an experiment is in force.

One worker is killed, partitions move, the share of the experiment changes, and all workers are started again. All that
is published is kept, with what was sent.
"""

import asyncio
import json
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from scoring.policy import Policy, policy_from
from streams.kafka.embedded import free_port
from streams.kafka.settings import APACHE_KAFKA, Broker
from streams.replay.child import fetch
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from tests.brokers.load import load, read
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.decode.test_side_inputs import report
from tests.experiment.made import experiment, levels, rule
from tests.incidents.test_storm import START, attempt
from tests.integration.state.test_halting import members
from tests.integration.state.test_profiles import END_S, MODULE, await_committed, new_worker

PARTITIONS: Final = 4
ATTEMPTS: Final = 10_000
SPACING_S: Final = 0.1
ALONE: Final = 60
"""Attempts, and payments of the flood, that one worker takes from partition 0 before there is another one."""

BLOCKS: Final = ((ALONE, 1_500), (1_500, 3_500), (3_500, 6_500), (6_500, 8_000), (8_000, ATTEMPTS))
"""Attempts that are written until the second worker starts; before the share changes; before and after the kill; and
after all workers were started again."""

FLOODED: Final = "m-flooded"
FLOOD_EVERY: Final = 10
REPORTED_EVERY: Final = 7
SHARES: Final = (300, 600)
ANSWERS: Final = {7: (True, "00"), 11: (False, "51"), 13: (False, "59"), 17: (False, "96")}
"""How attempts are answered, by their number modulo 20. The others have wrong card data."""

Event = dict[str, Any]


class Played(NamedTuple):
    """What was sent and what was published. `sent`: events by id. `reported`: those reported as fraud.

    `decisions`: each with its partition. `policies`: before and after the change. `metrics`: of the last two workers.
    `late`: events that were sent after all workers were started again.
    """

    sent: dict[str, Event]
    reported: frozenset[str]
    decisions: list[tuple[int, Event]]
    alerts: list[Event]
    policies: list[Policy]
    metrics: list[dict[str, float]]
    late: frozenset[str]


def policy(share: int) -> Policy:
    """Decide by the amount alone, in either arm by other limits."""
    off = levels(1_000, 1_000, 1_000)

    def rules(review: int, step_up: int, block: int) -> list[dict[str, Any]]:
        bounds = {"review": review, "step_up": step_up, "block": block}
        return [rule(action, f"payment.amount_jpy > {yen}", action) for action, yen in bounds.items()]

    said = experiment(
        share,
        effective_from="2026-04-01T00:00:00Z",
        effective_to="2026-12-31T00:00:00Z",
        candidate={"version": "c", "rules": rules(3_000, 5_000, 9_000)},
    )
    caps = {"blocks_per_hour": 10**6, "merchant_blocks_per_hour": 10**6}  # never reached
    document = {"version": f"p-{share}", "global": off, "rules": rules(2_000, 4_000, 8_000), "rule_caps": caps}
    return policy_from(document | {"experiment": said})


def band_of(yen: int, arm: str) -> str:
    """Return the band of a payment, by hand."""
    bounds = (2_000, 4_000, 8_000) if arm == "A" else (3_000, 5_000, 9_000)
    return ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")[sum(yen > bound for bound in bounds)]


def tried(number: int) -> bytes:
    """Make an attempt of the attack."""
    approved, code = ANSWERS.get(number % 20, (False, "14")) if number >= ALONE else (False, "14")
    yen = (1_000, 2_500, 1_000, 4_500, 1_000, 1_000, 3_500, 8_500 if number >= ALONE else 1_000)[number % 8]
    outcome = {"phase": "POST_AUTH", "approved": approved, "response_code": code}
    network = {"network": "jcb"} if number >= ALONE and number % 9 == 4 else {}
    return attempt(number, number * SPACING_S, yen=yen, outcome=outcome, card_changes=network)


def flooded(number: int) -> bytes:
    """Make a payment of the flood: each with a card of its own."""
    choose = random.Random(number)  # noqa: S311 -- a seed, no secret
    return paid(10**5 + number, number * SPACING_S, choose.choice((1_000, 2_500, 3_500, 4_500, 5_500, 9_500)), FLOODED)


def paid(number: int, seconds: float, yen: int = 1_000, merchant: str = "m-quiet") -> bytes:
    """Make an approved payment."""
    outcome = {"phase": "POST_AUTH", "approved": True, "response_code": "00"}
    return attempt(number, seconds, yen=yen, merchant={"id": merchant}, outcome=outcome)


class Play:
    """The workers, and what was sent to them."""

    def __init__(self, settings: WorkerSettings, folder: Path, stack: ExitStack) -> None:
        self.settings = settings
        self._folder, self._stack = folder, stack
        self.sent: dict[str, Event] = {}
        self.reported: set[str] = set()
        self.running: list[tuple[Path, subprocess.Popen[str]]] = []

    @property
    def processes(self) -> "list[subprocess.Popen[str]]":
        return [process for _, process in self.running]

    def start(self, made: Policy) -> None:
        """Start a worker with files of its own."""
        place = self._folder / f"worker-{len(list(self._folder.iterdir()))}"
        place.mkdir()
        (place / "log").touch()
        (place / "port").write_text(str(free_port()))
        _put(place, made)
        process = self._stack.enter_context(worker_process(self.settings, module=MODULE, arguments=(str(place),)))
        self.running.append((place, process))

    def await_members(self) -> None:
        """Wait until the group has all workers, and events flow in each."""
        self._until(lambda: asyncio.run(members(self.settings)) == len(self.running))
        self._until(lambda: all("worker_started" in (place / "log").read_text() for place, _ in self.running))

    def change(self, made: Policy) -> None:
        """Put another policy in the files of all workers, and wait until all use it."""
        for place, _ in self.running:
            _put(place, made)
        self._until(lambda: all(f"new={made.identity}" in (place / "log").read_text() for place, _ in self.running))

    def write(self, parts: dict[int, list[bytes]]) -> None:
        """Write authorizations."""
        for part in parts.values():
            self.sent |= {event["event_id"]: event for event in map(json.loads, part)}
        asyncio.run(load(self.settings.broker, self.settings.topics.authorizations, dict(parts)))

    def write_block(self, first: int, last: int) -> None:
        """Write attempts, and the flood beside them, in turn to all partitions; the first ones to partition 0."""
        parts: dict[int, list[bytes]] = {partition: [] for partition in range(PARTITIONS)}
        for number in range(first, last):
            parts[number % PARTITIONS if number >= ALONE else 0].append(tried(number))
            if number % FLOOD_EVERY == 0 or number < ALONE:
                parts[number // FLOOD_EVERY % PARTITIONS if number >= ALONE else 0].append(flooded(number))
        self.write(parts)

    def await_all(self, count: int | None = None) -> None:
        """Wait until all that was written, or so many events, are applied."""
        await_committed(self.settings, len(self.sent) if count is None else count, PARTITIONS, *self.processes)

    def report(self, decisions: list[tuple[int, Event]]) -> None:
        """Report some payments as fraud, each in the partition of its payment."""
        parts: dict[int, list[bytes]] = {partition: [] for partition in range(PARTITIONS)}
        at = (START + timedelta(days=10)).isoformat().replace("+00:00", "Z")
        for partition, decision in decisions:
            event = self.sent[decision["decision_id"]]
            number = int(event["event_id"].removeprefix("a-"))
            if number % REPORTED_EVERY:
                continue
            told = {"merchant_id": event["merchant"]["id"], "pan_hmac": event["card"]["pan_hmac"], "received_ts": at}
            parts[partition].append(report(label_id=f"l-{number}", event_id=event["event_id"], **told))
            self.reported.add(event["event_id"])
        topic = self.settings.topics.fraud_reports
        asyncio.run(load(self.settings.broker, topic, dict(parts)))
        await_applied(self.settings, topic, len(self.reported), PARTITIONS, *self.processes)

    def alerts(self) -> list[Event]:
        """Read all alerts; those of one key are in their order."""
        return [json.loads(record.value) for record in self._read(self.settings.topics.alerts)]

    def decisions(self) -> list[tuple[int, Event]]:
        """Read all decisions, each with its partition."""
        return [(one.partition, json.loads(one.value)) for one in self._read(self.settings.topics.decisions)]

    def _read(self, topic: str) -> list[Any]:
        return asyncio.run(read(self.settings.broker, topic, 1, END_S))

    def metrics(self) -> list[dict[str, float]]:
        """Read the metrics of the workers that run."""
        return [_metrics(int((place / "port").read_text())) for place, _ in self.running]

    def stop(self) -> None:
        """End all workers as an operator does."""
        assert [terminate(process) for process in self.processes] == [0] * len(self.running)
        self.running.clear()

    def kill(self) -> None:
        """End the worker that was started first, with `kill -9`."""
        _, process = self.running.pop(0)
        process.kill()
        process.wait()

    def _until(self, is_met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + END_S
        while not is_met():
            assert time.monotonic() < deadline
            assert [process.poll() for process in self.processes] == [None] * len(self.processes)


def _put(place: Path, made: Policy) -> None:
    (place / "beside.yaml").write_bytes(msgspec.json.encode(made))  # JSON is YAML too
    (place / "beside.yaml").rename(place / "policy.yaml")


def _metrics(port: int) -> dict[str, float]:
    lines = fetch(f"http://127.0.0.1:{port}/metrics").decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def played(broker: Broker, folder: Path) -> Played:
    """Let it all happen."""
    soon = msgspec.structs.replace(APACHE_KAFKA, session_timeout_s=6.0, heartbeat_interval_s=1.0)
    settings = new_worker(msgspec.structs.replace(broker, profile=soon), PARTITIONS, instance=None)
    settings = msgspec.structs.replace(settings, state=State(flush_interval_s=0.4))  # a kill leaves decisions behind
    before, after = policy(SHARES[0]), policy(SHARES[1])
    with ExitStack() as stack:
        play = Play(settings, folder, stack)
        play.start(before)
        play.write_block(0, ALONE)
        play.await_all()
        play.write_block(*BLOCKS[0])
        play.start(before)
        play.await_members()
        play.await_all()
        play.write_block(*BLOCKS[1])
        play.change(after)
        play.await_all()
        play.write_block(*BLOCKS[2])
        play.await_all(int(0.5 * BLOCKS[2][1]))
        play.kill()
        play.write_block(*BLOCKS[3])
        play.await_all()
        play.stop()
        earlier = set(play.sent)
        play.start(after)  # it restores all partitions, so it knows all parts
        play.write_block(*BLOCKS[4])
        play.await_all()
        for quiet_s in (1_801, 2_000):
            begin = ATTEMPTS * SPACING_S + quiet_s
            play.write({number: [paid(2 * 10**5 + int(begin) + number, begin)] for number in range(PARTITIONS)})
        play.await_all()
        play.start(after)
        play.await_members()
        play.report(play.decisions())
        days_s = timedelta(days=31).total_seconds()
        play.write(
            {n: [paid(3 * 10**5 + 10 * k + n, days_s + k, yen=5_500) for k in range(9)] for n in range(PARTITIONS)}
        )
        play.await_all()
        made = Played(
            sent=play.sent,
            reported=frozenset(play.reported),
            decisions=play.decisions(),
            alerts=play.alerts(),
            policies=[before, after],
            metrics=play.metrics(),
            late=frozenset(play.sent.keys() - earlier),
        )
        play.stop()
    return made


def at_ms(event: Event) -> int:
    """Return the time of an event in ms since the epoch."""
    return round(datetime.fromisoformat(event["event_ts"]).astimezone(UTC).timestamp() * 1_000)
