"""Fraud reports and merchant records: the same guard, the same rejects."""

from typing import Any

import orjson
import pytest

from scoring.contract.dead_letter import Reject
from scoring.contract.merchant import MerchantRecord
from scoring.decode import DecodeLimits, parse_merchants, parse_reports
from tests.decode.guard.numbers import PAN

LIMITS = DecodeLimits()


def report(**changes: Any) -> bytes:
    made = {
        "label_id": "l-1",
        "event_id": "e-1",
        "acquirer_id": "acq-1",
        "merchant_id": "m-1",
        "pan_hmac": "p",
        "label": "FRAUD",
        "source": "TC40",
        "received_ts": "2026-05-02T00:00:00.250Z",
        "amount_jpy": 1200,
    }
    return orjson.dumps({key: value for key, value in {**made, **changes}.items() if value is not None})


def merchant(**changes: Any) -> bytes:
    return orjson.dumps({"acquirer_id": "acq-1", "merchant_id": "m/1", "mcc": "5732", **changes})


def test_only_reports_of_fraud_count_and_every_label_is_returned() -> None:
    labels = ["FRAUD", "LEGIT", "MERCHANT_FRAUD", "FIRST_PARTY", "UNKNOWN"]
    parsed = parse_reports([report(label=label) for label in labels], LIMITS)
    assert parsed.labels == labels
    assert len(parsed.card) == len(parsed.merchant) == len(parsed.received_ms) == len(parsed.amount_jpy) == 2
    assert parsed.received_ms.tolist() == [1_777_680_000_250] * 2
    assert parsed.amount_jpy.tolist() == [1200, 1200]
    assert parsed.rejects == []


def test_a_missing_amount_is_unknown() -> None:
    assert parse_reports([report(amount_jpy=None)], LIMITS).amount_jpy.tolist() == [-1]


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        (report(label="MAYBE"), "INVALID_VALUE", "$.label"),
        (report(received_ts=None), "MISSING_FIELD", "$.received_ts"),
        (report(received_ts="1999-01-01T00:00:00Z"), "OUT_OF_RANGE", "$.received_ts"),
        (report(pan_hmac=PAN), "SENSITIVE_PAN", "$.pan_hmac"),
        (report(code="123456789"), "OUT_OF_RANGE", "$.code"),
        (b"null", "WRONG_TYPE", "$"),
        (b"", "EMPTY", "$"),
    ],
)
def test_a_bad_report_is_refused_and_the_next_is_read(value: bytes, reason: str, path: str) -> None:
    parsed = parse_reports([value, report()], LIMITS)
    assert parsed.rejects == [(0, Reject(reason=reason, path=path))]  # type: ignore[arg-type]
    assert parsed.labels == ["FRAUD"]


def test_a_record_needs_its_own_key_and_a_tombstone_removes_the_merchant() -> None:
    keys = [b"acq-1/m/1", b"acq-1/m/1"]
    parsed = parse_merchants(keys, [merchant(), None], LIMITS)
    (first, second) = parsed.changes
    assert first[:2] == second[:2] == ("acq-1", "m/1")
    assert isinstance(first[2], MerchantRecord)
    assert second[2] is None
    assert parsed.rejects == []


@pytest.mark.parametrize(
    ("key", "value", "reason", "path"),
    [
        (b"acq-2/m/1", merchant(), "KEY_MISMATCH", "$"),
        (b"", merchant(), "KEY_MISMATCH", "$"),
        (b"acq-1", None, "KEY_MISMATCH", "$"),
        (b"/m", None, "KEY_MISMATCH", "$"),
        (b"acq-1/" + b"m" * 33, None, "KEY_MISMATCH", "$"),
        (b"\xff/m", None, "KEY_MISMATCH", "$"),
        (b"acq-1/m/1", merchant(mcc="12"), "INVALID_VALUE", "$.mcc"),
        (b"acq-1/m/1", merchant(goods_class=["DIGITAL", "FISH"]), "INVALID_VALUE", "$.goods_class[1]"),
        (
            b"acq-1/m/1",
            merchant(checklist={"version": "", "items": {"X": {}}}),
            "INVALID_VALUE",
            "$.checklist.items",
        ),
        (
            b"acq-1/m/1",
            merchant(checklist={"version": "1", "items": {"SC1_ADMIN": {"status": "SO"}}}),
            "INVALID_VALUE",
            "$.checklist.items.*.status",
        ),
        (b"acq-1/m/1", merchant(merchant_id=PAN), "SENSITIVE_PAN", "$.merchant_id"),
        (b"acq-1/m/1", b"", "EMPTY", "$"),
    ],
)
def test_a_bad_record_is_refused(key: bytes, value: bytes | None, reason: str, path: str) -> None:
    parsed = parse_merchants([b"acq-1/m/1", key], [None, value], LIMITS)
    assert parsed.rejects == [(1, Reject(reason=reason, path=path))]  # type: ignore[arg-type]
    assert len(parsed.changes) == 1


def test_no_records_are_no_changes() -> None:
    assert parse_merchants([], [], LIMITS).changes == []
