"""Events as the registry takes them, one by one and readable, and incidents recomputed from lists of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scoring.incidents.opening import Opening
from scoring.incidents.part import Scope
from scoring.incidents.registry import Attempts, Registry, Taken

QUIET_MS: Final = 1_800_000
NOON: Final = 1_700_006_400_000
APPROVED, BAD_PAN, BAD_CRED, FUNDS, FRAUD, TECH, STOP = 1, 2, 3, 4, 5, 8, 11
BIN, SHOP = Scope.MERCHANT_BIN, Scope.MERCHANT
ANSWERS: Final = {
    "approved": {APPROVED},
    "card_data": {BAD_PAN, BAD_CRED},
    "funds": {FUNDS},
    "risk": {FRAUD, 6, 7, STOP},
    "other": {TECH, 9, 10},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `kind`: an attempt, an answer of an earlier one, or neither. Keys are small numbers."""

    at_ms: int
    merchant: int = 1
    bin: int = 10
    card: int = 1
    outcome: int = BAD_PAN
    band: int = 0
    visa: bool = True
    kind: str = "attempt"
    openings: tuple[Opening, ...] = ()


def spread(card: int) -> int:
    """Make of a small number a hash as decoding yields it."""
    mixed = (card + 1) * 0x9E3779B97F4A7C15 & (2**64 - 1)
    mixed = (mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return mixed ^ (mixed >> 32)


def bin_key(merchant: int, number: int) -> int:
    """Make the key of a BIN at a merchant; 0 stays absent."""
    return merchant * 1_000 + number if number else 0


def batch_of(events: Sequence[Event]) -> Attempts:
    keys = np.array(
        [[e.merchant, bin_key(e.merchant, e.bin), spread(e.card)] for e in events], dtype=np.uint64
    ).reshape(-1, 3)
    return Attempts(
        merchants=keys[:, 0],
        bins=keys[:, 1],
        cards=keys[:, 2],
        at_ms=np.array([e.at_ms for e in events], dtype=np.int64),
        outcomes=np.array([e.outcome for e in events], dtype=np.int64),
        bands=np.array([e.band for e in events], dtype=np.int64),
        counted=np.array([e.kind == "attempt" for e in events], dtype=np.bool_),
        answered=np.array([e.kind == "answer" for e in events], dtype=np.bool_),
        visa=np.array([e.visa for e in events], dtype=np.bool_),
        openings={row: e.openings for row, e in enumerate(events) if e.openings},
    )


def take(registry: Registry, events: Sequence[Event], partition: int = 0) -> Taken:
    return registry.take(batch_of(events), partition)


@dataclass(slots=True)
class Told:
    """An alert, as the oracle tells it: everything that is not an estimate, and the true number of cards."""

    row: int
    state: str
    scope: Scope
    start_ms: int
    last_ms: int
    band: int
    attempts: int
    cards: int
    visa: int
    flagged: int
    answers: tuple[int, ...]


@dataclass(slots=True)
class _One:
    key: tuple[int, int]
    start_ms: int
    opening: Opening
    attempts: list[Event] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    digits: int = 0
    band: int = -1

    @property
    def last_ms(self) -> int:
        return max(event.at_ms for event in self.attempts)

    @property
    def size(self) -> int:
        return self.opening.attempts + len(self.attempts)

    def told(self, row: int, state: str) -> Told:
        first, said = self.attempts[0], self.answers + [event.outcome for event in self.attempts]
        counts = [sum(outcome in classes for outcome in said) for classes in ANSWERS.values()]
        counts[1] += self.opening.declines
        return Told(
            row=row,
            state=state,
            scope=self.opening.scope,
            start_ms=self.start_ms,
            last_ms=self.last_ms,
            band=max(event.band for event in self.attempts),
            attempts=self.size,
            cards=len({event.card for event in self.attempts}) + self.opening.cards,
            visa=sum(e.visa for e in self.attempts) + (self.opening.attempts if first.visa and self.key[1] else 0),
            flagged=sum(event.band >= 2 for event in self.attempts),
            answers=tuple(counts),
        )


def _row_key(key: tuple[int, int]) -> int:
    return bin_key(*key) or key[0]


class Naive:
    """One worker with one partition: alerts of the band 2 and above, incidents as lists of events."""

    def __init__(self) -> None:
        self.open: dict[tuple[int, int], _One] = {}
        self.members: list[int] = []

    def take(self, event: Event, row: int) -> list[Told]:
        over = [key for key, one in self.open.items() if event.at_ms > one.last_ms + QUIET_MS]
        alerts = [self.open.pop(key).told(row, "CLOSED") for key in sorted(over, key=_row_key)]
        if event.kind == "other":
            return alerts
        found = [
            one
            for key in ((event.merchant, event.bin), (event.merchant, 0))
            if (one := self.open.get(key)) and one.start_ms - QUIET_MS <= event.at_ms <= one.last_ms + QUIET_MS
        ]
        if event.kind == "answer":
            for one in found[:1]:
                one.answers.append(event.outcome)
            return alerts
        if found:
            found[0].attempts.append(event)
            self.members.append(row)
            return alerts + self._told(found[0], row, "GREW")
        for opening in event.openings:
            key = (event.merchant, event.bin if opening.scope == BIN else 0)
            near = [
                one
                for (merchant, _), one in self.open.items()
                if merchant == event.merchant and one.start_ms - QUIET_MS <= event.at_ms
            ]
            if (opening.scope == BIN and event.bin) or (opening.scope == SHOP and not near):
                self.open[key] = _One(key, event.at_ms, opening, [event])
                self.members.append(row)
                return alerts + self._told(self.open[key], row, "OPENED")
        return alerts

    def _told(self, one: _One, row: int, state: str) -> list[Told]:
        digits, band = max(len(str(one.size)), 2), max(event.band for event in one.attempts)
        if digits <= one.digits and band <= one.band:
            return []
        one.digits, one.band = max(digits, one.digits), band
        return [one.told(row, state)]


def told_by(taken: Taken, first_row: int = 0) -> list[Told]:
    return [
        Told(
            row=step.row + first_row,
            state=step.state,
            scope=step.incident.scope,
            start_ms=step.incident.start_ms,
            last_ms=step.incident.last_ms,
            band=step.incident.band,
            attempts=step.incident.attempts,
            cards=step.incident.cards,
            visa=step.incident.visa,
            flagged=step.incident.flagged,
            answers=step.incident.answers,
        )
        for step in taken.steps
    ]


def stream(draw: random.Random, n: int) -> list[Event]:
    """Make traffic at a few merchants: bursts, gaps about the quiet time, events that come late, answers, refunds."""
    now_ms, made = NOON, []
    for _ in range(n):
        now_ms += draw.choice([0, 50, 50, 900, 900, 40_000] * 6 + [QUIET_MS // 2, QUIET_MS, QUIET_MS + 1, 3 * QUIET_MS])
        before = draw.randrange(60)
        openings = [
            Opening(BIN, before, draw.randrange(before + 1), draw.randrange(before + 1)),
            Opening(SHOP, before, before, 0),
        ]
        made.append(
            Event(
                at_ms=now_ms - draw.choice([0] * 8 + [1_000, QUIET_MS, 2 * QUIET_MS]),
                merchant=draw.choice([1, 1, 1, 2]),
                bin=draw.choice([10, 10, 11, 12, 0]),
                card=draw.randrange(200),
                outcome=draw.choice([BAD_PAN, BAD_PAN, BAD_CRED, APPROVED, FUNDS, FRAUD, TECH, STOP, 0]),
                band=draw.choice([0, 0, 0, 1, 1, 2, 3] if draw.random() < 0.1 else [0]),
                visa=draw.random() < 0.8,
                kind=draw.choice(["attempt"] * 7 + ["answer", "other"]),
                openings=tuple(draw.choice([[], [], [], [], [], openings[:1], openings[1:], openings])),
            )
        )
    return made
