"""Every query of the dashboard and of the rules, on a real Prometheus that scrapes a real worker under traffic.

The stack runs once: simulated traffic and a few invalid records, until all are decided. Then every query is evaluated
at that moment.
"""

import asyncio
import json
import math
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from streams.kafka.embedded import EmbeddedBrokerError, embedded_broker, find_binary, free_port
from tests.brokers.load import load
from tests.bundles import bundle_files
from tests.deploy.rules import DEPLOY, ROOT, alerts, records
from tests.deploy.stack import (
    ANSWER_S,
    DRAIN_S,
    SEKISHO,
    Prometheus,
    configuration,
    publish_traffic,
    running_prometheus,
    running_worker,
    until,
)

pytestmark = [pytest.mark.monitoring, pytest.mark.embedded]

MODEL: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "sekisho.json").read_text(encoding="utf-8"))
QUERIES = [
    pytest.param(panel["title"], target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in MODEL["panels"]
    for target in panel.get("targets", ())
]
ANNOTATIONS = [pytest.param(a["name"], a["expr"], id=a["name"]) for a in MODEL["annotations"]["list"]]
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")

EMPTY_PANELS = {
    "Follow lag by partition": "one worker has all partitions and follows none",
    "Rules of the policy": "the policy of this worker has no rules",
    "Rules that reached a cap": "the policy of this worker has no rules",
    "Workers without a model": "this worker has a model",
    "Age of what was read of lists": "this worker has no topic of lists",
    "Scores of both models": "this worker has no challenger",
    "Challenger by worker": "this worker has no challenger",
    "Score against training (PSI)": "the bundle of this test does not say what training saw",
    "Features that changed most (PSI, 7 days)": "the bundle of this test does not say what training saw",
    "Missing more often than at training": "the bundle of this test does not say what training saw",
    "Categories that training never saw": "the bundle of this test does not say what training saw",
    "Recall: reported frauds that were raised": "no payment is a week old",
    "Precision: raised payments that were reported": "no payment is a week old",
    "Frauds reported for each fraud expected": "no payment is a week old",
    "Frauds for 1,000 payments by arm (30 days)": "no payment is a week old",
    "Precision of rules": "the policy of this worker has no rules",
    "Alerts by outcome": "no webhook runs beside this worker",
    "Attempts by result": "no webhook runs beside this worker",
    "Waiting alerts by acquirer": "no webhook runs beside this worker",
    "Age of the oldest waiting alert": "no webhook runs beside this worker",
}
EMPTY_RECORDS = {
    "job:sekisho_model_recall:ratio": "no payment is a week old",
    "job:sekisho_model_precision:ratio": "no payment is a week old",
}
EMPTY_ANNOTATIONS = {"Restarts": "the worker does not restart"}

FIRING = {"SekishoPanGuardHit": "card data was sent on purpose"}
MAY_FIRE = {
    "SekishoLagHigh": "a shared machine may pause",
    "SekishoLatencyBudgetBurn": "a shared machine may pause",
    "SekishoAlertStorm": "the thresholds of this test are low",
    "SekishoAlertsMostlySuppressed": "the thresholds of this test are low",
    "SekishoDeadLetterRatioHigh": "bad records were sent on purpose",
}
"""Alerts whose queries may have results here, each with the reason; every other query must be empty."""


def luhn_number() -> str:
    """Make a number with a valid check digit, so that the repository contains no such literal."""
    digits = [4, *(d % 10 for d in range(3, 17))]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


@dataclass(frozen=True, slots=True)
class Watched:
    prometheus: Prometheus
    worker: "subprocess.Popen[bytes]"
    sent: int
    at_s: float
    """The time at which everything sent was decided, scraped and evaluated by the rules."""


@pytest.fixture(scope="module")
def watched(prometheus_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    try:
        find_binary()
    except EmbeddedBrokerError as error:
        if os.environ.get("SEKISHO_REQUIRE_EMBEDDED"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("stack")
    bundle = directory / "bundle"
    bundle.mkdir()
    for name, content in bundle_files().items():
        (bundle / name).write_bytes(content)
    config, http_port, port = directory / "config.yaml", free_port(), free_port()
    with embedded_broker() as broker:
        config.write_text(json.dumps(configuration(broker, bundle, http_port)))
        subprocess.run([*SEKISHO, "topics", "create", "--config", str(config)], check=True, cwd=ROOT, timeout=ANSWER_S)
        with (
            running_worker(config, http_port, directory) as worker,
            running_prometheus(prometheus_program, port, f"127.0.0.1:{http_port}", directory) as prometheus,
        ):
            until(lambda: prometheus.value("up") == 1, ANSWER_S, "the worker is scraped")
            sent = publish_traffic(config)
            bad = [b"{", orjson.dumps({"remark": luhn_number()}), b'{"event_id":"e"}']
            sent += asyncio.run(load(broker, "authorizations", {0: bad}))
            until(lambda: prometheus.value("sum(sekisho_events_total)") == sent, ANSWER_S, f"{sent} events are scraped")
            until(
                lambda: bool(prometheus.query('ALERTS{alertname="SekishoPanGuardHit", alertstate="firing"}')),
                ANSWER_S,
                "the rules have judged it",
            )
            yield Watched(prometheus, worker, sent, prometheus.query("time()")[0][1])


def filled_in(expression: str) -> str:
    """Replace variables as Grafana does."""
    for name, value in {"$job": "sekisho", "$instance": ".+", "$__rate_interval": "1m", "$__range": "1h"}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def samples(watched: Watched, expression: str) -> list[float]:
    return [value for _, value in watched.prometheus.query(filled_in(expression), watched.at_s)]


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_panels_query_has_data_unless_listed(watched: Watched, title: str, expression: str) -> None:
    values = samples(watched, expression)
    assert bool(values) != (title in EMPTY_PANELS)
    assert not values or any(math.isfinite(value) for value in values), values


@pytest.mark.parametrize(("name", "expression"), ANNOTATIONS)
def test_an_annotations_query_has_data_unless_listed(watched: Watched, name: str, expression: str) -> None:
    assert bool(samples(watched, expression)) != (name in EMPTY_ANNOTATIONS)


@pytest.mark.parametrize(
    "variable", [v for v in MODEL["templating"]["list"] if v["type"] == "query"], ids=lambda v: v["name"]
)
def test_a_variable_has_values(watched: Watched, variable: dict[str, Any]) -> None:
    asked = LABEL_VALUES.fullmatch(variable["definition"])
    assert asked is not None
    found = watched.prometheus.get("/api/v1/series", **{"match[]": filled_in(asked["selector"])})
    assert found
    assert all(series[asked["label"]] for series in found)


@pytest.mark.parametrize("rule", records(), ids=lambda rule: rule["record"])
def test_a_recorded_ratio_has_data(watched: Watched, rule: dict[str, str]) -> None:
    for expression in (rule["expr"], rule["record"]):
        values = samples(watched, expression)
        assert bool(values) != (rule["record"] in EMPTY_RECORDS)
        assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alerts_query_is_empty_while_all_is_well_unless_listed(watched: Watched, rule: dict[str, str]) -> None:
    found = samples(watched, rule["expr"])
    if rule["alert"] in FIRING:
        assert found
    elif rule["alert"] not in MAY_FIRE:
        assert not found


def test_prometheus_evaluates_every_rule_without_an_error(watched: Watched) -> None:
    groups = watched.prometheus.get("/api/v1/rules")["groups"]
    states = {rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]}
    assert set(states) == {rule["alert"] for rule in alerts()} | {rule["record"] for rule in records()}
    assert set(states.values()) == {("ok", "")}


def test_every_event_is_accounted_for_and_three_were_refused(watched: Watched) -> None:
    assert samples(watched, "sum(sekisho_events_total)") == [watched.sent]
    assert samples(watched, "sum(abs(instance:sekisho_unaccounted_events:difference))") == [0]
    assert samples(watched, 'sum(sekisho_dead_letters_total{topic="authorizations"})') == [3]
    assert samples(watched, "sum(sekisho_pan_guard_hits_total)") == [1]


def test_the_worker_that_was_watched_ends_well(watched: Watched) -> None:
    watched.worker.send_signal(signal.SIGTERM)
    assert watched.worker.wait(DRAIN_S) == 0
    until(lambda: watched.prometheus.value('up{job="sekisho"}') == 0, ANSWER_S, "its absence is seen")
