"""Verdicts and model inputs of 3-D Secure are those of a plain-Python oracle, for all values, gaps and edges."""

import itertools
from math import isnan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.merchants.store import TDS_MODES
from tests.events import event, token
from tests.examples import examples, is_quick, sample
from tests.features.seen import Json, Seen, enrich
from tests.threeds import threeds_oracle as oracle

NETWORKS = ("visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other")
STATUSES = (None, *"YANURICDS", "y", "Y ", "?", "")
ECIS = (
    *(None, "", " ", "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "99", "N0", "N2"),
    *(
        "5",
        "5 ",
        " 5",
        "005",
        "0000005",
        "\t05\n",
        "n2",
        "ZZ",
        "zz",
        "05x",
        "0N2",
        "00N0",
        "123",
        "\uff15",
        "5 5",
        "-5",
    ),
)
RESULTS = (None, "", *"0123456789ABCDIU", "i", " 4", "44", "\u5408")
REASONS = (None, "", "00", "01", "1", "11", "30", "31", "79", "80", "080", "80 ", "99", "x")
EXEMPTIONS = (
    *(None, "", " ", "none", "NONE", "79", "05", "5", "005", "08", "10", "11", "low_value", "LOW_VALUE", " low_value "),
    *("because", "Low_Value", "07", "x" * 64, "merchant_risk_decision", "transaction_risk", "stored_before_2025"),
)
MODES = (None, "UNKNOWN", *TDS_MODES)
DAYS = (None, "2025-04-01", "2026-04-30", "2026-05-01", "2026-05-02", "2027-01-01")
TIMES = (
    *("2025-03-31T14:59:59.999Z", "2025-03-31T15:00:00.000Z", "2026-04-30T14:59:59.999Z", "2026-04-30T15:00:00Z"),
    "2026-05-01T03:00:00.000Z",
)
REGISTERED = (None, "2024-01-01T00:00:00Z", "2025-03-31T14:59:59.999Z", "2025-03-31T15:00:00Z", "2026-01-01T00:00:00Z")
FLAGS = (None, False, True)


def merchant_of(mode: str | None, introduced_on: str | None = None) -> Json | None:
    if mode is None:
        return None
    return {
        "acquirer_id": "acq-1",
        "merchant_id": f"{mode}-{introduced_on}",
        "tds": {"mode": mode, "introduced_on": introduced_on},
    }


RECORDS = [made for mode, day in itertools.product(MODES, DAYS) if (made := merchant_of(mode, day)) is not None]


def agrees(made: Json, record: Json | None, seen: Seen) -> None:
    e = oracle.Event(made, record)
    assert seen.status == oracle.status(e), made
    assert seen.eci == oracle.eci_class(e), made
    assert seen.liability == oracle.liability(e), made
    assert seen.expected == oracle.expected(e), (made, record)
    codes = {
        "tds_status": ThreeDsStatus[seen.status],
        "tds_eci_class": EciClass[seen.eci],
        "tds_liability": Liability[seen.liability],
        "tds_expected": Expectation[seen.expected],
    }
    wanted = oracle.model_inputs(e) | {name: float(code) for name, code in codes.items()}
    assert set(wanted) == {name for name in seen.inputs if name.startswith("tds_")}
    for name, value in wanted.items():
        got = seen.inputs[name]
        assert isnan(got) if value is None else got == pytest.approx(value), (name, made)


def test_every_cell_of_network_status_and_eci_reads_as_in_the_oracle() -> None:
    """All cells are tried: a contradiction, a class and a shift each depend on network, status and ECI."""
    events = []
    cells = list(itertools.product(NETWORKS, STATUSES[:10], ECIS, (None, "c"), FLAGS))
    for network, letter, eci, cavv, performed in sample(cells, step=29):
        tds = {"trans_status": letter, "eci": eci, "cavv_hmac": cavv, "performed": performed}
        events.append(event(event_id=f"e-{len(events)}", card={"network": network}, tds=tds))
    for made, seen in zip(events, enrich(events), strict=True):
        agrees(made, None, seen)


def test_every_reason_beside_the_data_only_eci_reads_as_in_the_oracle() -> None:
    """A reason counts only beside a transStatus."""
    events = []
    cells = list(itertools.product(("mastercard", "visa"), STATUSES, REASONS))
    for network, letter, reason in sample(cells, step=3):
        tds = {"trans_status": letter, "eci": "04", "trans_status_reason": reason}
        events.append(event(event_id=f"e-{len(events)}", card={"network": network}, tds=tds))
    for made, seen in zip(events, enrich(events), strict=True):
        agrees(made, None, seen)


def test_every_cryptogram_result_reads_as_in_the_oracle() -> None:
    events = []
    proven = (("Y", "05"), ("A", "06"), ("Y", "02"), ("A", "01"), ("Y", "07"), (None, "07"), ("N", "07"), (None, None))
    cells = list(itertools.product(NETWORKS, RESULTS, proven, (None, "c")))
    for network, result, (letter, eci), cavv in sample(cells, step=7):
        tds = {"trans_status": letter, "eci": eci, "cavv_hmac": cavv}
        events.append(event(event_id=f"e-{len(events)}", card={"network": network}, tds=tds, checks={"cavv": result}))
    for made, seen in zip(events, enrich(events), strict=True):
        agrees(made, None, seen)


def test_every_way_to_owe_three_d_secure_reads_as_in_the_oracle() -> None:
    events, records = [], []
    days = (None, "2026-05-01", "2026-05-02")
    cells = list(itertools.product(MODES, days, FLAGS, FLAGS, REGISTERED, (None, "r")))
    for mode, day, stored, recurring, registered, ref in sample(cells, step=7):
        credential = {"stored": stored, "registered_at": registered, "registration_tds_ref": ref}
        record = merchant_of(mode, day)
        merchant = {"id": record["merchant_id"]} if record else {}
        events.append(
            event(
                event_id=f"e-{len(events)}",
                merchant=merchant,
                txn={"recurring": recurring},
                credential=credential,
                tds={"performed": False},
            )
        )
        records.append(record)
    for made, record, seen in zip(events, records, enrich(events, RECORDS), strict=True):
        agrees(made, record, seen)


def maybe(values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def payments(draw: st.DrawFn) -> tuple[Json, Json | None]:
    record = merchant_of(draw(maybe(MODES)), draw(maybe(DAYS)))
    tds = {
        "performed": draw(maybe(FLAGS)),
        "trans_status": draw(maybe(STATUSES)),
        "trans_status_reason": draw(maybe(REASONS)),
        "eci": draw(maybe(ECIS)),
        "cavv_hmac": draw(maybe((None, token("cavv"), token("cavv")))),
        "exempt_reason": draw(maybe((None, None, None, *EXEMPTIONS))),
        "auth_type": draw(maybe((None, "00", "01", "1", "02", "04", "05", "99", "x"))),
        "device_channel": draw(maybe((None, "00", "01", "02", "3", "04", "07"))),
        "auth_ts": draw(maybe((None, "2026-05-01T02:59:00Z", "2026-05-01T03:00:01.500Z"))),
        "purchase_amount": draw(maybe((None, 0, 1, 12_800, 30_000))),
    }
    made = event(
        event_ts=draw(maybe(TIMES)),
        merchant={"country": draw(maybe(("JP", "JP", "US", "jp")))} | ({"id": record["merchant_id"]} if record else {}),
        card={
            "network": draw(maybe(NETWORKS)),
            "funding": draw(maybe((None, "credit", "debit", "prepaid", "unknown"))),
        },
        txn={
            "type": draw(maybe(("purchase", "purchase", "cash", "account_verification", "refund", "reversal"))),
            "channel": draw(maybe(("ecom", "ecom", "moto", "card_present", "other"))),
            "initiator": draw(maybe(("CIT", "CIT", "MIT"))),
            "recurring": draw(maybe(FLAGS)),
            "wallet": draw(maybe((None, None, "none", "", "apple_pay"))),
        },
        checks={"cavv": draw(maybe(RESULTS))},
        credential={
            "stored": draw(maybe(FLAGS)),
            "registered_at": draw(maybe(REGISTERED)),
            "registration_tds_ref": draw(maybe((None, "", "r-1"))),
        },
        tds=draw(maybe((tds, tds, tds, {}, None))),
    )
    return made, record


SIZE = 10 if is_quick() else 20


@settings(max_examples=examples(80))
@given(st.lists(payments(), min_size=SIZE, max_size=SIZE))
def test_the_verdict_is_the_oracles_for_any_values_of_the_fields(drawn: list[tuple[Json, Json | None]]) -> None:
    events = [made | {"event_id": f"e-{n}"} for n, (made, _) in enumerate(drawn)]
    for made, (_, record), seen in zip(events, drawn, enrich(events, RECORDS), strict=True):
        agrees(made, record, seen)
