"""A table of merchants: at each payment the record that holds then, against plain Python, as a worker would read it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.matrix import replay
from models.training.records import Record
from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.decode import DecodeLimits, parse_merchants
from scoring.features.all import FEATURES
from streams.cli.train import TableHistory
from streams.config.strict import ConfigError
from streams.replay import command
from streams.replay.columns import masters
from streams.replay.columns.declared import mappings_of
from streams.replay.opened import Tables, open_source
from streams.replay.source import SourceError
from tests.examples import examples

MAPPING = """\
acquirer: bank-1
time: {column: at, unit: seconds}
card: {column: card, type: text}
merchant: {column: shop, type: integer, prefix: m}
amount: {column: yen, unit: minor, currency: JPY}
fraud: {column: cb, fraud: ["1"], genuine: ["0"]}
merchants:
  merchant: terminal
  valid_from: {column: since, unit: date-time, zone: Asia/Tokyo}
  delimiter: ";"
  fields:
    country: {column: land}
    mcc: {constant: "5732"}
    fraud_status: {column: status, values: {ok: NORMAL, bad: WATCH, worse: WARNING}}
    contracted_on: {column: contract}
    goods_class: {column: goods}
    tds.mode: {column: mode}
    tds.introduced_on: {column: tds_since}
    checklist.version: {constant: "6.0"}
    checklist.SC5_CREDMASTER: {column: sc5}
