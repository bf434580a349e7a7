"""Emitted batches that wait for their acknowledgements. They finish in the order in which they were emitted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import ProducerFenced
from aiokafka.structs import RecordMetadata
from mode import Service

from streams.kafka.fence.lease import FENCED, ExpelledError
from streams.kafka.sending.append import Ack
from streams.transport.tasks import WatchedService


class UndeliveredError(Exception):
    """Raised when an output was refused or not acknowledged in time. Its batch stays uncommitted: the worker halts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Delivery:
    acks: Sequence[Ack]
    finish: Callable[[int], Any]


class Deliveries(WatchedService):
    """Await acknowledgements batch by batch, so that an agent may already work on the next one.

    A failure crashes the service and with it the app. No batch after the failed one is finished.
    """

    def __init__(
        self, *, depth: int, timeout_s: float, note: Callable[[RecordMetadata], None] = lambda _: None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._note = note
        self._queue: asyncio.Queue[_Delivery] = asyncio.Queue(depth)
        self._timeout_s = timeout_s

    async def add(self, acks: Sequence[Ack], finish: Callable[[int], Any]) -> None:
        """Queue a batch; `finish(now_ms)` is called once its outputs are durable. Waits while `depth` are queued."""
        await self._queue.put(_Delivery(acks, finish))

    @Service.task
    async def _finish_in_order(self) -> None:
        while not self.should_stop:
            delivery = await self._queue.get()
            try:
                async with asyncio.timeout(self._timeout_s):
                    for ack in delivery.acks:
                        self._note(await ack)
            except ExpelledError:
                raise
            except ProducerFenced:
                raise ExpelledError(FENCED) from None
            except Exception as error:
                raise UndeliveredError(f"output not acknowledged: {type(error).__name__}") from error
            delivery.finish(time.time_ns() // 1_000_000)
