"""Alerts about merchants, where they stand and what is overdue: of no event, so without a card and a score."""

from collections.abc import Iterable, Mapping, Set
from datetime import date
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import orjson
from msgspec import to_builtins

from scoring.contract.alert import OverdueRecord, Severity, StandingNotice
from scoring.contract.codes import Band, FraudStatusCode
from scoring.contract.decision import Versions
from scoring.decide.decisions import BAND_NAMES, as_dict
from scoring.merchants.overdue import OverdueNotice
from scoring.merchants.standings import Name, Notice
from scoring.merchants.store import MerchantStore
from scoring.merchants.summaries import FRAUD_STATUSES
from scoring.outputs import Outputs, Record, Tally
from scoring.reference.table import start_ms

TYPE: Final = "MERCHANT"
STANDING: Final = "STANDING"
OVERDUE: Final = "OVERDUE"
ENTITIES: Final = frozenset({STANDING, OVERDUE})
"""What these alerts are about. Flushes write them, not batches of events."""

NO_CARD: Final = "0" * 64
NO_TDS: Final = {"status": "UNKNOWN", "eci": "UNKNOWN", "liability": "UNKNOWN", "expected": "UNKNOWN"}
_SEVERITY: Final[Mapping[FraudStatusCode, Severity]] = {
    FraudStatusCode.WARNING: "HIGH",
    FraudStatusCode.ACTUALISED: "CRITICAL",
}


class About(NamedTuple):
    """What an alert about a merchant says: `member` is the member of the alert that has the evidence."""

    entity: str
    alert_id: str
    severity: Severity
    key: int
    name: Name
    day: date
    member: str
    evidence: StandingNotice | OverdueRecord


def alert_id_of(notice: Notice | OverdueNotice) -> str:
    """Name an alert by what it says, so that it is the same if it is raised again."""
    occasion = notice.occasion if isinstance(notice, Notice) else notice.since.isoformat()
    name = f"{notice.key}\x1f{notice.what}\x1f{occasion}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def severity_of(notice: Notice) -> Severity:
    """Return the severity: by the standing that was entered, HIGH without 3-D Secure, MEDIUM for a forecast."""
    if notice.what == "ENTERED":
        return _SEVERITY.get(FraudStatusCode(notice.evidence.status), "MEDIUM")
    return "HIGH" if notice.what == "WITHOUT_TDS" else "MEDIUM"


def standing_about(notice: Notice) -> About:
    """Lay out what is told of where a merchant stands."""
    cast = notice.cast
    evidence = StandingNotice(
        what=notice.what,
        on=notice.day,
        now=notice.evidence.as_record(),
        limit_jpy=notice.limit_jpy,
        days=notice.days,
        crosses_on=None if cast is None else cast.crosses_on,
        projected_jpy=None if cast is None else cast.projected_jpy,
        becomes=None if cast is None or cast.becomes is None else FRAUD_STATUSES[cast.becomes],
    )
    severity = severity_of(notice)
    return About(STANDING, alert_id_of(notice), severity, notice.key, notice.name, notice.day, "standing", evidence)


def overdue_about(notice: OverdueNotice) -> About:
    """Lay out what is overdue at a merchant: HIGH for a contract without 3-D Secure, MEDIUM for an attestation."""
    severity: Severity = "HIGH" if notice.what == "CONTRACTED_WITHOUT_TDS" else "MEDIUM"
    evidence = OverdueRecord(
        what=notice.what,
        on=notice.day,
        since=notice.since,
        last=notice.last,
        days=(notice.day - notice.since).days,
    )
    return About(OVERDUE, alert_id_of(notice), severity, notice.key, notice.name, notice.day, "overdue", evidence)


def merchant_alerts(
    told: Iterable[About], published: Set[str], merchants: MerchantStore, versions: Versions, action: str
) -> Outputs:
    """Encode `alert.v1` for each notice, without those whose ids are in `published`. The key names the merchant.

    `action` is that of an event that is allowed: a notice asks for none.
    """
    alerts, tally = [], Tally()
    for about in told:
        if about.alert_id in published:
            continue
        row = merchants.rows([(b"", about.name[0], b"", about.name[1])])
        of_nothing, day_ms = np.zeros(1, dtype=np.int64), np.array([start_ms(about.day)], dtype=np.int64)
        binding = merchants.in_japan[row] if about.entity == OVERDUE else of_nothing.astype(np.bool_)
        compliance = merchants.summaries(row, day_ms, of_nothing, binding)[0]
        alerts.append(
            _encoded(
                about, {"compliance": orjson.Fragment(compliance), "versions": as_dict(versions), "action": action}
            )
        )
        kind = (TYPE, about.severity)
        tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
    return Outputs(alerts=alerts, tally=tally)


def _encoded(about: About, shared: Mapping[str, object]) -> Record:
    acquirer, merchant = (text.decode(errors="ignore") for text in about.name)
    digest = blake2b(f"{about.key}".encode(), digest_size=12).hexdigest()
    key, now_ms = f"{TYPE}:{about.entity}:{digest}", start_ms(about.day)
    value = orjson.dumps(
        {
            "schema_version": "alert.v1",
            "alert_id": about.alert_id,
            "dedup_key": key,
            "type": TYPE,
            "severity": about.severity,
            "event_id": about.alert_id,
            "acquirer_id": acquirer,
            "merchant_id": merchant,
            "pan_hmac": NO_CARD,
            "entity": about.entity,
            "score": 0,
            "probability": 0.0,
            "band": BAND_NAMES[Band.ALLOW],
            "reasons": [],
            "count": 1,
            "first_seen_ms": now_ms,
            "last_seen_ms": now_ms,
            "amount_jpy": None,
            "tds": NO_TDS,
            **shared,
            about.member: to_builtins(about.evidence),
        }
    )
    return key.encode(), value
