"""State of the demonstration: the watcher counts it, the screen shows it, the summary assesses it."""

import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.demo.findings.incidents import Incidents
from streams.demo.findings.standings import Merchant
from streams.replay.ledger import Ledger
from streams.replay.lines import Places
from streams.replay.source import NOT_OURS

BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
SCORE_BINS = 20
ALERTS_SHOWN = 10
RECENT_S = 5.0
LATENCY_MS_MAX = 60_000


class Latency:
    """Latency in ms, from sending an event to reading its decision: of all events, and of the last seconds."""

    def __init__(self) -> None:
        self._counts = np.zeros(LATENCY_MS_MAX + 1, dtype=np.int64)
        self._recent: deque[tuple[float, Sequence[int]]] = deque()

    def add(self, values_ms: Sequence[int], now_s: float) -> None:
        """Add values in ms that were read at `now_s`."""
        if not values_ms:
            return
        inside = np.clip(np.array(values_ms, dtype=np.int64), 0, LATENCY_MS_MAX)
        self._counts += np.bincount(inside, minlength=LATENCY_MS_MAX + 1)
        self._recent.append((now_s, values_ms))
        while self._recent[0][0] < now_s - RECENT_S:
            self._recent.popleft()

    def overall(self, quantile: float) -> float | None:
        """Return a quantile of all, in ms; None without values."""
        total = int(self._counts.sum())
        if total == 0:
            return None
        return float(np.searchsorted(np.cumsum(self._counts), quantile * total))

    def recent(self, quantile: float) -> float | None:
        """Return a quantile of the last RECENT_S seconds, in ms; None without values."""
        values = [value for _, values in self._recent for value in values]
        return float(np.quantile(values, quantile)) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """An alert as shown. `reasons` are texts in the chosen language; `at_ms` is event time.

    `about`: id of the incident or merchant that it is about; all alerts of one are one line, and count once.
    """

    event_id: str
    at_ms: int
    severity: str
    kind: str
    merchant_id: str
    amount_jpy: int | None
    score: int | None
    reasons: tuple[str, ...]
    about: str | None = None


class State:
    """State of one demonstration, used by one loop. Only the ledger of events grows with time."""

    def __init__(self, live_s: float) -> None:
        self.live_s = live_s
        self.phase = "starting"
        self.address = ""
        self.places = Places()
        self.ledger = Ledger()
        self.event_ms = array("q")  # by position
        self._sent_s = array("d")  # by position: when it was sent last
        self.live_from: int | None = None  # first position of the live part
        self.live_began_s: float | None = None
        self.clock_ms = 0
        self.latency = Latency()
        self.bands: Counter[str] = Counter()
        self.scores = np.zeros(SCORE_BINS, dtype=np.int64)
        self.severities: Counter[str] = Counter()
        self.alerts: deque[AlertLine] = deque(maxlen=ALERTS_SHOWN)
        self.lines = 0  # lines of alerts that were added or renewed
        self.incidents = Incidents()
        self.standings: dict[str, Merchant] = {}  # by acquirer and merchant
        self.replays: dict[str, tuple[str, ...]] = {}  # by event id: rules of replayed results that the payment broke
        self._told: set[str] = set()
        self.alerted: list[str] = []
        self.flagged: set[str] = set()
        self.reports = 0
        self._read: deque[tuple[float, int]] = deque()

    def sent(self, values: Sequence[bytes], times_ms: Sequence[int], now_s: float) -> None:
        """Record authorizations that are about to be sent. `now_s` is monotonic: timestamps are simulated time."""
        positions = [self.places.place(value) for value in values]
        for position, time_ms in zip(positions, times_ms, strict=True):
            if position == len(self.event_ms):
                self.event_ms.append(time_ms)
                self._sent_s.append(now_s)
            else:
                self._sent_s[position] = now_s
        self.ledger.sent(positions)

    def go_live(self, now_s: float) -> None:
        """Mark the begin of the live part and reset its counts."""
        self.phase, self.live_from, self.live_began_s = "live", len(self.event_ms), now_s
        self.bands.clear()
        self.scores[:] = 0
        self.severities.clear()
        self.alerts.clear()
        self.incidents.clear()
        self.standings.clear()
        self.replays.clear()
        self._told.clear()

    def alert(self, line: AlertLine) -> None:
        """Show an alert. One about an incident or a merchant takes the place of the earlier one, and counts once."""
        earlier = next((known for known in self.alerts if line.about and known.about == line.about), None)
        if earlier is not None:
            self.alerts.remove(earlier)
        if line.about is None or line.about not in self._told:
            self.alerted.append(line.event_id)
            self.severities[line.severity] += 1
        elif earlier is not None:
            self.severities[earlier.severity] -= 1
            self.severities[line.severity] += 1
        if line.about is not None:
            self._told.add(line.about)
        self.alerts.append(line)
        self.lines += 1

    def is_live(self, event_id: str) -> bool:
        """Tell whether an event belongs to the live part."""
        position = self.places.find(event_id)
        return self.live_from is not None and position != NOT_OURS and position >= self.live_from

    def latency_ms(self, position: int, now_s: float) -> int:
        """Return the time since an event was sent, in ms."""
        return int((now_s - self._sent_s[position]) * 1000)

    def time_of(self, event_id: str) -> int:
        """Return the event time of an event that was sent, in ms."""
        return self.event_ms[self.places.find(event_id)]

    def rate(self, now_s: float) -> float:
        """Return decisions read per second over the last few seconds."""
        while self._read and self._read[0][0] < now_s - 2.0:
            self._read.popleft()
        return sum(count for _, count in self._read) / 2.0

    def read(self, count: int) -> None:
        """Record that `count` decisions were read now."""
        self._read.append((time.monotonic(), count))
