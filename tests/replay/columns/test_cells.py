"""Cells are read exactly or refused: each kind of column against plain Python."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.columns.amount import Amount, exponent_of
from streams.replay.columns.arrays import BadCellError
from streams.replay.columns.cells import amounts, frauds, ids, integers, told
from streams.replay.columns.declared import Fraud, Id, Time, Told
from streams.replay.columns.times import times

ROW = Told(column="c")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

numbers = st.one_of(
    st.integers(-(10**19), 10**19).map(str),
    st.decimals(-(10**13), 10**13, places=3).map(str),
    st.from_regex(r"-?[0-9]{1,14}(\.[0-9]{0,5})?", fullmatch=True),
    st.sampled_from(["", " ", "  7 ", "007", "-0", "1e3", "0x1F", "+5", "1,234", "nan", "NaN", "inf", "5.", ".5"]),
    st.just("\u0661\u0662"),
)


def outcome(read: Any, array: Any, *more: Any) -> tuple[list[Any] | None, int | None]:
    """Return the values with None for blanks, or the row that was refused."""
    try:
        values, blank = read(array, *more)
    except BadCellError as error:
        return None, error.row
    return [None if is_blank else value for value, is_blank in zip(values, blank.tolist(), strict=True)], None


def expected(cells: list[Any], one: Any) -> tuple[list[Any] | None, int | None]:
    out = []
    for row, cell in enumerate(cells):
        if cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip():
            out.append(None)
            continue
        value = one(cell)
        if value is None:
            return None, row
        out.append(value)
    return out, None


def whole(cell: Any) -> int | None:
    text = str(cell).strip(" ")
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def money(exponent: int, cell: Any) -> int | None:
    text = str(cell).strip(" ")
    head, point, tail = text.removeprefix("-").partition(".")
    is_plain = all(part.isascii() and part.isdigit() for part in ([head, tail] if point else [head]))
    if not is_plain or len(head) > 12:
        return None
    scaled = Decimal(text).scaleb(exponent)
    return int(scaled) if scaled == int(scaled) else None


@given(st.lists(numbers, min_size=1, max_size=6), st.sampled_from([pa.string(), pa.binary(), pa.large_string()]))
def test_whole_numbers_in_text_are_read_exactly(cells: list[str], kind: Any) -> None:
    array = pa.array([cell.encode() for cell in cells] if kind == pa.binary() else cells, kind)
    assert outcome(integers, array) == expected(cells, whole)


@given(st.lists(numbers, min_size=1, max_size=6), st.sampled_from(["JPY", "EUR", "KWD"]))
def test_amounts_of_text_are_exact(cells: list[str], currency: str) -> None:
    amount = Amount(column="a", unit="major", currency=currency)
    found = outcome(amounts, pa.array([cell.encode() for cell in cells], pa.binary()), amount)
    assert found == expected(cells, lambda cell: money(exponent_of(currency), cell))
    commas = Amount(column="a", unit="major", currency=currency, decimal=",")
    swapped = [cell.translate(str.maketrans(".,", ",.")) for cell in cells]
    assert outcome(amounts, pa.array(swapped), commas) == found


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20), st.sampled_from(["JPY", "EUR", "KWD"]))
def test_amounts_of_doubles_are_the_decimals_that_were_written(minors: list[int], currency: str) -> None:
    amount = Amount(column="a", unit="major", currency=currency)
    written = [float(Decimal(minor).scaleb(-exponent_of(currency))) for minor in minors]
    assert outcome(amounts, pa.array(written), amount) == (minors, None)


@pytest.mark.parametrize(
    ("array", "row"),
    [
        (pa.array([1.0, 12.345]), 1),
        (pa.array([0.1 + 0.2]), 0),
        (pa.array([math.inf]), 0),
        (pa.array([1e300]), 0),
        (pa.array([1, 10**13]), 1),
        (pa.array([Decimal("1.00"), Decimal("1.005")], pa.decimal128(10, 3)), 1),
        (pa.array([True]), None),
        (pa.array([date(2020, 1, 1)]), None),
    ],
)
def test_an_amount_that_cannot_be_kept_is_refused_by_its_row(array: Any, row: int | None) -> None:
    with pytest.raises(BadCellError) as caught:
        amounts(array, Amount(column="a", unit="major", currency="EUR"))
    assert caught.value.row == row


def test_amounts_of_decimals_and_whole_numbers_are_exact() -> None:
    amount = Amount(column="a", unit="major", currency="EUR")
    assert outcome(amounts, pa.array([Decimal("57.160"), None, Decimal("-0.05")], pa.decimal128(20, 3)), amount) == (
        [5716, None, -5],
        None,
    )
    assert outcome(amounts, pa.array([57, None]), amount) == ([5700, None], None)


@pytest.mark.parametrize(
    ("array", "values", "row"),
    [
        (pa.array([596.0, None, float("nan")]), [596, None, None], None),
        (pa.array([1.0, 2.5]), None, 1),
        (pa.array([2.0**53]), None, 0),
        (pa.array([2**64 - 1, 1], pa.uint64()), None, 0),
        (pa.array([7, None], pa.uint16()), [7, None], None),
        (pa.array([Decimal("596"), Decimal(7)], pa.decimal128(10, 0)), [596, 7], None),
        (pa.array([Decimal("596.5")], pa.decimal128(10, 1)), None, 0),
        (pa.array(["5", "6"]).dictionary_encode(), [5, 6], None),
        (pa.array([True]), None, None),
        (pa.array([None, None]), [None, None], None),
    ],
)
def test_whole_numbers_of_any_column_type(array: Any, values: list[int | None] | None, row: int | None) -> None:
    assert outcome(integers, array) == (values, row)


moments = st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30))
offsets = st.sampled_from([None, "Z", "+09:00", "-0530", "+00:00"])


SPELLINGS = st.tuples(moments, offsets, st.sampled_from("T "), st.sampled_from(["auto", "seconds", "minutes"]))


@given(st.lists(SPELLINGS, min_size=1, max_size=5))
def test_dates_and_times_of_text_are_read_as_iso_8601_has_them(rows: list[Any]) -> None:
    cells = [moment.isoformat(sep, spec) + (offset or "") for moment, offset, sep, spec in rows]
    tokyo = timezone(timedelta(hours=9))
    whens = [datetime.fromisoformat(cell) for cell in cells]
    whens = [when if when.tzinfo else when.replace(tzinfo=tokyo) for when in whens]
    exact = [(when - EPOCH) // timedelta(milliseconds=1) for when in whens]
    array = pa.array([cell.encode() for cell in cells], pa.binary())
    assert outcome(times, array, Time(column="t", unit="date-time", zone="Asia/Tokyo")) == (exact, None)
    first_without = next((row for row, cell in enumerate(cells) if datetime.fromisoformat(cell).tzinfo is None), None)
    found = outcome(times, array, Time(column="t", unit="date-time"))
    assert found == ((exact, None) if first_without is None else (None, first_without))


def test_a_date_alone_is_its_midnight_in_the_declared_zone() -> None:
    time = Time(column="t", unit="date-time", zone="Asia/Tokyo")
    midnight = int(datetime(2018, 3, 31, 15, tzinfo=UTC).timestamp()) * 1000
    assert outcome(times, pa.array(["2018-04-01", " "]), time) == ([midnight, None], None)
    assert outcome(times, pa.array([date(2018, 4, 1), None]), time) == ([midnight, None], None)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_a_column_are_read_exactly(unit: str) -> None:
    moment = datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC)
    ms = int(moment.timestamp()) * 1000
    aware = pa.array([moment, None], pa.timestamp(unit, "Europe/Warsaw"))
    naive = pa.array([moment.replace(tzinfo=None), None], pa.timestamp(unit))
    for array, zone in ((aware, None), (naive, "UTC")):
        assert outcome(times, array, Time(column="t", unit="date-time", zone=zone)) == ([ms, None], None)
    assert outcome(times, naive, Time(column="t", unit="date-time", zone="Asia/Tokyo"))[0] == [ms - 9 * 3_600_000, None]
    assert outcome(times, naive, Time(column="t", unit="date-time")) == (None, 0)


@pytest.mark.parametrize("cell", ["2018-10-28 02:30:00", "2018-03-25 02:30:00"])
def test_an_hour_that_comes_twice_or_never_is_refused_and_not_guessed(cell: str) -> None:
    array, warsaw = pa.array(["2018-01-01 00:00:00", cell]), Time(column="t", unit="date-time", zone="Europe/Warsaw")
    assert outcome(times, array, warsaw) == (None, 1)
    summer = datetime(2018, 7, 1, 12, tzinfo=ZoneInfo("Europe/Warsaw"))
    assert outcome(times, pa.array(["2018-07-01 12:00"]), warsaw) == ([int(summer.timestamp()) * 1000], None)


@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
@given(moments)
def test_seconds_and_milliseconds_are_as_declared_and_the_other_unit_is_refused(unit: Any, moment: datetime) -> None:
    seconds = int((moment.replace(tzinfo=UTC, microsecond=0) - EPOCH).total_seconds())
    right, wrong = (seconds, seconds * 1000) if unit == "seconds" else (seconds * 1000, seconds)
    time = Time(column="t", unit=unit)
    for made in (str, int, float):
        assert outcome(times, pa.array([made(right), None]), time) == ([seconds * 1000, None], None)
        assert outcome(times, pa.array([made(wrong)]), time) == (None, 0)


@pytest.mark.parametrize(
    ("unit", "cell"),
    [
        ("date-time", "20180401"),
        ("date-time", "2019"),
        ("date-time", "2019-04"),
        ("date-time", "now"),
        ("date-time", "01/04/2018"),
        ("date-time", "2018-02-30"),
        ("date-time", "1999-12-31T23:59:59Z"),
        ("date-time", "1522540831"),
        ("seconds", "2018-04-01"),
        ("seconds", "31.5"),
        ("seconds", "1" * 18),
        ("milliseconds", "-1"),
    ],
)
def test_a_cell_that_is_no_time_of_the_declared_unit_is_refused(unit: Any, cell: str) -> None:
    good = {"date-time": "2018-04-01", "seconds": "1522540831", "milliseconds": "1522540831000"}[unit]
    zone = "UTC" if unit == "date-time" else None
    with pytest.raises(BadCellError) as caught:
        times(pa.array([good, cell]), Time(column="t", unit=unit, zone=zone))
    assert caught.value.row == 1
    assert cell not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("array", [pa.array([1522540831]), pa.array([True]), pa.array([1.5])])
def test_a_column_of_numbers_is_no_date_time(array: Any) -> None:
    with pytest.raises(BadCellError):
        times(array, Time(column="t", unit="date-time", zone="UTC"))


SPELT = Fraud(column="f", fraud=("1", "true", "Y"), genuine=("0", "false", "N"))


@pytest.mark.parametrize(
    ("array", "values", "row"),
    [
        (pa.array([1, 0, None]), [True, False, None], None),
        (pa.array([True, False, None]), [True, False, None], None),
        (pa.array([1.0, 0.0, float("nan")]), [True, False, None], None),
        (pa.array(["TRUE", "n", " ", "0"]), [True, False, None, False], None),
        (pa.array(["0", "2"]), None, 1),
        (pa.array([0, 2]), None, 1),
        (pa.array(["fraud"]), None, 0),
    ],
)
def test_only_the_declared_words_are_a_truth(array: Any, values: Any, row: int | None) -> None:
    assert outcome(frauds, array, SPELT) == (values, row)


def test_a_blank_truth_is_no_fraud() -> None:
    found, blank = frauds(pa.array(["", None]), SPELT)
    assert (found.tolist(), blank.tolist()) == ([False, False], [True, True])


def test_ids_in_text_are_read_unchanged() -> None:
    text = Id(column="c", type="text")
    assert outcome(ids, pa.array(["007", " x ", "", None, "nan"]), text) == (["007", "x", None, None, "nan"], None)
    assert outcome(ids, pa.array([7, None]), text) == (["7", None], None)
    assert outcome(ids, pa.array([7.0]), text) == (None, None)
    assert outcome(ids, pa.array(["007", "7"]), Id(column="c", type="integer")) == ([7, 7], None)


def test_a_field_of_the_contract_has_a_word_of_its_list_or_is_unknown() -> None:
    assert told(pa.array(["5732", "", None]), "mcc", ROW, "0000") == ["5732", "0000", "0000"]
    for field, cell in (("mcc", "573"), ("mcc", "5732\n1"), ("country", "jp"), ("network", "Visa"), ("channel", "x")):
        with pytest.raises(BadCellError) as caught:
            told(pa.array([cell]), field, ROW, "")
        assert caught.value.row == 0


def test_a_code_in_a_column_of_floats_is_read_as_a_whole_number() -> None:
    assert told(pa.array([5732.0, None, float("nan")]), "mcc", ROW, "0000") == ["5732", "0000", "0000"]
    with pytest.raises(BadCellError, match="not a whole number"):
        told(pa.array([5732.5]), "mcc", ROW, "0000")


def test_spellings_are_translated_in_any_case_and_others_refused_by_row() -> None:
    ours = Told(column="c", values={"Web": "ecom", "pos": "card_present"})
    assert told(pa.array(["WEB", None, " pos "]), "channel", ours, "other") == ["ecom", "other", "card_present"]
    with pytest.raises(BadCellError) as caught:
        told(pa.array(["web", "ecom"]), "channel", ours, "other")
    assert (caught.value.row, "Web, pos" in caught.value.why) == (1, True), "the contract's own word is not declared"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_no_text_becomes_an_amount_that_python_would_not_read(cells: list[str]) -> None:
    values, _ = outcome(amounts, pa.array(cells), Amount(column="a", unit="major", currency="EUR"))
    for value, cell in zip(values or [], cells, strict=False):
        if value is not None:
            try:
                assert Decimal(cell.strip()) * 100 == int(value)
            except InvalidOperation:
                pytest.fail("read as an amount")
