"""An attack over two workers on Apache Kafka, of which one is killed: one incident, counted as by hand."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from scoring.contract.alert import Alert, Enumeration
from streams.kafka.settings import APACHE_KAFKA, Broker
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import load, read
from tests.brokers.workers import terminate, worker_process
from tests.bundles import small_bundle
from tests.incidents.test_storm import START, attempt, later
from tests.integration.state.test_halting import members
from tests.integration.state.test_profiles import END_S, MODULE, alerts, await_committed, new_worker

pytestmark = pytest.mark.kafka

PARTITIONS = 2
ATTEMPTS = 1_500
GAP_S = 0.1
FIRST, TOGETHER, KILLED, REST = 60, 200, 500, 1_100
"""Attempts until the incident is open in partition 0, until the second worker starts, until one worker is killed, and
those that are written before it is killed."""


def at_ms(number: int) -> int:
    """Return the event time of an attempt."""
    return round((START + timedelta(seconds=number * GAP_S)).timestamp() * 1000)


def fill(settings: WorkerSettings, first: int, last: int) -> None:
    """Write attempts, each with a card of its own, in turn to both partitions; the first ones to partition 0 only."""
    parts: tuple[list[bytes], list[bytes]] = [], []
    for number in range(first, last):
        parts[number % 2 if number >= FIRST else 0].append(attempt(number, number * GAP_S))
    asyncio.run(load(settings.broker, settings.topics.authorizations, dict(enumerate(parts))))


def incidents(made: list[Alert]) -> list[Enumeration]:
    return [alert.incident for alert in made if alert.incident is not None]


def await_end(settings: WorkerSettings, worker: Any) -> list[Alert]:
    """Wait until the incident is over, and return all alerts."""
    deadline = time.monotonic() + END_S
    while True:
        found = alerts(settings)
        told = [(one.state, one.attempts) for one in incidents(found)]
        if "CLOSED" in dict(told):
            return found
        assert time.monotonic() < deadline, told
        assert worker.poll() is None


def test_an_attack_is_one_incident_though_it_moves_between_workers_and_one_is_killed(apache: Broker) -> None:
    warm_up(small_bundle())
    soon = msgspec.structs.replace(APACHE_KAFKA, session_timeout_s=6.0, heartbeat_interval_s=1.0)
    settings = new_worker(msgspec.structs.replace(apache, profile=soon), PARTITIONS, instance=None)
    settings = msgspec.structs.replace(settings, consume=msgspec.structs.replace(settings.consume, batch_max_events=5))
    fill(settings, 0, FIRST)
    with worker_process(settings, module=MODULE) as one:
        await_committed(settings, FIRST, PARTITIONS, one)
        fill(settings, FIRST, TOGETHER)
        await_committed(settings, TOGETHER, PARTITIONS, one)
        with worker_process(settings, module=MODULE) as other:
            deadline = time.monotonic() + END_S
            while asyncio.run(members(settings)) < 2:
                assert time.monotonic() < deadline
            fill(settings, TOGETHER, REST)
            await_committed(settings, KILLED, PARTITIONS, one, other)
            one.kill()
            fill(settings, REST, ATTEMPTS)
            await_committed(settings, ATTEMPTS, PARTITIONS, other)
            quiet = [later(ATTEMPTS * GAP_S + 1_801), later(ATTEMPTS * GAP_S + 1_802)]
            asyncio.run(load(settings.broker, settings.topics.authorizations, {0: quiet[:1], 1: quiet[1:]}))
            await_committed(settings, ATTEMPTS + len(quiet), PARTITIONS, other)
            made = await_end(settings, other)
            assert terminate(other) == 0
    names = [alert.alert_id for alert in made]
    assert len(set(names)) == len(names)
    told = incidents(made)
    assert len({one.incident_id for one in told}) == 1
    states = [one.state for one in told]
    assert (states.count("OPENED"), states.count("CLOSED")) == (1, 1)
    assert (told[0].state, told[-1].state) == ("OPENED", "CLOSED")
    assert [one.attempts for one in told] == sorted(one.attempts for one in told)
    assert {100, 1_000} <= {10 ** (len(str(one.attempts)) - 1) for one in told if one.state == "GREW"}
    opened, closed = told[0], told[-1]
    # By hand: every attempt, from the tenth of a second of the opening to that of the last one.
    assert (opened.start_ms - at_ms(0)) / 100 == opened.attempts - 1
    assert (closed.start_ms, closed.last_ms) == (opened.start_ms, at_ms(ATTEMPTS - 1))
    mix = (closed.approved, closed.declined_funds, closed.declined_risk, closed.declined_other)
    assert (closed.attempts, closed.declined_card_data, closed.visa_estimate) == (ATTEMPTS, ATTEMPTS, ATTEMPTS)
    assert mix == (0, 0, 0, 0)
    assert closed.cards == pytest.approx(ATTEMPTS, rel=0.08)
    decisions = asyncio.run(read(settings.broker, settings.topics.decisions, ATTEMPTS + 2, END_S))
    assert len(decisions) == ATTEMPTS + 2
    of_payments = {alert.event_id for alert in made if alert.incident is None and alert.merchant_id != "m-9"}
    assert of_payments <= {f"a-{number}" for number in range(opened.attempts)}, "attempts of an incident raise none"
