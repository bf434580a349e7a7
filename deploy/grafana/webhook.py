"""The row of the webhook: are alerts delivered, and whose wait? Its job in Prometheus ends with `-webhook`."""

from deploy.grafana.panels import Panel, Query, Row

SENDERS = 'job="$job-webhook"'


def _by(label: str, metric: str) -> str:
    return f"sum by ({label}) (rate({metric}{{{SENDERS}}}[$__rate_interval]))"


WEBHOOK = Row(
    title="Webhook",
    panels=(
        Panel(
            title="Alerts by outcome",
            description="Alerts that `sekisho webhook` finished. All but DELIVERED never reached the receiver: the "
            "alert SekishoWebhookAlertsDropped, and the log names the acquirers. They are still on the topic.",
            unit="ops",
            queries=(Query(_by("outcome", "sekisho_webhook_alerts_total"), "{{outcome}}"),),
        ),
        Panel(
            title="Attempts by result",
            description="Attempts to deliver, and how many were retries. REFUSED: 4xx or 5xx. UNREACHABLE: no "
            "connection, or a certificate that is not trusted.",
            unit="ops",
            queries=(
                Query(_by("result", "sekisho_webhook_attempts_total"), "{{result}}"),
                Query(f"sum(rate(sekisho_webhook_retries_total{{{SENDERS}}}[$__rate_interval]))", "retries"),
            ),
        ),
        Panel(
            title="Waiting alerts by acquirer",
            description="Alerts that wait for delivery. Acquirers take turns, so a long line delays its own acquirer "
            "only. At webhook.waiting_max_per_acquirer the oldest is dropped.",
            unit="short",
            queries=(Query(f"sum by (acquirer) (sekisho_webhook_waiting_alerts{{{SENDERS}}})", "{{acquirer}}"),),
            stacked="normal",
        ),
        Panel(
            title="Age of the oldest waiting alert",
            description="The alert SekishoWebhookBehind warns above 5 minutes. Alerts older than webhook.age_max_s are "
            "not sent.",
            unit="s",
            queries=(Query(f"max(sekisho_webhook_oldest_alert_seconds{{{SENDERS}}})", "oldest"),),
            thresholds=((300, "red"),),
        ),
    ),
)
