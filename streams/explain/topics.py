"""Read the input topics up to an event, without a consumer group, in the order in which a worker applied them."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from aiokafka.structs import TopicPartition

from streams.config.settings import Settings
from streams.explain.order import Beside, Payment, is_due, is_known, rank
from streams.explain.portion import Portion
from streams.explain.queues import Decisions, Payments, Queue
from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.ends import Span
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.kafka.settings import INPUT_ROLES, READ_ROLES
from streams.replay.lines import event_id_of

CLIENT_ID: Final = "sekisho-explain"
PORTION_MAX: Final = 2_048
PROGRESS_S: Final = 5.0
SEARCH_EARLIER_MS: Final = 600_000
"""Decisions are looked for from this time before the first payment: the brokers' clocks and a worker's may differ."""

Tell = Callable[[str], None]


class Place(NamedTuple):
    """Where an event is: its partition, the offsets of all its records there, and the time of the first one."""

    partition: int
    offsets: list[int]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is to read: the first offset of each partition, and whether no earlier input was ever there."""

    partitions: int
    begins: dict[TopicPartition, int]
    is_whole: bool


class InputTopics:
    """The input topics of a deployment. `since_ms`: read nothing older, except of merchants.

    `event_id` None: all payments and their decisions, not those up to one.
    """

    def __init__(self, settings: Settings, event_id: str | None, tell: Tell, *, since_ms: int | None = None) -> None:
        self._topics = settings.topics.full
        self._event_id = event_id
        self._tell = tell
        self._since_ms = since_ms
        self._spans: dict[TopicPartition, Span] = {}
        self._payments: list[Payments] = []
        self._reader = LogReader(
            settings.kafka,
            client_id=CLIENT_ID,
            isolation=settings.consume.isolation,
            isolation_of=settings.worker.isolation_of,
            timeout_s=settings.kafka.request_timeout_s,
            batch_max_bytes=settings.consume.record_batch_max_bytes,
            passes_over=self._topics.of((*READ_ROLES, "lists")),  # to a worker it is one refused record
            skips_expired=True,
        )

    async def __aenter__(self) -> "InputTopics":
        """Connect."""
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._reader.stop()

    @property
    def published(self) -> bytes | None:
        """The published decision of the event, as far as `decisions` was read; None if it is not there."""
        return next((each.decisions.published for each in self._payments if each.decisions.published), None)

    async def extent(self) -> Extent:
        """Look up what there is to read.

        Raises:
            MissingTopicError: a topic does not exist.
        """
        begins, is_whole = {}, self._since_ms is None
        for field in self._topics.having((*INPUT_ROLES, "merchants")):
            for tp, span in (await self._bounds(getattr(self._topics, field))).items():
                begin = span.begin
                if field != "merchants":
                    is_whole &= span.begin == 0
                    if self._since_ms is not None:
                        found = await self._reader.offset_at(tp, self._since_ms, span.end)
                        begin = max(span.begin, min(found, span.end))
                begins[tp] = begin
        return Extent(sum(tp.topic == self._topics.authorizations for tp in begins), begins, is_whole)

    async def find(self, extent: Extent) -> Place | None:
        """Look for the event in `authorizations`, one partition after the other; None if it is not there."""
        assert self._event_id is not None
        name, progress = self._event_id.encode(), _Progress(self._tell, f"looking in {self._topics.authorizations}")
        for tp, begin in self._of("authorizations", extent):
            offsets: list[int] = []
            at_ms = 0
            async with aclosing(self._reader.read(tp, begin, self._spans[tp].end)) as found:
                async for rows in found:
                    progress.add(len(rows))
                    for at, value in enumerate(rows.payloads):
                        if (name in value or b"\\" in value) and event_id_of(value) == self._event_id:
                            at_ms = at_ms if offsets else rows.timestamps_ms[at]
                            offsets.append(rows.offsets[at])
            if offsets:
                return Place(tp.partition, offsets, at_ms)
        return None

    async def portions(self, extent: Extent, place: Place | None = None) -> AsyncGenerator[Portion, None]:
        """Yield all input before the event, and the event, in the order of `streams.explain.order`.

        It ends after the last record of the event, without a place after the last payment. The caller may stop before.
        """
        async for entries in self._lists():
            yield entries
        self._payments, besides, merchants = await self._queues(extent)
        total = await self._payments_until(extent, None if place is None else place.at_ms)
        progress = _Progress(self._tell, "applied", total)
        while True:
            for payments in self._payments:
                await payments.fill()
            for queue in (*besides, *merchants):
                await queue.fill()
            left = [each for each in self._payments if each.ahead]
            if not left:
                return
            first = min(left, key=lambda each: rank(each.ahead[0], each.partition))
            head = first.ahead[0]
            due = _first_due(besides, merchants, head)
            if due is not None:
                yield due
                continue
            events = _run(first, left, besides, merchants)
            progress.add(len(events))
            portion = _portion("authorizations", first.partition, events, head.times.received_ms)
            if place is None:
                yield replace(portion, decided=[(each.times, each.published) for each in events])
                continue
            yield portion
            if first.partition == place.partition and events[-1].offset >= place.offsets[-1]:
                return

    async def _lists(self) -> AsyncGenerator[Portion, None]:
        """Yield all entries of lists. Each counts from its own time on, so their place in the order is free."""
        for topic in self._topics.of(["lists"]):
            for tp, span in (await self._bounds(topic)).items():
                async with aclosing(self._reader.read(tp, span.begin, span.end)) as found:
                    async for rows in found:
                        yield Portion(
                            field="lists",
                            partition=tp.partition,
                            offsets=rows.offsets,
                            keys=rows.keys,
                            values=rows.values,
                            times_ms=rows.timestamps_ms,
                            received_ms=rows.timestamps_ms[-1],
                        )

    async def _queues(self, extent: Extent) -> tuple[list[Payments], list[Queue], list[Queue]]:
        made: dict[str, list[Queue]] = {}
        for field in self._topics.having((*INPUT_ROLES[1:], "merchants")):
            made[field] = [
                Queue(self._reader, field, tp, begin, self._spans[tp].end) for tp, begin in self._of(field, extent)
            ]
        decisions = await self._bounds(self._topics.decisions)
        payments = []
        for tp, begin in self._of("authorizations", extent):
            own = TopicPartition(self._topics.decisions, tp.partition)
            low, high = decisions[own]
            first_ms = await self._first_ms(tp, begin)
            at = low if first_ms is None else await self._reader.offset_at(own, first_ms - SEARCH_EARLIER_MS, high)
            later = Decisions(self._reader, own, max(low, min(at, high)), high, self._event_id)
            payments.append(Payments(self._reader, tp, begin, self._spans[tp].end, later))
        merchants = made.pop("merchants")
        return payments, [each for queues in made.values() for each in queues], merchants

    async def _first_ms(self, tp: TopicPartition, begin: int) -> int | None:
        """Return the time of the first record of a partition from an offset on; None if it is empty."""
        async with aclosing(self._reader.read(tp, begin, min(begin + 1, self._spans[tp].end))) as found:
            async for rows in found:
                return rows.timestamps_ms[0]
        return None

    async def _payments_until(self, extent: Extent, at_ms: int | None) -> int:
        """Estimate how many payments are before a time, for the progress."""
        total = 0
        for tp, begin in self._of("authorizations", extent):
            end = self._spans[tp].end
            until = end if at_ms is None else await self._reader.offset_at(tp, at_ms, end)
            total += max(0, min(until, end) - begin)
        return total

    async def contents(self) -> AsyncGenerator[tuple[int, Rows], None]:
        """Yield the records of `card-profiles` with their partitions: contents of policies are among them."""
        for tp, span in (await self._bounds(self._topics.card_profiles)).items():
            async with aclosing(self._reader.read(tp, span.begin, span.end)) as found:
                async for rows in found:
                    yield tp.partition, rows

    def _of(self, field: str, extent: Extent) -> list[tuple[TopicPartition, int]]:
        topic = getattr(self._topics, field)
        return [(tp, begin) for tp, begin in extent.begins.items() if tp.topic == topic]

    async def _bounds(self, topic: str) -> dict[TopicPartition, Span]:
        partitions = await self._reader.partitions_of(topic)
        if not partitions:
            raise MissingTopicError(topic)
        found = await self._reader.bounds(partitions)
        self._spans |= found
        return found


