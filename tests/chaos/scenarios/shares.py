"""Several workers share the partitions, come and go, and follow each other's state."""

import itertools
import time
from collections import Counter

from tests.chaos.brokers.proxy import Api, Rule
from tests.chaos.brokers.site import Site
from tests.chaos.oracles.books import uncommitted
from tests.chaos.oracles.oracle import Finding, same_cards
from tests.chaos.oracles.sharing import shared_counts
from tests.chaos.scenarios.kills import kill
from tests.chaos.stage import Scale, Stage, compare, reckon, scenario, staged, traffic_of, uninterrupted

WORKERS = 3
PARTITIONS = 6
USUALLY_S = 1.0
"""Largest age of another worker's decision that does not count here yet, for 99 of 100: `state.flush_interval_s`."""

BEHIND_S = 2.5
"""Largest such age for all: three workers, a broker and a feed share two cores, and any of them may have to wait."""

CALM = 0.8
"""Traffic before a worker goes: counts are judged only while no worker is gone."""

SETTLE_S = 60.0
CAUGHT_UP_S = 1.5
"""A worker that is at most this far behind in its commits, at the rate of the feed, has caught up."""

FROZEN_S = 15.0
"""For the moment to freeze at, and for the end of a worker that wakes."""

FLOOD_S = 0.5
"""Events at full rate while a worker freezes, so that it holds more than the requests in flight."""

FLOOD_SKIP = 20
"""Produces of that flood before the one at which it freezes: by then more wait behind each."""

COURSE = ("kill", "leave", "replace")


@scenario
def three_workers(place: Site, scale: Scale) -> Finding:
    """Three workers share six partitions, die, leave and come back: cards are exact, other counts fresh."""
    traffic = traffic_of(scale, partitions=PARTITIONS)
    unsettled: list[tuple[float, float]] = []
    with staged(place, "three", traffic, scale, workers=WORKERS, telling=True) as stage:
        kills: Counter[str] = Counter()
        course = itertools.cycle(COURSE)
        for number in stage.each_fault(max(2, scale.faults // 2), calm=CALM):
            begun_ms = time.time() * 1000
            _disturb(stage, next(course), number % WORKERS, kills)
            settle(stage)
            time.sleep(BEHIND_S)
            unsettled.append((begun_ms, time.time() * 1000))
        stage.finish()
        stage.none_ended_by_itself()
        stage.finding.numbers |= {"kills": kills.total(), "disturbances": len(unsettled)}
    asked, out = reckon(stage)
    stage.finding.add(same_cards(uninterrupted(stage, traffic, telling=True), out))
    stage.finding.add(shared_counts(asked, out, behind_s=BEHIND_S, usually_s=USUALLY_S, unsettled=unsettled))
    return stage.finding


@scenario
def frozen_worker(place: Site, scale: Scale) -> Finding:
    """Freeze the owner of the partition, let another worker take over, and wake the first: it writes nothing.

    It freezes when the broker has accepted a batch of its decisions and the worker does not know it. Later batches wait
    in its memory, checked and ready to be sent.
    """
    traffic = traffic_of(scale)
    with staged(place, "frozen", traffic, scale, workers=2, hired=(0,)) as stage:
        faults = max(2, scale.faults // 4)
        for number in stage.each_fault(faults):
            _freeze(stage, number % 2, 1 - number % 2)
        stage.finish()
        stage.ended_clearly()
        stage.finding.numbers["frozen"] = faults
    return compare(stage, traffic)


@scenario
def broker_restarts_two_workers(place: Site, scale: Scale) -> Finding:
    """Kill and stop the broker under two workers that follow each other: both end or continue, and cards are exact."""
    traffic = traffic_of(scale, partitions=4)
    with staged(place, "broker-two", traffic, scale, workers=2, telling=True) as stage:
        restarts = max(2, scale.faults // 8)
        for number in stage.each_fault(restarts):
            place.restart_broker(kill=number % 2 == 0)
            settle(stage)
        stage.finish()
        stage.ended_clearly()
        stage.finding.numbers["restarts"] = restarts
    _, out = reckon(stage)
    stage.finding.add(same_cards(uninterrupted(stage, traffic, telling=True), out))
    return stage.finding


def _freeze(stage: Stage, number: int, heir: int) -> None:
    worker = stage.crew.workers[number]
    before = len(worker.ends)
    rule = Rule(
        Api.PRODUCE,
        (stage.deployment.topics.decisions,),
        skip=FLOOD_SKIP,
        answered=lambda: stage.crew.freeze(number),
    )
    stage.feed.allow(stage.feed.sent + FLOOD_S * stage.scale.rate)
    stage.proxy.add(rule)
    try:
        if not stage.flowing_until(rule.applied.is_set, FROZEN_S):
            raise TimeoutError("nothing was produced to freeze at")
        stage.crew.hire(heir)  # ready once the session of the frozen one is over and its partition restored
        stage.await_flow()
    finally:
        stage.proxy.lift(rule)
        worker.wanted = False
        stage.crew.thaw(number)
    if stage.crew.await_end(number, before, FROZEN_S) is None:
        raise TimeoutError(f"a worker that was frozen had not ended {FROZEN_S:.0f} s after it woke")


def _disturb(stage: Stage, what: str, worker: int, kills: Counter[str]) -> None:
    if what == "kill":
        kill(stage, "random", kills, worker)
    elif what == "replace":
        stage.crew.dismiss(worker, replaced=True)
    else:
        stage.crew.dismiss(worker)
        settle(stage)  # the session of a worker that left must end before the others own its partitions
        stage.crew.hire(worker)


def settle(stage: Stage) -> None:
    """Wait until the wanted workers are ready and have caught up.

    Raises:
        TimeoutError: they do not within SETTLE_S.
    """
    deadline = time.monotonic() + SETTLE_S
    for worker in stage.crew.workers:
        if worker.wanted:
            stage.crew.await_ready(worker.number)
    while sum(uncommitted(stage.deployment).values()) > CAUGHT_UP_S * stage.scale.rate:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers did not catch up within {SETTLE_S:.0f} s")
