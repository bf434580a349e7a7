"""The three agents: authorizations are scored, their outcomes and fraud reports are taken in.

The order that makes the guarantee, for every batch:

1. The consumer delivers the batch and opens a ticket at the end of its partition's window.
2. The engine scores it: the profiles in memory are updated.
3. The partition's limit on dead letters is checked. Passed: the worker halts here, with nothing emitted.
4. Decisions, alerts and dead letters are handed to the producer; the next batch may begin.
5. The brokers acknowledge every one of them (`acks=all`), batches in order.
6. The ticket is finished; the watermark moves over the finished prefix of the window.
7. Once a second the changed profiles are flushed and closed by a marker, which names the input they know
   (`streams.state.keeper`); up to there, and not beyond, is committed.

An exception anywhere in 2 to 7 ends the process; the next one restores profiles to the last marker and takes in again
what came after it: what had been answered is not answered again. No event is lost, and none is acknowledged by Faust on
its own: all streams are `noack`.
"""

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.types import EventT, StreamT

from scoring.outputs import Outputs, Source
from streams.transport.batch import Batch, BatchMessage
from streams.transport.consumer import BatchConsumer
from streams.transport.schema import RawBatchSchema
from streams.worker.conflicts import CardConflicts, EarlyReports
from streams.worker.poison import PoisonGuard
from streams.worker.refused import as_one, outputs_of

if TYPE_CHECKING:
    from streams.worker.app import FraudApp


def define_agents(app: "FraudApp") -> None:
    """Register the agents with the app; they start when it does."""
    topics, engine, telemetry = app.settings.topics, app.engine, app.telemetry
    poison = PoisonGuard(app.settings.poison)
    conflicts, early = CardConflicts(), EarlyReports()

    @app.agent(app.topic(topics.authorizations, schema=RawBatchSchema()), name="authorizations")
    async def authorizations(stream: StreamT[Any]) -> None:
        """Score every batch and emit what came of it."""
        async for event, batch in batches(stream):
            cast(BatchConsumer, app.consumer).taken_in(cast(BatchMessage, event.message))
            if batch.refused is not None:
                await deliver(app, event, batch, refuse(app, poison, batch, telemetry.scored))
                continue
            outputs = engine.score(
                batch.values,
                source_of(batch),
                received_at_ms=batch.polled_at_ms,
                decided_at_ms=now_ms,
                mark=stage_marker(telemetry.stage),
                emitted=app.keeper.emitted(batch.topic, batch.partition, batch.offsets[0]),
            )
            poison.observe(batch.topic, batch.partition, outputs.tally)
            telemetry.scored(batch, outputs)
            conflicts.note(batch.partition, outputs.tally.card_conflicts)
            await deliver(app, event, batch, outputs)

    @app.agent(app.topic(topics.authorization_outcomes, schema=RawBatchSchema()), name="authorization-outcomes")
    async def outcomes(stream: StreamT[Any]) -> None:
        """Take in how issuers answered what was decided before; nothing is decided."""
        async for event, batch in batches(stream):
            cast(BatchConsumer, app.consumer).taken_in(cast(BatchMessage, event.message))
            if batch.refused is not None:
                await deliver(app, event, batch, refuse(app, poison, batch, telemetry.learnt))
                continue
            outputs = engine.outcomes(
                batch.values,
                source_of(batch),
                received_at_ms=batch.polled_at_ms,
                emitted=app.keeper.emitted(batch.topic, batch.partition, batch.offsets[0]),
            )
            poison.observe(batch.topic, batch.partition, outputs.tally)
            telemetry.learnt(batch, outputs)
            conflicts.note(batch.partition, outputs.tally.card_conflicts)
            await deliver(app, event, batch, outputs)

    @app.agent(app.topic(topics.fraud_reports, schema=RawBatchSchema()), name="fraud-reports")
    async def fraud_reports(stream: StreamT[Any]) -> None:
        """Take in what issuers, schemes and analysts said was fraud."""
        async for event, batch in batches(stream):
            cast(BatchConsumer, app.consumer).taken_in(cast(BatchMessage, event.message))
            if batch.refused is not None:
                await deliver(app, event, batch, refuse(app, poison, batch, telemetry.reported))
                continue
            outputs = engine.report(
                batch.values,
                source_of(batch),
                received_at_ms=batch.polled_at_ms,
                emitted=app.keeper.emitted(batch.topic, batch.partition, batch.offsets[0]),
            )
            poison.observe(batch.topic, batch.partition, outputs.tally)
            telemetry.reported(batch, outputs)
            early.note(batch.partition, outputs.tally.report_clocks.get("EARLY", 0))
            await deliver(app, event, batch, outputs)

    @app.on_partitions_revoked.connect
    async def forget(_app: Any, /, *revoked: Any, **_: Any) -> None:
        """Begin to count anew when a partition comes back: its events may have been taken elsewhere meanwhile."""
        for partitions in revoked:
            poison.forget(partitions)


async def batches(stream: StreamT[Any]) -> AsyncIterator[tuple[EventT[Any], Batch]]:
    """Yield the events of a stream with their batches; whoever takes one acknowledges it, Faust never does."""
    async for event in cast(faust.Stream[Any], stream).noack().events():
        batch = event.value
        assert isinstance(batch, Batch), "the topic has a RawBatchSchema"
        yield event, batch


def refuse(app: "FraudApp", poison: PoisonGuard, batch: Batch, tell: Callable[[Batch, Outputs], None]) -> Outputs:
    """Give the dead letters of a stored batch that is not unpacked: the engine never hears of it."""
    assert batch.refused is not None
    emitted = app.keeper.emitted(batch.topic, batch.partition, batch.offsets[0])
    outputs = outputs_of(
        batch.topic, batch.partition, batch.refused, received_at_ms=batch.polled_at_ms, emitted=emitted
    )
    poison.observe(batch.topic, batch.partition, as_one(batch.refused))
    tell(batch, outputs)
    return outputs


async def deliver(app: "FraudApp", event: EventT[Any], batch: Batch, outputs: Outputs) -> None:
    """Emit the outputs of a batch; its event is acknowledged once all of them are durable, in order."""

    def finish(acked_at_ms: int) -> None:
        event.ack()
        app.telemetry.delivered(batch, outputs, acked_at_ms)

    cast(BatchConsumer, app.consumer).check_lease()
    acks = app.emitter.emit(batch, outputs, now_ms())
    await app.deliveries.add(acks, finish)


def source_of(batch: Batch) -> Source:
    """Return the Kafka coordinates of a batch in the form the engine takes."""
    return Source(
        topic=batch.topic, partition=batch.partition, offsets=batch.offsets, timestamps_ms=batch.timestamps_ms
    )


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return time.time_ns() // 1_000_000


def stage_marker(report: Callable[[str, float], None]) -> Callable[[str], None]:
    """Return a function that reports, at the end of each stage, its name and how many seconds it took."""
    last_ns = time.monotonic_ns()

    def mark(name: str) -> None:
        nonlocal last_ns
        now_ns = time.monotonic_ns()
        report(name, (now_ns - last_ns) / 1e9)
        last_ns = now_ns

    return mark
