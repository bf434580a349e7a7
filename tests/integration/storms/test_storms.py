"""Incidents, digests and experiments on Apache Kafka: two workers, a kill, moves, and a restart of all of them.

One run is played for all tests. Each test recounts by hand from what was sent and decided.
"""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from scoring.decode.hashing import entity_keys
from streams.kafka.settings import Broker
from streams.worker.warmup import warm_up
from tests.bundles import small_bundle
from tests.experiment.made import arm_of
from tests.integration.state.deciding import new_engine
from tests.integration.storms.played import (
    ATTEMPTS,
    FLOODED,
    SHARES,
    Event,
    Played,
    at_ms,
    band_of,
    played,
    policy,
    tried,
)

pytestmark = pytest.mark.kafka

SEVERITY = {"REVIEW": "MEDIUM", "STEP_UP": "HIGH", "BLOCK": "CRITICAL"}
BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
DIGEST_MIN = 30
"""Alerts of a merchant in ten minutes before a digest takes the rest."""


@pytest.fixture(scope="module")
def run(apache: Broker, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Let it all happen once."""
    warm_up(small_bundle())
    new_engine(policy(SHARES[0]))  # compiles the kernels of rules: a worker that did would miss heartbeats
    return played(apache, tmp_path_factory.mktemp("storms"))


def decided(run: Played) -> dict[str, Event]:
    return {one["decision_id"]: one for _, one in run.decisions}


def test_each_payment_has_one_decision_and_each_alert_one_id(run: Played) -> None:
    assert Counter(one["decision_id"] for _, one in run.decisions) == Counter(run.sent.keys())
    names = Counter(one["alert_id"] for one in run.alerts)
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_ten_thousand_attempts_are_one_incident_with_the_figures_of_a_recount(run: Played) -> None:
    told = [one for one in run.alerts if "incident" in one]
    assert len({one["incident"]["incident_id"] for one in told}) == 1
    assert len({one["dedup_key"] for one in told}) == 1
    states = [one["incident"]["state"] for one in told]
    assert (states[0], states[-1], set(states[1:-1])) == ("OPENED", "CLOSED", {"GREW"})
    grown = [one["incident"]["attempts"] for one in told]
    assert grown == sorted(grown)
    assert {1_000, ATTEMPTS} <= {10 ** (len(str(count)) - 1) for count in grown}
    by_id, opened, closed = decided(run), told[0], told[-1]["incident"]
    first = opened["incident"]["attempts"] - 1  # the number of the attempt that opened it
    assert opened["event_id"] == f"a-{first}"
    attempts = [json.loads(tried(number)) for number in range(ATTEMPTS)]
    kept = [one["outcome"] for one in attempts[first:]]
    answers = Counter("00" if one["approved"] else one["response_code"] for one in kept)
    assert closed["attempts"] == ATTEMPTS
    assert closed["declined_card_data"] == answers["14"] + first
    assert closed["approved"] == answers["00"]
    assert (closed["declined_funds"], closed["declined_risk"]) == (answers["51"], answers["59"])
    assert closed["declined_other"] == answers["96"]
    assert closed["visa_estimate"] == sum(one["card"]["network"] == "visa" for one in attempts)
    assert closed["cards"] == pytest.approx(ATTEMPTS, rel=0.08)
    assert (closed["start_ms"], closed["last_ms"]) == (at_ms(attempts[first]), at_ms(attempts[-1]))
    bands = [by_id[one["event_id"]]["band"] for one in attempts[first:]]
    assert told[-1]["count"] == sum(band != "ALLOW" for band in bands)
    assert told[-1]["severity"] == "CRITICAL"
    assert "BLOCK" in bands
    for one in told:  # what an alert shows of an event is of one event
        event = run.sent[one["event_id"]]
        assert one["amount_jpy"] == event["amount"]["minor"]
        assert (one["pan_hmac"], one["merchant_id"]) == (event["card"]["pan_hmac"], event["merchant"]["id"])
    alone = {one["event_id"] for one in run.alerts if "incident" not in one}
    assert not alone & {one["event_id"] for one in attempts[first:]}, "its attempts raise no alerts of their own"
    before = [one["event_id"] for one in attempts[:first] if by_id[one["event_id"]]["band"] != "ALLOW"]
    assert alone >= set(before)


def test_a_flood_is_one_digest_with_the_figures_of_a_recount(run: Played) -> None:
    flood = {name: event for name, event in run.sent.items() if event["merchant"]["id"] == FLOODED}
    told = [one for one in run.alerts if one["merchant_id"] == FLOODED]
    digests, single = [one for one in told if "digest" in one], [one for one in told if "digest" not in one]
    assert {one["entity"] for one in single} == {"CARD"}
    assert {one["count"] for one in single} == {1}
    by_id = decided(run)
    raised = {name for name in flood if by_id[name]["band"] != "ALLOW"}
    alone = {one["event_id"] for one in single}
    taken = raised - alone
    assert alone <= raised
    assert {name for name in raised if by_id[name]["band"] == "BLOCK"} <= alone
    assert len(alone - {name for name in raised if by_id[name]["band"] == "BLOCK"}) <= DIGEST_MIN
    assert len({one["digest"]["digest_id"] for one in digests}) == 1
    assert len({one["dedup_key"] for one in digests}) == 1
    states = [one["digest"]["state"] for one in digests]
    assert (states[0], states[-1], set(states[1:-1])) == ("OPENED", "CLOSED", {"GREW"})
    assert {1, 10, 100} <= {10 ** (len(str(one["count"])) - 1) for one in digests}
    last = digests[-1]
    assert last["count"] == len(taken)
    assert last["at_risk_jpy"] == sum(flood[name]["amount"]["minor"] for name in taken)
    times = [at_ms(flood[name]) for name in taken]
    assert (last["first_seen_ms"], last["last_seen_ms"]) == (min(times), max(times))
    assert last["severity"] == "HIGH"
    reasons = Counter(by_id[name]["reasons"][0]["id"] for name in taken)
    assert {one["id"]: one["alerts"] for one in last["digest"]["reasons"]} == dict(reasons.most_common(5))
    assert set(last["digest"]["examples"]) <= taken
    assert len(last["digest"]["examples"]) == 5


def test_the_arm_of_each_decision_is_a_hash_of_card_and_salt_and_decides_it(run: Played) -> None:
    shares = {made.identity: share for made, share in zip(run.policies, SHARES, strict=True)}
    candidates = {made.identity: made.candidate.identity for made in run.policies if made.candidate is not None}
    used: dict[int, list[str]] = defaultdict(list)
    for partition, one in run.decisions:
        event, said = run.sent[one["decision_id"]], one["experiment"]
        used[partition].append(said["policy"])
        assert (said["id"], said["arm"]) == ("x", arm_of(event, shares[said["policy"]], "x"))
        assert one["versions"]["policy"] == (said["policy"] if said["arm"] == "A" else candidates[said["policy"]])
        assert one["band"] == band_of(event["amount"]["minor"], said["arm"])
    for names in used.values():  # one change in each partition, and none back
        assert [now for before, now in pairwise(names) if now != before] == [run.policies[1].identity]
    for one in run.alerts:
        if one["entity"] == "CARD":  # others are of digests, incidents, and where merchants stand
            assert one["experiment"] == decided(run)[one["event_id"]]["experiment"]


def test_figures_by_arm_of_two_workers_add_up_to_a_recount(run: Played) -> None:
    found: dict[str, float] = Counter()
    for metrics in run.metrics:
        for name, value in metrics.items():
            found[name] += value
    decisions, payments, yen = Counter[str](), Counter[str](), Counter[str]()
    for name, one in decided(run).items():
        event, arm, band = run.sent[name], one["experiment"]["arm"], one["band"]
        if name in run.late:
            decisions[f'sekisho_experiment_decisions_total{{arm="{arm}",band="{band}"}}'] += 1
        weight = weight_of(event, band)
        if weight and event["event_ts"].startswith("2026-05"):
            label = "FRAUD" if name in run.reported else "NONE"
            for age in ("7d", "30d"):
                of = f'{{age="{age}",arm="{arm}",band="{band}",label="{label}"}}'
                payments["sekisho_experiment_payments" + of] += weight
                yen["sekisho_experiment_yen" + of] += weight * event["amount"]["minor"]
    for said, expected in (("decisions_total", decisions), ("payments", payments), ("yen", yen)):
        shown = {name: value for name, value in found.items() if name.startswith(f"sekisho_experiment_{said}{{")}
        assert {name: value for name, value in shown.items() if value} == expected
        assert len(expected) > len(BANDS)
    assert all(metrics['sekisho_experiment_info{experiment="x"}'] == 1 for metrics in run.metrics)


def weight_of(event: dict[str, Any], band: str) -> int:
    """Return for how many payments one stands that may be reported: 0 if it is not remembered."""
    if not event["outcome"]["approved"]:
        return 0
    if band != "ALLOW":
        return 1
    key = int(entity_keys((event["event_id"], *[""] * 8), frozenset())[0, 0])
    return 0 if key // 256 % 64 else 64
