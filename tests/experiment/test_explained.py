"""An explanation of a payment of arm B is by the candidate, and names the policy that has a file."""

import msgspec
import pytest

from scoring.contract.decision import Decision
from scoring.explanation.build import explain
from scoring.explanation.cases import Alerts
from scoring.explanation.compare import Cause
from scoring.policy import Policy
from streams.explain.report import Comparison, Input, Report, compared
from streams.explain.text import lines
from tests.events import encoded
from tests.experiment.made import experiment, levels, policy, rule
from tests.explain.test_explanation import ALONE, EVENT_MS, NOW_MS, engine

NEAR = rule("near", "payment.amount_jpy > 20000 && payment.amount_jpy < 13000", "review")


def pair(share: int, version: str = "c") -> Policy:
    said = experiment(share, effective_from="2026-01-01T00:00:00Z", effective_to="2026-12-01T00:00:00Z")
    said["candidate"] = {"version": version, "global": levels(1, 2, 3), "rules": [NEAR]}
    return policy(share, experiment=said)


@pytest.mark.parametrize(("share", "arm"), [(0, "A"), (1000, "B")])
def test_an_explanation_is_by_the_policy_of_the_arm(share: int, arm: str) -> None:
    made = pair(share)
    found = explain(engine(made), encoded(), ALONE, Alerts(), received_at_ms=NOW_MS, decided_at_ms=NOW_MS)
    assert found.explanation is not None
    assert found.value is not None
    told = found.explanation
    candidate = made.candidate
    assert candidate is not None
    name, thresholds, near = made.identity, [400, 600, 800], list[str]()
    if arm == "B":
        name, thresholds, near = candidate.identity, [1, 2, 3], ["near"]
    assert (told.policy.identity, told.decision.versions.policy) == (name, name)
    assert [line.score for line in told.policy.thresholds] == thresholds
    assert [line.id for line in told.near_rules] == near
    assert told.policy.at_ms == EVENT_MS
    comparison = compared(found.value, found.value, is_whole=True)
    assert comparison.result == "EQUAL"
    given = Input(source="EVENT", is_whole=False, partitions=1, applied={})
    report = Report(schema_version="explanation.v1", input=given, comparison=comparison, explanation=told)
    assert f"  experiment x: the card is in arm {arm}" in list(lines(report, "en"))
    assert f"  実験x：カードは群{arm}" in list(lines(report, "ja"))


def test_a_decision_of_another_experiment_names_its_published_policy() -> None:
    times = {"received_at_ms": NOW_MS, "decided_at_ms": NOW_MS}
    old, new = (explain(engine(pair(1000, name)), encoded(), ALONE, Alerts(), **times).value for name in ("c", "d"))
    assert old is not None
    assert new is not None
    found: Comparison = compared(old, new, is_whole=True)
    assert found.causes == [Cause.POLICY]
    assert found.published is not None
    said = msgspec.json.decode(old, type=Decision).experiment
    assert said is not None
    assert found.published.policy == said.policy == pair(1000).identity
