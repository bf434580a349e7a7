"""The changelog writer: flushes the profiles of each partition, so that a crash loses nothing and repeats nothing.

A flush of one partition begins between two batches:

1. Where merchants stand is judged, of those whose home is the partition. The rows that changed since the last flush are
   packed, with the offsets up to which the input is applied, and with the content of a policy that is about to be used.
   Alerts about merchants are sent.
2. The rows are written to `card-profiles` and `shared-profiles`. The next batches are scored meanwhile.
3. The flush waits until all outputs of the applied input, the alerts and the rows are acknowledged.
4. A marker is written after the shared rows: it tells other workers that the rows count.
5. A marker is written after the card rows.
6. The transaction of steps 2 to 5 is committed. With it the flush is complete.
7. The input may be committed up to the offsets of step 1.

A takeover aborts the transaction of a crashed flush. Readers do not see its rows, and the log cleaner removes only
them: a row that counts is never compacted away by one that does not (ADR 0018).

A broker without a fence has no transactions. There the flush is complete with step 5, and rows after the last marker do
not count. The worker that restores the partition writes these keys again, or tombstones, in its first flush.
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
from scoring.outputs import Outputs as Notices
from scoring.profile.changelog import LAYOUT
from scoring.profile.packed import ROW_FORMAT, Packed
from streams.kafka.fence import Fence, FenceError, ProducerIdentity
from streams.kafka.fence.lease import FENCED, ExpelledError
from streams.kafka.sending.append import Ack
from streams.kafka.settings import INPUT_ROLES
from streams.state.agreement import Agreement
from streams.state.log.marker import KEY, Marker, encode
from streams.state.log.producer import StateProducer
from streams.state.policies import PartitionPolicies, Policies
from streams.state.protocols import Consumer, Engine, Outputs, Settings, Telemetry
from streams.state.published import NONE_PUBLISHED, Published, Since
from streams.state.settings import State
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

IDLE_S: Final = 0.05

FLUSH_TIME_DECAY: Final = 0.9
"""Decay factor of the slowest recent flush time."""

RENEW_S: Final = 3600.0
"""Interval at which an owner renews its fence. Brokers drop the epoch of an idle producer after
`producer.id.expiration.ms` (a day by default), coordinators an idle transactional id after
`transactional.id.expiration.ms` (a week)."""

RESCAN_MAX: Final = 10_000
"""An idle partition gets a new marker when an output has this many records after the offset in the last one."""

Barrier = Callable[[], Awaitable[None]]


class FlushError(Exception):
    """Raised when a flush fails: nothing of it counts, and the worker halts."""


@dataclass(slots=True, kw_only=True)
class OwnedPartition:
    """A partition that this worker owns: its profiles are restored.

    `applied`: next offset of each input, from the last marker or the start. `shared`: offset after the last marker in
    `shared-profiles`. `since`: output offsets from which the next owner must scan, while input up to `published_until`
    is not applied again. After that `ends` replaces it: the end offsets when the predecessor was fenced, or later ones.
    `merchant_alerts`: ids of published alerts about merchants, which the restored rows may not know of.
    """

    partition: int
    applied: Mapping[str, int]
    shared: int
    since: Since
    ends: Since
    published: Published
    published_until: Mapping[str, int]
    merchant_alerts: frozenset[str] = frozenset()
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    identity: ProducerIdentity | None = None  # None where the broker does not fence
    unflushed: bool = False  # rows of a crashed flush have to be written again
    policies: PartitionPolicies = field(default_factory=PartitionPolicies)


def period_s(state: State, flush_s: float, *, is_alone: bool) -> float:
    """Return the seconds between the starts of two flushes of a partition; a flush takes up to `flush_s`.

    Other workers must see a change within `flush_interval_s`. A change waits for the next flush, for its marker, and
    for the next look of a follower. So the period is shorter than the interval by the time of the last two. It is at
    least half the interval: more flushes would slow a slow broker further. Without other workers it is the interval.
    """
    if is_alone:
        return state.flush_interval_s
    return max(state.flush_interval_s - state.follow_interval_s - 2 * flush_s, state.flush_interval_s / 2)


class ChangelogWriter(WatchedService):
    """Flush the owned partitions in turn, each once per interval. A failure crashes the worker."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        emitter: Outputs,
        telemetry: Telemetry,
        consumer: Callable[[], Consumer],
        check_produce: Callable[[], None],
        agreement: Agreement,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._topics = settings.topics
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._consumer = consumer
        self._agreement = agreement
        self._code = version("sekisho")
        self._lock = asyncio.Lock()
        self.owned: dict[int, OwnedPartition] = {}
        self.policies = Policies(engine, self.owned, telemetry, settings.policies_kept_ms)
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
        """Connect the producer of rows, and test that the broker fences.

        Raises:
            FenceError: the broker does not fence, though its traits say so.
        """
        await self.producer.start()
        if self.fence is not None:
            await self.fence.probe()
        log.info("predecessors_excluded_by mechanism=%s", "session_timeout" if self.fence is None else "broker_fence")

    async def on_shutdown(self) -> None:
        """Disconnect the producer. Not in `on_stop`, which runs while a flush may be under way, and would fail it."""
        await self.producer.stop()

    # -- for the agents

    def emitted(self, topic: str, partition: int, offset: int) -> Emitted:
        """Return the outputs of input from `offset` on that were published before this worker took over."""
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
                flush_s = max(took_s, flush_s * FLUSH_TIME_DECAY)
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
        """Renew the fence of every owned partition, at brokers and coordinators.

        Raises:
            FenceError, ExpelledError: as `Fence.renew`.
        """
        for owned in list(self.owned.values()):
            async with self._lock:  # an owner has one transaction at a time
                if self.fence is not None and owned.identity is not None:
                    await self.fence.renew(owned.partition, owned.identity, self.logs_of(owned.partition))

    def logs_of(self, partition: int) -> list[TopicPartition]:
        """List every partition of a topic that the owner of an input partition writes to."""
        profiles = (self._topics.card_profiles, self._topics.shared_profiles)
        return [*self._emitter.outputs_of(partition), *(TopicPartition(topic, partition) for topic in profiles)]

    async def flush(self, partitions: Iterable[int] | None = None) -> None:
        """Make the applied input of partitions (default: all) durable, and allow its commit.

        Raises:
            FlushError: an output or a row was refused or not acknowledged in time.
            ExpelledError: another worker may own the partition.
        """
        async with self._lock:
            for partition in sorted(self.owned) if partitions is None else partitions:
                owned = self.owned.get(partition)
                if owned is not None:
                    await self._flush(owned)

    async def _flush(self, owned: OwnedPartition) -> None:
        applied = self._applied(owned)
        since = self._since(owned, applied)
        changelog, partition, consumer = self._engine.changelog, owned.partition, self._consumer()
        notices = self._engine.judge_merchants(partition, owned.merchant_alerts)
        recorded = self.policies.keep(owned, _now_ms())
        is_idle = applied == owned.applied and not owned.unflushed and not self._engine.is_due(partition)
        if is_idle and not notices.alerts and since.beyond(owned.since) < RESCAN_MAX:
            self.policies.flushed(owned, recorded)
            return
        began_s = time.monotonic()
        consumer.check_lease()
        barriers = [consumer.barrier(TP(topic, partition)) for topic in applied]
        cards, shared = changelog.flush(partition)
        marker = Marker(
            format=ROW_FORMAT,
            layout=LAYOUT,
            partitions=self._emitter.partitions,
            inputs={role: applied[getattr(self._topics, role)] for role in self._topics.having(INPUT_ROLES)},
            decisions=since.decisions,
            alerts=dict(since.alerts),
            dead_letters=dict(since.dead_letters),
            topic_ids=dict(owned.topic_ids),
            shared=owned.shared,
            eviction_cursors=changelog.eviction_cursors,
            time_ms=_now_ms(),
            code=self._code,
            policies=list(owned.policies.held),
            settings=dict(self._agreement.settings),
            started_ms=self._agreement.started_ms,
        )
        try:
            async with asyncio.timeout(self._settings.emit.ack_timeout_s):
                marker = await self._write(owned, marker, cards, shared, [*barriers, self._sent(partition, notices)])
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
        self.policies.flushed(owned, recorded)
        for topic, offset in applied.items():
            consumer.make_durable(TP(topic, partition), offset)
        sizes = cards.values.nbytes + shared.values.nbytes
        self._telemetry.merchant_alerts(notices.tally.alerts)
        self._telemetry.flushed(partition, len(cards) + len(shared), sizes, time.monotonic() - began_s)

    def _sent(self, partition: int, notices: Notices) -> Barrier:
        """Send the alerts about merchants; return what waits for their acknowledgement."""
        identity = self._emitter.identities.get(partition)
        acks = self._emitter.by_key(self._topics.alerts, notices.alerts, _now_ms(), identity)

        async def sent() -> None:
            for ack in acks:
                self._emitter.acknowledged(await ack)

        return sent

    async def _write(
        self, owned: OwnedPartition, marker: Marker, cards: Packed, shared: Packed, barriers: Sequence[Barrier]
    ) -> Marker:
        """Write rows, await outputs and rows, then write both markers, in one transaction. Return the marker."""
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
        if offset < 0:  # a duplicate, whose offset the broker no longer knows
            raise FlushError("the broker returned no offset for a marker")
        return offset

    def _applied(self, owned: OwnedPartition) -> dict[str, int]:
        """Return the offset up to which each input is applied."""
        applied = self._consumer().applied
        return {topic: max(start, applied(TP(topic, owned.partition)) or 0) for topic, start in owned.applied.items()}

    def _since(self, owned: OwnedPartition, applied: Mapping[str, int]) -> Since:
        """Return the output offsets from which the next owner must scan, if it takes over after `applied`.

        While input that a predecessor answered is not applied again, the offsets stay. After that all outputs of later
        input are at or after the ends found at the takeover, and at or after this worker's last acknowledged batches.
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
    """Tell whether a predecessor may have published outputs of input from these offsets on."""
    return any(applied[topic] < until for topic, until in owned.published_until.items())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
