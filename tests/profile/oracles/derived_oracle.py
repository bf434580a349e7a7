"""Features that the other oracles do not have, counted again from all events: ratios, times, novelty, amounts.

`None` is unknown everywhere. A window is the current quarter and the four before it, as the profiles promise.
"""

from dataclasses import dataclass, field
from math import sqrt

from scoring.profile import Entity
from tests.profile.events import ATTEMPT, REFUND, Event
from tests.profile.oracles.oracle import WIDTH_MS, adds

DAY = 86_400
APPROVED, FUNDS = 1, 4

RATIOS: dict[str, tuple[Entity, str, str, str, str, float]] = {
    "merchant_attempts_1h_over_usual": (Entity.MERCHANT, "attempts", "1h", "attempts", "30d", 720.0),
    "merchant_refunds_over_attempts_7d": (Entity.MERCHANT, "refunds", "7d", "attempts", "7d", 1.0),
    "card_approval_rate_24h": (Entity.CARD, "approved", "24h", "attempts", "24h", 1.0),
    "merchant_approval_rate_1h": (Entity.MERCHANT, "approved", "1h", "attempts", "1h", 1.0),
    "merchant_approval_rate_24h": (Entity.MERCHANT, "approved", "24h", "attempts", "24h", 1.0),
    "merchant_bin_approval_rate_1h": (Entity.MERCHANT_BIN, "approved", "1h", "attempts", "1h", 1.0),
    "merchant_risk_rate_24h": (Entity.MERCHANT, "risk_declines", "24h", "attempts", "24h", 1.0),
    "merchant_cred_rate_1h": (Entity.MERCHANT, "cred_declines", "1h", "attempts", "1h", 1.0),
    "merchant_bin_cred_rate_1h": (Entity.MERCHANT_BIN, "cred_declines", "1h", "attempts", "1h", 1.0),
    "bin_cred_rate_1h": (Entity.BIN, "cred_declines", "1h", "attempts", "1h", 1.0),
    "merchant_small_rate_1h": (Entity.MERCHANT, "small_attempts", "1h", "attempts", "1h", 1.0),
    "merchant_small_rate_30d": (Entity.MERCHANT, "small_attempts", "30d", "attempts", "30d", 1.0),
    "merchant_threeds_failed_rate_24h": (Entity.MERCHANT, "threeds_failed", "24h", "attempts", "24h", 1.0),
    "card_mean_amount_30d": (Entity.CARD, "spend", "30d", "approved", "30d", 1.0),
    "card_spend_1h_over_daily": (Entity.CARD, "spend", "1h", "spend", "30d", 30.0),
}
"""By name: the entity; the numerator and its window; the denominator and its window; the factor."""

OVER_MEAN = {"card_amount_over_mean_30d": Entity.CARD, "merchant_amount_over_mean_30d": Entity.MERCHANT}
AGES = {
    f"{entity.name.lower()}_age_days": entity
    for entity in (Entity.CARD, Entity.DEVICE, Entity.IP, Entity.ACCOUNT, Entity.ADDRESS)
}
NEW_TO_CARD = {"merchant": 8, "device": 4, "address": 4, "mcc": 4, "country": 4}
NEW_TO_ACCOUNT = ("card", "device", "address")


ZSCORES = {"card_amount_zscore": 32, "card_amount_zscore_long": 255}
"""By name: the number of amounts after which those before them fade."""

UNUSUAL = ("card_mean_amount_long", "card_amount_surprise", "card_amount_outlier_rate")


def spread_of(amounts: list[int], memory: int) -> tuple[float, float]:
    """Return mean and variance: plain over the first `memory` amounts; each later one has weight 1 / memory."""
    mean = variance = 0.0
    for count, amount in enumerate(amounts, 1):
        weight = 1 / min(count, memory)
        off = amount - mean
        mean, variance = mean + weight * off, (1 - weight) * (variance + weight * off * off)
    return mean, variance


def away(amounts: list[int], amount: int, memory: int) -> float:
    """Return how many deviations an amount is from those before it; a tenth of the mean is the least deviation."""
    mean, variance = spread_of(amounts, memory)
    return (amount - mean) / sqrt(variance + 0.01 * mean * mean + 1)


def second_of(event: Event) -> int:
    """Truncate an event's time to seconds."""
    return event.time_ms // 1000


