"""Mappings are declared strictly: every misspelt key is named with the nearest right one."""

from importlib import resources
from pathlib import Path

import orjson
import pytest

from scoring.decode import Col, DecodeLimits, decode
from streams.config.strict import ConfigError
from streams.replay.columns.declared import SHIPPED, mappings_of
from tests.replay.tables import source

DOCS = Path(__file__).parents[3] / "deploy" / "docs"

WHOLE = """\
acquirer: a
time: {column: when, unit: date-time, zone: Asia/Tokyo}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
fraud: {column: cb, fraud: ["1"], genuine: ["0"]}
"""


def refusal(tmp_path: Path, text: str) -> str:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        mappings_of(str(tmp_path / "m.yaml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("zone:", "zones:", "m.yaml: $.time.zones: unknown key; did you mean zone?"),
        ("merchant:", "mercant:", "m.yaml: $.mercant: unknown key; did you mean merchant?"),
        ("acquirer: a", "acquirer: a\nname: x", "m.yaml: $.name: unknown key"),
        ("unit: date-time", "unit: datetime", "$.time.unit: invalid enum value"),
        ("Asia/Tokyo", "Asia/Tokio", "$.time: zone is not in the time zone database"),
        ("Asia/Tokyo", "../../etc/passwd", "$.time: zone is not a path of the time zone database"),
        ("unit: date-time, zone: Asia/Tokyo", "unit: seconds, zone: UTC", "$.time: zone goes with date-time only"),
        ("unit: date-time, zone: Asia/Tokyo", "unit: seconds, since: '2018-04-01'", "$.time: since has no zone"),
        ("unit: date-time, zone: Asia/Tokyo", "unit: seconds, since: april", "$.time: since is not an RFC 3339 time"),
        ("zone: Asia/Tokyo", "since: '2018-04-01T00:00:00Z'", "$.time: since goes with seconds, milliseconds and"),
        ("currency: JPY", "currency: JPX", "$.amount: currency is not a code of ISO 4217; did you mean JPY?"),
        ('genuine: ["0"]', 'genuine: ["0", "1"]', "$.fraud: a spelling is listed under fraud and under genuine"),
        ('genuine: ["0"]', "genuine: []", "$.fraud.genuine"),
        ("acquirer: a", "acquirer: a\nmcc: {column: m, constant: '5732'}", "$.mcc: give either column or constant"),
        ("acquirer: a", "acquirer: a\nmcc: {constant: '573'}", "$.mcc.constant: must match [0-9]{4}"),
        ("acquirer: a", 'acquirer: a\nmcc: {constant: "5732\\n"}', "$.mcc.constant: has a blank or line break"),
        ("acquirer: a", "acquirer: a\nchannel: {constant: web}", "$.channel.constant: must match ecom|moto"),
        ("acquirer: a", "acquirer: a\nacquirer: b", "comes twice"),
        (WHOLE, "", "missing required field acquirer"),
    ],
)
def test_a_wrong_declaration_is_named_by_its_path(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in WHOLE
    assert told in refusal(tmp_path, WHOLE.replace(before, after))


def test_a_complete_declaration_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(WHOLE)
    (mapping,) = mappings_of(str(tmp_path / "m.yaml"))
    assert mapping.columns == ("when", "card", "shop", "yen", "cb")
    assert mapping.name == "m.yaml"


def test_every_file_that_ships_is_a_mapping_with_a_name() -> None:
    files = {path.name for path in resources.files("streams.replay.columns").iterdir() if path.name.endswith(".yaml")}
    assert files == {f"{name}.yaml" for names in SHIPPED.values() for name in names}
    for name in SHIPPED:
        assert mappings_of(name)


def test_the_documented_example_of_a_banks_export_is_read_as_the_page_says(tmp_path: Path) -> None:
    page = (DOCS / "tables.md").read_text()
    mapping, table, event = (part.split("\n", 1)[1] for part in page.split("```")[1:6:2])
    (tmp_path / "export.yaml").write_text(mapping)
    (tmp_path / "export.csv").write_text(table)
    rows = source(tmp_path / "export.csv", *mappings_of(str(tmp_path / "export.yaml")))
    values = [value for chunk in rows.chunks() for _, value in chunk.events]
    first = orjson.loads(values[0])
    first["card"]["pan_hmac"] = first["device"]["fp_hmac"] = "..."
    assert first == orjson.loads(event)
    decoded = decode(values, DecodeLimits())
    assert decoded.rejects == []
    assert decoded.ints[:, Col.AMOUNT_MINOR].tolist() == [129_950, 4_800]
    assert rows.labels is not None
    assert list(rows.labels.fraud) == [1, 0]
    assert rows.labels.unknown == 1


def test_merchants_that_are_hashed_fit_the_contract_and_keep_apart(tmp_path: Path) -> None:
    names = ["a" * 60, "b" * 60, 'quote " and \\', "a" * 60]
    lines = [f'{i},1,"{name.replace(chr(34), chr(34) * 2)}",100,0,travel' for i, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("t,card,merchant,amt_cents,is_fraud,category\n" + "\n".join(lines))
    rows = source(tmp_path / "t.csv", *mappings_of("sparkov"))
    values = [value for chunk in rows.chunks() for _, value in chunk.events]
    assert decode(values, DecodeLimits()).rejects == []
    shops = [orjson.loads(value)["merchant"]["id"] for value in values]
    assert shops[0] == shops[3]
    assert len(set(shops)) == 3


def test_a_merchants_text_cannot_break_out_of_its_place(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(WHOLE)
    (tmp_path / "t.csv").write_text('when,card,shop,yen,cb\n2020-01-01,1,"a"",""x"":""y\\",5,0\n')
    rows = source(tmp_path / "t.csv", *mappings_of(str(tmp_path / "m.yaml")))
    ((_, value),) = [record for chunk in rows.chunks() for record in chunk.events]
    assert orjson.loads(value)["merchant"]["id"] == 'a","x":"y\\'
