"""The page in a real browser: it shows, runs and loads nothing, and prints to PDF. And the errors of `--pdf`."""

import re
import stat
from datetime import date
from pathlib import Path

import pytest

from scoring.compliance.compare import Change, Changes
from streams.cli import main
from streams.compliance import browser
from streams.compliance.browser import BrowserError, print_pdf, run
from streams.compliance.page import page
from tests.compliance.history import history
from tests.compliance.inputs.test_topics import lines
from tests.compliance.made import report_of
from tests.compliance.page import opening
from tests.compliance.page.test_page import HOSTILE

OPTIONS = ("--acquirer", "acq-1", "--as-of", "2026-10-14")


@pytest.fixture
def chromium() -> str:
    found = opening.browser()
    if found is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    return found


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(history(7, 300)))
    return file


@pytest.mark.browser
def test_the_page_shows_and_no_text_of_a_record_runs(chromium: str, tmp_path: Path) -> None:
    line = Change(section="FRAUD", subject=HOSTILE, what="status", before=None, after="ACTUALISED")
    changes = Changes(before=date(2026, 9, 30), after=date(2026, 10, 14), lines=(line,))
    file, picture = tmp_path / "report.html", tmp_path / "page.png"
    file.write_text(page(report_of(history(7, 300)), changes), encoding="utf-8")
    assert not opening.script_errors(chromium, file, picture)
    assert picture.stat().st_size > opening.PICTURE_MIN


@pytest.mark.browser
def test_a_script_error_would_be_seen(chromium: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(f"<!doctype html><title>t</title>{HOSTILE.replace('alert(1)', 'missing()')}", encoding="utf-8")
    assert opening.script_errors(chromium, file, tmp_path / "page.png")


@pytest.mark.browser
def test_the_page_is_printed_on_a4_landscape(
    chromium: str, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compliance", "report", "--events", str(stored), *OPTIONS, "--out", str(out), "--pdf"]) == 0
    assert capsys.readouterr().out.split()[-1] == str(out / "report.pdf")
    pdf = (out / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    assert len(boxes) >= 2, chromium
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {(842, 595)}


def script(folder: Path, text: str) -> str:
    file = folder / "chromium"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.mark.parametrize(
    ("text", "timeout_s", "message"),
    [
        ("echo 'no memory' >&2; exit 7", 60.0, "ended with status 7: no memory"),
        ("echo quiet >&2", 60.0, "wrote no .*report.pdf: quiet"),
        ("exec sleep 30", 0.2, "took more than 0.2 s: print .*report.html from a browser"),
    ],
)
def test_a_browser_that_fails_is_named(tmp_path: Path, text: str, timeout_s: float, message: str) -> None:
    with pytest.raises(BrowserError, match=rf"^--pdf: .*chromium {message}$"):
        print_pdf(script(tmp_path, text), tmp_path / "report.html", tmp_path / "report.pdf", timeout_s=timeout_s)


def test_a_browser_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrowserError, match=r"^--pdf: .*nothing cannot be started: No such file or directory$"):
        run(str(tmp_path / "nothing"), tmp_path / "report.html")


def test_without_a_browser_nothing_is_read_or_written(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(browser, "NAMES", ("no-such-browser",))
    out = tmp_path / "out"
    assert main(["compliance", "report", "--events", str(stored), *OPTIONS, "--out", str(out), "--pdf"]) == 3
    assert "none of no-such-browser is on PATH: install one, or print report.html" in capsys.readouterr().err
    assert not out.exists()
