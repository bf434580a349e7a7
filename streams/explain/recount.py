"""Apply input to an engine up to one event, and explain its decision."""

import msgspec

from scoring.contract.dead_letter import DeadLetter
from scoring.engine import Engine
from scoring.explanation.build import Explained, explain
from scoring.explanation.cases import Alerts
from scoring.observer import BATCH_MAX
from scoring.outputs import Outputs
from streams.explain.apply import Applier, payloads
from streams.explain.portion import Portion, Times
from streams.kafka.settings import Topics
from streams.replay.lines import event_id_of


class Recount(Applier):
    """One engine that takes the input of all partitions, until the event with an id is decided; None: the first event.

    `found` has the decision. `refused`: why the event was refused instead, as reason and path, "" if it was not.
    `applied` counts records by the name of their topic. Memory: that of a worker.
    """

    def __init__(self, engine: Engine, event_id: str | None, *, partitions: int, topics: Topics) -> None:
        super().__init__(engine, partitions=partitions, topics=topics)
        self._event_id = event_id
        self._name = b"" if event_id is None else event_id.encode()
        self._alerts = Alerts()
        self.times: Times | None = None
        """Times of the published decision, for the recomputed one. None: the time of the event's record."""
        self.found: Explained | None = None
        self.refused = ""

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
            self.beside(portion)
        else:
            low = 0
            for at in self._places(portion):
                self._score(portion.part(low, at))
                self._explain(portion.part(at, at + 1))
                if self.found is not None:
                    return
                low = at + 1
            self._score(portion.part(low, len(portion)))
        self.judge(portion)

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
        outputs = self.engine.score(
            payloads(portion),
            self.source(portion),
            received_at_ms=portion.received_ms,
            decided_at_ms=lambda: portion.received_ms,
        )
        self._alerts.take(outputs.alerts)
        self.applied["authorizations"] += len(portion)

    def _explain(self, portion: Portion) -> None:
        times = self.times or Times(portion.received_ms, portion.received_ms)
        (value,) = payloads(portion)
        made = explain(
            self.engine,
            value,
            self.source(portion),
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


def _refusal(outputs: Outputs) -> str:
    letter = msgspec.json.decode(outputs.dead_letters[0][1], type=DeadLetter)
    return f"{letter.reason} at {letter.path}"
