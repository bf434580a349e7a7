"""Ranges of a log in bulk, without a group: rows of state to restore, outputs to scan."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka import failover
from streams.kafka.metadata import topic_ids
from streams.kafka.reading.fetcher import READ_COMMITTED, READ_UNCOMMITTED, close, fetch_again
from streams.kafka.reading.rows import Rows, StateReadError, batches_of, name_of, rows_of
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Isolation

TAIL_STEP: Final = 4_096
LOOK_S: Final = 0.01  # aiokafka wakes no one for an empty answer: how often to look for it

Bounds = tuple[int, int]

_LEVELS: Final = {"read_uncommitted": READ_UNCOMMITTED, "read_committed": READ_COMMITTED}
_NO_OTHERS: Final[Mapping[str, Isolation]] = {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tail:
    """Hold the last record of a key, and the keys of all records after it in their order."""

    offset: int
    value: bytes | None
    later_keys: list[bytes]


class LogReader:
    """Read ranges of partitions, one at a time, on the main loop beside heartbeats.

    The next fetch is under way while what the last one brought is unpacked, and the loop is given back every 4,096
    rows. Memory: about three fetches of at most `fetch_max_bytes`, a batch of at most 64 MiB unpacked, and the rows
    handed out. `timeout_s` is how long the broker may bring nothing, of what must be there, before a read fails.

    A batch that cannot be unpacked was written by no worker. On the topics that `passes_over` names it counts as one
    record without key and value; on others it ends the read.

    `isolation_of` names topics that are read otherwise than with `isolation`.

    `progressed` is called for each answer of the broker that was asked for, and for each piece of it that was taken.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        isolation: Isolation,
        isolation_of: Mapping[str, Isolation] = _NO_OTHERS,
        timeout_s: float = 30.0,
        fetch_max_bytes: int = 4 << 20,  # taken in at once: of 8 MiB the main loop would be held for 20 ms
        fetch_max_wait_ms: int = 50,
        passes_over: Collection[str] = (),
        progressed: Callable[[], None] = lambda: None,
    ) -> None:
        self._isolation = isolation
        self._isolation_of = isolation_of
        self._passes_over = passes_over
        self.progressed = progressed
        self._timeout_s = timeout_s
        self._is_reading = False
        self._started: aiokafka.AIOKafkaConsumer | None = None
        self._options: dict[str, Any] = {
            **client_options(broker),
            "client_id": client_id,
            "isolation_level": isolation,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",  # a range that is gone must not become another one
            "check_crcs": True,
            "fetch_max_bytes": fetch_max_bytes,
            "max_partition_fetch_bytes": fetch_max_bytes,
            "fetch_max_wait_ms": fetch_max_wait_ms,
        }

    async def start(self) -> None:
        """Connect.

        Raises:
            aiokafka.errors.KafkaError: the broker cannot be reached.
        """
        assert self._started is None
        consumer = aiokafka.AIOKafkaConsumer(**self._options)
        consumer._request_timeout_ms = int(self._timeout_s * 1000)  # of a look-up of offsets, which has many requests
        failover.watch(consumer._client)
        try:
            await consumer.start()
        except BaseException:
            await close(consumer)
            raise
        self._started = consumer

    async def stop(self) -> None:
        """Disconnect; a read under way fails."""
        consumer, self._started = self._started, None
        if consumer is not None:
            await close(consumer)

    @property
    def _consumer(self) -> aiokafka.AIOKafkaConsumer:
        if self._started is None:
            raise StateReadError("the reader is closed")
        return self._started

    async def bounds(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Return the first offset of each partition and the one after its last record.

        ListOffsets of the embedded broker gives an end that lies inside the last batch, so every partition that is not
        empty is fetched from its end as well: that answer is right everywhere.

        Raises:
            StateReadError: a partition does not exist, or the broker did not answer within `timeout_s`.
        """
        deadline = time.monotonic() + self._timeout_s
        self._isolate({tp.topic for tp in tps})
        begins, ends = await self._offsets(tps)
        with self._assigned({tp: ends[tp] - 1 for tp in tps if ends[tp] > begins[tp]}) as states:
            for tp, state in states.items():
                await self._next(tp, state, ends[tp], deadline)
                ends[tp] = max(ends[tp], self._end_of(state))
        self.progressed()
        return {tp: (begins[tp], ends[tp]) for tp in tps}

    async def held_back(self, tps: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Return the partitions whose last records are not to be read yet: a transaction is open.

        Raises:
            StateReadError: as `bounds`.
        """
        self._consumer._fetcher._isolation_level = READ_COMMITTED
        _, stable = await self._offsets(tps)
        self._consumer._fetcher._isolation_level = READ_UNCOMMITTED
        _, ends = await self._offsets(tps)
        return [tp for tp in tps if stable[tp] < ends[tp]]

    async def _offsets(self, tps: Sequence[TopicPartition]) -> tuple[dict[TopicPartition, int], ...]:
        """Ask for the first offset of each partition and the one after its last record."""
        consumer = self._consumer
        try:
            async with asyncio.timeout(self._timeout_s):
                for topic in {tp.topic for tp in tps}:
                    await consumer._client._wait_on_metadata(topic)
                return await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        except (KafkaError, TimeoutError) as error:
            raise StateReadError(f"no offsets of {', '.join(map(name_of, tps))}: {type(error).__name__}") from error

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """Return the id of each topic by its name; of none where the broker has no ids.

        Raises:
            StateReadError: the broker did not answer, or did not know all of them, within `timeout_s`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await topic_ids(self._consumer._client, topics)
        except (KafkaError, TimeoutError) as error:
            raise StateReadError(f"no ids of {', '.join(topics)}: {type(error).__name__}") from error
        self.progressed()
        return found

    async def offset_at(self, tp: TopicPartition, time_ms: int, end: int) -> int:
        """Return the first offset whose record is of that time or later; `end` if there is none.

        Raises:
            StateReadError: the broker did not answer within `timeout_s`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = (await self._consumer.offsets_for_times({tp: time_ms}))[tp]
        except (KafkaError, TimeoutError) as error:
            raise StateReadError(f"{name_of(tp)}: no offset of a time: {type(error).__name__}") from error
        self.progressed()
        return end if found is None else int(found.offset)

    async def read(self, tp: TopicPartition, begin: int, end: int) -> AsyncGenerator[Rows, None]:
        """Read every record of [begin, end) in order; leave early only through `contextlib.aclosing`.

        Positions say when the end is reached: compaction and the markers of transactions leave gaps, at the end too.

        Raises:
            StateReadError: the range is not in the log, `timeout_s` passed without progress, a checksum is wrong, or a
                batch cannot be unpacked.
        """
        if begin >= end:
            return
        with self._assigned({tp: begin}) as states:
            position, state = begin, states[tp]
            deadline = time.monotonic() + self._timeout_s
            while position < end and (fetched := await self._next(tp, state, end, deadline)) is not None:
                batches = batches_of(fetched, end)
                state.timestamp = None  # of the last answer, and so to the last position
                if not batches or batches[-1].header.next_offset <= position:
                    continue
                position = batches[-1].header.next_offset
                state.consumed_to(position)
                if position < end:
                    fetch_again(self._consumer._fetcher)
                for rows in rows_of(tp, fetched, batches, begin, end, is_passed_over=tp.topic in self._passes_over):
                    yield rows
                    self.progressed()
                    await asyncio.sleep(0)
                self.progressed()
                deadline = time.monotonic() + self._timeout_s

    async def last(self, tp: TopicPartition, key: bytes, begin: int, end: int) -> Tail | None:
        """Find the last record of a key in [begin, end), reading back from the end in ever longer steps, or None.

        Absence is known only once all has been read, and the keys of all of it are held until then.

        Raises:
            StateReadError: as `read`.
        """
        later: list[list[bytes]] = []
        step, high = TAIL_STEP, end
        while high > begin:
            low = max(begin, end - step)
            found: tuple[int, bytes | None] | None = None
            keys: list[bytes] = []
            async for rows in self.read(tp, low, high):
                if key in rows.keys:
                    at = len(rows) - 1 - rows.keys[::-1].index(key)
                    found, keys = (rows.offsets[at], rows.values[at]), rows.keys[at + 1 :]
                else:
                    keys += rows.keys
            later.append(keys)
            if found is not None:
                return Tail(offset=found[0], value=found[1], later_keys=list(chain.from_iterable(reversed(later))))
            high = low
            step *= 2
        return None

    def _isolate(self, topics: Collection[str]) -> None:
        """Read from here on as these topics are to be read: aiokafka knows one isolation for all."""
        levels = {_LEVELS[self._isolation_of.get(topic, self._isolation)] for topic in topics}
        assert len(levels) <= 1, "topics that are read together are read alike"
        for level in levels:
            self._consumer._fetcher._isolation_level = level

    @contextmanager
    def _assigned(self, positions: Mapping[TopicPartition, int]) -> Iterator[dict[TopicPartition, Any]]:
        """Fetch these partitions from these positions; give aiokafka's state of each."""
        assert not self._is_reading, "one read at a time"
        consumer = self._consumer
        subscriptions = consumer._subscription
        self._is_reading = True
        self._isolate({tp.topic for tp in positions})
        try:
            if positions:
                consumer.assign(list(positions))
            for tp, position in positions.items():
                consumer.seek(tp, position)
            yield {tp: subscriptions.subscription.assignment.state_value(tp) for tp in positions}
        finally:
            self._is_reading = False
            subscriptions.unsubscribe()  # the consumer's own would ask for the metadata of every topic
            consumer._fetcher._records.clear()

    async def _next(self, tp: TopicPartition, state: Any, end: int, deadline: float) -> Any:
        """Wait for the next fetch that brings something; None if the log has nothing more before `end`.

        That is so when the broker answers with nothing although it knows the log up to `end`. After a change of leader
        it may know less for a moment.
        """
        while True:
            fetched = self._consumer._fetcher._records.pop(tp, None)
            if hasattr(fetched, "getall"):
                return fetched
            if fetched is not None:  # FetchError
                kind = type(fetched._error).__name__
                raise StateReadError(f"{name_of(tp)} at {state.position}: {kind}") from fetched._error
            if state.timestamp is not None:
                if self._end_of(state) >= end:
                    return None
                state.timestamp = None
            await self._look(tp, deadline)

    async def _look(self, tp: TopicPartition, deadline: float) -> None:
        """Wait a moment, or until something has been fetched."""
        left = deadline - time.monotonic()
        if left <= 0:
            text = f"{name_of(tp)}: nothing in {self._timeout_s:g} s of what must be there"
            raise StateReadError(text) from TimeoutError()
        waiter = self._consumer._fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=min(left, LOOK_S))
        if not done:
            waiter.cancel()

    def _end_of(self, state: Any) -> int:
        """Return the end of what the last answer could have brought."""
        is_committed = self._consumer._fetcher._isolation_level == READ_COMMITTED and state.lso is not None
        end: int = state.lso if is_committed and state.lso >= 0 else state.highwater
        return end
