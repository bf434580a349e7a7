"""A broken rule shows as evidence the values of the event that it was judged by, and no value of another event."""

from datetime import date
from typing import Final

import pytest
from msgspec.structs import replace

from scoring.reference import DatedTable
from scoring.reference.threeds import reference
from tests.events import event
from tests.threeds.judged import Json, broken, judge
from tests.threeds.test_rules import CASES, NO_CAVV, due, made_of, sound

EVIDENCE: Final[tuple[tuple[str, Json, Json], ...]] = (
    ("TDS01", {"tds": sound("visa") | NO_CAVV}, {"network": "visa", "eci": "05", "trans_status": "Y"}),
    (
        "TDS02",
        {"tds": sound("visa") | {"eci": "ZZ", "eci_response": "99"}},
        {"network": "visa", "eci": "UNREADABLE", "eci_response": "99", "channel": "ecom", "initiator": "CIT"},
    ),
    (
        "TDS03",
        {"tds": sound("visa") | {"performed": False}},
        {"network": "visa", "eci": "05", "trans_status": "Y", "performed": "false"},
    ),
    (
        "TDS04",
        {"tds": sound("visa", "R")},
        {"trans_status": "R", "trans_status_reason": "11", "reason_group": "FRAUD", "eci": "07"},
    ),
    ("TDS05", {"tds": sound("visa", "C") | {"challenge_cancel": "1"}}, {"trans_status": "C", "challenge_cancel": "01"}),
    (
        "TDS06",
        {"tds": sound("visa") | {"cavv_wellformed": False}},
        {"network": "visa", "eci": "05", "trans_status": "Y"},
    ),
    (
        "TDS07",
        {"tds": sound("visa"), "checks": {"cavv": "4"}},
        {"network": "visa", "cavv_result": "4", "trans_status": "Y"},
    ),
    ("TDS11", {"tds": sound("visa") | {"ds_trans_id": "x"}}, {"ds_trans_id_form": "OTHER"}),
    ("TDS13", {"tds": sound("visa") | {"purchase_currency": "840"}}, {"currency": "JPY", "purchase_currency": "USD"}),
    (
        "TDS14",
        {"tds": sound("visa") | {"purchase_amount": 9}},
        {"amount": 12_800, "exponent": 0, "purchase_amount": 9, "purchase_exponent": 0, "currency": "JPY"},
    ),
    (
        "TDS15",
        {"tds": sound("visa") | {"auth_ts": "2026-05-01T04:00:00Z"}},
        {"auth_ms": 1_777_608_000_000, "event_ms": 1_777_604_400_000},
    ),
    ("TDS16", {"tds": sound("visa") | {"version": "2.1"}}, {"network": "visa", "version": "2.1.0"}),
    (
        "TDS17",
        {"tds": sound("visa", "N") | {"trans_status_reason": "31"}},
        {"version": "2.3.1", "trans_status": "N", "trans_status_reason": "RESERVED"},
    ),
    ("TDS18", {"tds": sound("visa") | {"device_channel": "03"}}, {"device_channel": "03", "initiator": "CIT"}),
    ("TDS19", {"tds": sound("visa", "U") | {"trans_status_reason": ""}}, {"trans_status": "U"}),
    (
        "TDS22",
        {"tds": sound("visa"), "pos": {"entry_mode": "051"}},
        {"entry_mode": "05", "channel": "ecom", "eci": "05", "trans_status": "Y"},
    ),
)


@pytest.mark.parametrize(("rule", "changes", "wanted"), EVIDENCE, ids=[each[0] for each in EVIDENCE])
def test_a_broken_rule_shows_the_values_that_it_was_judged_by(rule: str, changes: Json, wanted: Json) -> None:
    changes = changes | {"tds": {name: value for name, value in changes["tds"].items() if value is not None}}
    (section,) = judge([event(**changes)])
    (found,) = [each for each in section["broken_rules"] if each["id"] == rule]
    assert found["evidence"] == wanted


def test_the_evidence_of_an_absent_authentication_says_why_it_was_due_and_the_merchants_fraud_status() -> None:
    made, record = due(fraud_status="ACTUALISED")
    (section,) = judge([made], [record])
    (found,) = section["broken_rules"]
    assert found == {
        "id": "TDS20",
        "code": "DUE_AND_ABSENT",
        "severity": "HIGH",
        "evidence": {"expected_reason": "EVERY_PAYMENT", "fraud_status": "ACTUALISED"},
    }


def test_a_kept_text_has_the_evidence_of_its_own_event() -> None:
    """An event has the same text alone and among others: no value of another event is in its evidence."""
    tried = [(case, network) for case in CASES for network in case.networks]
    events = [made_of(case, network, n) for n, (case, network) in enumerate(tried)]
    together = judge([*events, *reversed(events)])
    assert together[: len(events)] == together[len(events) :][::-1]
    for n in range(0, len(events), 40):
        assert judge([events[n]]) == [together[n]]


def test_texts_of_different_merchants_and_reasons_are_not_mixed_up() -> None:
    records: list[Json] = [
        {"acquirer_id": "acq-1", "merchant_id": f"m-{n}", "tds": {"mode": mode}, "fraud_status": status}
        for n, (mode, status) in enumerate(
            (mode, status) for mode in ("EVERY_PAYMENT", "NONE") for status in (None, "NORMAL", "WATCH", "MONITORED")
        )
    ]
    events = [
        event(event_id=f"e-{n}", merchant={"id": f"m-{n}"}, tds={"performed": False}) for n in range(len(records))
    ]
    for record, section in zip(records, judge(events, records), strict=True):
        reason = "EVERY_PAYMENT" if record["tds"]["mode"] == "EVERY_PAYMENT" else "MANDATE"
        wanted = {"expected_reason": reason, "fraud_status": record["fraud_status"] or "UNKNOWN"}
        assert section["broken_rules"][0]["evidence"] == wanted


def test_a_rule_has_the_severity_of_its_time() -> None:
    made = reference()
    april = date(2026, 4, 1)
    later = next(replace(row, effective_from=april, severity="LOW") for row in made.rules if row.id == "TDS05")
    dated = replace(made, rules=DatedTable(made.rules.title, made.rules.sources, (*made.rules, later)))
    tds = {"trans_status": "C"}
    events = [
        event(event_id="e-1", event_ts="2026-03-31T14:59:59.999Z", tds=tds),
        event(event_id="e-2", event_ts="2026-03-31T15:00:00Z", tds=tds),
    ]
    assert [broken(section)["TDS05"] for section in judge(events, made=dated)] == ["MEDIUM", "LOW"]
