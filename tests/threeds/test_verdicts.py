"""Verdict, reasons, flow and rules are those of the oracle, for any values of the fields."""

import itertools
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.codes import ExpectationReason, Flow, LiabilityReason
from scoring.contract.decision import (
    ExpectationReasonName,
    FlowName,
    LiabilityReasonName,
    ThreeDsSummary,
)
from tests.events import event, token
from tests.examples import examples, sample
from tests.threeds.judged import Json, broken, judge
from tests.threeds.rules_oracle import Oracle
from tests.threeds.test_rules import NETWORKS, UUID, sound

ECIS: Final = (
    None,
    "",
    " ",
    "00",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "07",
    "08",
    "09",
    "99",
    "N0",
    "n2",
    "5 ",
    "005",
    "ZZ",
)
NUMBERS: Final = (None, "", "0", "00", *map(str, range(1, 33)), "79", "80", "99", "x", "001", " 05")
FLAGS: Final = (None, False, True)
MODES: Final = (None, "EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE", "UNKNOWN")
DAYS: Final = (None, "2026-04-30", "2026-05-01", "2026-05-02")
TIMES: Final = (
    *("2025-03-31T14:59:59.999Z", "2025-03-31T15:00:00.000Z", "2026-04-30T14:59:59.999Z", "2026-05-01T03:00:00Z"),
    *("2024-09-23T14:59:59.999Z", "2024-09-23T15:00:00Z", "2024-09-24T15:00:00Z"),
)


FIELDS: Final[dict[str, tuple[Any, ...]]] = {
    "performed": FLAGS,
    "version": (None, "", "1.0.2", "2", "2.0.0", "2.1.0", "2.1", "2.2.0", "2.2", "2.3.1", "2.4.0", "x"),
    "trans_status": (None, "", *"YANURICDS", "y", "Y ", "?"),
    "trans_status_reason": NUMBERS,
    "eci": ECIS,
    "eci_response": (None, None, None, *ECIS),
    "cavv_hmac": (None, "", token("cavv"), token("cavv")),
    "cavv_wellformed": FLAGS,
    "ds_trans_id": (None, "", UUID, UUID.upper(), "00000000-0000-0000-0000-000000000000", "x", UUID[:-1]),
    "auth_type": NUMBERS,
    "auth_method": (*NUMBERS, *([], ["02"], ["12", "02"])),
    "challenge_ind": (*NUMBERS, *([], ["06"], ["10"])),
    "challenge_cancel": NUMBERS,
    "challenge_exemption": NUMBERS,
    "device_channel": NUMBERS,
    "message_category": NUMBERS,
    "requestor_auth_ind": NUMBERS,
    "three_ri_ind": NUMBERS,
    "trust_list": (None, "", "Y", "e", "X"),
    "trust_list_source": NUMBERS,
    "results_status": NUMBERS,
    "exempt_reason": (None, None, "", "none", "79", "05", "low_value", "LOW_VALUE", "wallet", "because", "apple_pay"),
    "auth_ts": (
        None,
        "2026-05-01T02:59:00Z",
        "2026-05-01T03:00:00.001Z",
        "2026-01-01T00:00:00Z",
        "2024-09-23T15:00:00Z",
    ),
    "purchase_amount": (None, 0, 1, 12_799, 12_800, 1_280_000),
    "purchase_currency": (None, "JPY", "392", "USD", "840", "XXX"),
    "purchase_exponent": (None, 0, 2, 3, 4),
}
AMOUNTS: Final = ({}, {"minor": 12_801}, {"currency": "USD", "exponent": 2}, {"currency": "KWD", "exponent": 3})


def name_of(mode: str | None, day: str | None, status: str | None) -> str:
    return f"{mode and mode[:9]}-{day}-{status and status[:3]}"


