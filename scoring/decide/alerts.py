"""Alerts: the few decisions a person should see, one case per attack however many authorizations it has.

An alert is about an entity, which its heaviest reason names: a BIN burst is about the merchant and BIN, a delivery
address shared by many cards about the address, anything else about the card. Alerts about one entity inside the
window are one case: later ones are suppressed and counted, unless the severity rises.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson
from msgspec import Struct
from msgspec.json import decode

from scoring.clock import AHEAD_MAX_MS, BEHIND_MAX_MS
from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band
from scoring.contract.decision import BandName, Reason
from scoring.contract.faults import FAULTS
from scoring.contract.types import Count, ShortText, TimeMs
from scoring.decide.decisions import BAND_NAMES, as_dict
from scoring.outputs import Record
from scoring.policy.policy import AlertRules

CASES_MAX = 200_000
"""Open cases kept; the one idle for longest is dropped beyond that, which can only repeat an alert."""

SEVERITIES = {Band.REVIEW: "MEDIUM", Band.STEP_UP: "HIGH", Band.BLOCK: "CRITICAL"}

ENTITY_OF_REASON = {
    "ENUM_BIN_BURST": "MERCHANT_BIN",
    "ENUM_MERCHANT_CARDS": "MERCHANT",
    "VEL_DEVICE_CARDS": "DEVICE",
    "VEL_DEVICE_MERCHANTS": "DEVICE",
    "VEL_DEVICE_ACCOUNTS": "DEVICE",
    "DEVICE_NEW": "DEVICE",
    "VEL_IP_CARDS": "IP",
    "VEL_IP_MERCHANTS": "IP",
    "VEL_IP_ACCOUNTS": "IP",
    "IP_NEW": "IP",
    "VEL_ADDR_CARDS": "ADDRESS",
    "VEL_ADDR_ACCOUNTS": "ADDRESS",
    "VEL_ADDR_ATTEMPTS": "ADDRESS",
    "SPEND_ADDR": "ADDRESS",
    "ADDR_NEW": "ADDRESS",
    "VEL_ACCOUNT_CARDS": "ACCOUNT",
    "VEL_ACCOUNT_DEVICES": "ACCOUNT",
    "SPEND_ACCOUNT": "ACCOUNT",
    "ACCOUNT_QUIET": "ACCOUNT",
    "VEL_MERCHANT": "MERCHANT",
    "REFUND_ANOMALY": "MERCHANT",
    "MERCHANT_QUIET": "MERCHANT",
    "MERCHANT_APPROVAL_DROP": "MERCHANT",
}
"""What a reason speaks of, where it is not the card."""


@dataclass(slots=True)
class _Case:
    """One open case. `first_ms` is the time of the event that opened it: an earlier one that comes late moves nothing.

    So the cases of one key begin further apart than the window, in whatever order their events come, and an alert says
    of its case all that decides about the next one.
    """

    first_ms: int
    last_ms: int
    count: int
    band: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alert is about, and the name under which its repetitions are counted."""

    type: str
    entity: str
    dedup_key: str


def subject_of(event: Authorization, reasons: Sequence[Reason]) -> Subject:
    """Find the entity that the heaviest reason speaks of; an entity that the event does not name falls to the card."""
    reason = reasons[0].id if reasons else "SCORE"
    kind = ENTITY_OF_REASON.get(reason, "CARD")
    token = _token(event, kind)
    if token is None:
        kind, token = "CARD", event.card.pan_hmac
    digest = blake2b(f"{event.acquirer.id}\x1f{kind}\x1f{token}".encode(), digest_size=12).hexdigest()
    alert_type = {"CARD": "TXN", "MERCHANT": "MERCHANT"}.get(kind, "INCIDENT")
    return Subject(type=alert_type, entity=kind, dedup_key=f"{alert_type}:{kind}:{digest}")


def _token(event: Authorization, kind: str) -> str | None:
    match kind:
        case "MERCHANT_BIN":
            return None if event.card.bin is None else f"{event.merchant.id}\x1f{event.card.bin}"
        case "MERCHANT":
            return event.merchant.id
        case "DEVICE":
            return event.device.fp_hmac if event.device else None
        case "IP":
            return event.net.ip_hmac if event.net else None
        case "ADDRESS":
            return event.ship.addr_hmac if event.ship else None
        case "ACCOUNT":
            return event.shopper.account_hmac if event.shopper else None
        case _:
            return event.card.pan_hmac


class _Published(Struct):
    """What of a published alert says how its case stood."""

    dedup_key: ShortText
    band: BandName
    count: Count
    first_seen_ms: TimeMs
    last_seen_ms: TimeMs


