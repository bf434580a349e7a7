"""The screen without a terminal, as plain lines: for a log file, a CI job or a pipe."""

import time
from collections.abc import Callable

from streams.demo.findings.incidents import counted
from streams.demo.state import BANDS, State
from streams.demo.view import clock, milliseconds

PERIOD_S = 5.0
ALERTS_PER_PERIOD = 3


class Lines:
    """Write a line for each phase, and the state every few seconds with the newest alerts."""

    period_s = PERIOD_S

    def __init__(self, write: Callable[[str], None], state: State) -> None:
        self._write = write
        self._state = state
        self._began = time.monotonic()
        self._alerts = 0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *exc: object) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Write the present phase."""
        self._state.phase = text
        self._write(f"[{time.monotonic() - self._began:5.1f} s] {text}")

    def draw(self) -> None:
        """Write the present state."""
        state = self._state
        if state.ledger.events_sent == 0:
            return
        total = max(1, state.bands.total())
        mix = " ".join(f"{band} {state.bands[band] / total:.2%}" for band in BANDS)
        when = f" {clock(state.clock_ms)}" if state.live_from is not None else ""
        self._write(
            f"[{time.monotonic() - self._began:5.1f} s]{when} {state.rate(time.monotonic()):,.0f} decisions/s, "
            f"p50 {milliseconds(state.latency.recent(0.5))}, p99 {milliseconds(state.latency.recent(0.99))}, {mix}, "
            f"alerts {state.severities.total():,}, {counted(state.incidents)}"
        )
        if state.live_from is not None:
            self._show_alerts()

    def _show_alerts(self) -> None:
        seen = self._state.lines
        fresh = min(seen - self._alerts, ALERTS_PER_PERIOD)
        self._alerts = seen
        for alert in list(self._state.alerts)[-fresh:] if fresh > 0 else ():
            yen = "" if alert.amount_jpy is None else f" {alert.amount_jpy:,} yen"
            score = "" if alert.score is None else f", score {alert.score}"
            self._write(
                f"    {clock(alert.at_ms)} {alert.severity} {alert.kind} at {alert.merchant_id}{yen}{score}: "
                f"{'; '.join(alert.reasons)}"
            )
