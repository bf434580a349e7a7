"""A follower is stuck while its controller still hears of it: the leader appends, and nothing is acknowledged.

The worker halts. Its appended records are behind the high watermark, where no reader sees them. A successor that took
the high watermark for the end decided all of them again, 180 of 500 events. A fence is complete only when every replica
in sync has it, and with it all records before it. The control runs the same without a fence: unless it finds
duplicates, the scenario proves nothing.
"""

from collections.abc import Mapping
from typing import Any

from tests.brokers.cluster import NODES
from tests.chaos.brokers.clustered import REPLICATED, ClusterSite
from tests.chaos.brokers.proxy import Api, Fault, Rule
from tests.chaos.brokers.site import BASE, merged
from tests.chaos.oracles.oracle import Finding
from tests.chaos.stage import Scale, compare, scenario, staged, traffic_of

EVENTS = 20_000
APPLY_S = 15.0
END_S = BASE["emit"]["ack_timeout_s"] + BASE["watch"]["drain_s"] + 5.0
DROPPED_S = 60.0
"""For the leader to drop the follower, 30 to 45 s, and for the next worker to restore."""

UNFENCED: Mapping[str, Any] = {"kafka": {"profile": {"fencing": False}}}


@scenario
def stuck_follower(place: ClusterSite, scale: Scale) -> Finding:
    """Freeze a follower of `decisions` until the worker has halted and its successor decides: no event is decided
    twice.
    """
    control = _play(place, scale, "unfenced", UNFENCED)
    finding = _play(place, scale, "stuck", {})
    finding.numbers["decided_again_unfenced"] = control.numbers.get("decided_again", 0)
    if not control.numbers.get("decided_again"):
        finding.failures.append(f"without a fence nothing came twice: the follower was not stuck; {control.failures}")
    return finding


def _play(place: ClusterSite, scale: Scale, name: str, changes: Mapping[str, Any]) -> Finding:
    traffic = traffic_of(scale, events=min(scale.events, EVENTS))
    with staged(place, name, traffic, scale, changes=merged(REPLICATED, changes)) as stage:
        worker = stage.crew.workers[0]
        for _ in stage.each_fault(1):
            leader = place.cluster.leader(stage.deployment.topics.decisions)
            follower = next(node for node in NODES if node != leader)
            rule = Rule(Api.FETCH, (f"broker-{follower}-fetcher",), fault=Fault.HANG, times=None)
            place.followers[leader].add(rule)
            try:
                if not stage.flowing_until(rule.applied.is_set, APPLY_S):
                    raise TimeoutError(f"node {follower} did not fetch from node {leader}")
                if not stage.flowing_until(lambda: bool(worker.ends), END_S):
                    raise TimeoutError("the worker waited for the follower, and did not halt")
                stage.crew.await_ready(timeout_s=DROPPED_S)
                stage.await_flow()
            finally:
                place.followers[leader].lift(rule)
            place.cluster.await_in_sync()
        stage.finish()
        stage.ended_clearly()
    return compare(stage, traffic)
