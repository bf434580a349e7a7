"""What a change of assignment asks: let go of what went, restore what came, follow what others own.

The group tells of its changes while a restore may still be under way for an assignment before. So each is noted at once
(`interrupted`, `assigned`), and acted upon in turn (`settle`).
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
from streams.state.protocols import Consumer, Engine, Outputs, Settings, Telemetry
from streams.state.published import Since, alerts_since
from streams.state.restore import Input, Restorer

log = logging.getLogger(__name__)

BAR_WIDTH: Final = 40

LOOK_RECORDS: Final = 1_000
"""Records that are looked at for the time of what waits: more of them are hardly out of order."""


class SplitAssignmentError(Exception):
    """Raised when a partition of the authorizations came without those of the other inputs: cards would be torn."""


class InterruptedRestoreError(Exception):
    """Raised when another rebalance has begun: what is being restored may be another worker's by now."""


class Assignment:
    """Bring profiles in line with the partitions that the group assigns, before their events flow."""

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
        self._assigned: frozenset[TP] | None = None  # None while the group gives them out anew
        self._generation = 0
        self._stale: set[int] = set()  # owned, and since then another worker's, if only for a moment

    def interrupted(self) -> None:
        """Note that a rebalance has begun: from here on nothing is restored, or flushed, that was not yet owned."""
        self._assigned = None

    def assigned(self, assigned: Iterable[TP], generation: int) -> None:
        """Note what the group has assigned, before anything is done about it.

        A partition that comes back later was another's meanwhile. In a generation that this worker did not see, all may
        have been.
        """
        self._assigned = frozenset(assigned)
        is_next = 0 <= generation - self._generation <= 1
        kept = self._numbers(self._topics.authorizations, self._assigned) if is_next else set()
        self._stale.update(set(self._writer.owned).difference(kept))
        self._generation = generation

    async def settle(self, consumer: Consumer) -> bool:
        """Hold exactly the assigned partitions, and say whether it is so: no if another rebalance began meanwhile.

        Raises:
            SplitAssignmentError: the group's assignor does not keep partitions together.
            StateFormatError, UnreadableError: profiles cannot be read back.
            FlushError: profiles that were read back cannot be made durable.
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
            self._follower.take_up(partition, owned.shared)
        self._stale.clear()
        self._follower.leave_out(mine)
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
                await self._writer.flush([partition])  # what a crash left is dealt with, and there is a marker
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
        """Fence earlier owners of partitions, all at once, before anything is concluded from a log."""
        fence = self._writer.fence
        if fence is None:
            return {}
        async with asyncio.TaskGroup() as group:
            takes = {
                number: group.create_task(fence.take(number, self._writer.logs_of(number))) for number in partitions
            }
        return {number: take.result() for number, take in takes.items()}

    async def _refuse_open(self, reader: LogReader, partition: int) -> None:
        """Refuse profiles that are not all to be read. The predecessor's transaction is over, so it is a stranger's.

        Raises:
            UnreadableError: another producer has a transaction open in their logs.
        """
        if self._writer.fence is None:
            return
        topics = (self._topics.card_profiles, self._topics.shared_profiles)
        for tp in await reader.held_back([TopicPartition(topic, partition) for topic in topics]):
            raise UnreadableError(
                f"{name_of(tp)}: another producer has a transaction open, which hides rows. Nobody but workers needs "
                "to write to this topic: take the right away. The transaction ends after its time-out, at most the "
                "broker's transaction.max.timeout.ms; then start the worker again"
            )

    async def _restore_cases(self, reader: LogReader, consumer: Consumer, partitions: list[int]) -> None:
        """Once: learn from the alerts of all workers which cases are open to the events that wait on the input."""
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
        """Return the oldest timestamp among the authorizations that wait first in each partition.

        They may have waited for as long as the input is kept. This machine's clock counts only where nothing waits.
        """
        oldest_ms = time.time_ns() // 1_000_000
        tps = [TopicPartition(self._topics.authorizations, partition) for partition in partitions]
        for tp, (begin, end) in (await reader.bounds(tps)).items():
            first = max(await consumer.committed(TP(tp.topic, tp.partition)) or 0, begin)
            found = False
            while first < end and not found:  # where transactions end there are no records
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

    async def _outputs(self, reader: LogReader, partition: int) -> Since:
        """Return where the outputs end now: behind everything that an earlier owner wrote, as it is fenced."""
        ends = {tp: end for tp, (_, end) in (await reader.bounds(self._emitter.outputs_of(partition))).items()}
        return Since(
            decisions=ends[TopicPartition(self._topics.decisions, partition)],
            alerts={tp.partition: end for tp, end in ends.items() if tp.topic == self._topics.alerts},
            dead_letters={tp.partition: end for tp, end in ends.items() if tp.topic == self._topics.dead_letters},
        )


class _Bar:
    """Show the progress of a restore: as a metric always, as a bar where standard error is a terminal."""

    def __init__(self, label: str, telemetry: Telemetry, is_current: Callable[[], bool]) -> None:
        self._label = label
        self._telemetry = telemetry
        self._is_current = is_current
        self._bar: Any = None
        self.total = 0

    def __enter__(self) -> "_Bar":
        return self

    def __call__(self, done: int, total: int) -> None:
        """Note that so many of so many records have been read.

        Raises:
            InterruptedRestoreError: it is for nothing.
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
