"""EMV 3-D Secure is read by network and channel, and liability and expectation follow from it."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.contract.merchant import MerchantRecord, ThreeDsProgramme
from scoring.decode import DecodeLimits, decode
from scoring.enrich import threeds
from scoring.enrich.merchants import MerchantDirectory
from tests.events import encoded, token

CAVV = {"cavv_hmac": token("cavv")}


def verdict(mode: str | None = None, **changes: Any) -> tuple[ThreeDsStatus, EciClass, Liability, Expectation]:
    directory = MerchantDirectory()
    if mode is not None:
        programme = ThreeDsProgramme(mode=mode)  # type: ignore[arg-type]
        directory.upsert(MerchantRecord(acquirer_id="acq-1", merchant_id="m-1", tds=programme))
    decoded = decode([encoded(**changes)], DecodeLimits())
    assert not decoded.rejects, decoded.rejects
    out = np.zeros((1, threeds.VERDICT_COLUMNS), dtype=np.int16)
    threeds.normalise(decoded.ints, directory.table, directory.rows(decoded.names), out)
    status, eci, liability, expected, code = (int(part) for part in out[0])
    assert code == int(f"{status}{eci}{liability}{expected}")
    return ThreeDsStatus(status), EciClass(eci), Liability(liability), Expectation(expected)


@pytest.mark.parametrize(
    ("network", "eci", "expected"),
    [
        ("visa", "05", EciClass.AUTHENTICATED),
        ("jcb", "5", EciClass.AUTHENTICATED),
        ("amex", "06", EciClass.ATTEMPTED),
        ("diners", "07", EciClass.NONE),
        ("visa", "08", EciClass.NONE),
        ("mastercard", "02", EciClass.AUTHENTICATED),
        ("mastercard", "01", EciClass.ATTEMPTED),
        ("mastercard", "00", EciClass.NONE),
        ("mastercard", "04", EciClass.DATA_ONLY),
        ("mastercard", "06", EciClass.EXEMPT),
        ("mastercard", "07", EciClass.RECURRING),
        ("mastercard", "N2", EciClass.DATA_ONLY),
        ("mastercard", "05", EciClass.IMPOSSIBLE),
        ("jcb", "02", EciClass.IMPOSSIBLE),
        ("visa", "99", EciClass.IMPOSSIBLE),
        ("other", "05", EciClass.UNKNOWN),
        ("visa", None, EciClass.UNKNOWN),
        ("visa", "zz", EciClass.UNKNOWN),
    ],
)
def test_an_eci_is_read_by_its_network(network: str, eci: str | None, expected: EciClass) -> None:
    assert verdict(card={"network": network}, tds={"eci": eci})[1] is expected


def test_visas_mail_order_and_stored_values_fit_only_such_payments() -> None:
    assert verdict(tds={"eci": "02"})[1] is EciClass.IMPOSSIBLE
    assert verdict(tds={"eci": "02"}, txn={"initiator": "MIT"})[1] is EciClass.STORED
    assert verdict(tds={"eci": "01"})[1] is EciClass.IMPOSSIBLE
    assert verdict(tds={"eci": "01"}, txn={"channel": "moto"})[1] is EciClass.MOTO


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        ("Y", ThreeDsStatus.AUTHENTICATED),
        ("A", ThreeDsStatus.ATTEMPTED),
        ("N", ThreeDsStatus.NOT_AUTHENTICATED),
        ("U", ThreeDsStatus.UNAVAILABLE),
        ("R", ThreeDsStatus.REJECTED),
        ("I", ThreeDsStatus.INFORMATIONAL),
        ("C", ThreeDsStatus.INCOMPLETE),
        ("D", ThreeDsStatus.INCOMPLETE),
        ("S", ThreeDsStatus.INCOMPLETE),
        ("?", ThreeDsStatus.UNKNOWN),
    ],
)
def test_trans_status_decides_the_status(letter: str, expected: ThreeDsStatus) -> None:
    assert verdict(tds={"performed": True, "trans_status": letter})[0] is expected


def test_without_trans_status_the_eci_speaks_and_then_performed() -> None:
    assert verdict(tds={"eci": "05"})[0] is ThreeDsStatus.AUTHENTICATED
    assert verdict(tds={"eci": "06"})[0] is ThreeDsStatus.ATTEMPTED
    assert verdict(tds={"eci": "07"})[0] is ThreeDsStatus.ABSENT
    assert verdict(tds={"performed": False})[0] is ThreeDsStatus.ABSENT
    assert verdict()[0] is ThreeDsStatus.UNKNOWN


def test_liability_shifts_only_with_a_cryptogram_and_agreeing_fields() -> None:
    authenticated = {"trans_status": "Y", "eci": "05"}
    assert verdict(tds=authenticated)[2] is Liability.UNKNOWN
    assert verdict(tds=authenticated | CAVV)[2] is Liability.SHIFT
    assert verdict(tds={"trans_status": "A", "eci": "06"} | CAVV)[2] is Liability.SHIFT
    assert verdict(tds={"trans_status": "N", "eci": "05"} | CAVV)[2] is Liability.UNKNOWN
    assert verdict(tds={"trans_status": "N", "eci": "07"})[2] is Liability.NO_SHIFT
    assert verdict(card={"network": "mastercard"}, tds={"eci": "07"})[2] is Liability.SHIFT


@pytest.mark.parametrize("result", list("01479B"))
def test_a_failed_cryptogram_keeps_liability_with_the_acquirer(result: str) -> None:
    good = {"trans_status": "Y", "eci": "05"} | CAVV
    assert verdict(tds=good, checks={"cavv": result})[2] is Liability.NO_SHIFT
    assert verdict(tds=good, checks={"cavv": "2"})[2] is Liability.SHIFT


def test_exempt_mail_order_and_unauthenticated_merchant_payments_never_shift() -> None:
    good = {"trans_status": "Y", "eci": "05"} | CAVV
    assert verdict(tds=good | {"exempt_reason": "low_value"})[2] is Liability.NO_SHIFT
    assert verdict(tds=good, txn={"channel": "moto"})[2] is Liability.NO_SHIFT
    assert verdict(txn={"initiator": "MIT"})[2] is Liability.NO_SHIFT


def test_three_d_secure_is_expected_by_the_merchants_mode() -> None:
    assert verdict()[3] is Expectation.UNKNOWN  # a merchant nobody told us about
    assert verdict("EVERY_PAYMENT")[3] is Expectation.REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"wallet": "apple_pay"})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"initiator": "MIT"})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"channel": "card_present"})[3] is Expectation.NOT_REQUIRED
    assert verdict("CARD_REGISTRATION", credential={"stored": True})[3] is Expectation.NOT_REQUIRED
    assert verdict("CARD_REGISTRATION", credential={"stored": False})[3] is Expectation.REQUIRED
    assert verdict("RECURRING_INITIAL", txn={"recurring": True})[3] is Expectation.NOT_REQUIRED
    assert verdict("RISK_BASED")[3] is Expectation.NOT_REQUIRED
    assert verdict("UNKNOWN")[3] is Expectation.UNKNOWN


def test_the_japanese_mandate_begins_in_tokyo_on_the_first_of_april_2025() -> None:
    start = datetime.fromtimestamp(threeds.MANDATE_MS / 1000, UTC)
    assert start.isoformat() == "2025-03-31T15:00:00+00:00"
    assert verdict("NONE", event_ts="2025-03-31T14:59:59.999Z")[3] is Expectation.UNKNOWN
    assert verdict("NONE", event_ts="2025-03-31T15:00:00.000Z")[3] is Expectation.REQUIRED
    assert verdict("NONE", merchant={"country": "US"})[3] is Expectation.UNKNOWN


def test_a_card_stored_before_the_mandate_counts_as_authenticated() -> None:
    stored = {"stored": True, "registered_at": "2024-01-01T00:00:00Z"}
    assert verdict("EVERY_PAYMENT", credential=stored)[3] is Expectation.NOT_REQUIRED
    stored_later = {"stored": True, "registered_at": "2025-06-01T00:00:00Z"}
    assert verdict("EVERY_PAYMENT", credential=stored_later)[3] is Expectation.REQUIRED


code = st.one_of(st.none(), st.text(min_size=1, max_size=8), st.sampled_from(["05", "02", "Y", "07", "1", "B"]))


@given(eci=code, status=code, cavv=code, network=st.sampled_from(["visa", "mastercard", "jcb", "other", "unionpay"]))
def test_whatever_the_fields_hold_there_is_a_verdict(
    eci: str | None, status: str | None, cavv: str | None, network: str
) -> None:
    tds = {"eci": eci, "trans_status": status}
    try:
        got = verdict(card={"network": network}, tds=tds, checks={"cavv": cavv})
    except AssertionError:
        return  # the guard refused what a code held
    assert all(part in type(part) for part in got)
