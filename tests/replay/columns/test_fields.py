"""Optional fields and issuers' answers from columns: what the contract accepts, against plain Python."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.contract.authorization import Authorization
from scoring.decode import DecodeLimits, decode
from streams.config.strict import ConfigError
from streams.replay import command
from streams.replay.columns.declared import mappings_of
from streams.replay.columns.fields import FIELDS
from streams.replay.columns.tokens import token
from streams.replay.source import Phases, SourceError
from tests.examples import examples

BASE = """\
acquirer: bank-1
time: {column: at, unit: seconds}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
"""
FIELDS_OF = """\
fields:
  txn.type: {column: kind, values: {S: purchase, R: refund}}
  txn.initiator: {column: who}
  txn.recurring: {constant: "yes"}
  card.funding: {column: funding}
  merchant.name: {column: name}
  pos.entry_mode: {column: entry}
  tds.eci: {column: eci}
  tds.performed: {column: done}
  device.fp_hmac: {column: device}
  net.asn: {column: asn}
  psp.id: {constant: psp-7}
outcome:
  approved: {column: ok, values: {"A": "true", "D": "false"}}
  response_code: {column: code}
"""
NAMES = ("kind", "who", "funding", "name", "entry", "eci", "done", "device", "asn", "ok", "code")
cells = st.tuples(
    st.sampled_from(["S", "r", None, " "]),
    st.sampled_from(["CIT", "MIT", ""]),
    st.sampled_from(["credit", "debit", None]),
    st.sampled_from(['a "quoted" \\ name', "商店", None]),
    st.sampled_from(["812", "05", None]),
    st.sampled_from(["05", "6", ""]),
    st.sampled_from(["Y", "no", "1", "FALSE", None]),
    st.sampled_from(["d1", "d2", None]),
    st.sampled_from(["0", "4294967295", None]),
    st.sampled_from(["A", "d", None, ""]),
    st.sampled_from(["00", "51", None]),
)


def expected(row: tuple[str | None, ...]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Say by hand what a row means: the fields of its event beside the plain ones, and its answer."""
    told = {name: (cell or "").strip() or None for name, cell in zip(NAMES, row, strict=True)}
    event: dict[str, Any] = {
        "txn": {"type": "refund" if (told["kind"] or "").lower() == "r" else "purchase", "channel": "other"},
        "psp": {"id": "psp-7"},
        "card": {},
        "merchant": {},
    }
    event["txn"] |= {"initiator": told["who"] or "CIT", "recurring": True}
    plain = (("card", "funding", "funding"), ("merchant", "name", "name"), ("pos", "entry_mode", "entry"))
    for section, field, name in (*plain, ("tds", "eci", "eci")):
        if told[name]:
            event.setdefault(section, {})[field] = told[name]
    if told["done"]:
        event.setdefault("tds", {})["performed"] = told["done"].lower() in ("y", "1")
    if told["device"]:
        event["device"] = {"fp_hmac": token(told["device"], "bank-1")}
    if told["asn"]:
        event["net"] = {"asn": int(told["asn"])}
    answer: dict[str, Any] = {"phase": "POST_AUTH"}
    if told["ok"]:
        answer["approved"] = told["ok"].lower() == "a"
    if told["code"]:
        answer["response_code"] = told["code"]
    return event, answer if len(answer) > 1 else None


def sent(tmp_path: Path, rows: list[tuple[str | None, ...]], kind: str, *more: str) -> list[dict[str, Any]]:
    columns: dict[str, Any] = {"at": range(1_600_000_000, 1_600_000_000 + len(rows))}
    columns |= {"card": ["c"] * len(rows), "shop": ["s"] * len(rows), "yen": [5] * len(rows)}
    columns |= {
        name: pa.array(values, pa.string()) for name, values in zip(NAMES, zip(*rows, strict=True), strict=True)
    }
    table = pa.table(columns)
    file = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pa.parquet.write_table(table, file)
    else:
        file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in table.to_pylist()))
    (tmp_path / "m.yaml").write_text(BASE + FIELDS_OF)
    words = ["--config", "-", "--table", str(file), "--mapping", str(tmp_path / "m.yaml"), *more]
    values = [
        value for chunk in command._source(command.parser().parse_args(words)).chunks() for _, value in chunk.events
    ]
    assert decode(values, DecodeLimits()).rejects == []
    for value in values:
        msgspec.json.decode(value, type=Authorization)
    return [orjson.loads(value) for value in values]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40))
