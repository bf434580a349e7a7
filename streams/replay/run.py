"""Run a replay: one task sends events, another reads decisions, and the ledger counts both."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiokafka
import msgspec
import numpy as np
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.config.settings import Settings
from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.tail import following
from streams.kafka.sending.bulk import BulkSender, sending
from streams.replay.ledger import Account, Ledger
from streams.replay.ranking import Ranking, rank
from streams.replay.retention import retention_of
from streams.replay.source import CHUNK_EVENTS, Chunk, Labels, Source

CLIENT_ID = "sekisho-replay"

PROGRESS_S = 5.0
_SLICES_PER_S = 50  # how evenly a limited rate is spread


class _Answer(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    probability: float


class _Letter(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int
    reason: str


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_letter = msgspec.json.Decoder(_Letter).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Speed and time limits of a replay.

    `rate`: events per second, 0 for full speed. `in_flight_max`: most events sent and not decided. After `patience_s`
    without a decision the rest counts as missing. After the last decision, reading goes on for `settle_s`, to find late
    duplicates.
    """

    rate: float = 0.0
    in_flight_max: int = 100_000
    patience_s: float = 60.0
    settle_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of a replay. `seconds`: from the first event sent to the last decision read.

    `left_out`: rows that were refused and not sent, by reason. `empty`: rows without any mapped cell. `unlabelled`:
    events without a label.
    """

    account: Account
    reasons: dict[str, int]
    other_records: dict[str, int]
    seconds: float
    ranking: Ranking | None
    left_out: dict[str, int]
    empty: int
    unlabelled: int

    @property
    def is_exact(self) -> bool:
        """Whether every row was sent, and every event decided exactly once."""
        return self.account.is_exact and not self.left_out

    @property
    def events_per_second(self) -> float:
        """Events decided or refused per second."""
        return (self.account.distinct + self.account.dead_letters) / self.seconds if self.seconds > 0 else 0.0


class Replay:
    """One replay of one source. `check` is called repeatedly and may raise; `tell` gets progress lines."""

    def __init__(
        self, settings: Settings, source: Source, pace: Pace, *, check: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._topics = settings.topics.full
        self._source = source
        self._pace = pace
        self._check = check
        self._tell = tell
        self.ledger = Ledger()
        self._others: dict[str, int] = {}
        self._starts: dict[int, int] = {}
        self._answered = asyncio.Event()
        self._began = self._last = 0.0

    async def run(self) -> Result:
        """Send all events, read all decisions, and return the counts.

        Raises:
            SourceError: the source cannot be read.
            MissingTopicError: a topic does not exist.
            UnreadableError: the broker does not return the end of a topic.
            RetentionError: the topic would delete the events or replace their timestamps.
            aiokafka.errors.KafkaError: the broker cannot be reached, or refused a request.
        """
        topics, broker = self._topics, self._settings.kafka
        watched = (topics.decisions, topics.dead_letters)
        isolation = self._settings.consume.isolation
        async with (
            following(broker, watched, from_start=False, isolation=isolation) as consumer,
            sending(broker, CLIENT_ID) as sender,
        ):
            self._starts = await self._ends(topics.authorizations)
            self._began = self._last = time.monotonic()
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read(consumer))
                reporter = group.create_task(self._report())
                await self._send(sender)
                await self._until_answered()
                await asyncio.sleep(self._pace.settle_s)
                reader.cancel()
                reporter.cancel()
        return self._result()

    async def _ends(self, topic: str) -> dict[int, int]:
        """Return the end offsets of a topic, as ListOffsets reports them: a replay has no right to read it."""
        isolation = self._settings.consume.isolation
        async with LogReader(self._settings.kafka, client_id=CLIENT_ID, isolation=isolation) as reader:
            partitions = await reader.partitions_of(topic)
            if not partitions:
                raise MissingTopicError(topic)
            return {tp.partition: span.end for tp, span in (await reader.reported(partitions)).items()}

    async def _send(self, sender: BulkSender) -> None:
        retention = await retention_of(self._settings.kafka, self._topics.authorizations)
        for chunk in self._source.chunks():
            if chunk.times_ms:
                retention.require(min(chunk.times_ms), time.time_ns() // 1_000_000)
            for field, records in chunk.others.items():
                await sender.send(getattr(self._topics, field), records)
                self._others[field] = self._others.get(field, 0) + len(records)
            for low in range(0, len(chunk.events), self._step):
                await self._send_slice(sender, chunk, slice(low, low + self._step))
        await sender.flush()

    @property
    def _step(self) -> int:
        return CHUNK_EVENTS if self._pace.rate == 0 else max(1, int(self._pace.rate / _SLICES_PER_S))

    async def _send_slice(self, sender: BulkSender, chunk: Chunk, part: slice) -> None:
        if self._pace.rate > 0:
            await asyncio.sleep(max(0.0, self._began + self.ledger.events_sent / self._pace.rate - time.monotonic()))
        self.ledger.sent(chunk.positions[part], sum(chunk.answers[part]))
        await sender.send(self._topics.authorizations, chunk.events[part], chunk.times_ms[part])
        await asyncio.sleep(0)
        while self.ledger.outstanding > self._pace.in_flight_max and not self._is_hopeless:
            await self._next_answer()

    async def _until_answered(self) -> None:
        self._last = max(self._last, time.monotonic())
        while self.ledger.outstanding and not self._is_hopeless:
            await self._next_answer()

    @property
    def _is_hopeless(self) -> bool:
        return time.monotonic() - self._last > self._pace.patience_s

    async def _next_answer(self) -> None:
        self._check()
        self._answered.clear()
        try:
            async with asyncio.timeout(1.0):
                await self._answered.wait()
        except TimeoutError:
            pass  # check the time and the worker again

    async def _read(self, consumer: aiokafka.AIOKafkaConsumer) -> None:
        while True:
            polled = await consumer.getmany(timeout_ms=200)
            before = self.ledger.answered
            for tp, records in polled.items():
                self._take(tp, records)
            if self.ledger.answered != before:
                self._last = time.monotonic()
                self._answered.set()

    def _take(self, tp: TopicPartition, records: list[ConsumerRecord]) -> None:
        ledger, position = self.ledger, self._source.position
        if tp.topic == self._topics.decisions:
            for record in records:
                answer = _decode_answer(record.value)
                ledger.decided(position(answer.decision_id), answer.probability)
            return
        for record in records:
            letter = _decode_letter(record.value)
            if letter.topic == self._topics.authorizations and letter.offset >= self._starts.get(letter.partition, 0):
                ledger.refused(letter.reason)

    async def _report(self) -> None:
        began, total = self._began, self._source.total
        while True:
            await asyncio.sleep(PROGRESS_S)
            sent, answered = self.ledger.events_sent, self.ledger.answered
            of = "" if total is None else f" of {total:,}"
            rate = answered / (time.monotonic() - began)
            self._tell(f"{sent:,}{of} sent, {answered:,} decided or refused, {rate:,.0f} events/s")

    def _result(self) -> Result:
        labels = self._source.labels
        return Result(
            account=self.ledger.account(),
            reasons=dict(self.ledger.dead_letters),
            other_records=dict(self._others),
            seconds=self._last - self._began,
            ranking=None if labels is None else ranking_of(self.ledger, labels),
            left_out=dict(self._source.left_out),
            empty=self._source.empty,
            unlabelled=0 if labels is None else labels.unknown,
        )


def ranking_of(ledger: Ledger, labels: Labels) -> Ranking | None:
    """Return the quality of the probabilities of decided events; None if all events are of one kind."""
    scores = ledger.probabilities()
    fraud = np.frombuffer(bytes(labels.fraud), dtype=np.uint8)[: len(scores)].astype(np.bool_)
    amounts = np.array(labels.amounts, dtype=np.int64)[: len(scores)]
    decided = ~np.isnan(scores)
    return rank(scores[decided], fraud[decided], amounts[decided])
