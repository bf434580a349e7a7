"""Faust's consumer with batches as messages, which commits no offset beyond the watermark."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from streams.kafka.fence.lease import ExpelledError
from streams.transport.batch import Batch, BatchMessage, Columns
from streams.transport.commits import CommitPolicy, DurableCommits, WatermarkCommits
from streams.transport.host import Host
from streams.transport.poller import Poller
from streams.transport.window import AckWindow

POLL_S = 1.0
FULL_POLL_S = 0.005  # poll timeout while a partition is at its limit: an acknowledgement may soon make room


class Progress(NamedTuple):
    """Progress of a partition. `lag`: in events, None before the first fetch. `head_ns`: see `AckWindow`."""

    tp: TP
    watermark: int | None
    lag: int | None
    head_ns: int | None


class BatchConsumer(driver.Consumer):
    """Deliver one message per partition and poll, and commit only the contiguous prefix of finished batches."""

    app: Host  # type: ignore[assignment]  # Faust's AppT lacks these attributes
    _thread: Poller

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._windows: dict[TP, AckWindow] = {}
        self._commits: CommitPolicy = DurableCommits() if self.app.settings.is_durable else WatermarkCommits()
        self._moved = asyncio.Event()
        self._settings = self.app.settings.consume
        self._is_fenced = self.app.settings.is_fenced
        self._room = asyncio.Event()
        self._is_between = False  # between assignments: partitions were revoked and none are assigned yet
        self.restoring = False  # partitions are assigned, and their profiles are being restored
        self.restore_steps = 0  # steps of all restores; it only grows; readable from any thread
        self._lost: str | None = None  # why another worker may own the partitions; never reset
        self.settled = False  # the group has assigned, positions are set and events flow; readable from any thread

    def _new_consumer_thread(self) -> Poller:
        """Make our poller. Overrides the original, which makes a thread."""
        return Poller(self, loop=self.loop, beacon=self.beacon)

    # -- delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        """Poll and hand over until stopped. Overrides Consumer._drain_messages.

        The original makes seven tasks and timers per message, to stop waiting for a full queue when a rebalance begins.
        Here the hand-over never waits: the limit on batches in flight keeps the queue far from full. While the flow is
        stopped, nothing is handed over.
        """
        hand_over = self.callback
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(POLL_S):
                    await hand_over(message)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, BatchMessage]]:  # noqa: ASYNC109 -- as Faust names it
        """Yield one message per partition and at most `batch_max_events` records. Overrides Consumer.getmany.

        The original yields single records (100 to 175 us each on the way to an agent). It also seeks back when the
        flow was stopped meanwhile. Here only `perform_seek`, after a rebalance, moves positions. The window asserts
        that each batch begins where the last one ended.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in Consumer._wait_next_records
        active = set(self._get_active_partitions())
        room = self._settings.in_flight_max_bytes - sum(window.weight for window in self._windows.values())
        roomy = {tp for tp in active if room > 0 and self._has_room(tp)}
        if not roomy:
            await self._wait_for_room(timeout)
            return
        polled = await self._thread.getmany(roomy, timeout if roomy == active else FULL_POLL_S, room)
        generation = self.app.consumer_generation_id
        for tp, columns in polled.items():
            for message in self._messages(TP(tp.topic, tp.partition), columns, generation):
                yield message.tp, message

    def _messages(self, tp: TP, columns: Columns, generation: int) -> Iterator[BatchMessage]:
        """Yield messages of polled records; none once a rebalance has begun, which seeks to the committed offset.

        The next message is made after the last was handed over, and a rebalance may have passed meanwhile. A batch that
        is not handed over must not enter a window, which may be that of the next assignment.
        """
        if not self._is_current(generation):
            return
        window = self._windows.setdefault(tp, AckWindow())
        if not columns.values and columns.refused is None:
            window.skip(columns.start, columns.end)
            return
        polled_at_ms, polled_ns = time.time_ns() // 1_000_000, time.monotonic_ns()
        for chunk in columns.chunks(self._settings.batch_max_events):
            if not self._is_current(generation):
                return
            batch = Batch(
                topic=tp.topic,
                partition=tp.partition,
                offsets=chunk.offsets,
                timestamps_ms=chunk.timestamps_ms,
                values=chunk.values,
                polled_at_ms=polled_at_ms,
                polled_ns=polled_ns,
                refused=chunk.refused,
            )
            ticket = window.deliver(chunk.start, chunk.end, polled_ns, chunk.weight)
            yield BatchMessage(tp, batch, ticket, generation)

    def _is_current(self, generation: int) -> bool:
        return not self.should_stop and self.flow_active and self.app.consumer_generation_id == generation

    def resume_flow(self) -> None:
        """Mark the consumer as settled: Faust calls this after the seek that ends a rebalance. Extends the original.

        Faust calls it also when the next rebalance began during that seek. Then the flow stays stopped.
        """
        if not self._is_between:
            super().resume_flow()
            self.settled = True

    def check_lease(self) -> None:
        """Raise if the group may have assigned this worker's partitions to another worker.

        Where the broker fences, an expired lease proves nothing: the coordinator may be down, and it starts session
        timeouts anew when it is back. The broker has fenced this worker if there is a successor.

        Raises:
            ExpelledError: the group has removed this worker; or, without a fence, no heartbeat was answered for a
                session timeout, because the process was paused or the broker was down.
        """
        if self._lost is None and self._is_overdue:
            self._lost = "no heartbeat was answered for a session timeout"
        if self._lost is None and self._thread.is_expelled:
            self._lost = "the group does not know this worker any more"
        if self._lost is not None:
            raise ExpelledError(self._lost)

    def check_produce(self) -> None:
        """Check the lease before a produce is sent, as `check_lease` does.

        A worker without partitions is not checked: it has nothing to write.

        Raises:
            ExpelledError: as `check_lease`.
        """
        if self._lost is None and (not self.started or not self._is_overdue):
            return
        holds = self._windows or self._commits.positions
        if self._lost is not None or holds or (self.assignment() and not self._is_between):
            self.check_lease()

    @property
    def _is_overdue(self) -> bool:
        return not self._is_fenced and self._thread.lease_left_s < 0

    def stop_flow(self) -> None:
        """Mark the consumer as not settled: a rebalance or the shutdown begins. Extends the original."""
        self.settled = False
        super().stop_flow()

    def _has_room(self, tp: TP) -> bool:
        window = self._windows.get(tp)
        return window is None or window.depth < self._settings.partition_max_batches

    async def _wait_for_room(self, timeout: float) -> None:  # noqa: ASYNC109 -- its end is no error
        """Wait until a batch is acknowledged. The original sleeps for one second when nothing may be polled."""
        self._room.clear()
        wait_s = timeout if self._get_active_partitions() else FULL_POLL_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), wait_s)

    # -- acknowledgement and commit

    def ack(self, message: BatchMessage) -> bool:  # type: ignore[override]  # every message is a BatchMessage
        """Finish a batch and move its partition's watermark. Overrides Consumer.ack, whose list of offsets has holes.

        A batch of an earlier assignment finishes a ticket that no window holds: nothing else happens.
        """
        with ack_lock:
            if message.ticket.done:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            window = self._windows.get(message.tp)
            if window is None:
                message.ticket.done = True
            else:
                window.finish(message.ticket)
            self._room.set()
            self._moved.set()
            notify(self._waiting_for_ack)
            return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing. The original records each jump between the offsets of two messages: here, each batch."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """List the partitions that may have offsets to commit. Overrides a list kept per acknowledged offset."""
        known = self._commits.partitions(self._windows)
        return (tp for tp in known if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: the watermark, or the last marker's offset if profiles are durable.

        Overrides the search for a run of offsets, which is off by one across a gap (#606).
        """
        return self._commits.offset(tp, self._windows)

    # -- durable profiles

    def mark_applied(self, message: BatchMessage) -> None:
        """Record a batch as applied, before the engine applies it.

        If the engine fails half way, or the worker halts at the limit on dead letters, the profiles include input
        without an answer. They cannot become durable then, because the batch is never acknowledged.
        """
        window = self._windows.get(message.tp)
        if window is not None:
            window.applied = message.ticket.end

    def applied(self, tp: TP) -> int | None:
        """Return the offset up to which a partition is applied; None before the first batch of an assignment."""
        window = self._windows.get(tp)
        return window.applied if window is not None else None

    def barrier(self, tp: TP) -> Callable[[], Awaitable[None]]:
        """Return a function that waits until all batches applied so far are acknowledged, in this assignment only."""
        window = self._windows.get(tp)
        return partial(self._reached, window, window.applied if window is not None else None)

    async def _reached(self, window: AckWindow | None, offset: int | None) -> None:
        while window is not None and offset is not None and (window.watermark is None or window.watermark < offset):
            self._moved.clear()
            await self._moved.wait()

    def make_durable(self, tp: TP, offset: int) -> None:
        """Allow commits of a partition up to an offset."""
        self._commits.make_durable(tp, offset)

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset of a partition, or None."""
        return await self._thread.committed(tp)

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Set where partitions start after the rebalance: after the input that the profiles already include."""
        self._commits.start_from(positions)

    def restore_progressed(self) -> None:
        """Count a step of a restore, for the watchdog: an answer arrived, or a part of one was applied."""
        self.restore_steps += 1

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, then to those that profiles include, which may be higher. Extends Faust's."""
        await super().perform_seek()
        positions = self._commits.positions
        if positions:
            await self.seek_wait({tp: offset for tp, offset in positions.items() if tp in self.assignment()})

    async def wait_empty(self) -> None:
        """Wait until delivered batches are acknowledged, flush the profiles, and commit. Extends the original."""
        await super().wait_empty()
        if self._commits.is_durable and not self.should_stop and self.app.crash_reason is None:
            await self.app.drain()
            await self.commit()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit, and record only committed offsets. After a crash commit nothing. Overrides Consumer._commit_offsets.

        A crashed worker may have a successor, and a commit to a lost group would be retried for ever. The original
        flushes the producer first; here every finished batch is already acknowledged by the broker. It also draws a
        table for a log line that is off, and records the offsets even if the commit failed.
        """
        if self.app.crash_reason is not None:
            return False
        assignment = self.assignment()
        offsets = {tp: offset for tp, offset in offsets.items() if tp in assignment}
        if not offsets or not await self._commit(offsets):
            return False
        self._committed_offset.update(offsets)
        self.app.on_committed(offsets)
        return True

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Commit what is finished, then forget the partitions. Overrides the order, which loses those acks (#502).

        A worker that the group has removed may already have a successor: it crashes and writes nothing more. The flow
        is always stopped. Faust leaves it on if the worker had no partition: events of the next assignment could then
        be applied before their profiles are restored.
        """
        self._is_between = True
        self.stop_flow()
        if self._commits.is_durable:
            self.app.assignment.interrupted()
        if self._thread.is_expelled and (self._windows or self._commits.positions):
            self._lost = "the group removed this worker and gave its partitions away: no heartbeat arrived in time"
            await self.app.crash(ExpelledError(self._lost))
        await super().on_partitions_revoked(set(revoked))
        for tp in revoked:
            self._windows.pop(tp, None)
            self._committed_offset.pop(tp, None)
            self._commits.forget(tp)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Record the assignment before anything waits. Extends the original."""
        self._is_between = False
        if self._commits.is_durable:
            self.app.assignment.assigned(assigned, generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: the original compares monotonic with epoch time (#629). The watchdog checks progress."""

    async def leave_group(self) -> None:
        """Leave the group at once: this worker ends, and another continues its unfinished input."""
        await self._thread.leave()

    # -- for the watchdog and the metrics

    @property
    def is_alive(self) -> bool:
        """Tell whether the consumer still fetches and heartbeats. Callable from any thread."""
        return bool(self._thread.is_alive)

    def progress(self) -> list[Progress]:
        """List every partition that has delivered a batch. Callable from any thread."""
        rows = []
        for tp, window in list(self._windows.items()):
            highwater = self._thread.highwater_now(tp)
            done = window.watermark if window.watermark is not None else self._committed_offset.get(tp)
            lag = max(0, highwater - done) if highwater is not None and done is not None else None
            rows.append(Progress(tp, window.watermark, lag, window.head_ns))
        return rows
