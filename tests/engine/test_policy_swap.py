"""Another policy in a running engine: open cases stay, and scores and profiles do not change."""

from typing import Any

import msgspec
import pytest

from scoring.contract.decision import Decision
from scoring.policy import policy_from
from tests.engine.test_engine import TRAFFIC, new_engine, score

LOW = {"review": 1, "step_up": 998, "block": 999}


def policy(**changes: Any) -> Any:
    return policy_from({"version": "u", "global": LOW, **changes})


def told(values: list[tuple[bytes, bytes]]) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in values]


def test_scores_and_profiles_are_those_of_an_engine_that_kept_its_policy() -> None:
    swapped, kept = new_engine(), new_engine()
    compiled = [swapped.compile(policy(version=version)) for version in ("u", "v")]
    for start in range(0, 600, 50):
        if start % 100 == 0:
            swapped.use(compiled[start // 100 % 2])
        first, second = (told(score(each, TRAFFIC[start : start + 50]).decisions) for each in (swapped, kept))
        assert [(made.decision_id, made.score, made.probability) for made in first] == [
            (made.decision_id, made.score, made.probability) for made in second
        ]
        assert {made.versions.policy for made in first} == {swapped.policy.identity}
    assert kept.policy.version == "t"


def test_an_open_case_stays_open_under_another_policy() -> None:
    engine, fresh = new_engine(), new_engine()
    for each in (engine, fresh):
        each.use(each.compile(policy()))
    first = score(engine, TRAFFIC[:200])
    engine.use(engine.compile(policy(version="v")))
    keys = {msgspec.json.decode(value)["dedup_key"] for _, value in first.alerts}
    later = score(engine, TRAFFIC[200:400])
    whole = score(fresh, TRAFFIC[:400])
    assert keys
    assert [key for key, _ in (*first.alerts, *later.alerts)] == [key for key, _ in whole.alerts]


def test_the_lowest_band_of_alerts_follows_the_policy() -> None:
    engine = new_engine()
    engine.use(engine.compile(policy(alerts={"minimum_band": "BLOCK"})))
    assert score(engine, TRAFFIC[:100]).alerts == []
    engine.use(engine.compile(policy(alerts={"minimum_band": "REVIEW"})))
    assert score(engine, TRAFFIC[100:200]).alerts != []


def test_the_quiet_minutes_of_incidents_change_at_a_restart_only() -> None:
    engine = new_engine()
    with pytest.raises(AssertionError):
        engine.use(engine.compile(policy(alerts={"incident_quiet_minutes": 5})))
