"""The reports that an event may see: computed from all reports, and from those that a row keeps."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.profile.events import Event, Report

HOUR, DAY = 3_600, 86_400
WINDOWS = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LOG = 16
CARD_AMOUNT_TOP = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One report of one key: the second of its receipt, rounded up, and its yen as a row keeps them."""

    second: int
    amount: int


@dataclass
class Everything:
    """Every report of one key."""

    heard: list[Heard] = field(default_factory=list)

    def ever(self, now_s: int) -> int:
        return sum(one.second <= now_s for one in self.heard)

    def count(self, since_s: float, until_s: float) -> int:
        return sum(since_s < one.second <= until_s for one in self.heard)

    def amount(self, since_s: float, until_s: float) -> int:
        return sum(one.amount for one in self.heard if since_s < one.second <= until_s)

    def settled_s(self) -> int:
        """Return the latest second that is not among the last LOG; 0 if there is none."""
        seconds = sorted({one.second for one in self.heard}, reverse=True)
        return seconds[LOG] if len(seconds) > LOG else 0


@dataclass
class Row:
    """A log of at most LOG seconds, and a list of settled reports: no rings, nothing is dropped."""

    log: dict[int, list[int]] = field(default_factory=dict)
    settled: list[tuple[int, int, int]] = field(default_factory=list)
    heard_s: int = 0
    has_merged: bool = False

    def hear(self, one: Heard, clock_s: int) -> None:
        self.heard_s = max(self.heard_s, clock_s)
        entry = self.log.setdefault(one.second, [0, 0])
        entry[0] += 1
        entry[1] += one.amount
        if len(self.log) <= LOG:
            return
        seconds = sorted(self.log)
        if seconds[0] <= self.heard_s:
            count, amount = self.log.pop(seconds[0])
            self.settled.append((seconds[0], count, amount))
            return
        self.has_merged = True
        earlier, later = min(itertools.pairwise(seconds), key=lambda pair: (pair[1] - pair[0], pair[0]))
        count, amount = self.log.pop(earlier)
        self.log[later][0] += count
        self.log[later][1] += amount

    def read(self, now_s: int) -> dict[str, int]:
        """Return what an event at `now_s` sees: counts of three windows and of all time, and yen of 30 days."""
        found = {"24h": 0, "7d": 0, "30d": 0, "ever": 0, "reported": 0}
        settled_s = max((second for second, _, _ in self.settled), default=0)
        for second, count, amount in self.settled:
            for window in ("24h", "7d", "30d"):
                if self._shows(second, now_s, settled_s, WINDOWS[window] // 4):
                    found[window] += count
                    found["reported"] += amount if window == "30d" else 0
            if self._is_before(second, now_s, settled_s, WINDOWS["30d"] // 4, is_ever=True):
                found["ever"] += count
        for second, (count, amount) in self.log.items():
            if second <= now_s:
                found["ever"] += count
                for window, width in WINDOWS.items():
                    found[window] += count if second > now_s - width else 0
                found["reported"] += amount if second > now_s - WINDOWS["30d"] else 0
        return found

    def of_days(self, first: int, end: int) -> int:
        """Return the reports of whole days from `first` on and before `end`; settled ones are kept for 32 days."""
        head = max((second for second, _, _ in self.settled), default=0) // DAY
        kept = [(second, count) for second, count, _ in self.settled if second // DAY > head - 32]
        kept += [(second, count) for second, (count, _) in self.log.items()]
        return sum(count for second, count in kept if first <= second // DAY < end)

    def _shows(self, second: int, now_s: int, settled_s: int, width: int) -> bool:
        is_held = second // width > settled_s // width - 5
        is_inside = second // width >= now_s // width - 4
        return is_held and is_inside and self._is_before(second, now_s, settled_s, width, is_ever=False)

    def _is_before(self, second: int, now_s: int, settled_s: int, width: int, *, is_ever: bool) -> bool:
        quarter = DAY // 4
        if now_s >= settled_s:
            return True
        if now_s // quarter > settled_s // quarter - 5:
            return second // quarter < now_s // quarter
        is_known = now_s // width > settled_s // width - 5 or not is_ever
        return is_known and second // width < now_s // width


@dataclass
class ReportOracle:
    """All reports by card and by merchant, and the clock of the stores: the latest event that moved windows."""

    cards: dict[int, tuple[Everything, Row]] = field(default_factory=dict)
    merchants: dict[int, tuple[Everything, Row]] = field(default_factory=dict)
    clock_s: int = 0

    def report(self, report: Report) -> None:
        second, amount = -(-report.received_ms // 1000), max(report.amount, 0)
        for of, key, kept in (
            (self.cards, report.card, min(amount, CARD_AMOUNT_TOP)),
            (self.merchants, report.merchant, amount),
        ):
            if key:
                everything, row = of.setdefault(key, (Everything(), Row()))
                everything.heard.append(Heard(second=second, amount=kept))
                row.hear(everything.heard[-1], self.clock_s)

    def moved(self, event: Event) -> None:
        """Move the clock to an event that counts."""
        if event.trusted:
            self.clock_s = max(self.clock_s, event.time_ms // 1000)

    def rows(self) -> Iterable[Row]:
        return (row for of in (self.cards, self.merchants) for _, row in of.values())
