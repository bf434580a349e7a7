"""The worker: settings, engine and telemetry wired into a Faust app, and the process around it."""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, cast

import aiokafka
import faust
import uvloop
from faust.app.base import BootStrategy
from faust.tables.recovery import RebalanceAgain
from faust.types import TP
from mode.types import ServiceT
from yarl import URL

from streams.kafka.explain import explained
from streams.kafka.rights.granted import require
from streams.kafka.security import faust_credentials
from streams.state.assignment import Assignment
from streams.state.changelog_writer import ChangelogWriter
from streams.state.check import check_topics
from streams.state.follow import Follower
from streams.transport.consumer import BatchConsumer, Progress
from streams.transport.driver import BatchTransport, require_compiled_parts
from streams.transport.host import Host
from streams.transport.membership import instance_id
from streams.transport.producer import Producer
from streams.worker.agents import define_agents
from streams.worker.deliveries import Deliveries
from streams.worker.emit import Emitter
from streams.worker.merchants.letters import MerchantLetters
from streams.worker.merchants.loader import MerchantLoader
from streams.worker.protocols import Engine, Telemetry
from streams.worker.settings import WorkerSettings
from streams.worker.watchdog import Watchdog

log = logging.getLogger(__name__)

EXIT_HALTED = 1

SWITCH_INTERVAL_S = 0.0005  # two threads share the interpreter; 5 ms, the default, is a whole latency budget
LEAVE_S = 2.0
CRASH_STOP_S = 5.0
CANCEL_S = 1.0
DELIVERIES_MAX = 64  # batches scored and not yet acknowledged, over all partitions


class _Boot(BootStrategy):
    """Start what events need before the consumer that brings them; services stop in the reverse order."""

    def kafka_consumer(self) -> Iterable[ServiceT]:
        app = cast("FraudApp", self.app)
        profiles = [app.changelog_writer, app.follower] if app.settings.is_durable else []
        return [app.outputs, app.merchant_loader, app.letters, app.deliveries, *profiles, *super().kafka_consumer()]


