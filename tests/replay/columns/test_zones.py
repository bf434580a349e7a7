"""A zone for each row: an IANA name or an offset from a column, against Python's own zones, row by row."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config.strict import ConfigError
from streams.replay.columns.arrays import BadCellError
from streams.replay.columns.cells import zones
from streams.replay.columns.declared import Time, mappings_of
from streams.replay.columns.formats import ZoneColumn, zone_of
from streams.replay.columns.times import times
from streams.replay.opened import Tables, open_source
from streams.replay.source import SourceError
from tests.examples import examples

DECLARED = Time(column="t", unit="date-time", zone=ZoneColumn(column="z"))
NAMES = ["Asia/Tokyo", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe", "Etc/GMT+5"]
OFFSETS = ["+09:00", "-0330", "+05", "UTC+14:00", "-00:30", "+00:00"]
MAPPING = """\
acquirer: bank-1
time: {column: at, unit: date-time, zone: {column: tz, values: {JP: Asia/Tokyo, DE: Europe/Berlin, IN: "+05:30"}}}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
reference: ref
reports:
  event: ref
  received: {column: got, unit: date-time, zone: {column: where}}
merchants:
  merchant: shop
  valid_from: {column: since, unit: date-time, zone: {column: where}}
  fields: {country: {column: land}}
