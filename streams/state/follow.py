"""Follow shared profiles of other workers (merchants, BINs, devices, addresses ...) in `shared-profiles`.

Rows of a partition count from the marker after them. So rows are held until a marker is read, and then applied, many
rows in several steps. A worker lags by one flush interval of the owner and one follow interval of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.structs import TopicPartition
from mode import Service

from scoring.profile.packed import RowFormatError
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.state.agreement import Agreement
from streams.state.log.marker import KEY, StateFormatError, decode
from streams.state.log.packing import pack
from streams.state.protocols import Engine, Settings, Telemetry
from streams.transport.tasks import WatchedService

ROWS_HELD_MAX: Final = 4_000_000
"""Most rows that may wait for a marker. Beyond it the topic is taken to have none, and the worker halts."""

APPLY_ROWS: Final = 8_192  # rows of one step: some 20 ms of the main loop
REPORT_S: Final = 1.0


@dataclass(slots=True, kw_only=True)
class _Followed:
    """A partition that another worker owns, with the rows that were read and wait for a marker."""

    position: int
    counts_until: int = 0  # offsets below are before a marker that is known, so rows need not wait
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    oldest_ms: int | None = None


class Follower(WatchedService):
    """Follow the partitions that this worker does not own, on the main loop, between batches."""

    def __init__(
        self, settings: Settings, engine: Engine, telemetry: Telemetry, agreement: Agreement, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._agreement = agreement
        self._settings = settings
        self._topic = settings.topics.shared_profiles
        self._engine = engine
        self._telemetry = telemetry
        self._followed: dict[int, _Followed] = {}
        self._reader = LogReader(
            settings.broker,
            client_id="sekisho-follower",
            isolation=settings.isolation_of[self._topic],
            timeout_s=settings.state.read_timeout_s,
        )
        self._partitions = 0
        self._looking = asyncio.Lock()
        self._looked_ns = time.monotonic_ns()

    async def on_start(self) -> None:
        """Connect the reader."""
        await self._reader.start()

    async def on_shutdown(self) -> None:
        """Disconnect the reader. Not in `on_stop`, which runs while a read may be under way, and would fail it."""
        await self._reader.stop()

    def stop_following(self, partitions: Iterable[int]) -> None:
        """Stop following partitions that this worker is about to own."""
        for partition in partitions:
            self._followed.pop(partition, None)

    def follow_from(self, partition: int, position: int) -> None:
        """Follow a partition that this worker owned, from the offset after its last marker."""
        self._followed[partition] = _Followed(position=position)

    async def catch_up(
        self, own: Iterable[int], partitions: int, progressed: Callable[[], None] = lambda: None
    ) -> None:
        """Follow all partitions but `own`, and return once they are read to their present ends.

        `progressed` is called for each answer of a broker meanwhile.

        Raises:
            UnreadableError, StateFormatError: a partition cannot be read.
        """
        self._partitions = partitions
        async with self._looking, self._reporting(progressed):
            for partition in sorted(set(range(partitions)).difference(own, self._followed)):
                tp = TopicPartition(self._topic, partition)
                begin, end = (await self._reader.bounds([tp]))[tp]
                tail = await self._reader.last(tp, KEY, begin, end)
                self._followed[partition] = _Followed(position=begin, counts_until=0 if tail is None else tail.offset)
            await self._look()

    @asynccontextmanager
    async def _reporting(self, progressed: Callable[[], None]) -> AsyncIterator[None]:
        ordinary, self._reader.progressed = self._reader.progressed, progressed
        try:
            yield
        finally:
            self._reader.progressed = ordinary

    @Service.task
    async def _follow(self) -> None:
        interval_s = self._settings.state.follow_interval_s
        while not self.should_stop:
            began_s = time.monotonic()
            async with self._looking:
                await self._look()
            await self.sleep(max(interval_s - (time.monotonic() - began_s), interval_s / 10))

    @Service.task
    async def _report(self) -> None:
        while not self.should_stop:
            self._telemetry.followed(self._lags_s())
            await self.sleep(REPORT_S)

    async def _look(self) -> None:
        """Read every followed partition to its present end."""
        tps = [TopicPartition(self._topic, partition) for partition in sorted(self._followed)]
        for tp, (begin, end) in (await self._reader.bounds(tps) if tps else {}).items():
            followed = self._followed.get(tp.partition)
            if followed is None:
                continue
            async with aclosing(self._reader.read(tp, max(begin, followed.position), end)) as log_rows:
                async for rows in log_rows:
                    if self._followed.get(tp.partition) is not followed:  # this worker owns it now
                        break
                    await self._take(tp.partition, followed, rows)
            followed.position = max(end, followed.position)
        self._looked_ns = time.monotonic_ns()

    async def _take(self, partition: int, followed: _Followed, rows: Rows) -> None:
        """Apply all rows before the last marker, and hold those after it."""
        followed.position = rows.offsets[-1] + 1
        if followed.position <= followed.counts_until:
            await self._apply(partition, rows.keys, rows.values)
            return
        marker = _last_index(rows.keys, KEY)
        if marker >= 0:
            where = f"{self._topic}[{partition}]"
            written = decode(rows.values[marker], where, self._partitions)
            if rows.offsets[marker] > followed.counts_until:  # it was written since this worker follows
                self._agreement.compare(written, where)
            await self._apply(partition, followed.keys + rows.keys[:marker], followed.values + rows.values[:marker])
            followed.keys, followed.values, followed.oldest_ms = [], [], None
        followed.keys += rows.keys[marker + 1 :]
        followed.values += rows.values[marker + 1 :]
        if followed.oldest_ms is None and followed.keys:
            followed.oldest_ms = rows.timestamps_ms[marker + 1]
        if len(followed.keys) > ROWS_HELD_MAX:
            raise StateFormatError(f"{self._topic}[{partition}]: {len(followed.keys)} rows without a marker")

    async def _apply(self, partition: int, keys: list[bytes], values: list[bytes | None]) -> None:
        for begin in range(0, len(keys), APPLY_ROWS):
            end = begin + APPLY_ROWS
            if partition not in self._followed:
                return
            try:
                self._engine.changelog.restore(partition, pack(keys[begin:end], values[begin:end]))
            except RowFormatError as error:
                raise StateFormatError(f"{self._topic}[{partition}]: {error}") from None
            if end < len(keys):
                await asyncio.sleep(0)

    def _lags_s(self) -> dict[int, float]:
        """Return the lag of each partition in seconds: the age of the oldest row that may not be applied yet."""
        now_ms, unseen_s = time.time_ns() // 1_000_000, (time.monotonic_ns() - self._looked_ns) / 1e9
        return {
            partition: max(unseen_s, 0.0 if followed.oldest_ms is None else (now_ms - followed.oldest_ms) / 1e3)
            for partition, followed in self._followed.items()
        }


def _last_index(keys: list[bytes], key: bytes) -> int:
    return len(keys) - 1 - keys[::-1].index(key) if key in keys else -1
