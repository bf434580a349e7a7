"""What agents report to the consumer, and when: profiles are not made durable before the decisions are published."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from scoring.outputs import NOTHING, Outputs, Tally
from streams.kafka.settings import Topics
from streams.records.batches import Refused
from streams.transport.batch import Batch
from streams.transport.window import AckWindow
from streams.worker.agents import define_agents
from streams.worker.poison import PoisonedError
from streams.worker.settings import PoisonLimit
from tests.doubles import NoTelemetry

TOPICS = {name: TP(name, 0) for name in ("authorizations", "fraud-reports", "authorization-outcomes")}


class EngineError(Exception):
    pass


class FailingEngine:
    """Fails in the middle of a batch, or returns only dead letters."""

    def __init__(self, *, fails: bool) -> None:
        self._fails = fails
        self.taken = 0

    def score(self, values: list[bytes], *_: Any, **__: Any) -> Outputs:
        self.taken += 1
        if self._fails:
            raise EngineError
        return Outputs(tally=Tally(events=len(values), dead_letters={"EMPTY": len(values)}))

    report = outcomes = threeds_results = score


class FakeConsumer:
    def __init__(self) -> None:
        self.windows = {tp: AckWindow() for tp in TOPICS.values()}

    def check_lease(self) -> None:
        pass

    def mark_applied(self, message: Any) -> None:
        self.windows[message.tp].applied = message.ticket.end


class FakeStream:
    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def noack(self) -> "FakeStream":
        return self

    async def events(self) -> AsyncIterator[Any]:
        for event in self._events:
            yield event


STRICT = PoisonLimit(window_events=1, max_letters=0, max_ratio=0.1, max_consecutive=1)


def agents_of(
    engine: FailingEngine, consumer: FakeConsumer, limit: PoisonLimit = STRICT, **parts: Any
) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    app = SimpleNamespace(
        settings=SimpleNamespace(topics=Topics(), poison=limit),
        engine=engine,
        telemetry=NoTelemetry(),
        batch_consumer=consumer,
        changelog_writer=SimpleNamespace(
            emitted=lambda *_: NOTHING, policies=SimpleNamespace(score=lambda batch, score: score(batch))
        ),
        topic=lambda name, **_: name,
        agent=lambda _, name: lambda agent: found.setdefault(name, agent),
        on_partitions_revoked=SimpleNamespace(connect=lambda handler: handler),
        **parts,
    )
    define_agents(app, app)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("name", list(TOPICS))
def test_a_refused_batch_gets_a_dead_letter_and_does_not_reach_the_engine(name: str) -> None:
    engine, consumer = FailingEngine(fails=True), FakeConsumer()
    told: list[tuple[str, dict[str, int]]] = []
    batch = Batch(
        topic=name,
        partition=0,
        offsets=range(5, 2**31),
        timestamps_ms=(1_000,),
        values=[],
        polled_at_ms=0,
        polled_ns=0,
        refused=Refused(reason="OVERSIZE_BATCH", first=5, end=2**31, size=99, last_ms=1_000, is_whole=True),
    )
    acked: list[int] = []
    ticket = consumer.windows[TOPICS[name]].deliver(5, 2**31, 0)
    message = SimpleNamespace(tp=TOPICS[name], ticket=ticket)
    event = SimpleNamespace(value=batch, message=message, ack=lambda: acked.append(1))
    emitted: list[bytes] = []

    class Deliveries:
        async def add(self, acks: list[Any], finish: Callable[[int], Any]) -> None:
            finish(0)

    def emit(_: Batch, outputs: Outputs, __: int) -> list[Any]:
        emitted.extend(key for key, _ in outputs.dead_letters)
        told.append((name, outputs.tally.dead_letters))
        return []

    limit = PoisonLimit(max_consecutive=1)
    agents = agents_of(engine, consumer, limit, emitter=SimpleNamespace(emit=emit), deliveries=Deliveries())
    asyncio.run(agents[name](FakeStream([event])))
    assert engine.taken == 0
    assert emitted == [b"%s/0/5" % name.encode()]
    assert told == [(name, {"OVERSIZE_BATCH": 2**31 - 5})]
    assert acked == [1]
    assert consumer.windows[TOPICS[name]].applied == 2**31


@pytest.mark.parametrize("name", list(TOPICS))
@pytest.mark.parametrize("error", [EngineError, PoisonedError])
def test_a_batch_that_fails_blocks_every_flush_that_would_include_it(name: str, error: type[Exception]) -> None:
    consumer = FakeConsumer()
    engine = FailingEngine(fails=error is EngineError)
    window = consumer.windows[TOPICS[name]]
    ticket = window.deliver(40, 43, 0)
    batch = Batch(
        topic=name,
        partition=0,
        offsets=range(40, 43),
        timestamps_ms=[1] * 3,
        values=[b""] * 3,
        polled_at_ms=1,
        polled_ns=1,
    )
    event = SimpleNamespace(value=batch, message=SimpleNamespace(tp=TOPICS[name], ticket=ticket))
    with pytest.raises(error):
        asyncio.run(agents_of(engine, consumer)[name](FakeStream([event])))
    assert engine.taken == 1
    assert window.applied == 43, "profiles may include the batch, so it must count as applied"
    assert window.watermark is None, "a flush must wait for its outputs, which never come"
