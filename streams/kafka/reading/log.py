"""Read ranges of partitions without a consumer group: changelog rows, outputs, dead letters and their records."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Final, Self

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka import failover
from streams.kafka.errors import UnreadableError
from streams.kafka.metadata import cluster_id, topic_ids
from streams.kafka.reading import ends
from streams.kafka.reading.ends import Patience, Span, name_of
from streams.kafka.reading.fetcher import READ_COMMITTED, READ_UNCOMMITTED, close, fetch_again
from streams.kafka.reading.records import Record, Refuse, fail, records_of
from streams.kafka.reading.rows import BATCH_MAX_BYTES, Rows, batches_of, pieces, rows_of, unpacked
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Isolation
from streams.records.batches import Refused, Stored

TAIL_STEP: Final = 4_096
RECORDS_MAX: Final = 2_048
"""Single records that are yielded at a time."""

_LEVELS: Final = {"read_uncommitted": READ_UNCOMMITTED, "read_committed": READ_COMMITTED}
_NO_OTHERS: Final[Mapping[str, Isolation]] = {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tail:
    """The last record of a key, and the keys of all later records in order."""

    offset: int
    value: bytes | None
    later_keys: list[bytes]


class LogReader:
    """Read ranges of partitions, one at a time, on the main loop.

    The next fetch is sent before the last one is unpacked. The main loop gets control after every 4,096 rows. Memory:
    about three fetches of at most `fetch_max_bytes`, one batch of at most `batch_max_bytes` unpacked, and the rows
    that were yielded. A read fails if the broker returns nothing for `timeout_s` although there are records.

    No worker writes a batch that cannot be unpacked. On the topics in `passes_over` it counts as one record without
    key and value; on others the read fails. `records` has a parameter for it instead.

    `isolation_of`: isolation levels of topics that differ from `isolation`. `skips_expired`: if retention has removed
    the begin of a range, the read begins at the first record left; otherwise it fails. `progressed` is called for each
    answer of the broker, and for each part of it that was processed.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        isolation: Isolation,
        isolation_of: Mapping[str, Isolation] = _NO_OTHERS,
        timeout_s: float = 30.0,
        fetch_max_bytes: int = 4 << 20,  # 8 MiB would block the main loop for 20 ms
        fetch_max_wait_ms: int = 50,
        batch_max_bytes: int = BATCH_MAX_BYTES,
        passes_over: Collection[str] = (),
        skips_expired: bool = False,
        progressed: Callable[[], None] = lambda: None,
    ) -> None:
        self._isolation = isolation
        self._isolation_of = isolation_of
        self._batch_max_bytes = batch_max_bytes
        self._passes_over = passes_over
        self.progressed = progressed
        self._timeout_s = timeout_s
        self._is_reading = False
        self._empty_is_end = broker.profile.empty_is_end
        self._started: aiokafka.AIOKafkaConsumer | None = None
        self._options: dict[str, Any] = {
            **client_options(broker),
            "client_id": client_id,
            "isolation_level": isolation,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest" if skips_expired else "none",
            "check_crcs": True,
            "fetch_max_bytes": fetch_max_bytes,
            "max_partition_fetch_bytes": fetch_max_bytes,
            "fetch_max_wait_ms": fetch_max_wait_ms,
        }

    async def start(self) -> None:
        """Connect the consumer.

        Raises:
            aiokafka.errors.KafkaError: the broker cannot be reached.
        """
        assert self._started is None
        consumer = aiokafka.AIOKafkaConsumer(**self._options)
        consumer._request_timeout_ms = int(self._timeout_s * 1000)  # a look-up of offsets sends many requests
        failover.watch(consumer._client)
        try:
            await consumer.start()
        except BaseException:
            await close(consumer)
            raise
        self._started = consumer

    async def stop(self) -> None:
        """Disconnect. A pending read fails."""
        consumer, self._started = self._started, None
        if consumer is not None:
            await close(consumer)

    async def __aenter__(self) -> Self:
        """Connect, as `start`."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self.stop()

    @property
    def _consumer(self) -> aiokafka.AIOKafkaConsumer:
        if self._started is None:
            raise UnreadableError("the reader is closed")
        return self._started

    async def partitions_of(self, topic: str) -> list[TopicPartition]:
        """Return the partitions of a topic; none if it does not exist. The topic is not created."""
        return await ends.partitions_of(self._consumer, topic)

    async def bounds(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Span]:
        """Return the first offset of each partition and the one after its last record: see `ends`.

        Raises:
            UnreadableError: a partition does not exist, or the broker did not answer within `timeout_s`.
        """
        assert not self._is_reading, "one read at a time"
        self._isolate({tp.topic for tp in tps})
        self._is_reading = True
        try:
            found = await ends.bounds(self._consumer, tps, self._timeout_s)
        finally:
            self._is_reading = False
        self.progressed()
        return found

    async def reported(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, Span]:
        """Return the offsets of partitions as ListOffsets reports them, also during a read. It needs no right to Read.

        Raises:
            UnreadableError: as `bounds`.
        """
        return await ends.reported(self._consumer, tps, self._timeout_s)

    async def held_back(self, tps: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Return the partitions with an open transaction, whose last records are not readable yet.

        Raises:
            UnreadableError: as `bounds`.
        """
        self._consumer._fetcher._isolation_level = READ_COMMITTED
        stable = await self.reported(tps)
        self._consumer._fetcher._isolation_level = READ_UNCOMMITTED
        every = await self.reported(tps)
        return [tp for tp in tps if stable[tp].end < every[tp].end]

    async def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """Return the topic ids by name; empty if the broker has no topic ids.

        Raises:
            UnreadableError: the broker did not answer, or did not know all of them, within `timeout_s`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await topic_ids(self._consumer._client, topics)
        except (KafkaError, TimeoutError) as error:
            raise UnreadableError(f"no ids of {', '.join(topics)}: {type(error).__name__}") from error
        self.progressed()
        return found

    async def cluster_id(self) -> str:
        """Return the id of the cluster, "" if it has none.

        Raises:
            UnreadableError: the broker did not answer within `timeout_s`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await cluster_id(self._consumer._client)
        except (KafkaError, TimeoutError) as error:
            raise UnreadableError(f"no id of the cluster: {type(error).__name__}") from error
        self.progressed()
        return found

    async def offset_at(self, tp: TopicPartition, time_ms: int, end: int) -> int:
        """Return the first offset with a timestamp of `time_ms` or later; `end` if there is none.

        Raises:
            UnreadableError: the broker did not answer within `timeout_s`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                found = (await self._consumer.offsets_for_times({tp: time_ms}))[tp]
        except (KafkaError, TimeoutError) as error:
            raise UnreadableError(f"{name_of(tp)}: no offset of a time: {type(error).__name__}") from error
        self.progressed()
        return end if found is None else int(found.offset)

    async def read(self, tp: TopicPartition, begin: int, end: int) -> AsyncGenerator[Rows, None]:
        """Yield all records of [begin, end) in order. To stop early, use `contextlib.aclosing`.

        Fetch positions determine the end: compaction and transaction markers leave gaps, also at the end.

        Raises:
            UnreadableError: the range is not in the partition, `timeout_s` passed without progress, a checksum is
                wrong, or a batch cannot be unpacked.
        """
        is_passed_over = tp.topic in self._passes_over
        async with aclosing(self._fetches(tp, begin, end)) as fetches:
            async for fetched, batches in fetches:
                found = unpacked(tp, fetched, batches, begin, end, self._batch_max_bytes)
                for rows in rows_of(tp, found, is_passed_over=is_passed_over):
                    yield rows
                    await self._give_way()

    async def records(
        self, tp: TopicPartition, begin: int, end: int, refuse: Refuse = fail
    ) -> AsyncGenerator[list[Record], None]:
        """Yield single records with their headers, up to 2,048 at a time. Otherwise like `read`.

        A batch that cannot be unpacked goes to `refuse`, in order, and is skipped.

        Raises:
            UnreadableError: as `read`, except for a batch that cannot be unpacked.
            RefusedBatchError: a batch cannot be unpacked, with the default `refuse`.
        """
        async with aclosing(self._fetches(tp, begin, end)) as fetches:
            async for fetched, batches in fetches:
                for batch, found in unpacked(tp, fetched, batches, begin, end, self._batch_max_bytes):
                    if isinstance(found, Refused):
                        refuse(tp, found)
                        continue
                    for part in pieces(found, RECORDS_MAX):
                        yield list(records_of(tp, part, batch))
                        await self._give_way()

    async def _give_way(self) -> None:
        self.progressed()
        await asyncio.sleep(0)

    async def _fetches(
        self, tp: TopicPartition, begin: int, end: int
    ) -> AsyncGenerator[tuple[Any, Sequence[Stored]], None]:
        """Yield each fetch of [begin, end), with its record batches, which are not unpacked yet."""
        if begin >= end:
            return
        assert not self._is_reading, "one read at a time"
        consumer, patience = self._consumer, Patience(self._timeout_s)
        self._is_reading = True
        self._isolate({tp.topic})
        try:
            with ends.assigned(consumer, {tp: begin}) as states:
                position, state = begin, states[tp]
                while position < end:
                    fetched = await ends.next_fetch(consumer, tp, state, end, patience, empty_is_end=self._empty_is_end)
                    if fetched is None:
                        return
                    batches = batches_of(fetched, end)
                    state.timestamp = None  # of the last answer, and so to the last position
                    if not batches or batches[-1].header.next_offset <= position:
                        continue
                    position = batches[-1].header.next_offset
                    state.consumed_to(position)
                    if position < end:
                        fetch_again(consumer._fetcher)
                    yield fetched, batches
                    self.progressed()
                    patience.renew()
        finally:
            self._is_reading = False

    async def last(self, tp: TopicPartition, key: bytes, begin: int, end: int) -> Tail | None:
        """Return the last record of a key in [begin, end), or None. It reads backwards from the end in growing steps.

        If there is none, the whole range is read, and the keys of all its records are held in memory.

        Raises:
            UnreadableError: as `read`.
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
        """Set the isolation level for these topics: aiokafka has one for the whole consumer."""
        levels = {_LEVELS[self._isolation_of.get(topic, self._isolation)] for topic in topics}
        assert len(levels) <= 1, "topics that are read together are read alike"
        for level in levels:
            self._consumer._fetcher._isolation_level = level
