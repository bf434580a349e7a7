"""One agent for each input: authorizations are scored, their outcomes and fraud reports are applied.

Each batch goes through these steps, in this order. The delivery guarantee rests on the order.

1. The consumer delivers the batch and opens a ticket at the end of its partition's window.
2. The engine scores it: the profiles in memory are updated.
3. The partition's limit on dead letters is checked. If it is exceeded, the worker halts and emits nothing.
4. Decisions, alerts and dead letters are handed to the producer; the next batch may begin.
5. The brokers acknowledge all of them (`acks=all`). Batches finish in order.
6. The ticket is finished; the watermark moves over the finished prefix of the window.
7. Once a second the changed profiles are flushed. A marker ends the flush and names the input offsets that the
   profiles include (`streams.state.changelog_writer`). Offsets are committed up to that marker, and not beyond it.

An exception in any of the steps 2 to 7 ends the process. The next process restores the profiles at the last marker
and applies the later input again. It does not publish again what is already published. No event is lost. Faust never
acknowledges an event by itself: all streams are `noack`.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import faust
from faust.types import EventT, StreamT

from scoring.outputs import Emitted, Outputs, Source
from streams.kafka.settings import INPUT_ROLES, label_of
from streams.state.changelog_writer import ChangelogWriter
from streams.transport.batch import Batch, BatchMessage
from streams.transport.consumer import BatchConsumer
from streams.transport.schema import RawBatchSchema
from streams.worker.conflicts import CardConflicts, EarlyReports
from streams.worker.deliveries import Deliveries
from streams.worker.emit import Emitter
from streams.worker.poison import PoisonGuard
from streams.worker.protocols import Engine, Telemetry
from streams.worker.refused import as_one, outputs_of
from streams.worker.settings import WorkerSettings


class Host(Protocol):
    """What the agents need from their worker."""

    settings: WorkerSettings
    engine: Engine
    telemetry: Telemetry
    emitter: Emitter
    deliveries: Deliveries
    changelog_writer: ChangelogWriter

    @property
    def batch_consumer(self) -> BatchConsumer:
        """The consumer. No event arrives before it exists."""
        ...


class Input(NamedTuple):
    """An input topic. `take` applies a batch in the engine, `tell` reports its outputs to telemetry."""

    name: str
    topic: str
    take: Callable[[Batch, Emitted], Outputs]
    tell: Callable[[Batch, Outputs], None]


class SideInput(Protocol):
    """Apply a batch of a side input: outcomes, fraud reports or results of 3-D Secure."""

    def __call__(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Apply the batch. Return dead letters only, without those in `emitted`."""
        ...


def inputs_of(host: Host) -> tuple[Input, ...]:
    """List the inputs of the deployment: authorizations are scored, records of the others are applied."""
    topics, engine, telemetry = host.settings.topics, host.engine, host.telemetry

    def score(batch: Batch, emitted: Emitted) -> Outputs:
        def by_one_policy(batch: Batch) -> Outputs:
            return engine.score(
                batch.values,
                source_of(batch),
                received_at_ms=batch.polled_at_ms,
                decided_at_ms=now_ms,
                mark=stage_marker(telemetry.stage),
                emitted=emitted,
            )

        return host.changelog_writer.policies.score(batch, by_one_policy)

    def beside(role: str, side: SideInput) -> Input:
        def take(batch: Batch, emitted: Emitted) -> Outputs:
            return side(batch.values, source_of(batch), received_at_ms=batch.polled_at_ms, emitted=emitted)

        def tell(_: Batch, outputs: Outputs) -> None:
            telemetry.taken(name, outputs)

        name = label_of(role)
        return Input(name, getattr(topics, role), take, tell)

    sides: dict[str, SideInput] = {
        "authorization_outcomes": engine.outcomes,
        "fraud_reports": engine.report,
        "threeds_results": engine.threeds_results,
    }
    assert {"authorizations", *sides} == set(INPUT_ROLES), "each input has its agent"
    events = Input("authorizations", topics.authorizations, score, telemetry.scored)
    return (events, *(beside(role, sides[role]) for role in topics.having(sides)))


def define_agents(app: faust.App, host: Host) -> None:
    """Register an agent for each input with the app; they start when it does."""
    poison, conflicts, early = PoisonGuard(host.settings.poison), CardConflicts(), EarlyReports()

    def define(given: Input) -> None:
        @app.agent(app.topic(given.topic, schema=RawBatchSchema()), name=given.name)
        async def take(stream: StreamT[Any]) -> None:
            async for event, batch in batches(stream):
                host.batch_consumer.mark_applied(cast(BatchMessage, event.message))
                emitted = host.changelog_writer.emitted(batch.topic, batch.partition, batch.offsets[0])
                outputs = given.take(batch, emitted) if batch.refused is None else refuse(batch, emitted)
                tally = outputs.tally if batch.refused is None else as_one(batch.refused)
                poison.observe(batch.topic, batch.partition, tally)
                given.tell(batch, outputs)
                conflicts.note(batch.partition, outputs.tally.card_conflicts)
                early.note(batch.partition, outputs.tally.report_clocks.get("EARLY", 0))
                await deliver(host, event, batch, outputs)

    for given in inputs_of(host):
        define(given)

    @app.on_partitions_revoked.connect
    async def forget(_app: Any, /, *revoked: Any, **_: Any) -> None:
        """Reset the counts of revoked partitions: another worker may process their next events."""
        for partitions in revoked:
            poison.forget(partitions)


async def batches(stream: StreamT[Any]) -> AsyncIterator[tuple[EventT[Any], Batch]]:
    """Yield the events of a stream with their batches. The caller acknowledges each event; Faust never does."""
    async for event in cast(faust.Stream[Any], stream).noack().events():
        batch = event.value
        assert isinstance(batch, Batch), "the topic has a RawBatchSchema"
        yield event, batch


def refuse(batch: Batch, emitted: Emitted) -> Outputs:
    """Return the dead letters of a refused record batch. It does not reach the engine."""
    assert batch.refused is not None
    return outputs_of(batch.topic, batch.partition, batch.refused, received_at_ms=batch.polled_at_ms, emitted=emitted)


async def deliver(host: Host, event: EventT[Any], batch: Batch, outputs: Outputs) -> None:
    """Emit the outputs of a batch. Its event is acknowledged in order, once all outputs are durable."""

    def finish(acked_at_ms: int) -> None:
        event.ack()
        host.telemetry.delivered(batch, outputs, acked_at_ms)

    host.batch_consumer.check_lease()
    acks = host.emitter.emit(batch, outputs, now_ms())
    await host.deliveries.add(acks, finish)


def source_of(batch: Batch) -> Source:
    """Return the Kafka coordinates of a batch as the engine's `Source`."""
    return Source(
        topic=batch.topic, partition=batch.partition, offsets=batch.offsets, timestamps_ms=batch.timestamps_ms
    )


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return time.time_ns() // 1_000_000


def stage_marker(report: Callable[[str, float], None]) -> Callable[[str], None]:
    """Return a function to call at the end of each stage: it reports the stage's name and seconds."""
    last_ns = time.monotonic_ns()

    def mark(name: str) -> None:
        nonlocal last_ns
        now_ns = time.monotonic_ns()
        report(name, (now_ns - last_ns) / 1e9)
        last_ns = now_ns

    return mark
