"""Entries of a policy: which events each is about, from when until when, and who answers for it."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import IntEnum
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId, Jpy, Mcc, MerchantId, ShortText, Text, Timestamp
from scoring.merchants.goods import GROUP_OF_MCC, MCC_GROUPS, MccGroup
from scoring.policy.reasons import REASON_IDS

Threshold = Annotated[int, Meta(ge=1, le=1000)]
"""A score from 0 to 999 reaches a band at or above its threshold; 1000 switches the band off."""

Given = Annotated[str, Meta(min_length=1, max_length=64)]
GivenText = Annotated[str, Meta(min_length=1, max_length=256)]
ReasonIds = Annotated[list[Given], Meta(max_length=64)]
ScopeList: Final = Meta(max_length=100_000)
FewEntries: Final = Meta(max_length=1_000)

ALWAYS_FROM_MS: Final = -(1 << 62)
ALWAYS_TO_MS: Final = 1 << 62
"""Ends of a period without one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Level(IntEnum):
    """Precedence of scopes: of those that name an event, the highest decides."""

    GLOBAL = 0
    ACQUIRER = 1
    GOODS = 2
    ACQUIRER_GOODS = 3
    MCC = 4
    ACQUIRER_MCC = 5
    MERCHANT = 6


class Scope(NamedTuple):
    """The events that an entry is about: all those with the names that are given."""

    acquirer: str | None = None
    merchant: str | None = None
    mcc: str | None = None
    goods: str | None = None

    @property
    def level(self) -> Level:
        """Its precedence."""
        if self.merchant is not None:
            return Level.MERCHANT
        if self.mcc is not None:
            return Level.MCC if self.acquirer is None else Level.ACQUIRER_MCC
        if self.goods is not None:
            return Level.GOODS if self.acquirer is None else Level.ACQUIRER_GOODS
        return Level.GLOBAL if self.acquirer is None else Level.ACQUIRER

    @property
    def name(self) -> str:
        """Its name for people: `a/m`, `any acquirer/5732`, `a`, `all events`."""
        inner = self.merchant or self.mcc or self.goods
        if inner is None:
            return self.acquirer or "all events"
        return f"{self.acquirer or 'any acquirer'}/{inner}"

    def names(self, acquirer: str, merchant: str, mcc: str) -> bool:
        """Say whether an event of these names is in the scope."""
        return (
            self.acquirer in (None, acquirer)
            and self.merchant in (None, merchant)
            and self.mcc in (None, mcc)
            and self.goods in (None, goods_of(mcc))
        )


def goods_of(mcc: str) -> str:
    """Return the group of goods of a merchant category: four digits."""
    return MCC_GROUPS[int(GROUP_OF_MCC[int(mcc)])]


def millis(stamp: datetime) -> int:
    """Return a time in ms since the epoch, rounded down."""
    return (stamp - _EPOCH) // _MS


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest scores of the bands REVIEW, STEP_UP and BLOCK."""

    review: Threshold
    step_up: Threshold
    block: Threshold

    def __post_init__(self) -> None:
        if not self.review <= self.step_up <= self.block:
            raise ValueError(
                f"thresholds must rise: review {self.review} <= step_up {self.step_up} <= block {self.block}"
            )


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all entries say. In force for events with `effective_from <= time < effective_to`.

    The time is the event's own, or that of its record where the event's is not trusted.
    """

    reason: Text = ""
    author: ShortText = ""
    approver: ShortText = ""
    effective_from: Timestamp | None = None
    effective_to: Timestamp | None = None

    def __post_init__(self) -> None:
        if self.from_ms >= self.to_ms:
            raise ValueError("effective_to must be after effective_from")
        if self.approver and self.approver == self.author:
            raise ValueError("approver must be another person than author")

    @property
    def scope(self) -> Scope:
        """The events that the entry is about."""
        return Scope(*[getattr(self, name, None) for name in Scope._fields])

    @property
    def label(self) -> str:
        """Its name in a comparison of policies."""
        return self.scope.name

    @property
    def from_ms(self) -> int:
        """First ms of its period, since the epoch."""
        return ALWAYS_FROM_MS if self.effective_from is None else millis(self.effective_from)

    @property
    def to_ms(self) -> int:
        """First ms after its period, since the epoch."""
        return ALWAYS_TO_MS if self.effective_to is None else millis(self.effective_to)


class AcquirerScope(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one acquirer."""

    acquirer: AcquirerId
    thresholds: Thresholds


class GoodsScope(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of a group of merchant categories. With an `acquirer` they are for that one only, and go first."""

    goods: MccGroup
    thresholds: Thresholds
    acquirer: AcquirerId | None = None


class MccScope(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one merchant category. With an `acquirer` they are for that one only, and take precedence."""

    mcc: Mcc
    thresholds: Thresholds
    acquirer: AcquirerId | None = None


class MerchantScope(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one merchant of one acquirer."""

    acquirer: AcquirerId
    merchant: MerchantId
    thresholds: Thresholds


class Targeted(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry for any scope: a merchant, a category, a group of goods, an acquirer, or all events."""

    acquirer: AcquirerId | None = None
    merchant: MerchantId | None = None
    mcc: Mcc | None = None
    goods: MccGroup | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.merchant is not None and self.acquirer is None:
            raise ValueError("merchant needs its acquirer")
        if sum(one is not None for one in (self.merchant, self.mcc, self.goods)) > 1:
            raise ValueError("merchant, mcc and goods exclude each other")


class Limit(Targeted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment of more than `amount_jpy` yen gets at least `band`. One without a known amount in yen does not."""

    amount_jpy: Jpy
    band: Literal["REVIEW", "STEP_UP", "BLOCK"] = "REVIEW"


class Override(Targeted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds for a time. They replace those of their own scope; a narrower scope still goes first."""

    thresholds: Thresholds
    effective_to: Timestamp
    author: Given
    reason: GivenText


class Suppression(Targeted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No alerts for a time, up to a band; BLOCK always alerts. `reasons`: only where one of them is the heaviest.

    Decisions stay as they are. Alerts of incidents and of sensitive data are not suppressed.
    """

    effective_to: Timestamp
    author: Given
    reason: GivenText
    reasons: ReasonIds = []
    up_to_band: Literal["REVIEW", "STEP_UP"] = "STEP_UP"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.reasons:
            if name not in REASON_IDS:
                nearest = get_close_matches(name, REASON_IDS, n=1)
                way_out = f"did you mean {nearest[0]}?" if nearest else "deploy/docs/reasons.md lists them"
                raise ValueError(f"reasons has an id that no reason has; {way_out}")


OF_ONE_SCOPE: Final = ("acquirers", "goods", "mccs", "merchants", "limits", "overrides")
"""Sections in which one scope has one entry at a time."""


def refuse_overlaps(section: str, entries: Iterable[Entry]) -> None:
    """Refuse two entries of a section about one scope at one time.

    Raises:
        ValueError: it names the scope.
    """
    periods: dict[Scope, list[tuple[int, int]]] = {}
    for entry in entries:
        taken = periods.setdefault(entry.scope, [])
        period = (entry.from_ms, entry.to_ms)
        at = bisect_right(taken, period)
        if (at and taken[at - 1][1] > period[0]) or (at < len(taken) and taken[at][0] < period[1]):
            raise ValueError(
                f"{section} names {entry.scope.name} twice: keep one of the two, or let one end before the other begins"
            )
        taken.insert(at, period)


def field_names(*records: type[Struct]) -> list[str]:
    """List the names of all fields of records, as a document has them."""
    return sorted({field.encode_name for record in records for field in msgspec.structs.fields(record)})
