"""Send the simulator's records: merchants, days of history at full speed, then one day evenly in time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import IO

from streams.demo.state import State
from streams.demo.trouble import Troublemaker
from streams.kafka.sending.bulk import BulkSender
from streams.kafka.settings import Topics
from streams.replay.lines import FIELDS, Line, read_lines

DAY_MS = 86_400_000
TICK_S = 0.025  # the embedded broker has a cost per batch, which grows with time
BATCH_LINES = 500
BATCHES_AHEAD = 30  # about 15 MB: the simulator generates one hour at a time
HISTORY_IN_FLIGHT = 30_000
ANSWER_S = 30.0


class FeedError(Exception):
    """Raised when the simulator ends too early, or the worker stops deciding."""


class Feed:
    """Send one stream. `check` is called repeatedly and may raise."""

    def __init__(
        self,
        output: IO[bytes],
        sender: BulkSender,
        topics: Topics,
        state: State,
        *,
        history_days: int,
        check: Callable[[], None],
    ) -> None:
        self._lines = read_lines(output, "simulator")
        self._sender = sender
        self._topics = topics
        self._state = state
        self._history_days = history_days
        self._check = check
        self._queue: asyncio.Queue[list[Line]] = asyncio.Queue(BATCHES_AHEAD)
        self._ahead: list[Line] = []
        self._live_ms = 0
        self.troublemaker = Troublemaker()

    async def fetch(self) -> None:
        """Read batches of lines ahead; an empty one is the end. Run it as a task of its own."""
        while True:
            batch = await asyncio.to_thread(self._next_batch)
            await self._queue.put(batch)
            if not batch:
                return

    def _next_batch(self) -> list[Line]:
        return [line for line, _ in zip(self._lines, range(BATCH_LINES), strict=False)]

    async def merchants(self) -> int:
        """Send the merchants, which come first, and return their number."""
        lines = await self._next()
        if not lines:
            raise FeedError("the simulator wrote nothing")
        self._live_ms = lines[0].at_ms + self._history_days * DAY_MS
        count = 0
        while lines:
            merchants = [line for line in lines if line.topic == "merchants"]
            await self._send(merchants)
            count += len(merchants)
            self._ahead = lines[len(merchants) :]
            if self._ahead:
                break
            lines = await self._next()
        await self._sender.flush()
        return count

    async def history(self) -> None:
        """Send all records before the live day at full speed, and wait for the last decision."""
        while lines := self._ahead or await self._next():
            past = [line for line in lines if line.at_ms < self._live_ms]
            await self._send(past)
            self._ahead = lines[len(past) :]
            await self._answered(HISTORY_IN_FLIGHT)
            if self._ahead:
                break
        await self.finish()

    async def live(self, seconds: float) -> None:
        """Send the live day within `seconds`, evenly in event time, with some faulty events."""
        began = time.monotonic()
        self._state.go_live(began)
        while (share := (time.monotonic() - began) / seconds) < 1.0:
            until_ms = self._live_ms + int(share * DAY_MS)
            self._state.clock_ms = until_ms
            due = await self._due(until_ms)
            await self._send(due)
            good = [line for line in due if line.topic == "authorizations"]
            if good:
                await self._make_trouble(share, good[-1])
            self._check()
            await asyncio.sleep(TICK_S)
        await self._send(await self._due(self._live_ms + DAY_MS))
        await self.finish()

    async def finish(self) -> None:
        """Wait until all events are acknowledged, and decided or refused.

        Raises:
            FeedError: the worker stopped deciding.
        """
        await self._sender.flush()
        await self._answered(0)

    async def _due(self, until_ms: int) -> list[Line]:
        """Take the lines up to an event time. Lines that the simulator has not written yet follow at the next tick."""
        due: list[Line] = []
        while True:
            if not self._ahead:
                if self._queue.empty():
                    return due
                self._ahead = self._queue.get_nowait()
                if not self._ahead:
                    return due
            rest = next((i for i, line in enumerate(self._ahead) if line.at_ms > until_ms), len(self._ahead))
            due += self._ahead[:rest]
            self._ahead = self._ahead[rest:]
            if self._ahead:
                return due

    async def _make_trouble(self, share: float, good: Line) -> None:
        records = self.troublemaker.due(share, good.record)
        if records:
            times_ms = [good.at_ms] * len(records)
            self._state.sent([value for _, value in records], times_ms, time.monotonic())
            await self._sender.send(self._topics.authorizations, records, times_ms)

    async def _send(self, lines: Sequence[Line]) -> None:
        """Send the lines of each topic in order, with simulated time as timestamps."""
        for topic, field in FIELDS.items():
            chosen = [line for line in lines if line.topic == topic]
            if not chosen:
                continue
            records, times_ms = [line.record for line in chosen], [line.at_ms for line in chosen]
            if topic == "authorizations":
                self._state.sent([value for _, value in records], times_ms, time.monotonic())
            elif topic == "fraud-reports":
                self._state.reports += len(records)
            await self._sender.send(getattr(self._topics, field), records, times_ms)

    async def _next(self) -> list[Line]:
        return await self._queue.get()

    async def _answered(self, in_flight_max: int) -> None:
        ledger = self._state.ledger
        answered, since = ledger.answered, time.monotonic()
        while ledger.outstanding > in_flight_max:
            self._check()
            await asyncio.sleep(TICK_S)
            if ledger.answered != answered:
                answered, since = ledger.answered, time.monotonic()
            elif time.monotonic() - since > ANSWER_S:
                raise FeedError(f"{ledger.outstanding:,} events without a decision for {ANSWER_S:.0f} s")
