"""A ledger of everything that happened, read bucket by bucket: what counters, rates and means are, to the last digit.

Written without the kernels' tables: a window is the sub-bucket that runs when it is read, and the four before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import nan

from scoring.profile import Entity
from tests.profile.events import APPROVED, ATTEMPT, REFUND, REVERSAL, Event
from tests.profile.oracle import CLASSES

SUB_S = {"1m": 15, "10m": 150, "1h": 900, "24h": 21_600, "7d": 151_200, "30d": 648_000}

MEANS = {
    "card_mean_amount_30d": Entity.CARD,
    "card_amount_over_mean_30d": Entity.CARD,
    "merchant_amount_over_mean_30d": Entity.MERCHANT,
}
"""The mean itself, and amounts over it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one event added to the rows that it has keys for."""

    event: Event
    second: int
    adds: dict[str, int]


@dataclass
class Ledger:
    """All lines so far."""

    lines: list[Line] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Enter an event."""
        if event.trusted:
            self.lines.append(Line(event, event.time_ms // 1000, adds(event)))

    def total(self, entity: Entity, what: str, window: str, event: Event) -> int:
        """Return what a window says to an event before it is entered."""
        of = [line for line in self.lines if line.event.key(entity) == event.key(entity)]
        stands_s = max([event.time_ms // 1000, *(line.second for line in of)])
        first = stands_s // SUB_S[window] - 4
        return sum(line.adds.get(what, 0) for line in of if line.second // SUB_S[window] >= first)

    def mean(self, name: str, event: Event) -> float:
        """Return a feature of MEANS."""
        entity = MEANS[name]
        gross, priced = (self.total(entity, what, "30d", event) for what in ("gross", "priced"))
        if not event.key(entity) or not priced:
            return nan
        if "_over_" not in name:
            return gross / priced
        return event.amount / (gross / priced) if event.amount >= 0 and gross else nan


def adds(event: Event) -> dict[str, int]:
    """Say what an event that is taken whole adds."""
    amount = max(event.amount, 0)
    if event.kind == REVERSAL:
        return {"reversals": 1, "spend": -amount}
    if event.kind == REFUND:
        return {"refunds": 1}
    assert event.kind == ATTEMPT
    return {**asked(event), **answered(event)}


def asked(event: Event) -> dict[str, int]:
    """Say what an attempt adds whatever its outcome."""
    return {
        "attempts": 1,
        "small_attempts": int(0 <= event.amount <= 500),
        "threeds_failed": int(event.tds_failed),
    }


def answered(event: Event) -> dict[str, int]:
    """Say what the outcome of an attempt adds."""
    found = {what: int(event.outcome in classes) for what, classes in CLASSES.items()}
    if event.outcome == APPROVED:
        amount = max(event.amount, 0)
        found |= {"spend": amount, "gross": amount, "priced": int(event.amount >= 0)}
    return found


def entered(events: Iterable[Event]) -> Ledger:
    """Return the ledger of events that are all taken."""
    ledger = Ledger()
    for event in events:
        ledger.take(event)
    return ledger