"""


def offset_of(text: str) -> timezone:
    sign = -1 if "-" in text else 1
    digits = text.removeprefix("UTC")[1:].replace(":", "").ljust(4, "0")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def is_plain(moment: datetime, name: str) -> bool:
    """Tell whether a local time comes once in a zone."""
    local = moment.replace(tzinfo=ZoneInfo(name))
    back = local.astimezone(UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None)
    return back == moment and local.utcoffset() == local.replace(fold=1).utcoffset()


def read(cells: list[Any], where: list[str | None], declared: Time = DECLARED) -> list[int | None]:
    assert isinstance(declared.zone, ZoneColumn)
    found, blank = times(pa.array(cells), declared, zones=zones(pa.array(where), declared.zone))
    return [None if no else value for value, no in zip(found.tolist(), blank.tolist(), strict=True)]


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(st.datetimes(datetime(2001, 1, 2), datetime(2037, 12, 30)), st.sampled_from(NAMES + OFFSETS)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["text", "timestamp"]),
)
def test_each_time_is_that_of_its_own_zone(drawn: list[tuple[datetime, str]], kind: str) -> None:
    rows = [(moment.replace(microsecond=0), name) for moment, name in drawn]
    rows = [(moment, name) for moment, name in rows if name in OFFSETS or is_plain(moment, name)]
    wanted = [
        round(moment.replace(tzinfo=offset_of(name) if name in OFFSETS else ZoneInfo(name)).timestamp() * 1000)
        for moment, name in rows
    ]
    cells = [moment.isoformat(" ") if kind == "text" else moment for moment, _ in rows]
    where = [f" {name} " for _, name in rows]
    if not rows:
        return
    assert read([*cells, None], [*where, None]) == [*wanted, None]


def test_a_time_with_an_offset_of_its_own_keeps_it_whatever_its_zone(tmp_path: Path) -> None:
    cells = ["2026-05-01T12:00:00+09:00", "2026-05-01 12:00:00", "2026-05-01T03:00:00Z"]
    assert read(cells, ["Europe/Berlin", "Asia/Tokyo", None]) == [1_777_604_400_000] * 3


def test_a_change_of_the_clock_is_that_of_the_row() -> None:
    cells = ["2026-10-25 02:30", "2026-10-25 02:30", "2026-03-29 02:30"]
    later = Time(column="t", unit="date-time", zone=ZoneColumn(column="z"), repeated="later")
    assert read(cells, ["Asia/Tokyo", "Europe/Berlin", "+01:00"], later) == [
        round(datetime(2026, 10, 24, 17, 30, tzinfo=UTC).timestamp() * 1000),
        round(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp() * 1000),
        round(datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp() * 1000),
    ]
    with pytest.raises(BadCellError, match="does not exist in Europe/Berlin or comes twice there") as caught:
        read(cells, ["Asia/Tokyo", "Europe/Berlin", "+01:00"])
    assert caught.value.row == 1
    with pytest.raises(BadCellError, match="does not exist in Europe/Berlin: the clock") as caught:
        read(cells, ["Asia/Tokyo", "Asia/Tokyo", "Europe/Berlin"], later)
    assert caught.value.row == 2


def test_the_first_bad_row_is_named_whatever_its_zone() -> None:
    cells = ["2026-05-01 12:00", "2026-10-25 02:30", "2026-05-01 12:00"]
    with pytest.raises(BadCellError, match="has no offset, and its zone is blank") as caught:
        read(cells, ["Asia/Tokyo", None, ""])
    assert caught.value.row == 1
    aware = ["2026-05-01T12:00:00+09:00", "2026-05-01T12:00:00Z", "2026-10-25 02:30"]
    with pytest.raises(BadCellError, match="comes twice") as caught:
        read(aware, ["Asia/Tokyo", None, "Europe/Berlin"])
    assert caught.value.row == 2
    with pytest.raises(BadCellError, match="comes twice") as caught:
        read(cells, ["Asia/Tokyo", "Europe/Berlin", ""])
    assert caught.value.row == 1
    with pytest.raises(BadCellError, match="its zone is blank") as caught:
        read(["2026-05-01 12:00", "2026-05-01 12:00", "2026-10-25 02:30"], ["", "UTC", "Europe/Berlin"])
    assert caught.value.row == 0


@pytest.mark.parametrize(
    "text", ["JST", "Asia/Tokio", "../etc/passwd", "/etc/localtime", "+15:00", "+9", "+09:60", "America", "x" * 65]
)
def test_what_is_no_zone_is_refused_by_its_row_and_never_shown(text: str) -> None:
    with pytest.raises(
        ValueError, match="is no zone of the time zone database, as Asia/Tokyo, nor an offset"
    ) as caught:
        zone_of(text)
    assert text not in str(caught.value).removeprefix(
        "is no zone of the time zone database, as Asia/Tokyo, nor an offset"
    )
    with pytest.raises(BadCellError, match="is no zone") as refused:
        zones(pa.array(["UTC", None, text]), ZoneColumn(column="z"))
    assert refused.value.row == 2


def test_offsets_are_seconds() -> None:
    assert [zone_of(text) for text in OFFSETS] == ["+32400", "-12600", "+18000", "+50400", "-1800", "+0"]


def written(folder: Path, **files: list[dict[str, Any]]) -> Tables:
    (folder / "m.yaml").write_text(MAPPING)
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return Tables(
        table=folder / "payments.jsonl",
        mapping=str(folder / "m.yaml"),
        reports=folder / "reports.jsonl",
        merchants=folder / "merchants.jsonl",
    )


def payment(at: str, zone: str | None, ref: str = "p") -> dict[str, Any]:
    return {"at": at, "tz": zone, "card": "c", "shop": "s", "yen": 5, "ref": ref}


def test_payments_reports_and_merchants_have_a_zone_for_each_row(tmp_path: Path) -> None:
    tables = written(
        tmp_path,
        payments=[
            payment("2026-05-01 12:00", "jp", "1"),
            payment("2026-05-01 06:00", "DE", "2"),
            payment("2026-05-01 10:30", "IN", "3"),
        ],
        reports=[{"ref": "1", "got": "2026-05-01 07:00", "where": "America/New_York"}],
        merchants=[{"shop": "s", "since": "2026-05-01 13:30", "where": "+09:00", "land": "JP"}],
    )
    opened = open_source(tables, print)
    chunks = list(opened.source.chunks())
    assert [time_ms - 1_777_604_400_000 for chunk in chunks for time_ms in chunk.times_ms] == [0, 3_600_000, 7_200_000]
    rest = opened.rows.rest()
    assert rest is not None
    ((_, report),) = rest.others["fraud_reports"]
    assert orjson.loads(report)["received_ts"] == "2026-05-01T11:00:00.000Z"
    assert [len(chunk.events) for chunk in chunks if "merchants" in chunk.others] == [1], "before the third payment"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (
            [payment("2026-05-01 12:00", "JP"), payment("2026-05-01 13:00", "Japan-secret")],
            r"line 2 \(row 1\): column 'tz' is spelt",
        ),
        (
            [payment("2026-05-01 12:00", "JP"), payment("2026-05-01 13:00", None)],
            r"line 2 \(row 1\): column 'at' has no offset, and",
        ),
        (
            [payment("2026-05-01 12:00", "JP"), payment("2026-05-01 12:00", "IN"), payment("2026-05-01 12:00", "JP")],
            r"line 3 \(row 2\): earlier than",
        ),
    ],
)
def test_a_bad_row_ends_the_run_with_its_place(tmp_path: Path, rows: list[dict[str, Any]], why: str) -> None:
    tables = written(
        tmp_path,
        payments=rows,
        reports=[{"ref": "1", "got": "2026-05-02", "where": "UTC"}],
        merchants=[{"shop": "s", "since": "2026-01-01", "where": "UTC", "land": "JP"}],
    )
    with pytest.raises(SourceError, match=why) as caught:
        list(open_source(tables, print).source.chunks())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        ("{column: tz, values: {A: Asia/Tokio}}", "values has no zone of the time zone database, nor an offset"),
        ("{column: tz, values: {A: UTC, a: UTC}}", "values lists a spelling twice"),
        ("{column: tz, value: {A: UTC}}", "unknown key; did you mean values?"),
        ("{values: {A: UTC}}", "column"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, zone: str, why: str) -> None:
    text = MAPPING.replace('{column: tz, values: {JP: Asia/Tokyo, DE: Europe/Berlin, IN: "+05:30"}}', zone)
    assert text != MAPPING
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"\$\.time"):
        mappings_of(str(tmp_path / "m.yaml"))
    with pytest.raises(ConfigError) as caught:
        mappings_of(str(tmp_path / "m.yaml"))
    assert why in str(caught.value)


def test_a_column_of_zones_goes_with_date_times_only() -> None:
    with pytest.raises(ValueError, match="zone goes with date-time only"):
        Time(column="t", unit="seconds", zone=ZoneColumn(column="z"))
    assert DECLARED.columns == ("t", "z")
    assert Time(column="t", clock="c", unit="date-time", zone="UTC").columns == ("t", "c")