class _Outputs(faust.Service):
    """Check the topics once the producer is connected, and tell the engine how the input is spread."""

    def __init__(self, settings: WorkerSettings, emitter: Emitter, engine: Engine, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._emitter = emitter
        self._engine = engine

    async def on_start(self) -> None:
        await self._emitter.start()
        if self._settings.is_durable:
            await check_topics(self._settings)
            self._engine.set_partitions(self._emitter.partitions)


class FraudApp(faust.App):
    """Faust with the batch transport, and with what the agents need at hand."""

    BootStrategy = _Boot

    def __init__(self, settings: WorkerSettings, engine: Engine, telemetry: Telemetry) -> None:
        self.settings = settings
        self.engine = engine
        self.telemetry = telemetry
        super().__init__(settings.consume.group, **_options(settings))
        self.emitter = Emitter(self._producer_client, settings.topics, is_durable=settings.is_durable)
        self.outputs = _Outputs(settings, self.emitter, engine, loop=self.loop)
        self.letters = MerchantLetters(settings, engine, self.emitter, telemetry, lambda: self.watched, loop=self.loop)
        self.on_partitions_revoked.connect(self.letters.release)
        self.merchant_loader = MerchantLoader(settings, engine, self.letters, telemetry, loop=self.loop)
        self.deliveries = Deliveries(
            depth=DELIVERIES_MAX,
            timeout_s=settings.emit.ack_timeout_s,
            note=self.emitter.acknowledged,
            loop=self.loop,
        )
        self.changelog_writer = ChangelogWriter(
            settings, engine, self.emitter, telemetry, lambda: self.batch_consumer, self.check_produce, loop=self.loop
        )
        self.follower = Follower(settings, engine, telemetry, loop=self.loop)
        self.assignment = Assignment(settings, engine, self.emitter, telemetry, self.changelog_writer, self.follower)
        if settings.is_durable:
            self.on_rebalance_complete.connect(self._settle)
        define_agents(self, self)

    async def on_start(self) -> None:
        """Ask for the rights before anything begins. Extends the original."""
        await require(self.settings.broker, self.settings.rights)
        await super().on_start()

    async def _settle(self, *_: Any, **__: Any) -> None:
        """Bring profiles in line with a new assignment; Faust awaits it before it seeks and lets events flow."""
        consumer = self.batch_consumer
        consumer.restoring = True
        consumer.restore_progressed()  # each begins anew
        try:
            is_settled = await self.assignment.settle(consumer)
        finally:
            consumer.restoring = False
        if not is_settled:
            raise RebalanceAgain  # which Faust waits for, in place of letting events flow

    async def drain(self) -> None:
        """Make all that is scored durable: the partitions go, or the process."""
        await self.changelog_writer.flush()

    def _new_transport(self) -> BatchTransport:
        """Override the lookup by URL scheme."""
        _host: Host = self  # for the type checker: the app is what the transport asks for
        return BatchTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Override: there are no tables, so Faust need not make a data directory where the process happens to run."""

    def _producer_client(self) -> aiokafka.AIOKafkaProducer:
        return cast(Producer, self.producer).client

    @property
    def is_ready(self) -> bool:
        """Tell whether events flow: merchants loaded, partitions assigned, no rebalance, not stopping.

        Called from the watchdog's thread: it may read plain attributes only. Most of a Faust app's are made at first
        use, and one made by two threads at once is two, of which one never starts.
        """
        consumer = self.watched
        return consumer is not None and self.merchant_loader.loaded and consumer.settled

    @property
    def batch_consumer(self) -> BatchConsumer:
        """Return the consumer, for agents: no event comes before there is one."""
        return cast(BatchConsumer, self.consumer)

    @property
    def watched(self) -> BatchConsumer | None:
        """Return the consumer once it is started."""
        consumer = cast("BatchConsumer | None", self._consumer)
        return consumer if consumer is not None and consumer.started and not self.should_stop else None

    def check_produce(self) -> None:
        """Refuse a produce that a successor may make too; whatever comes before there is a consumer is welcome.

        Raises:
            ExpelledError: another worker may have this one's partitions.
        """
        if self._consumer is not None:
            cast(BatchConsumer, self._consumer).check_produce()

    async def leave_group(self) -> None:
        """Leave the group, where the broker keeps out what this worker may still have under way."""
        if self._consumer is not None and self.settings.is_fenced:
            await cast(BatchConsumer, self._consumer).leave_group()

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Pass on which offsets were committed."""
        self.telemetry.committed(offsets)


def build_app(settings: WorkerSettings, engine: Engine, telemetry: Telemetry) -> FraudApp:
    """Wire a worker. Call it inside the loop that will run it.

    Raises:
        MissingCompiledPartsError: Faust is running in pure Python.
        InstanceIdError: the environment does not name this worker, as the settings say it does.
    """
    require_compiled_parts()
    return FraudApp(settings, engine, telemetry)


def run(build: Callable[[], FraudApp]) -> int:
    """Run a worker until SIGTERM or SIGINT, or until something fails, and return the exit status.

    0 after a drain in which everything finished was committed; 1 when the worker halted (nothing unfinished is
    committed). The watchdog ends the process itself, with 70, when it stands still.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with ExitStack() as until_the_loop_is_closed, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(build, until_the_loop_is_closed))


async def _serve(build: Callable[[], FraudApp], until_the_loop_is_closed: ExitStack) -> int:
    app = build()
    stop_asked = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop_asked.set)
    watchdog = Watchdog(app.settings.watch, lambda: app.watched, observe=_observer(app))
    watchdog.start()
    until_the_loop_is_closed.callback(watchdog.stop)
    reason: BaseException | None = None  # the first: stopping what has crashed may bring others
    try:
        await _until_stopped(app, stop_asked)
        reason = app.crash_reason
        watchdog.draining()
        app.telemetry.ready(False)
        await _stop(app)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process ends and the next one replays
        return await _halted(app, reason or app.crash_reason or error)
    finally:
        watchdog.draining()
    reason = reason or app.crash_reason
    if reason is not None:
        return await _halted(app, reason)
    log.info("worker_stopped")
    return 0


async def _stop(app: FraudApp) -> None:
    """Stop the app: in order, or, when it has crashed, within moments. Nothing is left then that may become durable.

    A producer whose broker is silent would wait for ever for what nobody will acknowledge. So a worker that has crashed
    leaves its group first: its partitions move, or wait for no dead member when it comes back.
    """
    if app.crash_reason is None:
        await app.stop()
        return
    for step, timeout_s in ((app.leave_group, LEAVE_S), (app.stop, CRASH_STOP_S)):
        await asyncio.wait([asyncio.create_task(step())], timeout=timeout_s)


async def _until_stopped(app: FraudApp, stop_asked: asyncio.Event) -> None:
    """Start the app and wait for a signal or a crash. Starting ends when the first partitions are assigned."""
    _settle_memory()  # before profiles are read back, which makes millions of objects that live for a moment
    asking = asyncio.create_task(stop_asked.wait())
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait({asking, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _settle_memory()
            log.info("worker_started group=%s", app.settings.consume.group)
            crashing = asyncio.create_task(app.wait_until_stopped())
            await asyncio.wait({asking, crashing}, return_when=asyncio.FIRST_COMPLETED)
            crashing.cancel()
    finally:
        asking.cancel()
        if not starting.done():
            starting.cancel()


def _settle_memory() -> None:
    """Let no garbage collection look again at what is loaded now: it stays."""
    gc.collect()
    gc.freeze()


async def _halted(app: FraudApp, reason: BaseException) -> int:
    """Say why, as the last line: what services log while their tasks are cancelled would come after it."""
    reason = await explained(reason, app.settings.broker, app.settings.rights)
    log.error("worker_halted reason=%s", type(reason).__name__, exc_info=reason)
    logging.disable(logging.ERROR)  # not the watchdog's word, should the process fail to end
    await _cancel_all()
    return EXIT_HALTED


async def _cancel_all() -> None:
    """Cancel all that still runs, again and again for a moment.

    Who forgets that it was cancelled, as aiokafka's fetcher does in a rebalance, would hold up the end.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    deadline = time.monotonic() + CANCEL_S
    while others and time.monotonic() < deadline:
        for task in others:
            task.cancel()
        _, others = await asyncio.wait(others, timeout=CANCEL_S / 20)


def _observer(app: FraudApp) -> Callable[[Iterable[Progress]], None]:
    def observe(rows: Iterable[Progress]) -> None:
        app.telemetry.ready(app.is_ready)
        for row in rows:
            if row.lag is not None:
                app.telemetry.lagging(row.tp, row.lag, 0.0)

    return observe


def _options(settings: WorkerSettings) -> dict[str, Any]:
    """Return Faust's settings. What is not named keeps Faust's default."""
    broker, consume, emit = settings.broker, settings.consume, settings.emit
    return {
        "broker": [URL(f"kafka://{address}") for address in broker.bootstrap],
        "broker_client_id": "sekisho",
        "broker_credentials": faust_credentials(broker),
        "broker_commit_every": 10**9,  # the count would commit inside the drain loop; the timer does it beside
        "broker_commit_interval": consume.commit_interval_s,
        "broker_request_timeout": broker.request_timeout_s,
        "broker_session_timeout": broker.profile.session_timeout_s,
        "broker_heartbeat_interval": broker.profile.heartbeat_interval_s,
        "broker_rebalance_timeout": consume.rebalance_timeout_s,
        "consumer_group_instance_id": instance_id(consume),
        "consumer_max_fetch_size": consume.fetch_max_partition_bytes,
        "consumer_auto_offset_reset": "earliest",
        "producer_acks": -1,
        "producer_linger": 0,
        "producer_max_batch_size": emit.batch_max_bytes,
        "producer_max_request_size": 1 << 23,
        "producer_request_timeout": emit.request_timeout_s,
        "agent_supervisor": "mode.CrashingSupervisor",
        "cython_optimizations": True,
        "stream_buffer_maxsize": 1 << 16,  # batches; `partition_max_batches` is the limit that works
        "stream_wait_empty": True,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
