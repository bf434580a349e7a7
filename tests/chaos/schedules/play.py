"""Play one schedule against a broker: two workers, a short stream, the faults, and the check of the outputs."""

import asyncio
import functools
import itertools
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from msgspec.structs import astuple

from streams.config.load import load_settings
from streams.kafka.admin import create_topics
from streams.kafka.topics import plan
from tests.chaos.brokers.proxy import Fault as Breakage
from tests.chaos.brokers.proxy import Rule
from tests.chaos.brokers.site import Deployment, Site, merged
from tests.chaos.feed import Feed
from tests.chaos.oracles.books import await_committed, read_input, read_output
from tests.chaos.oracles.oracle import Output, exactly_once, same_cards
from tests.chaos.schedules.nursery import ForkedWorker, Nursery
from tests.chaos.schedules.schedule import KINDS, WORKERS, Effect, Fault, Schedule
from tests.chaos.stage import clear
from tests.chaos.traffic import Event, Mix, Traffic
from tests.chaos.workers import Crew

PARTITIONS = 2
RATE = 150.0
TRAFFIC = Traffic(events=600, partitions=PARTITIONS, mix=Mix(repeated=0.04, bad=0.03))

SETTINGS: Mapping[str, Any] = {
    "kafka": {"profile": {"session_timeout_s": 2.0, "heartbeat_interval_s": 0.4}, "request_timeout_s": 5.0},
    "consume": {"commit_interval_s": 0.15, "rebalance_timeout_s": 10.0},
    "state": {"flush_interval_s": 0.2, "fence_timeout_s": 15.0, "read_timeout_s": 8.0},
    "emit": {"ack_timeout_s": 1.5},
    "watch": {"interval_s": 0.25, "stall_s": 8.0, "settle_s": 20.0, "drain_s": 3.0},
    "policy": {"inline": {"version": "chaos", "global": {"review": 400, "step_up": 800, "block": 900}}},
}
"""Short sessions, flushes, commits and deadlines, and a policy that makes an alert of each twentieth event."""

UNFENCED: Mapping[str, Any] = {"kafka": {"profile": {"fencing": False}}}
"""Without the fence, to show that schedules detect what it prevents."""

START_S = 6.0
LOOK_S = 0.05
DRAIN_S = 45.0
"""From the last event and the last fault to the last commit."""

ARRIVAL_S = 5.0
"""For the broker to answer requests that were held to the end."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The result of a schedule: what is wrong, in sentences, and the faults whose moment came."""

    failures: tuple[str, ...]
    came: tuple[Fault, ...]
    halts: int
    seconds: float
    output: Output
    logs: tuple[Path, ...]


@functools.lru_cache(maxsize=1)
def events() -> tuple[Event, ...]:
    """Draw the stream, the same for every schedule."""
    return tuple(TRAFFIC)


def play(place: Site, nursery: Nursery, schedule: Schedule, calm: Output | None, *, fencing: bool = True) -> Played:
    """Play a schedule; `calm` is the output of the stream without a fault."""
    begun = time.monotonic()
    changes = SETTINGS if fencing else merged(SETTINGS, UNFENCED)
    name = f"schedule-{next(_numbers):05}"  # all of one length: no name is part of another
    deployment = Deployment(place, name, partitions=PARTITIONS, changes=changes, create=_create)
    crew = Crew([_worker(nursery, deployment, number) for number in range(WORKERS)])
    feed = Feed(place.bootstrap, deployment.topics.authorizations, events(), RATE)
    failures = []
    with _Faults(place, deployment, crew, schedule) as faults:
        with crew, feed:
            for worker in crew.workers:
                worker.wanted = True
            _await_ready(crew)
            feed.join()
            faults.await_over()
            missing = await_committed(deployment, DRAIN_S)
            if missing:
                failures.append(f"not committed {DRAIN_S:.0f} s after the last fault: {missing}")
        faults.await_arrival()
    out = read_output(deployment)
    topic = deployment.topics.authorizations
    failures += exactly_once(read_input(deployment), out, topic).failures
    if calm is not None:
        failures += same_cards(calm, out).failures
    own = [end for end in crew.ends if not end.asked]
    failures += [f"a worker ended with {end.status}: {end.line}" for end in own if not clear(end)]
    asyncio.run(_delete(deployment))
    return Played(
        failures=tuple(failures),
        came=tuple(faults.came),
        halts=len(own),
        seconds=round(time.monotonic() - begun, 1),
        output=out,
        logs=tuple(worker.log for worker in crew.workers),
    )


