"""Every input of a payment and its merchant equals that of a plain-Python oracle, for edges and gaps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.decode import DecodeLimits
from scoring.features.payment import PAYMENT_FEATURES
from scoring.merchants.goods import GROUP_OF_MCC, MCC_GROUPS, STEPS
from tests.events import event, token
from tests.examples import examples, sample
from tests.features import payment_oracle as oracle
from tests.features.seen import Json, Seen, enrich
from tests.threeds.test_threeds_oracle import payments

RATES = {"USD": 150.25, "KRW": 0.125}
LIMITS = DecodeLimits(yen_per_unit=RATES)

DAYS = ("2000-02-29", "2024-02-29", "2024-03-01", "2025-04-01", "2026-05-01", "2027-01-01", "2100-03-01")
"""Days in Tokyo: leap days, a century without one, the mandate, the first days of a month and of a year."""


def check(made: Json, record: Json | None, seen: Seen, rates: Mapping[str, float] = RATES) -> None:
    wanted = oracle.payment_inputs(made, record, rates)
    for name, value in wanted.items():
        got = seen.inputs[name]
        right = isnan(got) if value is None else got == pytest.approx(value, rel=1e-12, abs=0.0)
        assert right, (name, got, value, made, record)


def check_all(events: Sequence[Json], records: Sequence[Json | None] | None = None) -> None:
    """Enrich events, each with the record beside it: an event's merchant has the record's id."""
    beside = records or [None] * len(events)
    taken = {record["merchant_id"]: record for record in beside if record is not None}
    for made, record, seen in zip(events, beside, enrich(events, [*taken.values()], LIMITS), strict=True):
        check(made, record, seen)


def test_the_oracle_has_every_input_of_a_payment_and_no_other() -> None:
    assert list(oracle.payment_inputs(event(), None, {})) == [feature.name for feature in PAYMENT_FEATURES]


def test_codes_are_numbered_as_the_contract_numbers_them() -> None:
    for names, known in (
        (oracle.STATUSES, ThreeDsStatus),
        (oracle.ECI_CLASSES, EciClass),
        (oracle.LIABILITIES, Liability),
        (oracle.EXPECTATIONS, Expectation),
    ):
        assert names == [member.name for member in sorted(known)]
    assert tuple(oracle.GROUPS) == MCC_GROUPS


def test_every_category_is_in_its_group() -> None:
    groups = [oracle.group_of(code) for code in range(10_000)]
    assert [MCC_GROUPS[place] for place in GROUP_OF_MCC.tolist()] == groups
    assert STEPS.risky.tolist() == [[group in oracle.HIGH_RISK for group in groups]]


def test_declared_goods_take_precedence_on_both_sides_of_each_edge_of_a_group() -> None:
    edges = [code for code in range(1, 9_999) if len({oracle.group_of(code + k) for k in (-1, 0, 1)}) > 1]
    classes = ["OTHER", "E_MONEY", "DIGITAL", "APPLIANCES", "TICKETS", "LODGING"]
    named: list[Json | None] = [None, {"goods_class": []}, *({"goods_class": [name]} for name in classes)]
    events, records = [], []
    for code in sample(edges, step=5):
        for k, goods in enumerate(named):
            events.append(event(merchant={"id": f"m-{k}", "mcc": f"{code:04d}"}))
            records.append(None if goods is None else {"acquirer_id": "acq-1", "merchant_id": f"m-{k}"} | goods)
    check_all(events, records)


def test_hours_and_weekdays_change_at_midnight_in_tokyo_only() -> None:
    """Every hour of a week, a millisecond before and after, and the edges of days that calendars often have wrong."""
    hours = sample(range(24 * 8), step=5)
    edges = [datetime(2026, 5, 3, 15, tzinfo=UTC) + timedelta(hours=hour) for hour in hours]
    edges += [datetime.fromisoformat(f"{day}T00:00:00+09:00") + timedelta(days=k) for day in DAYS for k in (0, 1)]
    stamps = [edge + timedelta(milliseconds=k) for edge in edges for k in (-1, 0, 1)]
    check_all([event(event_ts=stamp.isoformat()) for stamp in stamps])


@pytest.mark.parametrize("currency", ["JPY", "USD", "KRW", "EUR"])
def test_amounts_are_yen_from_zero_to_the_largest(currency: str) -> None:
    """An amount in a currency without a rate, and without yen beside it, is unknown, not zero."""
    exponent = oracle.EXPONENTS[currency]
    amounts = [0, 1, 3, 4, 5, 99, 100, 333, 500, 999, 1000, 1001, 10**6, 123_456_789, 10**12 - 1]
    beside = (None, 0, 1, 1000, 10**12 - 1)
    check_all(
        [
            event(amount={"minor": minor, "currency": currency, "exponent": exponent, "jpy": jpy})
            for minor in amounts
            for jpy in beside
        ]
    )


def test_a_time_at_the_epoch_is_known() -> None:
    epoch = "1970-01-01T00:00:00Z"
    check_all([event(tds={"auth_ts": epoch}, credential={"registered_at": epoch})])


ITEM_STATES = (None, "IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN")
AGES = (None, "00", "01", "2", "005", "05", "06", "99", "x")
FLAGS = (None, False, True)
TEXTS = (None, None, "JP", "JP", "US", "jp", "us", "XX", "ZZ", "EU", "Jp", "--")


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def parts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json | None]:
    """Draw a section whose fields may each be missing (None), or no section."""
    drawn = st.fixed_dictionaries(fields).map(lambda section: {k: v for k, v in section.items() if v is not None})
    return one_of(0, 0, 0, 1, 2).flatmap(lambda kind: (drawn, st.just({}), st.none())[kind])


def hashed(name: str) -> st.SearchStrategy[str | None]:
    return one_of(None, token(name))


stamps = st.one_of(
    st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30), timezones=st.just(UTC)),
    st.tuples(one_of(*DAYS), st.integers(-3, 3)).map(
        lambda drawn: datetime.fromisoformat(f"{drawn[0]}T00:00:00+09:00") + timedelta(milliseconds=drawn[1])
    ),
).map(datetime.isoformat)


@st.composite
def amounts(draw: st.DrawFn) -> Json:
    currency = draw(one_of("JPY", "JPY", "USD", "KRW", "EUR", "KWD"))
    minor = draw(st.one_of(one_of(0, 1, 1000, 10**12 - 1), st.integers(0, 10**12 - 1), st.integers(0, 99_999)))
    jpy = draw(st.one_of(st.none(), st.none(), one_of(0, 5_000, 10**12 - 1), st.integers(0, 10**6)))
    amount = {"minor": minor, "currency": currency, "exponent": oracle.EXPONENTS[currency], "jpy": jpy}
    return {name: value for name, value in amount.items() if value is not None}


records = st.fixed_dictionaries(
    {
        "contracted_on": one_of(None, *DAYS),
        "goods_class": one_of(None, [], ["OTHER"], ["E_MONEY"], ["OTHER", "TICKETS"], ["DIGITAL", "LODGING"]),
        "checklist": parts(
            version=st.just("jp-6.0"),
            attested_at=st.one_of(st.none(), stamps),
            source=one_of(None, "SELF_DECLARED", "PSP", "AUDIT"),
            items=st.fixed_dictionaries({code: one_of(*ITEM_STATES) for code in oracle.ITEMS}).map(
                lambda items: {code: {"status": state} for code, state in items.items() if state is not None}
            ),
        ).map(lambda checklist: None if checklist is None else {"version": "jp-6.0"} | checklist),
        "fraud_status": one_of(None, *oracle.FRAUD_STATUSES),
        "integration": one_of(None, "unknown", *oracle.INTEGRATIONS),
        "card_data_handling": one_of(None, "unknown", "non_retention", "pci_dss"),
    }
)


@st.composite
def enriched(draw: st.DrawFn, number: int) -> tuple[Json, Json | None]:
    """Draw an event and the record of its merchant, or none; 3-D Secure as in the test of verdicts."""
    made, programme = draw(payments())
    made["event_ts"], made["amount"] = draw(stamps), draw(amounts())
    made["event_id"], made["merchant"]["id"] = f"e-{number}", f"m-{number}"
    made["merchant"]["mcc"] = f"{draw(st.one_of(one_of(0, 5732, 7995, 4112), st.integers(0, 9999))):04d}"
    made["merchant"]["country"] = draw(one_of("JP", "JP", "US", "jp", "XX"))
    made["card"]["issuer_country"] = draw(one_of(*TEXTS))
    if not made["txn"].get("wallet"):
        made["txn"].pop("wallet", None)
    for name, strategy in {
        "pos": parts(entry_mode=one_of(None, "812", "010", "5", "00", "071", "99", "96", "95", "x1", "8x")),
        "net": parts(ip_hmac=hashed("ip"), ip_country=one_of(*TEXTS), proxy=one_of(*FLAGS)),
        "ship": parts(
            addr_hmac=hashed("a"), country=one_of(*TEXTS), is_forwarder=one_of(*FLAGS), usage_ind=one_of(*AGES)
        ),
        "device": parts(fp_hmac=hashed("d")),
        "shopper": parts(
            account_hmac=hashed("s"),
            account_age_ind=one_of(*AGES),
            account_change_ind=one_of(*AGES),
            password_change_ind=one_of(*AGES),
            suspicious_activity=one_of(*AGES),
        ),
    }.items():
        made[name] = draw(strategy)
    letters = one_of(None, *"MNPSUYmxXZARt19*", "AB", "\u5408")
    made["checks"] = (made.get("checks") or {}) | {"cvv2": draw(letters), "avs": draw(letters)}
    credential = made.get("credential") or {}
    made["credential"] = credential | {"registered_at": draw(st.one_of(st.none(), stamps))}
    named = draw(st.one_of(st.none(), records, records))
    if named is None:
        return made, None
    record = {"acquirer_id": "acq-1", "merchant_id": f"m-{number}"} | named
    if programme is not None:
        record["tds"] = {name: value for name, value in programme["tds"].items() if value is not None}
    return made, {name: value for name, value in record.items() if value is not None}


@settings(max_examples=examples(60))
@given(st.tuples(*(enriched(number) for number in range(6))))
def test_every_input_is_the_oracles_for_any_event_and_record(
    drawn: Sequence[tuple[Json, Json | None]],
) -> None:
    check_all([made for made, _ in drawn], [record for _, record in drawn])
