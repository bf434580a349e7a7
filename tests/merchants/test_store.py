"""The merchant store keeps the newest record of each merchant, and unknown is not guilt."""

from datetime import UTC, date, datetime
from math import isnan
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import Checklist, ChecklistItem, MerchantRecord, ThreeDsProgramme
from scoring.decode import Name
from scoring.merchants.store import (
    STALE_AFTER_MS,
    UNKNOWN,
    UNKNOWN_ROW,
    MerchantCol,
    MerchantStore,
)
from tests.events import event
from tests.features import payment_oracle as oracle
from tests.features.seen import Json, Seen, enrich

ATTESTED = datetime(2026, 1, 1, tzinfo=UTC)
ATTESTED_MS = int(ATTESTED.timestamp() * 1000)


def record(merchant: str = "m-1", acquirer: str = "acq-1", **changes: object) -> MerchantRecord:
    return MerchantRecord(acquirer_id=acquirer, merchant_id=merchant, **changes)  # type: ignore[arg-type]


def name(merchant: str, acquirer: str = "acq-1") -> Name:
    return b"e-1", acquirer.encode(), b"card", merchant.encode()


def summary(
    store: MerchantStore, merchant: str = "m-1", at_ms: int = ATTESTED_MS, mcc: int = 5411
) -> dict[str, object]:
    rows = store.rows([name(merchant)])
    (text,) = store.summaries(rows.tolist(), [at_ms], np.array([mcc]))
    summarised: dict[str, object] = orjson.loads(text)
    return summarised


def test_an_unknown_merchant_has_no_gaps_and_says_so() -> None:
    store = MerchantStore()
    assert summary(store) == {
        "known": False,
        "tds_mode": "UNKNOWN",
        "gaps": [],
        "stale": None,
        "high_risk_goods": False,
        "fraud_status": "UNKNOWN",
        "checklist_known": None,
        "unknown_items": None,
    }
    assert (store.table[UNKNOWN_ROW] == UNKNOWN).all()


def test_a_gap_is_what_the_merchant_declares_and_an_alternative_is_a_legal_answer() -> None:
    items = {
        "SC1_ADMIN": ChecklistItem(status="IMPLEMENTED"),
        "SC2_DIR": ChecklistItem(status="ALTERNATIVE", alternative_text="waf"),
        "SC5_CREDMASTER": ChecklistItem(status="NOT_IMPLEMENTED"),
        "SC6_LOGIN": ChecklistItem(status="UNKNOWN"),
    }
    store = MerchantStore()
    store.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED, items=items)))  # type: ignore[arg-type]
    assert summary(store)["gaps"] == ["SC5_CREDMASTER"]


def test_an_attestation_turns_stale_after_a_year_of_event_time() -> None:
    store = MerchantStore()
    store.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED)))
    assert summary(store, at_ms=ATTESTED_MS + STALE_AFTER_MS)["stale"] is False
    assert summary(store, at_ms=ATTESTED_MS + STALE_AFTER_MS + 1)["stale"] is True


def test_the_newest_record_replaces_the_older_one_whole() -> None:
    store = MerchantStore()
    store.upsert(record(tds=ThreeDsProgramme(mode="NONE"), goods_class=["E_MONEY"], contracted_on=date(2020, 1, 1)))
    assert summary(store)["high_risk_goods"] is True
    store.upsert(record(tds=ThreeDsProgramme(mode="EVERY_PAYMENT")))
    assert summary(store)["tds_mode"] == "EVERY_PAYMENT"
    assert summary(store)["high_risk_goods"] is False
    assert store.table[1, MerchantCol.CONTRACTED_MS] == UNKNOWN


def test_a_forgotten_merchant_is_unknown_again_and_its_row_is_used_anew() -> None:
    store = MerchantStore()
    store.upsert(record("m-1", fraud_status="ACTUALISED"))
    store.forget("acq-1", "m-1")
    store.forget("acq-1", "never-known")
    assert summary(store)["known"] is False
    store.upsert(record("m-2"))
    assert summary(store, "m-2")["known"] is True
    assert summary(store, "m-2")["fraud_status"] == "UNKNOWN"
    assert len(store) == 1


def test_merchants_of_two_acquirers_with_one_id_are_two_merchants() -> None:
    store = MerchantStore()
    store.upsert(record(acquirer="acq-1", fraud_status="ACTUALISED"))
    store.upsert(record(acquirer="acq-2", fraud_status="NORMAL"))
    rows = store.rows([name("m-1", "acq-1"), name("m-1", "acq-2"), name("m-1", "acq-3")])
    statuses = store.table[rows, MerchantCol.FRAUD_STATUS].tolist()
    assert statuses == [3, 0, UNKNOWN]


