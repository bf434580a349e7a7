"""Deliver waiting alerts: attempts in parallel, retries with backoff, and an end for each alert."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from streams.webhook.alerts import Offsets, WaitingAlert
from streams.webhook.facts import Facts
from streams.webhook.fair import NEVER, FairQueue
from streams.webhook.post import Result
from streams.webhook.settings import WebhookSettings


class Posts(Protocol):
    """What makes one attempt."""

    async def post(self, alert: WaitingAlert) -> Result:
        """Make one attempt and return its result."""
        ...


def backoff_s(failures: int, settings: WebhookSettings, draw: Callable[[], float] = random.random) -> float:
    """Return the wait after a number of failures: doubled each time up to the limit, of which half is drawn."""
    doublings = min(failures - 1, 32)
    whole = min(settings.backoff_first_s * 2.0**doublings, settings.backoff_max_s)
    return whole * (0.5 + 0.5 * draw())


class Delivery:
    """Take alerts in, and deliver them until cancelled. Every alert ends with one outcome in `facts`."""

    def __init__(self, settings: WebhookSettings, posts: Posts, facts: Facts) -> None:
        self._settings = settings
        self._posts = posts
        self._facts = facts
        self._queue = FairQueue(
            acquirer_max=settings.waiting_max_per_acquirer,
            waiting_max=settings.waiting_max,
            slots_max=settings.slots_per_acquirer,
        )
        self._changed = asyncio.Event()
        self._flights: set[asyncio.Task[None]] = set()

    def add(self, alert: WaitingAlert) -> None:
        """Take in an alert. It returns at once: if the queue is full, the oldest alert of the longest one leaves."""
        if (left := self._queue.put(alert)) is not None:
            self._finish(left, "OVERFLOWED")
        self._changed.set()

    def forget(self, offsets: Offsets) -> None:
        """Forget the alerts of a partition that is no longer ours. Its next owner delivers them."""
        offsets.is_ours = False
        self._queue.remove(lambda alert: alert.offsets is offsets)

    async def run(self) -> None:
        """Start attempts as long as there are slots. On cancellation wait for those in flight, at most `timeout_s`."""
        try:
            while True:
                await self._start_all()
        finally:
            if self._flights:
                await asyncio.wait(self._flights)

    async def _start_all(self) -> None:
        """Start what can be started now, then wait until something changes or the next alert is due.

        Raises:
            Exception: an attempt ended by a fault of this program.
        """
        self._changed.clear()
        while len(self._flights) < self._settings.slots and (alert := self._queue.take(time.monotonic())) is not None:
            if self._is_expired(alert):
                self._queue.done(alert, is_delivered=False)
                self._finish(alert, "EXPIRED")
                continue
            flight = asyncio.create_task(self._attempt(alert))
            self._flights.add(flight)
        has_slot = len(self._flights) < self._settings.slots
        due_s = self._queue.due_s() if has_slot else NEVER
        changed = asyncio.create_task(self._changed.wait())
        try:
            timeout_s = None if due_s == NEVER else max(due_s - time.monotonic(), 0.0)
            await asyncio.wait({changed, *self._flights}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        for flight in [flight for flight in self._flights if flight.done()]:
            self._flights.remove(flight)
            flight.result()

    async def _attempt(self, alert: WaitingAlert) -> None:
        alert.attempts += 1
        result = await self._posts.post(alert)
        self._facts.attempted(result, alert.attempts)
        if result == "ACCEPTED":
            self._queue.done(alert, is_delivered=True)
            self._finish(alert, "DELIVERED")
            return
        is_last = alert.attempts >= self._settings.attempts_max or not alert.offsets.is_ours
        self._queue.failed(alert, time.monotonic(), self._backoff_s, is_last=is_last)
        if is_last:
            self._finish(alert, "GIVEN_UP")

    def _backoff_s(self, failures: int) -> float:
        return backoff_s(failures, self._settings)

    def _is_expired(self, alert: WaitingAlert) -> bool:
        return time.time() - alert.at_ms / 1e3 > self._settings.age_max_s

    def _finish(self, alert: WaitingAlert, outcome: str) -> None:
        """End an alert. One of a partition that has moved is its next owner's, unless it was delivered."""
        if alert.offsets.is_ours or outcome == "DELIVERED":
            self._facts.finished(outcome, alert.acquirer)
        alert.finish()

    def show(self) -> None:
        """Record the waiting alerts and the age of the oldest."""
        oldest_ms = self._queue.oldest_ms()
        oldest_s = 0.0 if oldest_ms is None else max(time.time() - oldest_ms / 1e3, 0.0)
        self._facts.waiting(self._queue.waiting(), oldest_s)
