"""Three brokers, some of them killed, frozen, restarted: what workers do, and how long no decision comes.

Workers have the default settings. Each outage is measured twice in one run: between two decisions, and between two
records of a plain producer, whose topics have the leaders of the input and of the decisions. The longer of these two is
Kafka's own time.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.brokers.cluster import NODES
from tests.chaos.brokers.clustered import DEFAULTS, REPLICATED, ClusterSite, probes_of
from tests.chaos.brokers.site import merged
from tests.chaos.feed import Feed
from tests.chaos.oracles.gaps import Probe, Span, gaps_s
from tests.chaos.oracles.oracle import Finding, same_cards
from tests.chaos.scenarios.shares import settle
from tests.chaos.stage import Scale, Stage, reckon, scenario, staged, traffic_of, uninterrupted

WORKERS = 2
PARTITIONS = 2
RATE = 200.0
EVENTS = 200_000
"""More than are sent at that rate."""

CALM_S = 4.0
"""Traffic before an outage, so that the log shows its beginning."""

BEYOND_S = 3.0
"""Beyond Kafka's own time: how much longer there may be no decision."""

GAP, NEEDED = "_gap_s", "_kafka_s"
"""Ends of the names of figures: without a decision, and without a record of the plain producer."""

DOWN_S = 15.0
FROZEN_S = 20.0


class ImpatientFeed(Feed):
    """Give up a request early, so that a frozen broker delays the workers and not their input."""

    ask_ms = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One kind of outage: `strike` returns once every node is started again."""

    name: str
    strike: Callable[[ClusterSite, Stage], None]
    is_of_brokers: bool = True  # else Kafka's own time does not bound the gap


def _leader_killed(place: ClusterSite, stage: Stage) -> None:
    _down(place, place.cluster.leader(stage.deployment.topics.decisions))


def _follower_killed(place: ClusterSite, stage: Stage) -> None:
    topics = stage.deployment.topics
    leaders = {place.cluster.leader(topic) for topic in (topics.decisions, topics.authorizations)}
    _down(place, next(node for node in NODES if node not in leaders))


def _controller_killed(place: ClusterSite, _: Stage) -> None:
    _down(place, place.cluster.controller())


def _coordinator_killed(place: ClusterSite, stage: Stage) -> None:
    _down(place, place.cluster.group_coordinator(stage.deployment.name))


def _two_down(place: ClusterSite, stage: Stage) -> None:
    leader = place.cluster.leader(stage.deployment.topics.decisions)
    _down(place, *[node for node in NODES if node != leader])


def _rolled(place: ClusterSite, _: Stage) -> None:
    for node in NODES:
        place.stop(node)
        place.restart(node)
        place.cluster.await_in_sync()


def _leader_frozen(place: ClusterSite, stage: Stage) -> None:
    _frozen(place, place.cluster.leader(stage.deployment.topics.decisions))


def _input_frozen(place: ClusterSite, stage: Stage) -> None:
    _frozen(place, place.cluster.leader(stage.deployment.topics.authorizations))


def _pair_frozen(place: ClusterSite, stage: Stage) -> None:
    """Freeze a worker together with the leader of the topics it writes: both wake up beside their successors."""
    stage.crew.freeze(0)
    try:
        _frozen(place, place.cluster.leader(stage.deployment.topics.decisions))
    finally:
        stage.crew.thaw(0)


def _coordinator_frozen(place: ClusterSite, stage: Stage) -> None:
    _frozen(place, place.cluster.group_coordinator(stage.deployment.name))


def _down(place: ClusterSite, *nodes: int) -> None:
    place.kill(*nodes)
    time.sleep(DOWN_S)
    place.restart(*nodes)


def _frozen(place: ClusterSite, node: int) -> None:
    place.cluster.nodes[node].freeze()
    try:
        time.sleep(FROZEN_S)
    finally:
        place.cluster.nodes[node].thaw()


OUTAGES = (
    Outage(name="leader_killed", strike=_leader_killed),
    Outage(name="leader_frozen", strike=_leader_frozen),
    Outage(name="two_down", strike=_two_down),
    Outage(name="coordinator_frozen", strike=_coordinator_frozen),
    Outage(name="input_frozen", strike=_input_frozen),
    Outage(name="follower_killed", strike=_follower_killed),
    Outage(name="controller_killed", strike=_controller_killed),
    Outage(name="coordinator_killed", strike=_coordinator_killed),
    Outage(name="rolled", strike=_rolled),
    Outage(name="pair_frozen", strike=_pair_frozen, is_of_brokers=False),
)


@scenario
def three_brokers(place: ClusterSite, scale: Scale) -> Finding:
    """Kill, freeze and restart brokers under two workers: nothing is lost or doubled, and no gap is due to them."""
    return suffer(place, scale, OUTAGES if scale.every_kind else OUTAGES[:1])


def suffer(place: ClusterSite, scale: Scale, outages: Sequence[Outage]) -> Finding:
    """Let outages happen to two workers, one after the other, and check outputs and gaps."""
    traffic = traffic_of(scale, events=EVENTS, partitions=PARTITIONS)
    spans: list[Span] = []
    changes = merged(DEFAULTS, REPLICATED)
    with staged(
        place,
        "brokers",
        traffic,
        replace(scale, rate=RATE),
        workers=WORKERS,
        telling=True,
        changes=changes,
        upstream=ImpatientFeed,
    ) as stage:
        with Probe(place.bootstrap, probes_of(stage.deployment), PARTITIONS):
            stage.feed.allow(math.inf)
            stage.await_flow()
            for outage in outages:
                spans.append(_overcome(place, stage, outage))
            stage.feed.end()
        stage.finish()
        stage.ended_clearly()
    _, out = reckon(stage)
    stage.finding.add(same_cards(uninterrupted(stage, traffic, telling=True, changes=changes), out))
    stage.finding.add(_gaps(place, stage, outages, spans))
    return stage.finding


def _overcome(place: ClusterSite, stage: Stage, outage: Outage) -> Span:
    """Let an outage happen and end; return its span, without the quiet time before it."""
    time.sleep(CALM_S)
    ended = len(stage.crew.ends)
    begin = time.time()
    outage.strike(place, stage)
    place.cluster.await_in_sync()
    settle(stage)
    stage.finding.numbers[f"{outage.name}_halts"] = len(stage.crew.ends) - ended
    return begin * 1000, time.time() * 1000


def _gaps(place: ClusterSite, stage: Stage, outages: Sequence[Outage], spans: Sequence[Span]) -> Finding:
    """Compare the longest time without a decision in each outage with that of the plain producer."""
    finding = Finding()
    decisions = gaps_s(place.bootstrap, stage.deployment.topics.decisions, spans)
    needed = [gaps_s(place.bootstrap, topic, spans) for topic in probes_of(stage.deployment)]
    for outage, gap_s, kafka_s in zip(outages, decisions, map(max, *needed), strict=False):
        finding.numbers |= {f"{outage.name}{GAP}": round(gap_s, 1), f"{outage.name}{NEEDED}": round(kafka_s, 1)}
        if outage.is_of_brokers and gap_s > kafka_s + BEYOND_S:
            finding.failures.append(
                f"{outage.name}: no decision for {gap_s:.1f} s, where Kafka itself needed {kafka_s:.1f} s"
            )
    return finding