def test_the_store_grows_to_its_limit_and_refuses_new_merchants_beyond_it() -> None:
    store = MerchantStore(merchants_max=3000)
    statuses = ("NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED")
    assert all(store.upsert(record(f"m-{n}", fraud_status=statuses[n % 5])) for n in range(3000))
    rows = store.rows([name(f"m-{n}") for n in range(3000)])
    assert store.table[rows, MerchantCol.FRAUD_STATUS].tolist() == [n % 5 for n in range(3000)]
    assert summary(store, "m-2999")["known"] is True
    assert store.upsert(record("one-too-many")) is False
    assert summary(store, "one-too-many")["known"] is False
    assert len(store) == 3000


def test_the_place_of_a_forgotten_merchant_is_taken_by_the_next_one() -> None:
    """So that memory follows the merchants there are, and not all that ever were."""
    store = MerchantStore(merchants_max=2)
    at_first = len(store.table)
    for n in range(3 * at_first):
        assert store.upsert(record(f"m-{n}", fraud_status="WATCH"))
        store.forget("acq-1", f"m-{n - 1}")
    assert (len(store), len(store.table)) == (1, at_first)
    kept, lost = store.rows([name(f"m-{n}"), name(f"m-{n - 1}")]).tolist()
    assert (store.table[kept, MerchantCol.FRAUD_STATUS], lost) == (1, 0)


DAY_S = 86_400
AT = "2026-05-01T03:00:00.000Z"
STATES = (None, "IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN")
HIGH_RISK = {"5815", "5816", "5817", "5818", "5722", "5732", "5045", "6540", "6051", "7922", "7011", "3501", "3999"}
MCCS = (*sorted(HIGH_RISK), "0000", "5411", "5812", "3500", "4000", "5814", "5819")
MODES = ("EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE")
STATUSES = ("NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED")
INTEGRATIONS = ("redirect", "js_token", "server_side")


def told(value: Any) -> Json:
    """Leave a field out where there is nothing to say: null and absent are the same."""
    return {name: given for name, given in value.items() if given is not None}


