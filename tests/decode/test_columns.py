"""Columns have the values of the event, and unknown where it has no readable value."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import Kind, OutcomeClass
from scoring.contract.currencies import CURRENCIES
from scoring.contract.dead_letter import Reject
from scoring.decode import Col, DecodeLimits, country_code, decode
from scoring.decode.hashing import entity_keys
from tests.events import encoded, event

LIMITS = DecodeLimits()
EXAMPLE = Path(__file__).parents[2] / "scoring" / "contract" / "examples" / "auth.event.v1.json"


def row(limits: DecodeLimits = LIMITS, **changes: Any) -> dict[str, int]:
    decoded = decode([encoded(**changes)], limits)
    assert decoded.rejects == []
    return {column.name: int(decoded.ints[0, column]) for column in Col}


def reject(**changes: Any) -> Reject:
    (only,) = decode([encoded(**changes)], LIMITS).rejects
    return only[1]


def test_missing_fields_of_a_plain_event_are_unknown() -> None:
    silent = {"ENTRY_MODE", "TRANS_STATUS_REASON", "ECI", "AUTH_TYPE", "AUTH_METHOD", "CHALLENGE_IND", "AUTH_MS"}
    silent |= {"CHALLENGE_CANCEL", "DEVICE_CHANNEL", "PURCHASE_AMOUNT", "PROXY", "ACCOUNT_AGE", "FORWARDER"}
    silent |= {"REGISTERED_MS", "RECURRING", "STORED", "WALLET", "TDS_PERFORMED", "PURCHASE_EXPONENT", "ECI_RESPONSE"}
    silent |= {"CAVV_WELLFORMED", "MESSAGE_CATEGORY", "REQUESTOR_AUTH_IND", "THREE_RI_IND", "CHALLENGE_EXEMPTION"}
    silent |= {"TRUST_LIST_SOURCE", "RESULTS_STATUS", "ACCOUNT_CHANGE", "PASSWORD_CHANGE", "SUSPICIOUS"}
    silent |= {"ADDRESS_USAGE"}
    found = row()
    assert {name for name, value in found.items() if value == -1} == silent
    zero = {"EXPONENT", "IP_COUNTRY", "SHIP_COUNTRY", "FUNDING", "KIND", "CVV2", "AVS", "CAVV_RESULT", "TDS_VERSION"}
    zero |= {"TRANS_STATUS", "HAS_CAVV", "DS_TRANS_ID", "EXEMPT", "TRUST_LIST", "HAS_REGISTRATION_TDS"}
    zero |= {"WALLET_KIND", "PURCHASE_CURRENCY", "CAVV_KEY", "DS_TRANS_KEY", "DS_TRANS_STEM", "ORDER_KEY"}
    zero |= {"EMAIL_KEY", "PREFIX_KEY"}
    assert {name for name, value in found.items() if value == 0} == zero


def test_the_shipped_example_reads_as_it_is_written() -> None:
    decoded = decode([EXAMPLE.read_bytes()], LIMITS)
    found = {column.name: int(decoded.ints[0, column]) for column in Col}
    japan = country_code("JP")
    expected = {
        "EVENT_MS": 1_782_875_742_317,
        "AMOUNT_MINOR": 48_900,
        "AMOUNT_JPY": 48_900,
        "CURRENCY": 392,
        "MCC": 5732,
        "MERCHANT_COUNTRY": japan,
        "ISSUER_COUNTRY": japan,
        "IP_COUNTRY": japan,
        "SHIP_COUNTRY": japan,
        "NETWORK": 1,
        "FUNDING": 1,
        "CHANNEL": 1,
        "INITIATOR": 1,
        "PHASE": 2,
        "OUTCOME": OutcomeClass.APPROVED,
        "ENTRY_MODE": 81,
        "CVV2": ord("M"),
        "AVS": ord("U"),
        "CAVV_RESULT": ord("2"),
        "TDS_PERFORMED": 1,
        "TDS_VERSION": 220,
        "TRANS_STATUS": ord("Y"),
        "ECI": 5,
        "HAS_CAVV": 1,
        "AUTH_TYPE": 2,
        "DEVICE_CHANNEL": 2,
        "DS_TRANS_ID": 1,
        "AUTH_MS": 1_782_875_731_000,
        "PURCHASE_AMOUNT": 48_900,
        "PROXY": 0,
        "ACCOUNT_AGE": 5,
        "FORWARDER": 0,
        "STORED": 0,
        "RECURRING": 0,
    }
    assert {name: found[name] for name in expected} == expected


def test_equal_proofs_have_equal_hashes_from_any_sender() -> None:
    uuid = "f7aa5dab-4d36-43c1-8d0b-930065f908e8"

    def keys(cavv: str | None, uuid: str | None, order: str | None, **more: Any) -> tuple[int, ...]:
        found = row(tds={"cavv_hmac": cavv, "ds_trans_id": uuid}, txn={"order_ref_hmac": order}, **more)
        return found["CAVV_KEY"], found["DS_TRANS_KEY"], found["ORDER_KEY"]

    plain = keys("a" * 64, uuid, "b" * 64)
    assert 0 not in plain
    assert plain == keys("a" * 64, uuid, "b" * 64, acquirer={"id": "acq-9"}, merchant={"id": "m-9"})
    others = [keys("c" * 64, uuid, "b" * 64), keys("a" * 64, uuid[:-1] + "9", "b" * 64), keys("a" * 64, uuid, "c" * 64)]
    assert [[a == b for a, b in zip(plain, other, strict=True)] for other in others] == [
        [place != changed for place in range(3)] for changed in range(3)
    ]
    for spelt in (uuid.upper(), f" {uuid}", f"{uuid} ", "F7aa5DAB-4d36-43C1-8d0b-930065f908e8"):
        assert keys("a" * 64, spelt, "b" * 64) == plain
    for place in (*range(8), 9, 14, 20, 28, 35):
        other = uuid[:place] + ("1" if uuid[place] != "1" else "2") + uuid[place + 1 :]
        assert keys("a" * 64, other, "b" * 64)[1] != plain[1]
    lower, higher = entity_keys([*((uuid,) + ("",) * 8), *((uuid.upper(),) + ("",) * 8)], frozenset())[:, 0].tolist()
    assert plain[1] & (1 << 64) - 1 == lower != higher
    for odd in ("", "no uuid", "00000000-0000-0000-0000-000000000000", uuid.replace("-", "")):
        assert keys("a" * 64, odd, None) == (plain[0], 0, 0)
    assert keys(None, None, None) == (0, 0, 0)


def test_uuids_that_differ_only_in_their_last_four_digits_have_one_stem() -> None:
    uuid = "f7aa5dab-4d36-43c1-8d0b-930065f908e8"

    def stem(uuid: str) -> int:
        return row(tds={"ds_trans_id": uuid})["DS_TRANS_STEM"]

    for other in (uuid[:-4] + "0000", uuid[:-1] + "9", uuid[:-4].upper() + "FFFF", f" {uuid[:-4]}abcd "):
        assert stem(other) == stem(uuid) != 0
    for place in (*range(8), 9, 14, 20, 28, 31):
        assert stem(uuid[:place] + ("1" if uuid[place] != "1" else "2") + uuid[place + 1 :]) != stem(uuid)
    for odd in ("", "no uuid", "00000000-0000-0000-0000-000000000000", uuid.replace("-", "")):
        assert stem(odd) == 0


@pytest.mark.parametrize(
    ("changes", "column", "value"),
    [
        ({"tds": {"eci": "5"}}, "ECI", 5),
        ({"tds": {"eci": "05"}}, "ECI", 5),
        ({"tds": {"eci": "N0"}}, "ECI", -2),
        ({"tds": {"eci": "N2"}}, "ECI", -3),
        ({"tds": {"eci": "x"}}, "ECI", -4),
        ({"tds": {"eci": "123"}}, "ECI", -4),
        ({"tds": {"eci": ""}}, "ECI", -1),
        ({"tds": {"eci": "  "}}, "ECI", -1),
        ({"tds": {"eci": "5 "}}, "ECI", 5),
        ({"tds": {"eci": " 05"}}, "ECI", 5),
        ({"tds": {"eci": "005"}}, "ECI", 5),
        ({"tds": {"eci": "00000005"}}, "ECI", 5),
        ({"tds": {"eci": "00N0"}}, "ECI", -4),
        ({"tds": {"version": "2.3.1"}}, "TDS_VERSION", 231),
        ({"tds": {"version": "2.1.0"}}, "TDS_VERSION", 210),
        ({"tds": {"version": "2.2"}}, "TDS_VERSION", 220),
        ({"tds": {"version": "2"}}, "TDS_VERSION", 0),
        ({"tds": {"version": "latest"}}, "TDS_VERSION", 0),
        ({"tds": {"trans_status": "y"}}, "TRANS_STATUS", ord("Y")),
        ({"tds": {"trans_status": "?"}}, "TRANS_STATUS", 0),
        ({"tds": {"trans_status_reason": "13"}}, "TRANS_STATUS_REASON", 13),
        ({"tds": {"trans_status_reason": "31"}}, "TRANS_STATUS_REASON", -2),
        ({"tds": {"trans_status_reason": "079"}}, "TRANS_STATUS_REASON", -2),
        ({"tds": {"trans_status_reason": "x"}}, "TRANS_STATUS_REASON", -1),
        ({"tds": {"ds_trans_id": "F7AA5DAB-4D36-43C1-8D0B-930065F908E8"}}, "DS_TRANS_ID", 1),
        ({"tds": {"ds_trans_id": " f7aa5dab-4d36-43c1-8d0b-930065f908e8 "}}, "DS_TRANS_ID", 1),
        ({"tds": {"ds_trans_id": "00000000-0000-0000-0000-000000000000"}}, "DS_TRANS_ID", 2),
        ({"tds": {"ds_trans_id": "f7aa5dab4d3643c18d0b930065f908e8"}}, "DS_TRANS_ID", 3),
        ({"tds": {"ds_trans_id": "f7aa5dab-4d36-43c1-8d0b+930065f908e8"}}, "DS_TRANS_ID", 3),
        ({"tds": {"ds_trans_id": "g7aa5dab-4d36-43c1-8d0b-930065f908e8"}}, "DS_TRANS_ID", 3),
        ({"tds": {"ds_trans_id": "f7aa5dab-4d36-43c1-8d0b-930065f908e"}}, "DS_TRANS_ID", 3),
        ({"tds": {"ds_trans_id": "x"}}, "DS_TRANS_ID", 3),
        ({"tds": {"ds_trans_id": "  "}}, "DS_TRANS_ID", 0),
        ({"tds": {"ds_trans_id": ""}}, "DS_TRANS_ID", 0),
        ({"tds": {"purchase_currency": "392"}}, "PURCHASE_CURRENCY", 392),
        ({"tds": {"purchase_currency": "JPY"}}, "PURCHASE_CURRENCY", 392),
        ({"tds": {"purchase_currency": "036"}}, "PURCHASE_CURRENCY", 36),
        ({"tds": {"purchase_currency": "XXX"}}, "PURCHASE_CURRENCY", 0),
        ({"tds": {"purchase_exponent": 2}}, "PURCHASE_EXPONENT", 2),
        ({"tds": {"eci_response": "7"}}, "ECI_RESPONSE", 7),
        ({"tds": {"eci_response": "n2"}}, "ECI_RESPONSE", -3),
        ({"tds": {"eci_response": "zz"}}, "ECI_RESPONSE", -4),
        ({"tds": {"cavv_wellformed": False}}, "CAVV_WELLFORMED", 0),
        ({"tds": {"cavv_wellformed": True}}, "CAVV_WELLFORMED", 1),
        ({"txn": {"wallet": "apple_pay", "wallet_kind": "device_token"}}, "WALLET_KIND", 1),
        ({"txn": {"wallet": "google_pay", "wallet_kind": "card_number"}}, "WALLET_KIND", 2),
        ({"tds": {"challenge_ind": ["02", "09"]}}, "CHALLENGE_IND", 2),
        ({"tds": {"challenge_ind": "04"}}, "CHALLENGE_IND", 4),
        ({"tds": {"challenge_ind": []}}, "CHALLENGE_IND", -1),
        ({"tds": {"auth_method": ["11"]}}, "AUTH_METHOD", 11),
        ({"tds": {"auth_method": "02"}}, "AUTH_METHOD", 2),
        ({"tds": {"exempt_reason": "LOW_VALUE"}}, "EXEMPT", 4),
        ({"tds": {"exempt_reason": ""}}, "EXEMPT", 0),
        ({"tds": {"exempt_reason": "none"}}, "EXEMPT", 0),
        ({"tds": {"exempt_reason": "79"}}, "EXEMPT", 0),
        ({"tds": {"exempt_reason": "because"}}, "EXEMPT", 1),
        ({"tds": {"exempt_reason": "x" * 64}}, "EXEMPT", 1),
        ({"tds": {"trans_status": " Y"}}, "TRANS_STATUS", ord("Y")),
        ({"tds": {"trans_status_reason": "013"}}, "TRANS_STATUS_REASON", 13),
        ({"checks": {"cavv": "2 "}}, "CAVV_RESULT", ord("2")),
        ({"credential": {"registration_tds_ref": "r-1"}}, "HAS_REGISTRATION_TDS", 1),
        ({"credential": {"registration_tds_ref": ""}}, "HAS_REGISTRATION_TDS", 0),
        ({"tds": {"trust_list": "E"}}, "TRUST_LIST", ord("E")),
        ({"pos": {"entry_mode": "812"}}, "ENTRY_MODE", 81),
        ({"pos": {"entry_mode": "ab"}}, "ENTRY_MODE", -1),
        ({"pos": {"entry_mode": " 81"}}, "ENTRY_MODE", -1),
        ({"checks": {"avs": "long"}}, "AVS", 0),
        ({"checks": {"cvv2": "\u5408"}}, "CVV2", 0),
        ({"txn": {"wallet": "apple_pay"}}, "WALLET", 2),
        ({"txn": {"wallet": "APPLE_PAY"}}, "WALLET", 2),
        ({"txn": {"wallet": "google_pay"}}, "WALLET", 1),
        ({"txn": {"wallet": "none"}}, "WALLET", 0),
        ({"txn": {"wallet": ""}}, "WALLET", -1),
        ({"txn": {"type": "reversal"}}, "KIND", Kind.REVERSAL),
        ({"txn": {"type": "refund"}}, "KIND", Kind.REFUND),
        ({"txn": {"type": "account_verification"}}, "KIND", Kind.ATTEMPT),
        ({"card": {"funding": "unknown"}}, "FUNDING", 0),
        ({"card": {"network": "other"}}, "NETWORK", 8),
        ({"net": {"ip_country": "T1"}}, "IP_COUNTRY", 0),
        ({"net": {"ip_country": "us"}}, "IP_COUNTRY", country_code("US")),
        ({"shopper": {"account_age_ind": "1"}}, "ACCOUNT_AGE", 1),
        ({"shopper": {"account_change_ind": "02"}}, "ACCOUNT_CHANGE", 2),
        ({"shopper": {"password_change_ind": "05"}}, "PASSWORD_CHANGE", 5),
        ({"shopper": {"suspicious_activity": "01"}}, "SUSPICIOUS", 1),
        ({"ship": {"usage_ind": "4"}}, "ADDRESS_USAGE", 4),
        ({"credential": {"registered_at": "2025-04-01T00:00:00+09:00"}}, "REGISTERED_MS", 1_743_433_200_000),
        ({"outcome": {"response_code": "14", "approved": False}}, "OUTCOME", OutcomeClass.BAD_PAN),
        ({"outcome": {"response_code": "14", "normalised": "STOP"}}, "OUTCOME", OutcomeClass.STOP),
        ({"outcome": {"response_code": "??", "approved": False}}, "OUTCOME", OutcomeClass.GENERIC),
        ({"outcome": {"response_code": None, "approved": True}}, "OUTCOME", OutcomeClass.APPROVED),
        ({"outcome": {"response_code": None, "approved": None}}, "OUTCOME", OutcomeClass.UNKNOWN),
        ({"outcome": {"response_code": None, "normalised": "UNKNOWN"}}, "OUTCOME", OutcomeClass.APPROVED),
    ],
)
def test_codes_are_read_and_unlisted_ones_are_unknown(changes: dict[str, Any], column: str, value: int) -> None:
    assert row(**changes)[column] == value


def test_yen_come_from_the_currency_then_the_event_then_the_configured_rate() -> None:
    dollars = {"minor": 1999, "currency": "USD", "exponent": 2}
    rates = DecodeLimits(yen_per_unit={"USD": 150.0})
    assert row()["AMOUNT_JPY"] == 12_800
    assert row(amount=dollars)["AMOUNT_JPY"] == -1
    assert row(rates, amount=dollars)["AMOUNT_JPY"] == 2999  # 2998.5 is rounded up
    assert row(rates, amount={**dollars, "jpy": 3050})["AMOUNT_JPY"] == 3050


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"amount": {"exponent": 2}}, "WRONG_EXPONENT", "$.amount.exponent"),
        ({"amount": {"currency": "KWD", "exponent": 2}}, "WRONG_EXPONENT", "$.amount.exponent"),
        ({"amount": {"currency": "XXX"}}, "INVALID_VALUE", "$.amount.currency"),
        ({"merchant": {"mcc": "57x2"}}, "INVALID_VALUE", "$.merchant.mcc"),
        ({"merchant": {"mcc": "\uff15\uff17\uff13\uff12"}}, "INVALID_VALUE", "$.merchant.mcc"),
        ({"merchant": {"mcc": "573"}}, "OUT_OF_RANGE", "$.merchant.mcc"),
        ({"card": {"bin": "45320x"}}, "INVALID_VALUE", "$.card.bin"),
        ({"card": {"last4": "04 7"}}, "INVALID_VALUE", "$.card.last4"),
        ({"event_ts": "1999-12-31T23:59:59.999Z"}, "OUT_OF_RANGE", "$.event_ts"),
        ({"event_ts": "2101-01-01T00:00:00Z"}, "OUT_OF_RANGE", "$.event_ts"),
        ({"event_ts": "0001-01-01T00:00:00+09:00"}, "OUT_OF_RANGE", "$.event_ts"),
        ({"event_ts": "9999-12-31T23:59:59-09:00"}, "OUT_OF_RANGE", "$.event_ts"),
        ({"event_ts": "2026-05-01T03:00:00"}, "INVALID_VALUE", "$.event_ts"),
        ({"event_ts": "yesterday"}, "INVALID_VALUE", "$.event_ts"),
    ],
)
def test_a_value_that_breaks_the_contract_is_refused_with_its_path(
    changes: dict[str, Any], reason: str, path: str
) -> None:
    found = reject(**changes)
    assert (found.reason, found.path) == (reason, path)


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, 4))
def test_an_exponent_is_taken_only_if_it_is_the_currencys(currency: str, exponent: int) -> None:
    rejects = decode([encoded(amount={"currency": currency, "exponent": exponent})], LIMITS).rejects
    assert (rejects == []) == (CURRENCIES[currency][1] == exponent)


@given(st.integers(946_684_800_000, 4_133_980_799_999))
def test_every_millisecond_is_read_exactly(stamp_ms: int) -> None:
    text = str(np.datetime64(stamp_ms, "ms")) + "Z"
    assert row(event_ts=text)["EVENT_MS"] == stamp_ms


def test_a_time_is_cut_and_not_rounded_to_its_millisecond() -> None:
    assert row(event_ts="2026-05-01T03:00:00.123999Z")["EVENT_MS"] % 1000 == 123


def test_the_matrix_is_contiguous_and_follows_the_order_of_the_accepted() -> None:
    values = [encoded(amount={"minor": minor}) for minor in range(5)]
    values[2] = b"{"
    decoded = decode(values, LIMITS)
    assert decoded.index.tolist() == [0, 1, 3, 4]
    assert decoded.ints[:, Col.AMOUNT_MINOR].tolist() == [0, 1, 3, 4]
    assert decoded.ints.flags.c_contiguous
    assert decoded.ints.flags.writeable
    assert (decoded.ints.dtype, decoded.hashes.dtype, decoded.index.dtype) == (np.int64, np.uint64, np.int32)
    assert [decoded.event(row).amount.minor for row in range(len(decoded))] == [0, 1, 3, 4]


def test_an_empty_batch_has_the_right_shapes() -> None:
    for values in ([], [b""]):
        decoded = decode(values, LIMITS)
        assert decoded.ints.shape == (0, len(Col))
        assert decoded.hashes.shape == (0, 9)


def test_unknown_fields_are_tolerated() -> None:
    assert decode([json.dumps(event(terminal={"id": "T-1"}, new=[1, {"a": None}])).encode()], LIMITS).rejects == []
