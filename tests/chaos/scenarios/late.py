"""A network that delivers late: requests of a worker are held until another one owns its partition."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.chaos.brokers.proxy import Api, Fault, Rule
from tests.chaos.brokers.site import Site, merged
from tests.chaos.oracles.books import await_committed
from tests.chaos.oracles.oracle import Finding, same_cards
from tests.chaos.stage import Scale, Stage, compare, reckon, scenario, staged, traffic_of, uninterrupted
from tests.chaos.traffic import Mix

BRISK: Mapping[str, Any] = {
    "kafka": {"profile": {"session_timeout_s": 3.0, "heartbeat_interval_s": 1.0}},
    "consume": {"commit_interval_s": 0.2, "partition_max_batches": 64},
    "state": {"flush_interval_s": 0.25},
    "emit": {"ack_timeout_s": 2.0},
}
"""Short sessions, frequent flushes and commits, and many requests in flight."""

ONE_BY_ONE = merged(BRISK, {"consume": {"batch_max_events": 1, "partition_max_batches": 1}})
SLOW_S = 0.02
"""For each produce of a worker that applies one event at a time: its backlog takes many flushes."""

MIX = Mix(repeated=0.02, bad=0.02)
OUTPUTS = ("decisions", "alerts", "dead_letters")
ROWS = ("card_profiles", "shared_profiles")
MARKER = b'"eviction_cursors":'
"""In every marker, and in no row."""

ENDINGS = ("killed", "left", "frozen")
"""The fate of a worker whose bytes are held: killed at once, left running, or frozen until they have arrived."""

MOMENT_S = 15.0
"""For a request to come, for its answer, and for the end of a worker that must end."""

FLOOD_S = 0.75
"""Events at full rate when bytes begin to be held, so that there are many."""

WAKE_S = 2.5
"""Several heartbeats: traffic continues this long while a worker receives the group's answers late."""


@scenario
def late_outputs(place: Site, scale: Scale) -> Finding:
    """Hold a worker's outputs until another owns its partition: when they arrive, no event is decided twice."""
    traffic = traffic_of(scale, mix=MIX)
    course = [(OUTPUTS, ending) for ending in ENDINGS] + [((field,), "killed") for field in OUTPUTS]
    with staged(place, "late-outputs", traffic, scale, workers=2, hired=(0,), telling=True, changes=BRISK) as stage:
        for number in stage.each_fault(len(course) if scale.every_kind else 1):
            fields, ending = course[number]
            owner, heir = number % 2, 1 - number % 2
            worker = stage.crew.workers[owner]
            before, worker.wanted = len(worker.ends), False
            rule = _rule(stage, owner, Api.PRODUCE, fields, fault=Fault.HOLD, asked=_strike(stage, owner, ending))
            with _late(stage, rule):
                stage.proxy.add(rule)
                _flood_until(stage, rule.applied, f"a produce to {fields[0]}")
                _hand_over(stage, heir)
                _deliver(stage, rule)
            stage.crew.thaw(owner)
            if stage.crew.await_end(owner, before, MOMENT_S) is None:
                raise TimeoutError(f"a worker that was {ending} had not ended {MOMENT_S:.0f} s after the takeover")
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic, telling=True)


