"""`sekisho compliance report` over a stored file: the files that it writes, and what it says when it cannot."""

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest

from scoring.compliance.compare import Changes
from scoring.compliance.report import Report
from streams.cli import main
from streams.compliance.write import tables
from tests.compliance.history import MERCHANTS, history
from tests.compliance.inputs.test_topics import lines
from tests.compliance.made import report_of

Run = Callable[..., tuple[int, str, str]]
FILES = {
    *("report.json", "report.html", "checklist.csv", "coverage.csv", "pipeline.csv", "vamp.csv", "vamp_merchants.csv"),
    *("line.csv", "enumeration.csv", "mastercard.csv", "scams.csv", "issuers.csv", "contradictions.csv"),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("stored") / "events.jsonl"
    file.write_bytes(lines(history(7, 1_500)))
    return file


@pytest.fixture
def run(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        plain = ("--events", str(stored), "--acquirer", "acq-1", "--as-of", "2026-10-14")
        status = main(["compliance", "report", *plain, "--out", str(tmp_path / "out"), *words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def rows(text: str) -> list[dict[str, str]]:
    assert text[0] == "\ufeff"
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_a_report_is_written_as_json_csv_and_html_and_every_csv_row_is_a_line_of_the_json(
    run: Run, tmp_path: Path
) -> None:
    status, out, _ = run()
    folder = tmp_path / "out"
    assert status == 0
    assert {path.name for path in folder.iterdir()} == FILES
    assert out.split() == [str(folder / name) for name in sorted(FILES)]
    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    assert {line.merchant_id for line in report.checklist} == set(MERCHANTS)
    for name in FILES:
        if not name.endswith(".csv"):
            continue
        found = rows((folder / name).read_text(encoding="utf-8"))
        if name == "vamp_merchants.csv":
            assert len(found) == sum(len(month.merchants) for month in report.vamp)
        else:
            assert len(found) == len(getattr(report, name.removesuffix(".csv")))
        assert all((row["acquirer_id"], row["as_of"]) == ("acq-1", "2026-10-14") for row in found)
    coverage = rows((folder / "coverage.csv").read_text(encoding="utf-8"))
    for row, line in zip(coverage, report.coverage, strict=True):
        assert (row["merchant_id"], row["due"], row["without"]) == (line.merchant_id, str(line.due), str(line.without))
        assert row["covered.bps"] == ("" if line.covered.bps is None else str(line.covered.bps))
    pipeline = rows((folder / "pipeline.csv").read_text(encoding="utf-8"))
    for row, stands in zip(pipeline, report.pipeline, strict=True):
        assert [row[f"{month.month}.jpy"] for month in stands.months] == [str(month.jpy) for month in stands.months]
        assert stands.forecast is not None
        assert row["forecast.projected_jpy"] == str(stands.forecast.projected_jpy)
    checklist = {row["merchant_id"]: row for row in rows((folder / "checklist.csv").read_text(encoding="utf-8"))}
    assert checklist["m-none"]["gaps"] == "SC5_CREDMASTER SC6_LOGIN"
    assert (checklist["m-every"]["is_stale"], checklist["m-unknown"]["is_stale"]) == ("yes", "")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_cell_runs_as_a_formula(name: str) -> None:
    report = report_of(history(7, 300))
    line = msgspec.structs.replace(report.checklist[0], merchant_id=name)
    head = msgspec.structs.replace(report.head, acquirer_id=name)
    made = tables(msgspec.structs.replace(report, checklist=(line,), head=head), None)
    (row,) = rows(made["checklist"])
    assert (row["merchant_id"], row["acquirer_id"]) == (f"'{name}", f"'{name}")


def test_two_runs_write_the_same_bytes(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "out").rename(tmp_path / "first")
    run()
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


def test_what_changed_since_the_end_of_a_month_is_written_beside(run: Run, tmp_path: Path) -> None:
    status, _, _ = run("--compare", "2026-08")
    assert status == 0
    folder = tmp_path / "out"
    changes = msgspec.json.decode((folder / "changes.json").read_bytes(), type=Changes)
    assert (changes.before, changes.after) == (date(2026, 8, 31), date(2026, 10, 14))
    found = rows((folder / "changes.csv").read_text(encoding="utf-8"))
    assert len(found) == len(changes.lines)
    assert {row["since"] for row in found} == {"2026-08-31"}
    assert {(line.section, line.subject) for line in changes.lines} >= {("VAMP", ""), ("CONTRADICTION", "m-every")}
    assert "2026-08-31" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--acquirer", "nobody"), 2, "nothing of acquirer 'nobody' up to 2026-10-14 was read: check --acquirer"),
        (("--compare", "2026-10"), 2, "--compare: name a month before that of --as-of"),
        (("--events", "/nowhere.jsonl"), 3, "/nowhere.jsonl: No such file or directory"),
        (("--out", "/nowhere/report"), 2, "/nowhere is no folder: make it first"),
        (("--out", "/"), 2, "exists already, and reports are not overwritten: name another"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_leaves_no_folder(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    found, out, err = run(*words)
    assert (found, out) == (status, "")
    assert err.startswith("sekisho compliance report: ")
    assert err.endswith(f"{told}\n")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--as-of", "2026-13-01"), "there is no such day"),
        (("--as-of", "today"), "write a day from 2000 to 2100 as YYYY-MM-DD"),
        (("--as-of", "1999-12-31"), "write a day from 2000 to 2100 as YYYY-MM-DD"),
        (("--compare", "2026-9"), "write a month as YYYY-MM"),
        (("--months", "2"), "must lie between 3 and 36"),
        (("--months", "３"), "must lie between 3 and 36"),
        (("--rate", "USD=0"), "write a currency and its price in yen, as USD=150.25"),
        (("--rate", "XXX=1"), "write a currency and its price in yen, as USD=150.25"),
        (("--region", "JP"), "invalid choice"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_way_to_write_it(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_neither_topics_nor_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--acquirer", "acq-1", "--as-of", "2026-10-14", "--out", str(tmp_path / "out"))
    assert main(["compliance", "report", *words]) == 2
    assert "name --config FILE to read the topics, or --events FILE" in capsys.readouterr().err


def test_the_rates_are_yen_for_a_minor_unit(run: Run, tmp_path: Path) -> None:
    run("--rate", "USD=150.25", "--rate", "JPY=1")
    report = msgspec.json.decode((tmp_path / "out" / "report.json").read_bytes(), type=Report)
    assert report.head.yen_per_minor_unit == {"JPY": "1", "USD": "1.5025"}
