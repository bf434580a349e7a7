"""Authorizations as the profile kernels take them, one by one and readable."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import OutcomeResult
from scoring.profile import PROFILE_FEATURES, Entity, EventColumns, ProfileLimits, Profiles, Reports

NAMES = tuple(feature.name for feature in PROFILE_FEATURES)
NOON = 1_700_006_400  # seconds; a multiple of 86,400, so a bucket of every window up to 24 h begins here

APPROVED, BAD_PAN, BAD_CRED, FUNDS, FRAUD, HARD, POLICY, STOP = 1, 2, 3, 4, 5, 6, 7, 11
ATTEMPT, REVERSAL, REFUND = 0, 1, 2

SMALL = ProfileLimits(card=64, merchant=64, merchant_bin=64, bin=64, device=64, ip=64, account=64, address=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One authorization. Keys are small numbers, 0 is absent; ids differ by default."""

    time_ms: int = NOON * 1000
    card: int = 1
    merchant: int = 1
    merchant_bin: int = 1
    bin: int = 1
    device: int = 1
    ip: int = 1
    account: int = 1
    address: int = 1
    amount: int = 1_000
    outcome: int = APPROVED
    kind: int = ATTEMPT
    mcc: int = 5732
    country: int = 392
    tds_failed: bool = False
    trusted: bool = True
    id: int | None = None
    apart: bool = False  # an outcome on the topic of outcomes

    def key(self, entity: Entity) -> int:
        key: int = getattr(self, entity.name.lower())
        return key


def at(second: float, **fields: object) -> Event:
    """Make an event this many seconds after noon."""
    return Event(time_ms=round((NOON + second) * 1000), **fields)  # type: ignore[arg-type]


@lru_cache(1 << 12)
def spread(entity: Entity, key: int) -> int:
    """Spread a small key over 64 bits like a hash of the decoder; 0 stays absent."""
    if key == 0:
        return 0
    mixed = (key * 8 + entity + 1) * 0x9E3779B97F4A7C15 & (2**64 - 1)
    mixed = (mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return mixed ^ (mixed >> 32) or 1


def ids(events: Sequence[Event], start: int = 0) -> list[int]:
    """Give an id to every event that has none."""
    return [1_000_003 * (start + i + 1) if event.id is None else event.id for i, event in enumerate(events)]


def columns_of(events: Sequence[Event], event_ids: Sequence[int]) -> EventColumns:
    return EventColumns(
        event_id=np.array(event_ids, dtype=np.uint64),
        keys=np.array([[spread(e, event.key(e)) for e in Entity] for event in events], dtype=np.uint64).reshape(-1, 8),
        time_ms=np.array([event.time_ms for event in events], dtype=np.int64),
        amount_jpy=np.array([event.amount for event in events], dtype=np.int64),
        outcome=np.array([event.outcome for event in events], dtype=np.int8),
        kind=np.array([event.kind for event in events], dtype=np.int8),
        mcc=np.array([event.mcc for event in events], dtype=np.int32),
        country=np.array([event.country for event in events], dtype=np.int32),
        tds_failed=np.array([event.tds_failed for event in events], dtype=np.bool_),
        trusted_time=np.array([event.trusted for event in events], dtype=np.bool_),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One fraud report; keys as in `Event`."""

    received_ms: int = NOON * 1000
    card: int = 1
    merchant: int = 1
    amount: int = 1_000


def reports(items: Sequence[Report]) -> Reports:
    return Reports(
        card=np.array([spread(Entity.CARD, item.card) for item in items], dtype=np.uint64),
        merchant=np.array([spread(Entity.MERCHANT, item.merchant) for item in items], dtype=np.uint64),
        received_ms=np.array([item.received_ms for item in items], dtype=np.int64),
        amount_jpy=np.array([item.amount for item in items], dtype=np.int64),
    )


class Named(Sequence[dict[str, float]]):
    """Rows of features by name, each made when it is read: a test feeds many events and looks at few."""

    def __init__(self, rows: NDArray[np.float64]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, at: slice) -> "Named": ...
    def __getitem__(self, at: int | slice) -> "dict[str, float] | Named":
        if isinstance(at, slice):
            return Named(self._rows[at])
        return dict(zip(NAMES, self._rows[at].tolist(), strict=True))


class Stream:
    """Feeds events and reports to profiles and names the features."""

    def __init__(self, limits: ProfileLimits = SMALL) -> None:
        self.profiles = Profiles(limits)
        self.repeats: list[bool] = []
        self.disordered: list[bool] = []
        self.answers: list[bool] = []
        self._fed = 0

    def feed(self, *events: Event) -> "Named":
        """Score one batch; return the features of each event by name."""
        out = np.full((len(events), len(NAMES) + 3), -7.0)
        seen = self.profiles.read_then_update(columns_of(events, ids(events, self._fed)), out, 2)
        assert (out[:, [0, 1, -1]] == -7.0).all(), "columns of other packages were overwritten"
        self._fed += len(events)
        self.repeats += seen.repeats.tolist()
        self.disordered += seen.disordered.tolist()
        self.answers += seen.answers.tolist()
        return Named(out[:, 2:-1])

    def last(self, *events: Event) -> dict[str, float]:
        """Score one batch; return the features of its last event."""
        return self.feed(*events)[-1]

    def outcome(self, *events: Event) -> list[str]:
        """Take outcomes of their own topic; return the result of each."""
        results = self.profiles.take_outcomes(columns_of(events, ids(events, self._fed)))
        self._fed += len(events)
        return [OutcomeResult(result).name for result in results.tolist()]

    def report(self, *items: Report) -> None:
        self.profiles.report(reports(items))
