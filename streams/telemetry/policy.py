"""Metrics of the policy. Part of the catalogue."""

from streams.telemetry.metric import Metric

POLICY: tuple[Metric, ...] = (
    Metric(
        name="sekisho_alerts_suppressed_by_policy_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts that a suppression of the policy held back. Their decisions are published as always.",
    ),
    Metric(
        name="sekisho_policy_info",
        kind="gauge",
        unit="1",
        stage="decide",
        help="The policy in use: always 1.",
        labels={"version": ()},
        bound="one",
    ),
)
