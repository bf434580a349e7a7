"""Alerts and recording rules: form, runbook, and promtool's cases, which must be able to fail."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.rules import CASES, DEPLOY, RULES, RUNBOOK, alerts, all_rules, anchor, cases, read, records

PROMTOOL_S = 60
FAILED = re.compile(r"alertname: *(\w+), time:")
OPTION = re.compile(r"`([a-z]+)\.(?!yaml|md)([a-z_]+)`")
NAMES = sorted({rule["alert"] for rule in alerts()})


def run_promtool(promtool: str, *arguments: str, cwd: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, *arguments], cwd=cwd, capture_output=True, text=True, timeout=PROMTOOL_S, check=False
    )


@pytest.mark.monitoring
def test_promtool_accepts_the_configuration_and_every_rule(promtool: str) -> None:
    result = run_promtool(promtool, "check", "config", "--lint-fatal", "prometheus/prometheus.yml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.monitoring
@pytest.mark.parametrize("file", sorted(CASES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_promtool_case_passes(promtool: str, file: Path) -> None:
    result = run_promtool(promtool, "test", "rules", str(file))
    assert result.returncode == 0, result.stdout + result.stderr


def _copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus"))


def _promtool_verdict(promtool: str, copy: Path) -> int:
    return run_promtool(
        promtool, "test", "rules", *(str(file) for file in sorted((copy / "tests").glob("*.yaml")))
    ).returncode


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_must_not() -> None:
    checks = [check for case in cases() for check in case.get("alert_rule_test", ())]
    fired = {(check["alertname"], alert["exp_labels"]["severity"]) for check in checks for alert in check["exp_alerts"]}
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert fired == {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert silent == set(NAMES)


@pytest.mark.monitoring
@pytest.mark.parametrize(
    ("expression", "kept"),
    [("vector(1) > 2", "firing"), ("vector(1)", "silent")],
    ids=["never-fires", "fires-on-anything"],
)
def test_the_cases_turn_red_for_every_alert_that(promtool: str, tmp_path: Path, expression: str, kept: str) -> None:
    copy = Path(shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus"))
    rules = copy / "rules" / "alerts.yaml"
    document = read(rules)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        rule["expr"] = expression
        rule.pop("for", None)
    rules.write_text(yaml.safe_dump(document))
    for file in (copy / "tests").glob("*.yaml"):
        content = read(file)
        for case in content["tests"]:
            checks = case.get("alert_rule_test", [])
            case["alert_rule_test"] = [c for c in checks if bool(c["exp_alerts"]) == (kept == "firing")]
        file.write_text(yaml.safe_dump(content))
    result = run_promtool(promtool, "test", "rules", *(str(file) for file in sorted((copy / "tests").glob("*.yaml"))))
    assert result.returncode != 0
    failed = set(FAILED.findall(result.stdout + result.stderr))
    assert failed == set(NAMES)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_has_a_severity_a_meaning_and_a_link(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert str(rule["alert"]).startswith("Sekisho")


def test_every_alert_links_a_section_of_the_runbook_and_every_section_an_alert() -> None:
    headings = {line[3:].strip() for line in RUNBOOK.read_text(encoding="utf-8").splitlines() if line.startswith("## ")}
    assert headings == set(NAMES)
    for rule in alerts():
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert page == "deploy/docs/runbook.md"
        assert section == anchor(rule["alert"])


def test_every_section_of_the_runbook_says_what_to_check_and_what_to_do() -> None:
    sections = RUNBOOK.read_text(encoding="utf-8").split("\n## ")[1:]
    for section in sections:
        assert all(word in section for word in ("**Means.**", "**Look at.**", "**Do.**")), section.splitlines()[0]


def test_every_option_that_the_runbook_names_exists() -> None:
    documents = [read(DEPLOY / "config" / name) for name in ("reference.yaml", "policy.yaml")]
    named = OPTION.findall(RUNBOOK.read_text(encoding="utf-8"))
    assert named
    for section, option in named:
        assert any(option in document.get(section, ()) for document in documents), f"{section}.{option}"


def test_recorded_names_follow_level_metric_operation_and_are_used() -> None:
    used = " ".join(rule["expr"] for rule in all_rules())
    used += (DEPLOY / "grafana" / "dashboards" / "sekisho.json").read_text(encoding="utf-8")
    for rule in records():
        level, metric, operation = rule["record"].split(":")
        assert level in {"job", "instance"}
        assert metric.startswith("sekisho_")
        assert operation
        assert rule["record"] in used


def test_no_alert_shows_a_label_that_could_name_a_card_or_a_merchant() -> None:
    for rule in alerts():
        text = " ".join(rule["annotations"].values())
        labels = {word.split(".")[-1] for word in text.replace("}}", " ").split() if word.startswith("$labels.")}
        assert labels <= {"job", "instance", "partition", "topic", "outcome", "feature", "state", "rule"}


def test_rule_files_are_the_two_that_prometheus_loads() -> None:
    assert [file.name for file in sorted(RULES.glob("*"))] == ["alerts.yaml", "recording.yaml"]
    assert read(DEPLOY / "prometheus" / "prometheus.yml")["rule_files"] == ["rules/*.yaml"]
