"""`train`, `backtest` and `promote` with --from-topics: one range for all readings, statuses, wrong options."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from scoring.features.all import FEATURES
from scoring.observer import Settings as CoreSettings
from streams.cli.command import main
from streams.cli.train import Histories
from streams.history import topics as module
from streams.kafka.errors import UnreachableError
from tests.bundles import bundle_files
from tests.explain.worker import NAMES
from tests.history.stored import Stored
from tests.history.test_learning import report_on
from tests.shadow.made import challenger_files

CONFIG = "topics: {names: {threeds_results: threeds-results}}\n"
COMMANDS = {
    "train": ("train",),
    "backtest": ("backtest",),
    "promote": ("promote", "next", "--against", "now", "--dry-run"),
}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    made = Stored(monkeypatch, 120)
    at_ms = made.sorted()[-1].at_ms
    payment = next(one for one in made.sorted() if one.topic == "authorizations")
    assert payment.value is not None
    made.write("fraud_reports", 0, b"k", report_on(payment.value, at_ms + 3 * 86_400_000), at_ms + 3 * 86_400_000)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("worker.yaml").write_text(CONFIG)
    for name, files in (("now", bundle_files()), ("next", challenger_files(tuple(FEATURES)))):
        Path(name).mkdir()
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
    return tmp_path


def options() -> Namespace:
    names = ("table", "reports", "merchant_table", "limit", "jpy_per_unit", "read_since", "read_until")
    return Namespace(**dict.fromkeys(names), from_topics=Path("worker.yaml"))


def test_a_range_is_looked_up_once_so_each_reading_has_the_same(stored: Stored, folder: Path) -> None:
    histories, wanted = Histories("backtest"), stored.sorted()
    first = histories.open(options())
    assert list(first.records()) == wanted
    stored.write("authorizations", 0, b"k", b"{", wanted[-1].at_ms)
    again = histories.open(options())
    assert (list(again.records()), again.fingerprint) == (wanted, first.fingerprint)
    assert Histories("backtest").open(options()).fingerprint != first.fingerprint


def test_a_backtest_reads_the_same_range_for_its_rows_and_its_decisions(
    stored: Stored, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = stored.broker.end
    grown = 0

    def growing(tp: object) -> int:  # each look at a partition finds another record
        nonlocal grown
        grown += 1
        stored.write("authorizations", 0, b"k", b"{", stored.broker.logs[tp][-1].at_ms if stored.broker.logs[tp] else 0)
        return ends(tp)

    words = ("--from-topics", "worker.yaml", "--bundle", "now", "--maturity-days", "1", "--out", "out")
    monkeypatch.setattr(stored.broker, "stable_end", growing)
    status = main(["backtest", *words, "--alert-rate", "5000"])
    out, err = capsys.readouterr()
    assert (status, grown) == (0, 13), out + err
    source = json.loads(Path("out/backtest.json").read_bytes())["history"]
    assert source == stored.open().source
    assert "sekisho backtest: authorizations: " in err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--table", "t.csv"), "--table and --from-topics: name one of them"),
        (("--reports", "r.csv"), "--reports goes with --table"),
        (("--merchant-table", "r.csv"), "--merchant-table goes with --table"),
        (("--limit", "5"), "--limit goes with --table"),
        (("--jpy-per-unit", "5"), "--jpy-per-unit goes with --table"),
        (("--read-since", "soon"), "--read-since soon: neither a duration"),
        (("--read-until", "2100-01-01"), "--read-until lies in the future"),
        (("--read-since", "1h", "--read-until", "2h"), "--read-since is not before --read-until"),
        (("--from-topics", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    stored: Stored,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: tuple[str, ...],
    told: str,
) -> None:
    given = (*COMMANDS[command], "--from-topics", "worker.yaml", "--out", "out", *words)
    status = main(list(given))
    assert (status, capsys.readouterr().err.startswith(f"sekisho {command}: {told}")) == (2, True)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("train", "models.training.cli.collect"),
        ("backtest", "models.backtest.cli.processed"),
        ("promote", "models.promotion.cli.processed"),
    ],
)
def test_the_range_is_processed_with_the_settings_of_the_worker(
    stored: Stored, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    Path("worker.yaml").write_text(CONFIG + "merchants: {merchants_max: 4321}\n")
    seen: list[CoreSettings] = []

    def process(_history: object, _folder: Path, settings: CoreSettings, **_: object) -> None:
        seen.append(settings)
        raise ValueError("seen")

    monkeypatch.setattr(name, process)
    assert main([*COMMANDS[command], "--from-topics", "worker.yaml", "--out", "out"]) == 2
    assert [(one.merchants_max, one.has_results) for one in seen] == [(4_321, True)]


def test_options_of_topics_go_without_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("--read-since", "--read-until"):
        assert main(["train", "--table", "t.csv", name, "2h", "--out", "out"]) == 2
        assert f"{name} goes with --from-topics" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_brokers_that_cannot_be_read_and_missing_topics_are_status_3(
    stored: Stored, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    given = [*COMMANDS[command], "--from-topics", "worker.yaml", "--out", "out"]
    for tp in [tp for tp in stored.broker.logs if tp.topic == NAMES.fraud_reports]:
        del stored.broker.logs[tp]
    assert main(given) == 3
    assert f"sekisho {command}: topic 'fraud-reports' does not exist" in capsys.readouterr().err

    def refuse(*_: object) -> None:
        raise UnreachableError("127.0.0.1:9092: connection refused")

    monkeypatch.setattr(module, "authorized", refuse)
    assert main(given) == 3
    assert capsys.readouterr() == ("", f"sekisho {command}: 127.0.0.1:9092: connection refused\n")


def test_training_says_what_is_left_out_and_learns_nothing_from_nothing(
    stored: Stored, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tp, log in stored.broker.logs.items():
        if tp.topic == NAMES.authorizations:
            log[:] = [record._replace(value=b"{") for record in log]
    assert main(["train", "--from-topics", "worker.yaml", "--out", "out"]) == 2
    out, err = capsys.readouterr()
    assert "authorizations[0], offset 0: MALFORMED_JSON at $: left out" in out
    assert "of cluster c-1, from the first record: no authorization to learn from; left out: " in err
