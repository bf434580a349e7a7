"""The consumer's thread: aiokafka on a loop of its own, polled with one hop each way.

Faust's `getmany` goes through a method queue served by two workers, each of which makes three tasks per item
(mode/threads.py, `MethodQueueWorker`): about 0.2 ms per poll and a second wake-up of either loop. Here the main loop
schedules the poll on the thread's loop and the thread schedules the answer back, nothing else.
"""

import asyncio
import time
from collections.abc import Set as AbstractSet
from typing import Any, cast

import aiokafka
import uvloop
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.batch import Columns
from streams.transport.fetch import fetch_again, take

Polled = dict[TopicPartition, Columns]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Poll by column, wait little, and read what the settings say is committed."""

    app: Any  # AppT does not know our settings

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, thread_loop=uvloop.new_event_loop(), **kwargs)
        self._close_thread_loop_on_stop = True  # mode closes only loops that it made itself
        self._spacing_s = self.app.settings.consume.fetch_spacing_ms / 1000
        self._fetched_s = 0.0

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        """Override two literals of Faust: a 1,500 ms fetch wait and `read_uncommitted`. Neither has a setting.

        Both are read by `AIOKafkaConsumer.start()`, which has not run yet.
        """
        consumer = super()._create_worker_consumer(transport)
        settings = self.app.settings.consume
        consumer._fetch_max_wait_ms = settings.fetch_max_wait_ms
        consumer._isolation_level = settings.isolation
        return consumer

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs. Callable from any thread."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def highwater_now(self, tp: TP) -> int | None:
        """Return the end offset that the last fetch of a partition reported, or None. Callable from any thread."""
        consumer = self._consumer
        if consumer is None or tp not in consumer.assignment():
            return None
        return cast("int | None", consumer.highwater(tp))

    async def getmany(  # type: ignore[override]  # columns in place of lists of records
        self,
        active_partitions: AbstractSet[TP] | None,
        timeout: float,  # noqa: ASYNC109
    ) -> Polled:
        """Poll the active partitions for at most `timeout` seconds. Overrides `getmany` and `_fetch_records`.

        Raises:
            ConsumerStoppedError: the consumer is closed.
            aiokafka.errors.KafkaError: the broker refused a fetch.
        """
        assert active_partitions is not None, "a worker always has an assignment"
        promise: asyncio.Future[Polled] = self.parent_loop.create_future()
        self.thread_loop.call_soon_threadsafe(self._begin_poll, promise, active_partitions, timeout)
        return await promise

    def _begin_poll(self, promise: asyncio.Future[Polled], wanted: AbstractSet[TP], timeout: float) -> None:
        """Answer at once if records are buffered, without a task; else wait for them in one."""
        try:
            polled = self._take(wanted)
        except Exception as error:  # noqa: BLE001 - carried to the awaiting side
            self._settle(promise, None, error)
            return
        if polled or timeout <= 0:
            self._settle(promise, polled, None)
        else:
            self._waiting = self.thread_loop.create_task(self._poll(promise, wanted, timeout))

    async def _poll(self, promise: asyncio.Future[Polled], wanted: AbstractSet[TP], timeout: float) -> None:  # noqa: ASYNC109
        try:
            polled = await self._wait_and_take(wanted, time.monotonic() + timeout)
        except asyncio.CancelledError:
            self._settle(promise, {}, None)
            raise
        except Exception as error:  # noqa: BLE001 - carried to the awaiting side
            self._settle(promise, None, error)
        else:
            self._settle(promise, polled, None)

    async def _wait_and_take(self, wanted: AbstractSet[TP], deadline: float) -> Polled:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        with fetcher._subscriptions.fetch_context():
            while (left := deadline - time.monotonic()) > 0:
                if not self.consumer.flow_active:
                    break  # a rebalance began; records taken now would never be delivered
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                    break  # the wanted partitions are those of the old assignment
                if polled := self._take(wanted):
                    return polled
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=left)
                if not done:
                    waiter.cancel()
                    break
                waiter.result()  # raises what the coordinator met: authorization, for one
        return {}

    def _take(self, wanted: AbstractSet[TP]) -> Polled:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        if not self.consumer.flow_active or fetcher._subscriptions.reassignment_in_progress:
            return {}
        taken = take(fetcher, wanted)
        if taken:
            self._space_fetches(fetcher)
        return taken

    def _space_fetches(self, fetcher: Any) -> None:
        """Ask for the next fetch, but no sooner than the spacing after the last.

        A fetch returns as soon as there is one record. At a few thousand events a second every record would make a
        round of its own through consumer, agent and producer (about 0.3 ms of processor time here and as much on the
        broker). Waiting 2 ms costs 1 ms on average; a record that comes after a pause waits for nothing.
        """
        now_s = time.monotonic()
        wait_s = self._fetched_s + self._spacing_s - now_s
        self._fetched_s = now_s + max(0.0, wait_s)
        if wait_s > 0:
            self.thread_loop.call_later(wait_s, fetch_again, fetcher)
        else:
            fetch_again(fetcher)

    def _settle(self, promise: asyncio.Future[Polled], polled: Polled | None, error: Exception | None) -> None:
        def settle() -> None:
            if promise.done():  # cancelled by the main loop
                return
            if error is not None:
                promise.set_exception(error)
            else:
                assert polled is not None
                promise.set_result(polled)

        self.parent_loop.call_soon_threadsafe(settle)
