"""Records of panels, and their rendering as Grafana's dashboard JSON (schema version 41)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Json = dict[str, object]
Kind = Literal["timeseries", "stat", "heatmap", "table", "bargauge"]

GRID_COLUMNS = 24
SCHEMA_VERSION = 41
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression with the legend of its series. Grafana replaces `{{label}}` in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture that answers one question.

    `thresholds` are (from value, colour) in rising order above a green base; `unit` is one of Grafana's unit ids;
    `width` is in 24ths of the page and `height` in grid rows of 30 pixels.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    thresholds: tuple[tuple[float, str], ...] = ()
    stacked: Literal["none", "normal", "percent"] = "none"
    minimum: float | None = 0
    maximum: float | None = None
    decimals: int | None = None
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A titled row of panels, laid from left to right and wrapped at the edge."""

    title: str
    panels: tuple[Panel, ...]


def layout(rows: Sequence[Row]) -> list[Json]:
    """Render rows and panels with their places on the grid and ids from 1, in reading order."""
    rendered: list[Json] = []
    top = 0
    for row in rows:
        place: Json = {"h": 1, "w": GRID_COLUMNS, "x": 0, "y": top}
        head: Json = {"type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        rendered.append({"id": len(rendered) + 1, **head})
        top += 1
        left = line_height = 0
        for panel in row.panels:
            if left + panel.width > GRID_COLUMNS:
                left, top, line_height = 0, top + line_height, 0
            place = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            rendered.append({"id": len(rendered) + 1, **_panel(panel), "gridPos": place})
            left += panel.width
            line_height = max(line_height, panel.height)
        top += line_height
    return rendered


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": [_target(panel, index, query) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field_defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"transformations": _TABLE_TRANSFORMATIONS} if panel.kind == "table" else {}),
    }


def _target(panel: Panel, index: int, query: Query) -> Json:
    now = panel.kind in {"table", "bargauge"}
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series"),
        "instant": now,
        "range": not now,
    }


def _field_defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in panel.thresholds]
    coloured = panel.kind in {"stat", "bargauge"}
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if coloured else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": _custom(panel),
        "mappings": [],
    }
    limits = {"min": panel.minimum, "max": panel.maximum, "decimals": panel.decimals}
    return defaults | {key: value for key, value in limits.items() if value is not None}


def _custom(panel: Panel) -> Json:
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 5 if panel.stacked == "none" else 60,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": panel.stacked},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
    }


_LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}

_OPTIONS: dict[Kind, Json] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"colorMode": "background", "graphMode": "area", "textMode": "auto", "reduceOptions": _LAST},
    "bargauge": {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "heatmap": {
        "calculate": False,  # the histogram's own buckets
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "reverse": False, "exponent": 0.5},
        "cellGap": 1,
        "yAxis": {"unit": "s"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": True},
    },
}

_TABLE_TRANSFORMATIONS: list[Json] = [
    {"id": "merge", "options": {}},
    {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "Value": True}}},
]
