"""The balance, read from the topics themselves and compared with what the worker says of itself."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiokafka
import msgspec
from aiokafka.structs import ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families

from scoring.profile.row_plans import IDS
from streams.config.settings import Settings
from streams.kafka.reading.tail import reading


class _Acquirer(msgspec.Struct, frozen=True, gc=False):
    id: str


class _Event(msgspec.Struct, frozen=True, gc=False):
    event_id: str
    acquirer: _Acquirer


class _Decision(msgspec.Struct, frozen=True, gc=False):
    decision_id: str


class _Letter(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int
    reason: str


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_letter = msgspec.json.Decoder(_Letter).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Events in, and what each of them became. A repeat is an id among the last ones of its card."""

    events: int
    decisions: int
    dead_letters: int
    repeats: int

    @property
    def holds(self) -> bool:
        """Whether events in = decisions + dead letters + repeats."""
        return self.events == self.decisions + self.dead_letters + self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Both balances, what id by id does not fit, and the dead letters by reason.

    `late` repeats came after more events of their card than it remembers ids of: they are new events to the worker.
    `undecided` counts ids without a decision, `duplicates` decisions beyond one for each event that was no repeat.
    """

    topics: Balance
    worker: Balance
    late: int
    undecided: int
    duplicates: int
    reasons: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every event was accounted for once, and the worker counted the same."""
        return self.topics.holds and self.topics == self.worker and self.undecided == self.duplicates == 0


async def audit(settings: Settings, exposition: str) -> Audit:
    """Read the topics from their start to their end. Some 200 bytes of memory an event."""
    names = settings.topics.full
    letters: set[tuple[int, int]] = set()
    reasons: Counter[str] = Counter()
    async for record in _all(settings, names.dead_letters):
        letter = _decode_letter(record.value)
        if letter.topic == names.authorizations:
            letters.add((letter.partition, letter.offset))
            reasons[letter.reason] += 1
    decided: Counter[str] = Counter()
    async for record in _all(settings, names.decisions):
        decided[_decode_decision(record.value).decision_id] += 1
    inputs = Inputs()
    async for record in _all(settings, names.authorizations):
        inputs.take(record.key, record.value, is_refused=(record.partition, record.offset) in letters)
    return Audit(
        topics=Balance(
            events=inputs.events,
            decisions=decided.total(),
            dead_letters=inputs.refused,
            repeats=inputs.repeats,
        ),
        worker=counted(exposition),
        late=inputs.expected.total() - len(inputs.expected),
        undecided=(inputs.expected - decided).total(),
        duplicates=(decided - inputs.expected).total(),
        reasons=dict(reasons),
    )


class Inputs:
    """Work out from the events alone, in the order of their partition, how often each id is to be decided."""

    def __init__(self) -> None:
        self.events = 0
        self.refused = 0
        self.repeats = 0
        self.expected: Counter[str] = Counter()
        self._last: dict[tuple[str, str], tuple[str, ...]] = {}  # by acquirer and card, newest first

    def take(self, key: bytes, value: bytes, *, is_refused: bool) -> None:
        """Count one record of `authorizations`."""
        self.events += 1
        if is_refused:
            self.refused += 1
            return
        event = _decode_event(value)
        card = (event.acquirer.id, key.decode())
        last = self._last.get(card, ())
        if event.event_id in last:
            self.repeats += 1
            return
        self._last[card] = (event.event_id, *last)[:IDS]
        self.expected[event.event_id] += 1


def counted(exposition: str) -> Balance:
    """Read the balance out of a worker's metrics."""
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.labels.get("topic", "authorizations") == "authorizations":
                totals[sample.name] += int(sample.value) if sample.name.endswith("_total") else 0
    return Balance(
        events=totals["sekisho_events_total"],
        decisions=totals["sekisho_decisions_total"],
        dead_letters=totals["sekisho_dead_letters_total"],
        repeats=totals["sekisho_repeats_total"],
    )


async def _all(settings: Settings, topic: str) -> AsyncIterator[ConsumerRecord]:
    isolation = settings.consume.isolation
    async with reading(settings.kafka, [topic], from_start=True, isolation=isolation) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while True:
            polled = await consumer.getmany(timeout_ms=250)
            for records in polled.values():
                for record in records:
                    yield record
            # A broker may report an end that lies inside its last batch: an empty poll has to agree.
            if not polled and await _is_at(consumer, ends):
                return


async def _is_at(consumer: aiokafka.AIOKafkaConsumer, ends: dict[object, int]) -> bool:
    return all([await consumer.position(tp) >= end for tp, end in ends.items()])
