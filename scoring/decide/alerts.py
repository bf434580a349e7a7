"""Alerts: the few decisions that a person should see, with one case for each attack.

An alert is about the entity of its heaviest reason. A BIN burst is about merchant and BIN, a delivery address with many
cards about the address, all others about the card. Alerts about one entity within the window are one case: later ones
are suppressed and counted, unless the severity rises (`decide.cases`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band
from scoring.contract.decision import Reason
from scoring.decide.decisions import BAND_NAMES, as_dict
from scoring.outputs import Record

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


@dataclass(frozen=True, slots=True)
class Case:
    """A case as an alert tells it. Times are in ms of event time.

    `first_ms`: time of the event that opened it. A late event with an earlier time does not change it, so two cases of
    one key begin further apart than the window, in any order of events. `count`: its decisions, with those whose alerts
    were suppressed; `at_risk_jpy`: the sum of their amounts, as far as they are known in yen. `serial`: how often its
    severity has risen.
    """

    first_ms: int
    last_ms: int
    count: int
    band: int
    serial: int
    at_risk_jpy: int


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


def encode_alert(
    *,
    event: Authorization,
    subject: Subject,
    case: Case,
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
            "at_risk_jpy": case.at_risk_jpy,
            **decision,
        }
    )
    return subject.dedup_key.encode(), value
