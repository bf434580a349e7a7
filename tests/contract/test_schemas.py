"""The shipped JSON Schemas and the records agree, and every example is valid."""

import json
from copy import deepcopy
from importlib import resources
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scoring.contract.alert import Alert
from scoring.contract.authorization import Authorization
from scoring.contract.dead_letter import DeadLetter
from scoring.contract.decision import Decision
from scoring.contract.label import FraudReport, Settlement
from scoring.contract.merchant import ListEntry, MerchantRecord
from scoring.contract.outcome import IssuerOutcome
from scoring.contract.threeds_result import ThreeDsResult
from scoring.decode import DecodeLimits, decode, decode_outcomes, parse_merchants, parse_reports, parse_results
from scoring.decode.side_inputs import parse_settlements
from scoring.lists import DatedEntries, DatedLimits

RECORDS: dict[str, type[msgspec.Struct]] = {
    "auth.event.v1": Authorization,
    "merchant.v1": MerchantRecord,
    "label.v1": FraudReport,
    "outcome.v1": IssuerOutcome,
    "threeds-result.v1": ThreeDsResult,
    "settlement.v1": Settlement,
    "list-entry.v1": ListEntry,
    "decision.v1": Decision,
    "alert.v1": Alert,
    "dead-letter.v1": DeadLetter,
}
STRICTER_IN_COLUMNS = {("Merchant", "mcc"), ("Card", "bin"), ("Card", "last4"), ("Amount", "currency")}
"""Checks of the decoder beyond the types, so the schema is stricter than the record."""


def shipped(folder: str, name: str) -> dict[str, Any]:
    text = (resources.files("scoring.contract") / folder / f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def without_words(schema: dict[str, Any]) -> dict[str, Any]:
    """Remove descriptions, and write a constant as the records' own schema does."""
    bare = {key: value for key, value in schema.items() if key not in {"description", "title"}}
    if "const" in bare:
        bare["enum"] = [bare.pop("const")]
    if bare.get("default", "") is None:
        del bare["default"]
    return bare


@pytest.mark.parametrize("name", RECORDS)
def test_a_schema_is_valid_and_names_itself(name: str) -> None:
    schema = shipped("schemas", name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["properties"]["schema_version"]["const"] == name


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_a_schema_is_described_and_bounded_as_in_its_record(name: str) -> None:
    root = RECORDS[name]
    _, generated = msgspec.json.schema_components([root], ref_template="#/$defs/{name}")
    schema = shipped("schemas", name)
    own = {**schema.get("$defs", {}), root.__name__: schema}
    assert set(own) == set(generated)
    for kind, definition in generated.items():
        assert set(own[kind]["properties"]) == set(definition["properties"]), kind
        assert own[kind].get("required", []) == definition.get("required", []), kind
        assert own[kind]["additionalProperties"] is True
        for field, rule in definition["properties"].items():
            told = own[kind]["properties"][field]
            assert told["description"].endswith("."), (kind, field)
            if (kind, field) not in STRICTER_IN_COLUMNS:
                assert without_words(told) == without_words(rule), (kind, field)


@pytest.mark.parametrize("name", RECORDS)
def test_an_example_validates_and_decodes(name: str) -> None:
    example = shipped("examples", name)
    assert list(Draft202012Validator(shipped("schemas", name)).iter_errors(example)) == []
    record = msgspec.json.decode(json.dumps(example).encode(), type=RECORDS[name])
    assert msgspec.to_builtins(record)["schema_version"] == name


def test_the_examples_of_inputs_pass_the_guard_and_the_decoder() -> None:
    values = {name: json.dumps(shipped("examples", name)).encode() for name in RECORDS}
    limits = DecodeLimits()
    assert decode([values["auth.event.v1"]], limits).rejects == []
    assert parse_reports([values["label.v1"]], limits).rejects == []
    assert decode_outcomes([values["outcome.v1"]], limits).rejects == []
    assert parse_results([values["threeds-result.v1"]], limits).rejects == []
    assert parse_settlements([values["settlement.v1"]], limits).rejects == []
    assert parse_merchants([b"acq-jp-01/JP0004711"], [values["merchant.v1"]], limits).rejects == []
    entries = DatedEntries(DatedLimits(), frozenset())
    assert entries.take([b"stolen/v-1"], [values["list-entry.v1"]], [0]) == {"ADDED": 1}
    assert 1000 < len(values["auth.event.v1"]) < 2000


EVENT = shipped("examples", "auth.event.v1")
PATHS = [(key,) for key in EVENT] + [
    (key, inner) for key in EVENT if isinstance(EVENT[key], dict) for inner in EVENT[key]
]
TIMES = {"event_ts", "ingest_ts", "auth_ts"}  # the schema only annotates their format
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 99),
    st.just(10**12),
    st.just(2**70),
    st.just(0.5),
    st.sampled_from([0, 1, 2, 3, 4, 6, 8, 9, 32, 33, 64, 65, 128, 129, 256, 257]).map(lambda size: "x" * size),
    st.sampled_from(["USD", "KWD", "JPY", "visa", "refund", "MIT", "PRE_AUTH", "debit", "4111", "411111", "12x4"]),
    st.just([]),
    st.just(["01"]),
    st.just({}),
)


def without_empty_texts(event: dict[str, Any]) -> dict[str, Any]:
    """Remove empty texts of optional fields: the decoder ignores them, and a schema cannot express that."""
    root = shipped("schemas", "auth.event.v1")

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        parts = [schema, *schema.get("anyOf", ())]
        found = next((part["$ref"] for part in parts if "$ref" in part), None)
        return schema if found is None else root["$defs"][found.rsplit("/", 1)[1]]

    def cut(node: Any, schema: dict[str, Any]) -> Any:
        schema = resolved(schema)
        properties = schema.get("properties")
        if not isinstance(node, dict) or properties is None:
            return node
        kept = {key: value for key, value in node.items() if value != "" or key in schema.get("required", ())}
        return {key: cut(value, properties.get(key, {})) for key, value in kept.items()}

    cleaned: dict[str, Any] = cut(event, root)
    return cleaned


def test_an_empty_text_is_left_out_where_it_may_be_and_only_there() -> None:
    event = {"event_id": "", "schema_version": "", "card": {"bin": "", "pan_hmac": ""}, "strange": ""}
    assert without_empty_texts(event) == {"event_id": "", "card": {"pan_hmac": ""}}


@example([(("schema_version",), ""), (("card", "bin"), "")])
@example([(("event_id",), "")])
@given(st.lists(st.tuples(st.sampled_from(PATHS), ODD_VALUES | st.just(...)), min_size=1, max_size=3))
def test_the_schema_and_the_decoder_refuse_the_same_events(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    event = deepcopy(EVENT)
    for path, value in changes:
        parent = event
        for step in path[:-1]:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if not isinstance(parent, dict) or (path[-1] in TIMES and isinstance(value, str)):
            continue
        if value is ...:
            parent.pop(path[-1], None)
        else:
            parent[path[-1]] = deepcopy(value)
    valid = Draft202012Validator(shipped("schemas", "auth.event.v1")).is_valid(without_empty_texts(event))
    rejects = decode([json.dumps(event).encode()], DecodeLimits()).rejects
    assert valid == (rejects == []), rejects