@scenario
def late_rows(place: Site, scale: Scale) -> Finding:
    """Hold a dead worker's rows until the next owner runs; that one dies soon: the third must not apply the rows.

    They include more input than the second owner has made durable, and these events have no decision. An owner that
    applied the rows would skip the events as repeats.
    """
    traffic = traffic_of(scale, mix=MIX)
    with staged(place, "late-rows", traffic, scale, workers=2, hired=(0,), telling=True, changes=BRISK) as stage:
        for number in stage.each_fault(max(1, scale.faults // 8)):
            owner, heir = number % 2, 1 - number % 2
            outputs = _rule(stage, owner, Api.PRODUCE, OUTPUTS, fault=Fault.HANG)
            rows = _rule(stage, owner, Api.PRODUCE, ROWS, fault=Fault.HOLD, asked=_strike(stage, owner, "killed"))
            marker = _marker(stage, owner, answered=lambda rules=(outputs, rows): _add(stage, *rules))
            stage.crew.workers[owner].wanted = False
            slow = _rule(stage, heir, Api.PRODUCE, ("decisions",), fault=Fault.DELAY, held_s=SLOW_S)
            with _late(stage, marker, outputs, rows, slow):
                stage.proxy.add(marker)
                _flood_until(stage, rows.applied, "rows behind a marker")
                stage.deployment.change(ONE_BY_ONE)
                _hand_over(stage, heir, slow)
                _deliver(stage, rows)
                stage.deployment.change(BRISK)
                second = _add(stage, _marker(stage, heir, answered=_strike(stage, heir, "killed")))
                _until(stage, second.done, "a marker of the second owner")
                stage.proxy.lift(slow)
                stage.crew.await_ready(heir)
                decided = _rule(
                    stage, heir, Api.PRODUCE, ("decisions",), times=1
                )  # or it hides this worker's next faults
                _until(stage, _add(stage, decided).done, "a decision")
        stage.finish()
        stage.none_ended_by_itself()
    return compare(stage, traffic, telling=True)


@scenario
def late_group_answers(place: Site, scale: Scale) -> Finding:
    """Hold the group's answers to a worker, or its commits, until another owns its partition; then deliver them."""
    traffic = traffic_of(scale, partitions=2, mix=MIX)
    course = (Api.SYNC_GROUP, Api.HEARTBEAT, Api.JOIN_GROUP, Api.OFFSET_COMMIT)
    with staged(place, "late-group", traffic, scale, workers=2, hired=(0,), telling=True, changes=BRISK) as stage:
        for number in stage.each_fault(len(course) if scale.every_kind else 1):
            fault = Fault.HOLD if course[number] is Api.OFFSET_COMMIT else Fault.HOLD_ANSWER
            rule = _rule(stage, 1, course[number], fault=fault)
            with _late(stage, rule):
                stage.proxy.add(rule)
                stage.crew.workers[1].wanted = True
                come = rule.applied if fault is Fault.HOLD else rule.done
                _flood_until(stage, come, f"{course[number].name} of a worker that joins")
                stage.crew.workers[1].wanted = False
                _drain(stage)  # the other owns both partitions
                _deliver(stage, rule)
                stage.flowing_until(lambda: False, WAKE_S)
            if stage.crew.workers[1].runs:
                stage.crew.await_ready(1)
                stage.crew.dismiss(1)
        stage.finish()
        stage.ended_clearly()
    _, out = reckon(stage)
    stage.finding.add(same_cards(uninterrupted(stage, traffic, telling=True), out))
    return stage.finding


def _rule(stage: Stage, worker: int, api: Api, fields: Sequence[str] = (), **options: Any) -> Rule:
    """Make a rule for all requests of a kind that a worker makes."""
    topics = tuple(stage.deployment.topic(field) for field in fields)
    return Rule(api, topics, client=stage.deployment.client(worker), **{"times": None, **options})


def _marker(stage: Stage, worker: int, **options: Any) -> Rule:
    """Make a rule for the next marker of a worker that ends a flush."""
    return _rule(stage, worker, Api.PRODUCE, ("card_profiles",), having=MARKER, times=1, **options)


def _strike(stage: Stage, worker: int, ending: str) -> Callable[[], object]:
    deeds = {"killed": stage.crew.kill, "left": lambda _: None, "frozen": stage.crew.freeze}
    return lambda: deeds[ending](worker)


def _add(stage: Stage, *rules: Rule) -> Rule:
    return [stage.proxy.add(rule) for rule in rules][-1]


@contextmanager
def _late(stage: Stage, *rules: Rule) -> Iterator[None]:
    """Release what rules hold when the context ends, also after an error."""
    try:
        yield
    finally:
        stage.proxy.release(*rules)
        for rule in rules:
            stage.proxy.lift(rule)


def _flood_until(stage: Stage, event: threading.Event, what: str) -> None:
    """Send traffic at full rate for a moment, then slowly, until something happens.

    Raises:
        TimeoutError: it does not.
    """
    stage.feed.allow(stage.feed.sent + FLOOD_S * stage.scale.rate)
    _until(stage, event, what)


def _until(stage: Stage, event: threading.Event, what: str) -> None:
    if not stage.flowing_until(event.is_set, MOMENT_S):
        raise TimeoutError(f"{what} did not come within {MOMENT_S:.0f} s; {stage.last_end()}")


def _hand_over(stage: Stage, heir: int, decides: Rule | None = None) -> None:
    """Start the other worker; wait until it has taken over and decides, observed by a rule, which stays."""
    rule = _add(stage, decides or _rule(stage, heir, Api.PRODUCE, ("decisions",)))
    stage.crew.hire(heir)
    _until(stage, rule.done, "a decision of the next owner")
    if decides is None:
        stage.proxy.lift(rule)


def _deliver(stage: Stage, rule: Rule) -> None:
    """Deliver held requests; wait until the broker has answered all of them, and count them."""
    held = rule.held
    stage.proxy.release(rule)
    stage.finding.numbers["held"] = stage.finding.numbers.get("held", 0) + held
    _until(stage, rule.done, "what was held")


def _drain(stage: Stage) -> None:
    """Send more, and wait until all of it is committed: each partition has an owner that applies it.

    Raises:
        TimeoutError: it is not.
    """
    due = stage.feed.sent + FLOOD_S * stage.scale.rate
    stage.feed.allow(due)
    stage.flowing_until(lambda: stage.feed.sent >= due, MOMENT_S)
    missing = await_committed(stage.deployment, MOMENT_S)
    if missing:
        raise TimeoutError(f"not committed within {MOMENT_S:.0f} s: {missing}; {stage.last_end()}")
