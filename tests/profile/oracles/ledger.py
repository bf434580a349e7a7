"""A ledger of all events, read bucket by bucket: the exact values of counters, rates and means.

It does not use the kernels' tables. A window is the current sub-bucket and the four before it; a card's last six ids
are a list; an attempt and its outcome are two lines.
"""

from dataclasses import dataclass, field, replace
from math import nan

from scoring.profile import Entity
from tests.profile.events import APPROVED, ATTEMPT, FUNDS, REFUND, REVERSAL, Event
from tests.profile.oracles.oracle import CLASSES, COUNTED

SUB_S = {"1m": 15, "10m": 150, "1h": 900, "24h": 21_600, "7d": 151_200, "30d": 648_000}
DAY_S = 86_400
IDS = 6

DECIDED, REPEAT, ANSWER = "decided", "repeat", "answer"
DUE, KNOWN, FIRST = "due", "known", "first"
"""State of a remembered id: outcome unknown; outcome known; only the outcome was seen."""

RATES = {
    "card_approval_rate_24h": ("approved", "answered"),
    "merchant_approval_rate_1h": ("approved", "answered"),
    "merchant_approval_rate_24h": ("approved", "answered"),
    "merchant_risk_rate_24h": ("risk_declines", "answered"),
    "merchant_cred_rate_1h": ("cred_declines", "answered"),
    "merchant_bin_cred_rate_1h": ("cred_declines", "answered"),
    "merchant_bin_approval_rate_1h": ("approved", "answered"),
    "bin_cred_rate_1h": ("cred_declines", "answered"),
    "merchant_small_rate_1h": ("small_attempts", "attempts"),
    "merchant_small_rate_30d": ("small_attempts", "attempts"),
    "merchant_threeds_failed_rate_24h": ("threeds_failed", "attempts"),
    "merchant_refunds_over_attempts_7d": ("refunds", "attempts"),
    "card_mean_amount_30d": ("gross", "priced"),
}
"""Ratios of two sums over the same window."""

OVER_MEANS = ("card_amount_over_mean_30d", "merchant_amount_over_mean_30d")


@dataclass(frozen=True, slots=True)
class Line:
    """What one event added to the rows that it has keys for."""

    event: Event
    second: int
    adds: dict[str, int]


@dataclass
class Ladder:
    """The current series of a card's funds declines."""

    run: int = 0
    above: int = 0
    last_s: int = 0

    def take(self, event: Event, second: int) -> None:
        if second - self.last_s > DAY_S:
            self.run = self.above = 0
        self.last_s = max(self.last_s, second)
        if event.kind != ATTEMPT:
            return
        if event.outcome == APPROVED:
            self.run = self.above = 0
        elif event.outcome == FUNDS and event.amount > 0:
            self.run = self.run + 1 if event.amount < self.above else 1
            self.above = min(event.amount, 2**32 - 1)  # a card's row has room for no larger one

    def read(self, second: int) -> int:
        return self.run if second - self.last_s <= DAY_S else 0


