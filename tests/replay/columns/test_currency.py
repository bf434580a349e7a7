"""A currency for each row: codes, decimals, yen, blanks and what is refused, against plain decimals."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decode import Col, DecodeLimits, decode
from streams.config.strict import ConfigError
from streams.replay.columns.amount import CurrencyColumn, currency_of
from streams.replay.columns.cells import currencies
from streams.replay.columns.declared import mappings_of
from streams.replay.opened import Tables, open_source
from streams.replay.source import SourceError
from tests.examples import examples
from tests.replay.tables import source

MAPPING = """\
acquirer: a
time: {column: t, unit: seconds}
card: {column: card, type: integer}
merchant: {column: shop, type: text}
amount:
  column: amount
  unit: major
  currency: {column: ccy, values: {zl: PLN, "¥": JPY, KWD: KWD, EUR: EUR, "036": AUD}}
  jpy_per_unit: {EUR: 160.5, KWD: 488.25, PLN: 38.5}
fraud: {column: cb, fraud: ["1"], genuine: ["0"]}
"""
PLAIN = MAPPING.replace(', values: {zl: PLN, "¥": JPY, KWD: KWD, EUR: EUR, "036": AUD}', "")
HEADER = "t,card,shop,amount,ccy,cb"
DECIMALS = {"JPY": 0, "EUR": 2, "KWD": 3, "PLN": 2, "VND": 0, "AUD": 2}
NUMBERS = {"JPY": "392", "EUR": "978", "KWD": "414", "PLN": "985", "VND": "704", "AUD": "036"}
RATES = {"EUR": "160.5", "KWD": "488.25", "PLN": "38.5"}

codes = st.sampled_from(sorted(DECIMALS))


def written(tmp_path: Path, mapping: str, lines: list[str]) -> Path:
    (tmp_path / "m.yaml").write_text(mapping)
    (tmp_path / "t.csv").write_text("\n".join([HEADER, *lines, ""]))
    return tmp_path / "t.csv"


def values_of(tmp_path: Path, mapping: str, lines: list[str], told: list[str] | None = None) -> list[bytes]:
    rows = source(written(tmp_path, mapping, lines), *mappings_of(str(tmp_path / "m.yaml")), told=told)
    return [value for chunk in rows.chunks() for _, value in chunk.events]


@settings(max_examples=examples(60))
@given(payments=st.lists(st.tuples(codes, st.integers(0, 10**9), st.integers(0, 3)), min_size=1, max_size=8))
def test_each_amount_has_the_decimals_of_its_own_currency(
    tmp_path_factory: pytest.TempPathFactory, payments: list[tuple[str, int, int]]
) -> None:
    spelt = [(code, code.lower(), NUMBERS[code], NUMBERS[code].lstrip("0"))[form] for code, _, form in payments]
    amounts = [Decimal(minor).scaleb(-DECIMALS[code]) for code, minor, _ in payments]
    lines = [f"1600000000,1,s,{amount:f},{ccy},0" for amount, ccy in zip(amounts, spelt, strict=True)]
    values = values_of(tmp_path_factory.mktemp("t"), PLAIN, lines)
    assert decode(values, DecodeLimits()).rejects == []
    for value, (code, minor, _), amount in zip(values, payments, amounts, strict=True):
        expected = {"currency": code, "exponent": DECIMALS[code], "minor": minor}
        if code in RATES:
            expected["jpy"] = int((amount * Decimal(RATES[code])).quantize(Decimal(1), ROUND_HALF_UP))
        assert orjson.loads(value)["amount"] == expected


def test_other_spellings_are_translated_in_any_case(tmp_path: Path) -> None:
    lines = ["1600000000,1,s,1.50,ZL,0", "1600000000,1,s,250,¥,0", "1600000000,1,s,1.234,kwd,0"]
    found = [orjson.loads(value)["amount"] for value in values_of(tmp_path, MAPPING, lines)]
    assert found == [
        {"currency": "PLN", "exponent": 2, "minor": 150, "jpy": 58},
        {"currency": "JPY", "exponent": 0, "minor": 250},
        {"currency": "KWD", "exponent": 3, "minor": 1234, "jpy": 603},
    ]
    assert decode(values_of(tmp_path, MAPPING, lines), DecodeLimits()).ints[1, Col.AMOUNT_JPY] == 250


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.binary()])
def test_numbers_are_codes_in_columns_of_any_type(kind: pa.DataType) -> None:
    cells = [36, 392] if pa.types.is_integer(kind) or pa.types.is_floating(kind) else ["36", "392"]
    array = pa.array(cells, pa.string()).cast(kind) if kind == pa.binary() else pa.array(cells, kind)
    found, blank = currencies(array, CurrencyColumn(column="c"))
    assert (found, blank.tolist()) == (["AUD", "JPY"], [False, False])


@pytest.mark.parametrize("text", ["XYZ", "XXX", "999", "0392", "1000", "E", "EURO", "-36", "３９２"])
def test_what_is_no_currency_of_payments_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no currency of ISO 4217") as caught:
        currency_of(text)
    assert text not in str(caught.value).replace("4217", "")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1600000000,1,s,77.25,QQQ,0", "column 'ccy' is no currency of ISO 4217"),
        ("1600000000,1,s,77.255,EUR,0", "column 'amount' is not an amount with at most 2 decimals and 12 digits"),
        ("1600000000,1,s,77.5,JPY,0", "column 'amount' is not an amount with at most 0 decimals and 12 digits"),
        ("1600000000,1,s,77.2555,KWD,0", "column 'amount' is not an amount with at most 3 decimals and 12 digits"),
        ("1600000000,1,s,x77,KWD,0", "column 'amount' is not an amount with at most 3 decimals and 12 digits"),
    ],
)
def test_a_bad_cell_ends_the_run_with_file_line_and_column_and_without_the_cell(
    tmp_path: Path, line: str, why: str
) -> None:
    lines = ["1600000000,1,s,5,JPY,0", "1600000000,1,s,5.25,EUR,0", line, "1600000000,1,s,0.12345,KWD,0"]
    with pytest.raises(SourceError) as caught:
        values_of(tmp_path, PLAIN, lines)
    assert str(caught.value).startswith(f"{tmp_path}/t.csv, line 4 (row 2): {why}")
    assert "77" not in str(caught.value).removeprefix(str(tmp_path))
    assert "QQQ" not in str(caught.value)


def test_a_spelling_that_is_not_declared_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2 \(row 0\): column 'ccy' is spelt in no way that the mapping"):
        values_of(tmp_path, MAPPING, ["1600000000,1,s,5,GBP,0"])


def test_a_row_without_a_currency_is_refused_and_counted(tmp_path: Path) -> None:
    lines = ["1600000000,1,s,5.1234,,0", ",,,,,", "1600000000,2,s,7.5,EUR,0", ",,,,EUR,"]
    rows = source(written(tmp_path, PLAIN, lines[:3]), *mappings_of(str(tmp_path / "m.yaml")))
    events = [value for chunk in rows.chunks() for _, value in chunk.events]
    assert [orjson.loads(value)["amount"]["minor"] for value in events] == [750]
    assert (rows.left_out, rows.empty) == ({"column 'ccy' is blank": 1}, 1)
    with pytest.raises(SourceError, match="line 5"):  # it has a currency: it is a row without its time
        values_of(tmp_path, PLAIN, lines)


def test_minor_units_are_taken_as_they_are(tmp_path: Path) -> None:
    lines = ["1600000000,1,s,5000,KWD,0", "1600000000,1,s,5000,JPY,0"]
    found = [orjson.loads(v)["amount"] for v in values_of(tmp_path, PLAIN.replace("major", "minor"), lines)]
    assert [(one["minor"], one["exponent"]) for one in found] == [(5000, 3), (5000, 0)]


def test_frauds_in_several_currencies_are_weighed_in_yen(tmp_path: Path) -> None:
    lines = [f"1600000000,1,s,100,{code},1" for code in ("EUR", "JPY", "VND", "KWD")]
    rows = source(written(tmp_path, PLAIN, lines), *mappings_of(str(tmp_path / "m.yaml")))
    list(rows.chunks())
    assert rows.labels is not None
    assert rows.labels.amounts.tolist() == [16_050, 100, 0, 48_825]  # there is no rate for the dong


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("KWD: 488.25", "KWT: 488.25", "$.amount: jpy_per_unit is not a code of ISO 4217"),
        ("{EUR: 160.5, KWD: 488.25, PLN: 38.5}", "160", "$.amount: jpy_per_unit needs a rate for each currency"),
        ("currency: {column: ccy}", "currency: {colum: ccy}", "$.amount.currency"),
        ("currency: {column: ccy}", "currency: {column: ccy, values: {zl: PLZ}}", "values is not a code of ISO 4217"),
        ("currency: {column: ccy}", "currency: {column: ccy, values: {a: EUR, A: EUR}}", "lists a spelling twice"),
        ("currency: {column: ccy}", "currency: XYZ", "$.amount: currency is not a code of ISO 4217"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, before: str, after: str, why: str) -> None:
    assert before in PLAIN
    (tmp_path / "m.yaml").write_text(PLAIN.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        mappings_of(str(tmp_path / "m.yaml"))
    assert why in str(caught.value)


def test_one_rate_from_the_command_line_is_refused_with_a_column(tmp_path: Path) -> None:
    file = written(tmp_path, PLAIN, ["1600000000,1,s,5,JPY,0"])
    with pytest.raises(SourceError, match="--jpy-per-unit goes with one currency"):
        open_source(Tables(table=file, mapping=str(tmp_path / "m.yaml"), jpy_per_unit=3.0), print)
