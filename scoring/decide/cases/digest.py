"""Digests: when a merchant floods, one alert with a growing count takes the place of single ones until it calms down.

An alert of severity CRITICAL is always raised. It counts, and no digest takes it. A partition counts its own alerts and
adds what it knows of the others; the one that opened a digest raises its alerts: when it opens, when it has ten, a
hundred, a thousand alerts and so on, and when the merchant was quiet for long enough.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import orjson
from msgspec import Struct
from msgspec.json import decode

from scoring.contract.codes import Band
from scoring.contract.faults import FAULTS
from scoring.contract.types import EventId
from scoring.decide.alerts import SEVERITIES
from scoring.decide.cases.flood import EXAMPLES_MAX, REASONS_MAX, Flood
from scoring.decide.cases.part import AT_RISK_MAX
from scoring.decide.cases.rows import CaseRows
from scoring.decide.decisions import BAND_NAMES
from scoring.decide.published import PublishedIds
from scoring.outputs import Record
from scoring.policy.policy import AlertRules

State = Literal["OPENED", "GREW", "CLOSED"]

REASONS_TOLD_MAX: Final = 5
KEPT_MS: Final = 24 * 3_600_000
"""Counts of a merchant without an alert for so long may be dropped, and parts whose leader never ends its digest."""

_KEPT_QUIETS: Final = 2  # a part without a leader is kept for so many quiet times: the leader may not be known yet
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that a case would raise. `merchant`: its key of 64 bits; `record`: the alert as encoded.

    `is_published`: it was published as a single alert before a takeover. So no digest takes it.
    """

    merchant: int
    at_ms: int
    band: int
    amount_jpy: int
    reason: str
    event_id: str
    record: Record
    is_published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert of a digest, and what is counted of it."""

    alert_id: str
    state: State
    severity: str
    record: Record


class _Told(Struct):
    """The fields by which a published alert of a digest is known."""

    alert_id: EventId
    digest: dict[str, object]


class DigestDesk:
    """The digests of one worker, kept in `rows` beside the cases."""

    def __init__(self, rules: AlertRules, rows: CaseRows, partitions: int = 1) -> None:
        self.use(rules)
        self._rows = rows
        self._partitions = partitions
        self._published = PublishedIds()

    def use(self, rules: AlertRules) -> None:
        """Follow other rules from now on; open digests stay."""
        self._alerts_max = rules.digest.alerts_max
        self._window_ms = rules.digest.window_minutes * _MINUTE_MS
        self._quiet_ms = rules.digest.quiet_minutes * _MINUTE_MS

    def restore(self, value: bytes) -> bool:
        """Remember a published alert. Return whether the value is one of a digest."""
        if b'"digest":' not in value:
            return False
        try:
            found = decode(value, type=_Told)
        except FAULTS:
            return False
        self._published.remember(found.alert_id)
        return True

    def absorb(self, published: AbstractSet[str]) -> None:
        """Remember ids of alerts that an earlier owner of a partition published after its last marker."""
        self._published.absorb(published)

    def is_new(self, raised: Raised) -> bool:
        """Say whether an alert was not published before."""
        return raised.alert_id not in self._published

    def admit(self, fired: Fired, partition: int) -> tuple[bool, list[Raised]]:
        """Count an alert. Return whether a digest takes it, and the alerts that the digest raises."""
        partition = self._kept_under(partition)
        floods, window = self._rows.floods.of(fired.merchant), fired.at_ms // self._window_ms
        own = floods.get(partition) or Flood(window=window)
        lead = self._lead(floods, fired.at_ms)
        own.alerts = own.alerts + 1 if own.window == window else 1 if window > own.window else own.alerts
        own.window = max(own.window, window)
        others = sum(one.alerts for number, one in floods.items() if number != partition and one.window == window)
        is_over_limit = own.window == window and own.alerts + others > self._alerts_max
        is_taken = fired.band < Band.BLOCK and not fired.is_published and (lead is not None or is_over_limit)
        if is_taken:
            self._take(own, lead, fired)
        if not own.is_open:
            own.last_ms = max(own.last_ms, fired.at_ms)
        dropped = self._rows.floods.touch(fired.merchant, partition, own, fired.at_ms - KEPT_MS)
        if is_taken or dropped:
            self._rows.look_again(partition)
        self._rows.note(partition, (fired.merchant, *dropped))
        return is_taken, self._grown(own, self._rows.floods.of(fired.merchant)) if is_taken else []

    def _take(self, own: Flood, lead: Flood | None, fired: Fired) -> None:
        """Add an alert to the own part of the digest that `lead` leads, or open one."""
        if lead is None or not own.is_open or own.start_ms != lead.start_ms:
            is_same = own.is_open and lead is not None and lead.start_ms <= own.start_ms
            if not is_same:  # what is of an earlier digest is over
                own.count = own.at_risk_jpy = own.band = own.told_level = 0
                own.reasons, own.examples, own.base = {}, [], b"{}"
                own.last_ms = fired.at_ms
            own.is_open, own.leads = True, lead is None
            own.start_ms = fired.at_ms if lead is None else lead.start_ms
            if lead is None:
                own.base = fired.record[1]
        own.count += 1
        own.at_risk_jpy = min(own.at_risk_jpy + fired.amount_jpy, AT_RISK_MAX)
        own.band = max(own.band, fired.band)
        own.last_ms = max(own.last_ms, fired.at_ms)
        if fired.reason in own.reasons or len(own.reasons) < REASONS_MAX:
            own.reasons[fired.reason] = own.reasons.get(fired.reason, 0) + 1
        if len(own.examples) < EXAMPLES_MAX:
            own.examples.append(fired.event_id)

    def _lead(self, floods: Mapping[int, Flood], at_ms: int) -> Flood | None:
        """Return the part that leads the open digest of a merchant, if it is not over."""
        leads = sorted((one.start_ms, number) for number, one in floods.items() if one.is_open and one.leads)
        for _, number in leads:
            last_ms = max(one.last_ms for one in floods.values() if one.start_ms == floods[number].start_ms)
            if at_ms <= last_ms + self._quiet_ms:
                return floods[number]
        return None

    def _grown(self, own: Flood, floods: Mapping[int, Flood]) -> list[Raised]:
        if not own.leads:
            return []
        level = len(str(sum(one.count for one in _same(own, floods))))
        if level <= own.told_level:
            return []
        state: State = "GREW" if own.told_level else "OPENED"
        own.told_level = level
        return [_encode(own, floods, state)]

    def due_ms(self, partition: int) -> int | None:
        """Return until when no digest of a partition is over; None if none is open: the common case."""
        partition = self._kept_under(partition)
        keys = self._rows.open_floods(partition)
        if not keys:
            return None
        return min(self._over_ms(key, partition) for key in keys)

    def close(self, partition: int, at_ms: int) -> Iterator[Raised]:
        """Close the digests that were quiet until `at_ms`, and return their last alerts."""
        partition = self._kept_under(partition)
        for key in list(self._rows.open_floods(partition)):
            if at_ms <= self._over_ms(key, partition):
                continue
            floods = self._rows.floods.of(key)
            if floods[partition].leads:
                yield _encode(floods[partition], floods, "CLOSED")
            self._rows.floods.drop(key, partition)
            self._rows.look_again(partition)
            self._rows.note(partition, (key,))

    def _over_ms(self, key: int, partition: int) -> int:
        """Return until when a part is kept: that of a leader for a quiet time, others until the leader added them."""
        floods = self._rows.floods.of(key)
        own = floods[partition]
        same = _same(own, floods)
        kept_ms = self._quiet_ms
        if not own.leads:
            has_leader = any(one.leads for one in same)
            kept_ms = max(_KEPT_QUIETS * self._quiet_ms, KEPT_MS * has_leader)
        return max(one.last_ms for one in same) + kept_ms

    def _kept_under(self, partition: int) -> int:
        return 0 if self._partitions == 1 else partition


def _same(of: Flood, floods: Mapping[int, Flood]) -> list[Flood]:
    """Return the parts of one digest, which began at the same time."""
    return [one for one in floods.values() if one.is_open and one.start_ms == of.start_ms]


def _encode(lead: Flood, floods: Mapping[int, Flood], state: State) -> Raised:
    """Encode an alert of a digest: the alert that opened it, with what all parts say."""
    base, parts = orjson.loads(lead.base), _same(lead, floods)
    dedup_key = f"MERCHANT:DIGEST:{merchant_digest(base['acquirer_id'], base['merchant_id'])}"
    digest_id = blake2b(f"{dedup_key}\x1f{lead.start_ms // _MINUTE_MS}".encode(), digest_size=16).hexdigest()
    level = lead.told_level if state == "GREW" else 0
    count, band = sum(one.count for one in parts), Band(max(one.band for one in parts))
    at_risk_jpy = min(sum(one.at_risk_jpy for one in parts), AT_RISK_MAX)
    reasons: dict[str, int] = {}
    for part in parts:
        for reason, times in part.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + times
    told = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:REASONS_TOLD_MAX]
    last_ms = max(one.last_ms for one in parts)
    alert = base | {
        "alert_id": blake2b(f"{digest_id}\x1f{state}\x1f{level}".encode(), digest_size=16).hexdigest(),
        "dedup_key": dedup_key,
        "type": "MERCHANT",
        "severity": SEVERITIES[band],
        "entity": "MERCHANT",
        "band": BAND_NAMES[band],
        "count": count,
        "first_seen_ms": lead.start_ms,
        "last_seen_ms": last_ms,
        "amount_jpy": None,
        "at_risk_jpy": at_risk_jpy,
        "digest": {
            "digest_id": digest_id,
            "state": state,
            "reasons": [{"id": reason, "alerts": times} for reason, times in told],
            "examples": [event for part in parts for event in part.examples][:EXAMPLES_MAX],
        },
    }
    return Raised(
        alert_id=alert["alert_id"],
        state=state,
        severity=SEVERITIES[band],
        record=(dedup_key.encode(), orjson.dumps(alert)),
    )


def merchant_digest(acquirer: str, merchant: str) -> str:
    """Return the part of a dedup key that stands for a merchant."""
    return blake2b(f"{acquirer}\x1fDIGEST\x1f{merchant}".encode(), digest_size=12).hexdigest()