@dataclass
class Everything:
    """All events so far whose time is trusted, in the order of their arrival."""

    events: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if event.trusted:
            self.events.append(event)

    def of(self, entity: Entity, event: Event) -> list[Event]:
        return [other for other in self.events if other.key(entity) == event.key(entity) != 0]

    def now_s(self, entity: Entity, event: Event) -> int:
        """Return the end of an entity's windows: its latest event, including this one if its time is trusted."""
        return max([second_of(event)] * event.trusted + [second_of(other) for other in self.of(entity, event)] + [0])

    def held(self, entity: Entity, what: str, window: str, event: Event) -> int:
        """Count over the current quarter of a window and the four before it; a sum below zero reads as zero."""
        quarter = WIDTH_MS[window] // 4_000
        since = self.now_s(entity, event) // quarter - 4
        inside = [other for other in self.of(entity, event) if second_of(other) // quarter >= since]
        if what == "refunds":
            return sum(other.kind == REFUND for other in inside)
        return max(sum(adds(other, what) for other in inside), 0)

    def ratio(self, name: str, event: Event) -> float | None:
        entity, top, of, bottom, over, factor = RATIOS[name]
        below = self.held(entity, bottom, over, event)
        return self.held(entity, top, of, event) * factor / below if below > 0 else None

    def over_mean(self, entity: Entity, event: Event) -> float | None:
        spend, approved = (self.held(entity, what, "30d", event) for what in ("spend", "approved"))
        return event.amount * approved / spend if spend > 0 and event.amount >= 0 else None

    def since_s(self, event: Event) -> float | None:
        of = [second_of(other) for other in self.of(Entity.CARD, event)]
        return float(max(second_of(event) - max(of), 0)) if of and event.trusted else None

    def age_days(self, entity: Entity, event: Event) -> float | None:
        of = [second_of(other) for other in self.of(entity, event)]
        return (self.now_s(entity, event) - min(of)) / DAY if of else None

    def parties_new(self, event: Event) -> float | None:
        """Count device, network address and delivery address whose first event is not more than a day old."""
        named = [e for e in (Entity.DEVICE, Entity.IP, Entity.ADDRESS) if event.key(e) != 0]
        ages = [self.age_days(entity, event) for entity in named]
        return float(sum(age is None or age <= 1 for age in ages)) if named else None

    def new_to_account(self, what: str, event: Event) -> float | None:
        of, element = self.of(Entity.ACCOUNT, event), Entity[what.upper()]
        if not of or event.key(element) == 0:
            return None
        met = [second_of(o) for o in of if o.kind == ATTEMPT and o.key(element) == event.key(element)]
        return float(not met or max(met) < self.now_s(Entity.ACCOUNT, event) - 30 * DAY)

    def attempts(self, event: Event) -> list[Event]:
        """Return the attempts of an event's card."""
        return [other for other in self.of(Entity.CARD, event) if other.kind == ATTEMPT]

    def new_to_card(self, what: str, event: Event) -> float | None:
        """Eight merchants are known by the time of the last payment there; of other elements the last four."""
        values = [(getattr(other, what), second_of(other)) for other in self.attempts(event)]
        known = self._latest(values) if what == "merchant" else self._last(values)
        wanted = getattr(event, what)
        return None if wanted == 0 or not known else float(wanted not in known)

    def _last(self, values: list[tuple[int, int]]) -> list[int]:
        found: list[int] = []
        for value, _ in reversed(values):
            if value != 0 and value not in found:
                found.append(value)
        return found[:4]

    def _latest(self, values: list[tuple[int, int]]) -> dict[int, int]:
        slots: dict[int, int] = {}
        for value, second in values:
            if value == 0:
                continue
            if value not in slots and len(slots) == 8:
                oldest = min(slots, key=lambda merchant: slots[merchant])
                if second <= slots[oldest]:
                    continue
                del slots[oldest]
            slots[value] = max(slots.get(value, 0), second)
        return slots

    def amounts(self, event: Event) -> list[int]:
        """Return the approved amounts of an event's card."""
        return [other.amount for other in self.attempts(event) if other.amount > 0 and other.outcome == APPROVED]

    def zscore(self, event: Event, memory: int) -> float | None:
        amounts = self.amounts(event)
        return away(amounts, event.amount, memory) if len(amounts) >= 3 and event.amount >= 0 else None

    def unusual(self, event: Event) -> dict[str, float | None]:
        """Judge each amount by those before it, and forget at the rate of 1 / 8 and 1 / 16 an amount."""
        amounts, surprise, outliers = self.amounts(event), 0.0, 0.0
        for k in range(3, len(amounts)):
            deviations = away(amounts[:k], amounts[k], 255)
            surprise = surprise * 7 / 8 + sorted([-5.0, deviations, 10.0])[1] / 8
            outliers = outliers * 15 / 16 + (deviations > 3) / 16
        found: dict[str, float | None] = dict.fromkeys(UNUSUAL)
        if len(amounts) >= 3:
            mean, _ = spread_of(amounts, 255)
            found = dict(zip(UNUSUAL, (mean, surprise, outliers), strict=True))
        return found

    def ladder(self, event: Event) -> int:
        """Count funds declines at falling amounts, each within a day of the event before it."""
        run, above, last = 0, 0, 0
        for other in self.of(Entity.CARD, event):
            at = second_of(other)
            if other.kind == ATTEMPT and other.outcome == APPROVED:
                run, above = 0, 0
            elif other.kind == ATTEMPT and other.outcome == FUNDS and other.amount > 0:
                run = run + 1 if run and other.amount < above and at - last <= DAY else 1
                above = other.amount
            last = max(last, at)
        idle = max(second_of(event) - last, 0) if event.trusted else 0
        return run if idle <= DAY else 0
