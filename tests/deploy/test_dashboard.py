"""The dashboard's JSON: generated from its rows, in the form that Grafana provisions."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from deploy.grafana import build
from tests.deploy.rules import DEPLOY, read

FILE = DEPLOY / "grafana" / "dashboards" / "sekisho.json"
MODEL: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in MODEL["panels"] if panel["type"] != "row"]

# Grafana's own ids: https://grafana.com/docs names them "unit" in the field configuration.
UNITS = {"short", "reqps", "ops", "s", "bytes", "Bps", "percentunit"}


def test_the_committed_file_is_the_one_made_from_the_rows() -> None:
    assert FILE.read_text(encoding="utf-8") == build.render(), "run: python -m deploy.grafana.build"


def test_links_and_bookmarks_keep_working() -> None:
    assert MODEL["uid"] == "sekisho-operations-risk"
    assert MODEL["title"] == "Sekisho: operations and risk"


def test_the_model_is_of_a_schema_that_grafana_12_reads() -> None:
    assert MODEL["schemaVersion"] == 41
    assert "id" not in MODEL, "only Grafana sets the id; the uid is ours"
    assert {panel["type"] for panel in MODEL["panels"]} <= {"row", "timeseries", "stat", "heatmap", "table", "bargauge"}


def test_rows_come_in_the_order_in_which_questions_are_asked() -> None:
    assert [panel["title"] for panel in MODEL["panels"] if panel["type"] == "row"] == [
        "Flow and lag",
        "Latency",
        "Durable profiles",
        "Decisions and alerts",
        "Dead letters and guard",
        "EMV 3-D Secure",
        "Security Checklist",
        "State and model",
        "Model",
        "Model against its training",
        "Challenger in shadow",
        "Two policies side by side",
        "Webhook",
    ]


def test_panel_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        values = [panel[key] for panel in MODEL["panels"]]
        assert len(values) == len(set(values))


def test_panels_lie_on_the_grid_and_on_no_other() -> None:
    cells = []
    for panel in MODEL["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        cells.append((panel["title"], place))
    for (first, a), (second, b) in combinations(cells, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{first} overlaps {second}"


def test_every_panel_has_a_description_a_unit_and_a_threshold() -> None:
    for panel in PANELS:
        title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 40, title
        assert panel["description"].endswith((".", "?")), title
        assert defaults["unit"] in UNITS, title
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None, f"{title}: the base step comes first"
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values), title
        assert panel["targets"], title


def test_every_query_asks_the_chosen_data_source_for_the_chosen_deployment() -> None:
    for panel in PANELS:
        title, references = panel["title"], [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), title
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], title
            job = 'job="$job-webhook"' if "sekisho_webhook_" in target["expr"] else 'job="$job"'
            assert job in target["expr"] or "ALERTS{" in target["expr"], title
            assert target["expr"].count("(") == target["expr"].count(")"), title


def test_variables_choose_data_source_deployment_and_workers() -> None:
    variables = {variable["name"]: variable for variable in MODEL["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["instance"]["includeAll"]
    assert variables["instance"]["multi"]


def test_provisioning_points_at_folders_and_sources_that_the_stack_mounts() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    (provider,) = read(provisioning / "dashboards" / "sekisho.yaml")["providers"]
    services = read(DEPLOY / "compose.yaml")["services"]
    assert source["url"] == "http://prometheus:9090"
    assert source["type"] == "prometheus"
    mounts = [volume.split(":") for volume in services["grafana"]["volumes"]]
    assert ["./grafana/dashboards", provider["options"]["path"], "ro"] in mounts
    assert ["./grafana/provisioning", "/etc/grafana/provisioning", "ro"] in mounts


def test_the_rate_interval_is_made_of_the_scrape_interval_that_prometheus_has() -> None:
    (source,) = read(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")["datasources"]
    scraped = read(DEPLOY / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped


@pytest.mark.parametrize("page", ["runbook.md", "how-to/monitoring.md"])
def test_every_panel_that_a_page_names_is_on_the_dashboard(page: str) -> None:
    text = (DEPLOY / "docs" / page).read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    named = set(re.findall(r'"([A-Z][^"\n]+)"', prose)) - {MODEL["title"]}
    assert len(named) > 5
    assert named <= {panel["title"] for panel in MODEL["panels"]}
