"""The content of a decision and an alert, field by field, against plain dictionaries."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band
from scoring.contract.decision import Reason, Versions
from scoring.decide.alerts import Subject, encode_alert, subject_of
from scoring.decide.cases.desk import AlertDesk
from scoring.decide.decisions import Decided, DecisionEncoder
from scoring.policy.policy import Actions, AlertRules
from scoring.policy.reasons import WORDINGS
from tests.events import encoded, token

STATUSES = ["UNKNOWN", "ABSENT", "AUTHENTICATED", "ATTEMPTED", "NOT_AUTHENTICATED", "UNAVAILABLE", "REJECTED"]
STATUSES += ["INFORMATIONAL", "INCOMPLETE"]
ECIS = ["UNKNOWN", "AUTHENTICATED", "ATTEMPTED", "NONE", "DATA_ONLY", "EXEMPT", "RECURRING", "MOTO", "STORED"]
ECIS += ["IMPOSSIBLE"]
LIABILITIES = ["UNKNOWN", "SHIFT", "NO_SHIFT"]
EXPECTED = ["UNKNOWN", "REQUIRED", "NOT_REQUIRED"]
VERSIONS = {"model": "m 100%", "features": "f", "policy": "p", "code": "c", "reference": "r"}
NAMED = {
    "device": {"fp_hmac": token("d")},
    "net": {"ip_hmac": token("i")},
    "ship": {"addr_hmac": token("a")},
    "shopper": {"account_hmac": token("s")},
}
IDS = {wording.id for wordings in WORDINGS.values() for wording in wordings}
CHANGES: dict[str, list[dict[str, Any]]] = {
    "MERCHANT_BIN": [{"merchant": {"id": "m-2"}}, {"card": {"bin": "453201"}}],
    "DEVICE": [{"device": {"fp_hmac": token("d2")}}],
    "IP": [{"net": {"ip_hmac": token("i2")}}],
    "ADDRESS": [{"ship": {"addr_hmac": token("a2")}}],
    "ACCOUNT": [{"shopper": {"account_hmac": token("s2")}}],
    "MERCHANT": [{"merchant": {"id": "m-2"}}],
    "CARD": [{"card": {"pan_hmac": token("card-2")}}],
}
"""By entity: each change of an event that makes its alert about another one."""
REASONS_OF = {
    "MERCHANT_BIN": ["ENUM_BIN_BURST"],
    "MERCHANT": ["ENUM_MERCHANT_CARDS", "VEL_MERCHANT", "MERCHANT_APPROVAL_DROP", "MERCHANT_QUIET", "REFUND_ANOMALY"],
    "DEVICE": ["VEL_DEVICE_CARDS", "VEL_DEVICE_MERCHANTS", "VEL_DEVICE_ACCOUNTS", "DEVICE_NEW"],
    "IP": ["VEL_IP_CARDS", "VEL_IP_MERCHANTS", "VEL_IP_ACCOUNTS", "IP_NEW"],
    "ADDRESS": ["VEL_ADDR_CARDS", "VEL_ADDR_ACCOUNTS", "VEL_ADDR_ATTEMPTS", "SPEND_ADDR", "ADDR_NEW"],
    "ACCOUNT": ["VEL_ACCOUNT_CARDS", "VEL_ACCOUNT_DEVICES", "SPEND_ACCOUNT", "ACCOUNT_QUIET"],
}
TYPES = {"MERCHANT": "MERCHANT", "CARD": "TXN"}
ENTITIES = {id_: entity for entity, ids in REASONS_OF.items() for id_ in ids}
SUBJECTS = {
    id_: (TYPES.get(entity, "INCIDENT"), entity, *CHANGES[entity])
    for id_, entity in {id_: ENTITIES.get(id_, "CARD") for id_ in sorted(IDS)}.items()
}
"""By reason: type and entity of its alert, and each change of an event that makes it about another one."""


def reason(id_: str, weight: float = 1.0) -> Reason:
    return Reason(id=id_, weight=weight, en="in words", ja="\u8a00\u8449")


def authorization(**changes: Any) -> Authorization:
    return msgspec.json.decode(encoded(**changes), type=Authorization)


def test_a_decision_has_the_values_of_its_own_row() -> None:
    """Names with quotes and a percent sign, every clock, every band, with and without reasons."""
    rows = 8
    actions = Actions(ALLOW="let", REVIEW="look", STEP_UP="ask", BLOCK="stop 100%")
    encoder = DecisionEncoder(Versions(**VERSIONS), actions)
    texts = [[f"{what}-{row}" for what in ("e", "acq", "card", "m")] for row in range(rows)]
    texts[3] = ['e"3', "acq\\3", "card\n3", "m%3\u5408"]
    reasons = {1: [reason("AMT_HIGH", 0.7), reason("NIGHT", -0.25)], 6: [reason("HR_GOODS")]}
    given = Decided(
        names=[(a.encode(), b.encode(), c.encode(), d.encode()) for a, b, c, d in texts],
        spelt={3},
        scores=np.arange(0, 999, 125, dtype=np.int16)[:rows],
        probabilities=np.array([0.0, 1e-9, 0.1, 1 / 3, 0.5, 0.75, 1 - 1e-9, 1.0]),
        bands=np.arange(rows, dtype=np.int64) % 4,
        reasons=reasons,
        tds=[json.dumps({"status": f"s{row}"}).encode() for row in range(rows)],
        compliance=[json.dumps({"known": f"k{row}"}).encode() for row in range(rows)],
        clocks=np.arange(rows, dtype=np.int8) % 4,
        event_ms=np.arange(rows, dtype=np.int64) + 1_700_000_000_000,
        record_ms=np.arange(rows, dtype=np.int64) + 1_700_000_000_500,
    )
    for row, (key, value) in enumerate(encoder.encode(given, 17, 23)):
        clock, band = ["ON_TIME", "OUT_OF_ORDER", "LATE", "EARLY"][row % 4], ["ALLOW", "REVIEW", "STEP_UP", "BLOCK"]
        event_id, acquirer, card, merchant = texts[row]
        assert key == card.encode()
        shown = json.loads(value)
        for each in shown["reasons"]:
            assert each.items() >= {"en": "in words", "ja": "\u8a00\u8449"}.items()
        assert [(each["id"], each["weight"]) for each in shown.pop("reasons")] == [
            (each.id, each.weight) for each in reasons.get(row, [])
        ]
        assert shown == {
            "schema_version": "decision.v1",
            "decision_id": event_id,
            "acquirer_id": acquirer,
            "merchant_id": merchant,
            "pan_hmac": card,
            "status": "SCORED" if row % 4 < 2 else "SCORED_TIME_SUSPECT",
            "clock": clock,
            "score": 125 * row,
            "probability": given.probabilities[row],
            "band": band[row % 4],
            "action": ["let", "look", "ask", "stop 100%"][row % 4],
            "tds": {"status": f"s{row}"},
            "compliance": {"known": f"k{row}"},
            "versions": VERSIONS,
            "times": {
                "event_ms": 1_700_000_000_000 + row,
                "record_ms": 1_700_000_000_500 + row,
                "received_ms": 17,
                "decided_ms": 23,
            },
        }


def test_a_batch_without_events_gives_no_decisions() -> None:
    none = Decided(
        names=[],
        spelt=set(),
        scores=np.empty(0, np.int16),
        probabilities=np.empty(0),
        bands=np.empty(0, np.int64),
        reasons={},
        tds=[],
        compliance=[],
        clocks=np.empty(0, np.int8),
        event_ms=np.empty(0, np.int64),
        record_ms=np.empty(0, np.int64),
    )
    assert DecisionEncoder(Versions(**VERSIONS), Actions()).encode(none, 0, 0) == []


def test_each_reason_that_is_not_about_the_card_is_known() -> None:
    assert set(ENTITIES) <= IDS
    assert sum(entity == "CARD" for _, entity, *_ in SUBJECTS.values()) == len(IDS) - len(ENTITIES)


@pytest.mark.parametrize("id_", SUBJECTS)
def test_a_reason_names_what_its_alert_is_about(id_: str) -> None:
    type_, entity, *others = SUBJECTS[id_]
    event = authorization(**NAMED)
    subject = subject_of(event, [reason(id_), reason("ENUM_BIN_BURST")])
    assert (subject.type, subject.entity) == (type_, entity)
    assert subject.dedup_key.startswith(f"{type_}:{entity}:")
    assert subject_of(authorization(**NAMED, event_id="e-2"), [reason(id_)]) == subject
    for changes in (*others, {"acquirer": {"id": "acq-2"}}):
        assert subject_of(authorization(**NAMED | changes), [reason(id_)]).dedup_key != subject.dedup_key
    elsewhere = {name: {field: token("z") for field in section} for name, section in NAMED.items()}
    kept = {name: section for name, section in elsewhere.items() if name not in (others[0] if others else {})}
    assert subject_of(authorization(**NAMED | kept), [reason(id_)]) == subject


@pytest.mark.parametrize("id_", ["ENUM_BIN_BURST", "VEL_DEVICE_CARDS", "VEL_IP_CARDS", "VEL_ADDR_CARDS"])
def test_an_alert_about_an_unnamed_entity_is_about_the_card(id_: str) -> None:
    nameless = authorization(card={"bin": None})
    about_the_card = subject_of(nameless, [])
    assert (about_the_card.type, about_the_card.entity) == ("TXN", "CARD")
    assert subject_of(nameless, [reason(id_)]) == about_the_card


def test_keys_and_ids_are_the_same_in_every_release() -> None:
    """They are keys of compacted topics, and an alert that is made again after a restart must have the same id."""
    event = authorization(card={"pan_hmac": "card"})
    subject = subject_of(event, [reason("ENUM_BIN_BURST")])
    assert subject.dedup_key == "INCIDENT:MERCHANT_BIN:dd68bf1e6119fa5f247d20fe"
    assert subject_of(event, []).dedup_key == "TXN:CARD:80c3747840d7f481220a46e3"
    assert alert(event, subject, band=1)["alert_id"] == "4674d6606b0b47eb3ae056c58cc46cb4"


def alert(event: Authorization, subject: Subject, band: int, **decision: Any) -> dict[str, Any]:
    case, _ = AlertDesk(AlertRules()).admit(subject, 5, band)
    _, value = encode_alert(
        event=event, subject=subject, case=case, decision=decision, amount_jpy=None, reasons=[reason("AMT_HIGH", 0.7)]
    )
    shown: dict[str, Any] = json.loads(value)
    return shown


def test_an_alert_has_the_values_of_its_case_its_event_and_its_decision() -> None:
    desk, event = AlertDesk(AlertRules()), authorization(**NAMED, event_id="e-9")
    subject = subject_of(event, [reason("VEL_IP_CARDS")])
    ids = set()
    for number, (at, band, severity) in enumerate([(70, 1, "MEDIUM"), (50, 2, "HIGH"), (90, 3, "CRITICAL")], start=1):
        case, fires = desk.admit(subject, at, band, amount_jpy=10**number)
        assert fires
        decision = {"score": 900 + number, "probability": 0.5, "action": "look"}
        key, value = encode_alert(
            event=event,
            subject=subject,
            case=case,
            decision=decision,
            amount_jpy=12_800 + number,
            reasons=[reason("VEL_IP_CARDS", 0.7)],
        )
        shown = json.loads(value)
        ids.add(shown.pop("alert_id"))
        (told,) = shown.pop("reasons")
        assert (told["id"], told["weight"]) == ("VEL_IP_CARDS", 0.7)
        assert key.decode() == shown["dedup_key"]
        assert shown == {
            "schema_version": "alert.v1",
            "dedup_key": subject.dedup_key,
            "type": "INCIDENT",
            "severity": severity,
            "event_id": "e-9",
            "acquirer_id": "acq-1",
            "merchant_id": "m-1",
            "pan_hmac": token("card-1"),
            "entity": "IP",
            "band": Band(band).name,
            "count": number,
            "first_seen_ms": 70,
            "last_seen_ms": max(70, at),
            "amount_jpy": 12_800 + number,
            "at_risk_jpy": [10, 110, 1_110][number - 1],
            **decision,
        }
    assert len(ids) == 3
