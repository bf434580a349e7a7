"""A range of the input topics, which can be read again."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.errors import OffsetOutOfRangeError

from streams.config.settings import Settings
from streams.history.extent import Asked, Extent, look_up, text_of
from streams.history.merged import FETCH_BYTES_MAX, STEP_MAX, Record, lanes, merged
from streams.kafka.errors import UnreadableError
from streams.kafka.explain import authorized
from streams.kafka.reading.log import LogReader
from streams.kafka.rights.table import command_rights
from streams.kafka.settings import READ_ROLES

CLIENT_ID: Final = "sekisho-history"
RIGHTS: Final = "train --from-topics"
"""The entry of the table of rights; `backtest` and `promote` need the same."""

_AGAIN: Final = "the range has changed since it was looked up: "


class Range:
    """A range of the topics of a worker. Each call of `records` reads it again, and gives the same.

    Memory: `streams.history.merged.BYTES_MAX` of records, about.
    """

    def __init__(self, settings: Settings, wanted: Asked, extent: Extent) -> None:
        self._settings, self._wanted, self.extent = settings, wanted, extent

    @property
    def source(self) -> str:
        """Cluster, topics and times, in words."""
        wanted, extent = self._wanted, self.extent
        topics = ", ".join(dict.fromkeys(part.tp.topic for part in extent.parts))
        since = "the first record" if wanted.since_ms is None else text_of(wanted.since_ms)
        until = "" if wanted.until_ms is None else f" until {text_of(wanted.until_ms)}"
        lost = f"; retention has deleted the beginning of {len(extent.lost)} partitions" if extent.lost else ""
        return f"topics {topics} of cluster {extent.cluster or 'without id'}, from {since}{until}{lost}"

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of `streams.history.merged`.

        Raises:
            ValueError: the range is not there any more as it was looked up.
            BrokersError: rights are missing, or a broker cannot be reached or refuses.
        """
        with asyncio.Runner() as runner:
            chunks = self._chunks()  # the runner closes it
            while chunk := runner.run(_next(chunks)):
                yield from chunk

    async def _chunks(self) -> AsyncGenerator[list[Record], None]:
        async with reading(self._settings) as reader:
            await self._require_same_topics(reader)
            each = lanes(reader, self.extent.parts)
            try:
                async for chunk in merged(each):
                    yield chunk
            except UnreadableError as error:
                if not isinstance(error.__cause__, OffsetOutOfRangeError):
                    raise
                why = f"{_AGAIN}{error}: retention has deleted records of it. Run the command again"
            else:
                masters = hashlib.sha256(b"".join(lane.digest for lane in each if lane.part.field == "merchants"))
                if masters.hexdigest() == self.extent.masters:
                    return
                why = f"{_AGAIN}compaction has removed records of merchants. Run the command again"
            raise ValueError(why)

    async def _require_same_topics(self, reader: LogReader) -> None:
        found = await reader.topic_ids(list(dict.fromkeys(part.tp.topic for part in self.extent.parts)))
        for topic, name in found.items():
            if name != self.extent.ids.get(topic, name):
                raise ValueError(f"{_AGAIN}topic {topic} was created anew. Run the command again")


def open_topics(settings: Settings, wanted: Asked, tell: Callable[[str], None]) -> Range:
    """Look up the range of the topics of a worker, and tell what it has.

    Raises:
        ValueError: there is no payment in the range.
        MissingTopicError: a topic does not exist.
        BrokersError: rights are missing, or a broker cannot be reached or refuses.
    """

    async def run() -> Extent:
        async with reading(settings) as reader:
            return await look_up(reader, settings.topics.full, wanted, STEP_MAX)

    extent = asyncio.run(run())
    for line in extent.lines():
        tell(line)
    return Range(settings, wanted, extent)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncGenerator[LogReader, None]:
    """Open a reader of the topics of a worker, with its rights checked. Errors name their cause.

    Raises:
        BrokersError: rights are missing, or a broker cannot be reached or refuses.
    """
    topics = settings.topics.full
    async with (
        authorized(settings.kafka, command_rights(topics, RIGHTS)),
        LogReader(
            settings.kafka,
            client_id=CLIENT_ID,
            isolation=settings.consume.isolation,
            isolation_of=settings.worker.isolation_of,
            timeout_s=settings.kafka.request_timeout_s,
            fetch_max_bytes=FETCH_BYTES_MAX,
            batch_max_bytes=settings.consume.record_batch_max_bytes,
            passes_over=topics.of(READ_ROLES),  # to a worker it is one refused record
        ) as reader,
    ):
        yield reader


def _next(chunks: AsyncGenerator[list[Record], None]) -> Coroutine[Any, Any, list[Record]]:
    async def run() -> list[Record]:
        return await anext(chunks, [])

    return run()
