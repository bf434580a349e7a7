"""`sekisho promote`: a table, its reports and two bundles to a report and a bundle in place; errors name the place."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]  # ships no types

from models.promotion.bars import Bars
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.profile import ProfileLimits
from streams.cli.command import main
from tests.bundles import bundle_files
from tests.cli.test_train import DAY_S, MATURITY, ROWS, write
from tests.examples import is_quick
from tests.shadow.made import challenger_files

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]
EASY = """\
payments_min: 10
frauds_min: 5
pr_auc_low_min: -1
value_recall_low_min: -1
calibration_error_max: 100
load_ratio_max: 100000
psi_max: 100
latency_ratio_max: 1000
fairness_limit: 1000
resamples: 20
"""


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def version_in(folder: Path) -> str:
    files = {name: (folder / name).read_bytes() for name in ("model.txt", "manifest.json", "sample.f64")}
    return Bundle.load(files, FEATURES).version


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the rows, computed once."""
    return tmp_path_factory.mktemp("rows") / "rows"


@pytest.fixture
def run(tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `sekisho promote` on the files of the test, with small profiles."""
    small = ProfileLimits(**dict.fromkeys(ProfileLimits.__dataclass_fields__, 1 << 10))
    monkeypatch.setattr("streams.cli.train.ProfileLimits", lambda: small)
    monkeypatch.setattr("models.training.report.page.plots._picture", lambda figure: "data:,")  # they take a second
    write(tmp_path, count=1_500 if is_quick() else ROWS)
    folder_of(tmp_path / "now", bundle_files())
    folder_of(tmp_path / "next", challenger_files(tuple(FEATURES)) | {"card.md": b"# card\n"})
    (tmp_path / "easy.yaml").write_text(EASY)

    def call(*more: str, bars: str = "easy.yaml", candidate: str = "next") -> tuple[int, str, str]:
        words = {"--table": "t.csv", "--reports": "r.csv", "--mapping": "m.yaml", "--against": "now", "--out": "out"}
        given = [word for name, file in words.items() if name not in more for word in (name, str(tmp_path / file))]
        given += ["--rows", str(rows), "--maturity-days", str(MATURITY), "--bars", str(tmp_path / bars)]
        status = main(["promote", str(tmp_path / candidate), *given, *more])
        return status, *capsys.readouterr()

    return call


def report_in(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / "promotion.json").read_bytes())
    return found


def mature(tmp_path: Path) -> list[tuple[bool, int]]:
    """Read the table and the reports in plain Python: fraud and place of the payments that are old enough."""
    with (tmp_path / "r.csv").open() as stream:
        reports = list(csv.DictReader(stream))
    with (tmp_path / "t.csv").open() as stream:
        table = list(csv.DictReader(stream))
    last = {report["ref"]: report["what"] for report in sorted(reports, key=lambda one: int(one["got"]))}
    end = max(int(report["got"]) for report in reports if report["ref"] != "unknown")
    end = max(end, *(int(row["at"]) for row in table))
    return [
        (last.get(row["ref"]) == "F", place)
        for place, row in enumerate(table)
        if int(row["at"]) < end - MATURITY * DAY_S
    ]


def test_a_candidate_that_passes_takes_the_place_and_goes_back_in_one_step(
    run: Run, tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = version_in(tmp_path / "now"), version_in(tmp_path / "next")
    status, out, err = run("--dry-run")
    assert (status, err, version_in(tmp_path / "now")) == (0, "", before)
    assert "all gates passed" in out
    assert run()[0] == 0
    assert version_in(tmp_path / "now") == after
    assert (tmp_path / "now" / "card.md").read_bytes() == b"# card\n"
    assert version_in(tmp_path / "now.previous") == before
    found = report_in(tmp_path)
    assert (found["current"], found["candidate"], found["passed"]) == (before, after, True)
    counted = mature(tmp_path)
    assert found["counted"] == len(counted)
    gates = {gate["name"]: gate for gate in found["gates"]}
    frauds = [fraud for fraud, _ in counted]
    assert gates["frauds"]["value"] == sum(frauds)
    matrix = np.fromfile(rows / "matrix.f32", np.float32).reshape(-1, len(FEATURES)).astype(np.float64)
    wide = {int(file.stem.partition("-")[2]): np.fromfile(file) for file in rows.glob("column-*.f64")}
    for column, values in wide.items():
        matrix[:, column] = values
    for name, files in (("current", bundle_files()), ("candidate", challenger_files(tuple(FEATURES)))):
        bundle = Bundle.load(files, FEATURES)
        margins = np.empty(len(matrix))
        bundle.trees.margins(matrix, margins)
        probabilities, scores = (of_all[[at for _, at in counted]] for of_all in bundle.calibration.apply(margins))
        expected = average_precision_score(frauds, probabilities)
        assert gates["pr_auc"][name] == pytest.approx(expected, abs=1e-6)
        assert gates["load_ratio"][name] == sum(score >= 700 for score in scores)  # REVIEW of the package's policy
    html = (tmp_path / "out" / "promotion.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "src=" not in html
    assert "All gates passed." in html
    assert "すべての基準を満たしました。" in html
    assert html.count("合格") == len(gates)
    assert main(["promote", "--against", str(tmp_path / "now"), "--rollback"]) == 0
    assert f"{before} is back, the other is kept in now.previous" in capsys.readouterr().out
    assert version_in(tmp_path / "now") == before


def test_a_failed_gate_changes_nothing_and_ends_with_3(run: Run, tmp_path: Path) -> None:
    before = version_in(tmp_path / "now")
    (tmp_path / "hard.yaml").write_text(EASY.replace("psi_max: 100", "psi_max: 0.001"))
    status, out, err = run(bars="hard.yaml")
    assert (status, err) == (3, "")
    assert out.splitlines()[-2:] == ["failed: psi", f"wrote {tmp_path / 'out'}"]
    assert version_in(tmp_path / "now") == before
    assert not (tmp_path / "now.previous").exists()
    assert "1 gates failed." in (tmp_path / "out" / "promotion.html").read_text(encoding="utf-8")


def test_counted_payments_of_days_that_a_bundle_has_learnt_from_are_refused(
    run: Run, tmp_path: Path, rows: Path
) -> None:
    files = {"--table": "t.csv", "--reports": "r.csv", "--mapping": "m.yaml", "--out": "ours"}
    words = [word for name, file in files.items() for word in (name, str(tmp_path / file))]
    assert main(["train", *words, "--rows", str(rows), "--maturity-days", str(MATURITY), "--trees", "5"]) == 0
    ours = Bundle.load({file.name: file.read_bytes() for file in (tmp_path / "ours").iterdir()}, FEATURES)
    until_ms = ours.manifest.training.calibration.until_ms
    for against, candidate, name in (("now", "ours", "candidate"), ("ours", "next", "current")):
        more = ("--against", str(tmp_path / against), "--dry-run")
        status, _, err = run(*more, candidate=candidate)
        assert status == 2
        assert f"until when the {name} bundle {ours.version} has learnt: count later ones with --since" in err
        since = err.partition("--since ")[2][:10]
        first = datetime.fromisoformat(since + "T00:00:00+09:00")
        assert 0 <= first.timestamp() * 1000 - until_ms < 86_400_000
        too_early = (first - timedelta(1)).date().isoformat()
        assert run(*more, "--since", too_early, candidate=candidate)[0] == 2
        assert run(*more, "--since", since, candidate=candidate)[0] == 0
        counted_ms = datetime.fromisoformat(report_in(tmp_path)["counted_from"]).astimezone(UTC).timestamp() * 1000
        assert counted_ms >= until_ms


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        (("--against", "{}/next"), 2, "is the bundle that"),
        (("--against", "{}"), 2, "model.txt cannot be read"),
        (("--since", "2030-01-01"), 1, "use more days, an earlier --since"),
        (("--reports", "{}/none.csv"), 2, "none.csv: no such file"),
        (("--bars", "{}/wrong.yaml"), 2, "wrong.yaml: $.psi_mox: unknown key; did you mean psi_max?"),
        (("--bars", "{}/none.yaml"), 2, "none.yaml: cannot be read"),
        (("--rollback",), 2, "--rollback goes without CANDIDATE"),
    ],
)
def test_wrong_options_and_files_are_named(
    run: Run, tmp_path: Path, more: tuple[str, ...], status: int, told: str
) -> None:
    (tmp_path / "wrong.yaml").write_text("psi_mox: 1\n")
    before = version_in(tmp_path / "now")
    found, _, err = run(*(word.format(tmp_path) for word in more))
    assert (found, told in err) == (status, True), err
    assert version_in(tmp_path / "now") == before
    assert not (tmp_path / "out").exists()


def test_options_that_are_missing_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = str(folder_of(tmp_path / "now", bundle_files()))
    for words, told in (
        (["--rollback"], "no previous bundle is kept there"),
        ([], "CANDIDATE is missing"),
        ([now], "--table or --from-topics is missing"),
        ([now, "--table", "x"], "--out is missing"),
    ):
        assert main(["promote", *words, "--against", now]) == 2
        assert told in capsys.readouterr().err


def test_the_shipped_bars_are_the_defaults() -> None:
    shipped = yaml.safe_load((ROOT / "deploy" / "config" / "promotion.yaml").read_text(encoding="utf-8"))
    assert list(shipped) == list(Bars.__struct_fields__)
    assert Bars(**shipped) == Bars()
