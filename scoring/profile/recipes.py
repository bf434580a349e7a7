"""Recipes of profile features: name, description, and arithmetic over the scratch of an event."""

from dataclasses import dataclass
from typing import Final

from scoring.features import Feature
from scoring.profile.entities import WINDOW_NAME, Entity, Statistic, Window
from scoring.profile.layout import TABLES, Value
from scoring.profile.row_plans import MATURE_DAYS, REPORT_DELAY_DAYS

REPORT_PRIOR_ATTEMPTS: Final = 20.0
"""Weight of the prior in a merchant's report rate, in attempts: a few payments say little about the rate."""

REPORT_PRIOR_RATE: Final = 0.001
"""Report rate of an unknown merchant: 10 bps, between the usual rates of card-present and card-not-present trade."""

SECONDS_A_DAY: Final = 86_400.0

OUTCOMES: Final = {Statistic.APPROVED, Statistic.CRED, Statistic.RISK}
"""Statistics that need the issuer's answer. An attempt without an answer is in none of their rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Hold one feature and its arithmetic over the scratch: (a * b * scale + plus) / (c + prior)."""

    feature: Feature
    a: int
    b: int = Value.ONE
    c: int = Value.ONE
    scale: float = 1.0
    plus: float = 0.0
    prior: float = 0.0


def _say(name: str, unit: str, family: str, doc: str) -> Feature:
    return Feature(name=name, unit=unit, family=family, doc=doc)


_WHAT: Final = {
    Statistic.ATTEMPTS: ("attempts", "attempts", "Attempts"),
    Statistic.APPROVED: ("approved", "attempts", "Approved attempts"),
    Statistic.CRED: ("cred_declines", "attempts", "Attempts declined for card number, expiry or security code"),
    Statistic.FUNDS: ("funds_declines", "attempts", "Attempts declined for want of funds"),
    Statistic.RISK: ("risk_declines", "attempts", "Attempts declined as suspected fraud, stolen, closed or by policy"),
    Statistic.SMALL: ("small_attempts", "attempts", "Attempts of at most 500 yen"),
    Statistic.TDS_FAILED: ("threeds_failed", "attempts", "Attempts whose EMV 3-D Secure failed or was cancelled"),
    Statistic.REVERSALS: ("reversals", "events", "Reversals"),
    Statistic.SPEND: ("spend", "JPY", "Approved less reversed amounts"),
}


def low(entity: Entity) -> str:
    """Name an entity as features do."""
    return entity.name.lower()


def count(family: str, entity: Entity, statistic: Statistic, *windows: Window) -> list[Recipe]:
    """Read one counter or sum over several windows."""
    name, unit, doc = _WHAT[statistic]
    return [
        Recipe(
            feature=_say(
                f"{low(entity)}_{name}_{WINDOW_NAME[window]}",
                unit,
                family,
                f"{doc} of this {low(entity)} in {WINDOW_NAME[window]}.",
            ),
            a=TABLES.ring_of[entity, (statistic, window)],
        )
        for window in windows
    ]


def distinct(family: str, entity: Entity, element: Entity, *windows: Window) -> list[Recipe]:
    """Read the distinct `element` keys of an entity over several windows."""
    return [
        Recipe(
            feature=_say(
                f"{low(entity)}_{low(element)}s_{WINDOW_NAME[window]}",
                f"{low(element)}s",
                family,
                f"Distinct {low(element)}s attempted at this {low(entity)} in {WINDOW_NAME[window]}, estimated.",
            ),
            a=TABLES.distinct_of[entity, element, window],
        )
        for window in windows
    ]


def share(family: str, name: str, entity: Entity, statistic: Statistic, window: Window, doc: str) -> Recipe:
    """Divide one count of a window by the attempts of the same window, an outcome by those whose outcome is known."""
    whole = Statistic.ANSWERED if statistic in OUTCOMES else Statistic.ATTEMPTS
    return Recipe(
        feature=_say(name, "ratio", family, doc),
        a=TABLES.ring_of[entity, (statistic, window)],
        c=TABLES.ring_of[entity, (whole, window)],
    )


def read(family: str, name: str, unit: str, doc: str, scratch: int, scale: float = 1.0) -> Recipe:
    """Read one value of the scratch, scaled."""
    return Recipe(feature=_say(name, unit, family, doc), a=scratch, scale=scale)


def ratio(
    family: str, name: str, unit: str, doc: str, a: int, c: int, b: int = Value.ONE, scale: float = 1.0
) -> Recipe:
    """Divide a * b * scale by c; NaN where c is not positive."""
    return Recipe(feature=_say(name, unit, family, doc), a=a, b=b, c=c, scale=scale)


def ring(entity: Entity, statistic: Statistic, window: Window) -> int:
    """Find a counter's place in the scratch; KeyError if the row plans do not keep it."""
    return TABLES.ring_of[entity, (statistic, window)]


def age(family: str, entity: Entity) -> Recipe:
    """Read the age of an entity."""
    doc = f"Days from the first event kept of this {low(entity)}."
    return read(family, f"{low(entity)}_age_days", "days", doc, Value.AGE + entity, 1.0 / SECONDS_A_DAY)


def mature() -> list[Recipe]:
    """Read the attempts of a merchant whose reports must have come by now, and the share of them that was reported."""
    recipes = []
    for k, days in enumerate(MATURE_DAYS):
        span = f"the {days} whole days" if days > 1 else "the whole day"
        recipes += [
            read(
                "fraud_reports",
                f"merchant_mature_attempts_{days}d",
                "attempts",
                f"Attempts at this merchant in {span} that ended {REPORT_DELAY_DAYS} days before today.",
                Value.MATURE_ATTEMPTS + k,
            ),
            ratio(
                "fraud_reports",
                f"merchant_mature_report_rate_{days}d",
                "ratio",
                f"Fraud reports received on this merchant in {span} before today, over its attempts in as many days "
                f"{REPORT_DELAY_DAYS} days earlier, which these reports speak of.",
                Value.MATURE_REPORTS + k,
                Value.MATURE_ATTEMPTS + k,
            ),
        ]
    return recipes


_REPORTS: Final = {Window.D7: Value.MERCHANT_REPORTS_7D, Window.D30: Value.MERCHANT_REPORTS_30D}


def report_rate(window: Window) -> Recipe:
    """Divide a merchant's reports by its attempts, smoothed: (k + n0 p0) / (n + n0)."""
    doc = (
        f"Fraud reports received on this merchant in {WINDOW_NAME[window]} over its attempts in that time, "
        "drawn towards 10 bps when they are few."
    )
    return Recipe(
        feature=_say(f"merchant_report_rate_{WINDOW_NAME[window]}", "ratio", "fraud_reports", doc),
        a=_REPORTS[window],
        c=ring(Entity.MERCHANT, Statistic.ATTEMPTS, window),
        plus=REPORT_PRIOR_ATTEMPTS * REPORT_PRIOR_RATE,
        prior=REPORT_PRIOR_ATTEMPTS,
    )
