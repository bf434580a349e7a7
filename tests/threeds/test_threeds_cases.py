"""Verdicts on the contract's example, with the fields changed that the case is about."""

import json
from copy import deepcopy
from importlib import resources
from math import isnan
from typing import Any, Final, NamedTuple

import pytest

from scoring.contract.codes import CHECKLIST_ITEMS, EciClass
from tests.features.seen import Json, Seen, enrich

PERFORMED_NOT: Final = {"tds": {"performed": False}}
EVERY: Final = {"tds.mode": "EVERY_PAYMENT"}
Y5: Final = {"tds.trans_status": "Y", "tds.eci": "05"}
NO_PROOF: Final = {"tds.cavv_hmac": None, "checks.cavv": None}
MASTERCARD: Final = {"card.network": "mastercard"}


class Case(NamedTuple):
    """Paths to set in the example (None removes a field) and in its merchant's record, and the expected verdict."""

    name: str
    event: Json
    expect: Json
    merchant: Json | None = None


CASES: Final = (
    Case(
        "mastercard 07, not authenticated",
        MASTERCARD
        | NO_PROOF
        | {"tds.trans_status": "N", "tds.trans_status_reason": "01", "tds.eci": "07"}
        | {"txn.initiator": "MIT", "txn.recurring": True},
        {"liability": ["NO_SHIFT"]},
    ),
    Case(
        "mastercard 07, rejected",
        MASTERCARD | NO_PROOF | {"tds.trans_status": "R", "tds.trans_status_reason": "11", "tds.eci": "07"},
        {"liability": ["NO_SHIFT"]},
    ),
    Case(
        "mastercard 07, no status, no cryptogram, one-off by the cardholder",
        MASTERCARD | NO_PROOF | {"tds.trans_status": None, "tds.eci": "07"},
        {"liability": ["NO_SHIFT", "UNKNOWN"], "rules": ["TDS01"]},
    ),
    Case(
        "visa, rejected, no ECI",
        NO_PROOF | {"tds.trans_status": "R", "tds.trans_status_reason": "11", "tds.eci": None},
        {"liability": ["NO_SHIFT"]},
    ),
    Case(
        "visa, unavailable, no ECI",
        NO_PROOF | {"tds.trans_status": "U", "tds.trans_status_reason": "22", "tds.eci": None},
        {"liability": ["NO_SHIFT"]},
    ),
    Case("exempt_reason none is no exemption", Y5 | {"tds.exempt_reason": "none"}, {"liability": ["SHIFT"]}),
    Case(
        "performed false against Y, 05 and a cryptogram",
        Y5 | {"tds.performed": False},
        {"liability": ["NO_SHIFT", "UNKNOWN"], "rules": ["TDS03"]},
    ),
    Case(
        "card present with an authenticated ECI",
        Y5 | {"txn.channel": "card_present", "pos.entry_mode": "051"},
        {"liability": ["NO_SHIFT", "UNKNOWN"], "rules": ["TDS22"]},
    ),
    Case("visa CAVV result I", Y5 | {"checks.cavv": "I"}, {"liability": ["NO_SHIFT"]}),
    Case("visa CAVV result 6: not validated", Y5 | {"checks.cavv": "6"}, {"liability": ["UNKNOWN"]}),
    Case("ECI with a space behind", Y5 | {"tds.eci": "5 "}, {"eci": ["AUTHENTICATED"], "liability": ["SHIFT"]}),
    Case("ECI that no network knows", Y5 | {"tds.eci": "ZZ"}, {"eci": ["IMPOSSIBLE"], "rules": ["TDS02"]}),
    Case(
        "visa, Y, stored-credential ECI from the cardholder in e-commerce",
        Y5 | {"tds.eci": "02", "txn.recurring": False, "credential.stored": False},
        {"eci": ["IMPOSSIBLE"], "liability": ["UNKNOWN", "NO_SHIFT"]},
    ),
    Case("mastercard Y with data only", MASTERCARD | Y5 | {"tds.eci": "04"}, {"rules": ["TDS03"]}),
    Case(
        "mastercard A with data only",
        MASTERCARD | {"tds.trans_status": "A", "tds.eci": "04"},
        {"rules": ["TDS03"]},
    ),
    Case("visa I with 05", Y5 | {"tds.trans_status": "I", "tds.cavv_hmac": None}, {"rules": ["TDS03"]}),
    Case(
        "mastercard U with data only is consistent",
        MASTERCARD | {"tds.trans_status": "U", "tds.trans_status_reason": "80", "tds.eci": "04", "tds.cavv_hmac": None},
        {"not_rules": ["TDS03"]},
    ),
    Case(
        "first payment of a series",
        PERFORMED_NOT | {"txn.recurring": True, "credential.stored": False},
        {"expected": ["REQUIRED"], "rules": ["TDS20"]},
        {"tds.mode": "RECURRING_INITIAL"},
    ),
    Case(
        "refund", PERFORMED_NOT | {"txn.type": "refund"}, {"expected": ["NOT_REQUIRED"], "not_rules": ["TDS20"]}, EVERY
    ),
    Case(
        "prepaid card",
        PERFORMED_NOT | {"card.funding": "prepaid"},
        {"expected": ["NOT_REQUIRED"], "not_rules": ["TDS20"]},
        EVERY,
    ),
    Case(
        "performed, result not known", {"tds": {"performed": True, "version": "2.2.0"}}, {"not_rules": ["TDS20"]}, EVERY
    ),
    Case(
        "an exemption nobody knows",
        PERFORMED_NOT | {"tds.exempt_reason": "because"},
        {"expected": ["REQUIRED"], "rules": ["TDS20"]},
        EVERY,
    ),
    Case("channel other", PERFORMED_NOT | {"txn.channel": "other"}, {"expected": ["UNKNOWN"]}, EVERY),
    Case(
        "introduced next month",
        PERFORMED_NOT,
        {"expected": ["REQUIRED"]},
        EVERY | {"tds.introduced_on": "2026-08-01"},
    ),
    Case(
        "no merchant record",
        Y5,
        {
            "compliance": {
                "known": False,
                "stale": None,
                "high_risk_goods": True,
                "fraud_status": "UNKNOWN",
                "checklist_known": None,
                "unknown_items": None,
            }
        },
    ),
    Case(
        "checklist with six items UNKNOWN",
        Y5,
        {"compliance": {"checklist_known": False, "gaps": [], "unknown_items": 6}},
        {"checklist.items": {code: {"status": "UNKNOWN"} for code in CHECKLIST_ITEMS}},
    ),
    Case(
        "record without fraud_status",
        Y5,
        {"compliance": {"known": True, "fraud_status": "UNKNOWN"}},
        {"fraud_status": None},
    ),
)


