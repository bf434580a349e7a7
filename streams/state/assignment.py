"""Changes of the assignment: drop revoked partitions, restore new ones, follow those of other workers.

A change may arrive while a restore for an earlier assignment is still running. So each change is recorded at once
(`interrupted`, `assigned`) and carried out later (`settle`).
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.kafka.errors import UnreadableError
from streams.kafka.fence import ProducerIdentity
from streams.kafka.reading.ends import name_of
from streams.kafka.reading.log import LogReader
from streams.state.changelog_writer import ChangelogWriter, OwnedPartition
from streams.state.follow import Follower
from streams.state.policies import Span
from streams.state.protocols import Consumer, Engine, Outputs, Settings, Telemetry
from streams.state.published import Since, alerts_since
from streams.state.restore import Input, Restorer

log = logging.getLogger(__name__)

BAR_WIDTH: Final = 40

LOOK_RECORDS: Final = 1_000
"""Authorizations read at a time to find the first record that waits, between transaction markers."""


class SplitAssignmentError(Exception):
    """Raised when the input topics were assigned different partitions: the profiles of cards would be split."""


class InterruptedRestoreError(Exception):
    """Raised when another rebalance has begun: another worker may own the partition that is being restored."""


class Assignment:
    """Restore, drop and follow profiles as the group assigns partitions, before events flow."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        emitter: Outputs,
        telemetry: Telemetry,
        writer: ChangelogWriter,
        follower: Follower,
    ) -> None:
        self._settings = settings
        self._topics = settings.topics
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._writer = writer
        self._follower = follower
        self._has_restored_cases = False
        self._assigned: frozenset[TP] | None = None  # None during a rebalance
        self._generation = 0
        self._stale: set[int] = set()  # owned partitions that another worker owned since, even for a moment

    def interrupted(self) -> None:
        """Record that a rebalance has begun: partitions that are not owned yet are neither restored nor flushed."""
        self._assigned = None

    def assigned(self, assigned: Iterable[TP], generation: int) -> None:
        """Record what the group has assigned, before anything else happens.

        A partition that is not in it becomes stale: another worker owns it. If this worker missed a generation, all
        its partitions become stale.
        """
        self._assigned = frozenset(assigned)
        is_next = 0 <= generation - self._generation <= 1
        kept = self._numbers(self._topics.authorizations, self._assigned) if is_next else set()
        self._stale.update(set(self._writer.owned).difference(kept))
        self._generation = generation

    async def settle(self, consumer: Consumer) -> bool:
        """Make the owned partitions equal to the assigned ones. Return False if another rebalance began meanwhile.

        Raises:
            SplitAssignmentError: the group's assignor does not keep partitions together.
            StateFormatError, UnreadableError: profiles cannot be restored.
            FlushError: restored profiles cannot be made durable.
        """
        assigned = self._assigned
        if assigned is None:
            return False
        numbers = {topic: self._numbers(topic, assigned) for topic in self._topics.inputs}
        mine = numbers[self._topics.authorizations]
        if any(others != mine for others in numbers.values()):
            listed = ", ".join(f"{topic} {sorted(found)}" for topic, found in numbers.items())
            raise SplitAssignmentError(f"the input topics were assigned different partitions: {listed}")
        for partition in self._stale:
            owned = self._writer.owned.pop(partition)
            self._emitter.identities.pop(partition, None)
            self._engine.changelog.forget_cards(partition)
            self._follower.follow_from(partition, owned.shared)
        self._stale.clear()
        self._follower.stop_following(mine)
        try:
            new = sorted(mine.difference(self._writer.owned))
            if new:
                await self._restore(new, consumer, lambda: self._assigned is assigned)
        except InterruptedRestoreError:
            return False
        await self._follower.catch_up(self._writer.owned, self._emitter.partitions, consumer.restore_progressed)
        if self._assigned is not assigned:
            return False
        consumer.start_from(self._positions(self._writer.owned.values()))
        return True

    def _numbers(self, topic: str, tps: Iterable[TP]) -> set[int]:
        return {tp.partition for tp in tps if tp.topic == topic}

    def _positions(self, owned: Iterable[OwnedPartition]) -> dict[TP, int]:
        return {TP(topic, one.partition): offset for one in owned for topic, offset in one.applied.items()}

    async def _restore(self, partitions: list[int], consumer: Consumer, is_current: Callable[[], bool]) -> None:
        names = self._topics
        reader = LogReader(
            self._settings.broker,
            client_id="sekisho-restore",
            isolation=self._settings.consume.isolation,
            isolation_of=self._settings.isolation_of,
            timeout_s=self._settings.state.read_timeout_s,
            passes_over={names.authorizations, *names.outputs},
            progressed=consumer.restore_progressed,
        )
        await reader.start()
        try:
            identities = await self._fence(partitions)
            if not is_current():
                raise InterruptedRestoreError
            await self._restore_cases(reader, consumer, partitions)
            restorer = Restorer(reader, self._topics, self._engine.changelog, self._emitter.partitions)
            began_s, records, published = time.monotonic(), 0, 0
            for number, partition in enumerate(partitions):
                await self._refuse_open(reader, partition)
                at, outputs = await self._input(reader, consumer, partition), await self._outputs(reader, partition)
                label = f"partition {partition}, {number + 1} of {len(partitions)}"
                try:
                    with _Bar(label, self._telemetry, is_current) as progress:
                        owned = await restorer.restore(partition, at, outputs, progress)
                    await self._writer.policies.recall(owned, reader, self._waiting(owned, at))
                    if not is_current():
                        raise InterruptedRestoreError
                except InterruptedRestoreError:
                    self._engine.changelog.forget_cards(partition)
                    raise
                owned.identity = identities.get(partition)
                if owned.identity is not None:
                    self._emitter.identities[partition] = owned.identity
                self._telemetry.foreign(owned.published.foreign)
                self._writer.owned[partition] = owned
                records, published = records + progress.total, published + owned.published.size
                await self._writer.flush([partition])  # it rewrites what a crash left, and writes a marker
        finally:
            await reader.stop()
        seconds = time.monotonic() - began_s
        self._telemetry.restored(records, published, seconds)
        log.info(
            "profiles_restored partitions=%d records=%d published=%d s=%.2f",
            len(partitions),
            records,
            published,
            seconds,
        )

    async def _fence(self, partitions: Iterable[int]) -> dict[int, ProducerIdentity]:
        """Fence earlier owners of partitions, all at once, before any topic is read."""
        fence = self._writer.fence
        if fence is None:
            return {}
        async with asyncio.TaskGroup() as group:
            takes = {
                number: group.create_task(fence.take(number, self._writer.logs_of(number))) for number in partitions
            }
        return {number: take.result() for number, take in takes.items()}

    async def _refuse_open(self, reader: LogReader, partition: int) -> None:
        """Refuse to restore behind an open transaction: the predecessor's is ended, so another program opened it.

        Raises:
            UnreadableError: another producer has a transaction open in their logs.
        """
        if self._writer.fence is None:
            return
        topics = (self._topics.card_profiles, self._topics.shared_profiles)
        for tp in await reader.held_back([TopicPartition(topic, partition) for topic in topics]):
            raise UnreadableError(
                f"{name_of(tp)}: another producer has a transaction open, which hides rows. Only workers need to write "
                "to this topic: remove the right of all others. The transaction ends after its time-out, at most the "
                "broker's transaction.max.timeout.ms. Then start the worker again"
            )

    async def _restore_cases(self, reader: LogReader, consumer: Consumer, partitions: list[int]) -> None:
        """Restore the open cases from the alerts of all workers, once per process."""
        if self._has_restored_cases:
            return
        since_ms = await self._oldest_ms(reader, consumer, partitions) - self._engine.reach_of_cases_ms
        count, foreign = self._emitter.partitions_of(self._topics.alerts), 0
        async for rows in alerts_since(reader, self._topics, count, since_ms):
            foreign += self._engine.restore_cases([value for value in rows.values if value])
        if foreign:
            log.warning("foreign_records_skipped topic=%s records=%d", self._topics.alerts, foreign)
        self._has_restored_cases = True

    async def _oldest_ms(self, reader: LogReader, consumer: Consumer, partitions: list[int]) -> int:
        """Return the oldest timestamp of the next authorizations of the partitions, in ms since the epoch.

        An event may be as old as the retention of the input. If no event waits, it is the time of this machine.
        """
        oldest_ms = time.time_ns() // 1_000_000
        tps = [TopicPartition(self._topics.authorizations, partition) for partition in partitions]
        for tp, (begin, end) in (await reader.bounds(tps)).items():
            first = max(await consumer.committed(TP(tp.topic, tp.partition)) or 0, begin)
            found = False
            while first < end and not found:  # an offset of a transaction marker has no record
                until = min(first + LOOK_RECORDS, end)
                async for rows in reader.read(tp, first, until):
                    oldest_ms, found = min(oldest_ms, *rows.timestamps_ms), True
                first = until
        return oldest_ms

    async def _input(self, reader: LogReader, consumer: Consumer, partition: int) -> Input:
        topics, inputs = self._topics, self._topics.inputs
        bounds = await reader.bounds([TopicPartition(topic, partition) for topic in inputs])
        return Input(
            committed={topic: await consumer.committed(TP(topic, partition)) for topic in inputs},
            begins={tp.topic: begin for tp, (begin, _) in bounds.items()},
            ends={tp.topic: end for tp, (_, end) in bounds.items()},
            topic_ids=await reader.topic_ids([*inputs, *topics.outputs]),
        )

    def _waiting(self, owned: OwnedPartition, at: Input) -> Span:
        """Return the authorizations that wait; twice the limit of events in flight, as a poll may exceed it."""
        topic, consume = self._topics.authorizations, self._settings.consume
        return Span(
            TopicPartition(topic, owned.partition),
            max(owned.applied[topic], at.begins[topic]),
            at.ends[topic],
            in_flight=2 * consume.partition_max_batches * consume.batch_max_events,
        )

    async def _outputs(self, reader: LogReader, partition: int) -> Since:
        """Return the end offsets of the outputs: beyond everything that earlier, fenced owners wrote."""
        ends = {tp: end for tp, (_, end) in (await reader.bounds(self._emitter.outputs_of(partition))).items()}
        return Since(
            decisions=ends[TopicPartition(self._topics.decisions, partition)],
            alerts={tp.partition: end for tp, end in ends.items() if tp.topic == self._topics.alerts},
            dead_letters={tp.partition: end for tp, end in ends.items() if tp.topic == self._topics.dead_letters},
        )


class _Bar:
    """Show the progress of a restore: as a metric, and as a bar if standard error is a terminal."""

    def __init__(self, label: str, telemetry: Telemetry, is_current: Callable[[], bool]) -> None:
        self._label = label
        self._telemetry = telemetry
        self._is_current = is_current
        self._bar: Any = None
        self.total = 0

    def __enter__(self) -> "_Bar":
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` records were read.

        Raises:
            InterruptedRestoreError: another rebalance has begun.
        """
        if not self._is_current():
            raise InterruptedRestoreError
        self._telemetry.restoring(done, total)
        self.total = total
        if self._bar is None and total and sys.stderr.isatty():
            self._bar = click.progressbar(length=total, label=self._label, file=sys.stderr, width=BAR_WIDTH)
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.update(done - self._bar.pos)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
