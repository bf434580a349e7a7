"""Configuration of simulated traffic: size, time, rates of episodes, fraud reports."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Typology = Literal["T1", "T2", "T3", "T4", "T8", "T9", "T11"]
TYPOLOGIES: tuple[Typology, ...] = ("T1", "T2", "T3", "T4", "T8", "T9", "T11")

Script = Literal["FRAUD_FREQUENT", "REPLAYED_RESULTS"]
"""Courses of events that are planned only, and never drawn: see `episodes.frequent` and `episodes.replay`."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_748_703_600_000
"""2025-06-01T00:00:00+09:00, a Sunday: the default start, so that no default depends on a clock."""

DEMO_EVENTS_PER_DAY = 60_000

_Share = Annotated[float, Meta(ge=0.0, le=1.0)]
_Rate = Annotated[float, Meta(ge=0.0, le=1_000.0)]


class EpisodeRates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean number of episodes that begin per 100,000 ordinary events, by typology.

    The defaults give about 0.4 % fraud, without enumeration attempts. That is several times the 3 basis points by value
    that Japan's issuers report for all shopping, because this mix has much e-commerce.
    """

    t1: _Rate = 1.0  # enumeration, credit master
    t2: _Rate = 2.5  # card testing
    t3: _Rate = 24.0  # stolen card, burst or one quiet purchase
    t4: _Rate = 9.0  # account takeover
    t8: _Rate = 11.0  # cross-border
    t9: _Rate = 4.5  # phishing, one-time password passed, goods for resale
    t11: _Rate = 5.0  # 3-D Secure abuse

    def of(self, typology: Typology) -> float:
        """Return the rate of one typology."""
        rate: float = getattr(self, typology.lower())
        return rate


class Planned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An episode with a planned begin: `at_ms` after the start of the stream; `severity` from 0 quiet to 1 loud.

    With a `script` it takes that course in place of a draw of its typology, whatever the severity.
    """

    name: Annotated[str, Meta(min_length=1, max_length=48)]
    typology: Typology
    at_ms: Annotated[int, Meta(ge=0, le=3650 * DAY_MS)]
    severity: _Share = 0.6
    script: Script | None = None


class SimulatorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All inputs of a stream. The same config gives the same bytes, with any hash seed.

    `start_ms` is milliseconds since the epoch, UTC, from 2000 to mid-2090. The daily rhythm is always that of
    Asia/Tokyo. Bounds are checked on construction; beyond them it raises `ValueError`.
    """

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1
    start_ms: Annotated[int, Meta(ge=946_684_800_000, le=3_800_000_000_000)] = START_MS
    days: Annotated[int, Meta(ge=1, le=3650)] = 7
    events_per_day: Annotated[int, Meta(ge=1, le=20_000_000)] = 20_000
    cards: Annotated[int, Meta(ge=100, le=5_000_000)] = 50_000
    merchants: Annotated[int, Meta(ge=60, le=200_000)] = 1_500
    episodes: EpisodeRates = EpisodeRates()
    planned: Annotated[tuple[Planned, ...], Meta(max_length=10_000)] = ()
    background_days: Annotated[int, Meta(ge=0, le=3650)] | None = None
    """Days from the start on which unplanned episodes may begin; None: all of them."""
    quiet_share: _Share = 0.12
    """Share of fraudulent purchases without any trace: with the card's own habits, device and address."""
    report_share: _Share = 0.85
    """Share of approved fraud that is reported."""
    report_delay_days: Annotated[float, Meta(gt=0.0, le=120.0)] = 5.0
    """Median days from the payment to the receipt of its report."""
    first_party_share: _Share = 0.0002
    """Share of genuine e-commerce purchases that are disputed."""
    repeat_share: _Share = 0.0
    """Share of events published twice: sources deliver at least once."""

    def __post_init__(self) -> None:
        # A Struct checks its bounds when it is decoded, not when it is built: an object must be valid either way.
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        try:
            msgspec.convert(msgspec.to_builtins(fields), _Bounds)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    @property
    def end_ms(self) -> int:
        """The first millisecond after the stream."""
        return self.start_ms + self.days * DAY_MS


