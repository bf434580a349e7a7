"""Alerts: the few decisions that a person should see, with one case for each attack.

An alert is about the entity of its heaviest reason. A BIN burst is about merchant and BIN, a delivery address with many
cards about the address, all others about the card. Alerts about one entity within the window are one case: later ones
are suppressed and counted, unless the severity rises.
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
"""Most open cases. Beyond it the case that was idle longest is dropped, which can only repeat an alert."""

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
"""Entity of a reason, if it is not the card."""


@dataclass(slots=True)
class _Case:
    """An open case. `first_ms`: time of the event that opened it. A late event with an earlier time does not change it.

    So two cases of one key begin further apart than the window, in any order of events. An alert has all the state of
    its case that decides about the next alert.
    """

    first_ms: int
    last_ms: int
    count: int
    band: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Type and entity of an alert, and the dedup key of its case."""

    type: str
    entity: str
    dedup_key: str


def subject_of(event: Authorization, reasons: Sequence[Reason]) -> Subject:
    """Return the entity of the heaviest reason; the card if the event does not have that entity."""
    reason = reasons[0].id if reasons else "SCORE"
    kind = ENTITY_OF_REASON.get(reason, "CARD")
    return subject_about(event, kind)


def subject_about(event: Authorization, kind: str) -> Subject:
    """Return an entity of an event as the subject of an alert; the card if the event does not have that entity."""
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
    """The fields of a published alert with the state of its case."""

    dedup_key: ShortText
    band: BandName
    count: Count
    first_seen_ms: TimeMs
    last_seen_ms: TimeMs


class AlertDesk:
    """Open cases of one worker; decides which alerts fire. Only event time is used."""

    def __init__(self, rules: AlertRules, cases_max: int = CASES_MAX) -> None:
        self.use(rules)
        self._cases: OrderedDict[str, _Case] = OrderedDict()  # idle longest first, unless cases were restored since
        self._cases_max = cases_max
        self._is_sorted = True

    def use(self, rules: AlertRules) -> None:
        """Follow other rules from now on. `minimum`: the lowest band that can raise an alert."""
        self.minimum = int(Band[rules.minimum_band])
        self._window_ms = rules.dedup_minutes * 60_000
        self._quiet_ms = rules.incident_quiet_minutes * 60_000

    def admit(self, subject: Subject, event_ms: int, band: int) -> tuple[_Case, bool]:
        """Add a decision to its case. Return the case, and whether an alert fires."""
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
        """Largest age in ms, before the timestamp of an input record, of an alert whose case is open to its event.

        It is the sum of three times. The event may be up to BEHIND_MAX_MS before its record. Its case may have begun up
        to the window before that. The event that raised the alert may be up to AHEAD_MAX_MS after its own record.
        """
        return max(self._window_ms, self._quiet_ms) + BEHIND_MAX_MS + AHEAD_MAX_MS

    def restore_case(self, value: bytes) -> bool:
        """Restore the case of a published alert. Return whether the value is an alert.

        Alerts that were suppressed since then are not counted. A key keeps its latest alert, in any order of calls.
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
        """Sort restored cases, and drop the oldest ones beyond the limit."""
        latest = sorted(self._cases.items(), key=lambda item: item[1].last_ms)[-self._cases_max :]
        self._cases = OrderedDict(latest)
        self._is_sorted = True

    def _is_over(self, case: _Case, subject: Subject, event_ms: int) -> bool:
        if subject.type == "INCIDENT":  # an incident lasts until it was quiet for `incident_quiet_minutes`
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
    """Encode `alert.v1`. `decision`: the fields that an alert shares with its decision. The key is the dedup key."""
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
