"""Tables are read piece by piece, in order, with reports at their time."""

from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from streams.replay.source import CHUNK_EVENTS, NOT_OURS, SourceError
from tests.replay.tables import ids, source, write_table

ROWS = 2 * CHUNK_EVENTS + 345


REPORT_DELAY_S = 7 * 86_400


def test_every_row_comes_once_in_order_and_finds_its_way_back(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", ROWS)
    rows = source(tmp_path / "t.parquet")
    assert rows.total == ROWS
    chunks = list(rows.chunks())
    assert ids(chunks) == [f"h-{row}" for row in range(ROWS)]
    assert [p for chunk in chunks for p in chunk.positions] == list(range(ROWS))
    assert [rows.position(f"h-{row}") for row in (0, ROWS - 1)] == [0, ROWS - 1]
    times = [datetime.fromisoformat(orjson.loads(value)["event_ts"]) for chunk in chunks for _, value in chunk.events]
    assert [ms for chunk in chunks for ms in chunk.times_ms] == [int(time.timestamp() * 1000) for time in times]
    labels = rows.labels
    assert labels is not None
    assert list(labels.fraud) == table["scenario"].to_pylist()
    assert list(labels.amounts) == table["amount_cents"].to_pylist()


@pytest.mark.parametrize("name", ["0", "h-", f"h-{ROWS}", "h--1", "h-1.0", "h-٣", "x-3", "h-" + "9" * 40])
def test_an_id_that_was_not_sent_is_foreign(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / "t.parquet", ROWS)
    rows = source(tmp_path / "t.parquet")
    list(rows.chunks())
    assert rows.position(name) == NOT_OURS


@pytest.mark.parametrize("limit", [1, CHUNK_EVENTS, CHUNK_EVENTS + 1])
def test_a_limit_ends_the_stream(tmp_path: Path, limit: int) -> None:
    write_table(tmp_path / "t.parquet", ROWS)
    rows = source(tmp_path / "t.parquet", limit=limit)
    assert len(ids(list(rows.chunks()))) == limit
    assert rows.total == limit


def test_a_csv_gives_the_same_events(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", 500)
    pa.csv.write_csv(table, tmp_path / "t.csv")
    a, b = (list(source(tmp_path / name).chunks()) for name in ("t.parquet", "t.csv"))
    assert [chunk.events for chunk in a] == [chunk.events for chunk in b]


def test_each_fraud_is_reported_once_and_never_before_its_week_is_over(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", ROWS, days=30, fraud=0.5)
    times, scenario = table["t"].to_pylist(), table["scenario"].to_pylist()
    reported: list[int] = []
    for chunk in source(tmp_path / "t.parquet").chunks():
        for _, value in chunk.others.get("fraud_reports", ()):
            row = int(orjson.loads(value)["event_id"].removeprefix("h-"))
            assert times[row] + REPORT_DELAY_S <= times[chunk.positions[-1]]
            reported.append(row)
    due = [row for row in range(ROWS) if scenario[row] and times[row] + REPORT_DELAY_S <= times[-1]]
    assert reported == due
    assert due


def test_without_labels_asked_for_nothing_is_reported(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", ROWS, days=30)
    assert not any(chunk.others for chunk in source(tmp_path / "t.parquet", reports=False).chunks())


def test_a_table_out_of_order_is_refused_with_the_first_such_row(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", 10)
    pa.parquet.write_table(table.take(list(range(9, -1, -1))), tmp_path / "back.parquet")
    with pytest.raises(SourceError, match=r"row 1: earlier than the row before it: sort the table by column 't'"):
        list(source(tmp_path / "back.parquet").chunks())


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", 10)
    pa.parquet.write_table(table.drop_columns(["terminal"]), tmp_path / "less.parquet")
    with pytest.raises(SourceError, match="no column terminal"):
        source(tmp_path / "less.parquet")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"not a table")
    with pytest.raises(SourceError, match="not a table"):
        source(tmp_path / "t.parquet")