@st.composite
def records(draw: st.DrawFn) -> Json | None:
    def one_of(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    checklist = told(
        {
            "version": "jp-6.0",
            "attested_at": one_of(None, "2025-05-01T03:00:00Z", "2025-05-01T02:59:59.999Z", "2026-04-30T00:00:00Z"),
            "source": one_of(None, "SELF_DECLARED", "PSP", "AUDIT"),
            "items": {code: {"status": state} for code in CHECKLIST_ITEMS if (state := one_of(*STATES)) is not None},
        }
    )
    made = told(
        {
            "acquirer_id": "acq-1",
            "merchant_id": "m-1",
            "contracted_on": one_of(None, "2026-05-01", "2026-04-30", "2021-09-01", "2026-05-02"),
            "goods_class": one_of(None, [], ["OTHER"], ["E_MONEY"], ["OTHER", "TICKETS"]),
            "tds": one_of(None, *({"mode": mode} for mode in (*MODES, "UNKNOWN"))),
            "checklist": one_of(None, checklist, checklist, {"version": "jp-6.0"}),
            "fraud_status": one_of(None, *STATUSES),
            "integration": one_of(None, "unknown", *INTEGRATIONS),
        }
    )
    return one_of(made, made, made, None)


def expected_of(record: Json | None, mcc: str) -> Json:
    """Give in plain Python the compliance summary at AT."""
    merchant, at = record or {}, datetime.fromisoformat(AT)
    checklist = merchant.get("checklist")
    states = [((checklist or {}).get("items", {}).get(code) or {}).get("status", "UNKNOWN") for code in CHECKLIST_ITEMS]
    unknown = states.count("UNKNOWN")
    attested, goods = (checklist or {}).get("attested_at"), merchant.get("goods_class")
    stale = None if attested is None else (at - datetime.fromisoformat(attested)).total_seconds() > 365 * DAY_S
    return {
        "known": record is not None,
        "tds_mode": (merchant.get("tds") or {}).get("mode") or "UNKNOWN",
        "gaps": [code for code, state in zip(CHECKLIST_ITEMS, states, strict=True) if state == "NOT_IMPLEMENTED"],
        "stale": stale,
        "high_risk_goods": any(kind != "OTHER" for kind in goods) if goods else mcc in HIGH_RISK,
        "fraud_status": merchant.get("fraud_status") or "UNKNOWN",
        "checklist_known": None if checklist is None else unknown < 6,
        "unknown_items": None if checklist is None else unknown,
    }


def check(record: Json | None, mcc: str, seen: Seen) -> None:
    assert seen.compliance == expected_of(record, mcc)
    made = event(event_ts=AT, merchant={"mcc": mcc})
    inputs = oracle.of_merchant(made, record or {}) | oracle.of_goods(made, record or {})
    for feature, value in inputs.items():
        got = seen.inputs[feature]
        assert isnan(got) if value is None else got == value, feature


@given(records(), st.sampled_from(MCCS))
def test_compliance_and_the_model_see_what_a_plain_reading_of_the_record_says(record: Json | None, mcc: str) -> None:
    (seen,) = enrich([event(event_ts=AT, merchant={"mcc": mcc})], [] if record is None else [record])
    check(record, mcc, seen)


def test_nothing_told_asserts_nothing() -> None:
    """A record of nothing but its name must not read as a merchant in good order."""
    bare = {"acquirer_id": "acq-1", "merchant_id": "m-1", "checklist": {"version": "jp-6.0"}}
    (seen,) = enrich([event()], [bare])
    summarised = {name: value for name, value in seen.compliance.items() if name not in {"high_risk_goods", "gaps"}}
    assert summarised == {
        "known": True,
        "tds_mode": "UNKNOWN",
        "stale": None,
        "fraud_status": "UNKNOWN",
        "checklist_known": False,
        "unknown_items": 6,
    }


def test_six_items_unknown_and_six_in_place_read_differently() -> None:
    unknown, in_place = (
        enrich(
            [event()],
            [
                {"acquirer_id": "acq-1", "merchant_id": "m-1"}
                | {"checklist": {"version": "6", "items": {code: {"status": state} for code in CHECKLIST_ITEMS}}}
            ],
        )[0].compliance
        for state in ("UNKNOWN", "IMPLEMENTED")
    )
    assert (unknown["checklist_known"], unknown["unknown_items"]) == (False, 6)
    assert (in_place["checklist_known"], in_place["unknown_items"]) == (True, 0)


@pytest.mark.parametrize(
    ("at", "age_days"),
    [("2026-04-30T15:00:00Z", 0.0), ("2026-05-01T15:00:00Z", 1.0), ("2026-04-30T14:59:59.136Z", -0.00001)],
)
def test_a_contract_begins_at_midnight_in_tokyo(at: str, age_days: float) -> None:
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "contracted_on": "2026-05-01"}
    (seen,) = enrich([event(event_ts=at)], [record])
    assert seen.inputs["merchant_age_days"] == pytest.approx(age_days)


def test_merchants_of_whom_the_same_was_told_share_their_texts() -> None:
    """A million of them would not fit into memory otherwise."""
    store = MerchantStore()
    for merchant in ("m-1", "m-2"):
        store.upsert(record(merchant, fraud_status="WATCH"))
    rows = store.rows([name("m-1"), name("m-2")]).tolist()
    one, other = store.summaries(rows, [0, 0], np.array([5732, 5732]))
    assert one is other


def test_a_full_store_takes_changes_of_those_it_holds_and_a_new_one_for_each_that_is_forgotten() -> None:
    store = MerchantStore(merchants_max=2)
    assert store.upsert(record("m-1"))
    assert store.upsert(record("m-2"))
    assert store.upsert(record("m-1", fraud_status="ACTUALISED"))
    assert summary(store, "m-1")["fraud_status"] == "ACTUALISED"
    assert not store.upsert(record("m-3"))
    store.forget("acq-1", "m-3")
    assert not store.upsert(record("m-3"))
    store.forget("acq-1", "m-2")
    assert store.upsert(record("m-3"))
    assert [summary(store, name)["known"] for name in ("m-1", "m-2", "m-3")] == [True, False, True]


def test_gaps_are_counted_for_each_event_of_a_merchant_that_declares_them() -> None:
    store = MerchantStore()
    for merchant, missing in (("m-1", ("SC1_ADMIN", "SC5_CREDMASTER")), ("m-2", ("SC5_CREDMASTER",)), ("m-3", ())):
        items = {code: ChecklistItem(status="NOT_IMPLEMENTED") for code in missing}
        store.upsert(record(merchant, checklist=Checklist(version="jp-6.0", items=items)))  # type: ignore[arg-type]
    rows = store.rows([name(merchant) for merchant in ("m-1", "m-2", "m-2", "m-3", "unknown")]).tolist()
    assert store.gap_counts(rows) == {"SC1_ADMIN": 1, "SC5_CREDMASTER": 3}
    assert store.gap_counts([]) == {}
