"""The compliance part of a decision and the model inputs of a merchant are those of an oracle that reads the record."""

from datetime import date, datetime, timedelta
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import CHECKLIST_ITEMS
from tests.events import event
from tests.features import payment_oracle as oracle
from tests.features.seen import Json, Seen, enrich
from tests.merchants.test_checklist import judged

DAY_S = 86_400
AT = "2026-05-01T03:00:00.000Z"
STATES = (None, "IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN")
HIGH_RISK = {"5815", "5816", "5817", "5818", "5722", "5732", "5045", "6540", "6051", "7922", "7011", "3501", "3999"}
MCCS = (*sorted(HIGH_RISK), "0000", "5411", "5812", "3500", "4000", "5814", "5819")
MODES = ("EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE")
STATUSES = ("NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED")
INTEGRATIONS = ("redirect", "js_token", "server_side")
NAMED = (
    *(["TDS"], ["tds", "check_cap"], ["NO_MEMBER_LOGIN"], ["ip_restriction", "TWO_FACTOR", "LOCKOUT"]),
    *(["ANTIVIRUS"], ["house rule"], ["TESTED", "PATCHED", "SECURE_CODING"]),
)
INTRODUCED = (None, "2025-02-10", "2026-05-01", "2026-05-02")
TIMES = (
    *(AT, AT, "2026-04-30T14:59:59.999Z", "2026-04-30T15:00:00.000Z", "2027-06-01T00:00:00.000Z"),
    *("2025-03-31T14:59:59.999Z", "2025-03-31T15:00:00.000Z", "2025-03-04T15:00:00.000Z", "2025-03-04T14:59:59.999Z"),
    *("2024-03-13T15:00:00.000Z", "2024-03-13T14:59:59.999Z", "2021-01-01T00:00:00.000Z"),
)


def told(value: Any) -> Json:
    """Leave out a field without a value: null and absent are the same."""
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
            "items": {
                code: told({"status": state, "measures": one_of(None, None, *NAMED)})
                for code in CHECKLIST_ITEMS
                if (state := one_of(*STATES)) is not None
            },
        }
    )
    made = told(
        {
            "acquirer_id": "acq-1",
            "merchant_id": "m-1",
            "contracted_on": one_of(
                *(None, "2026-05-01", "2026-04-30", "2021-09-01", "2026-05-02", "2025-03-31", "2025-04-01")
            ),
            "goods_class": one_of(None, [], ["OTHER"], ["E_MONEY"], ["OTHER", "TICKETS"]),
            "tds": one_of(
                None, *(told({"mode": mode, "introduced_on": one_of(*INTRODUCED)}) for mode in (*MODES, "UNKNOWN"))
            ),
            "checklist": one_of(None, checklist, checklist, {"version": "jp-6.0"}),
            "fraud_status": one_of(None, *STATUSES),
            "integration": one_of(None, "unknown", *INTEGRATIONS),
        }
    )
    return one_of(made, made, made, None)


def day_of(at: str) -> date:
    return (datetime.fromisoformat(at) + timedelta(hours=9)).date()


def owed_by(merchant: Json, gaps: list[str], day: date) -> list[str]:
    """Give the duties of e-commerce in Japan under the Guidelines, by the day in Tokyo."""
    tds = merchant.get("tds") or {}
    introduced, contracted = (
        date.fromisoformat(given) if given else None
        for given in (tds.get("introduced_on"), merchant.get("contracted_on"))
    )
    without = tds.get("mode") == "NONE" or (introduced is not None and introduced > day)
    frequent = merchant.get("fraud_status") in ("WARNING", "ACTUALISED", "MONITORED")
    late = contracted is not None and date(2025, 4, 1) <= contracted <= day
    return [
        *(["CHECKLIST"] if gaps and day >= date(2025, 4, 1) else []),
        *(["LOGIN"] if "SC6_LOGIN" in gaps and day >= date(2025, 3, 5) else []),
        *(["TDS"] if without and day >= date(2025, 4, 1) else []),
        *(["TDS_AT_ONCE"] if without and frequent and day >= date(2024, 3, 14) else []),
        *(["TDS_CONTRACT"] if without and late and day >= date(2025, 4, 1) else []),
    ]


