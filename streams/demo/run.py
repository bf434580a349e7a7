"""Run the demonstration: start all processes in order, and end them."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.demo.audit import Audit, audit
from streams.demo.feed import Feed
from streams.demo.findings.incidents import Language
from streams.demo.state import State
from streams.demo.truth import Assessment, assess, read_truth
from streams.demo.view import save_picture
from streams.demo.watch import Watcher
from streams.kafka.embedded import embedded_broker, free_port
from streams.kafka.reading.tail import following
from streams.kafka.sending.bulk import sending
from streams.kafka.settings import Broker
from streams.kafka.topics import ensure, plan
from streams.replay.child import Child, address_of, await_ready, fetch, running

READY_S = 180.0  # the first start compiles the kernels
WORKER_END_S = 20.0
SIMULATOR_END_S = 5.0

CONFIG = """\
kafka:
  bootstrap_servers: ["{address}"]
  profile: embedded
topics:
  partitions: {{events: 3}}
  retention_ms: {{authorizations: 315360000000, fraud_reports: 315360000000}} # records carry simulated time
threeds:
  cavv_hmac_from: ["*"] # the simulator sends it wherever there was a cryptogram
http:
  port: {port}
"""


class Screen(Protocol):
    """Output of the demonstration."""

    period_s: float

    def __enter__(self) -> "Screen": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def say(self, text: str) -> None:
        """Show the present phase."""

    def draw(self) -> None:
        """Show the present state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Options: seconds of live traffic, days of history, seed, language, and the file of a picture."""

    live_s: float
    history_days: int
    seed: int
    language: Language
    picture: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of the demonstration. `worker_status`: the worker's exit status after SIGTERM."""

    assessment: Assessment
    audit: Audit
    made: Sequence[str]
    worker_status: int


async def perform(plan_: Plan, state: State, screen: Screen) -> Outcome:
    """Run the whole demonstration. All processes are ended, also after an error.

    Raises:
        EmbeddedBrokerError: the broker is not installed or does not start.
        ChildError: the worker or the simulator ended too early.
        FeedError: the worker stopped deciding.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-demo-")))
        screen.say("starting the embedded broker")
        broker = stack.enter_context(embedded_broker())
        settings, config = _configure(directory, broker)
        await ensure(settings.kafka, plan(settings.topics))
        simulator = stack.enter_context(_simulator(plan_, directory))
        worker = stack.enter_context(_worker(config, directory))
        made = await _show(plan_, state, screen, settings, worker, simulator)
        screen.say("reading the topics for the balance")
        exposition = (await asyncio.to_thread(fetch, f"{address_of(settings.http)}/metrics")).decode()
        balance = await audit(settings, exposition)
        screen.say("stopping the worker")
        status = await asyncio.to_thread(worker.end, WORKER_END_S)
        return Outcome(
            assessment=_judge(directory / "truth.jsonl", state), audit=balance, made=made, worker_status=status
        )


async def _show(
    plan_: Plan, state: State, screen: Screen, settings: Settings, worker: Child, simulator: Child
) -> Sequence[str]:
    """Send merchants, history and the live day while decisions are read and shown. Return the faulty events sent."""
    topics = settings.topics.full
    watched = (topics.decisions, topics.alerts, topics.dead_letters)
    async with (
        following(settings.kafka, watched, from_start=True) as consumer,
        sending(settings.kafka, "sekisho-demo") as sender,
    ):
        feed = Feed(
            simulator.output,
            sender,
            topics,
            state,
            history_days=plan_.history_days,
            check=worker.require_running,
        )
        watcher = Watcher(consumer, topics, state, plan_.language)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(work) for work in (feed.fetch(), watcher.run(), _drawn(screen))]
            screen.say("generating a population and loading the merchants")
            merchants = await feed.merchants()
            screen.say(f"{merchants:,} merchants; starting the worker (a first start compiles kernels: half a minute)")
            await await_ready(worker, settings.http, READY_S)
            state.address = f"{address_of(settings.http)}/metrics"
            days = plan_.history_days
            screen.say(f"history at full speed: {days} {'day' if days == 1 else 'days'} to warm the profiles")
            await feed.history()
            screen.say(f"live: one day in {plan_.live_s:.0f} s, metrics at {state.address}")
            await feed.live(plan_.live_s)
            screen.draw()
            if plan_.picture is not None:
                save_picture(plan_.picture, state)
            for task in beside:
                task.cancel()
    return feed.troublemaker.made


async def _drawn(screen: Screen) -> None:
    while True:
        await asyncio.sleep(screen.period_s)
        screen.draw()


def _configure(directory: Path, broker: Broker) -> tuple[Settings, Path]:
    config = directory / "config.yaml"
    config.write_text(CONFIG.format(address=broker.bootstrap[0], port=free_port()), encoding="utf-8")
    return load_settings(config), config


def _simulator(plan_: Plan, directory: Path) -> AbstractContextManager[Child]:
    return running(
        (
            "simulate",
            "--demo",
            "--days",
            str(plan_.history_days + 1),
            "--seed",
            str(plan_.seed),
            "--truth",
            str(directory / "truth.jsonl"),
        ),
        directory / "simulator.log",
        patience_s=SIMULATOR_END_S,
        piped=True,
    )


def _worker(config: Path, directory: Path) -> AbstractContextManager[Child]:
    return running(("worker", "--config", str(config)), directory / "worker.log", patience_s=WORKER_END_S)


def _judge(truth: Path, state: State) -> Assessment:
    """Assess the events that were first sent in the live day."""
    live = (one for one in read_truth(truth) if state.is_live(one.event_id))
    return assess(live, flagged=state.flagged, alerted=state.alerted, time_of=state.time_of, replays=state.replays)
