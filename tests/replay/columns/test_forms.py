"""Declared forms of times and units of amounts, against Python's own calendar, zones and decimals."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.replay.columns.amount import Amount, CurrencyColumn
from streams.replay.columns.arrays import BadCellError
from streams.replay.columns.cells import amounts
from streams.replay.columns.declared import Time
from streams.replay.columns.times import times
from tests.examples import examples

FORMS = ("%d.%m.%Y %H:%M:%S", "%m/%d/%y %H:%M", "%Y%m%d%H%M%S", "%Y-%m-%d", "%H.%M on %d-%m-%Y", "%Y%m%d %H%M")
BERLIN = "Europe/Berlin"  # 2026-03-29 02:00 to 03:00 never comes, 2026-10-25 02:00 to 03:00 comes twice

moments = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def read(cells: list[Any], declared: Time, clock: list[Any] | None = None) -> list[int | None]:
    found, blank = times(pa.array(cells), declared, None if clock is None else pa.array(clock))
    return [None if no else value for value, no in zip(found.tolist(), blank.tolist(), strict=True)]


def refusal(cells: list[Any], declared: Time, clock: list[Any] | None = None) -> BadCellError:
    with pytest.raises(BadCellError) as caught:
        read(cells, declared, clock)
    return caught.value


@settings(max_examples=examples(80))
@given(moments, st.sampled_from(FORMS), st.booleans())
def test_a_form_is_read_as_python_reads_it(moment: datetime, form: str, is_short: bool) -> None:
    text = moment.strftime(form)
    if is_short and form == FORMS[0]:
        text = f"{moment.day}.{moment.month}.{moment.year} {moment.hour}:{moment.minute}:{moment.second}"
    expected = datetime.strptime(text, form).replace(tzinfo=UTC)
    if expected.year < 2000:  # Python's two digits from 69 on are of the last century, which no payment is
        expected = expected.replace(year=moment.year)
    declared = Time(column="t", unit="date-time", format=form, zone="UTC")
    assert read([text, None, f"  {text} ", ""], declared) == [ms(expected), None, ms(expected), None]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d.%m.%Y", "31.02.2026"),
        ("%d.%m.%Y", "29.02.2025"),
        ("%d.%m.%Y", "01.13.2026"),
        ("%d.%m.%Y", "00.01.2026"),
        ("%d.%m.%Y", "2026-01-01"),
        ("%d.%m.%Y", "01.01.26"),
        ("%d.%m.%Y", "01.01.2026 "[:-1] + "x"),
        ("%d.%m.%Y", "01,01,2026"),
        ("%d.%m.%Y", "001.01.2026"),
        ("%d.%m.%Y", "٠١.01.2026"),
        ("%Y%m%d%H%M%S", "2026010193015"),
        ("%Y%m%d", "2026111"),
        ("%m%Y/%d", "12026/11"),
        ("%d.%m.%Y %H:%M", "01.01.2026 24:00"),
        ("%d.%m.%Y %H:%M", "01.01.2026 10:60"),
        ("%d.%m.%Y %H:%M:%S", "01.01.2026 10:00:60"),
        ("%d.%m.%Y %H:%M", "01.01.2026 10:00:00"),
        ("%d.%m.%Y %H:%M", "01.01.2026"),
    ],
)
def test_a_date_that_is_none_is_refused_by_its_row(form: str, text: str) -> None:
    good = datetime(2026, 1, 1, 10, tzinfo=UTC).strftime(form)
    error = refusal([good, text, good], Time(column="t", unit="date-time", format=form, zone="UTC"))
    assert (error.row, error.why) == (1, f"is not a date and time of the form {form}")


def test_a_date_in_a_column_of_whole_numbers_is_read_by_its_form() -> None:
    declared = Time(column="t", unit="date-time", format="%Y%m%d", zone="UTC")
    assert read([20260301, None], declared) == [ms(datetime(2026, 3, 1, tzinfo=UTC)), None]
    assert refusal([20260301, 20260231], declared).row == 1
    plain = Time(column="t", unit="date-time", zone="UTC")
    assert "say `unit: seconds`" in refusal([20260301], plain).why


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%d.%m.%Y %f", "knows %Y %y %m %d %H %M %S and no other"),
        ("%d.%m.%H.%S", "needs %d, %m, and %Y or %y"),
        ("%d.%m.%Y.%y", "needs %d, %m, and %Y or %y"),
        ("%d.%d.%m.%Y", "has a directive twice"),
        ("%d.%m.%Y %M", "has minutes without hours"),
        ("%d.%m.%Y %H %S", "or seconds without minutes"),
        ("%d.%m.%Y %", "in the middle of a directive"),
    ],
)
def test_a_form_that_is_no_form_is_refused(form: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Time(column="t", unit="date-time", format=form)


@settings(max_examples=examples(60))
@given(st.lists(moments, min_size=1, max_size=5))
def test_a_date_and_a_time_of_day_are_joined(found: list[datetime]) -> None:
    found = [one.replace(microsecond=0) for one in found]
    expected = [ms(one.replace(tzinfo=UTC)) for one in found]
    declared = Time(column="d", clock="c", unit="date-time", zone="UTC")
    texts = [one.date().isoformat() for one in found], [one.time().isoformat() for one in found]
    assert read(*(texts[0], declared, texts[1])) == expected
    typed: tuple[list[date], list[time]] = [one.date() for one in found], [one.time() for one in found]
    assert read(typed[0], declared, typed[1]) == expected
    formed = Time(column="d", clock="c", unit="date-time", zone="UTC", format="%d/%m/%Y %H:%M:%S")
    assert read([f"{one:%d/%m/%Y}" for one in found], formed, texts[1]) == expected


def test_half_a_moment_is_refused_and_none_is_a_blank() -> None:
    declared = Time(column="d", clock="c", unit="date-time", zone="UTC")
    assert read(["2026-01-01", "", None], declared, ["10:00", None, " "])[1:] == [None, None]
    for days, clocks in (["2026-01-01", "2026-01-02"], ["10:00", ""]), (["2026-01-01", None], ["10:00", "11:00"]):
        error = refusal(days, declared, clocks)
        assert (error.row, error.why) == (1, "has a date without a time of day, or the other way round")


@settings(max_examples=examples(60))
@given(st.integers(0, 4 * 60 - 1), st.sampled_from(["earlier", "later"]))
def test_a_local_time_that_comes_twice_is_the_declared_one(minutes: int, which: Any) -> None:
    local = datetime(2026, 10, 25, 1) + timedelta(minutes=minutes)
    expected = local.replace(tzinfo=ZoneInfo(BERLIN), fold=int(which == "later"))
    declared = Time(column="t", unit="date-time", zone=BERLIN, repeated=which)
    assert read([local.isoformat()], declared) == [ms(expected)]
    assert read(
        [local.strftime("%d.%m.%Y %H:%M")],
        Time(column="t", unit="date-time", zone=BERLIN, repeated=which, format="%d.%m.%Y %H:%M"),
    ) == [ms(expected)]


@pytest.mark.parametrize("which", ["refused", "earlier", "later"])
def test_a_local_time_that_never_comes_is_refused(which: Any) -> None:
    declared = Time(column="t", unit="date-time", zone=BERLIN, repeated=which)
    error = refusal(["2026-03-29 01:59", "2026-03-29 02:30"], declared)
    assert error.row == 1
    assert error.why.startswith("does not exist in Europe/Berlin")
    assert ("comes twice" in error.why) == (which == "refused")


def test_a_repeated_time_is_refused_unless_it_is_declared() -> None:
    assert refusal(["2026-10-25 02:30"], Time(column="t", unit="date-time", zone=BERLIN)).row == 0
    with pytest.raises(ValueError, match="repeated goes with a zone"):
        Time(column="t", unit="date-time", zone="UTC", repeated="later")


@settings(max_examples=examples(40))
@given(st.integers(946_684_800_000_000, 4_133_980_799_999_999))
def test_microseconds_are_cut_to_milliseconds(moment: int) -> None:
    declared = Time(column="t", unit="microseconds")
    assert read([moment, None], declared) == [moment // 1000, None]
    assert read([str(moment)], declared) == [moment // 1000]
    assert "outside the years 2000 to 2100 as microseconds since" in refusal([moment // 1000], declared).why


@pytest.mark.parametrize("name", ["format", "clock", "zone"])
def test_what_is_of_date_times_is_refused_with_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} goes with date-time only"):
        Time(column="t", unit="seconds", **{name: {"format": "%d.%m.%Y", "clock": "c", "zone": "UTC"}[name]})


@settings(max_examples=examples(60))
@given(st.integers(-(10**9), 10**9), st.sampled_from([("JPY", 0), ("EUR", 2), ("KWD", 3)]), st.booleans())
def test_hundredths_are_minor_units_of_every_currency(minor: int, currency: tuple[str, int], is_negated: bool) -> None:
    code, exponent = currency
    cell = minor * 100 // 10**exponent  # exact but for three decimals
    minor = cell * 10**exponent // 100
    for of in (code, CurrencyColumn(column="c")):
        declared = Amount(column="a", unit="hundredths", currency=of, negated=is_negated)
        found, blank = amounts(pa.array([cell, None, str(cell)][:2]), declared, [code, code])
        assert (found[0], blank.tolist()) == (-minor if is_negated else minor, [False, True])


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("1050", "is a number of hundredths in JPY that needs more than 0 decimals"),
        ("10.5", "is not a whole number of hundredths"),
        (str(10**17), "is too large a number of hundredths"),
    ],
)
def test_hundredths_that_a_currency_cannot_keep_are_refused(cell: str, why: str) -> None:
    with pytest.raises(BadCellError) as caught:
        amounts(pa.array(["200", cell]), Amount(column="a", unit="hundredths", currency="JPY"))
    assert (caught.value.row, caught.value.why) == (1, why)


@pytest.mark.parametrize("unit", ["minor", "major"])
def test_amounts_below_zero_are_turned_round_if_the_table_says_so(unit: Any) -> None:
    declared = Amount(column="a", unit=unit, currency="JPY", negated=True)
    assert amounts(pa.array(["-5", "7"]), declared)[0].tolist() == [5, -7]
