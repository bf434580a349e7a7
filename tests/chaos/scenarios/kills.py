"""Workers that are killed, at random and at the worst moments, and workers that are asked to end."""

import itertools
import signal
import statistics
import time
from collections import Counter
from dataclasses import dataclass

from tests.chaos.brokers.proxy import Api, Fault, Rule
from tests.chaos.brokers.site import Site
from tests.chaos.oracles.oracle import Finding, same_cards
from tests.chaos.stage import Scale, Stage, compare, reckon, scenario, staged, traffic_of, uninterrupted
from tests.chaos.workers import READY_S, End

MOMENT_S = 12.0
"""How long to wait for a moment, with traffic: flushes and commits come about every second."""

SKIP_MAX = 3
"""Requests of the kind that may pass before the one at which the worker is killed: the first of a flush, or a later
one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment at which a request is in flight; with `done` the broker has handled it unknown to the worker."""

    api: Api
    topics: tuple[str, ...] = ()
    done: bool


RESTORE_SKIP_MAX = 2
"""Requests that every restore makes before the one that hangs."""

GRACE_S = 8.0
"""`watch.drain_s` of the settings, and the time in which the process ends."""

ROWS = ("card_profiles", "shared_profiles")
MOMENTS = {
    "flushing": Moment(api=Api.PRODUCE, topics=ROWS, done=False),
    "flushed": Moment(api=Api.PRODUCE, topics=ROWS, done=True),
    "emitting": Moment(api=Api.PRODUCE, topics=("decisions",), done=False),
    "emitted": Moment(api=Api.PRODUCE, topics=("decisions",), done=True),
    "committing": Moment(api=Api.OFFSET_COMMIT, done=False),
    "committed": Moment(api=Api.OFFSET_COMMIT, done=True),
    "restoring": Moment(api=Api.FETCH, topics=("card_profiles",), done=True),
}
COURSE = ("random", "flushed", "emitted", "restoring", "committing", "flushing", "starting", "committed", "emitting")
"""Moments in turn. Two of them begin with a kill at a random moment: `restoring` and `starting` need a new worker."""


@scenario
def kills_one_partition(place: Site, scale: Scale) -> Finding:
    """Kill the worker of one partition repeatedly: every byte is that of an uninterrupted run."""
    traffic = traffic_of(scale)
    with staged(place, "kills-one", traffic, scale) as stage:
        _kill_all_along(stage)
        stage.finish()
    return compare(stage, traffic)


@scenario
def kills_several_partitions(place: Site, scale: Scale) -> Finding:
    """Kill the worker of four partitions repeatedly: every card is that of an uninterrupted run."""
    traffic = traffic_of(scale, partitions=4)
    with staged(place, "kills-several", traffic, scale, telling=True) as stage:
        _kill_all_along(stage, first=len(COURSE) // 2)
        stage.finish()
    _, out = reckon(stage)
    stage.finding.add(same_cards(uninterrupted(stage, traffic, telling=True), out))
    return stage.finding


@scenario
def sigterm(place: Site, scale: Scale) -> Finding:
    """Send SIGTERM in the middle, repeatedly: the worker ends in time with status 0, and outputs are exact."""
    traffic = traffic_of(scale)
    with staged(place, "sigterm", traffic, scale) as stage:
        took: dict[str, list[float]] = {"flowing": [], "restoring": []}
        for number in stage.each_fault(max(2, scale.faults // 2)):
            time.sleep(stage.choose.uniform(0.0, 1.0))
            if number % 2:
                took["restoring"].append(_stop_in_restore(stage))
            else:
                begun = time.monotonic()
                _went_well(stage, stage.crew.dismiss(timeout_s=GRACE_S, replaced=True))
                took["flowing"].append(time.monotonic() - begun)
        stage.finish()
        stage.none_ended_by_itself()
        for when, times in took.items():
            stage.finding.numbers |= {f"stops_{when}": len(times), f"stop_{when}_s_max": round(max(times), 2)}
    return compare(stage, traffic)


def _stop_in_restore(stage: Stage) -> float:
    """Kill the worker, send SIGTERM to the next one while its restore waits for a read, and return the time it took.

    Raises:
        TimeoutError: it did not restore, or did not end within its time.
    """
    worker = stage.crew.workers[0]
    before = len(worker.ends)
    rule = Rule(
        Api.FETCH,
        (stage.deployment.topic("card_profiles"),),
        fault=Fault.HANG,
        skip=stage.choose.randint(0, RESTORE_SKIP_MAX),
        asked=lambda: worker.signal(signal.SIGTERM),
    )
    stage.proxy.add(rule)
    try:
        stage.crew.kill()
        if not rule.applied.wait(READY_S):
            raise TimeoutError(f"a new worker did not restore within {READY_S:.0f} s")
        begun = time.monotonic()
        end = stage.crew.await_end(0, before + 1, GRACE_S)
        if end is None:
            raise TimeoutError(f"a worker that restored did not end within {GRACE_S:.0f} s of SIGTERM")
        _went_well(stage, end)
        return time.monotonic() - begun
    finally:
        stage.proxy.lift(rule)


def _went_well(stage: Stage, end: End) -> None:
    if end.status != 0:
        stage.finding.failures.append(f"SIGTERM: status {end.status}, {end.line}")


def _kill_all_along(stage: Stage, *, first: int = 0) -> None:
    kills: Counter[str] = Counter()
    course = itertools.islice(itertools.cycle(COURSE), first, None)
    for _ in stage.each_fault():
        kill(stage, next(course), kills)
    stage.none_ended_by_itself()
    asked = [end for end in stage.crew.ends if end.asked]
    stage.finding.numbers |= {"kills": len(asked), **{f"kills_{name}": count for name, count in sorted(kills.items())}}
    if asked:
        stage.finding.numbers["lived_s_median"] = round(statistics.median(end.lived_s for end in asked), 2)


def kill(stage: Stage, name: str, kills: Counter[str], number: int = 0) -> None:
    """Kill a worker at a moment; if the moment does not come, record that and kill it all the same."""
    if name in {"random", "restoring", "starting"}:
        time.sleep(stage.choose.uniform(0.0, 1.0))
        _end(stage, number, kills, "random")
    if name == "starting":
        time.sleep(stage.choose.uniform(0.1, 3.0))
        _end(stage, number, kills, "starting")
    elif name in MOMENTS:
        _kill_at(stage, name, kills, number)


def _end(stage: Stage, number: int, kills: Counter[str], name: str) -> None:
    before = len(stage.crew.workers[number].ends)
    stage.crew.kill(number)
    stage.crew.await_end(number, before, MOMENT_S)
    kills[name] += 1


def _kill_at(stage: Stage, name: str, kills: Counter[str], number: int) -> None:
    moment = MOMENTS[name]
    before = len(stage.crew.workers[number].ends)
    strike = {"answered" if moment.done else "asked": lambda: stage.crew.kill(number)}
    rule = Rule(
        moment.api,
        tuple(stage.deployment.topic(field) for field in moment.topics),
        fault=Fault.LOSE_ANSWER if moment.done else Fault.CUT,
        skip=stage.choose.randint(0, 0 if name == "restoring" else SKIP_MAX),
        **strike,
    )
    stage.proxy.add(rule)
    try:
        came = stage.flowing_until(lambda: len(stage.crew.workers[number].ends) > before, MOMENT_S)
    finally:
        stage.proxy.lift(rule)
    if came:
        kills[name] += 1
        return
    missed = f"the moment `{name}` never came"
    if missed not in stage.finding.failures:
        stage.finding.failures.append(missed)
    _end(stage, number, kills, "random")
