"""Tables as people send them, through the command: the events sent, the rows refused with their place, the status."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest

from streams.config.settings import Settings
from streams.replay import main
from streams.replay.child import Child
from streams.replay.ledger import Ledger
from streams.replay.run import Pace, Result
from streams.replay.source import NOT_OURS, Chunk, Source
from tests.examples import is_quick, sample

CASES = Path(__file__).parent / "cases"
HEADER = "t,customer,terminal,amount_cents,scenario\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sent() -> list[Chunk]:
    """The records of the last run."""
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], sent: list[Chunk]) -> Run:
    """Run `sekisho replay` on a table without brokers: every event is decided at once."""

    async def replay(_s: Settings, source: Source, _p: Pace, _w: Child | None, _u: Sequence[str]) -> Result:
        ledger = Ledger()
        for chunk in source.chunks():
            sent.append(chunk)
            ledger.sent(chunk.positions, sum(chunk.answers))
            for number, (_, value) in enumerate(chunk.events):
                position = source.position(orjson.loads(value)["event_id"])
                assert position != NOT_OURS
                if not (chunk.answers and chunk.answers[number]):
                    ledger.decided(position, 0.5)
        return Result(
            account=ledger.account(),
            reasons={},
            other_records={},
            seconds=1.0,
            ranking=None,
            left_out=dict(source.left_out),
            empty=source.empty,
            unlabelled=0 if source.labels is None else source.labels.unknown,
        )

    monkeypatch.setattr("streams.replay.command._replay", replay)
    (tmp_path / "config.yaml").write_text("{}")

    def call(table: Path, *more: str) -> tuple[int, str, str]:
        sent.clear()
        status = main(["--config", str(tmp_path / "config.yaml"), "--table", str(table), *more])
        return status, *capsys.readouterr()

    return call


def events(sent: list[Chunk]) -> dict[str, Any]:
    return {event["event_id"]: event for chunk in sent for event in (orjson.loads(v) for _, v in chunk.events)}


def reports(sent: list[Chunk]) -> list[Any]:
    return [orjson.loads(v) for chunk in sent for _, v in chunk.others.get("fraud_reports", ())]


def card_number(seed: int = 1) -> str:
    """Make up a number of sixteen digits that passes Luhn."""
    digits = [4, *np.random.default_rng(seed).integers(0, 10, 14).tolist()]
    total = sum(sum(divmod(d * (1 if i % 2 else 2), 10)) for i, d in enumerate(digits))
    return "".join(map(str, digits)) + str(-total % 10)


@pytest.mark.parametrize("column", ["customer", "terminal", "amount"])
def test_a_blank_cell_refuses_its_row_by_number_and_column_and_touches_no_other(
    run: Run, sent: list[Chunk], tmp_path: Path, column: str
) -> None:
    file = CASES / f"blank_{column}.csv"
    status, out, err = run(file, "--labels")
    name = "amount_cents" if column == "amount" else column
    assert f"line 3 (row 1): column '{name}' is blank" in err
    assert status == 1, "as with dead letters: not every row was decided"
    assert f"rows refused                  1   (column '{name}' is blank 1)" in out
    assert "NOT exact" in out
    found = events(sent)
    lines = file.read_text().splitlines()
    (tmp_path / "whole.csv").write_text("\n".join([*lines[:2], "41,9,9,9,0", lines[3]]))
    assert run(tmp_path / "whole.csv")[0] == 0
    whole = events(sent)
    assert found == {"0": whole["0"], "2": whole["2"]}
    assert whole["0"]["merchant"]["id"] == "m3156"


def test_a_blank_time_ends_the_run_and_names_row_and_column(run: Run) -> None:
    status, _, err = run(CASES / "blank_time.csv")
    assert (status, "line 3 (row 1): column 't' is blank" in err) == (2, True)


def test_a_blank_label_is_unknown_and_unknown_is_no_fraud(run: Run, sent: list[Chunk]) -> None:
    status, out, _ = run(CASES / "blank_label.csv", "--labels")
    assert status == 0
    assert "label blank                   1" in out
    assert len(events(sent)) == 3
    assert reports(sent) == []


def test_a_report_is_sent_before_later_events_also_in_a_small_table(run: Run, sent: list[Chunk]) -> None:
    assert run(CASES / "labels_small_table.csv", "--labels")[0] == 0
    (report,) = reports(sent)
    assert report["event_id"] == "0"
    assert datetime.fromisoformat(report["received_ts"]).isoformat() == "2018-04-08T00:00:31+00:00"
    (place,) = (i for i, chunk in enumerate(sent) if chunk.others)
    assert list(events(sent[:place])) == ["0"], "a report must follow its own event"
    assert list(events(sent[place:])) == ["1", "2"], "a report must come before later events"


def test_dates_in_a_column_of_seconds_are_refused_and_never_guessed(run: Run, sent: list[Chunk]) -> None:
    status, _, err = run(CASES / "datetime_t.csv")
    assert (status, sent) == (2, [])
    assert "line 2 (row 0): column 't' is not a whole number of seconds since 2018-04-01T00:00:00Z" in err
    assert "date-time" in err


def test_the_row_out_of_order_is_the_one_that_is_named(run: Run) -> None:
    status, _, err = run(CASES / "unsorted_row2.csv")
    assert (status, "line 4 (row 2): earlier than the row before it" in err) == (2, True)


def test_an_amount_with_decimals_among_cents_names_its_place(run: Run) -> None:
    status, _, err = run(CASES / "decimal_amount.csv")
    assert (status, "line 2 (row 0): column 'amount_cents' is not a whole number of minor units" in err) == (2, True)
    assert "57" not in err.replace(str(CASES), "")


def test_utf16_is_refused_as_not_utf8(run: Run) -> None:
    status, _, err = run(CASES / "utf16.csv")
    assert (status, "not UTF-8" in err) == (2, True)


def test_the_columns_of_the_handbook_are_read(run: Run, sent: list[Chunk]) -> None:
    assert run(CASES / "real_handbook_columns.csv", "--mapping", "handbook")[0] == 0
    (event,) = events(sent).values()
    assert datetime.fromisoformat(event["event_ts"]).isoformat() == "2018-04-01T00:00:31+00:00"
    assert event["amount"] == {"currency": "EUR", "exponent": 2, "minor": 5716, "jpy": 7431}
    assert event["merchant"]["id"] == "m3156"


LATE, NOTE = (16_000, "," + "x" * 80) if is_quick() else (80_000, "")
"""Rows of a table of more than one block: few with a note that is not read, or many without."""


def late_bad(file: Path, cell: str) -> Path:
    rows = [f"{i},{i % 900},{i % 50},100,0{NOTE}" for i in range(LATE)]
    rows[LATE - 1_001] = f"{LATE - 1_001},{cell},1,100,0{NOTE}"
    file.write_text(HEADER.replace("\n", ",note\n" if NOTE else "\n") + "\n".join(rows) + "\n")
    return file


@pytest.mark.parametrize("name", sample(["abc", "a card number", "abc in Parquet"]))
def test_a_bad_cell_behind_the_first_block_names_column_and_row_and_never_the_cell(
    run: Run, tmp_path: Path, name: str, sent: list[Chunk]
) -> None:
    number = card_number()
    cell = " ".join(number[i : i + 4] for i in range(0, 16, 4)) if name == "a card number" else "abc"
    file = late_bad(tmp_path / "t.csv", cell)
    if "Parquet" in name:
        read = pa.csv.read_csv(file, convert_options=pa.csv.ConvertOptions(column_types={"customer": pa.string()}))
        file = tmp_path / "t.parquet"
        pa.parquet.write_table(read, file)
    status, out, err = run(file)
    assert status == 2
    line = "" if "Parquet" in name else f"line {LATE - 999} (row {LATE - 1_001})"
    assert f"{line or f'row {LATE - 1_001}'}: column 'customer' is not a whole number" in err
    assert cell not in out + err
    assert "Traceback" not in err
    assert len(events(sent)) > LATE // 4


@pytest.mark.parametrize(
    "row", ["31,{},3156,5716,0", "{},1,3156,5716,0", "31,1,{},5716,0", "31,1,1,{},0", "31,1,1,1,{}", "31,{},1", "{}"]
)
def test_no_cell_is_shown_in_a_message_or_an_exception_chain(
    tmp_path: Path, row: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = card_number()
    for cell in (number, " ".join(number[i : i + 4] for i in range(0, 16, 4)), number + ".5", f'"{number}\n'):
        (tmp_path / "t.csv").write_text(HEADER + "1,1,1,1,0\n" + row.format(cell) + "\n")
        told: list[object] = []
        monkeypatch.setattr("streams.replay.command.tell", lambda _, what: told.append(what))  # noqa: B023 -- used in its turn
        status, out, err = run(tmp_path / "t.csv")
        if status == 0:
            continue  # an id, or in a line of its own no row
        assert status in (1, 2)
        chain = [link for one in told for link in chained(one)]
        text = out + err + "".join(map(repr, chain)) + "".join(map(str, chain))
        assert number not in text.replace(" ", "")


def chained(error: object) -> list[object]:
    links = [error]
    while isinstance(error, BaseException) and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__
        links.append(error)
    return links


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (HEADER, "is empty: a header and no row"),
        (HEADER + "1,1,1,100,0\n2,1,1,100\n", "line 3 (row 1): has 4 cells, and the header has 5"),
        (HEADER + '1,1,1,100,0\n2,"1,1,100,0\n', "line 3 (row 1): has 2 cells"),
        (HEADER.replace(",", ";") + "1;1;1;100;0\n", "is the delimiter another?"),
        ("t,customer,terminal,amount_cents,scenario,t\n1,1,1,1,0,1\n", "column 't' comes twice"),
        ("t,customer,amount_cents,scenario\n1,1,1,0\n", "no column terminal, which mapping 'handbook-compact' needs"),
    ],
)
def test_a_file_that_is_no_table_is_refused_as_such(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    status, _, err = run(tmp_path / "t.csv")
    assert (status, told in err) == (2, True), err


def test_bytes_that_are_not_utf8_are_named_by_their_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(HEADER.encode() + b"1,1,1,1,0\n2,1,\xff,1,0\n")
    status, _, err = run(tmp_path / "t.csv")
    assert (status, "line 3 (row 1): column 'terminal' is not UTF-8" in err) == (2, True), err


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_change_no_row_and_no_number(
    run: Run, sent: list[Chunk], tmp_path: Path
) -> None:
    lines = ["1,1,1,1,0", "", "3,1,1,,0", ",,,,", "5,1,1,1,0", "", ""]
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + (HEADER + "\r\n".join(lines)).encode())
    status, out, err = run(tmp_path / "t.csv")
    assert status == 1
    assert list(events(sent)) == ["0", "4"]
    assert "line 4 (row 2): column 'amount_cents' is blank" in err
    assert "empty rows                    3" in out


def test_many_refused_rows_are_counted_and_the_first_twenty_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEADER + "".join(f"{i},{'' if i % 2 else 1},1,1,0\n" for i in range(100)))
    status, out, err = run(tmp_path / "t.csv")
    assert status == 1
    assert err.count("is blank") == 20
    assert "(column 'customer' is blank 50)" in out


def test_a_column_of_floats_with_a_blank_keeps_the_ids_of_its_other_rows(
    run: Run, sent: list[Chunk], tmp_path: Path
) -> None:
    columns = {"t": [1, 2, 3], "customer": [596.0, None, 597.0], "terminal": [3156.0, 1.0, float("nan")]}
    table = pa.table({**columns, "amount_cents": [1.0, 2.0, 3.0], "scenario": [0, 0, 0]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    status, _, err = run(tmp_path / "t.parquet")
    assert status == 1
    assert "t.parquet, row 1: column 'customer' is blank" in err
    assert "t.parquet, row 2: column 'terminal' is blank" in err
    assert events(sent)["0"]["merchant"]["id"] == "m3156"
    assert len(events(sent)) == 1


def test_labels_need_a_column_of_frauds(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "acquirer: a\ntime: {column: t, unit: seconds, since: '2018-04-01T00:00:00Z'}\n"
        "card: {column: customer, type: integer}\nmerchant: {column: terminal, type: integer}\n"
        "amount: {column: amount_cents, unit: minor, currency: JPY}\n"
    )
    (tmp_path / "t.csv").write_text(HEADER + "1,1,1,1,1\n")
    status, _, err = run(tmp_path / "t.csv", "--labels", "--mapping", str(tmp_path / "m.yaml"))
    assert (status, "names no column of frauds" in err) == (2, True)
    assert run(tmp_path / "t.csv", "--mapping", str(tmp_path / "m.yaml"))[0] == 0


def test_help_lists_the_mappings_and_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for line in (
        "handbook          TX_DATETIME, CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT, TX_FRAUD",
        "handbook-compact  t, customer, terminal, amount_cents, scenario",
        "sparkov           t, card, merchant, amt_cents, is_fraud, category",
    ):
        assert line in out


@pytest.mark.parametrize(
    ("word", "told"),
    [("handbok", "did you mean handbook?"), ("nowhere.yaml", "no such file")],
)
def test_an_unknown_mapping_is_named_with_the_nearest(run: Run, word: str, told: str) -> None:
    status, _, err = run(CASES / "blank_label.csv", "--mapping", word)
    assert (status, told in err) == (2, True)
