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
from streams.state.agreement import Agreement
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
from streams.worker.whole.lists import ListLoader

log = logging.getLogger(__name__)

EXIT_HALTED = 1

SWITCH_INTERVAL_S = 0.0005  # two threads share the interpreter; the default, 5 ms, is the whole latency budget
LEAVE_S = 2.0
CRASH_STOP_S = 5.0
CANCEL_S = 1.0
DELIVERIES_MAX = 64  # batches scored and not yet acknowledged, over all partitions


class _Boot(BootStrategy):
    """Start the services that events need before the consumer. Services stop in the reverse order."""

    def kafka_consumer(self) -> Iterable[ServiceT]:
        app = cast("FraudApp", self.app)
        profiles = [app.changelog_writer, app.follower] if app.settings.is_durable else []
        return [
            *app.beside,
            app.outputs,
            app.merchant_loader,
            *app.list_loaders,
            app.letters,
            app.deliveries,
            *profiles,
            *super().kafka_consumer(),
        ]


class _Outputs(faust.Service):
    """Check the topics once the producer is connected, and pass the number of input partitions to the engine."""

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
    """Faust app with the batch transport and the services that the agents use."""

    BootStrategy = _Boot

    def __init__(self, settings: WorkerSettings, engine: Engine, telemetry: Telemetry) -> None:
        self.settings = settings
        self.beside: list[ServiceT] = []
        """Services that run as long as the consumer."""
        self.engine = engine
        self.telemetry = telemetry
        super().__init__(settings.consume.group, **_options(settings))
        self.emitter = Emitter(self._producer_client, settings.topics, is_durable=settings.is_durable)
        self.outputs = _Outputs(settings, self.emitter, engine, loop=self.loop)
        self.letters = MerchantLetters(settings, engine, self.emitter, telemetry, lambda: self.watched, loop=self.loop)
        self.on_partitions_revoked.connect(self.letters.release)
        self.merchant_loader = MerchantLoader(settings, engine, self.letters, telemetry, loop=self.loop)
        self.list_loaders = [
            ListLoader(topic, settings, engine, telemetry, loop=self.loop) for topic in settings.topics.of(["lists"])
        ]
        self.deliveries = Deliveries(
            depth=DELIVERIES_MAX,
            timeout_s=settings.emit.ack_timeout_s,
            note=self.emitter.acknowledged,
            loop=self.loop,
        )
        agreement = Agreement(settings.agreed, time.time_ns() // 1_000_000)
        self.changelog_writer = ChangelogWriter(
            settings,
            engine,
            self.emitter,
            telemetry,
            lambda: self.batch_consumer,
            self.check_produce,
            agreement,
            loop=self.loop,
        )
        self.follower = Follower(settings, engine, telemetry, agreement, loop=self.loop)
        self.assignment = Assignment(settings, engine, self.emitter, telemetry, self.changelog_writer, self.follower)
        if settings.is_durable:
            self.on_rebalance_complete.connect(self._settle)
        define_agents(self, self)

    async def on_start(self) -> None:
        """Check the worker's Kafka rights before anything starts. Extends the original."""
        await require(self.settings.broker, self.settings.rights)
        await super().on_start()

    async def _settle(self, *_: Any, **__: Any) -> None:
        """Restore the profiles of assigned partitions. Faust awaits it before it seeks and resumes the flow."""
        consumer = self.batch_consumer
        consumer.restoring = True
        consumer.restore_progressed()  # the watchdog times each restore from its own beginning
        try:
            is_settled = await self.assignment.settle(consumer)
        finally:
            consumer.restoring = False
        if not is_settled:
            raise RebalanceAgain  # Faust waits for the next rebalance and does not resume the flow

    async def drain(self) -> None:
        """Flush the profiles of all partitions, before a revocation or the end of the process."""
        await self.changelog_writer.flush()

    def _new_transport(self) -> BatchTransport:
        """Override the lookup by URL scheme."""
        _host: Host = self  # for the type checker: the app has what the transport needs
        return BatchTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Do nothing. The original makes a data directory for tables, and there are none."""

    def _producer_client(self) -> aiokafka.AIOKafkaProducer:
        return cast(Producer, self.producer).client

    @property
    def is_ready(self) -> bool:
        """Tell whether events flow: merchants loaded, partitions assigned, no rebalance, not stopping.

        Called from the watchdog's thread, so it reads plain attributes only. Most attributes of a Faust app are made at
        first use. Two threads at once would make a service twice, and one of the two would never start.
        """
        consumer = self.watched
        return consumer is not None and self.merchant_loader.loaded and consumer.settled

    @property
    def batch_consumer(self) -> BatchConsumer:
        """Return the consumer, for agents: no event arrives before it exists."""
        return cast(BatchConsumer, self.consumer)

    @property
    def watched(self) -> BatchConsumer | None:
        """Return the consumer once it is started."""
        consumer = cast("BatchConsumer | None", self._consumer)
        return consumer if consumer is not None and consumer.started and not self.should_stop else None

    def check_produce(self) -> None:
        """Refuse a produce if another worker may own this one's partitions. Without a consumer nothing is refused.

        Raises:
            ExpelledError: another worker may own this one's partitions.
        """
        if self._consumer is not None:
            cast(BatchConsumer, self._consumer).check_produce()

    async def leave_group(self) -> None:
        """Leave the group if the broker fences: it then refuses late writes of this worker."""
        if self._consumer is not None and self.settings.is_fenced:
            await cast(BatchConsumer, self._consumer).leave_group()

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Report committed offsets to telemetry."""
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

    0: stopped in order, and all finished input is committed. 1: halted, and no unfinished input is committed. The
    watchdog ends a stalled process itself, with status 70.
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
    reason: BaseException | None = None  # the first error: stopping a crashed app may raise others
    try:
        await _until_stopped(app, stop_asked)
        reason = app.crash_reason
        watchdog.draining()
        app.telemetry.ready(False)
        await _stop(app)
    except Exception as error:  # noqa: BLE001 - any error ends the process, and the next one replays
        return await _halted(app, reason or app.crash_reason or error)
    finally:
        watchdog.draining()
    reason = reason or app.crash_reason
    if reason is not None:
        return await _halted(app, reason)
    log.info("worker_stopped")
    return 0


async def _stop(app: FraudApp) -> None:
    """Stop the app: in order, or with short time limits after a crash.

    After a crash nothing more may become durable, and a producer would wait for ever for a silent broker. The worker
    leaves its group first: its partitions move at once, and after a restart it does not wait for a dead member.
    """
    if app.crash_reason is None:
        await app.stop()
        return
    for step, timeout_s in ((app.leave_group, LEAVE_S), (app.stop, CRASH_STOP_S)):
        await asyncio.wait([asyncio.create_task(step())], timeout=timeout_s)


async def _until_stopped(app: FraudApp, stop_asked: asyncio.Event) -> None:
    """Start the app and wait for a signal or a crash. Starting ends when the first partitions are assigned."""
    _settle_memory()  # before the restore, which makes millions of short-lived objects
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
    """Freeze loaded objects out of garbage collection."""
    gc.collect()
    gc.freeze()


async def _halted(app: FraudApp, reason: BaseException) -> int:
    """Log the reason, then cancel all tasks. Errors that services log while they are cancelled are not shown."""
    reason = await explained(reason, app.settings.broker, app.settings.rights)
    log.error("worker_halted reason=%s", type(reason).__name__, exc_info=reason)
    logging.disable(logging.ERROR)  # the watchdog's line is CRITICAL and still shown
    await _cancel_all()
    return EXIT_HALTED


async def _cancel_all() -> None:
    """Cancel all running tasks, repeatedly, for at most CANCEL_S.

    A task may swallow its cancellation, as aiokafka's fetcher does in a rebalance. It would block the end.
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
    """Return Faust's settings. All others keep Faust's default."""
    broker, consume, emit = settings.broker, settings.consume, settings.emit
    return {
        "broker": [URL(f"kafka://{address}") for address in broker.bootstrap],
        "broker_client_id": "sekisho",
        "broker_credentials": faust_credentials(broker),
        "broker_commit_every": 10**9,  # a commit by count would run inside the drain loop; the timer commits instead
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
        "stream_buffer_maxsize": 1 << 16,  # batches; `partition_max_batches` limits earlier
        "stream_wait_empty": True,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
