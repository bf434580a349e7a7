"""The catalogue of metrics: names, labels, buckets, and the page generated from it."""

from itertools import product
from pathlib import Path

from scoring.contract.alert import AlertType, Severity
from scoring.contract.decision import ClockName
from scoring.contract.label import Label
from scoring.engine import SHADOW_STAGE
from scoring.engine import STAGES as ENGINE_STAGES
from scoring.profile import Entity
from streams.telemetry import catalogue
from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.page import markdown
from tests.telemetry.test_metrics import series_max, shown, telemetry

ROOT = Path(__file__).parents[2]


def test_the_documentation_is_made_from_the_catalogue() -> None:
    assert (ROOT / "deploy" / "docs" / "metrics.md").read_text(encoding="utf-8") == markdown()


def test_every_metric_follows_the_rules_of_names_and_has_a_help_text() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert metric.name.startswith("sekisho_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith(".")
        assert metric.unit
        assert metric.stage
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))


OF_RULES = {"sekisho_rule_hits_total", "sekisho_rule_errors_total", "sekisho_rule_capped_total"}
"""Counters with a series for each rule of the policy, which a partition does not take away."""


def test_every_label_is_closed_or_names_its_bound() -> None:
    for metric in CATALOGUE:
        for label, values in metric.labels.items():
            assert values or metric.bound, f"{metric.name}{{{label}}}"
        most = series_max(metric)
        assert most is None or most <= 80, metric.name
        assert most is not None or metric.kind == "gauge" or metric.name in OF_RULES, metric.name


def test_combinations_that_cannot_occur_have_no_series() -> None:
    samples = {labels for name, labels in shown(telemetry()) if name == "sekisho_dead_letters_total"}
    pairs = {(dict(labels)["topic"], dict(labels)["reason"]) for labels in samples}
    (metric,) = (metric for metric in CATALOGUE if metric.name == "sekisho_dead_letters_total")
    assert len(pairs) == series_max(metric) == len(set(product(*metric.labels.values()))) - 7
    assert {topic for topic, reason in pairs if reason == "KEY_MISMATCH"} == {"merchants"}
    assert {topic for topic, reason in pairs if reason == "WRONG_EXPONENT"} == {
        "authorizations",
        "authorization-outcomes",
    }


def test_the_buckets_hold_the_objectives_exactly() -> None:
    assert {0.00025, 0.005, 0.01, 0.02, 0.1, 0.5, 2.0, 5.0} <= set(catalogue.LATENCY_BUCKETS_S)


def test_label_values_are_those_of_the_contract_and_the_core() -> None:
    assert set(catalogue.ALERT_TYPES) == set(AlertType.__args__)  # type: ignore[attr-defined]
    assert set(catalogue.SEVERITIES) == set(Severity.__args__)  # type: ignore[attr-defined]
    assert set(catalogue.LABELS) == set(Label.__args__)  # type: ignore[attr-defined]
    assert tuple(entity.name for entity in Entity) == catalogue.ENTITIES
    assert (*ENGINE_STAGES, SHADOW_STAGE, "emit") == catalogue.STAGES
    assert set(catalogue.CLOCKS) == set(ClockName.__args__)  # type: ignore[attr-defined]
