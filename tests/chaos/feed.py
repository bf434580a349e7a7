"""The upstream: a producer in its own thread, at a steady rate and up to a limit that the scenario sets."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterable
from typing import Self

import aiokafka

from tests.chaos.traffic import Event

TICK_S = 0.02
PATIENCE_MS = 120_000
"""Time without a broker after which the feed fails."""

END_S = 180.0


class Feed:
    """Produce events to their partitions until all are sent. A context: leaving it early stops the feed."""

    ask_ms = PATIENCE_MS

    def __init__(self, bootstrap: str, topic: str, events: Iterable[Event], rate: float) -> None:
        self.sent = 0
        self._bootstrap = bootstrap
        self._topic = topic
        self._events = iter(events)
        self._rate = rate
        self._limit = 0
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feed")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(END_S)

    def allow(self, events: float) -> None:
        """Raise the limit to this many events in all; `math.inf` for the rest."""
        self._limit = max(self._limit, events)  # type: ignore[assignment]  # infinity is no int

    def join(self, timeout_s: float = END_S) -> None:
        """Wait until everything is sent and acknowledged.

        Raises:
            TimeoutError: it is not within `timeout_s`.
            aiokafka.errors.KafkaError: the broker refused something.
        """
        self.allow(float("inf"))
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the feed has sent {self.sent} events and not ended within {timeout_s:.0f} s")
        if self._error is not None:
            raise self._error

    def end(self, timeout_s: float = END_S) -> None:
        """Send no more, and wait until what was sent is acknowledged.

        Raises:
            TimeoutError, aiokafka.errors.KafkaError: as `join`.
        """
        self._stopped.set()
        self.join(timeout_s)

    def take(self, count: int) -> list[Event]:
        """Take the next events; fewer only at the end."""
        return list(itertools.islice(self._events, count))

    def _run(self) -> None:
        try:
            asyncio.run(self._produce())
        except BaseException as error:  # noqa: BLE001 - raised by `join`
            self._error = error

    async def _produce(self) -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=1 << 19,
            request_timeout_ms=self.ask_ms,
        )
        await producer.start()
        try:
            ticked = time.monotonic()
            allowance = 0.0
            while not self._stopped.is_set():
                now = time.monotonic()
                allowance = min(allowance + (now - ticked) * self._rate, self._rate * 10 * TICK_S)
                ticked = now
                count = int(min(allowance, self._limit - self.sent))
                chunk = self.take(count)
                if count and not chunk:
                    return
                if chunk:
                    allowance -= len(chunk)
                    await self._send(producer, chunk)
                    self.sent += len(chunk)
                await asyncio.sleep(TICK_S)
        finally:
            await producer.stop()

    async def _send(self, producer: aiokafka.AIOKafkaProducer, chunk: list[Event]) -> None:
        acks = []
        for partition in sorted({event.partition for event in chunk}):
            batch = producer.create_batch()
            for event in chunk:
                if event.partition == partition and not _append(batch, event):
                    acks.append(await producer.send_batch(batch, self._topic, partition=partition))
                    batch = producer.create_batch()
                    assert _append(batch, event), "an empty batch must accept any event"
            acks.append(await producer.send_batch(batch, self._topic, partition=partition))
        await asyncio.gather(*acks)


def _append(batch: aiokafka.producer.message_accumulator.BatchBuilder, event: Event) -> bool:
    return batch.append(timestamp=event.at_ms, key=event.key, value=event.value) is not None
