"""Alerts are few: one case per attack, identified by the entity of the heaviest reason."""

from typing import Any

import msgspec

from scoring.contract.alert import Alert
from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band
from scoring.contract.decision import Reason
from scoring.decide.alerts import Subject, encode_alert, subject_of
from scoring.decide.cases.desk import AlertDesk
from scoring.policy.policy import AlertRules
from tests.events import encoded, token

MINUTE = 60_000
CARD = Subject(type="TXN", entity="CARD", dedup_key="TXN:CARD:1")
ATTACK = Subject(type="INCIDENT", entity="MERCHANT_BIN", dedup_key="INCIDENT:MERCHANT_BIN:1")


def reason(id_: str) -> Reason:
    return Reason(id=id_, weight=1.0, en="x", ja="x")


def authorization(**changes: Any) -> Authorization:
    return msgspec.json.decode(encoded(**changes), type=Authorization)


def desk(**rules: Any) -> AlertDesk:
    return AlertDesk(AlertRules(**rules))


def test_one_card_is_one_case_for_the_length_of_the_window() -> None:
    cases = desk()
    assert cases.admit(CARD, 0, Band.REVIEW)[1]
    assert not cases.admit(CARD, 14 * MINUTE, Band.REVIEW)[1]
    case, fires = cases.admit(CARD, 15 * MINUTE, Band.REVIEW)
    assert not fires
    assert case.count == 3
    assert cases.admit(CARD, 15 * MINUTE + 1, Band.REVIEW)[1]


def test_an_attack_of_ten_thousand_authorizations_is_one_incident_until_it_is_quiet() -> None:
    cases = desk()
    fired = sum(cases.admit(ATTACK, second * 1000, Band.BLOCK)[1] for second in range(10_000))
    assert fired == 1
    last_ms = 9_999_000
    assert not cases.admit(ATTACK, last_ms + 30 * MINUTE, Band.BLOCK)[1]
    assert cases.admit(ATTACK, last_ms + 60 * MINUTE + 1, Band.BLOCK)[1]


def test_a_rising_severity_fires_again_and_a_falling_one_does_not() -> None:
    cases = desk()
    fired = [cases.admit(CARD, at, band)[1] for at, band in enumerate([1, 1, 2, 1, 3, 2, 3])]
    assert fired == [True, False, True, False, True, False, False]


def test_only_bands_from_the_minimum_raise_alerts() -> None:
    cases = desk(minimum_band="STEP_UP")
    assert cases.minimum == Band.STEP_UP


def test_open_cases_are_bounded_and_the_least_recent_is_dropped_first() -> None:
    cases = AlertDesk(AlertRules(), parts_max=2)
    one, two, three = (Subject(type="TXN", entity="CARD", dedup_key=str(n)) for n in range(3))
    cases.admit(one, 0, 1)
    cases.admit(two, 0, 1)
    cases.admit(one, 1, 1)
    cases.admit(three, 2, 1)
    assert not cases.admit(one, 3, 1)[1]
    assert cases.admit(two, 3, 1)[1]


def test_a_case_that_was_renewed_is_not_the_least_recent() -> None:
    cases = AlertDesk(AlertRules(), parts_max=2)
    one, two, three = (Subject(type="TXN", entity="CARD", dedup_key=str(n)) for n in range(3))
    cases.admit(one, 0, 1)
    cases.admit(two, 0, 1)
    assert cases.admit(one, 16 * MINUTE, 1)[1], "its window is over, so this is a new case"
    cases.admit(three, 17 * MINUTE, 1)
    assert not cases.admit(one, 18 * MINUTE, 1)[1]


def test_a_bin_burst_is_about_the_merchant_and_bin_for_any_card() -> None:
    burst = [reason("ENUM_BIN_BURST")]
    first = subject_of(authorization(card={"pan_hmac": token("a")}), burst)
    second = subject_of(authorization(card={"pan_hmac": token("b")}), burst)
    other_bin = subject_of(authorization(card={"pan_hmac": token("b"), "bin": "522222"}), burst)
    other_acquirer = subject_of(authorization(acquirer={"id": "acq-2"}), burst)
    assert (first.type, first.entity) == ("INCIDENT", "MERCHANT_BIN")
    assert first == second
    assert len({first.dedup_key, other_bin.dedup_key, other_acquirer.dedup_key}) == 3


def test_a_reason_about_an_entity_that_the_event_does_not_name_is_about_the_card() -> None:
    nameless = authorization()
    assert subject_of(nameless, [reason("VEL_DEVICE_CARDS")]).entity == "CARD"
    assert subject_of(nameless, []).entity == "CARD"
    named = authorization(ship={"addr_hmac": token("address")})
    assert subject_of(named, [reason("VEL_ADDR_CARDS")]).entity == "ADDRESS"


def test_an_alert_is_valid_and_its_id_is_the_same_when_it_is_made_again() -> None:
    shared = {
        "score": 900,
        "probability": 0.9,
        "action": "review",
        "tds": {"status": "ABSENT", "eci": "NONE", "liability": "NO_SHIFT", "expected": "REQUIRED"},
        "compliance": {
            "known": False,
            "tds_mode": "UNKNOWN",
            "gaps": [],
            "stale": False,
            "high_risk_goods": False,
            "fraud_status": "UNKNOWN",
        },
        "versions": {"model": "m", "features": "f", "policy": "p", "code": "c"},
    }
    made = []
    for _ in range(2):
        event, reasons = authorization(), [reason("AMT_HIGH")]
        subject = subject_of(event, reasons)
        case, _fires = desk().admit(subject, 5, Band.BLOCK)
        made.append(
            encode_alert(event=event, subject=subject, case=case, decision=shared, amount_jpy=12800, reasons=reasons)
        )
    assert made[0] == made[1]
    alert = msgspec.json.decode(made[0][1], type=Alert)
    assert alert.severity == "CRITICAL"
    assert made[0][0].decode() == alert.dedup_key
