"""Faust's consumer thread without the thread: aiokafka on the main loop.

Faust sends heartbeats from a thread of its own, because an agent may block for minutes. Here a batch takes
milliseconds, and a thread costs two wake-ups and two task switches per poll. Two threads also wait for each other's
interpreter lock: on a loaded machine that was most of the latency (ADR 0002).
"""

import asyncio
import sys
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.group import LeaveGroupRequest, SyncGroupRequest
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.kafka import failover
from streams.kafka.reading.fetcher import close, fetch_again
from streams.transport.batch import Columns
from streams.transport.fetch import Bounds, take
from streams.transport.host import Host

Polled = dict[TopicPartition, Columns]


class Poller(driver.AIOKafkaConsumerThread):
    """Poll records as columns, with the fetch wait and the isolation level of the settings."""

    app: Host  # type: ignore[assignment]  # Faust's AppT lacks these attributes

    def __init__(self, consumer: Any, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **kwargs)
        self._spacing_s = self.app.settings.consume.fetch_spacing_ms / 1000
        self._fetched_s = 0.0
        self._heard_s = time.monotonic()

    # -- start and stop

    async def start(self) -> None:
        """Start on the running loop. Overrides `ServiceThread.start`, which makes a thread that does the same."""
        assert not self._thread_started.is_set()
        self._thread_started.set()
        await self._default_start()
        await self.on_thread_started()

    async def on_start(self) -> None:
        """Track when the last request was sent that the group answered. Extends the original, which starts aiokafka.

        The time of sending counts, not that of reading the answer. The coordinator counts the session from its answer,
        and an answer may wait in the network, or for a paused process, for longer than the session timeout.
        """
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        heartbeat = coordinator._do_heartbeat

        async def noted() -> bool:
            sent_s = time.monotonic()
            is_member: bool = await heartbeat()
            if is_member:
                self._heard_s = sent_s
            return is_member

        coordinator._do_heartbeat = noted
        send = coordinator._send_req

        async def sent(request: Any) -> Any:
            sent_s = time.monotonic()
            answer = await send(request)
            if isinstance(request, SyncGroupRequest) and not answer.error_code:
                self._heard_s = sent_s
            return answer

        coordinator._send_req = sent
        push = coordinator._push_error_to_user

        def pushed(error: BaseException) -> Any:
            """Crash on an error that no retry mends, also in a rebalance, when no poll would raise it."""
            if not self.app.should_stop:
                self.app.add_future(self.app.crash(error))
            return push(error)

        coordinator._push_error_to_user = pushed

    @property
    def lease_left_s(self) -> float:
        """Seconds until the broker may expire this member."""
        return self._heard_s + self.app.settings.broker.profile.session_timeout_s - time.monotonic()

    @property
    def is_expelled(self) -> bool:
        """Tell whether the group has removed this member. aiokafka then joins again as a new member."""
        coordinator = self._ensure_consumer()._coordinator
        return bool(coordinator.generation < 0)

    async def leave(self) -> None:
        """Leave the group at once, before the consumer is closed, and never join again.

        A static member does not leave: a worker that comes back with its id within the session timeout gets its
        partitions at once, without a rebalance.
        """
        coordinator = self._consumer._coordinator if self._consumer is not None else None
        if coordinator is None or coordinator._closing.done() or coordinator._group_instance_id is not None:
            return
        coordinator._closing.set_result(None)
        if coordinator.generation > 0:
            with suppress(KafkaError):
                await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))

    async def stop(self) -> None:
        """Leave the group and close. Overrides `ServiceThread.stop`, which waits for the thread to do the same."""
        if self._started.is_set() and not self._stopped.is_set():
            self._stopped.set()
            await self._shutdown_thread()

    async def on_thread_stop(self) -> None:
        """Leave the group and close. Overrides the original, whose last step may wait for ever in a rebalance."""
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()  # the queue of calls
        if self._consumer is not None:
            await close(self._consumer)

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        """Override two literals of Faust: a 1,500 ms fetch wait and `read_uncommitted`. Neither has a setting.

        Both are read by `AIOKafkaConsumer.start()`, which has not run yet.
        """
        consumer = super()._create_worker_consumer(transport)
        settings = self.app.settings.consume
        consumer._fetch_max_wait_ms = settings.fetch_max_wait_ms
        consumer._isolation_level = settings.isolation
        failover.watch(consumer._client)
        return consumer

    # -- polling

    async def getmany(  # type: ignore[override]  # columns in place of lists of records
        self,
        active_partitions: AbstractSet[TP] | None,
        timeout: float,  # noqa: ASYNC109 -- its end is no error
        room: int = sys.maxsize,
    ) -> Polled:
        """Poll the active partitions for at most `timeout` seconds; empty when there is nothing or a rebalance began.

        At most `room` bytes are unpacked, exceeded by one record batch at most. Overrides `getmany` and
        `_fetch_records`, and with them `Fetcher.fetched_records`.

        Raises:
            ConsumerStoppedError: the consumer is closed.
            aiokafka.errors.KafkaError: the broker refused a fetch, or the group refused this member.
        """
        assert active_partitions is not None, "a worker always has an assignment"
        fetcher = self._ensure_consumer()._fetcher
        deadline = time.monotonic() + timeout
        with fetcher._subscriptions.fetch_context():
            while not (polled := self._take(active_partitions, room)):
                left = deadline - time.monotonic()
                if left <= 0 or not self.consumer.flow_active:
                    break
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                    break  # the active partitions were those of the old assignment
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=left)
                if not done:
                    waiter.cancel()
                    break
                waiter.result()  # raises the coordinator's error, for example a missing right
        return polled

    def _take(self, wanted: AbstractSet[TP], room: int) -> Polled:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        if not self.consumer.flow_active or fetcher._subscriptions.reassignment_in_progress:
            return {}  # records taken now would never be delivered
        limit = self.app.settings.consume.record_batch_max_bytes
        taken = take(fetcher, wanted, Bounds(batch=limit, partition=limit // 4, room=room))
        if taken:
            self._space_fetches(fetcher)
        return taken

    def _space_fetches(self, fetcher: Any) -> None:
        """Start the next fetch, but no sooner than the spacing after the last one.

        A fetch returns as soon as there is one record. At a few thousand events a second, each record would pass
        through consumer, agent, producer and broker alone. A wait of 1 ms adds half of that on average; a record that
        comes after a pause does not wait.
        """
        now_s = time.monotonic()
        wait_s = self._fetched_s + self._spacing_s - now_s
        self._fetched_s = now_s + max(0.0, wait_s)
        if wait_s > 0:
            self.thread_loop.call_later(wait_s, fetch_again, fetcher)
        else:
            fetch_again(fetcher)

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset of a partition, or None."""
        return cast("int | None", await self._ensure_consumer().committed(tp))

    # -- for the watchdog, from its own thread

    @property
    def is_alive(self) -> bool:
        """Tell whether aiokafka's fetching and group tasks run."""
        consumer = self._consumer
        if consumer is None or consumer._coordinator is None or self._stopped.is_set():
            return True  # not started yet, or stopped in order
        tasks = (consumer._fetcher._fetch_task, consumer._coordinator._coordination_task)
        return not any(task.done() for task in tasks)

    def highwater_now(self, tp: TP) -> int | None:
        """Return the end offset that the last fetch of a partition reported, or None."""
        consumer = self._consumer
        if consumer is None or tp not in consumer.assignment():
            return None
        return cast("int | None", consumer.highwater(tp))