def example(name: str, changes: Json) -> Json:
    """Give the contract's example with the named paths set; a path of one step replaces a whole section."""
    made: Json = json.loads((resources.files("scoring.contract") / "examples" / f"{name}.json").read_text("utf-8"))
    for path, value in changes.items():
        *sections, field = path.split(".")
        node = made
        for section in sections:
            node = node[section]
        if value is None:
            node.pop(field, None)
        else:
            node[field] = deepcopy(value)
    return made


def fires(rule: str, seen: Seen) -> bool:
    """Tell whether the model input or the class of a rule says that the rule is broken."""
    flags = {"TDS01": "tds_cavv_missing", "TDS03": "tds_eci_disagrees", "TDS07": "tds_cavv_failed"}
    flags |= {"TDS04": "tds_refused", "TDS20": "tds_missing"}
    if rule == "TDS02":
        return seen.eci == "IMPOSSIBLE" and seen.inputs["tds_eci_class"] == EciClass.IMPOSSIBLE
    if rule == "TDS22":
        return seen.inputs["channel"] == 3.0 and seen.inputs["tds_eci_class"] == EciClass.AUTHENTICATED
    value = seen.inputs[flags[rule]]
    assert not isnan(value)
    return value == 1.0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_has_the_expected_verdict(case: Case) -> None:
    records = [] if case.merchant is None else [example("merchant.v1", case.merchant)]
    (seen,) = enrich([example("auth.event.v1", case.event)], records)
    for part in ("status", "eci", "liability", "expected"):
        assert getattr(seen, part) in case.expect.get(part, [getattr(seen, part)])
    wanted: dict[str, Any] = case.expect.get("compliance", {})
    assert {name: seen.compliance[name] for name in wanted} == wanted
    for rule in case.expect.get("rules", ()):
        assert fires(rule, seen), rule
    for rule in case.expect.get("not_rules", ()):
        assert not fires(rule, seen), rule


def test_there_are_all_of_the_cases() -> None:
    assert len(CASES) == len({case.name for case in CASES}) == 27
