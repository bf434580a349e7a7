"""Brokers that stop answering: frozen with a produce in their socket, or silent to produces for longer than a worker
waits.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.brokers.proxy import Api, Fault, Rule
from tests.chaos.brokers.site import BASE, Site
from tests.chaos.oracles.oracle import Finding
from tests.chaos.stage import Scale, Stage, clear, compare, scenario, staged, traffic_of

ACK_S = BASE["emit"]["ack_timeout_s"]
FROZEN_S = ACK_S + BASE["kafka"]["profile"]["session_timeout_s"] + 6.0
"""Longer than a worker waits for an acknowledgement, and than its session."""

APPLY_S = 10.0
END_S = ACK_S + BASE["watch"]["drain_s"] + 5.0
GENERATIONS = 2


@scenario
def frozen_broker(place: Site, scale: Scale) -> Finding:
    """Freeze the broker with decisions or rows in its socket, with the worker or without, until workers have given up.

    The bytes in its sockets are handled when it wakes, beside the requests of the successors.
    """
    traffic = traffic_of(scale)
    with staged(place, "frozen-broker", traffic, scale) as stage:
        course = [(field, pair) for pair in (False, True) for field in ("decisions", "card_profiles")]
        for number in stage.each_fault(len(course) if scale.every_kind else 1):
            field, is_pair = course[number]
            _freeze(place, stage, field, is_pair=is_pair)
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic)


@scenario
def produces_swallowed(place: Site, scale: Scale) -> Finding:
    """Drop every produce of a kind until two workers, one after the other, have given up: no event is decided twice."""
    traffic = traffic_of(scale)
    with staged(place, "swallowed", traffic, scale) as stage:
        fields = ("decisions", "card_profiles")
        for number in stage.each_fault(len(fields) if scale.every_kind else 1):
            with _swallowed(stage, fields[number]):
                for _ in range(GENERATIONS):
                    _await_end(stage, f"{fields[number]} swallowed")
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic)


def _freeze(place: Site, stage: Stage, field: str, *, is_pair: bool) -> None:
    """Freeze the broker just before it gets a produce, and maybe the worker with it; wake both."""
    worker = stage.crew.workers[0]

    def strike() -> None:
        place.freeze_broker()
        if is_pair:
            worker.signal(signal.SIGSTOP, ends=False)

    rule = stage.proxy.add(Rule(Api.PRODUCE, (stage.deployment.topic(field),), asked=strike))
    try:
        if not stage.flowing_until(rule.applied.is_set, APPLY_S):
            raise TimeoutError(f"nothing was produced to {field} to freeze at")
        time.sleep(FROZEN_S)
    finally:
        stage.proxy.lift(rule)
        place.thaw_broker()
        worker.signal(signal.SIGCONT, ends=False)


@contextmanager
def _swallowed(stage: Stage, field: str) -> Iterator[None]:
    topic = stage.deployment.topic(field)
    rule = stage.proxy.add(Rule(Api.PRODUCE, (topic,), fault=Fault.HANG, times=None))
    try:
        if not stage.flowing_until(rule.applied.is_set, APPLY_S):
            raise TimeoutError(f"nothing was produced to {topic}")
        yield
    finally:
        stage.proxy.lift(rule)


def _await_end(stage: Stage, what: str) -> None:
    worker = stage.crew.workers[0]
    before = len(worker.ends)
    if not stage.flowing_until(lambda: len(worker.ends) > before, END_S + stage.scale.events / stage.scale.rate):
        raise TimeoutError(f"{what}: the worker had not ended")
    if not clear(worker.ends[before]):
        end = worker.ends[before]
        stage.finding.failures.append(f"{what}: ended with {end.status}, {end.line}")
