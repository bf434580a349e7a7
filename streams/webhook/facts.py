"""What the webhook counts and shows: its metrics, its health, and one line of log about alerts that were dropped."""

import heapq
import logging
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from streams.telemetry.series import Series
from streams.telemetry.webhook import ACQUIRERS_SHOWN, OTHERS, WEBHOOK

log = logging.getLogger(__name__)

_STRANGE: Final = re.compile(r"[^A-Za-z0-9._-]")

LINES: Final = {
    "GIVEN_UP": "webhook_alerts_given_up alerts=%d by_acquirer=%s",
    "EXPIRED": "webhook_alerts_expired alerts=%d by_acquirer=%s",
    "OVERFLOWED": "webhook_alerts_overflowed alerts=%d by_acquirer=%s",
}
"""The line of each outcome. The log passes a repeating message once in its interval, so each has its own."""


class Facts:
    """Counters and health of the webhook."""

    def __init__(self) -> None:
        self._series = series = Series(WEBHOOK)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(series)
        ProcessCollector(registry=self._registry)
        self._outcomes = series.cells("sekisho_webhook_alerts_total")
        self._attempts = series.cells("sekisho_webhook_attempts_total")
        self._retries = series.cell("sekisho_webhook_retries_total")
        self._oldest = series.cell("sekisho_webhook_oldest_alert_seconds")
        self._dropped: dict[str, Counter[str]] = {}  # by outcome and acquirer, since the last line
        self._shown: set[str] = set()
        self.not_ready_because = "starting"
        self.versions: Mapping[str, str] = {"code": version("sekisho")}

    def attempted(self, result: str, attempt: int) -> None:
        """Count an attempt, the first of its alert being 1."""
        self._attempts[result,].add(1)
        self._retries.add(attempt > 1)

    def unreadable(self, records: int) -> None:
        """Count records that are no alerts. Their coordinates are in the log."""
        self._outcomes["UNREADABLE",].add(records)

    def finished(self, outcome: str, acquirer: str) -> None:
        """Count a finished alert. Unless it was delivered, the next line of the log names its acquirer."""
        self._outcomes[outcome,].add(1)
        if outcome != "DELIVERED":
            self._dropped.setdefault(outcome, Counter())[acquirer] += 1

    def waiting(self, waiting: Mapping[str, int], oldest_s: float) -> None:
        """Record the waiting alerts by acquirer, and the age of the oldest."""
        shown = dict(heapq.nlargest(ACQUIRERS_SHOWN, waiting.items(), key=lambda item: (item[1], item[0])))
        if rest := sum(waiting.values()) - sum(shown.values()):
            shown[OTHERS] = rest
        for name in self._shown - shown.keys():
            self._series.forget("sekisho_webhook_waiting_alerts", name)
        for name, count in shown.items():
            self._series.cell("sekisho_webhook_waiting_alerts", name).set(count)
        self._shown = set(shown)
        self._oldest.set(oldest_s)

    def tell_dropped(self) -> None:
        """Log what was dropped since the last call: the number of alerts by outcome and acquirer."""
        for outcome, counts in self._dropped.items():
            named = ",".join(f"{_plain(name)}:{count}" for name, count in counts.most_common(ACQUIRERS_SHOWN))
            log.warning(LINES[outcome], counts.total(), named)
        self._dropped.clear()

    def exposition(self) -> bytes:
        """Render all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


def _plain(acquirer: str) -> str:
    """Return an id as a word of the log."""
    return _STRANGE.sub("?", acquirer) or "?"
