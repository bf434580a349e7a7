"""Made-up streams for a watched engine, and what of them the recount needs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import numpy as np
import orjson

from models.watching.baseline import baseline_of
from scoring.contract.codes import Band
from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.judged import JudgedBatch
from scoring.model.baseline import Baseline
from scoring.model.bundle import Bundle
from scoring.observer import Observed, Settings
from scoring.outputs import Source
from scoring.policy import policy_from
from scoring.profile.packed import Packed
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS, SETTINGS
from tests.events import encoded, token
from tests.profile.events import SMALL
from tests.watching.recount import Decided, Heard

START = datetime(2026, 5, 1, tzinfo=UTC)
START_DAY = int(START.timestamp()) // 86_400
_WORDS = {"en": "An amount", "ja": "金額"}
_RULES = {
    "big": ("payment.amount_jpy > 600000", "block", "shadow"),
    "round": ("payment.amount_jpy % 10000 == 0", "review", "shadow"),
    "euro": ("payment.amount_jpy > 200000 && payment.amount_jpy < 300000", "step_up", "on"),
    "small": ("payment.amount_jpy < 2000", "review", "shadow"),
    "any": ("payment.amount_jpy % 20000 == 0", "step_up", "on"),
}
RULES = tuple(_RULES)
POLICY = policy_from(
    {
        "version": "t",
        "global": {"review": 650, "step_up": 700, "block": 720},
        "rules": [
            {"id": name, "when": when, "action": action, "text": _WORDS, "mode": mode, "author": "a", "reason": "r"}
            for name, (when, action, mode) in _RULES.items()
        ],
    }
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One step of a stream: a payment, in JSON."""

    partition: int
    value: bytes
    day: int
    can_be_reported: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """One step of a stream: a report, in JSON."""

    partition: int
    value: bytes
    heard: Heard


def payment(number: int, at: datetime, yen: int, *, partition: int = 0, **changes: object) -> Event:
    """Make a payment of a card of its own. Declined, or a refund, by `changes`."""
    value = encoded(
        event_id=f"w-{number}",
        event_ts=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        card={"pan_hmac": token(f"card-{number}")},
        amount={"minor": yen, "currency": "JPY", "exponent": 0},
        **changes,
    )
    made = orjson.loads(value)
    approved = made["outcome"].get("approved", True)
    return Event(
        partition=partition,
        value=value,
        day=int(at.timestamp()) // 86_400,
        can_be_reported=bool(approved) and made["txn"]["type"] == "purchase",
    )


def report(number: int, event: int, at: datetime, *, partition: int = 0, label: str = "FRAUD", source: str) -> Report:
    received = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {
        "label_id": f"l-{number}", "event_id": f"w-{event}", "acquirer_id": "acq-1", "merchant_id": "m-1",
        "pan_hmac": token(f"card-{event}"), "label": label, "source": source, "received_ts": received,
    }  # fmt: skip
    origin = {"TC40": "network", "ISSUER": "other", "ANALYST": "other"}[source]
    ms = int(at.timestamp() * 1000)
    heard = Heard(event_id=f"w-{event}", origin=origin, is_fraud=label == "FRAUD", received_ms=ms)
    return Report(partition=partition, value=orjson.dumps(said), heard=heard)


def stream(seed: int, events: int, days: int, partitions: int = 2) -> list[Event | Report]:
    """Make a stream over so many days, nearly in order of time, with reports, repeats of events, and late events."""
    rng = random.Random(seed)  # noqa: S311 - made-up payments
    made: list[Event | Report] = []
    waiting: list[Event | Report] = []
    first = rng.randrange(10**9)
    for number in range(first, first + events):
        at = START + timedelta(days=days) * ((number - first) / events) - timedelta(hours=rng.choice([0, 0, 0, 9]))
        yen = rng.choice([1_000, 1_999, 5_001, 40_000, 250_001, 620_001, 900_000, 3_000_000])
        changes: dict[str, object] = {}
        if rng.random() < 0.1:
            changes["outcome"] = {"approved": False, "response_code": "51"}
        if rng.random() < 0.05:
            changes["txn"] = {"type": "refund"}
        if rng.random() < 0.3:
            changes["device"] = {"id": f"d-{rng.randrange(40)}"}
        made.append(payment(number, at, yen, partition=number % partitions, **changes))
        if rng.random() < 0.03:
            made.append(made[-1])
        for _ in range(rng.choice([0, 0, 1, 2])):
            of = rng.randrange(max(first, number - events // 3), number + 2)  # one of them may not be decided yet
            source = rng.choice(["TC40", "ISSUER", "ANALYST"])
            label = "LEGIT" if source == "ANALYST" and rng.random() < 0.7 else "FRAUD"
            when = at + timedelta(hours=rng.randrange(10))
            waiting.append(report(number, of, when, partition=of % partitions, label=label, source=source))
        if rng.random() < 0.05:
            made += waiting
            waiting.clear()
    return made + waiting


@cache
def baseline() -> Baseline:
    """Measure a baseline on a stream of its own: its inputs are like those of the streams under test."""
    rows: list[np.ndarray[tuple[int, int], np.dtype[np.float64]]] = []
    engine = Engine(small_bundle(), POLICY, SETTINGS, "test")
    engine.observer.watch = lambda observed: rows.append(observed.matrix.copy())
    run(engine, [step for step in stream(99, 300, 20, 1) if isinstance(step, Event)])
    matrix = np.concatenate(rows)
    bundle = small_bundle()
    margins = np.empty(len(matrix))
    bundle.trees.margins(np.ascontiguousarray(matrix), margins)
    return baseline_of(matrix, bundle.calibration.apply(margins)[1])


def watched_bundle() -> Bundle:
    """Return the small bundle with a baseline."""
    bundle = small_bundle()
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, baseline=baseline()))