@dataclass
class Ledger:
    """All lines so far, and the remembered ids of each card."""

    lines: list[Line] = field(default_factory=list)
    ids: dict[int, list[tuple[int, str]]] = field(default_factory=dict)  # newest first: id, and its state
    ladders: dict[int, Ladder] = field(default_factory=dict)

    def take(self, event: Event, event_id: int) -> str:
        """Enter an event; return its verdict."""
        is_due = event.kind == ATTEMPT and event.outcome == 0
        known = self._known(event, event_id)
        if known == FIRST:
            self._note(event, event_id, KNOWN)
            if event.kind == ATTEMPT:
                self._enter(replace(event, outcome=0), {"threeds_failed": int(event.tds_failed)})
            else:
                self._enter(event, adds(event))
            return DECIDED
        if known is None:
            self._note(event, event_id, DUE if is_due else KNOWN)
            self._enter(event, adds(event))
            return DECIDED
        if known == KNOWN or event.kind != ATTEMPT or is_due:
            return REPEAT
        self._note(event, event_id, KNOWN)
        self._enter(event, answered(event))
        return ANSWER

    def take_outcome(self, event: Event, event_id: int) -> str:
        """Enter an outcome of the other topic; return its result."""
        known = self._known(event, event_id)
        if known in (KNOWN, FIRST):
            return "REPEAT"
        if event.outcome == 0:
            return "UNKNOWN"
        if known == DUE:
            self._note(event, event_id, KNOWN)
        if not event.trusted:
            return "UNTIMED"
        if known == DUE:
            self._enter(event, answered(event))
            return "COUNTED"
        self._note(event, event_id, FIRST)
        self._enter(event, adds(event))
        return "UNMATCHED"

    def _known(self, event: Event, event_id: int) -> str | None:
        return dict(self.ids.get(event.card, ())).get(event_id) if event.card else None

    def _note(self, event: Event, event_id: int, state: str) -> None:
        """Set the state of a known id, or add a new id at the front."""
        if event.card:
            ids = self.ids.setdefault(event.card, [])
            if event_id in dict(ids):
                ids[:] = [(name, state if name == event_id else was) for name, was in ids]
            else:
                ids[:] = [(event_id, state), *ids][:IDS]

    def _enter(self, event: Event, figures: dict[str, int]) -> None:
        if event.trusted:
            second = event.time_ms // 1000
            self.lines.append(Line(event, second, figures))
            self.ladders.setdefault(event.card, Ladder()).take(event, second)

    def total(self, entity: Entity, what: str, window: str, event: Event) -> int:
        """Return the value of a window that an event sees before it is entered."""
        of = [line for line in self.lines if line.event.key(entity) == event.key(entity)]
        stands_s = max([event.time_ms // 1000, *(line.second for line in of)])
        first = stands_s // SUB_S[window] - 4
        return sum(line.adds.get(what, 0) for line in of if line.second // SUB_S[window] >= first)

    def expected(self, name: str, event: Event) -> float | None:
        """Return a feature that an event sees before it is entered; None if this ledger does not have it."""
        counted = COUNTED.fullmatch(name)
        if counted:
            entity = Entity[counted[1].upper()]
            return max(self.total(entity, counted[2], counted[3], event), 0) if event.key(entity) else nan
        if name in RATES:
            return self._ratio(name, *RATES[name], event)
        if name in OVER_MEANS:
            mean = self._ratio(name, "gross", "priced", event)
            return event.amount / mean if event.amount >= 0 and mean > 0 else nan
        if name == "card_funds_ladder":
            return self.ladders.get(event.card, Ladder()).read(event.time_ms // 1000) if event.card else nan
        return None

    def _ratio(self, name: str, above: str, below: str, event: Event) -> float:
        owner = "merchant_bin" if name.startswith("merchant_bin") else name.partition("_")[0]
        entity, window = Entity[owner.upper()], name.rsplit("_", 1)[1]
        over = self.total(entity, below, window, event)
        return self.total(entity, above, window, event) / over if event.key(entity) and over > 0 else nan


def adds(event: Event) -> dict[str, int]:
    """Return what an event that is new adds."""
    if event.kind == REVERSAL:
        return {"reversals": 1, "spend": -max(event.amount, 0)}
    if event.kind == REFUND:
        return {"refunds": 1}
    assert event.kind == ATTEMPT
    asked = {"attempts": 1, "small_attempts": int(0 <= event.amount <= 500), "threeds_failed": int(event.tds_failed)}
    return {**asked, **answered(event)}


def answered(event: Event) -> dict[str, int]:
    """Return what the outcome of an attempt adds: nothing while it is unknown."""
    found = {what: int(event.outcome in classes) for what, classes in CLASSES.items()}
    found["answered"] = int(event.outcome != 0)
    if event.outcome == APPROVED:
        amount = max(event.amount, 0)
        found |= {"spend": amount, "gross": amount, "priced": int(event.amount >= 0)}
    return found