def payment(r: Random) -> tuple[Json, Json | None]:
    pick = r.choice
    mode, day, status = pick(MODES), pick(DAYS), pick((None, "NORMAL", "ACTUALISED"))
    name = name_of(mode, day, status)
    record = None if mode is None else record_of(name, mode, day, status)
    changed = r.sample(sorted(FIELDS), r.randint(0, len(FIELDS)))
    base = pick(({}, sound("visa"), sound("mastercard", "A")))
    tds = base | {field: pick(FIELDS[field]) for field in changed}
    made = event(
        event_ts=pick(TIMES),
        merchant={"country": pick(("JP", "US")), "mcc": pick(("5732", "6051", "7995"))}
        | ({"id": name} if record else {}),
        card={
            "network": pick((*NETWORKS, "other")),
            "funding": pick((None, "credit", "debit", "prepaid")),
            "issuer_country": pick((None, "JP", "US")),
        },
        amount=pick(AMOUNTS),
        outcome={"phase": pick(("POST_AUTH", "POST_AUTH", "PRE_AUTH"))},
        txn={
            "type": pick(("purchase", "purchase", "cash", "account_verification", "refund", "reversal")),
            "channel": pick(("ecom", "ecom", "moto", "card_present", "other")),
            "initiator": pick(("CIT", "CIT", "MIT")),
            "recurring": pick(FLAGS),
            "wallet": pick((None, None, "none", "", "apple_pay", "google_pay", "other")),
            "wallet_kind": pick((None, None, "device_token", "card_number")),
        },
        checks={"cavv": pick((None, "", *"0123456789ABCDIU", "4 ", "44"))},
        pos={"entry_mode": pick((None, "", "00", "01", "05", "051", "07", "09", "10", "81", "812", "90", "91"))},
        credential={
            "stored": pick(FLAGS),
            "registered_at": pick((None, "2025-03-31T14:59:59.999Z", "2025-03-31T15:00:00Z")),
            "registration_tds_ref": pick((None, "", "r-1")),
        },
        tds=pick(({name: value for name, value in tds.items() if value is not None}, None)) if tds else None,
    )
    return made, record


def record_of(name: str, mode: str, day: str | None, status: str | None) -> Json:
    tds = {"mode": mode, "introduced_on": day}
    return {"acquirer_id": "acq-1", "merchant_id": name, "tds": tds, "fraud_status": status}


RECORDS: Final = [
    record_of(name_of(mode, day, status), mode, day, status)
    for mode, day, status in itertools.product(MODES[1:], DAYS, (None, "NORMAL", "ACTUALISED"))
    if mode is not None
]


def agrees(made: Json, record: Json | None, section: Json) -> None:
    oracle = Oracle(made, record)
    assert section["status"] == oracle.status, made
    assert section["eci"] == oracle.claim(oracle.eci), made
    assert section.get("eci_response", "UNKNOWN") == oracle.claim(oracle.response), made
    assert (section["liability"], section["liability_reason"]) == oracle.liability, made
    assert (section["expected"], section["expected_reason"]) == oracle.expected, (made, record)
    assert section["flow"] == oracle.flow, made
    assert broken(section) == oracle.rules, (made, record)
    msgspec.convert(section, ThreeDsSummary)  # as the contract of decisions says


@settings(max_examples=examples(40))
@given(st.integers(0, 2**32))
def test_any_combination_of_fields_has_the_verdict_of_the_oracle(seed: int) -> None:
    r = Random(seed)  # noqa: S311 - repeatable on purpose; drawing each field by itself would take minutes
    drawn = [payment(r) for _ in range(150)]
    events = [made | {"event_id": f"e-{n}"} for n, (made, _) in enumerate(drawn)]
    for made, (_, record), section in zip(events, drawn, judge(events, RECORDS), strict=True):
        agrees(made, record, section)


