"""Faust's consumer with batches as messages and a strict watermark as commit rule."""

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
FULL_POLL_S = 0.005  # while some partition is at its cap: look again soon, an ack may have made room


class Progress(NamedTuple):
    """Describe how far one partition is: `lag` in events (None before the first fetch), `head_ns` monotonic."""

    tp: TP
    watermark: int | None
    lag: int | None
    head_ns: int | None


class BatchConsumer(driver.Consumer):
    """Deliver one message per partition and poll, and commit only the contiguous prefix of finished batches."""

    app: Host  # type: ignore[assignment]  # Faust's AppT knows nothing of ours
    _thread: Poller

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._windows: dict[TP, AckWindow] = {}
        self._commits: CommitPolicy = DurableCommits() if self.app.settings.is_durable else WatermarkCommits()
        self._moved = asyncio.Event()
        self._settings = self.app.settings.consume
        self._is_fenced = self.app.settings.is_fenced
        self._room = asyncio.Event()
        self._is_between = False  # assignments: the group has taken partitions back and not given any out yet
        self.restoring = False  # partitions are assigned, and their profiles are being read back
        self.restore_steps = 0  # that a restore has made: it only grows while one is alive; readable from any thread
        self._lost: str | None = None  # why partitions may be another worker's by now; there is no way back
        self.settled = False  # the group has assigned, positions are set and events flow; readable from any thread

    def _new_consumer_thread(self) -> Poller:
        """Override the class that polls."""
        return Poller(self, loop=self.loop, beacon=self.beacon)

    # -- delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        """Poll and hand over until stopped. Overrides Consumer._drain_messages.

        The original makes seven tasks and timers per message, to be able to give up waiting for a full queue when a
        rebalance begins. Here the handing over never waits: the cap on batches in flight keeps the queue far from
        full, and while the flow is stopped nothing is handed over.
        """
        hand_over = self.callback
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(POLL_S):
                    await hand_over(message)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, BatchMessage]]:  # noqa: ASYNC109
        """Yield one message per partition and at most `batch_max_events` records. Overrides Consumer.getmany.

        The original yields record by record (100 to 175 us each on the way to an agent). It also seeks back when the
        flow was stopped meanwhile; here `perform_seek` after the rebalance is the only one to move positions, and the
        window asserts that what is delivered next continues what was delivered last.
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
        """Make messages of what was polled, and none once a rebalance has begun: it seeks to what is committed.

        Each is asked for when the one before has been handed over, which may have taken until the rebalance was over.
        What is not handed over must not be known to a window, which may be that of the next assignment.
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
        """Note that a rebalance is over: Faust resumes the flow after the seek at its end. Extends the original.

        It does so, too, when the next one has begun during that seek: then nothing must flow.
        """
        if not self._is_between:
            super().resume_flow()
            self.settled = True

    def check_lease(self) -> None:
        """Refuse to go on when the group may have given this worker's partitions to another.

        Where the broker fences, a lease that is over proves nothing: the coordinator may be away, and counts sessions
        anew when it is back. A successor, if there is one, has shut this worker out.

        Raises:
            ExpelledError: the group has said that it did not wait for this worker; or, without a fence, no heartbeat
                was answered for a session timeout, as the process was held up or the broker gone.
        """
        if self._lost is None and self._is_overdue:
            self._lost = "no heartbeat was answered for a session timeout"
        if self._lost is None and self._thread.is_expelled:
            self._lost = "the group does not know this worker any more"
        if self._lost is not None:
            raise ExpelledError(self._lost)

    def check_produce(self) -> None:
        """Refuse, as `check_lease`, what is about to leave for the broker.

        A worker that has no partitions, or has given them back and waits for others to do so, has nothing to write.

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
        """Note that a rebalance, or the end, has begun. Extends the original."""
        self.settled = False
        super().stop_flow()

    def _has_room(self, tp: TP) -> bool:
        window = self._windows.get(tp)
        return window is None or window.depth < self._settings.partition_max_batches

    async def _wait_for_room(self, timeout: float) -> None:  # noqa: ASYNC109
        """Wait until a batch is acknowledged. The original sleeps a whole second when nothing may be polled."""
        self._room.clear()
        wait_s = timeout if self._get_active_partitions() else FULL_POLL_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._room.wait(), wait_s)

    # -- acknowledgement and commit

    def ack(self, message: BatchMessage) -> bool:  # type: ignore[override]  # every message here is one
        """Finish a batch and move its partition's watermark. Overrides Consumer.ack, whose list of offsets has holes.

        A batch of an assignment that is gone finishes a ticket that no window holds: nothing happens.
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
        """Do nothing. The original notes every jump between the last offsets of two messages, here every batch."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """List the partitions that have a watermark. Overrides the list kept per acknowledged offset."""
        known = self._commits.partitions(self._windows)
        return (tp for tp in known if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        """Return up to where all is done: the watermark, or of that what is durable where profiles are kept.

        Overrides the search for a run of offsets, which is off by one across a gap (#606).
        """
        return self._commits.offset(tp, self._windows)

    # -- what makes profiles durable

    def mark_applied(self, message: BatchMessage) -> None:
        """Note that the engine takes a batch in; before it does.

        Should it fail half way, or the batch be refused after it, the profiles are ahead of what was answered: now
        they cannot become durable, for the batch is never acknowledged.
        """
        window = self._windows.get(message.tp)
        if window is not None:
            window.applied = message.ticket.end

    def applied(self, tp: TP) -> int | None:
        """Return up to where the engine has taken a partition in; None before the first batch of an assignment."""
        window = self._windows.get(tp)
        return window.applied if window is not None else None

    def barrier(self, tp: TP) -> Callable[[], Awaitable[None]]:
        """Return a wait until all that is applied of a partition now is acknowledged: in this assignment or never."""
        window = self._windows.get(tp)
        return partial(self._reached, window, window.applied if window is not None else None)

    async def _reached(self, window: AckWindow | None, offset: int | None) -> None:
        while window is not None and offset is not None and (window.watermark is None or window.watermark < offset):
            self._moved.clear()
            await self._moved.wait()

    def make_durable(self, tp: TP, offset: int) -> None:
        """Let a partition be committed up to an offset."""
        self._commits.make_durable(tp, offset)

    async def committed(self, tp: TP) -> int | None:
        """Return what the group has committed of a partition."""
        return await self._thread.committed(tp)

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Say where partitions begin once the rebalance is over: what profiles know is not taken in again."""
        self._commits.start_from(positions)

    def restore_progressed(self) -> None:
        """Note that a restore is alive: an answer has come, or a piece of one was taken in. The watchdog looks."""
        self.restore_steps += 1

    async def perform_seek(self) -> None:
        """Seek to what is committed, then to what profiles know, which may be more. Extends the original."""
        await super().perform_seek()
        positions = self._commits.positions
        if positions:
            await self.seek_wait({tp: offset for tp, offset in positions.items() if tp in self.assignment()})

    async def wait_empty(self) -> None:
        """Wait until what was delivered is acknowledged, make it durable, and commit. Extends the original."""
        await super().wait_empty()
        if self._commits.is_durable and not self.should_stop and self.app.crash_reason is None:
            await self.app.drain()
            await self.commit()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit, and remember only what was committed; after a crash nothing. Overrides Consumer._commit_offsets.

        A crashed worker may have a successor, and a commit to a group that is gone would be tried for ever. The
        original flushes the producer first (here every finished batch is already acknowledged by the broker),
        draws a table for a log line that is off, and remembers the offsets even when the commit failed.
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

        A worker that the group has given up may already have a successor: it must not write another byte. The flow is
        stopped in any case, where Faust leaves it on if there was no partition: of those that come next, events could
        be taken before their profiles are back.
        """
        self._is_between = True
        self.stop_flow()
        if self._commits.is_durable:
            self.app.assignment.interrupted()
        if self._thread.is_expelled and (self._windows or self._commits.positions):
            self._lost = "the group gave this worker's partitions away: it was not heard of in time"
            await self.app.crash(ExpelledError(self._lost))
        await super().on_partitions_revoked(set(revoked))
        for tp in revoked:
            self._windows.pop(tp, None)
            self._committed_offset.pop(tp, None)
            self._commits.forget(tp)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note what is assigned before anything waits. Extends the original."""
        self._is_between = False
        if self._commits.is_durable:
            self.app.assignment.assigned(assigned, generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: the original compares monotonic with epoch time (#629). The watchdog does its work."""

    async def leave_group(self) -> None:
        """Give the partitions back at once: this worker ends, and what it has not finished is another's."""
        await self._thread.leave()

    # -- what the watchdog and the metrics see

    @property
    def is_alive(self) -> bool:
        """Tell whether the consumer still fetches and heartbeats. Callable from any thread."""
        return bool(self._thread.is_alive)

    def progress(self) -> list[Progress]:
        """List every partition that has delivered something. Callable from any thread."""
        rows = []
        for tp, window in list(self._windows.items()):
            highwater = self._thread.highwater_now(tp)
            done = window.watermark if window.watermark is not None else self._committed_offset.get(tp)
            lag = max(0, highwater - done) if highwater is not None and done is not None else None
            rows.append(Progress(tp, window.watermark, lag, window.head_ns))
        return rows