def _first_due(besides: list[Queue], merchants: list[Queue], head: Payment) -> Portion | None:
    """Take what is applied before a payment: merchants first, then the other input with the oldest record."""
    for queue in merchants:
        if queue.ahead and is_known(queue.ahead[0], head):
            return _beside(queue, _taken(queue, head, is_known), head)
    waiting = [queue for queue in besides if queue.ahead and is_due(queue.ahead[0], head)]
    if not waiting:
        return None
    oldest = min(waiting, key=lambda queue: queue.ahead[0].at_ms)
    return _beside(oldest, _taken(oldest, head, is_due), head)


def _taken(queue: Queue, head: Payment, is_before: Callable[[Beside, Payment], bool]) -> list[Beside]:
    taken: list[Beside] = []
    while queue.ahead and len(taken) < PORTION_MAX and is_before(queue.ahead[0], head):
        taken.append(queue.ahead.popleft())
    return taken


def _run(first: Payments, left: list[Payments], besides: list[Queue], merchants: list[Queue]) -> list[Payment]:
    """Take the payments of a partition up to the first one that something else goes before."""
    others = min((rank(each.ahead[0], each.partition) for each in left if each is not first), default=None)
    heads = [queue.ahead[0] for queue in besides if queue.ahead]
    masters = [queue.ahead[0] for queue in merchants if queue.ahead]
    run = [first.ahead.popleft()]
    while first.ahead and len(run) < PORTION_MAX:
        payment = first.ahead[0]
        if others is not None and rank(payment, first.partition) > others:
            break
        if any(is_due(each, payment) for each in heads) or any(is_known(each, payment) for each in masters):
            break
        run.append(first.ahead.popleft())
    return run


def _beside(queue: Queue, records: list[Beside], head: Payment) -> Portion:
    return _portion(queue.field, queue.partition, records, max(head.times.received_ms, head.at_ms))


def _portion(field: str, partition: int, records: list[Beside] | list[Payment], received_ms: int) -> Portion:
    return Portion(
        field=field,
        partition=partition,
        offsets=[each.offset for each in records],
        keys=[each.key for each in records],
        values=[each.value for each in records],
        times_ms=[each.at_ms for each in records],
        received_ms=received_ms,
    )


class _Progress:
    """Tell now and then how many payments were read."""

    def __init__(self, tell: Tell, doing: str, total: int | None = None) -> None:
        self._tell, self._doing, self._total = tell, doing, total
        self._began_s = self._told_s = time.monotonic()
        self._done = 0

    def add(self, count: int) -> None:
        """Count payments."""
        self._done += count
        now_s = time.monotonic()
        if now_s - self._told_s < PROGRESS_S:
            return
        self._told_s = now_s
        rate = self._done / (now_s - self._began_s)
        text = f"{self._doing}: {self._done:,} payments, {rate:,.0f} a second"
        if self._total is not None and self._total > self._done:
            text += f", of about {self._total:,}: {(self._total - self._done) / rate / 60:.0f} min left"
        self._tell(text)
