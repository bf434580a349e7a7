"""Apply stored input to one engine: what every computation of stored decisions does beside the payments."""

from collections import Counter
from typing import Final

from scoring.engine import Engine
from scoring.outputs import Source
from streams.explain.portion import Portion
from streams.kafka.settings import Topics, label_of

JUDGE_MS: Final = 1_000
"""Interval of the records' time at which merchants are judged: a worker judges them at its flushes."""

NOTED_RECORDS_MAX: Final = 1 << 16
"""Records after which the rows that they changed are noted no longer: nothing is written to a changelog here."""


class Applier:
    """One engine that takes the input of all partitions. `applied` counts records by the name of their topic.

    Its policy decides as one that was recorded: `stop` of `model_failure` halts nothing.
    """

    def __init__(self, engine: Engine, *, partitions: int, topics: Topics) -> None:
        mine = engine.in_use
        engine.use(engine.compile(mine.policy, mine.list_files, identity=mine.identity))
        engine.set_partitions(partitions)
        for partition in range(partitions):
            engine.changelog.own(partition)
        self.engine = engine
        self._topics = topics
        self._partitions = partitions
        self._judged_ms = self._noted = 0
        self.applied: Counter[str] = Counter()

    def beside(self, portion: Portion) -> None:
        """Apply records of another input than authorizations."""
        engine, source, received_ms = self.engine, self.source(portion), portion.received_ms
        match portion.field:
            case "lists":
                engine.list_entries(portion.keys, portion.values, portion.times_ms)
            case "merchants":
                engine.merchant(portion.keys, portion.values, source, received_at_ms=received_ms)
            case "fraud_reports":
                engine.report(payloads(portion), source, received_at_ms=received_ms)
            case "authorization_outcomes":
                engine.outcomes(payloads(portion), source, received_at_ms=received_ms)
            case _:
                assert portion.field == "threeds_results", portion.field
                engine.threeds_results(payloads(portion), source, received_at_ms=received_ms)
        self.applied[label_of(portion.field)] += len(portion)

    def judge(self, portion: Portion) -> None:
        """Judge merchants, at most once in JUDGE_MS of the records' time: what is told of them moves their standing.

        Call it after each portion: it also limits what is noted of changed rows.
        """
        self._noted += len(portion)
        if self._noted >= NOTED_RECORDS_MAX:
            self._noted = 0
            for partition in range(self._partitions):
                self.engine.changelog.flush(partition)
        if not len(portion) or portion.field in ("lists", "merchants"):
            return
        now_ms = portion.times_ms[-1]
        if abs(now_ms - self._judged_ms) < JUDGE_MS:
            return
        self._judged_ms = now_ms
        for partition in range(self._partitions):
            self.engine.judge_merchants(partition)

    def source(self, portion: Portion) -> Source:
        """Return where records come from."""
        return Source(
            topic=getattr(self._topics, portion.field),
            partition=portion.partition,
            offsets=portion.offsets,
            timestamps_ms=portion.times_ms,
        )


def payloads(portion: Portion) -> list[bytes]:
    """Return the values of records; b"" for a tombstone."""
    return [value or b"" for value in portion.values]
