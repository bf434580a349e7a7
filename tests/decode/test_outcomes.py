"""Outcomes of their own topic: read as the events with the same content, behind the same guard."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from scoring.contract.authorization import Authorization
from scoring.contract.dead_letter import Reject
from scoring.contract.outcome import IssuerOutcome
from scoring.decode import Col, DecodeLimits, decode, decode_outcomes
from tests.decode.guard.numbers import PAN
from tests.events import encoded, event, outcome_of

LIMITS = DecodeLimits(yen_per_unit={"USD": 150.0})
KEYS = {
    "device": {"fp_hmac": "d"},
    "net": {"ip_hmac": "n"},
    "shopper": {"account_hmac": "s"},
    "ship": {"addr_hmac": "a"},
}
SAID = (Col.EVENT_MS, Col.AMOUNT_JPY, Col.OUTCOME, Col.KIND, Col.MCC, Col.MERCHANT_COUNTRY, Col.PHASE)


def leaves(record: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Give every field of a record with its type and bounds."""
    found = {}
    for field in inspect.type_info(record).fields if not path else record.fields:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        here = (*path, field.encode_name)
        if isinstance(kinds[0], inspect.StructType):
            found |= leaves(kinds[0], here)
        else:
            found[here] = f"{field.required} {field.type}"
    return found


def test_every_field_of_an_outcome_is_that_of_an_event() -> None:
    mine, others = leaves(IssuerOutcome), leaves(Authorization)
    assert len(mine) > 20
    del mine["schema_version",]
    assert {path: others.get(path) for path in mine} == mine


@given(
    st.sets(st.sampled_from(sorted(KEYS))),
    st.sampled_from(["visa", "mastercard", "jcb"]),
    st.fixed_dictionaries(
        {},
        optional={
            "approved": st.sampled_from([True, False, None]),
            "response_code": st.sampled_from(["00", "05", "51", "59", "82", "N7", "ZZ", ""]),
            "normalised": st.sampled_from(["STOP", "TECH", "UNKNOWN"]),
        },
    ),
    st.sampled_from([{}, {"minor": 99, "currency": "USD", "exponent": 2}, {"minor": 5, "jpy": 7}]),
    st.sampled_from(["m-1", "\u95a2\u6771", 'quote" and \\ backslash']),
)
def test_an_outcome_reads_as_the_event_with_the_same_content(
    names: set[str], network: str, said: dict[str, Any], amount: dict[str, Any], merchant: str
) -> None:
    sections: dict[str, Any] = {name: KEYS[name] for name in names}
    whole = event(card={"network": network}, amount=amount, merchant={"id": merchant}, **sections)
    whole["outcome"] = {"phase": "POST_AUTH", **said}
    value = orjson.dumps(whole)
    read, told = decode([value], LIMITS), decode_outcomes([outcome_of(value)], LIMITS)
    assert (told.rejects, told.names, told.index.tolist()) == ([], read.names, [0])
    assert told.hashes.tolist() == read.hashes.tolist()
    assert told.ints[:, SAID].tolist() == read.ints[:, SAID].tolist()


BROKEN = [
    (b"", "EMPTY", "$"),
    (b"{", "MALFORMED_JSON", "$"),
    (b"\xff\xfe", "INVALID_UTF8", "$"),
    (outcome_of(encoded(), event_id=""), "OUT_OF_RANGE", "$.event_id"),
    (outcome_of(encoded(), event_ts="1999-01-01T00:00:00Z"), "OUT_OF_RANGE", "$.event_ts"),
    (outcome_of(encoded(), outcome={"approved": "yes"}), "WRONG_TYPE", "$.outcome.approved"),
    (outcome_of(encoded(amount={"exponent": 2})), "WRONG_EXPONENT", "$.amount.exponent"),
    (outcome_of(encoded(merchant={"mcc": "57x2"})), "INVALID_VALUE", "$.merchant.mcc"),
    (outcome_of(encoded(card={"pan_hmac": None})), "MISSING_FIELD", "$.card.pan_hmac"),
    (encoded(), "INVALID_VALUE", "$.schema_version"),
]


@pytest.mark.parametrize(("value", "reason", "path"), BROKEN, ids=[f"{reason} {path}" for _, reason, path in BROKEN])
def test_a_broken_outcome_is_refused_with_its_place(value: bytes, reason: Any, path: str) -> None:
    good = outcome_of(encoded())
    decoded = decode_outcomes([good, value, good], LIMITS)
    assert decoded.rejects == [(1, Reject(reason=reason, path=path))]
    assert (len(decoded), decoded.index.tolist()) == (2, [0, 2])


def test_an_outcome_at_the_limit_of_bytes_is_accepted() -> None:
    """The event that is made of it is longer; no producer sent that one."""
    value = outcome_of(encoded())
    assert decode_outcomes([value], DecodeLimits(bytes_max=len(value))).rejects == []
    assert decode_outcomes([value], DecodeLimits(bytes_max=len(value) - 1)).rejects == [
        (0, Reject(reason="OVERSIZE", path="$"))
    ]


def test_the_guard_removes_optional_parts_and_refuses_others() -> None:
    noted, named = outcome_of(encoded(), note=PAN), outcome_of(encoded(event_id=PAN))
    device = outcome_of(encoded(device={"tz": PAN, "fp_hmac": "d"}))
    decoded = decode_outcomes([noted, named, device], LIMITS)
    assert decoded.rejects == [(1, Reject(reason="SENSITIVE_PAN", path="$.event_id"))]
    assert [(row, [one.path for one in found]) for row, found in decoded.findings.items()] == [
        (0, ["$.note"]),
        (1, ["$.device.tz"]),
    ]
    assert decoded.hashes.tolist() == decode([encoded(), encoded(device={"fp_hmac": "d"})], LIMITS).hashes.tolist()
    refused = decode_outcomes([noted, device], DecodeLimits(guard="refuse")).rejects
    assert [(position, reject.path) for position, reject in refused] == [(0, "$.*"), (1, "$.device.tz")]


def test_no_digit_of_removed_data_stays_in_the_event_that_is_made() -> None:
    decoded = decode_outcomes([outcome_of(encoded(), note=PAN)], LIMITS)
    assert PAN.encode() not in decoded.values[0]
    assert msgspec.json.decode(decoded.values[0])["outcome"]["phase"] == "POST_AUTH"


def test_a_part_that_only_an_event_requires_is_removed_from_an_outcome() -> None:
    decoded = decode_outcomes([outcome_of(encoded(), txn={"type": PAN})], LIMITS)
    assert (decoded.rejects, len(decoded)) == ([], 1)
    assert [[one.kind for one in found] for found in decoded.findings.values()] == [["SENSITIVE_PAN"]]
