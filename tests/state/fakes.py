"""Fakes of everything around the changelog writer and the restorer, in one process; each can fail, wait or crash."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence, Set
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from aiokafka.errors import ProducerClosed, ProducerFenced
from aiokafka.structs import RecordMetadata, TopicPartition
from faust.types import TP

from scoring.outputs import Outputs
from scoring.outputs import Record as Output
from scoring.policy.record import PolicyRecord, PolicyRows
from scoring.profile import PROFILE_FEATURES, Changelog, ProfileLimits, Profiles
from scoring.profile.packed import Packed
from streams.kafka.errors import UnreadableError
from streams.kafka.fence import ProducerIdentity
from streams.kafka.fence.lease import ExpelledError
from streams.kafka.reading.ends import Span
from streams.kafka.reading.log import Tail
from streams.kafka.reading.rows import Rows
from streams.kafka.sending.append import retrieve
from streams.kafka.settings import Topics
from streams.state.agreement import Agreement
from streams.state.changelog_writer import ChangelogWriter, OwnedPartition
from streams.state.published import Published, Since
from streams.state.settings import State
from streams.transport.settings import Emit
from streams.worker.settings import WorkerSettings
from tests.doubles import NoTelemetry
from tests.profile.events import SMALL, Event, columns_of
from tests.state.emitter import FakeEmitter
from tests.state.logs import Crashed, FakeBroker, Record
from tests.state.rows import pairs

__all__ = [
    "TOPICS",
    "Crashed",
    "FakeBroker",
    "FakeConsumer",
    "FakeEmitter",
    "FakeFence",
    "FakeProducer",
    "FakeReader",
    "FlushTelemetry",
    "ProfileEngine",
    "Record",
    "new_writer",
    "owned_at",
    "worker_settings",
]

TOPICS = Topics()
STEP = 3  # records of one read or one produce: few, so that other steps run in between


class FakeReader:
    """A LogReader of a FakeBroker."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._is_reading = False
        self.step = STEP
        self.fails = False
        self.is_closed = False
        self.progressed: Callable[[], None] = lambda: None
        self.answering = asyncio.Event()
        self.answering.set()

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.is_closed = True

    async def bounds(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Span]:
        self._broker.burn()
        await asyncio.sleep(0)
        await self.answering.wait()
        if self.is_closed:
            raise UnreadableError("the reader is closed")
        if self.fails:
            raise UnreadableError("no offsets")
        self.progressed()
        return {tp: Span(self._broker.begins[tp], self._broker.stable_end(tp)) for tp in tps}

    async def held_back(self, tps: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [tp for tp in tps if self._broker.stable_end(tp) < self._broker.end(tp)]

    async def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        return {topic: self._broker.topic_ids[topic] for topic in topics if topic in self._broker.topic_ids}

    async def offset_at(self, tp: TopicPartition, time_ms: int, end: int) -> int:
        return next((record.offset for record in self._broker.logs[tp] if record.at_ms >= time_ms), end)

    async def read(self, tp: TopicPartition, begin: int, end: int) -> AsyncIterator[Rows]:
        assert not self._is_reading, "one read at a time"
        if begin < self._broker.begins[tp] or end > self._broker.end(tp):
            raise UnreadableError(f"{tp.topic}[{tp.partition}]: the range is not there")
        self._is_reading = True
        try:
            found = self._committed(tp, begin, end)
            for at in range(0, len(found), self.step):
                self._broker.burn()
                rows = Rows()
                for record in found[at : at + self.step]:
                    rows.offsets.append(record.offset)
                    rows.keys.append(record.key)
                    rows.values.append(record.value)
                    rows.timestamps_ms.append(record.at_ms)
                yield rows
                self.progressed()
                await asyncio.sleep(0)
        finally:
            self._is_reading = False

    def _committed(self, tp: TopicPartition, begin: int, end: int) -> list[Record]:
        aborted = self._broker.aborted[tp]
        return [one for one in self._broker.logs[tp] if begin <= one.offset < end and one.offset not in aborted]

    async def last(self, tp: TopicPartition, key: bytes, begin: int, end: int) -> Tail | None:
        self._broker.burn()
        await asyncio.sleep(0)
        found = self._committed(tp, begin, end)
        for at in reversed(range(len(found))):
            if found[at].key == key:
                later = [record.key for record in found[at + 1 :]]
                return Tail(offset=found[at].offset, value=found[at].value, later_keys=later)
        return None


class FakeProducer:
    """A StateProducer of a FakeBroker: writes reach the log when they are released, in the order of their partition.

    Records of the topics in `holds` are not acknowledged; those of `fails` are refused. `marker`: all markers.
    """

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.holds: set[str] = set()
        self.fails: dict[str, Exception] = {}
        self.owned: list[tuple[TopicPartition, list[tuple[bytes, bytes | None]], asyncio.Future[Any], Any]] = []
        self.transactional_id: str | None = None
        self.handed: list[tuple[str, str]] = []  # what was written, acknowledged or not: topic; rows or marker

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        """Fail writes that are not acknowledged, as aiokafka does."""
        for _, _, ack, _ in self.owned:
            if not ack.done():
                ack.set_exception(ProducerClosed())
                ack.exception()  # retrieve it, or asyncio warns of an exception that was never retrieved

    def write(
        self, tp: TopicPartition, packed: Packed, now_ms: int, identity: ProducerIdentity | None = None
    ) -> list[Awaitable[RecordMetadata]]:
        rows = pairs(packed)
        return [self._hand(tp, rows[at : at + STEP], "rows", identity) for at in range(0, len(rows), STEP)]

    def write_one(
        self,
        tp: TopicPartition,
        key: bytes,
        value: bytes | None,
        now_ms: int,
        identity: ProducerIdentity | None = None,
    ) -> Awaitable[RecordMetadata]:
        return self._hand(tp, [(key, value)], "marker", identity)

    def _hand(
        self, tp: TopicPartition, rows: list[tuple[bytes, bytes | None]], kind: str, identity: ProducerIdentity | None
    ) -> Any:
        self.handed.append((tp.topic, kind))
        ack: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ack.add_done_callback(retrieve)
        names = {tp.topic, kind, f"{tp.topic} {kind}"}
        if refused := names & self.fails.keys():
            ack.set_exception(self.fails[refused.pop()])
            return ack
        if names & self.holds or any(owned[0] == tp for owned in self.owned):
            self.owned.append((tp, rows, ack, identity))
        else:
            self._land(tp, rows, ack, identity)
        return ack

    def _land(
        self,
        tp: TopicPartition,
        rows: list[tuple[bytes, bytes | None]],
        ack: "asyncio.Future[Any]",
        identity: ProducerIdentity | None,
    ) -> None:
        self._broker.burn()
        if identity is not None and identity.epoch < self._broker.epochs[identity.producer_id, tp]:
            if not ack.done():
                ack.set_exception(ProducerFenced())
            return
        offsets = [self._broker.append(tp, key, value) for key, value in rows]
        if self.transactional_id is not None and identity is not None:
            self._broker.open[identity.producer_id][tp] += offsets
        if not ack.done():
            ack.set_result(SimpleNamespace(topic_partition=tp, offset=offsets[0]))

    def release(self, name: str) -> None:
        """Append the writes that were held."""
        self.holds.discard(name)
        owned, self.owned = self.owned, []
        for one in owned:
            self._land(*one)


class FakeFence:
    """A Fence of a FakeBroker: it refuses writes of earlier owners."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def probe(self) -> None:
        pass

    def name(self, partition: int) -> str:
        return f"sekisho-{partition}"

    async def begin(self, partition: int, identity: ProducerIdentity, logs: Iterable[TopicPartition]) -> None:
        self._broker.burn()
        await asyncio.sleep(0)
        self._refuse_older(partition, identity)
        self._broker.begin(partition, logs)

    async def commit(self, partition: int, identity: ProducerIdentity) -> None:
        self._broker.burn()
        await asyncio.sleep(0)
        self._refuse_older(partition, identity)
        self._broker.finish(partition, is_committed=True)
        self._broker.burn()

    def _refuse_older(self, partition: int, identity: ProducerIdentity) -> None:
        if identity.epoch < self._broker.owners[self.name(partition)]:
            raise ExpelledError(f"transactional id {self.name(partition)!r} has a later owner")

    async def take(self, partition: int, logs: Iterable[TopicPartition]) -> ProducerIdentity:
        self._broker.burn()
        name = self.name(partition)
        epoch = self._broker.owners[name] = self._broker.owners.get(name, -1) + 1
        self._broker.finish(partition, is_committed=False)
        await asyncio.sleep(0)
        for tp in logs:
            self._broker.burn()
            if self._broker.epochs[partition, tp] > epoch:
                raise ExpelledError(f"transactional id {name!r} has a later owner")
            self._broker.epochs[partition, tp] = epoch
            await asyncio.sleep(0)
        return ProducerIdentity(partition, epoch)


class FakeConsumer:
    """Holds how far each input is applied and acknowledged, and which offsets may be committed."""

    def __init__(self) -> None:
        self.applied_to: dict[TP, int] = {}
        self.acked_to: dict[TP, int] = defaultdict(int)
        self.durable: dict[TP, int] = {}
        self.committed_to: dict[TP, int] = {}
        self.lease_error: Exception | None = None
        self.leases = 0
        self.restore_steps = 0
        self._moved = asyncio.Event()

    def applied(self, tp: TP) -> int | None:
        return self.applied_to.get(tp)

    def apply(self, topic: str, partition: int, offset: int, *, acked: bool = True) -> None:
        self.applied_to[TP(topic, partition)] = offset
        if acked:
            self.ack(topic, partition, offset)

    def ack(self, topic: str, partition: int, offset: int) -> None:
        self.acked_to[TP(topic, partition)] = offset
        self._moved.set()

    def barrier(self, tp: TP) -> Callable[[], Awaitable[None]]:
        return partial(self._reached, tp, self.applied_to.get(tp, 0))

    async def _reached(self, tp: TP, offset: int) -> None:
        while self.acked_to[tp] < offset:
            self._moved.clear()
            await self._moved.wait()

    def check_lease(self) -> None:
        self.leases += 1
        if self.lease_error is not None:
            raise self.lease_error

    def make_durable(self, tp: TP, offset: int) -> None:
        self.durable[tp] = offset

    def restore_progressed(self) -> None:
        self.restore_steps += 1

    def start_from(self, positions: dict[TP, int]) -> None:
        self.durable = dict(positions)

    async def committed(self, tp: TP) -> int | None:
        return self.committed_to.get(tp)


class ProfileEngine:
    """Only the profiles of an engine."""

    reach_of_cases_ms = 60_000

    def __init__(self, partitions: int = 1, limits: ProfileLimits = SMALL) -> None:
        self.profiles = Profiles(limits, partitions)
        self.recalled: list[bytes] = []
        self.notices: dict[int, list[Output]] = {}  # by partition: alerts about merchants, told once
        self.known: list[Set[str]] = []
        self.due = False
        self.policies = PolicyRows()
        self.profiles.changelog.attach(self.policies)
        self.in_use: Any = SimpleNamespace(
            record=PolicyRecord("t+000000000000", {}), identity="t+000000000000", model="m"
        )

    @property
    def changelog(self) -> Changelog:
        return self.profiles.changelog

    def is_due(self, _partition: int) -> bool:
        return self.due

    def judge_merchants(self, partition: int, told: Set[str]) -> Outputs:
        self.known.append(told)
        return Outputs(alerts=self.notices.pop(partition, []))

    def feed(self, event: Event, event_id: int, partition: int = 0) -> tuple[bytes, bool]:
        """Score an event; return features with the answer flag, and whether it repeats; of an outcome, its result."""
        if event.apart:
            return self.profiles.take_outcomes(columns_of([event], [event_id]), partition).tobytes(), False
        out = np.full((1, len(PROFILE_FEATURES)), -1.0)
        seen = self.profiles.read_then_update(columns_of([event], [event_id]), out, 0, partition)
        return out.tobytes() + seen.answers.tobytes(), bool(seen.repeats[0])

    def restore_cases(self, alerts: Iterable[bytes]) -> int:
        self.recalled += alerts
        return 0


def worker_settings(**state: Any) -> WorkerSettings:
    return WorkerSettings(emit=Emit(ack_timeout_s=0.2), state=State(flush_interval_s=0.05, **state))


class FlushTelemetry(NoTelemetry):
    def __init__(self) -> None:
        self.flushes: list[tuple[int, int]] = []
        self.lags_s: dict[int, float] = {}

    def flushed(self, partition: int, rows: int, size_bytes: int, seconds: float) -> None:
        self.flushes.append((partition, rows))

    def followed(self, lags_s: Any) -> None:
        self.lags_s = dict(lags_s)


def new_writer(
    broker: FakeBroker, engine: ProfileEngine, consumer: FakeConsumer, partitions: int = 1
) -> ChangelogWriter:
    """Make a changelog writer that is not started: it flushes only when the test calls it."""
    writer = ChangelogWriter(
        worker_settings(),
        engine,  # type: ignore[arg-type]
        FakeEmitter(partitions),  # type: ignore[arg-type]
        FlushTelemetry(),
        lambda: consumer,
        lambda: None,
        Agreement({}, 0),
    )
    writer.producer = FakeProducer(broker)  # type: ignore[assignment]
    writer.fence = FakeFence(broker)  # type: ignore[assignment]
    return writer


def owned_at(partition: int, offset: int = 0, **changes: Any) -> OwnedPartition:
    """Make a partition that had no owner before."""
    return OwnedPartition(
        **{
            "partition": partition,
            "applied": {**dict.fromkeys(TOPICS.inputs, 0), TOPICS.authorizations: offset},
            "shared": 0,
            "since": Since(decisions=0, alerts={0: 0}, dead_letters={0: 0}),
            "ends": Since(decisions=0, alerts={0: 0}, dead_letters={0: 0}),
            "published": Published(),
            "published_until": dict.fromkeys(TOPICS.inputs, 0),
            **changes,
        }
    )
