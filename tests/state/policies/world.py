"""Workers with real engines on logs in memory, whose policies change while they are killed; and an independent recount.

The recount uses the core alone: the policies that markers name, the input, and an engine that is never interrupted.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from scoring.contract.alert import Alert
from scoring.engine import Engine
from scoring.outputs import Outputs
from scoring.policy import Policy, policy_from
from streams.state import assignment, follow
from streams.state.agreement import Agreement
from streams.state.assignment import Assignment
from streams.state.follow import Follower
from streams.state.log.marker import KEY, Held, Marker, decode
from streams.transport.batch import Batch
from streams.transport.settings import Consume
from streams.worker.agents import source_of
from tests.brokers.load import stamp_ms
from tests.incidents.test_storm import NOW_MS, attempt, later, new_engine
from tests.state.fakes import (
    TOPICS,
    Crashed,
    FakeBroker,
    FakeConsumer,
    FakeReader,
    FlushTelemetry,
    new_writer,
    worker_settings,
)


def policy(version: str, review: int, **alerts: object) -> Policy:
    thresholds = {"review": review, "step_up": review + 100, "block": review + 200}
    return policy_from({"version": version, "global": thresholds, "alerts": alerts})


QUICK = {"bin_cards_10m": 8}
POLICIES = {
    one.identity: one
    for one in (
        policy("mild", 700),
        policy("strict", 100, incidents=QUICK),
        policy("blind", 790, minimum_band="BLOCK", incidents={"bin_cards_10m": 40, "bin_cards_1h": 60}),
    )
}
MILD, STRICT, BLIND = POLICIES.values()


def traffic(count: int) -> list[bytes]:
    """Make an attack with payments between, some sent twice, some that cannot be read, and one long after it."""
    made: list[bytes] = []
    for number in range(count):
        if number % 9 == 4:
            made.append(later(number))
        elif number % 13 == 6:
            made.append(made[-2])
        elif number % 17 == 8:
            made.append(b"{no json")
        else:
            made.append(attempt(number, number, yen=100_000 * (number % 10)))
    return [*made, later(5_000)]


class World:
    """A broker with input, and what a group has committed."""

    def __init__(self, seed: int, *parts: Sequence[bytes]) -> None:
        self.broker, self.partitions = FakeBroker(), len(parts)
        self.random = random.Random(seed)  # noqa: S311 -- a seed, no secret
        self.committed: dict[TP, int] = {}
        self.generation = 0
        for partition, values in enumerate(parts):
            for value in values:
                self.broker.append(events_of(partition), b"", value, stamp_ms(value, NOW_MS))

    def left(self, worker: "PolicyWorker", partition: int) -> int:
        return self.broker.end(events_of(partition)) - worker.position(partition)


def events_of(partition: int) -> TopicPartition:
    return TopicPartition(TOPICS.authorizations, partition)


class Recalls(FlushTelemetry):
    def __init__(self) -> None:
        super().__init__()
        self.recorded = self.missing = 0

    def policy_recalled(self, recorded: int, missing: int) -> None:
        self.recorded, self.missing = self.recorded + recorded, self.missing + missing


class PolicyWorker:
    """A worker whose agent is `apply`."""

    def __init__(self, world: World, own: Policy) -> None:
        self.world, self.telemetry = world, Recalls()
        self.engine = new_engine(world.partitions, own)
        self.consumer = FakeConsumer()
        self.consumer.committed_to = world.committed
        self.writer = new_writer(world.broker, self.engine, self.consumer, world.partitions)  # type: ignore[arg-type]
        self.writer._telemetry = self.writer.policies._telemetry = self.telemetry
        follower = Follower(worker_settings(), self.engine, self.telemetry, Agreement({}, 0))
        consume = Consume(batch_max_events=3, partition_max_batches=4)  # tests apply at most 20 events at a time
        self.assignment = Assignment(
            msgspec.structs.replace(worker_settings(), consume=consume),
            self.engine,  # type: ignore[arg-type]
            self.writer._emitter,
            self.telemetry,  # type: ignore[arg-type]
            self.writer,
            follower,
        )
        self.reload: asyncio.Task[None] | None = None

    async def take(self, *partitions: int) -> None:
        """Get these partitions and no others."""
        self.world.generation += 1
        tps = {TP(topic, number) for topic in TOPICS.inputs for number in partitions}
        self.assignment.assigned(tps, self.world.generation)
        assert await self.assignment.settle(self.consumer)

    async def leave(self) -> None:
        """Begin a rebalance."""
        self.assignment.interrupted()
        await self.flush()
        self.consumer.applied_to.clear()

    def position(self, partition: int) -> int:
        known = self.consumer.applied_to.get(TP(TOPICS.authorizations, partition))
        return self.writer.owned[partition].applied[TOPICS.authorizations] if known is None else known

    def apply(self, partition: int, count: int) -> None:
        """Score the next events and write the outputs, those of each log in order; it may crash between any two."""
        begin = self.position(partition)
        records = self.world.broker.logs[events_of(partition)][begin : begin + count]
        if not records:
            return
        batch = Batch(
            topic=TOPICS.authorizations,
            partition=partition,
            offsets=[record.offset for record in records],
            timestamps_ms=[record.at_ms for record in records],
            values=[record.value or b"" for record in records],
            polled_at_ms=NOW_MS,
            polled_ns=0,
        )
        emitted = self.writer.emitted(batch.topic, partition, begin)
        self.consumer.apply(TOPICS.authorizations, partition, begin + len(records), acked=False)

        def score(piece: Batch) -> Outputs:
            return self.engine.score(
                piece.values,
                source_of(piece),
                received_at_ms=NOW_MS,
                decided_at_ms=lambda: NOW_MS,
                emitted=emitted,
            )

        self._write(partition, self.writer.policies.score(batch, score))
        self.consumer.ack(TOPICS.authorizations, partition, begin + len(records))

    def _write(self, partition: int, outputs: Outputs) -> None:
        queues = [
            (TopicPartition(TOPICS.decisions, partition), list(outputs.decisions)),
            (TopicPartition(TOPICS.alerts, 0), list(outputs.alerts)),
            (TopicPartition(TOPICS.dead_letters, 0), list(outputs.dead_letters)),
        ]
        first: dict[TopicPartition, int] = {}
        while queues := [queue for queue in queues if queue[1]]:
            tp, records = self.world.random.choice(queues)
            self.world.broker.burn()
            offset = self.world.broker.append(tp, *records.pop(0), NOW_MS)
            first.setdefault(tp, offset)
        for tp, offset in first.items():
            self.writer._emitter.acknowledged(SimpleNamespace(topic_partition=tp, offset=offset))  # type: ignore[arg-type]

    async def flush(self) -> None:
        await self.writer.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for tp, offset in self.consumer.durable.items():
            self.world.committed[tp] = offset

    def change(self, new: Policy) -> None:
        """Begin to take another policy into use, as a reload does, one at a time."""
        if self.reload is None or self.reload.done():
            self.reload = asyncio.ensure_future(self.writer.policies.use(self.engine.compile(new)))

    async def end(self) -> None:
        if self.reload is not None:
            self.reload.cancel()
            await asyncio.gather(self.reload, return_exceptions=True)


@contextmanager
def readers_of(world: World) -> Iterator[None]:
    """Let restores and followers read the logs of a world."""

    def reader(*_: Any, progressed: Any = lambda: None, **__: Any) -> FakeReader:
        made = FakeReader(world.broker)
        made.progressed = progressed
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignment, "LogReader", reader)
        patch.setattr(follow, "LogReader", reader)
        yield


Step = Callable[[World, PolicyWorker, int], Awaitable[None]]


def play_with_kills(world: World, own: Callable[[], Policy], step: Step, fuses: Sequence[int]) -> None:
    """Let one worker after the other apply the only partition, by `step`, until a fuse ends it. The last one finishes.

    `own`: the policy in the files of the next worker. `fuses`: answers of the broker that a worker may live for.
    """

    async def life() -> bool:
        """Let a worker live until it is killed. Return whether it was."""
        worker = PolicyWorker(world, own())
        try:
            await worker.take(0)
            world.broker.fuse = world.random.choice(fuses)
            while world.left(worker, 0):
                await step(world, worker, 0)
            await worker.flush()
        except Crashed:
            return True
        finally:
            world.broker.fuse = None
            await worker.end()
        return False

    async def play() -> None:
        while await life():
            pass

    with readers_of(world):
        asyncio.run(play())


async def step_or_change(world: World, worker: PolicyWorker, partition: int, files: Sequence[Policy]) -> None:
    """Apply some events, flush, or begin to take one of these policies into use."""
    act = world.random.randrange(5)
    if act < 3:
        worker.apply(partition, world.random.randint(1, 12))
    elif act == 3:
        await worker.flush()
    else:
        worker.change(world.random.choice(files))
        await asyncio.sleep(0)


# -- the recount


def markers(world: World, partition: int) -> list[Marker]:
    tp = TopicPartition(TOPICS.card_profiles, partition)
    counted = [one for one in world.broker.logs[tp] if one.offset not in world.broker.aborted[tp] and one.key == KEY]
    return [decode(one.value, "", world.partitions) for one in counted]


def recorded(world: World, partition: int) -> list[Held]:
    """Return every policy that a marker names, by offset."""
    found = {held.offset: held for marker in markers(world, partition) for held in marker.policies}
    return [found[offset] for offset in sorted(found)]


def published(world: World, topic: str, partition: int = 0) -> list[dict[str, Any]]:
    return [msgspec.json.decode(value) for value in world.broker.values(topic, partition)]


def told_by(alert: dict[str, Any]) -> tuple[object, ...]:
    """Give what an alert says, with the counts of its case and all times of events.

    An alert of an incident has no count here: `count` is what its policy would have raised. It may be published by a
    worker that is killed before a decision names that policy. A successor with another policy does not raise it again.
    """
    names = ("alert_id", "type", "entity", "dedup_key", "event_id", "severity", "score", "band", "incident", "versions")
    names += ("first_seen_ms", "last_seen_ms", "amount_jpy", "at_risk_jpy", "experiment")
    names += () if alert.get("incident") else ("count",)
    return tuple(repr(alert.get(name)) for name in names)


def recount(
    world: World, partition: int, policies: Mapping[str, Policy] = POLICIES
) -> tuple[list[dict[str, Any]], set[tuple[object, ...]]]:
    """Decide the input of a partition without interruption, by the policies that are recorded."""
    records = world.broker.logs[events_of(partition)]
    switches = [*recorded(world, partition), Held(policy="", offset=len(records))]
    assert switches[0].offset == 0
    engine: Engine = new_engine(world.partitions, policies[switches[0].policy])
    decisions: list[dict[str, Any]] = []
    alerts: set[tuple[object, ...]] = set()
    for held, end in pairwise(switches):
        engine.use(engine.compile(policies[held.policy]))
        batch = records[held.offset : end.offset]
        piece = Batch(
            topic=TOPICS.authorizations,
            partition=partition,
            offsets=[record.offset for record in batch],
            timestamps_ms=[record.at_ms for record in batch],
            values=[record.value or b"" for record in batch],
            polled_at_ms=NOW_MS,
            polled_ns=0,
        )
        made = engine.score(piece.values, source_of(piece), received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
        decisions += [msgspec.json.decode(value) for _, value in made.decisions]
        alerts |= {told_by(msgspec.json.decode(value)) for _, value in made.alerts}
    return decisions, alerts


def check(world: World, partition: int = 0, policies: Mapping[str, Policy] = POLICIES) -> None:
    """Compare everything that was published of the only partition with the recount."""
    decisions, alerts = recount(world, partition, policies)
    assert published(world, TOPICS.decisions, partition) == decisions
    told = published(world, TOPICS.alerts)
    assert len({alert["alert_id"] for alert in told}) == len(told), "each is told once"
    assert {told_by(alert) for alert in told} == alerts
    for value in world.broker.values(TOPICS.alerts):
        msgspec.json.decode(value, type=Alert)
    refused = [n for n, one in enumerate(world.broker.logs[events_of(partition)]) if one.value == b"{no json"]
    assert [letter["offset"] for letter in published(world, TOPICS.dead_letters)] == refused
