"""Profiles, made durable partition by partition: the order that lets a crash lose nothing and repeat nothing.

A flush of one partition, taken between two batches:

1. The rows that changed since the last flush are packed, and with them how far the input is applied.
2. They are written to `card-profiles` and `shared-profiles`; meanwhile the next batches are scored.
3. Every output of the input applied is acknowledged, and so are the rows.
4. A marker is written behind the shared rows, which tells other workers that they count.
5. A marker is written behind the card rows.
6. The transaction of steps 2 to 5 is committed. From here on the flush has happened, and before it has not.
7. The input up to there may be committed.

What a crash leaves of a flush is aborted by the takeover. Readers do not see it, and the log cleaner removes it and
nothing else: a row that counts is never compacted away by one that does not (ADR 0018).

A broker without a fence has no transactions either. There step 5 takes the place of step 6, and rows behind the last
marker do not count. Whoever restores the partition writes them again, or buries them, in its first flush.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final

from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition
from faust.types import TP
from mode import Service
from msgspec.structs import replace

from scoring.outputs import NOTHING, Emitted
from scoring.profile.changelog import LAYOUT
from scoring.profile.packed import ROW_FORMAT, Packed
from streams.kafka.fence import Fence, FenceError, ProducerIdentity
from streams.kafka.fence.lease import FENCED, ExpelledError
from streams.kafka.sending.append import Ack
from streams.kafka.settings import INPUT_ROLES
from streams.state.log.marker import KEY, Marker, encode
from streams.state.log.producer import StateProducer
from streams.state.protocols import Consumer, Engine, Outputs, Settings, Telemetry
from streams.state.published import NONE_PUBLISHED, Published, Since
from streams.state.settings import State
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

IDLE_S: Final = 0.05

FORGOTTEN: Final = 0.9
"""Decay factor of the slowest recent flush time."""

RENEW_S: Final = 3600.0
"""How often an owner renews its fence. Brokers forget an idle producer's epoch after `producer.id.expiration.ms` (a day
by default), coordinators an idle transactional id after `transactional.id.expiration.ms` (a week)."""

RESCAN_MAX: Final = 10_000
"""Records in a log of outputs between a marker and the end before an idle partition gets a new marker."""

Barrier = Callable[[], Awaitable[None]]


class FlushError(Exception):
    """Raised when profiles could not be made durable: nothing of that flush counts, and the worker halts."""


@dataclass(slots=True, kw_only=True)
class OwnedPartition:
    """A partition whose profiles are restored and live here.

    `applied`: the next offset of each input that its last marker, or the start, speaks of. `since`: from where the next
    owner has to scan the outputs, as long as input up to `published_until` is not applied again; after that it is
    `ends`, where the outputs ended when the predecessor was fenced, or later.
    """

    partition: int
    applied: Mapping[str, int]
    shared: int
    since: Since
    ends: Since
    published: Published
    published_until: Mapping[str, int]
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    identity: ProducerIdentity | None = None  # None where the broker does not fence
    unflushed: bool = False  # rows of a crashed flush have to be written again


def period_s(state: State, flush_s: float, *, is_alone: bool) -> float:
    """Return how long after a flush to begin the next, when flushes of a partition take up to `flush_s`.

    `flush_interval_s` bounds how old a change may be when other workers see it, if there are others: it waits for its
    flush, for the marker behind it, and for a worker to look. So flushes begin earlier than once per interval, by the
    other two; at worst twice per interval, as a broker that is slow would only be slower for more.
    """
    if is_alone:
        return state.flush_interval_s
    return max(state.flush_interval_s - state.follow_interval_s - 2 * flush_s, state.flush_interval_s / 2)


class ChangelogWriter(WatchedService):
    """Flush every owned partition, one after the other, within each interval; a failure crashes the worker."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        emitter: Outputs,
        telemetry: Telemetry,
        consumer: Callable[[], Consumer],
        check_produce: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._topics = settings.topics
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._consumer = consumer
        self._code = version("sekisho")
        self._lock = asyncio.Lock()
        self.owned: dict[int, OwnedPartition] = {}
        self.producer = StateProducer(
            settings.broker,
            [settings.topics.card_profiles, settings.topics.shared_profiles],
            client_id="sekisho-profiles",
            batch_max_bytes=settings.state.batch_max_bytes,
            request_timeout_s=settings.emit.request_timeout_s,
            check=check_produce,
        )
        self.fence: Fence | None = None
        if settings.broker.profile.fencing:
            self.fence = Fence(
                lambda: self.producer.connection,
                settings.consume.group,
                timeout_s=settings.state.fence_timeout_s,
                flush_s=settings.emit.ack_timeout_s,
            )

    async def on_start(self) -> None:
        """Connect the producer of rows, and try whether the broker fences.

        Raises:
            FenceError: it does not, though its profile says so.
        """
        await self.producer.start()
        if self.fence is not None:
            await self.fence.probe()
        log.info("predecessors_excluded_by mechanism=%s", "session_timeout" if self.fence is None else "broker_fence")

    async def on_shutdown(self) -> None:
        """Disconnect it. Not in `on_stop`, which comes while a flush may still be under way and would fail it."""
        await self.producer.stop()

    # -- what agents ask

    def emitted(self, topic: str, partition: int, offset: int) -> Emitted:
        """Return what had been published, before this worker took over, on input from `offset` on."""
        owned = self.owned.get(partition)
        if owned is None or owned.published is NONE_PUBLISHED:
            return NOTHING
        if topic == self._topics.authorizations and not _may_be_published(
            owned, self._applied(owned) | {topic: offset}
        ):
            owned.published = NONE_PUBLISHED
            return NOTHING
        return owned.published.of.get(topic, NOTHING)

    # -- flushing

    @Service.task
    async def _flush_in_turn(self) -> None:
        flush_s = 0.0
        while not self.should_stop:
            partitions = sorted(self.owned)
            if not partitions:
                await self.sleep(IDLE_S)
            for turn, partition in enumerate(partitions):
                began_s = time.monotonic()
                await self.flush([partition])
                took_s = time.monotonic() - began_s
                flush_s = max(took_s, flush_s * FORGOTTEN)
                is_alone = len(self.owned) == self._emitter.partitions
                left_s = period_s(self._settings.state, flush_s, is_alone=is_alone) / len(partitions) - took_s
                await self.sleep(max(left_s, IDLE_S / 10 if turn else 0.0))

    @Service.task
    async def _renew_in_turn(self) -> None:
        while not self.should_stop:
            await self.sleep(RENEW_S)
            if not self.should_stop:
                await self.renew_fences()

    async def renew_fences(self) -> None:
        """Renew the fence of every owned partition at brokers and coordinators.

        Raises:
            FenceError, ExpelledError: as `Fence.renew`.
        """
        for owned in list(self.owned.values()):
            async with self._lock:  # an owner has one transaction at a time
                if self.fence is not None and owned.identity is not None:
                    await self.fence.renew(owned.partition, owned.identity, self.logs_of(owned.partition))

    def logs_of(self, partition: int) -> list[TopicPartition]:
        """List every log that the owner of an input partition writes."""
        profiles = (self._topics.card_profiles, self._topics.shared_profiles)
        return [*self._emitter.outputs_of(partition), *(TopicPartition(topic, partition) for topic in profiles)]

    async def flush(self, partitions: Iterable[int] | None = None) -> None:
        """Make what is applied of partitions (of all) durable and let it be committed.

        Raises:
            FlushError: an output or a row was refused or not acknowledged in time.
            ExpelledError: another worker may have the partition.
        """
        async with self._lock:
            for partition in sorted(self.owned) if partitions is None else partitions:
                owned = self.owned.get(partition)
                if owned is not None:
                    await self._flush(owned)

    async def _flush(self, owned: OwnedPartition) -> None:
        applied = self._applied(owned)
        since = self._since(owned, applied)
        if applied == owned.applied and not owned.unflushed and since.beyond(owned.since) < RESCAN_MAX:
            return
        began_s = time.monotonic()
        changelog, partition, consumer = self._engine.changelog, owned.partition, self._consumer()
        consumer.check_lease()
        barriers = [consumer.barrier(TP(topic, partition)) for topic in applied]
        cards, shared = changelog.flush(partition)
        marker = Marker(
            format=ROW_FORMAT,
            layout=LAYOUT,
            partitions=self._emitter.partitions,
            inputs={role: applied[getattr(self._topics, role)] for role in INPUT_ROLES},
            decisions=since.decisions,
            alerts=dict(since.alerts),
            dead_letters=dict(since.dead_letters),
            topic_ids=dict(owned.topic_ids),
            shared=owned.shared,
            eviction_cursors=changelog.eviction_cursors,
            time_ms=_now_ms(),
            code=self._code,
        )
        try:
            async with asyncio.timeout(self._settings.emit.ack_timeout_s):
                marker = await self._write(owned, marker, cards, shared, barriers)
        except ExpelledError:
            raise
        except ProducerFenced:
            raise ExpelledError(FENCED) from None
        except FenceError as error:
            raise FlushError(f"profiles of partition {partition} not durable: {error}") from error
        except (TimeoutError, KafkaError) as error:
            raise FlushError(f"profiles of partition {partition} not durable: {type(error).__name__}") from error
        owned.applied = applied
        owned.shared = marker.shared
        owned.since = since
        owned.unflushed = False
        for topic, offset in applied.items():
            consumer.make_durable(TP(topic, partition), offset)
        sizes = cards.values.nbytes + shared.values.nbytes
        self._telemetry.flushed(partition, len(cards) + len(shared), sizes, time.monotonic() - began_s)

    async def _write(
        self, owned: OwnedPartition, marker: Marker, cards: Packed, shared: Packed, barriers: Sequence[Barrier]
    ) -> Marker:
        """Write rows, wait for what they rest on, then both markers, in one transaction; return the marker written."""
        partition, now_ms = owned.partition, marker.time_ms
        card_tp = TopicPartition(self._topics.card_profiles, partition)
        shared_tp = TopicPartition(self._topics.shared_profiles, partition)
        write, write_one, identity = self.producer.write, self.producer.write_one, owned.identity
        if self.fence is not None and identity is not None:
            await self.fence.begin(partition, identity, [card_tp, shared_tp])
            self.producer.transactional_id = self.fence.name(partition)
        rows = [*write(card_tp, cards, now_ms, identity), *write(shared_tp, shared, now_ms, identity)]
        for barrier in barriers:
            await barrier()
        for ack in rows:
            await ack
        self._consumer().check_lease()
        if len(shared):
            offset = await self._offset_of(write_one(shared_tp, KEY, encode(marker), now_ms, identity))
            marker = replace(marker, shared=offset + 1)
        await write_one(card_tp, KEY, encode(marker), now_ms, identity)
        if self.fence is not None and identity is not None:
            await self.fence.commit(partition, identity)
        return marker

    async def _offset_of(self, ack: Ack) -> int:
        offset: int = (await ack).offset
        if offset < 0:  # it was sent twice, and the broker has forgotten where it put the first
            raise FlushError("the broker does not say where it put a marker")
        return offset

    def _applied(self, owned: OwnedPartition) -> dict[str, int]:
        """Return how far each input is applied."""
        applied = self._consumer().applied
        return {topic: max(start, applied(TP(topic, owned.partition)) or 0) for topic, start in owned.applied.items()}

    def _since(self, owned: OwnedPartition, applied: Mapping[str, int]) -> Since:
        """Return from where the next owner has to scan, if this worker ends with so much input applied.

        What a predecessor answered counts until its input is applied again: until then nothing moves, however far this
        worker's own outputs, those of other partitions, have come. After that everything about later input stands
        behind the ends found at the takeover, and behind the last acknowledged batch of this worker.
        """
        if _may_be_published(owned, applied):
            return owned.since
        topics, ends = self._topics, owned.ends
        return Since(
            decisions=self._end(TP(topics.decisions, owned.partition), ends.decisions),
            alerts={k: self._end(TP(topics.alerts, k), end) for k, end in ends.alerts.items()},
            dead_letters={k: self._end(TP(topics.dead_letters, k), end) for k, end in ends.dead_letters.items()},
        )

    def _end(self, tp: TP, end: int) -> int:
        return max(self._emitter.ends.get(tp, end), end)


def _may_be_published(owned: OwnedPartition, applied: Mapping[str, int]) -> bool:
    """Tell whether input from these offsets on may hold what a predecessor answered."""
    return any(applied[topic] < until for topic, until in owned.published_until.items())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