_Bounds = msgspec.defstruct(
    "_Bounds", [(f.name, f.type) for f in msgspec.structs.fields(SimulatorConfig)], forbid_unknown_fields=True
)


_DEMO_PLAN: tuple[tuple[Typology, int, float, str], ...] = (
    # typology, minute of the demo day (Asia/Tokyo), severity, name
    ("T1", 2 * 60 + 10, 0.9, "credit-master-night"),
    ("T1", 11 * 60 + 30, 0.5, "credit-master-noon"),
    ("T1", 19 * 60 + 5, 0.2, "credit-master-slow"),
    ("T2", 3 * 60 + 20, 0.8, "card-testing-night"),
    ("T2", 13 * 60 + 15, 0.5, "card-testing-noon"),
    ("T2", 21 * 60, 0.3, "card-testing-quiet"),
    ("T3", 1 * 60 + 40, 0.9, "stolen-card-spree-1"),
    ("T3", 4 * 60 + 30, 0.7, "stolen-card-spree-2"),
    ("T3", 9 * 60 + 50, 0.5, "stolen-card-morning"),
    ("T3", 16 * 60 + 25, 0.6, "stolen-card-afternoon"),
    ("T3", 22 * 60 + 10, 0.05, "stolen-card-single"),
    ("T4", 6 * 60 + 15, 0.8, "account-takeover-1"),
    ("T4", 12 * 60 + 40, 0.5, "account-takeover-2"),
    ("T4", 18 * 60 + 20, 0.7, "account-takeover-3"),
    ("T8", 5 * 60 + 5, 0.8, "cross-border-1"),
    ("T8", 14 * 60 + 30, 0.5, "cross-border-2"),
    ("T8", 20 * 60 + 15, 0.6, "cross-border-3"),
    ("T9", 8 * 60 + 20, 0.9, "phishing-resale-ring-1"),
    ("T9", 12 * 60 + 5, 0.75, "phishing-resale-ring-2"),
    ("T9", 15 * 60 + 45, 0.85, "phishing-resale-ring-3"),
    ("T11", 7 * 60 + 10, 0.8, "threeds-abuse-morning"),
    ("T11", 10 * 60 + 35, 0.5, "threeds-abuse-noon"),
    ("T11", 18 * 60 + 50, 0.7, "threeds-abuse-evening"),
)

_DEMO_SCRIPTS: tuple[tuple[Typology, int, Script, str], ...] = (
    ("T3", 60, "FRAUD_FREQUENT", "fraud-frequent-shop"),
    ("T11", 13 * 60 + 10, "REPLAYED_RESULTS", "threeds-results-replayed"),
)


def demo(*, seed: int = 7, start_ms: int = START_MS, history_days: int = 3) -> SimulatorConfig:
    """Return a config of `history_days` ordinary days and then one day of 60,000 events with named episodes.

    The demo day begins `history_days` after `start_ms`, which should be midnight in Asia/Tokyo for the names to
    match the hour. On it only the planned episodes begin; episodes of earlier days may still continue.
    """
    planned = tuple(
        Planned(name=name, typology=typology, severity=severity, at_ms=history_days * DAY_MS + minute * 60_000)
        for typology, minute, severity, name in _DEMO_PLAN
    )
    planned += tuple(
        Planned(name=name, typology=typology, script=script, at_ms=history_days * DAY_MS + minute * 60_000)
        for typology, minute, script, name in _DEMO_SCRIPTS
    )
    return SimulatorConfig(
        seed=seed,
        start_ms=start_ms,
        days=history_days + 1,
        events_per_day=DEMO_EVENTS_PER_DAY,
        cards=100_000,
        merchants=2_000,
        planned=planned,
        background_days=history_days,
        repeat_share=0.0005,
    )
