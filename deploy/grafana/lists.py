"""Panels of lists: hits, entries, and what is read of their topic."""

from typing import Final

from deploy.grafana.panels import Panel, Query
from deploy.grafana.queries import WORKERS, rate

READ: Final = f"sekisho_lists_read_timestamp_seconds{{{WORKERS}}}"

LISTS: Final = (
    Panel(
        title="Hits of lists",
        description="Lists of the policy that named an event, per second, by what they name and what followed.",
        unit="ops",
        queries=(Query(f"sum by (kind, effect) ({rate('sekisho_list_hits_total')})", "{{kind}} {{effect}}"),),
        height=6,
    ),
    Panel(
        title="Entries of lists",
        description="Entries by worker, ended ones too. A fall to a part of them is an export that was cut off.",
        unit="short",
        queries=(Query(f"sum by (instance) (sekisho_list_entries{{{WORKERS}}})", "{{instance}}"),),
        height=6,
    ),
    Panel(
        title="Records of the topic of lists",
        description="Records that workers read from the topic of lists, per second, by result. All but ADDED and "
        "REMOVED are refused: their entries do not count.",
        unit="ops",
        queries=(Query(f"sum by (result) ({rate('sekisho_list_records_total')})", "{{result}}"),),
        height=6,
    ),
    Panel(
        title="Age of what was read of lists",
        description="Time since all records of the topic of lists had been read, by worker. Above the delay "
        "(lists.delay_s) decisions near a change of an entry cannot be repeated.",
        unit="s",
        queries=(
            Query(f"timestamp({READ}) - ({READ} > 0)", "{{instance}}"),
            Query(f"min(sekisho_lists_delay_seconds{{{WORKERS}}} > 0)", "delay"),
        ),
        height=6,
    ),
)
