"""An empty text in an optional field reads as a missing field, for any type of the field, in every record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from scoring.contract.authorization import Authorization
from scoring.contract.faults import FAULTS, reader
from scoring.contract.label import FraudReport, Settlement
from scoring.contract.merchant import MerchantRecord
from scoring.contract.outcome import IssuerOutcome
from scoring.contract.threeds_result import ThreeDsResult
from scoring.decode import DecodeLimits, decode, decode_outcomes, parse_merchants, parse_reports, parse_results
from scoring.decode.page import lay_out
from scoring.decode.read import READ, decode_event, read_batch
from scoring.decode.side_inputs import parse_settlements
from tests.examples import sample

LIMITS = DecodeLimits(yen_per_unit={"USD": 150.0})
EXAMPLES = Path(__file__).parents[2] / "scoring" / "contract" / "examples"
RECORDS: dict[str, type[msgspec.Struct]] = {
    "auth.event.v1": Authorization,
    "label.v1": FraudReport,
    "outcome.v1": IssuerOutcome,
    "threeds-result.v1": ThreeDsResult,
    "settlement.v1": Settlement,
    "merchant.v1": MerchantRecord,
}
Path_ = tuple[str, ...]


def example(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return made


def fields(kind: inspect.Type, path: Path_ = ()) -> Iterator[tuple[Path_, bool]]:
    """Yield the fields of a record and of the records in it: path, and whether it is required."""
    for part in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        if isinstance(part, inspect.StructType):
            for field in part.fields:
                yield (*path, field.encode_name), field.required
                yield from fields(field.type, (*path, field.encode_name))


OPTIONAL = [
    (name, path) for name, record in RECORDS.items() for path, must in fields(inspect.type_info(record)) if not must
]
REQUIRED = [
    (name, path) for name, record in RECORDS.items() for path, must in fields(inspect.type_info(record)) if must
]


def changed(name: str, path: Path_, value: Any) -> bytes:
    """Give the example with a value at a path, or without it if the value is None."""
    made = example(name)
    node = made
    for step in path[:-1]:
        node = node.setdefault(step, {"mode": "NONE"} if step == "tds" and name == "merchant.v1" else {"id": "psp-1"})
    node.pop(path[-1], None)
    if value is not None:
        node[path[-1]] = value
    return json.dumps(made).encode()


def key(name: str) -> bytes:
    made = example(name)
    return f"{made['acquirer_id']}/{made['merchant_id']}".encode()


def seen(name: str, value: bytes) -> Any:
    """Give all that the core reads of a value."""
    if name == "auth.event.v1":
        decoded = decode([value], LIMITS)
        whole = [decoded.event(row) for row in range(len(decoded))]
        return decoded.rejects, decoded.ints.tolist(), decoded.hashes.tolist(), decoded.names, whole
    if name == "outcome.v1":
        decoded = decode_outcomes([value], LIMITS)
        return decoded.rejects, decoded.ints.tolist(), decoded.hashes.tolist(), decoded.names
    if name == "label.v1":
        parsed = parse_reports([value], LIMITS)
        return parsed.rejects, parsed.labels, parsed.times_ms.tolist(), parsed.card.tolist(), parsed.amount_jpy.tolist()
    if name == "settlement.v1":
        settled = parse_settlements([value], LIMITS)
        return settled.rejects, settled.settlements, settled.index
    if name == "threeds-result.v1":
        results = parse_results([value], LIMITS)
        columns = (results.times_ms, results.transaction, results.server, results.card, results.merchant)
        codes = (results.status, results.cancel, results.amount, results.exponent, results.currency)
        return results.rejects, [column.tolist() for column in (*columns, *codes)]
    merchants = parse_merchants([key(name)], [value], LIMITS)
    return merchants.rejects, merchants.changes


@pytest.mark.parametrize(
    ("name", "path"), sample(OPTIONAL), ids=lambda part: part if isinstance(part, str) else ".".join(part)
)
def test_an_empty_text_reads_as_if_the_field_were_left_out(name: str, path: Path_) -> None:
    empty, absent = changed(name, path, ""), changed(name, path, None)
    assert seen(name, empty)[0] == []
    assert seen(name, empty) == seen(name, absent)
    assert reader(RECORDS[name])(empty) == msgspec.json.decode(absent, type=RECORDS[name])


@pytest.mark.parametrize("path", sample([path for name, path in OPTIONAL if name == "auth.event.v1"]), ids=".".join)
def test_an_empty_text_is_read_by_the_kernel_as_by_msgspec(path: Path_) -> None:
    """Otherwise msgspec would have to read every event of a source that writes empty texts."""
    page, _ = lay_out([changed("auth.event.v1", path, "")], LIMITS)
    assert read_batch(page, LIMITS).verdicts.tolist() == [READ]


@pytest.mark.parametrize(
    ("name", "path"), sample(REQUIRED), ids=lambda part: part if isinstance(part, str) else ".".join(part)
)
def test_a_field_that_must_be_there_refuses_an_empty_text(name: str, path: Path_) -> None:
    if path == ("checklist", "version"):  # a short text without a minimum length
        assert seen(name, changed(name, path, ""))[0] == []
        return
    ((_, reject),) = seen(name, changed(name, path, ""))[0]
    assert reject.path == "$." + ".".join(path)
    assert reject.reason in {"OUT_OF_RANGE", "INVALID_VALUE", "WRONG_TYPE"}


@given(st.sets(st.sampled_from([path for name, path in OPTIONAL if name == "auth.event.v1" and len(path) == 2])))
def test_any_number_of_empty_fields_reads_as_none_of_them(paths: set[Path_]) -> None:
    empty, absent = example("auth.event.v1"), example("auth.event.v1")
    for section, field in paths:
        empty.setdefault(section, {"id": "psp-1"})[field] = ""
        absent.setdefault(section, {"id": "psp-1"}).pop(field, None)
    assert seen("auth.event.v1", json.dumps(empty).encode()) == seen("auth.event.v1", json.dumps(absent).encode())


def test_empty_items_of_the_checklist_are_unknown_items() -> None:
    made = example("merchant.v1")
    made["checklist"]["items"] = {"SC1_ADMIN": {"status": "IMPLEMENTED", "alternative_text": ""}, "SC2_DIR": ""}
    record = reader(MerchantRecord)(json.dumps(made).encode())
    assert record.checklist is not None
    assert list(record.checklist.items) == ["SC1_ADMIN"]
    assert record.checklist.items["SC1_ADMIN"].alternative_text is None


@pytest.mark.parametrize(
    ("more", "eci"),
    [
        (b'"tds":{"eci":"","version":"2.2.0"}', None),
        (b'"tds":{"eci":"05","eci":"","version":"2.2.0"}', None),
        (b'"tds":{"eci":"","eci":"05"}', "05"),
        (b'"tds":{"eci":"05","challenge_ind":["","04"],"new":"","list":["",{"eci":""}]}', "05"),
        (b'"tds":{"eci":"05","acs_trans_id":"a\\"\\"b"}', "05"),
        (b'"tds":{"eci":"05","version":"\\u5bb6"},"new":[1e400,-0.10,12345678901234567890123,""]', "05"),
    ],
)
def test_other_values_keep_their_spelling(more: bytes, eci: str | None) -> None:
    plain = changed("auth.event.v1", ("tds",), None)
    event = decode_event(plain[:-1] + b"," + more + b"}")
    assert event.tds is not None
    assert event.tds.eci == eci
    if b"challenge_ind" in more:
        assert event.tds.challenge_ind == ["", "04"]
    if b"acs_trans_id" in more:
        assert event.tds.acs_trans_id == 'a""b'


@pytest.mark.parametrize(
    "value",
    [
        b'{"a":"",}',
        b'{"a":""',
        b'""',
        b'["",1]',
        b'{"a":"\xff",b:""}',
        b'{"event_id":"","x":NaN}',
        b'{"event_id":"\\ud83d","x":""}',
        b'{"x":"","amount":{"minor":1e3}}',
        b'{"x":' + b'{"a":' * 5_000 + b'""',
    ],
)
def test_invalid_json_fails_as_without_the_rule(value: bytes) -> None:
    with pytest.raises(FAULTS) as plain:
        msgspec.json.decode(value, type=Authorization)
    with pytest.raises(FAULTS) as ours:
        decode_event(value)
    assert (type(ours.value), str(ours.value)) == (type(plain.value), str(plain.value))