def test_every_cell_of_network_status_and_eci_has_the_verdict_of_the_oracle() -> None:
    cells = list(itertools.product((*NETWORKS, "other"), (None, *"YANURICDS"), ECIS, FLAGS))
    events = []
    for n, (network, letter, eci, performed) in enumerate(sample(cells, step=7)):
        tds = {
            "trans_status": letter,
            "eci": eci,
            "performed": performed,
            "trans_status_reason": (None, "80", "22")[n % 5 % 3],
        }
        events.append(event(event_id=f"e-{n}", card={"network": network}, tds=tds))
    for made, section in zip(events, judge(events), strict=True):
        agrees(made, None, section)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_eci_of_the_response_decides_about_the_liability(network: str) -> None:
    """The network downgraded the ECI in the response; the merchant's ECI in the request is still consistent."""
    none = "00" if network == "mastercard" else "07"
    tds = sound(network) | {"eci_response": none}
    asked, kept = judge([event(card={"network": network}, tds=given_tds) for given_tds in (tds, sound(network))])
    assert (asked["eci"], asked["eci_response"]) == ("AUTHENTICATED", "NONE")
    assert (asked["liability"], asked["liability_reason"]) == ("NO_SHIFT", "ECI_WITHOUT_SHIFT")
    assert (kept["liability"], kept["liability_reason"]) == ("SHIFT", "AUTHENTICATED")
    assert broken(asked) == broken(kept) == {}
    (before,) = judge([event(card={"network": network}, tds=tds, outcome={"phase": "PRE_AUTH"})])
    assert before["liability"] == "SHIFT"


@pytest.mark.parametrize(
    ("letter", "changes", "flow"),
    [
        ("Y", {}, "FRICTIONLESS"),
        ("A", {}, "FRICTIONLESS"),
        ("U", {}, "UNKNOWN"),
        ("Y", {"auth_type": "02"}, "CHALLENGE"),
        ("N", {"auth_type": "01"}, "CHALLENGE"),
        ("N", {"challenge_cancel": "01"}, "CHALLENGE"),
        ("Y", {"results_status": "01"}, "CHALLENGE"),
        ("Y", {"results_status": "02"}, "FRICTIONLESS"),
        ("C", {}, "CHALLENGE"),
        ("S", {}, "CHALLENGE"),
        ("D", {}, "DECOUPLED"),
        ("Y", {"auth_type": "04"}, "DECOUPLED"),
        ("Y", {"auth_method": "12"}, "DECOUPLED"),
        ("N", {"challenge_cancel": "03"}, "DECOUPLED"),
        ("Y", {"three_ri_ind": "19"}, "DECOUPLED"),
        ("I", {"challenge_ind": "06"}, "DATA_ONLY"),
    ],
)
def test_the_flow_follows_from_the_challenge(letter: str, changes: Json, flow: str) -> None:
    (section,) = judge([event(tds=sound("visa", letter) | changes)])
    assert section["flow"] == flow


def test_mastercards_data_only_is_a_flow_and_without_authentication_the_flow_is_none() -> None:
    data_only = sound("mastercard", "U") | {"eci": "04", "trans_status_reason": "80"}
    sections = judge([event(card={"network": "mastercard"}, tds=data_only), event(tds={"performed": False})])
    assert [section["flow"] for section in sections] == ["DATA_ONLY", "NONE"]


@pytest.mark.parametrize(
    ("network", "mcc", "merchant", "issuer", "shift"),
    [
        *(("visa", mcc, "US", "US", False) for mcc in ("4829", "5967", "6051", "6540", "7801", "7802", "7995")),
        ("visa", "5732", "US", "US", True),
        ("visa", "6051", "US", "JP", True),
        ("visa", "6051", "JP", "JP", True),
        ("visa", "6051", "US", None, True),
        ("mastercard", "6051", "US", "US", True),
    ],
)
def test_some_categories_never_shift(network: str, mcc: str, merchant: str, issuer: str | None, shift: bool) -> None:
    made = event(
        card={"network": network, "issuer_country": issuer},
        merchant={"mcc": mcc, "country": merchant},
        tds=sound(network),
    )
    (section,) = judge([made])
    wanted = ("SHIFT", "AUTHENTICATED") if shift else ("NO_SHIFT", "EXCLUDED_MERCHANT")
    assert (section["liability"], section["liability_reason"]) == wanted


def test_the_contract_names_every_reason_and_every_flow() -> None:
    assert LiabilityReasonName.__args__ == tuple(LiabilityReason.__members__)  # type: ignore[attr-defined]
    assert ExpectationReasonName.__args__ == tuple(ExpectationReason.__members__)  # type: ignore[attr-defined]
    assert FlowName.__args__ == tuple(Flow.__members__)  # type: ignore[attr-defined]