"""
HEADER = "terminal;since;land;status;contract;goods;mode;tds_since;sc5"
START_S = 1_700_000_000
HOUR_S = 3_600
STATUS = {"ok": "NORMAL", "bad": "WATCH", "worse": "WARNING", "": None}
FIELDS = [feature.name for feature in FEATURES]

payments = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=12)
records = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-3, 10), st.sampled_from(list(STATUS))), min_size=1, max_size=9
)


def tokyo(hour: int) -> str:
    return datetime.fromtimestamp(START_S + hour * HOUR_S + 9 * HOUR_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


def opened(tmp_path: Path, paid: list[str], lines: list[str], mapping: str = MAPPING) -> TableHistory:
    (tmp_path / "m.yaml").write_text(mapping)
    (tmp_path / "t.csv").write_text("\n".join(["at,card,shop,yen,cb", *paid, ""]))
    (tmp_path / "shops.csv").write_text("\n".join([HEADER, *lines, ""]))
    tables = Tables(table=tmp_path / "t.csv", mapping=str(tmp_path / "m.yaml"), merchants=tmp_path / "shops.csv")
    return TableHistory(tables, open_source(tables, print))


def payment(hour: int, shop: int, card: int = 1) -> str:
    return f"{START_S + hour * HOUR_S},c{card},{shop},100,0"


@settings(max_examples=examples(60))
@given(paid=payments, told=records)
def test_each_payment_comes_after_the_records_that_hold_then_and_before_later_ones(
    tmp_path_factory: pytest.TempPathFactory, paid: list[tuple[int, int]], told: list[tuple[int, int, str]]
) -> None:
    paid.sort()
    lines = [f"{shop:03d};{tokyo(hour)};JP;{status};;;;;" for shop, hour, status in told]
    history = opened(tmp_path_factory.mktemp("t"), [payment(*one, card=i) for i, one in enumerate(paid)], lines)
    known: dict[bytes, Any] = {}
    events = []
    for record in history.records():
        if record.topic == "merchants":
            known[record.key] = orjson.loads(record.value or b"")
        else:
            events.append((orjson.loads(record.value or b""), dict(known)))
    assert len(events) == len(paid)
    for (event, seen), (hour, shop) in zip(events, paid, strict=True):
        assert event["merchant"]["id"] == f"m{shop}"
        held = [(since, i) for i, (other, since, _) in enumerate(told) if other == shop and since <= hour]
        record = seen.get(f"bank-1/m{shop}".encode())
        if not held:
            assert record is None
            continue
        assert record["merchant_id"] == f"m{shop}"
        assert record.get("fraud_status") == STATUS[told[max(held)[1]][2]]


def of(history: TableHistory, topic: str) -> list[Record]:
    return [record for record in history.records() if record.topic == topic]


def test_a_record_has_the_fields_of_its_row_and_nothing_else(tmp_path: Path) -> None:
    lines = [
        f"7;{tokyo(0)};JP;worse;2025-04-01;TICKETS;RISK_BASED;2025-05-01;NOT_IMPLEMENTED",
        f"8;{tokyo(0)};;;;;;2025-05-01;",
    ]
    found = of(opened(tmp_path, [payment(0, 7)], lines), "merchants")
    assert [record.key for record in found] == [b"bank-1/m7", b"bank-1/m8"]
    head = {"schema_version": "merchant.v1", "acquirer_id": "bank-1", "mcc": "5732"}
    assert [orjson.loads(record.value or b"") for record in found] == [
        head
        | {
            "merchant_id": "m7",
            "country": "JP",
            "fraud_status": "WARNING",
            "contracted_on": "2025-04-01",
            "goods_class": ["TICKETS"],
            "tds": {"mode": "RISK_BASED", "introduced_on": "2025-05-01"},
            "checklist": {"version": "6.0", "items": {"SC5_CREDMASTER": {"status": "NOT_IMPLEMENTED"}}},
        },
        head | {"merchant_id": "m8", "checklist": {"version": "6.0"}},
    ]
    keys, values = [record.key for record in found], [record.value for record in found]
    parsed = parse_merchants(keys, values, DecodeLimits())
    assert (parsed.rejects, len(parsed.changes)) == ([], 2)


def test_the_features_of_training_change_with_the_merchants_record(tmp_path: Path) -> None:
    lines = [f"7;{tokyo(2)};JP;bad;;;;;", f"7;{tokyo(4)};JP;worse;;;;;NOT_IMPLEMENTED", f"7;{tokyo(-1)};JP;ok;;;;;"]
    history = opened(tmp_path, [payment(hour, 7, hour) for hour in range(6)], lines)
    matrix = np.asarray(replay(history.records(), {}).matrix)
    assert matrix[:, FIELDS.index("merchant_fraud_status")].tolist() == [0, 0, 1, 1, 2, 2]
    assert matrix[:, FIELDS.index("chk_gap_credmaster")].tolist() == [0, 0, 0, 0, 1, 1]
    assert "and the merchants of shops.csv" in history.source


def test_another_table_of_merchants_is_another_history(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (
        opened(tmp_path / name, [payment(0, 7)], [f"7;{tokyo(0)};JP;{status};;;;;"])
        for name, status in (("a", "ok"), ("b", "bad"))
    )
    assert one.fingerprint != two.fingerprint


def test_a_row_without_its_merchant_or_its_time_is_refused_and_counted(tmp_path: Path) -> None:
    history = opened(
        tmp_path, [payment(0, 7)], [f";{tokyo(0)};JP;;;;;;", "7;;JP;;;;;;", ";;;;;;;;", f"7;{tokyo(0)};;;;;;;"]
    )
    assert len(of(history, "merchants")) == 1
    assert history.left_out == {"merchant: column 'terminal' is blank": 1, "merchant: column 'since' is blank": 1}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"7;{tokyo(0)};Japan;;;;;;", "column 'land' does not fit merchant.country"),
        (f"7;{tokyo(0)};JP;evil;;;;;", "column 'status' is spelt in no way that the mapping declares"),
        (
            f"7;{tokyo(0)};JP;;1.4.2025;;;;",
            "column 'contract' does not fit merchant.contracted_on: expected a day",
        ),
        (f"7;{tokyo(0)};JP;;;;;;GAP", "column 'sc5' does not fit merchant.checklist.SC5_CREDMASTER: expected one of"),
        (f"x;{tokyo(0)};JP;;;;;;", "column 'terminal' is not a whole number"),
        ("7;soon;JP;;;;;;", "column 'since' is not a date and time"),
    ],
)
def test_a_bad_cell_is_named_by_its_place_and_not_quoted(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        opened(tmp_path, [payment(0, 7)], [f"7;{tokyo(0)};JP;;;;;;", line])
    assert f"{tmp_path}/shops.csv, line 3 (row 1): {why}" in str(caught.value)
    for cell in ("Japan", "evil", "1.4.2025", "GAP", "soon"):
        assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (
            "fraud_status:",
            "fraud_state:",
            "fields.fraud_state: no field of merchant.v1 that a mapping can fill; did",
        ),
        ('    checklist.version: {constant: "6.0"}\n', "", "fields.checklist.SC5_CREDMASTER: needs checklist.version"),
        ("    tds.mode: {column: mode}\n", "", "fields.tds.introduced_on: needs tds.mode, a column or a constant"),
        ("ok: NORMAL", "ok: FINE", "$.merchants.fields.fraud_status.values: does not fit merchant.fraud_status"),
        (
            'mcc: {constant: "5732"}',
            'mcc: {constant: "573"}',
            "fields.mcc.constant: does not fit merchant.mcc",
        ),
        ("  merchant: terminal\n", "", "$.merchants: object missing required field merchant"),
    ],
)
def test_a_wrong_declaration_is_named_by_its_path(tmp_path: Path, before: str, after: str, why: str) -> None:
    assert before in MAPPING
    (tmp_path / "m.yaml").write_text(MAPPING.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        mappings_of(str(tmp_path / "m.yaml"))
    assert why in str(caught.value)


def test_a_table_of_merchants_needs_a_mapping_and_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"7;{tokyo(hour)};JP;;;;;;" for hour in range(3)]
    with pytest.raises(SourceError, match="says nothing of merchants"):
        opened(tmp_path, [payment(0, 7)], lines, MAPPING[: MAPPING.index("merchants:")])
    monkeypatch.setattr(masters, "MASTERS_MAX", 2)
    with pytest.raises(SourceError, match="more than 2 records of merchants"):
        opened(tmp_path, [payment(0, 7)], lines)


def test_every_item_of_the_checklist_can_be_filled(tmp_path: Path) -> None:
    items = "".join(f"    checklist.{item}: {{constant: IMPLEMENTED}}\n" for item in CHECKLIST_ITEMS)
    mapping = MAPPING.replace("    checklist.SC5_CREDMASTER: {column: sc5}\n", items)
    history = opened(tmp_path, [payment(0, 7)], [f"7;{tokyo(0)};JP;;;;;;"], mapping)
    matrix = np.asarray(replay(history.records(), {}).matrix)
    assert matrix[0, FIELDS.index("chk_in_place")] == len(CHECKLIST_ITEMS)


def test_replay_refuses_a_table_of_merchants_beside_a_file_of_events(tmp_path: Path) -> None:
    words = ["--config", "c.yaml", "--events", str(tmp_path / "e"), "--merchant-table", str(tmp_path / "m")]
    with pytest.raises(SourceError, match="--merchant-table is for tables"):
        command._source(command.parser().parse_args(words))
    assert command._uses(command.parser().parse_args(words)) == ["replay", "replay --events", "replay --merchant-table"]
