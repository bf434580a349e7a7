"""The balance of events, read from the topics and compared with the worker's metrics."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from scoring.profile.row_plans import IDS
from streams.config.settings import Settings
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows


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
    """Number of events, and of their results. A repeat is an event id among the last ones of its card."""

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
    """Both balances, differences by event id, and dead letters by reason.

    `late`: repeats that came after more events of their card than its profile keeps ids; the worker decides them again.
    `undecided`: ids without a decision. `duplicates`: decisions beyond one for each event that was no repeat.
    """

    topics: Balance
    worker: Balance
    late: int
    undecided: int
    duplicates: int
    reasons: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every event has exactly one result, and the worker's metrics are equal."""
        return self.topics.holds and self.topics == self.worker and self.undecided == self.duplicates == 0


async def audit(settings: Settings, exposition: str) -> Audit:
    """Read the topics from start to end. Memory: some 200 bytes for each event.

    Raises:
        UnreadableError: a topic cannot be read to its end.
    """
    names, isolation = settings.topics.full, settings.consume.isolation
    letters: set[tuple[int, int]] = set()
    reasons: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    inputs = Inputs()
    async with LogReader(settings.kafka, client_id="sekisho-demo", isolation=isolation) as reader:
        async for _, rows in _all(reader, names.dead_letters):
            for letter in map(_decode_letter, rows.payloads):
                if letter.topic == names.authorizations:
                    letters.add((letter.partition, letter.offset))
                    reasons[letter.reason] += 1
        async for _, rows in _all(reader, names.decisions):
            decided.update(decision.decision_id for decision in map(_decode_decision, rows.payloads))
        async for partition, rows in _all(reader, names.authorizations):
            for offset, key, value in zip(rows.offsets, rows.keys, rows.payloads, strict=True):
                inputs.take(key, value, is_refused=(partition, offset) in letters)
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
    """Compute from the events, in partition order, how often each id must be decided."""

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
    """Return the balance in a worker's metrics."""
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


async def _all(reader: LogReader, topic: str) -> AsyncIterator[tuple[int, Rows]]:
    """Yield all records of a topic, with their partition."""
    for tp, (begin, end) in (await reader.bounds(await reader.partitions_of(topic))).items():
        async with aclosing(reader.read(tp, begin, end)) as log_rows:
            async for rows in log_rows:
                yield tp.partition, rows