def expected_of(record: Json | None, mcc: str, at: str = AT, bound: bool = True) -> Json:
    """Give in plain Python the compliance summary at a time."""
    merchant, day, moment = record or {}, day_of(at), datetime.fromisoformat(at)
    checklist = merchant.get("checklist")
    items = [((checklist or {}).get("items", {}).get(code) or {}) for code in CHECKLIST_ITEMS]
    states = [
        judged(code, item.get("status", "UNKNOWN"), item.get("measures", []), day)
        for code, item in zip(CHECKLIST_ITEMS, items, strict=True)
    ]
    unknown = states.count("UNKNOWN")
    weights = (1, 1, 1, 1, 2, 2)
    good, bad = (
        sum(weight for weight, state in zip(weights, states, strict=True) if state in wanted)
        for wanted in (("IMPLEMENTED", "ALTERNATIVE"), ("NOT_IMPLEMENTED",))
    )
    attested, goods = (checklist or {}).get("attested_at"), merchant.get("goods_class")
    listed = day >= date(2025, 4, 1)
    stale = None if attested is None else (moment - datetime.fromisoformat(attested)).total_seconds() > 365 * DAY_S
    age = None if attested is None else (day - day_of(attested)).days
    gaps = [code for code, state in zip(CHECKLIST_ITEMS, states, strict=True) if state == "NOT_IMPLEMENTED"]
    source = (checklist or {}).get("source")
    more = {
        "checklist_score": round(good / (good + bad), 4) if listed and good + bad else None,
        "outdated": day_of(attested) < date(2025, 4, 1) if attested and listed else None,
        "self_declared": None if source is None else source == "SELF_DECLARED",
        "owed": owed_by(merchant, gaps, day) if bound else [],
        "age_days": None if age is None or age < 0 else age,
    }
    return {
        "known": record is not None,
        "tds_mode": (merchant.get("tds") or {}).get("mode") or "UNKNOWN",
        "gaps": gaps,
        "stale": stale,
        "high_risk_goods": any(kind != "OTHER" for kind in goods) if goods else mcc in HIGH_RISK,
        "fraud_status": merchant.get("fraud_status") or "UNKNOWN",
        "checklist_known": None if checklist is None else unknown < 6,
        "unknown_items": None if checklist is None else unknown,
    } | {name: value for name, value in more.items() if value not in (None, [])}


def check(record: Json | None, mcc: str, seen: Seen, at: str = AT) -> None:
    made = event(event_ts=at, merchant={"mcc": mcc})
    inputs = oracle.of_merchant(made, record or {}) | oracle.of_goods(made, record or {})
    for feature, value in inputs.items():
        got = seen.inputs[feature]
        assert isnan(got) if value is None else got == value, feature


@given(records(), st.sampled_from(MCCS), st.sampled_from(TIMES), st.sampled_from(["ecom", "moto"]), st.booleans())
def test_compliance_and_model_inputs_are_those_of_the_oracle(
    record: Json | None, mcc: str, at: str, channel: str, is_japanese: bool
) -> None:
    merchant = {"mcc": mcc, "country": "JP" if is_japanese else "SG"}
    made = event(event_ts=at, merchant=merchant, txn={"channel": channel})
    (seen,) = enrich([made], [] if record is None else [record])
    assert seen.compliance == expected_of(record, mcc, at, channel == "ecom" and is_japanese)
    check(record, mcc, seen, at)


