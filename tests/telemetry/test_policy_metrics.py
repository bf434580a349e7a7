"""What is said of the policy in use: its identity, the hits of its rules, and input that it decides again."""

from scoring.outputs import Outputs, Tally
from tests.telemetry.test_metrics import batch, shown, telemetry, value


def test_hits_and_errors_are_counted_by_rule_and_those_of_other_policies_are_dropped() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def", rules={("a", "on"), ("b", "shadow")})
    counts = Tally(events=0, rule_hits={("a", "on"): 3, ("b", "shadow"): 1}, rule_errors={"b": 2})
    for _ in range(2):
        of.scored(batch(), Outputs(tally=counts))
    assert value(of, "sekisho_rule_hits_total", rule="a", mode="on") == 6
    assert value(of, "sekisho_rule_hits_total", rule="b", mode="shadow") == 2
    assert value(of, "sekisho_rule_errors_total", rule="a") == 0
    assert value(of, "sekisho_rule_errors_total", rule="b") == 4
    of.policy_applied("2+abc", {("a", "on"), ("b", "on"), ("c", "shadow")})
    assert value(of, "sekisho_rule_hits_total", rule="a", mode="on") == 6
    assert value(of, "sekisho_rule_hits_total", rule="b", mode="on") == 0
    assert value(of, "sekisho_rule_errors_total", rule="b") == 4
    of.policy_applied("3+abc", {("c", "shadow")})
    told = {dict(labels)["rule"] for name, labels in shown(of) if name.startswith("sekisho_rule_")}
    assert told == {"c"}


def test_payments_that_a_rule_may_block_no_more_are_counted_by_rule() -> None:
    of = telemetry()
    modes = {("a", "on"), ("b", "shadow")}
    of.decides_with(model="demo-1", features="abc", policy="1+def", rules=modes, blocking={"a"})
    assert value(of, "sekisho_rule_capped_total", rule="a") == 0, "the series is there before the first one"
    for _ in range(2):
        of.scored(batch(), Outputs(tally=Tally(events=0, rules_capped={"a": 3})))
    assert value(of, "sekisho_rule_capped_total", rule="a") == 6
    of.policy_applied("2+abc", {("a", "on"), ("b", "on")}, {"b"})
    told = [dict(labels)["rule"] for name, labels in shown(of) if name == "sekisho_rule_capped_total"]
    assert told == ["b"]


def test_rules_of_a_recorded_policy_that_decides_input_again_are_not_counted() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def", rules={("a", "on")}, blocking={"a"})
    counts = Tally(
        events=0, rule_hits={("old", "on"): 1, ("a", "on"): 2}, rule_errors={"old": 1}, rules_capped={"old": 1}
    )
    of.scored(batch(), Outputs(tally=counts))
    assert value(of, "sekisho_rule_hits_total", rule="a", mode="on") == 2
    told = {dict(labels)["rule"] for name, labels in shown(of) if name.startswith("sekisho_rule_")}
    assert told == {"a"}


def test_a_policy_of_a_thousand_rules_can_replace_another() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def")
    for begin in (0, 1000, 500):
        of.policy_applied("2+abc", *_thousand(begin))
    for metric in ("hits", "errors", "capped"):
        assert sum(name == f"sekisho_rule_{metric}_total" for name, _ in shown(of)) == 1000


def _thousand(begin: int) -> tuple[set[tuple[str, str]], set[str]]:
    names = [f"r{number}" for number in range(begin, begin + 1000)]
    return {(name, "on") for name in names}, set(names)


def test_the_policy_in_use_replaces_the_one_before() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def")
    of.policy_refused(True)
    assert value(of, "sekisho_policy_refused") == 1
    of.policy_applied("2+abc")
    of.policy_refused(False)
    assert value(of, "sekisho_policy_refused") == 0
    infos = [labels for name, labels in shown(of) if name == "sekisho_policy_info"]
    assert infos == [frozenset({("version", "2+abc")})]
    assert value(of, "sekisho_policy_reloads_total", result="APPLIED") == 1
    assert value(of, "sekisho_policy_reloads_total", result="REFUSED") == 1
    assert of.versions["policy"] == "2+abc"


def test_events_that_are_applied_again_are_counted_by_whether_their_policy_was_there() -> None:
    of = telemetry()
    of.policy_recalled(3, 0)
    of.policy_recalled(4, 2)
    name = "sekisho_policy_recalled_events_total"
    assert (value(of, name, content="RECORDED"), value(of, name, content="MISSING")) == (7, 2)


def test_the_model_in_use_replaces_the_one_before_or_that_there_is_none() -> None:
    of = telemetry()
    of.decides_with(model="none", features="abc", policy="1+def")
    of.has_model(0, "REFUSED")
    lacking = [value(of, "sekisho_model_lacking", state=state) for state in ("MISSING", "REFUSED")]
    assert (lacking, value(of, "sekisho_model_trained_until_seconds")) == ([0, 1], 0)
    of.model_refused(True)
    assert value(of, "sekisho_model_refused") == 1
    of.model_applied("demo-2", 1_500)
    of.model_refused(False)
    lacking = [value(of, "sekisho_model_lacking", state=state) for state in ("MISSING", "REFUSED")]
    assert (lacking, value(of, "sekisho_model_trained_until_seconds")) == ([0, 0], 1.5)
    infos = [labels for name, labels in shown(of) if name == "sekisho_model_info"]
    assert infos == [frozenset({("version", "demo-2"), ("features", "abc")})]
    assert value(of, "sekisho_model_refused") == 0
    assert value(of, "sekisho_model_reloads_total", result="APPLIED") == 1
    assert value(of, "sekisho_model_reloads_total", result="REFUSED") == 1
    assert of.versions["model"] == "demo-2"


def test_decisions_without_a_sound_model_are_counted_by_state_and_action() -> None:
    of = telemetry()
    of.scored(batch(), Outputs(tally=Tally(events=0, fallen={("TOO_OLD", "SERVE"): 3, ("MISSING", "RULES_ONLY"): 2})))
    name = "sekisho_model_fallback_decisions_total"
    assert value(of, name, state="TOO_OLD", action="SERVE") == 3
    assert value(of, name, state="MISSING", action="RULES_ONLY") == 2
    assert value(of, name, state="TOO_OLD", action="RULES_ONLY") == 0


def test_decisions_and_alerts_are_counted_by_arm_beside_the_experiment_in_use() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def", experiment="first")
    counts = Tally(events=0, arm_bands={("A", "ALLOW"): 3, ("B", "BLOCK"): 1}, arm_alerts={"B": 2})
    for _ in range(2):
        of.scored(batch(), Outputs(tally=counts))
    assert value(of, "sekisho_experiment_decisions_total", arm="A", band="ALLOW") == 6
    assert value(of, "sekisho_experiment_decisions_total", arm="B", band="BLOCK") == 2
    assert value(of, "sekisho_experiment_decisions_total", arm="B", band="ALLOW") == 0
    assert value(of, "sekisho_experiment_alerts_total", arm="B") == 4
    for experiment, expected in (("second", ["second"]), ("", [])):
        of.policy_applied("2+abc", experiment=experiment)
        told = [dict(labels)["experiment"] for name, labels in shown(of) if name == "sekisho_experiment_info"]
        assert told == expected
