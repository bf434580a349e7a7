"""Alerts about where a merchant stands: of no event, so without a card and a score."""

from collections.abc import Iterable, Mapping, Set
from hashlib import blake2b
from typing import Final

import numpy as np
import orjson
from msgspec import to_builtins

from scoring.contract.alert import StandingNotice
from scoring.contract.codes import Band, FraudStatusCode
from scoring.contract.decision import Versions
from scoring.decide.decisions import BAND_NAMES, as_dict
from scoring.merchants.standings import Notice
from scoring.merchants.store import MerchantStore
from scoring.merchants.summaries import FRAUD_STATUSES
from scoring.outputs import Outputs, Record, Tally
from scoring.reference.table import start_ms

TYPE: Final = "MERCHANT"
ENTITY: Final = "STANDING"
NO_CARD: Final = "0" * 64
NO_TDS: Final = {"status": "UNKNOWN", "eci": "UNKNOWN", "liability": "UNKNOWN", "expected": "UNKNOWN"}
_SEVERITY: Final = {FraudStatusCode.WARNING: "HIGH", FraudStatusCode.ACTUALISED: "CRITICAL"}


def alert_id_of(notice: Notice) -> str:
    """Name an alert by what it says, so that it is the same if it is raised again."""
    name = f"{notice.key}\x1f{notice.what}\x1f{notice.occasion}"
    return blake2b(name.encode(), digest_size=16).hexdigest()


def severity_of(notice: Notice) -> str:
    """Return the severity: by the standing that was entered, HIGH without 3-D Secure, MEDIUM for a forecast."""
    if notice.what == "ENTERED":
        return _SEVERITY.get(FraudStatusCode(notice.evidence.status), "MEDIUM")
    return "HIGH" if notice.what == "WITHOUT_TDS" else "MEDIUM"


def standing_alerts(
    notices: Iterable[Notice], published: Set[str], merchants: MerchantStore, versions: Versions, action: str
) -> Outputs:
    """Encode `alert.v1` for each notice, without those whose ids are in `published`. The key names the merchant.

    `action` is that of an event that is allowed: a notice asks for none.
    """
    alerts, tally = [], Tally()
    for notice in notices:
        if alert_id_of(notice) in published:
            continue
        row = merchants.rows([(b"", notice.name[0], b"", notice.name[1])])
        of_nothing, day_ms = np.zeros(1, dtype=np.int64), np.array([start_ms(notice.day)], dtype=np.int64)
        compliance = merchants.summaries(row, day_ms, of_nothing, of_nothing.astype(np.bool_))[0]
        alerts.append(
            _encoded(
                notice, {"compliance": orjson.Fragment(compliance), "versions": as_dict(versions), "action": action}
            )
        )
        kind = (TYPE, severity_of(notice))
        tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
    return Outputs(alerts=alerts, tally=tally)


def _encoded(notice: Notice, shared: Mapping[str, object]) -> Record:
    acquirer, merchant = (text.decode(errors="ignore") for text in notice.name)
    digest = blake2b(f"{notice.key}".encode(), digest_size=12).hexdigest()
    key, name = f"{TYPE}:{ENTITY}:{digest}", alert_id_of(notice)
    cast, now_ms = notice.cast, start_ms(notice.day)
    record = StandingNotice(
        what=notice.what,
        on=notice.day,
        now=notice.evidence.as_record(),
        limit_jpy=notice.limit_jpy,
        days=notice.days,
        crosses_on=None if cast is None else cast.crosses_on,
        projected_jpy=None if cast is None else cast.projected_jpy,
        becomes=None if cast is None or cast.becomes is None else FRAUD_STATUSES[cast.becomes],
    )
    value = orjson.dumps(
        {
            "schema_version": "alert.v1",
            "alert_id": name,
            "dedup_key": key,
            "type": TYPE,
            "severity": severity_of(notice),
            "event_id": name,
            "acquirer_id": acquirer,
            "merchant_id": merchant,
            "pan_hmac": NO_CARD,
            "entity": ENTITY,
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
            "standing": to_builtins(record),
        }
    )
    return key.encode(), value
