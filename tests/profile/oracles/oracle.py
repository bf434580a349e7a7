"""A slow, obvious oracle: it keeps all events and counts them again for every question, without the kernels' tables."""

import re
from dataclasses import dataclass, field

from scoring.profile import Entity
from tests.profile.events import ATTEMPT, REFUND, REVERSAL, Event, Report

WIDTH_MS = {
    "1m": 60_000,
    "10m": 600_000,
    "1h": 3_600_000,
    "24h": 86_400_000,
    "7d": 7 * 86_400_000,
    "30d": 30 * 86_400_000,
}

CLASSES = {"cred_declines": {2, 3}, "funds_declines": {4}, "risk_declines": {5, 6, 7, 11}, "approved": {1}}

_OWNERS = "|".join(sorted((entity.name.lower() for entity in Entity), key=len, reverse=True))
_WHATS = "|".join([*CLASSES, "attempts", "small_attempts", "threeds_failed", "reversals", "spend"])
_ELEMENTS = "|".join(entity.name.lower() for entity in Entity)
COUNTED = re.compile(rf"({_OWNERS})_({_WHATS})_(1m|10m|1h|24h|7d|30d)")
DISTINCT = re.compile(rf"({_OWNERS})_({_ELEMENTS})s_(1m|10m|1h|24h|7d|30d)")


def adds(event: Event, what: str) -> int:
    """Return what one event adds to a counter or to spend."""
    if what == "spend":
        amount = max(event.amount, 0)
        return {ATTEMPT: amount if event.outcome == 1 else 0, REVERSAL: -amount, REFUND: 0}[event.kind]
    if what == "reversals":
        return int(event.kind == REVERSAL)
    if event.kind != ATTEMPT:
        return 0
    if what == "attempts":
        return 1
    if what == "small_attempts":
        return int(0 <= event.amount <= 500)
    if what == "threeds_failed":
        return int(event.tds_failed)
    return int(event.outcome in CLASSES[what])


@dataclass
class Oracle:
    """Everything that happened so far."""

    events: list[Event] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if event.trusted:
            self.events.append(event)

    def of(self, entity: Entity, event: Event) -> list[Event]:
        return [other for other in self.events if other.key(entity) == event.key(entity)]

    def clock_ms(self, entity: Entity, event: Event) -> int:
        """Return the end of the windows: the latest time of this key, including the event's own."""
        return max([event.time_ms, *(other.time_ms for other in self.of(entity, event))])

    def count(self, name: str, event: Event, stretch: float = 1.0) -> int | None:
        """Return the true value of a counter or sum in a window `stretch` times as wide; None for other features."""
        match = COUNTED.fullmatch(name)
        if not match:
            return None
        entity = Entity[match[1].upper()]
        end = self.clock_ms(entity, event)
        since = end - WIDTH_MS[match[3]] * stretch
        return sum(adds(other, match[2]) for other in self.of(entity, event) if since < other.time_ms <= end)

    def distinct(self, name: str, event: Event, stretch_ms: int = 0) -> int | None:
        """Return the true number of distinct elements in a window wider by `stretch_ms`; None for other features."""
        match = DISTINCT.fullmatch(name)
        if not match:
            return None
        entity, element = Entity[match[1].upper()], Entity[match[2].upper()]
        end = self.clock_ms(entity, event)
        since = end - WIDTH_MS[match[3]] - stretch_ms
        met = [other for other in self.of(entity, event) if since < other.time_ms <= end and other.kind == ATTEMPT]
        return len({other.key(element) for other in met} - {0})

    def owner(self, name: str) -> Entity:
        match = COUNTED.fullmatch(name) or DISTINCT.fullmatch(name)
        assert match, name
        return Entity[match[1].upper()]
