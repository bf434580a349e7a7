"""Write the dashboard "Sekisho: operations and risk" from its rows.

`python -m deploy.grafana.build` from the root of the repository; a test fails while the committed file differs.
"""

import json
from pathlib import Path

from deploy.grafana.durable import DURABLE
from deploy.grafana.model import MODEL
from deploy.grafana.operations import FLOW, LATENCY
from deploy.grafana.panels import DATASOURCE, SCHEMA_VERSION, Json, layout
from deploy.grafana.risk import CHECKLIST, DECISIONS, REFUSED, STATE, THREEDS
from deploy.grafana.shadow import EXPERIMENT, SHADOW
from deploy.grafana.watching import WATCHING
from deploy.grafana.webhook import WEBHOOK

UID = "sekisho-operations-risk"
"""Links and bookmarks contain this id: it never changes."""

FILE = Path(__file__).parent / "dashboards" / "sekisho.json"
ROWS = (
    FLOW,
    LATENCY,
    DURABLE,
    DECISIONS,
    REFUSED,
    THREEDS,
    CHECKLIST,
    STATE,
    MODEL,
    WATCHING,
    SHADOW,
    EXPERIMENT,
    WEBHOOK,
)


def dashboard() -> Json:
    """Make the dashboard's JSON model as Grafana provisions it from a file."""
    return {
        "uid": UID,
        "title": "Sekisho: operations and risk",
        "description": "One deployment of Sekisho: does it keep up, what does it decide, what does it refuse.",
        "tags": ["sekisho"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair over all panels
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "links": [],
        "templating": {"list": [_datasource(), _job(), _instance()]},
        "annotations": {"list": [_alerts(), _restarts()]},
        "panels": layout(ROWS),
    }


def render() -> str:
    """Render the file's text: stable order, one key per line, so that a change reads well in a diff."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def _datasource() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _job() -> Json:
    return _label_values("job", "Deployment", "label_values(sekisho_build_info, job)")


def _instance() -> Json:
    query = _label_values("instance", "Worker", 'label_values(sekisho_build_info{job="$job"}, instance)')
    chosen: Json = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return query | {"multi": True, "includeAll": True, "allValue": ".+", "current": chosen}


def _label_values(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,  # whenever the time range changes: workers come and go
        "sort": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
    }


def _alerts() -> Json:
    return _annotation("Alerts", "red", 'ALERTS{alertname=~"Sekisho.+", alertstate="firing"}', "{{alertname}}")


def _restarts() -> Json:
    expr = 'changes(process_start_time_seconds{job="$job"}[1m]) > 0'
    return _annotation("Restarts", "blue", expr, "{{instance}} restarted")


def _annotation(name: str, colour: str, expr: str, title: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expr,
        "titleFormat": title,
        "step": "15s",
    }


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
