"""`sekisho train --table`: a table and its reports to a bundle with its card; errors name file, row and column."""

import csv
import json
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.profile import ProfileLimits
from streams.cli.command import main
from tests.examples import is_quick

DAY_S = 86_400
START_S = 1_600_000_000
ROWS, DAYS = (2_500, 60) if is_quick() else (3_000, 120)
LATEST, MATURITY = (4, 6) if is_quick() else (12, 10)
"""Days in which a payment is reported, and days after which one without a report is presumed good."""
FILE_S = DAY_S if is_quick() else 1
"""Reports come at multiples of it, as in files once a day: reports at one time are one batch, which takes less time."""
MAPPING = """\
acquirer: bank-1
time: {column: at, unit: seconds}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
channel: {column: channel, values: {I: ecom, P: card_present}}
outcome: {response_code: {column: answer}}
reference: ref
reports:
  event: ref
  received: {column: got, unit: seconds}
  label: {column: what, values: {F: FRAUD, R: LEGIT}}
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `sekisho train` on the files of the test, with small profiles."""
    small = ProfileLimits(**dict.fromkeys(ProfileLimits.__dataclass_fields__, 1 << 10))
    monkeypatch.setattr("streams.cli.train.ProfileLimits", lambda: small)
    monkeypatch.setattr("models.training.report.page.plots._picture", lambda figure: "data:,")  # they take a second
    write(tmp_path)

    def call(out: str, *more: str) -> tuple[int, str, str]:
        words = ["--table", tmp_path / "t.csv", "--mapping", tmp_path / "m.yaml", "--out", tmp_path / out]
        status = main(["train", *map(str, words), "--trees", "5", "--name", "ours", *more])
        return status, *capsys.readouterr()

    return call


def write(tmp_path: Path, *, seed: int = 1, count: int = ROWS, days: int = DAYS) -> None:
    """Write payments over so many days. Large ones on the internet are fraud, reported up to LATEST days later."""
    table, reports = drawn(seed, count, days)
    (tmp_path / "t.csv").write_text(table, newline="")
    (tmp_path / "r.csv").write_text(reports, newline="")
    (tmp_path / "m.yaml").write_text(MAPPING)


@cache
def drawn(seed: int, count: int, days: int) -> tuple[str, str]:
    """Draw the table of payments and that of the reports."""
    rng = np.random.default_rng(seed)
    times = START_S + np.sort(rng.integers(0, days * DAY_S, count))
    fraud = rng.random(count) < 0.3
    table, reports = StringIO(newline=""), StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["at", "card", "shop", "yen", "channel", "answer", "ref"])
    for i in range(count):
        yen = int(rng.integers(40_000, 90_000) if fraud[i] else rng.integers(100, 60_000))
        channel, answer = ("I" if fraud[i] else rng.choice(["I", "P", ""])), rng.choice(["00", "51", ""])
        rows.writerow([times[i], f"c{rng.integers(300)}", f"s{rng.integers(20)}", yen, channel, answer, f"p{i}"])
    rows = csv.writer(reports)
    rows.writerow(["ref", "got", "what"])
    for i in np.flatnonzero(fraud).tolist():
        got = int(times[i]) + int(rng.integers(1, LATEST * DAY_S))
        got += -got % FILE_S
        rows.writerow([f"p{i}", got, "F"])
        if i % 9 == 0:
            rows.writerow([f"p{i}", got + DAY_S, "R"])
    rows.writerow(["unknown", START_S, "F"])
    return table.getvalue(), reports.getvalue()


def test_a_table_and_its_reports_become_a_bundle_with_a_card_the_same_each_time(run: Run, tmp_path: Path) -> None:
    reports = ("--reports", str(tmp_path / "r.csv"), "--maturity-days", str(MATURITY))
    status, out, err = run("a", *reports)
    assert (status, err) == (0, "")
    assert f"{ROWS} authorizations, " in out
    assert "report: no such payment was sent 1" in out
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files.keys() == {"model.txt", "manifest.json", "sample.f64", "card.json", "card.md", "report.html"}
    training = Bundle.load(files, FEATURES).manifest.training
    assert training.left_out["report: no such payment was sent"] == 1
    card = json.loads(files["card.json"])
    assert card["windows"]["test"]["until_ms"] <= (START_S + (DAYS + LATEST + 1 - MATURITY) * DAY_S) * 1000
    assert card["metrics"]["auc"] > 0.8
    assert {"ECOM", "CARD_PRESENT", "OTHER"} == set(card["segments_at_0.5pct"]["channel"])
    assert run("b", *reports, "--rows", str(tmp_path / "other"))[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()} == files
    status, out, _ = run("c", *reports, "--rows", str(tmp_path / "a.rows"))
    assert (status, f"resumed after {ROWS:,} rows" in out) == (0, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == files


def test_a_search_is_in_the_card_and_its_best_parameters_are_those_of_the_bundle(run: Run, tmp_path: Path) -> None:
    status, out, err = run("a", "--reports", str(tmp_path / "r.csv"), "--maturity-days", str(MATURITY), "--search", "2")
    assert (status, err) == (0, "")
    assert "search: trial 2 of 2: average precision " in out
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    found = json.loads(files["card.json"])["search"]
    assert (found["asked"], len(found["trials"]), len(found["folds"])) == (2, 2, 3)
    parameters = Bundle.load(files, FEATURES).manifest.training.parameters
    best = found["trials"][found["best"]]["parameters"]
    assert {name: parameters[name] for name in best} == best
    assert b'id="search"' in files["report.html"]
    status, _, err = run("b", "--reports", str(tmp_path / "r.csv"), "--search", "0")
    assert (status, "--search must lie between 1 and 500" in err) == (2, True)


def test_a_wrong_cell_ends_with_file_row_and_column_and_never_the_cell(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("a") as stream:
        stream.write(f"{START_S + DAYS * DAY_S},c1,s1,12secret,I,00,p9\n")
    status, out, err = run("a", "--reports", str(tmp_path / "r.csv"))
    assert (status, f"t.csv, line {ROWS + 2} (row {ROWS}): column 'yen' is not a whole number" in err) == (2, True)
    assert "secret" not in out + err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "names no column of frauds"),
        (("--mapping", "handbok"), "did you mean handbook?"),
        (("--reports", "nowhere.csv"), "nowhere.csv: no such file"),
        (("--reports", "{}/r.csv", "--maturity-days", "0"), "--maturity-days must lie between 1 and 3650"),
        (("--reports", "{}/r.csv", "--truth", "x"), "--table and --from-topics go without --events and --truth"),
    ],
)
def test_wrong_options_are_named(run: Run, tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    status, _, err = run("a", *(word.format(tmp_path) for word in more))
    assert (status, told in err) == (2, True), err


def test_labels_that_are_too_young_are_said_to_be(run: Run, tmp_path: Path) -> None:
    status, _, err = run("a", "--reports", str(tmp_path / "r.csv"), "--maturity-days", "90")
    assert (status, "of the last 90 days before a cut or the end no label is known yet" in err) == (1, True), err


def test_a_column_of_frauds_is_known_after_its_delay(run: Run, tmp_path: Path) -> None:
    mapping = MAPPING.partition("reference:")[0] + 'fraud: {column: answer, fraud: ["51"], genuine: ["00"]}\n'
    (tmp_path / "m.yaml").write_text(mapping)
    status, out, _ = run("a")
    assert (status, "presumed good after 7 days" in out) == (0, True)
    status, _, err = run("a", "--maturity-days", "6")
    assert (status, "the column of frauds is known after 7 days only" in err) == (2, True)
