"""A worker in memory: it applies the records of a broker in some order, and publishes decisions as a worker does."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Final

import orjson
from aiokafka.structs import TopicPartition

from models.simulator import Simulator, SimulatorConfig
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.model.bundle import Bundle
from scoring.observer import Settings
from scoring.outputs import Source
from scoring.policy import Policy, policy_from
from scoring.profile import ProfileLimits
from streams.config.settings import Settings as WorkerSettings
from streams.config.wiring import load_bundle
from streams.kafka.settings import Topics
from streams.kafka.types import DAY_MS
from streams.replay.lines import event_id_of
from tests.events import outcome_of, request_of
from tests.state.fakes import FakeBroker

PARTITIONS: Final = 3
NAMES: Final = Topics(threeds_results="threeds-results")
POLICY: Final = policy_from({"version": "t", "global": {"review": 1, "step_up": 600, "block": 800}})
SETTINGS: Final = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), has_results=True)


@cache
def bundle() -> Bundle:
    """Return the bundle of the package: its scores depend on profiles, those of the tests' bundle hardly do."""
    return load_bundle(WorkerSettings())


def new_engine(policy: Policy = POLICY, code: str = "test") -> Engine:
    return Engine(bundle(), policy, SETTINGS, code)


@dataclass(frozen=True)
class Written:
    """A record that a producer writes: field of `Topics`, partition, key, value, time."""

    field: str
    partition: int
    key: bytes
    value: bytes | None
    at_ms: int


@dataclass
class Worker:
    """One engine, its broker, and a clock that the test moves."""

    broker: FakeBroker = field(default_factory=FakeBroker)
    engine: Engine = field(default_factory=new_engine)
    now_ms: int = 0
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    applied: list[tuple[str, int, int]] = field(default_factory=list)
    """Field of `Topics`, partition and offset of every record, in the order in which it was applied."""

    def __post_init__(self) -> None:
        self.engine.set_partitions(PARTITIONS)
        for partition in range(PARTITIONS):
            self.engine.changelog.own(partition)
            for name in NAMES.inputs:
                self.broker.logs[TopicPartition(name, partition)] = []
            self.broker.logs[TopicPartition(NAMES.decisions, partition)] = []
        self.broker.logs[TopicPartition(NAMES.merchants, 0)] = []

    def write(self, one: Written) -> None:
        tp = TopicPartition(getattr(NAMES, one.field), one.partition)
        self.broker.append(tp, one.key, one.value, at_ms=one.at_ms)

    def poll(self, name: str, partition: int, most: int = 1_000) -> None:
        """Apply what is new in a partition of an input."""
        tp = TopicPartition(getattr(NAMES, name), partition)
        records = self.broker.logs[tp][self.positions.get(tp, 0) :][:most]
        if not records:
            return
        self.positions[tp] = self.positions.get(tp, 0) + len(records)
        self.applied += [(name, partition, record.offset) for record in records]
        source = Source(
            topic=tp.topic,
            partition=partition,
            offsets=[record.offset for record in records],
            timestamps_ms=[record.at_ms for record in records],
        )
        values = [record.value for record in records]
        payloads = [value or b"" for value in values]
        match name:
            case "authorizations":
                self._score(payloads, source)
            case "merchants":
                keys = [record.key for record in records]
                self.engine.merchant(keys, values, source, received_at_ms=self.now_ms)
            case "fraud_reports":
                self.engine.report(payloads, source, received_at_ms=self.now_ms)
            case "authorization_outcomes":
                self.engine.outcomes(payloads, source, received_at_ms=self.now_ms)
            case "threeds_results":
                self.engine.threeds_results(payloads, source, received_at_ms=self.now_ms)
        for owned in range(PARTITIONS):  # at its flushes
            self.engine.judge_merchants(owned)

    def _score(self, payloads: Sequence[bytes], source: Source) -> None:
        received_ms, self.now_ms = self.now_ms, self.now_ms + 1
        outputs = self.engine.score(payloads, source, received_at_ms=received_ms, decided_at_ms=lambda: self.now_ms)
        self.now_ms += 1
        for key, value in outputs.decisions:
            tp = TopicPartition(NAMES.decisions, source.partition)
            self.broker.append(tp, key, value, at_ms=self.now_ms)

    def published(self) -> dict[str, bytes]:
        """Return the published decisions by event id."""
        return {
            orjson.loads(value)["decision_id"]: value
            for partition in range(PARTITIONS)
            for value in self.broker.values(NAMES.decisions, partition)
        }


