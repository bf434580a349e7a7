"""Metrics of `sekisho webhook`. They are a catalogue of their own: a worker does not have them."""

from typing import Final

from streams.telemetry.metric import Metric

RESULTS: Final = ("ACCEPTED", "REFUSED", "REDIRECTED", "TIMED_OUT", "UNREACHABLE")
OUTCOMES: Final = ("DELIVERED", "GIVEN_UP", "EXPIRED", "OVERFLOWED", "UNREADABLE")

ACQUIRERS_SHOWN: Final = 20
OTHERS: Final = "(others)"
"""Value of the label `acquirer` for all but the ACQUIRERS_SHOWN acquirers with most waiting alerts."""

WEBHOOK: tuple[Metric, ...] = (
    Metric(
        name="sekisho_webhook_alerts_total",
        kind="counter",
        unit="alerts",
        stage="webhook",
        help="Alerts that are finished, by outcome. GIVEN_UP: after webhook.attempts_max. EXPIRED: older than "
        "webhook.age_max_s. OVERFLOWED: the oldest of a full queue. UNREADABLE: no alert, or larger than 64 KiB.",
        labels={"outcome": OUTCOMES},
    ),
    Metric(
        name="sekisho_webhook_attempts_total",
        kind="counter",
        unit="attempts",
        stage="webhook",
        help="Attempts to deliver, by result. REFUSED: a status of 4xx or 5xx. REDIRECTED: 3xx, which is not followed.",
        labels={"result": RESULTS},
    ),
    Metric(
        name="sekisho_webhook_retries_total",
        kind="counter",
        unit="attempts",
        stage="webhook",
        help="Attempts that were not the first of their alert.",
    ),
    Metric(
        name="sekisho_webhook_waiting_alerts",
        kind="gauge",
        unit="alerts",
        stage="webhook",
        help="Alerts that were read and wait for delivery, by acquirer.",
        labels={"acquirer": ()},
        bound=f"the {ACQUIRERS_SHOWN} acquirers with most waiting alerts, and `{OTHERS}`",
    ),
    Metric(
        name="sekisho_webhook_oldest_alert_seconds",
        kind="gauge",
        unit="seconds",
        stage="webhook",
        help="Age of the oldest alert that waits for delivery; 0 if none waits.",
    ),
)