@dataclass
class History:
    """What a worker saw of a partition, for the recount."""

    decided: list[Decided] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)


def new_engine(partitions: int = 2, bundle: Bundle | None = None) -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=SMALL)
    engine = Engine(bundle or watched_bundle(), POLICY, settings, "test")
    engine.set_partitions(partitions)
    return engine


def run(engine: Engine, steps: Sequence[Event | Report], history: History | None = None) -> None:
    """Give an engine a batch of steps of one partition and one kind, and note what it decided or heard."""
    if not steps:
        return
    partition, n = steps[0].partition, len(steps)
    values = [step.value for step in steps]
    source = Source(topic="t", partition=partition, offsets=range(n), timestamps_ms=[-1] * n)
    if isinstance(steps[0], Report):
        engine.report(values, source, received_at_ms=NOW_MS)
        if history is not None:
            history.heard += [step.heard for step in steps if isinstance(step, Report)]
        return
    seen: list[tuple[list[int], list[list[float]], list[bool], list[str]]] = []
    judged: list[JudgedBatch] = []
    before = engine.watch.decided

    def look(observed: Observed, batch: JudgedBatch, of: int, until: int) -> None:
        names = [name[0].decode() for name in observed.decoded.names]
        keys = observed.decoded.hashes[:, 0].tolist()
        seen.append((keys, observed.matrix.tolist(), observed.passed_over.tolist(), names))
        judged.append(batch)
        before(observed, batch, of, until)

    engine.watch.decided = look  # type: ignore[method-assign]  # to see the matrix
    outputs = engine.score(values, source, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
    engine.watch.decided = before  # type: ignore[method-assign]
    if history is None:
        return
    made = {decision.decision_id: decision for decision in (_decoded(value) for _, value in outputs.decisions)}
    (keys, matrix, passed, names) = seen[0]
    for k, step in enumerate(steps):
        assert isinstance(step, Event)
        if not passed[k]:
            decision = made[names[k]]
            history.decided.append(
                Decided(
                    key=keys[k],
                    event_id=names[k],
                    day=step.day,
                    values=matrix[k],
                    score=decision.score,
                    band=int(Band[decision.band]),
                    probability=round(float(judged[0].probabilities[k]), 6),
                    rules=[hit.id for hit in decision.rule_hits or ()],
                    can_be_reported=step.can_be_reported,
                )
            )


def _decoded(value: bytes) -> Decision:
    return msgspec.json.decode(value, type=Decision)


@dataclass
class Log:
    """The two changelogs of a partition: all that was flushed, in order."""

    parts: list[list[Packed]] = field(default_factory=list)

    def take(self, flushed: Sequence[Packed]) -> None:
        self.parts.append([Packed(one.keys.copy(), one.values.copy(), one.ends.copy()) for one in flushed])

    def restore(self, engine: Engine, partition: int, *, is_compacted: bool) -> None:
        engine.changelog.own(partition)
        for which in (0, 1):
            logged = [part[which] for part in self.parts]
            for packed in [compacted(logged)] if is_compacted and logged else logged:
                engine.changelog.restore(partition, packed)


def compacted(logged: Sequence[Packed]) -> Packed:
    """Keep the last value of each key, where it stands."""
    rows: dict[tuple[int, ...], list[int]] = {}
    for packed in logged:
        begin = 0
        for key, end in zip(packed.keys.tolist(), packed.ends.tolist(), strict=True):
            rows.pop(tuple(key), None)
            rows[tuple(key)] = packed.values[begin:end].tolist()
            begin = end
    ends = np.cumsum([len(value) for value in rows.values()], dtype=np.int64)
    values = np.array([word for value in rows.values() for word in value], dtype=np.uint32)
    return Packed(np.array(list(rows), dtype=np.uint32).reshape(-1, 3), values, ends)


NAMES = [feature.name for feature in FEATURES]
