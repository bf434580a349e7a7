"""EMV 3-D Secure is read by network and channel; liability and expectation follow from it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.contract.threeds_codes import MANDATE_MS
from scoring.decode import DecodeLimits, decode
from tests.events import encoded, event, token
from tests.features.seen import Seen, enrich
from tests.threeds import threeds_oracle as oracle

CAVV = {"cavv_hmac": token("cavv")}
MASTERCARD = {"network": "mastercard"}


def seen(mode: str | None = None, introduced_on: str | None = None, **changes: Any) -> Seen:
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "tds": {"mode": mode, "introduced_on": introduced_on}}
    (only,) = enrich([event(**changes)], [record] if mode is not None else [])
    return only


def verdict(mode: str | None = None, **changes: Any) -> tuple[ThreeDsStatus, EciClass, Liability, Expectation]:
    made = seen(mode, **changes)
    return ThreeDsStatus[made.status], EciClass[made.eci], Liability[made.liability], Expectation[made.expected]


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
        ("visa", "", EciClass.UNKNOWN),
        ("visa", "  ", EciClass.UNKNOWN),
        ("visa", "zz", EciClass.IMPOSSIBLE),
        ("other", "zz", EciClass.UNKNOWN),
        ("jcb", " 5", EciClass.AUTHENTICATED),
        ("visa", "5 ", EciClass.AUTHENTICATED),
        ("visa", "005", EciClass.AUTHENTICATED),
        ("visa", "0\t", EciClass.IMPOSSIBLE),
        ("mastercard", "0\t", EciClass.NONE),
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


def test_without_trans_status_performed_false_decides_and_then_the_eci() -> None:
    assert verdict(tds={"eci": "05"})[0] is ThreeDsStatus.AUTHENTICATED
    assert verdict(tds={"eci": "06"})[0] is ThreeDsStatus.ATTEMPTED
    assert verdict(tds={"eci": "07"})[0] is ThreeDsStatus.ABSENT
    assert verdict(tds={"performed": False})[0] is ThreeDsStatus.ABSENT
    assert verdict(tds={"performed": False, "eci": "05"})[0] is ThreeDsStatus.ABSENT
    assert verdict(tds={"performed": True})[0] is ThreeDsStatus.UNKNOWN
    assert verdict(tds={"performed": True, "eci": "07"})[0] is ThreeDsStatus.UNKNOWN
    assert verdict()[0] is ThreeDsStatus.UNKNOWN


VISA_Y = {"trans_status": "Y", "eci": "05"} | CAVV
LIABILITY: list[tuple[dict[str, Any], Liability]] = [
    ({"tds": VISA_Y}, Liability.SHIFT),
    ({"tds": {"trans_status": "A", "eci": "06"} | CAVV}, Liability.SHIFT),
    ({"tds": {"trans_status": "Y", "eci": "05"}}, Liability.UNKNOWN),
    ({"tds": {"eci": "05"} | CAVV}, Liability.UNKNOWN),
    ({"tds": {"trans_status": "A", "eci": "05"} | CAVV}, Liability.UNKNOWN),
    ({"tds": {"trans_status": "I", "eci": "05"} | CAVV}, Liability.UNKNOWN),
    ({"tds": {"trans_status": "Y", "eci": "07"} | CAVV}, Liability.NO_SHIFT),
    *(({"tds": {"trans_status": letter}}, Liability.NO_SHIFT) for letter in "NRUCDS"),
    *(({"tds": {"trans_status": letter, "eci": "05"} | CAVV}, Liability.NO_SHIFT) for letter in "NRUCDS"),
    *(({"tds": VISA_Y, "checks": {"cavv": result}}, Liability.NO_SHIFT) for result in "01479BIbi"),
    *(({"tds": VISA_Y, "checks": {"cavv": result}}, Liability.UNKNOWN) for result in "6CDUu"),
    *(({"tds": VISA_Y, "checks": {"cavv": result}}, Liability.SHIFT) for result in "238A"),
    ({"tds": VISA_Y, "checks": {"cavv": "1"}, "card": {"network": "amex"}}, Liability.NO_SHIFT),
    ({"tds": VISA_Y, "checks": {"cavv": "1"}, "card": {"network": "jcb"}}, Liability.SHIFT),
    ({"tds": VISA_Y | {"performed": False}}, Liability.NO_SHIFT),
    ({"tds": {"performed": False}}, Liability.NO_SHIFT),
    ({"tds": {"performed": False} | CAVV, "txn": {"wallet": "apple_pay"}}, Liability.UNKNOWN),
    ({"tds": VISA_Y, "txn": {"channel": "card_present"}}, Liability.UNKNOWN),
    ({"tds": VISA_Y, "txn": {"channel": "moto"}}, Liability.NO_SHIFT),
    ({"tds": {"trans_status": "N"}, "txn": {"channel": "card_present"}}, Liability.NO_SHIFT),
    ({"tds": {"eci": "07"} | CAVV, "card": MASTERCARD}, Liability.SHIFT),
    ({"tds": {"eci": "07", "trans_status": "Y"} | CAVV, "card": MASTERCARD}, Liability.SHIFT),
    ({"tds": {"eci": "07", "trans_status": "A"} | CAVV, "card": MASTERCARD}, Liability.UNKNOWN),
    ({"tds": {"eci": "07", "trans_status": "N"} | CAVV, "card": MASTERCARD}, Liability.NO_SHIFT),
    ({"tds": {"eci": "07"}, "card": MASTERCARD}, Liability.UNKNOWN),
    ({"tds": {"eci": "07"}, "card": MASTERCARD, "txn": {"initiator": "MIT"}}, Liability.NO_SHIFT),
    ({"tds": {"eci": "07"} | CAVV, "card": MASTERCARD, "txn": {"initiator": "MIT"}}, Liability.SHIFT),
    *(({"tds": {"eci": eci}, "card": MASTERCARD}, Liability.NO_SHIFT) for eci in ("00", "04", "06")),
    ({"tds": {"eci": "08"}}, Liability.NO_SHIFT),
    ({"tds": {"performed": True}}, Liability.UNKNOWN),
    ({}, Liability.UNKNOWN),
]
"""Row by row of the table of liability shift: the values that an event has, and its liability."""


@pytest.mark.parametrize(("changes", "expected"), LIABILITY, ids=[f"{n}" for n in range(len(LIABILITY))])
def test_liability_follows_its_table_row_by_row(changes: dict[str, Any], expected: Liability) -> None:
    assert verdict(**changes)[2] is expected


def test_exempt_mail_order_and_unauthenticated_merchant_payments_never_shift() -> None:
    good = {"trans_status": "Y", "eci": "05"} | CAVV
    assert verdict(tds=good | {"exempt_reason": "low_value"})[2] is Liability.NO_SHIFT
    assert verdict(tds=good, txn={"channel": "moto"})[2] is Liability.NO_SHIFT
    assert verdict(txn={"initiator": "MIT"})[2] is Liability.NO_SHIFT


@pytest.mark.parametrize("word", ["", " ", "none", "NONE", "79", "because", "07", "Low_Value", "x" * 64])
def test_only_a_known_exemption_exempts(word: str) -> None:
    assert verdict(tds=VISA_Y | {"exempt_reason": word})[2] is Liability.SHIFT
    assert verdict("EVERY_PAYMENT", tds={"performed": False, "exempt_reason": word})[3] is Expectation.REQUIRED
    assert verdict("EVERY_PAYMENT", tds={"exempt_reason": "LOW_VALUE"})[3] is Expectation.NOT_REQUIRED


def test_three_d_secure_is_expected_by_the_merchants_mode() -> None:
    assert verdict()[3] is Expectation.UNKNOWN  # an unknown merchant
    assert verdict("EVERY_PAYMENT")[3] is Expectation.REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"wallet": "apple_pay"})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"initiator": "MIT"})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"channel": "card_present"})[3] is Expectation.NOT_REQUIRED
    assert verdict("CARD_REGISTRATION", credential={"stored": True})[3] is Expectation.NOT_REQUIRED
    assert verdict("CARD_REGISTRATION", credential={"stored": False})[3] is Expectation.REQUIRED
    first = {"stored": False}
    assert verdict("RECURRING_INITIAL", txn={"recurring": True}, credential=first)[3] is Expectation.REQUIRED
    later = {"stored": True}
    assert verdict("RECURRING_INITIAL", txn={"recurring": True}, credential=later)[3] is Expectation.NOT_REQUIRED
    assert (
        verdict("RECURRING_INITIAL", txn={"recurring": True})[3] is Expectation.UNKNOWN
    )  # the first payment of a series, or a later one
    assert verdict("RECURRING_INITIAL", txn={"recurring": False})[3] is Expectation.REQUIRED
    assert verdict("RISK_BASED")[3] is Expectation.NOT_REQUIRED
    assert verdict("UNKNOWN")[3] is Expectation.UNKNOWN


@pytest.mark.parametrize("kind", ["refund", "reversal"])
def test_three_d_secure_is_not_due_where_nothing_is_bought(kind: str) -> None:
    assert verdict("EVERY_PAYMENT", txn={"type": kind})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"type": "cash"})[3] is Expectation.REQUIRED


def test_three_d_secure_is_not_due_on_debit_prepaid_or_mail_order_and_unknown_on_other_channels() -> None:
    for funding in ("debit", "prepaid"):
        assert verdict("EVERY_PAYMENT", card={"funding": funding})[3] is Expectation.NOT_REQUIRED
    for funding in ("credit", "unknown"):
        assert verdict("EVERY_PAYMENT", card={"funding": funding})[3] is Expectation.REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"channel": "moto"})[3] is Expectation.NOT_REQUIRED
    assert verdict("EVERY_PAYMENT", txn={"channel": "other"})[3] is Expectation.UNKNOWN


@pytest.mark.parametrize(
    ("at", "mode", "expected"),
    [
        ("2026-05-01T14:59:59.999Z", "RISK_BASED", Expectation.REQUIRED),
        ("2026-05-01T15:00:00.000Z", "RISK_BASED", Expectation.NOT_REQUIRED),
        ("2025-03-31T14:59:59.999Z", "EVERY_PAYMENT", Expectation.UNKNOWN),
    ],
)
def test_until_it_is_introduced_the_merchant_has_no_three_d_secure(at: str, mode: str, expected: Expectation) -> None:
    """The day begins in Tokyo: 2026-05-02 begins at 15:00 UTC of the day before."""
    assert Expectation[seen(mode, "2026-05-02", event_ts=at).expected] is expected


@pytest.mark.parametrize("kind", ["purchase", "cash", "account_verification"])
def test_three_d_secure_is_missing_only_on_a_purchase_where_performed_is_false(kind: str) -> None:
    def missing(**changes: Any) -> float:
        return seen("EVERY_PAYMENT", txn={"type": kind}, **changes).inputs["tds_missing"]

    assert missing(tds={"performed": False}) == float(kind == "purchase")
    assert missing(tds={"performed": True}) == 0.0
    assert missing() == 0.0


@pytest.mark.parametrize(
    ("network", "letter", "eci", "reason", "expected"),
    [
        ("mastercard", "Y", "04", None, 1.0),
        ("mastercard", "Y", "06", None, 1.0),
        ("mastercard", "A", "04", None, 1.0),
        ("mastercard", "A", "06", None, 1.0),
        ("mastercard", "A", "07", None, 1.0),
        ("mastercard", "Y", "07", None, 0.0),
        ("mastercard", "N", "06", None, 0.0),
        ("mastercard", "I", "06", None, 0.0),
        ("mastercard", "U", "04", "80", 0.0),
        ("mastercard", "U", "04", None, 0.0),
        ("mastercard", "U", "04", "22", 1.0),
        ("visa", "I", "05", None, 1.0),
        ("visa", "I", "06", None, 1.0),
        ("visa", "I", "07", None, 0.0),
        ("visa", "Y", "ZZ", None, 1.0),
        ("visa", "Y", "", None, 0.0),
        ("visa", "Y", None, None, 0.0),
        ("other", "Y", "07", None, 0.0),
    ],
)
def test_an_eci_that_is_not_listed_beside_a_status_contradicts_it(
    network: str, letter: str, eci: str | None, reason: str | None, expected: float
) -> None:
    tds = {"trans_status": letter, "eci": eci, "trans_status_reason": reason}
    assert seen(card={"network": network}, tds=tds).inputs["tds_eci_disagrees"] == expected


@pytest.mark.parametrize(
    ("tds", "wallet", "expected"),
    [
        ({"trans_status": "N"}, None, 1.0),
        ({"trans_status": "Y"}, "apple_pay", 1.0),
        ({"eci": "05"}, None, 1.0),
        ({"eci": "06"}, None, 1.0),
        ({"eci": "07"}, None, 0.0),
        (CAVV, None, 1.0),
        (CAVV | {"eci": "05"}, "apple_pay", 0.0),  # the token's own proof
        ({}, None, 0.0),
    ],
)
def test_an_authentication_that_did_not_take_place_leaves_no_result(
    tds: dict[str, Any], wallet: str | None, expected: float
) -> None:
    made = seen(tds=tds | {"performed": False}, txn={"wallet": wallet})
    assert made.inputs["tds_eci_disagrees"] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1.0),
        ({"txn": {"initiator": "MIT"}}, 0.0),
        ({"txn": {"type": "refund"}}, 0.0),
        ({"txn": {"channel": "moto"}}, 0.0),
        ({"txn": {"channel": "other"}}, 0.0),
        ({"card": MASTERCARD}, 1.0),
        ({"card": MASTERCARD, "tds": {"eci": "04"}}, 0.0),
        ({"card": MASTERCARD, "tds": {"eci": "06"}}, 0.0),
        ({"tds": {"eci": "06"}}, 1.0),
    ],
)
def test_a_refusal_counts_on_purchases_by_the_cardholder(changes: dict[str, Any], expected: float) -> None:
    for letter, share in (("N", expected), ("R", expected), ("U", 0.0)):
        tds = {"trans_status": letter} | changes.get("tds", {})
        assert seen(**changes | {"tds": tds}).inputs["tds_refused"] == share


def test_the_japanese_mandate_begins_in_tokyo_on_the_first_of_april_2025() -> None:
    start = datetime.fromtimestamp(MANDATE_MS / 1000, UTC)
    assert start.isoformat() == "2025-03-31T15:00:00+00:00"
    assert verdict("NONE", event_ts="2025-03-31T14:59:59.999Z")[3] is Expectation.UNKNOWN
    assert verdict("NONE", event_ts="2025-03-31T15:00:00.000Z")[3] is Expectation.REQUIRED
    assert verdict("NONE", merchant={"country": "US"})[3] is Expectation.UNKNOWN


def test_a_card_stored_before_the_mandate_counts_as_authenticated() -> None:
    stored = {"stored": True, "registered_at": "2024-01-01T00:00:00Z"}
    assert verdict("EVERY_PAYMENT", credential=stored)[3] is Expectation.NOT_REQUIRED
    at_the_epoch = {"stored": True, "registered_at": "1970-01-01T00:00:00Z"}
    assert verdict("EVERY_PAYMENT", credential=at_the_epoch)[3] is Expectation.NOT_REQUIRED
    stored_later = {"stored": True, "registered_at": "2025-06-01T00:00:00Z"}
    assert verdict("EVERY_PAYMENT", credential=stored_later)[3] is Expectation.REQUIRED


def test_a_card_stored_since_the_mandate_names_the_authentication_of_its_registration() -> None:
    stored = {"stored": True, "registered_at": "2025-03-31T15:00:00Z"}
    proven = stored | {"registration_tds_ref": "r-1"}
    assert verdict("CARD_REGISTRATION", credential=stored)[3] is Expectation.REQUIRED
    assert verdict("CARD_REGISTRATION", credential=proven)[3] is Expectation.NOT_REQUIRED
    assert verdict("CARD_REGISTRATION", credential=stored | {"registration_tds_ref": ""})[3] is Expectation.REQUIRED
    assert verdict("CARD_REGISTRATION")[3] is Expectation.UNKNOWN  # it is unknown whether the card is stored


code = st.one_of(
    st.none(),
    st.text(max_size=8).filter(lambda text: not decode([encoded(tds={"eci": text})], DecodeLimits()).rejects),
    st.sampled_from(["05", "02", "Y", "07", "1", "B"]),
)


@given(eci=code, status=code, cavv=code, network=st.sampled_from(["visa", "mastercard", "jcb", "other", "unionpay"]))
def test_the_verdict_is_the_oracles_for_any_values_of_the_fields(
    eci: str | None, status: str | None, cavv: str | None, network: str
) -> None:
    """Only texts that the guard lets pass are drawn, so every event must come out with the oracle's verdict."""
    changes = {"card": {"network": network}, "tds": {"eci": eci, "trans_status": status}, "checks": {"cavv": cavv}}
    got, read = seen(**changes), oracle.Event(event(**changes), None)
    assert (got.status, got.eci) == (oracle.status(read), oracle.eci_class(read))
    assert (got.liability, got.expected) == (oracle.liability(read), oracle.expected(read))
