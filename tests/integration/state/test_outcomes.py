"""Outcomes on their own topic of Apache Kafka: a worker that is killed among them and its successor count each once."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from models.simulator import Simulator, SimulatorConfig
from scoring.engine import Engine
from scoring.outputs import Source
from streams.kafka.settings import Broker
from streams.state.log.marker import KEY
from streams.state.log.packing import pack
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import load, read, stamp_ms
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.bundles import small_bundle
from tests.events import outcome_of, request_of
from tests.integration.state.deciding import new_engine
from tests.integration.state.test_profiles import END_S, MODULE, answers, await_committed, fill, markers, new_worker

pytestmark = pytest.mark.kafka

HALF = 400
BROKEN = b"{no json"


def renamed(value: bytes) -> bytes:
    """Give an event, or its outcome, an id that no request has."""
    return value.replace(b'"event_id":"', b'"event_id":"x')


def traffic() -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Make requests; then outcomes; then events of the same cards.

    Some outcomes come before their requests, which are among the later events; some have no request; some come twice;
    some are broken. Every eleventh request has no outcome.
    """
    config = SimulatorConfig(seed=12, days=1, events_per_day=4_000, cards=300, merchants=60, repeat_share=0.0)
    values = [item.value for item in Simulator(config).traffic() if item.topic == "authorizations"][: 2 * HALF]
    asked, after = values[:HALF], values[HALF:]
    early = [outcome_of(value) for value in after[::8]]
    never = [renamed(outcome_of(value)) for value in asked[::40]]
    outcomes = early + never + [outcome_of(value) for number, value in enumerate(asked) if number % 11]
    outcomes[HALF // 2 : HALF // 2] = outcomes[20:100]
    outcomes[::50] = [BROKEN] * len(outcomes[::50])
    told = [request_of(value) if number % 8 == 0 else value for number, value in enumerate(after)]
    return [request_of(value) for value in asked], outcomes, told


REQUESTS, OUTCOMES, AFTER = traffic()


def uninterrupted() -> tuple[dict[str, dict[str, Any]], Engine]:
    """Decide requests, apply outcomes, decide the later events; return results without times, which differ from run to
    run.
    """
    engine, found = new_engine(), dict[str, dict[str, Any]]()
    for values in (REQUESTS, OUTCOMES, AFTER):
        stamps = [stamp_ms(value, 0) for value in values]
        source = Source(topic="t", partition=0, offsets=range(len(values)), timestamps_ms=stamps)
        if values is OUTCOMES:
            results = engine.outcomes(values, source, received_at_ms=1).tally.outcomes
            assert min(results[name] for name in ("COUNTED", "UNMATCHED", "REPEAT")) > 40, results
            continue
        for _, value in engine.score(values, source, received_at_ms=1, decided_at_ms=lambda: 1).decisions:
            made = json.loads(value)
            made["times"] = made["times"].get("record_ms")
            found[made["decision_id"]] = made
    return found, engine


def kept(settings: WorkerSettings) -> Engine:
    """Restore the profiles that the worker left in their topics into an engine."""
    engine = new_engine()
    for topic in (settings.topics.card_profiles, settings.topics.shared_profiles):
        rows = [one for one in asyncio.run(read(settings.broker, topic, 1, END_S)) if one.key != KEY]
        engine.changelog.restore(0, pack([one.key for one in rows], [one.value for one in rows]))
    return engine


def features(engine: Engine) -> list[Any]:
    """Give the features of one more event of each card."""
    values = [renamed(value) for value in AFTER[-100:]]
    return engine.observer.observe(values, [stamp_ms(value, 0) for value in values]).matrix.tolist()


def test_outcomes_count_once_and_decisions_are_those_of_a_worker_that_was_not_killed(apache: Broker) -> None:
    warm_up(small_bundle())
    settings = new_worker(apache, 1)
    settings = msgspec.structs.replace(settings, consume=msgspec.structs.replace(settings.consume, batch_max_events=10))
    topics = settings.topics
    fill(settings, REQUESTS)
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(REQUESTS), 1, worker)
        asyncio.run(load(apache, topics.authorization_outcomes, {0: OUTCOMES[:300]}))
        await_applied(settings, topics.authorization_outcomes, 10, 1, worker)
        worker.kill()
    asyncio.run(load(apache, topics.authorization_outcomes, {0: OUTCOMES[300:]}))
    with worker_process(settings, module=MODULE) as worker:
        await_applied(settings, topics.authorization_outcomes, len(OUTCOMES), 1, worker)
        fill(settings, AFTER)
        await_committed(settings, len(REQUESTS) + len(AFTER), 1, worker)
        assert terminate(worker) == 0
    found, (expected, engine) = answers(settings), uninterrupted()
    assert {name: len(made) for name, made in found.items() if len(made) > 1} == {}
    assert {name: made[0] for name, made in found.items()} == expected
    assert str(features(kept(settings))) == str(features(engine)), "an outcome must not count twice"
    assert markers(settings, 0, 1)[-1].inputs["authorization_outcomes"] == len(OUTCOMES)
    letters = asyncio.run(read(apache, topics.dead_letters, 1, END_S))
    offsets = [(json.loads(one.value)["topic"], json.loads(one.value)["offset"]) for one in letters]
    broken = [number for number, value in enumerate(OUTCOMES) if value == BROKEN]
    assert sorted(offsets) == [(topics.authorization_outcomes, number) for number in broken]
