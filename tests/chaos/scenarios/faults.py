"""Brokers that go away, produces that fail or hang: the worker ends with a cause or continues, and the next one takes
over.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.brokers.topic_settings import changed
from tests.chaos.brokers.proxy import Api, Fault, Rule
from tests.chaos.brokers.site import BASE, Site
from tests.chaos.oracles.oracle import Finding
from tests.chaos.stage import Scale, Stage, clear, compare, scenario, staged, traffic_of

DEADLINE_S = BASE["emit"]["ack_timeout_s"] + BASE["watch"]["drain_s"] + 5.0
"""From a produce that is never acknowledged to the end of the process: the two deadlines of the settings, and slack."""

OUTAGE_S = 20.0
"""Longer than all deadlines of the settings except the broker's return."""

APPLY_S = 10.0
TOO_SMALL = {"max.message.bytes": "100"}
OUTPUTS = ("decisions", "card_profiles")


@scenario
def broker_restarts(place: Site, scale: Scale) -> Finding:
    """Stop and kill the broker in turn while traffic flows."""
    traffic = traffic_of(scale)
    with staged(place, "broker", traffic, scale) as stage:
        restarts = 0
        for number in stage.each_fault(max(2, scale.faults // 4)):
            time.sleep(stage.choose.uniform(0.0, 1.0))
            outage_s = OUTAGE_S if number >= 2 and number % 3 == 0 else 0.0
            place.restart_broker(kill=number % 2 == 0, outage_s=outage_s)
            restarts += 1
        stage.finish()
        stage.ended_clearly()
        stage.finding.numbers["restarts"] = restarts
    return compare(stage, traffic)


@scenario
def produce_fails(place: Site, scale: Scale) -> Finding:
    """Fail produces of decisions and of rows: before or after they are written, once or forever, or by a refusal."""
    traffic = traffic_of(scale)
    with staged(place, "produce-fails", traffic, scale) as stage:
        faults = [
            ("answer to {} lost", lambda topic: _broken(stage, topic, Fault.LOSE_ANSWER, times=1), False),
            ("{} too small", lambda topic: _refusing(stage, topic), True),
            ("connection for {} cut", lambda topic: _broken(stage, topic, Fault.CUT, times=1), False),
            ("connection for {} cut for good", lambda topic: _broken(stage, topic, Fault.CUT), True),
        ]
        course = [(field, *fault) for fault in faults for field in OUTPUTS]
        if not scale.every_kind:
            course = course[:4]
        for number in stage.each_fault(len(course)):
            field, what, breaking, must_end = course[number]
            _break(stage, what.format(field), breaking(stage.deployment.topic(field)), must_end=must_end)
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic)


@scenario
def produce_hangs(place: Site, scale: Scale) -> Finding:
    """Drop produces of decisions and of rows: they are never answered."""
    traffic = traffic_of(scale)
    with staged(place, "produce-hangs", traffic, scale) as stage:
        for number in stage.each_fault(2 * max(1, scale.faults // 8)):
            field = OUTPUTS[number % 2]
            breaking = _broken(stage, stage.deployment.topic(field), Fault.HANG)
            _break(stage, f"{field} hang", breaking, must_end=True)
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic)


@contextmanager
def _broken(stage: Stage, topic: str, fault: Fault, times: int | None = None) -> Iterator[None]:
    rule = stage.proxy.add(Rule(Api.PRODUCE, (topic,), fault=fault, times=times))
    try:
        if not stage.flowing_until(rule.applied.is_set, APPLY_S):
            stage.finding.failures.append(f"nothing was produced to {topic}")
        yield
    finally:
        stage.proxy.lift(rule)


@contextmanager
def _refusing(stage: Stage, topic: str) -> Iterator[None]:
    if stage.proxy.seen[Api.PRODUCE, topic] == 0:
        stage.finding.failures.append(f"nothing was produced to {topic}")
        yield
        return
    with changed(stage.site.bootstrap, topic, TOO_SMALL):
        yield


def _break(stage: Stage, what: str, breaking: AbstractContextManager[None], *, must_end: bool) -> None:
    """Let a fault happen. A worker that cannot continue must end itself in time, with a cause. Then the next one
    starts.
    """
    worker = stage.crew.workers[0]
    before = len(worker.ends)
    missed = len(stage.finding.failures)
    worker.wanted = not must_end
    try:
        with breaking:
            if not must_end or len(stage.finding.failures) > missed:
                return
            begun = time.monotonic()
            ended = stage.flowing_until(lambda: len(worker.ends) > before, DEADLINE_S)
            took_s = round(time.monotonic() - begun, 1)
            slowest = stage.finding.numbers.get("halt_s_max", 0.0)
            stage.finding.numbers["halt_s_max"] = max(slowest, took_s)
            if not ended:
                stage.finding.failures.append(f"{what}: the worker had not ended after {DEADLINE_S:.0f} s")
                stage.crew.kill()
            elif not clear(worker.ends[before]):
                end = worker.ends[before]
                stage.finding.failures.append(f"{what}: ended with {end.status}, {end.line}")
    finally:
        worker.wanted = True