class AlertDesk:
    """Keep the open cases of one worker and decide what fires. Event time is the only clock."""

    def __init__(self, rules: AlertRules, cases_max: int = CASES_MAX) -> None:
        self.minimum = int(Band[rules.minimum_band])
        """The lowest band whose decisions can raise alerts at all."""
        self._window_ms = rules.dedup_minutes * 60_000
        self._quiet_ms = rules.incident_quiet_minutes * 60_000
        self._cases: OrderedDict[str, _Case] = OrderedDict()  # the one idle for longest first, unless recalled since
        self._cases_max = cases_max
        self._is_sorted = True

    def admit(self, subject: Subject, event_ms: int, band: int) -> tuple[_Case, bool]:
        """Count an alert-worthy decision towards its case; return the case and whether it fires."""
        if not self._is_sorted:
            self._sort()
        case = self._cases.pop(subject.dedup_key, None)
        if case is None or self._is_over(case, subject, event_ms):
            case = _Case(first_ms=event_ms, last_ms=event_ms, count=1, band=band, serial=0)
            self._cases[subject.dedup_key] = case
            if len(self._cases) > self._cases_max:
                self._cases.popitem(last=False)
            return case, True
        self._cases[subject.dedup_key] = case
        case.count += 1
        case.last_ms = max(case.last_ms, event_ms)
        rises = band > case.band
        if rises:
            case.band = band
            case.serial += 1
        return case, rises

    @property
    def reach_of_cases_ms(self) -> int:
        """How long before the timestamp of an input record an alert may be published whose case is open to its event.

        The event may be dated up to BEHIND_MAX_MS before its record, its case began up to the window before that, and
        the event that raised the alert may have been dated up to AHEAD_MAX_MS after its own record.
        """
        return max(self._window_ms, self._quiet_ms) + BEHIND_MAX_MS + AHEAD_MAX_MS

    def restore_case(self, value: bytes) -> bool:
        """Open the case of an alert that was published before, as it stood then; say whether the value is an alert.

        What was suppressed since is lost. In whatever order alerts come, a key keeps its latest.
        """
        try:
            alert = decode(value, type=_Published)
        except FAULTS:
            return False
        case = self._cases.get(alert.dedup_key)
        if case is not None and (alert.last_seen_ms, alert.count) <= (case.last_ms, case.count):
            return True
        self._cases[alert.dedup_key] = _Case(
            first_ms=alert.first_seen_ms,
            last_ms=alert.last_seen_ms,
            count=alert.count,
            band=int(Band[alert.band]),
            serial=0 if alert.count == 1 else 1 if case is None else case.serial + 1,
        )
        self._is_sorted = False
        if len(self._cases) > 2 * self._cases_max:
            self._sort()
        return True

    def _sort(self) -> None:
        """Put recalled cases in order and drop the oldest of too many."""
        latest = sorted(self._cases.items(), key=lambda item: item[1].last_ms)[-self._cases_max :]
        self._cases = OrderedDict(latest)
        self._is_sorted = True

    def _is_over(self, case: _Case, subject: Subject, event_ms: int) -> bool:
        if subject.type == "INCIDENT":  # an incident lasts until it has been quiet for a while
            return event_ms - case.last_ms > self._quiet_ms
        return event_ms - case.first_ms > self._window_ms


def encode_alert(
    *,
    event: Authorization,
    subject: Subject,
    case: _Case,
    decision: dict[str, object],
    amount_jpy: int | None,
    reasons: Sequence[Reason],
) -> Record:
    """Encode `alert.v1`; `decision` holds the fields an alert shares with its decision. The key is the dedup key."""
    band = Band(case.band)
    name = f"{subject.dedup_key}\x1f{event.event_id}\x1f{case.serial}".encode()
    value = orjson.dumps(
        {
            "schema_version": "alert.v1",
            "alert_id": blake2b(name, digest_size=16).hexdigest(),
            "dedup_key": subject.dedup_key,
            "type": subject.type,
            "severity": SEVERITIES[band],
            "event_id": event.event_id,
            "acquirer_id": event.acquirer.id,
            "merchant_id": event.merchant.id,
            "pan_hmac": event.card.pan_hmac,
            "entity": subject.entity,
            "band": BAND_NAMES[band],
            "reasons": [as_dict(reason) for reason in reasons],
            "count": case.count,
            "first_seen_ms": case.first_ms,
            "last_seen_ms": case.last_ms,
            "amount_jpy": amount_jpy,
            **decision,
        }
    )
    return subject.dedup_key.encode(), value
