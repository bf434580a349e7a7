"""The balance, read from the topics themselves and compared with what the worker says of itself."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiokafka
import msgspec
from aiokafka.structs import ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families

from streams.config.settings import Settings
from streams.replay.lines import event_id_of
from streams.replay.tail import reading


class _Decision(msgspec.Struct, frozen=True, gc=False):
    decision_id: str


class _Letter(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partition: int
    offset: int
    reason: str


_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_letter = msgspec.json.Decoder(_Letter).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Events in, and what each of them became."""

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
    """Both balances, what id by id does not fit, and the dead letters by reason."""

    topics: Balance
    worker: Balance
    undecided: int
    duplicates: int
    reasons: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every event was accounted for once, and the worker counted the same."""
        return self.topics.holds and self.topics == self.worker and self.undecided == self.duplicates == 0


async def audit(settings: Settings, exposition: str) -> Audit:
    """Read the topics from their start to their end. About 150 bytes of memory an event."""
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
    events = repeats = refused = 0
    seen: set[str] = set()
    async for record in _all(settings, names.authorizations):
        events += 1
        if (record.partition, record.offset) in letters:
            refused += 1
            continue
        event_id = event_id_of(record.value) or ""
        if event_id in seen:
            repeats += 1
        seen.add(event_id)
    decisions = decided.total()
    return Audit(
        topics=Balance(events=events, decisions=decisions, dead_letters=refused, repeats=repeats),
        worker=counted(exposition),
        undecided=len(seen - decided.keys()),
        duplicates=decisions - len(decided),
        reasons=dict(reasons),
    )


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
