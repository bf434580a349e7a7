"""Read the topics for reports, without a consumer group: nothing is committed and no worker notices."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiokafka.structs import TopicPartition

from scoring.compliance.assembly import Assembly, Ranges, feed, feed_outcomes
from scoring.compliance.inputs.answers import REACH_MS
from scoring.decode import DecodeLimits
from scoring.merchants.months.calendar import DAY_MS
from streams.config.settings import Settings
from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows

CLIENT_ID: Final = "sekisho-compliance"
TOPICS: Final = ("merchants", "fraud_reports", "settlements", "authorization_outcomes", "authorizations")
"""Fields of `Topics` that a report reads, in this order: payments are looked at for what was reported, and each day's
after the outcomes that may answer them. A deployment may lack settlements."""

Tell = Callable[[str], None]


class TopicsReader:
    """Read the topics: merchants, fraud reports and settlements whole, outcomes and authorizations by day, from some
    time before the first month on.

    All partitions of a day are read before the next day, so that what is open in time stays small.
    """

    def __init__(self, settings: Settings, limits: DecodeLimits, tell: Tell) -> None:
        self._topics = settings.topics.full
        self._limits = limits
        self._tell = tell
        self._ranges: dict[str, dict[str, tuple[int, int]]] = {}
        self._reader = LogReader(
            settings.kafka,
            client_id=CLIENT_ID,
            isolation=settings.consume.isolation,
            timeout_s=settings.kafka.request_timeout_s,
            batch_max_bytes=settings.consume.record_batch_max_bytes,
            passes_over=self._topics.of(TOPICS),  # it counts as a record that is refused
            skips_expired=True,
        )

    async def read(self, assemblies: Sequence[Assembly]) -> Ranges:
        """Give all records to assemblies, and return which offsets were read.

        Raises:
            MissingTopicError: a topic does not exist.
            UnreadableError: the brokers return nothing although there are records.
            aiokafka.errors.KafkaError: no broker can be reached.
            TooManyError: there is more to add up than the limits allow.
        """
        async with self._reader:
            await self._merchants(assemblies)
            await self._reports(assemblies)
            await self._settlements(assemblies)
            await self._authorizations(assemblies)
        return self._ranges

    async def _merchants(self, assemblies: Sequence[Assembly]) -> None:
        self._tell(f"reading {self._topics.merchants}")
        async for rows in self._whole("merchants", self._topics.merchants):
            for assembly in assemblies:
                assembly.take_merchants(rows.keys, rows.values, rows.timestamps_ms)

    async def _reports(self, assemblies: Sequence[Assembly]) -> None:
        self._tell(f"reading {self._topics.fraud_reports}")
        async for rows in self._whole("fraud-reports", self._topics.fraud_reports):
            for assembly in assemblies:
                assembly.reports.take(list(rows.payloads), rows.timestamps_ms)

    async def _settlements(self, assemblies: Sequence[Assembly]) -> None:
        if self._topics.settlements is None:
            return
        self._tell(f"reading {self._topics.settlements}")
        async for rows in self._whole("settlements", self._topics.settlements):
            for assembly in assemblies:
                assembly.settlements.take(list(rows.payloads), rows.timestamps_ms)

    async def _authorizations(self, assemblies: Sequence[Assembly]) -> None:
        traffics = [assembly.begin() for assembly in assemblies]
        begin_ms = min(assembly.scope.payments_from_ms for assembly in assemblies)
        end_ms = max(assembly.scope.written_before_ms for assembly in assemblies)
        answered = await self._partitions(self._topics.authorization_outcomes)
        outcomes = await self._log(answered, begin_ms - REACH_MS)
        payments = await self._log(await self._partitions(self._topics.authorizations), begin_ms)
        days = -(-(end_ms - begin_ms) // DAY_MS)
        for day in range(1, days + 1):
            until_ms = min(begin_ms + day * DAY_MS, end_ms)
            async for rows in self._until(outcomes, min(until_ms + REACH_MS, end_ms)):
                feed_outcomes(assemblies, list(rows.payloads), rows.timestamps_ms, self._limits)
            async for rows in self._until(payments, until_ms):
                feed(traffics, list(rows.payloads), rows.timestamps_ms, self._limits)
            for assembly in assemblies:
                assembly.answers.forget(until_ms - REACH_MS)
            if day % 30 == 0 or day == days:
                self._tell(f"reading {self._topics.authorizations}: day {day} of {days}")
        self._ranges["authorizations"] = payments.ranges
        self._ranges["authorization-outcomes"] = outcomes.ranges

    async def _log(self, partitions: Sequence[TopicPartition], begin_ms: int) -> "_Log":
        """Begin to read partitions from a time on."""
        bounds = await self._reader.bounds(list(partitions))
        first = {tp: await self._offset(tp, begin_ms, bounds[tp].begin, bounds[tp].end) for tp in partitions}
        return _Log(first=first, at=dict(first), end={tp: bounds[tp].end for tp in partitions})

    async def _until(self, log: "_Log", until_ms: int) -> AsyncIterator[Rows]:
        """Read on up to a time, one partition after the other."""
        for tp, begin in log.at.items():
            end = await self._offset(tp, until_ms, begin, log.end[tp])
            async with aclosing(self._reader.read(tp, begin, end)) as found:
                async for rows in found:
                    yield rows
            log.at[tp] = end

    async def _offset(self, tp: TopicPartition, time_ms: int, low: int, high: int) -> int:
        """Return the first offset of a time, within what is left to read."""
        return max(low, min(await self._reader.offset_at(tp, time_ms, high), high))

    async def _whole(self, name: str, topic: str) -> AsyncIterator[Rows]:
        partitions = await self._partitions(topic)
        bounds = await self._reader.bounds(partitions)
        self._ranges[name] = {str(tp.partition): (bounds[tp].begin, bounds[tp].end) for tp in partitions}
        for tp in partitions:
            async with aclosing(self._reader.read(tp, *bounds[tp])) as found:
                async for rows in found:
                    yield rows

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        found = await self._reader.partitions_of(topic)
        if not found:
            raise MissingTopicError(topic)
        return found


@dataclass(slots=True, kw_only=True)
class _Log:
    """Partitions of a topic that are read by day: the first offset of each, the next one, and the end."""

    first: dict[TopicPartition, int]
    at: dict[TopicPartition, int]
    end: dict[TopicPartition, int]

    @property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The offsets that were read, the end excluded, by partition."""
        return {str(tp.partition): (self.first[tp], self.at[tp]) for tp in self.at}
