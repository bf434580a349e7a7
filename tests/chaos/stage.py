"""One running scenario: a feed, a crew, the faults, and the check at the end."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from tests.chaos.brokers.proxy import Api
from tests.chaos.brokers.site import Deployment, Place
from tests.chaos.feed import Feed
from tests.chaos.oracles.books import await_committed, read_input, read_output
from tests.chaos.oracles.oracle import Finding, Input, Output, exactly_once, same_bytes
from tests.chaos.traffic import Traffic
from tests.chaos.workers import Crew, End

DRAIN_S = 90.0
"""From the end of the feed to the last commit."""

FLOW_S = 30.0
"""From readiness to the next decision, while there is something to decide."""

BACKLOG = 1 / 3
"""Share of the events between two faults that is sent while the worker is down; the rest when it is back."""

TRICKLE, TRICKLE_S = 10, 0.05
"""While a fault lasts: this many events, this often."""

HALTED = ("worker_halted", "worker_stalled")
"""Words in the last line of a worker that ended itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Size of a scenario: `events` at `rate` per second, number of `faults`, and whether each kind must occur."""

    events: int
    rate: float
    faults: int
    every_kind: bool
    seed: int = 23


FULL = Scale(events=200_000, rate=2_500.0, faults=24, every_kind=True)
SHORT = Scale(events=12_000, rate=2_000.0, faults=4, every_kind=False)


@dataclass(slots=True)
class Result:
    """The result of a scenario."""

    name: str
    finding: Finding = field(default_factory=Finding)
    seconds: float = 0.0


class Upstream(Protocol):
    """Start the producer of a scenario."""

    def __call__(self, bootstrap: str, topic: str, events: Traffic, rate: float) -> Feed:
        """Prepare a feed."""


class Stage:
    """The tools of a scenario while its traffic flows."""

    def __init__(self, deployment: Deployment, traffic: Traffic, crew: Crew, feed: Feed, scale: Scale) -> None:
        self.deployment = deployment
        self.traffic = traffic
        self.site = deployment.site
        self.proxy = deployment.site.proxy
        self.crew = crew
        self.feed = feed
        self.scale = scale
        self.finding = Finding()
        self.choose = random.Random(scale.seed)  # noqa: S311 - a seed, no secret

    def each_fault(self, count: int | None = None, *, calm: float = BACKLOG) -> Iterator[int]:
        """Number the faults and spread them over the traffic: before each one, workers are ready and decide.

        The feed waits for the faults, so they are spread over the whole input. `calm` is the share of the events
        between two faults that is sent before the next one.
        """
        faults = self.scale.faults if count is None else count
        share = self.traffic.events / (faults + 1)
        for number in range(faults):
            self.feed.allow(share * (number + BACKLOG))
            for worker in self.crew.workers:
                if worker.wanted:
                    self.crew.await_ready(worker.number)
            self.feed.allow(share * (number + 1))
            self.await_flow()
            self.flowing_until(lambda due=share * (number + calm): self.feed.sent >= due, FLOW_S)
            yield number

    def flowing_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something with slow traffic, so that there is always a next batch; False if it does not come in
        time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.feed.allow(self.feed.sent + TRICKLE)
            time.sleep(TRICKLE_S)
        return True

    def await_flow(self) -> None:
        """Wait until a worker produces decisions.

        Raises:
            TimeoutError: none does.
        """
        topic = self.deployment.topics.decisions
        before = self.proxy.seen[Api.PRODUCE, topic]
        if not self.flowing_until(lambda: self.proxy.seen[Api.PRODUCE, topic] > before, FLOW_S):
            raise TimeoutError(f"no decision was produced for {FLOW_S:.0f} s; {self.last_end()}")

    def finish(self) -> None:
        """Send the rest of the traffic, wait until all of it is committed, and end the workers in order."""
        self.feed.join()
        missing = await_committed(self.deployment, DRAIN_S)
        if missing:
            self.finding.failures.append(f"not committed {DRAIN_S:.0f} s after the end: {missing}; {self.last_end()}")
        for worker in self.crew.workers:
            if worker.wanted:
                end = self.crew.dismiss(worker.number)
                if end.status != 0:
                    self.finding.failures.append(f"SIGTERM at the end: status {end.status}, {end.line}")

    def none_ended_by_itself(self) -> None:
        """Check that no worker ended by itself."""
        self.finding.miss(
            "workers that ended by themselves", [f"{e.status}: {e.line}" for e in self.crew.ends if not e.asked]
        )

    def ended_clearly(self) -> None:
        """Check that each worker that ended by itself logged the cause, with a status that is not 0."""
        own = [end for end in self.crew.ends if not end.asked]
        self.finding.numbers["halts"] = len(own)
        self.finding.miss(
            "ends without a clear status and last line", [f"{e.status}: {e.line}" for e in own if not clear(e)]
        )

    def last_end(self) -> str:
        ends = self.crew.ends
        return f"last line of an ended worker: {ends[-1].line}" if ends else "no worker has ended"


def clear(end: End) -> bool:
    """Tell whether a worker that ended itself informed the orchestrator (status) and the operator (last line)."""
    return end.status > 0 and any(word in end.line for word in HALTED)


@contextmanager
def staged(
    place: Place,
    name: str,
    traffic: Traffic,
    scale: Scale,
    *,
    workers: int = 1,
    hired: Sequence[int] = (),
    telling: bool = False,
    changes: Mapping[str, Any] | None = None,
    upstream: Upstream = Feed,
) -> Iterator[Stage]:
    """Set a scenario up; at its end the feed and workers are ended. `hired`: the first workers, all by default.

    A TimeoutError inside becomes a failure of the scenario: the topics are still checked.
    """
    deployment = Deployment(place, unique(name), partitions=traffic.partitions, changes=changes)
    rows = (deployment.topic("card_profiles"), deployment.topic("shared_profiles"))
    place.proxy.watch(deployment.topics.decisions, *rows)
    feed = upstream(place.bootstrap, deployment.topics.authorizations, traffic, scale.rate)
    with deployment.crew(workers, telling=telling) as crew, feed:
        stage = Stage(deployment, traffic, crew, feed, scale)
        try:
            crew.hire(*hired)
            yield stage
        except TimeoutError as error:
            stage.finding.failures.append(str(error))


def reckon(stage: Stage) -> tuple[Input, Output]:
    """Read the topics once everything has ended, and check that each event has exactly one decision."""
    asked, out = read_input(stage.deployment), read_output(stage.deployment)
    stage.finding.add(exactly_once(asked, out, stage.deployment.topics.authorizations))
    return asked, out


_calm: dict[tuple[Place, Traffic, bool], Output] = {}
_numbers = itertools.count(1)


def unique(name: str) -> str:
    """Give a deployment a unique name."""
    return f"{name}-{next(_numbers)}"


def uninterrupted(
    stage: Stage, traffic: Traffic, *, telling: bool = False, changes: Mapping[str, Any] | None = None
) -> Output:
    """Run one worker over the same input without a fault, once for each traffic, and return its outputs."""
    key = (stage.site, traffic, telling)
    if key not in _calm:
        source = stage.deployment.topics.authorizations
        deployment = Deployment(
            stage.site, unique("calm"), partitions=traffic.partitions, source=source, changes=changes
        )
        with deployment.crew(telling=telling) as crew:
            crew.hire()
            missing = await_committed(deployment, DRAIN_S)
            end = crew.dismiss()
        out = read_output(deployment)
        finding = exactly_once(read_input(deployment), out, source)
        assert not missing, f"the uninterrupted run did not commit everything: {missing}"
        assert end.status == 0, f"the uninterrupted run ended with {end.status}: {end.line}"
        assert not finding.failures, f"the uninterrupted run is not exact: {finding.failures}"
        _calm[key] = out
    return _calm[key]


def compare(
    stage: Stage, traffic: Traffic, *, telling: bool = False, changes: Mapping[str, Any] | None = None
) -> Finding:
    """Read the topics, and compare the outputs with a run without a fault, byte for byte."""
    _, out = reckon(stage)
    stage.finding.add(same_bytes(uninterrupted(stage, traffic, telling=telling, changes=changes), out))
    return stage.finding


P = TypeVar("P")


def scenario(play: Callable[[P, Scale], Finding]) -> Callable[[P, Scale], Result]:
    """Time a scenario and name its result after its function."""

    def timed(place: P, scale: Scale) -> Result:
        begun = time.monotonic()
        finding = play(place, scale)
        return Result(play.__name__, finding, round(time.monotonic() - begun, 1))

    timed.__name__ = play.__name__
    timed.__doc__ = play.__doc__
    return timed


def traffic_of(scale: Scale, **changes: Any) -> Traffic:
    """Give the traffic of a scale."""
    return replace(Traffic(events=scale.events, seed=scale.seed), **changes)