class _Faults:
    """The faults of a schedule, waiting for their moments. A context: at its end all faults are over and nothing is
    held.
    """

    def __init__(self, place: Site, deployment: Deployment, crew: Crew, schedule: Schedule) -> None:
        self.came: list[Fault] = []
        self._place = place
        self._crew = crew
        self._rules: list[tuple[Fault, Rule]] = []
        self._timers: list[threading.Timer] = []
        self._over_s = 0.0  # monotonic: end of the last fault that occurred
        for fault in schedule.faults:
            self._rules.append((fault, self._rule(deployment, fault)))

    def __enter__(self) -> "_Faults":
        for _, rule in self._rules:
            self._place.proxy.add(rule)
        return self

    def __exit__(self, *_: object) -> None:
        for _, rule in self._rules:
            self._place.proxy.release(rule)
            self._place.proxy.lift(rule)
        for timer in self._timers:
            timer.join()

    def await_over(self) -> None:
        """Wait until every fault that has begun is over; begin no more."""
        for _, rule in self._rules:
            if not rule.applied.is_set():
                self._place.proxy.lift(rule)
        while (left_s := self._over_s - time.monotonic()) > 0:
            time.sleep(left_s)
        for timer in self._timers:
            timer.join()

    def await_arrival(self) -> None:
        """Wait until the broker has answered the requests that were held."""
        for fault, rule in self._rules:
            if rule.held and fault.effect in (Effect.HOLD, Effect.DIE):
                rule.done.wait(ARRIVAL_S)

    def _rule(self, deployment: Deployment, fault: Fault) -> Rule:
        kind = KINDS[fault.kind]
        breakage, holds_all = _BREAKAGES.get(fault.effect, (Breakage.NONE, False))
        is_held = breakage in (Breakage.HOLD, Breakage.HOLD_ANSWER)
        moment = "answered" if fault.effect is Effect.KILL else "asked"
        return Rule(
            kind.apis,
            tuple(deployment.topic(field) for field in kind.fields),
            having=kind.having,
            client=deployment.client(fault.worker),
            fault=breakage,
            times=None if holds_all else 1,
            skip=fault.nth - 1,
            held_s=fault.seconds if is_held else None,
            **{moment: functools.partial(self._strike, fault)},
        )

    def _strike(self, fault: Fault) -> None:
        """Carry out a fault at its moment, in the proxy's thread. One that holds all requests is carried out once."""
        if fault in self.came:
            return
        self.came.append(fault)
        self._over_s = max(self._over_s, time.monotonic() + fault.seconds)
        crew, worker = self._crew, fault.worker
        match fault.effect:
            case Effect.DIE:
                crew.kill(worker)
            case Effect.KILL:
                crew.kill(worker, fault.seconds)
            case Effect.FREEZE:
                crew.freeze(worker)
                self._later(fault.seconds, lambda: crew.thaw(worker))
            case Effect.LEAVE:
                crew.workers[worker].signal(signal.SIGTERM)
            case Effect.RESTART:  # not in the proxy's thread, which it stops and starts
                self._later(0.0, lambda: self._place.restart_broker(kill=True, outage_s=fault.seconds))

    def _later(self, wait_s: float, effect: Callable[[], object]) -> None:
        timer = threading.Timer(wait_s, effect)
        self._timers.append(timer)
        timer.start()


_BREAKAGES: Mapping[Effect, tuple[Breakage, bool]] = {
    Effect.HOLD: (Breakage.HOLD, True),
    Effect.DIE: (Breakage.HOLD, False),
    Effect.ANSWERS: (Breakage.HOLD_ANSWER, True),
    Effect.CUT: (Breakage.CUT, False),
    Effect.LOSE: (Breakage.LOSE_ANSWER, False),
    Effect.KILL: (Breakage.LOSE_ANSWER, False),
}
"""The fate of the request, and whether it applies to all requests until the fault is over."""


def _worker(nursery: Nursery, deployment: Deployment, number: int) -> ForkedWorker:
    path, port = deployment.config(number)
    return ForkedWorker(nursery, number, ["worker", "--config", str(path)], path.with_suffix(".log"), port)


def _await_ready(crew: Crew) -> None:
    """Wait until all workers are ready, at most START_S: a fault may have ended them already."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and not all(worker.is_ready for worker in crew.workers):
        time.sleep(LOOK_S)


def _create(config: Path) -> None:
    settings = load_settings(config)
    asyncio.run(create_topics(settings.kafka, plan(settings.topics)))


async def _delete(deployment: Deployment) -> None:
    """Delete the topics, so that hundreds of schedules leave no logs behind."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.site.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(astuple(deployment.topics)))
    finally:
        await admin.close()
