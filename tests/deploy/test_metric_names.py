"""Rules, panels and pages name only metrics that exist, also after a rename."""

import json
import re
from pathlib import Path

import pytest

from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.webhook import WEBHOOK
from tests.deploy.rules import DEPLOY, METRIC, all_rules, read, records

ALL = (*CATALOGUE, *WEBHOOK)
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
EXPOSED = {metric.name + suffix: metric for metric in ALL for suffix in SUFFIXES[metric.kind]}
PLAIN = {metric.name for metric in ALL}
RECORDED = {rule["record"].split(":")[1] for rule in records()}
MATCHERS = re.compile(r"\b(sekisho_[a-z0-9_]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')
TARGET_LABELS = {"job", "instance", "le"}

PAGES = [
    DEPLOY / "docs" / "runbook.md",
    DEPLOY / "docs" / "durability.md",
    DEPLOY / "README.md",
    DEPLOY / "docs" / "adr" / "0010-monitoring-as-code.md",
]


def dashboard_expressions() -> list[str]:
    model = json.loads((DEPLOY / "grafana" / "dashboards" / "sekisho.json").read_text(encoding="utf-8"))
    found = [target["expr"] for panel in model["panels"] for target in panel.get("targets", ())]
    found += [annotation["expr"] for annotation in model["annotations"]["list"]]
    return found + [variable["definition"] for variable in model["templating"]["list"] if "definition" in variable]


EXPRESSIONS = sorted({rule["expr"] for rule in all_rules()} | set(dashboard_expressions()))


def test_every_metric_of_a_query_is_in_the_catalogue() -> None:
    for expression in EXPRESSIONS:
        names = {name for name in METRIC.findall(expression) if name not in RECORDED}
        assert names <= set(EXPOSED), expression


def test_every_matcher_of_a_query_names_a_label_and_values_of_that_metric() -> None:
    for name, matchers in (found for expression in EXPRESSIONS for found in MATCHERS.findall(expression)):
        if name in RECORDED:
            continue
        metric = EXPOSED[name]
        for label, operator, value in MATCHER.findall(matchers):
            assert label in TARGET_LABELS | set(metric.labels), f"{name} has no label {label}"
            known = metric.labels.get(label)
            if known:
                values = value.split("|") if "~" in operator else [value]
                assert set(values) <= set(known), f"{name}{{{label}}} is never {values}"
            if label == "le":
                assert float(value) in metric.buckets, f"{name} has no bound at {value}: a share there would be 0"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_of_a_page_is_in_the_catalogue(page: Path) -> None:
    names = set(METRIC.findall(page.read_text(encoding="utf-8")))
    assert names <= set(EXPOSED) | PLAIN | RECORDED


def test_every_metric_of_the_catalogue_is_on_the_dashboard_or_judged_by_a_rule() -> None:
    shown = {EXPOSED[name].name for text in EXPRESSIONS for name in METRIC.findall(text) if name in EXPOSED}
    assert PLAIN - shown == set(NOT_SHOWN)


NOT_SHOWN = {"sekisho_last_commit_timestamp_seconds": "the rate of commits and the progress by partition say the same"}
"""Metrics without a panel, each with the reason."""


def test_the_promtool_cases_use_metrics_of_the_catalogue() -> None:
    for file in sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml")):
        for case in read(file)["tests"]:
            for series in case["input_series"]:
                assert set(METRIC.findall(series["series"])) <= set(EXPOSED)