def recorded(n: int, seed: int = 5) -> Iterator[Written]:
    """Give simulated traffic by card: payments, some asked first and then answered, outcomes, repeats, refused ones."""
    config = SimulatorConfig(
        seed=seed, days=1, events_per_day=2 * n, cards=max(100, n // 4), merchants=60, repeat_share=0.02
    )
    rng, payments = Random(seed), 0  # noqa: S311 -- payments of a test
    for item in Simulator(config):
        name = item.topic.replace("-", "_")
        partition = 0 if name == "merchants" else sum(item.key) % PARTITIONS
        if name != "authorizations":
            yield Written(name, partition, item.key, item.value, item.at_ms)
            continue
        payments += 1
        if payments > n:
            return
        yield from _results(item.value, partition, item.key, item.at_ms)
        kind = rng.randrange(20)
        first = request_of(item.value) if kind in {0, 1} else item.value
        yield Written(name, partition, item.key, first, item.at_ms)
        if kind == 0:
            yield Written(name, partition, item.key, item.value, item.at_ms)
        elif kind == 1:
            yield Written("authorization_outcomes", partition, item.key, outcome_of(item.value), item.at_ms)
        elif kind == 2:
            yield Written(name, partition, item.key, b"{", item.at_ms)


def _results(value: bytes, partition: int, key: bytes, at_ms: int) -> Iterator[Written]:
    """Give the result of 3-D Secure of a payment, for two of three."""
    made = orjson.loads(value)
    tds = made.get("tds") or {}
    if not tds.get("ds_trans_id") or not tds.get("trans_status") or at_ms % 3 == 0:
        return
    result = {
        "server_trans_id": made["event_id"],
        "result_ts": made["event_ts"],
        "acquirer_id": made["acquirer"]["id"],
        "merchant_id": made["merchant"]["id"],
        "pan_hmac": made["card"]["pan_hmac"],
        "trans_status": tds["trans_status"],
        "ds_trans_id": tds["ds_trans_id"],
    }
    yield Written("threeds_results", partition, key, orjson.dumps(result), at_ms)


def play(worker: Worker, records: Iterable[Written], seed: int = 1, *, is_replayed: bool = False) -> None:
    """Write records in order and let the worker poll its partitions now and then, in any order and number.

    Of what publishes no decision (records of another input, issuers' answers, repeats) the topics tell no order between
    partitions but by time: before it the worker polls all payments, and after it that record. Records have the time of
    their writing, a few ms before the poll; if `is_replayed`, payments have the times of their events, 400 days before.
    """
    rng, known = Random(seed), set[str | None]()  # noqa: S311 -- payments of a test
    for record in records:
        name = event_id_of(record.value or b"")
        is_silent = record.field != "authorizations" or name in known
        known.add(name)
        if is_silent:
            for partition in range(PARTITIONS):
                worker.poll("authorizations", partition)
        written_ms = max(record.at_ms + (400 * DAY_MS if is_replayed else 0), worker.now_ms + 1)
        is_old = is_replayed and record.field == "authorizations"
        worker.write(record if is_old else replace(record, at_ms=written_ms))
        worker.now_ms = written_ms + 1
        if is_silent:
            worker.poll(record.field, record.partition)
        elif rng.random() < 0.1:
            for partition in rng.sample(range(PARTITIONS), rng.randint(1, PARTITIONS)):
                worker.poll("authorizations", partition, rng.choice((1, 7, 1_000)))
    for partition in range(PARTITIONS):
        worker.poll("authorizations", partition)