@given(st.lists(cells, min_size=1, max_size=8))
def test_every_row_is_the_event_that_its_cells_say_followed_by_its_answer(
    tmp_path: Path, kind: str, rows: list[tuple[str | None, ...]]
) -> None:
    found = iter(sent(tmp_path, rows, kind))
    for number, row in enumerate(rows):
        event, answer = expected(row)
        asked = next(found)
        assert (asked["event_id"], asked["outcome"]) == (str(number), {"phase": "PRE_AUTH"})
        assert asked["txn"] == event["txn"]
        extra = {"card": {"pan_hmac", "network"}, "merchant": {"id", "mcc", "country"}}
        for section in ("card", "merchant", "psp", "pos", "tds", "device", "net"):
            plain = {k: v for k, v in asked.get(section, {}).items() if k not in extra.get(section, ())}
            assert plain == event.get(section, {}), section
            assert section in extra or section not in asked or asked[section], "no empty section"
        if answer is not None:
            assert next(found) == asked | {"outcome": answer}
    assert next(found, None) is None


def test_the_phases_of_rows_with_and_without_an_answer(tmp_path: Path) -> None:
    row: tuple[str | None, ...] = (None,) * len(NAMES)
    rows = [row, (*row[:-1], "00")]
    phases = {
        phase: [event["outcome"]["phase"] for event in sent(tmp_path, rows, "jsonl", "--phases", phase)]
        for phase in Phases
    }
    assert phases == {
        "both": ["PRE_AUTH", "PRE_AUTH", "POST_AUTH"],
        "pre-auth": ["PRE_AUTH", "PRE_AUTH"],
        "post-auth": ["PRE_AUTH", "POST_AUTH"],
    }


@pytest.mark.parametrize(
    ("name", "cell", "told"),
    [
        ("kind", "x", "column 'kind' is spelt in no way that the mapping declares (S, R)"),
        ("funding", "Kredit", "column 'funding' does not fit card.funding: expected one of credit"),
        ("entry", "812345678", "column 'entry' does not fit pos.entry_mode: its length is wrong"),
        ("done", "maybe", "column 'done' does not fit tds.performed: expected one of 1, true"),
        ("asn", "-1", "column 'asn' does not fit net.asn: expected a whole number"),
        ("asn", "4294967296", "column 'asn' does not fit net.asn"),
        ("ok", "x", "column 'ok' is spelt in no way"),
        ("code", "x" * 9, "column 'code' does not fit outcome.response_code"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_cell_that_the_contract_refuses_is_named_by_row_and_column(
    tmp_path: Path, kind: str, name: str, cell: str, told: str
) -> None:
    row: tuple[str | None, ...] = (None,) * len(NAMES)
    bad = tuple(cell if one == name else None for one in NAMES)
    with pytest.raises(SourceError) as caught:
        sent(tmp_path, [row, bad, row], kind)
    place = "line 2 (row 1): " if kind == "jsonl" else "row 1: "
    assert f"{place}{told}" in str(caught.value)
    assert cell not in str(caught.value).replace(told, "").replace(str(tmp_path), "")  # its number may be the cell


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("fields: {pos.entry: {column: x}}", "$.fields.pos.entry: no field that a mapping can fill; did you mean"),
        ("fields: {event_id: {column: x}}", "$.fields.event_id: no field"),
        ("fields: {outcome.approved: {column: x}}", "$.fields.outcome.approved: no field"),
        ("fields: {txn.type: {constant: buy}}", "$.fields.txn.type.constant: does not fit txn.type: expected one of"),
        ("fields: {txn.type: {column: x, values: {a: buy}}}", "$.fields.txn.type.values: does not fit txn.type"),
        ("fields: {txn.type: {constant: cash, values: {a: cash}}}", "values go with column only"),
        ("channel: {column: x, values: {web: internet}}", "$.channel.values: must match ecom"),
        ("channel: {column: x, values: {Web: ecom, web: moto}}", "values lists a spelling twice"),
        ("outcome: {approved: {constant: 'true'}}", "$.outcome: give a column of approved"),
        ("outcome: {approved: {column: x}, code: {column: y}}", "$.outcome.code: unknown key"),
        ("outcome: declined", "$.outcome: invalid enum value"),
    ],
)
def test_a_wrong_declaration_of_a_field_is_named_by_its_path(tmp_path: Path, more: str, told: str) -> None:
    (tmp_path / "m.yaml").write_text(BASE + more)
    with pytest.raises(ConfigError) as caught:
        mappings_of(str(tmp_path / "m.yaml"))
    assert told in str(caught.value)


def test_every_field_that_a_mapping_can_fill_is_listed_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "deploy" / "docs" / "tables.md").read_text()
    for path in FIELDS:
        section, _, name = path.partition(".")
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{section}` |")]
        assert f"`{name}`" in line, path
