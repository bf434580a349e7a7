"""What a change of assignment asks: let go of what went, restore what came, follow what others own."""

import logging
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import click
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.emit import Emitter
from streams.seams import Engine, Telemetry
from streams.state.answered import Since, published_alerts
from streams.state.follow import Follower
from streams.state.keeper import Keeper
from streams.state.reader import LogReader
from streams.state.restore import Input, Restorer
from streams.transport.settings import WorkerSettings

log = logging.getLogger(__name__)

BAR_WIDTH: Final = 40


class SplitAssignmentError(Exception):
    """Raised when a partition of the authorizations came without the one of the fraud reports: cards would be torn."""


class Assignment:
    """Bring profiles in line with the partitions that the group assigns, before their events flow."""

    def __init__(
        self,
        settings: WorkerSettings,
        engine: Engine,
        emitter: Emitter,
        telemetry: Telemetry,
        keeper: Keeper,
        follower: Follower,
    ) -> None:
        self._settings = settings
        self._topics = settings.topics
        self._engine = engine
        self._emitter = emitter
        self._telemetry = telemetry
        self._keeper = keeper
        self._follower = follower
        self._recalled = False

    async def settle(self, assigned: set[TP], consumer: Any, is_current: Callable[[], bool]) -> None:
        """Hold exactly the assigned partitions. Returns early when another rebalance has begun meanwhile.

        Raises:
            SplitAssignmentError: the group's assignor does not keep partitions together.
            StateFormatError, StateReadError: profiles cannot be read back.
        """
        mine = {tp.partition for tp in assigned if tp.topic == self._topics.authorizations}
        reports = {tp.partition for tp in assigned if tp.topic == self._topics.fraud_reports}
        if mine != reports:
            raise SplitAssignmentError(
                f"authorizations {sorted(mine)} and fraud reports {sorted(reports)} were assigned"
            )
        for partition in set(self._keeper.held).difference(mine):
            held = self._keeper.held.pop(partition)
            self._engine.changelog.forget_cards(partition)
            self._follower.take_up(partition, held.shared)
        self._follower.leave_out(mine)
        new = sorted(mine.difference(self._keeper.held))
        if new:
            await self._restore(new, consumer, is_current)
        if is_current():
            await self._follower.catch_up(self._keeper.held, self._emitter.partitions)
            consumer.start_from(self._positions(self._keeper.held.values()))

    def _positions(self, held: Iterable[Any]) -> dict[TP, int]:
        positions = {}
        for one in held:
            positions[TP(self._topics.authorizations, one.partition)] = one.authorizations
            positions[TP(self._topics.fraud_reports, one.partition)] = one.fraud_reports
        return positions

    async def _restore(self, partitions: list[int], consumer: Any, is_current: Callable[[], bool]) -> None:
        reader = LogReader(
            self._settings.broker,
            client_id="sekisho-restore",
            isolation=self._settings.consume.isolation,
            timeout_s=self._settings.state.read_timeout_s,
        )
        await reader.start()
        try:
            await self._recall(reader)
            restorer = Restorer(reader, self._topics, self._engine.changelog, self._emitter.partitions)
            began_s, records, answered = time.monotonic(), 0, 0
            for number, partition in enumerate(partitions):
                with _Bar(f"partition {partition}, {number + 1} of {len(partitions)}", self._telemetry) as progress:
                    at, outputs = await self._input(reader, consumer, partition), await self._outputs(reader, partition)
                    held = await restorer.restore(partition, at, outputs, progress)
                if not is_current():  # it may be another's by now
                    self._engine.changelog.forget_cards(partition)
                    return
                self._keeper.held[partition] = held
                records, answered = records + progress.total, answered + held.answered.size
                consumer.start_from(self._positions(self._keeper.held.values()))
                await self._keeper.flush([partition])  # what a crash left is dealt with, and there is a marker
        finally:
            await reader.stop()
        seconds = time.monotonic() - began_s
        self._telemetry.restored(records, answered, seconds)
        log.info(
            "profiles_restored partitions=%d records=%d answered=%d s=%.2f", len(partitions), records, answered, seconds
        )

    async def _recall(self, reader: LogReader) -> None:
        """Once: learn from the alerts of all workers which cases are open."""
        if not self._recalled:
            since_ms = time.time_ns() // 1_000_000 - self._engine.recall_ms
            count = self._emitter.partitions_of(self._topics.alerts)
            self._engine.recall(await published_alerts(reader, self._topics, count, since_ms))
            self._recalled = True

    async def _input(self, reader: LogReader, consumer: Any, partition: int) -> Input:
        tps = [TopicPartition(topic, partition) for topic in (self._topics.authorizations, self._topics.fraud_reports)]
        bounds = await reader.bounds(tps)
        committed = [await consumer.committed(TP(tp.topic, partition)) for tp in tps]
        return Input(
            authorizations=committed[0],
            fraud_reports=committed[1],
            authorizations_begin=bounds[tps[0]][0],
            fraud_reports_begin=bounds[tps[1]][0],
            authorizations_end=bounds[tps[0]][1],
            fraud_reports_end=bounds[tps[1]][1],
        )

    async def _outputs(self, reader: LogReader, partition: int) -> Since:
        """Return where the outputs end now."""
        topics = self._topics
        decisions = TopicPartition(topics.decisions, partition)
        alerts = [TopicPartition(topics.alerts, k) for k in range(self._emitter.partitions_of(topics.alerts))]
        letters = [
            TopicPartition(topics.dead_letters, k) for k in range(self._emitter.partitions_of(topics.dead_letters))
        ]
        bounds = await reader.bounds([decisions, *alerts, *letters])
        return Since(
            decisions=bounds[decisions][1],
            alerts={tp.partition: bounds[tp][1] for tp in alerts},
            dead_letters={tp.partition: bounds[tp][1] for tp in letters},
        )


class _Bar:
    """Show the progress of a restore: as a metric always, as a bar where standard error is a terminal."""

    def __init__(self, label: str, telemetry: Telemetry) -> None:
        self._label = label
        self._telemetry = telemetry
        self._bar: Any = None
        self.total = 0

    def __enter__(self) -> "_Bar":
        return self

    def __call__(self, done: int, total: int) -> None:
        """Note that so many of so many records have been read."""
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
