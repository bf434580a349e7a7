"""How an experiment is declared, refused, hashed, composed with files of acquirers, and told."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from scoring.policy import Policy, PolicyError, policy_changes, policy_from, policy_lines
from scoring.policy.changes import shown
from scoring.policy.experiment import Candidate, Experiment
from scoring.policy.explain import Subject
from scoring.policy.settings import PolicySettings
from streams.cli.command import main
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from tests.experiment.made import FROM, TO, experiment, levels, policy, rule

LEVELS = levels(400, 600, 800)
SCOPE = {"acquirer": "acq-1", "thresholds": LEVELS}
IN_FORCE_MS = 1_748_800_000_000


def document(**changes: Any) -> dict[str, Any]:
    made = {"version": "p", "global": LEVELS, "experiment": experiment(**changes)}
    made["experiment"] = {name: value for name, value in made["experiment"].items() if value is not None}
    return made


def candidate(**sections: Any) -> dict[str, Any]:
    return {"candidate": {"version": "c", **sections}}


@pytest.mark.parametrize(
    "changes",
    [
        {"share": 0},
        {"share": 1000},
        {"id": "a" * 48},
        {"salt": "s" * 64},
        {"effective_from": "2024-06-29T00:00:00Z"},
        candidate(**{"global": LEVELS, "rules": [rule("r", "score > 1")], "suppressions": [], "rule_caps": {}}),
    ],
)
def test_an_experiment_at_its_bounds_is_taken(changes: dict[str, Any]) -> None:
    assert policy_from(document(**changes)).experiment is not None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"share": -1}, r"`int` >= 0 - at `\$.experiment.share_per_mille`"),
        ({"share": 1001}, r"`int` <= 1000 - at `\$.experiment.share_per_mille`"),
        ({"id": "a" * 49}, r"\$.experiment.id"),
        ({"id": "a b"}, r"\$.experiment.id"),
        ({"id": "a/b"}, r"\$.experiment.id"),
        ({"salt": ""}, r"\$.experiment.salt"),
        ({"effective_from": TO}, r"effective_to must be after effective_from - at `\$.experiment`"),
        ({"effective_from": "2024-06-28T23:59:59Z"}, "at most 366 days after effective_from"),
        ({"approver": "t.suzuki"}, "approver must be another person than author"),
        *(
            ({name: None}, f"missing required field `{name}`")
            for name in ("effective_from", "effective_to", "author", "approver", "reason", "candidate", "id")
        ),
        ({"candidate": {}}, "missing required field `version`"),
        (candidate(version="p"), "experiment.candidate.version is that of the policy"),
        (candidate(alerts={}), r"unknown field `alerts`"),
        (candidate(lists=[]), r"unknown field `lists`"),
        (candidate(rulez=[]), r"did you mean `rules`\?"),
        (candidate(**{"global": levels(3, 2, 1)}), r"thresholds must rise.*\$.experiment.candidate.global"),
        (candidate(acquirers=[SCOPE, SCOPE]), "experiment.candidate: acquirers names acq-1 twice"),
        (candidate(rules=[rule("r", "score > 1")] * 2), "experiment.candidate: rules has two rules with the id r"),
        (candidate(rules=[rule("r", "scoer > 1")]), r"rule r: when, .*\$.experiment.candidate.rules\[0\]"),
    ],
)
def test_a_faulty_experiment_is_refused_with_its_place(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(PolicyError, match=fault):
        policy_from(document(**changes))


def test_the_candidate_is_the_policy_with_the_sections_that_it_gives() -> None:
    rules = [rule("r", "score > 1")]
    pair = policy_from(document(**candidate(rules=rules, acquirers=[])) | {"acquirers": [SCOPE], "mccs": []})
    expected = {"version": "c", "author": "t.suzuki", "global": LEVELS, "rules": rules, "acquirers": []}
    assert pair.candidate == policy_from(expected)
    assert policy_from({"version": "p", "global": LEVELS}).candidate is None


def test_sections_of_a_candidate_are_sections_of_the_policy() -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(Policy)}
    shared = {"alerts", "actions", "lists", "model_failure", "author", "approval", "experiment"}
    assert {field.name for field in msgspec.structs.fields(Candidate)} == fields.keys() - shared


def test_the_digest_is_of_the_experiment_too_and_without_one_it_is_that_of_a_policy_that_has_no_such_section() -> None:
    plain = policy(None)
    assert plain.identity == "p+3d3de23a666d"
    pairs = [policy(500), policy(501), policy(500, {"global": levels(1, 2, 3)})]
    assert len({plain.digest, *(pair.digest for pair in pairs)}) == 4
    candidates = [pair.candidate for pair in pairs]
    assert candidates[0] == candidates[1], "the share is no part of the candidate"
    assert candidates[0] is not None
    published = policy_from({"version": "c", "author": "t.suzuki", "global": LEVELS})
    assert candidates[0].identity == published.identity, "its name stays when it is published"


def test_an_approval_is_of_both_arms() -> None:
    pair = policy_from(document() | {"author": "a"})
    approved = msgspec.structs.replace(pair, approval={"approver": "b", "content": pair.digest})
    approved = policy_from(msgspec.to_builtins(approved))
    assert approved.unapproved() is None
    changed = msgspec.to_builtins(approved)
    changed["experiment"]["candidate"]["version"] = "d"
    assert "not approved" in str(policy_from(changed).unapproved())


# -- files


def files(folder: Path, sections: dict[str, Any], **acquirers: str) -> Settings:
    (folder / "policy.yaml").write_text(json.dumps(document(**candidate(**sections))))
    (folder / "conf.d").mkdir()
    for name, text in acquirers.items():
        (folder / "conf.d" / f"{name}.yaml").write_text(text)
    return Settings(policy=PolicySettings(file=str(folder / "policy.yaml"), acquirers_dir=str(folder / "conf.d")))


OWN = """
acquirer: acq-2
thresholds: {review: 1, step_up: 2, block: 3}
merchants: [{merchant: m, thresholds: {review: 1, step_up: 2, block: 3}}]
"""


def test_files_of_acquirers_hold_for_both_arms(tmp_path: Path) -> None:
    pair = load_policy(files(tmp_path, {"acquirers": [SCOPE], "merchants": []}, two=OWN))
    assert pair.candidate is not None
    assert [scope.acquirer for scope in pair.acquirers] == ["acq-2"]
    assert [scope.acquirer for scope in pair.candidate.acquirers] == ["acq-1", "acq-2"]
    assert [scope.merchant for scope in pair.candidate.merchants] == ["m"]
    assert pair.merchants == pair.candidate.merchants


def test_a_candidate_says_nothing_of_an_acquirer_with_a_file_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_policy(files(tmp_path, {"acquirers": [SCOPE, SCOPE | {"acquirer": "acq-2"}]}, two=OWN))
    assert str(refused.value) == (
        "policy.yaml: $.experiment.candidate.acquirers[1].acquirer: it has a file of its own: leave the entry out: "
        "what conf.d/two.yaml says holds for both arms"
    )


def test_every_unknown_key_of_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy.yaml: \$.experiment.candidate.limts: unknown key; did you mean"):
        load_policy(files(tmp_path, {"limts": []}))


# -- told


def test_a_comparison_names_what_changed_in_the_candidate() -> None:
    old = policy(100, {"rules": [rule("r", "score > 1")]})
    new = policy(200, {"rules": [rule("r", "score > 2")], "global": levels(1, 2, 3)})
    lines = shown(policy_changes(old, new))
    assert "experiment.share_per_mille: 100 -> 200" in lines
    assert 'experiment.candidate.rules.r.when: "score > 1" -> "score > 2"' in lines
    assert "experiment.candidate.global.review: absent -> 1" in lines
    assert 'experiment.id: absent -> "x"' in shown(policy_changes(policy(None), old))


def test_an_explanation_says_what_applies_in_both_arms() -> None:
    pair = policy(200, {"global": levels(1, 2, 3)})
    lines = list(policy_lines(pair, Subject("acq-1", "m", "5732", IN_FORCE_MS)))
    assert lines[0] == f"policy {pair.identity}"
    assert "thresholds: review 400, step_up 600, block 800" in lines
    assert (
        "experiment: x: in force; candidate c decides 200 of 1,000 cards; from 2025-05-31T15:00:00+00:00 to "
        "2025-06-30T00:00:00+00:00; author t.suzuki; approver k.sato; reason r"
    ) in lines
    assert "  arm B: thresholds: review 1, step_up 2, block 3" in lines


@pytest.mark.parametrize(("shift", "state"), [(-1, "begins later"), (0, "in force"), ("end", "over")])
def test_an_experiment_says_whether_it_is_in_force(shift: int | str, state: str) -> None:
    of = msgspec.convert(experiment(), Experiment)
    assert (of.effective_from.isoformat()[:10], of.effective_to.isoformat()[:10]) == (FROM[:10], TO[:10])
    at_ms = of.to_ms if shift == "end" else of.from_ms + int(shift)
    assert f"x: {state};" in of.told_at(at_ms)


def test_the_commands_show_both_arms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(json.dumps(document(**candidate(**{"global": levels(1, 2, 3)}))))
    config = tmp_path / "worker.yaml"
    config.write_text(f"policy: {{file: {tmp_path / 'policy.yaml'}}}\n")
    pair = load_policy(Settings(policy=PolicySettings(file=str(tmp_path / "policy.yaml"))))
    assert pair.candidate is not None
    assert main(["config", "check", str(config)]) == 0
    out = capsys.readouterr().out
    assert "x: over; candidate c decides 500 of 1,000 cards" in out
    assert pair.candidate.identity in out
    assert main(["config", "show", str(config)]) == 0
    parts = list(yaml.safe_load_all(capsys.readouterr().out))
    assert (parts[1]["version"], parts[2]["version"], parts[2]["global"]) == ("p", "c", levels(1, 2, 3))
