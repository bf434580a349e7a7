"""Apply input to an engine up to one event, and explain its decision."""

from collections import Counter
from typing import Final

import msgspec

from scoring.contract.dead_letter import DeadLetter
from scoring.engine import Engine
from scoring.explanation.build import Explained, explain
from scoring.explanation.cases import Alerts
from scoring.observer import BATCH_MAX
from scoring.outputs import Outputs, Source
from streams.explain.portion import Portion, Times
from streams.kafka.settings import Topics, label_of
from streams.replay.lines import event_id_of

JUDGE_MS: Final = 1_000
"""Interval of the records' time at which merchants are judged: a worker judges them at its flushes."""


class Recount:
    """One engine that takes the input of all partitions, until the event with an id is decided; None: the first event.

    `found` has the decision. `refused`: why the event was refused instead, as reason and path, "" if it was not.
    `applied` counts records by the name of their topic. Memory: that of a worker.
    """

    def __init__(self, engine: Engine, event_id: str | None, *, partitions: int, topics: Topics) -> None:
        engine.set_partitions(partitions)
        for partition in range(partitions):
            engine.changelog.own(partition)
        self._engine = engine
        self._event_id = event_id
        self._name = b"" if event_id is None else event_id.encode()
        self._topics = topics
        self._alerts = Alerts()
        self._partitions = partitions
        self._judged_ms = 0
        self.times: Times | None = None
        """Times of the published decision, for the recomputed one. None: the time of the event's record."""
        self.found: Explained | None = None
        self.refused = ""
        self.applied: Counter[str] = Counter()

    @property
    def is_over(self) -> bool:
        """Whether the event is decided."""
        return self.found is not None

    def take(self, portion: Portion) -> None:
        """Apply records. Nothing after the decided event is applied."""
        for low in range(0, len(portion), BATCH_MAX):
            if self.found is not None:
                return
            self._take(portion.part(low, low + BATCH_MAX))

    def _take(self, portion: Portion) -> None:
        if portion.field != "authorizations":
            self._beside(portion)
        else:
            low = 0
            for at in self._places(portion):
                self._score(portion.part(low, at))
                self._explain(portion.part(at, at + 1))
                if self.found is not None:
                    return
                low = at + 1
            self._score(portion.part(low, len(portion)))
        self._judge(portion)

    def _places(self, portion: Portion) -> list[int]:
        """Return the positions of events with the id."""
        return [
            at
            for at, value in enumerate(portion.values)
            if value is not None
            and (self._name in value or b"\\" in value)  # an id may be written with escapes
            and (self._event_id is None or event_id_of(value) == self._event_id)
        ]

    def _score(self, portion: Portion) -> None:
        if not len(portion):
            return
        outputs = self._engine.score(
            _payloads(portion),
            self._source(portion),
            received_at_ms=portion.received_ms,
            decided_at_ms=lambda: portion.received_ms,
        )
        self._alerts.take(outputs.alerts)
        self.applied["authorizations"] += len(portion)

    def _explain(self, portion: Portion) -> None:
        times = self.times or Times(portion.received_ms, portion.received_ms)
        (value,) = _payloads(portion)
        made = explain(
            self._engine,
            value,
            self._source(portion),
            self._alerts,
            received_at_ms=times.received_ms,
            decided_at_ms=times.decided_ms,
        )
        if made.value is not None:
            self.found = made
            return
        self.applied["authorizations"] += 1
        if made.outputs.dead_letters:
            self.refused = _refusal(made.outputs)

    def _beside(self, portion: Portion) -> None:
        engine, source, received_ms = self._engine, self._source(portion), portion.received_ms
        match portion.field:
            case "merchants":
                engine.merchant(portion.keys, portion.values, source, received_at_ms=received_ms)
            case "fraud_reports":
                engine.report(_payloads(portion), source, received_at_ms=received_ms)
            case "authorization_outcomes":
                engine.outcomes(_payloads(portion), source, received_at_ms=received_ms)
            case _:
                assert portion.field == "threeds_results", portion.field
                engine.threeds_results(_payloads(portion), source, received_at_ms=received_ms)
        self.applied[label_of(portion.field)] += len(portion)

    def _judge(self, portion: Portion) -> None:
        """Judge merchants, at most once in JUDGE_MS of the records' time: what is told of them moves their standing."""
        if not len(portion) or portion.field == "merchants":
            return
        now_ms = portion.times_ms[-1]
        if abs(now_ms - self._judged_ms) < JUDGE_MS:
            return
        self._judged_ms = now_ms
        for partition in range(self._partitions):
            self._engine.judge_merchants(partition)

    def _source(self, portion: Portion) -> Source:
        return Source(
            topic=getattr(self._topics, portion.field),
            partition=portion.partition,
            offsets=portion.offsets,
            timestamps_ms=portion.times_ms,
        )


def _payloads(portion: Portion) -> list[bytes]:
    return [value or b"" for value in portion.values]


def _refusal(outputs: Outputs) -> str:
    letter = msgspec.json.decode(outputs.dead_letters[0][1], type=DeadLetter)
    return f"{letter.reason} at {letter.path}"