@given(st.lists(st.tuples(records(), st.sampled_from(TIMES)), min_size=1, max_size=12))
def test_events_of_many_merchants_and_days_in_one_batch_are_judged_each_by_its_own_day(
    told_at: list[tuple[Json | None, str]],
) -> None:
    named = [None if record is None else {**record, "merchant_id": f"m-{n}"} for n, (record, _) in enumerate(told_at)]
    events = [event(event_ts=at, merchant={"id": f"m-{n}", "mcc": "5411"}) for n, (_, at) in enumerate(told_at)]
    for record, (_, at), seen in zip(
        named, told_at, enrich(events, [record for record in named if record is not None]), strict=True
    ):
        assert seen.compliance == expected_of(record, "5411", at)


MIDNIGHT = "2026-04-30T15:00:00.000Z"  # in Tokyo


@pytest.mark.parametrize(
    ("at", "attested", "age"),
    [
        (MIDNIGHT, "2026-04-30T15:00:00.000Z", 0),
        (MIDNIGHT, "2026-04-30T14:59:59.999Z", 1),
        ("2026-04-30T14:59:59.999Z", "2026-04-29T15:00:00.000Z", 0),
        ("2026-04-30T14:59:59.999Z", "2026-04-29T14:59:59.999Z", 1),
        (MIDNIGHT, "2026-05-01T14:59:59.999Z", 0),  # later on the day of the event
        (MIDNIGHT, "2026-05-01T15:00:00.000Z", None),
        (MIDNIGHT, "1926-04-30T15:00:00.000Z", 36_525),
        (MIDNIGHT, "1900-01-01T00:00:00.000Z", 36_525),
    ],
)
def test_the_age_of_an_attestation_counts_days_of_tokyo(at: str, attested: str, age: int | None) -> None:
    merchant = {"acquirer_id": "acq-1", "merchant_id": "m-1", "checklist": {"version": "6", "attested_at": attested}}
    (seen,) = enrich([event(event_ts=at)], [merchant])
    assert seen.compliance.get("age_days") == age


@pytest.mark.parametrize(
    ("at", "contracted", "owed"),
    [
        (MIDNIGHT, "2025-03-31", ["TDS"]),
        (MIDNIGHT, "2025-04-01", ["TDS", "TDS_CONTRACT"]),
        (MIDNIGHT, "2026-05-01", ["TDS", "TDS_CONTRACT"]),
        ("2026-04-30T14:59:59.999Z", "2026-05-01", ["TDS"]),
        ("2025-03-31T14:59:59.999Z", "2025-03-31", []),
        ("2025-03-31T15:00:00.000Z", "2025-04-01", ["TDS", "TDS_CONTRACT"]),
    ],
)
def test_a_contract_after_the_last_day_owes_3d_secure(at: str, contracted: str, owed: list[str]) -> None:
    merchant = {"acquirer_id": "acq-1", "merchant_id": "m-1", "contracted_on": contracted, "tds": {"mode": "NONE"}}
    (seen,) = enrich([event(event_ts=at)], [merchant])
    assert seen.compliance.get("owed", []) == owed


@pytest.mark.parametrize(("introduced", "owed"), [("2026-05-01", []), ("2026-05-02", ["TDS"]), (None, [])])
def test_3d_secure_is_owed_until_the_day_it_begins(introduced: str | None, owed: list[str]) -> None:
    merchant = {"acquirer_id": "acq-1", "merchant_id": "m-1"}
    tds = {"mode": "EVERY_PAYMENT", "introduced_on": introduced}
    (seen,) = enrich([event(event_ts=MIDNIGHT)], [{**merchant, "tds": tds}])
    assert seen.compliance.get("owed", []) == owed


def test_a_record_without_values_asserts_nothing() -> None:
    """A record with only a name must not count as a merchant in good order."""
    bare = {"acquirer_id": "acq-1", "merchant_id": "m-1", "checklist": {"version": "jp-6.0"}}
    (seen,) = enrich([event()], [bare])
    summarised = {name: value for name, value in seen.compliance.items() if name not in {"high_risk_goods", "gaps"}}
    assert seen.compliance["gaps"] == []
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
