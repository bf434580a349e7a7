"""`sekisho simulate` writes the simulator's items to files or to a pipe."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from models.simulator import Simulator, SimulatorConfig
from models.simulator.cli import main
from models.simulator.stream import Truth

_SMALL = ["--seed", "9", "--days", "1", "--cards", "300", "--merchants", "80", "--events-per-day", "400"]
_CONFIG = SimulatorConfig(seed=9, days=1, cards=300, merchants=80, events_per_day=400)


def test_files_hold_every_item_and_every_truth(tmp_path: Path) -> None:
    out, truth = tmp_path / "events.jsonl", tmp_path / "truth.jsonl"
    assert main([*_SMALL, "--out", str(out), "--truth", str(truth)]) == 0
    items = list(Simulator(_CONFIG))
    lines = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert [line.keys() for line in lines[:1]] == [{"topic": 0, "key": 0, "at_ms": 0, "value": 0}.keys()]
    assert [(ln["topic"], ln["key"].encode(), ln["at_ms"]) for ln in lines] == [(*i[:2], i.at_ms) for i in items]
    assert [ln["value"] for ln in lines] == [orjson.loads(i.value) for i in items]
    told = [Truth(**orjson.loads(line)) for line in truth.read_bytes().splitlines()]
    assert told == [i.truth for i in items if i.truth is not None]


def test_a_reader_that_goes_away_ends_the_stream_quietly() -> None:
    endless = [sys.executable, "-c", "import sys; from models.simulator.cli import main; sys.exit(main(sys.argv[1:]))"]
    with subprocess.Popen(
        [*endless, *_SMALL, "--days", "3650"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b'"topic":"merchants"' in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_options_out_of_range_are_named_and_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cards", "1"]) == 2
    assert "cards" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--start", "2026-03-01T00:00"])
    assert "time zone" in capsys.readouterr().err


def test_a_rate_changes_the_pace_and_nothing_else(tmp_path: Path) -> None:
    out, paced = tmp_path / "a", tmp_path / "b"
    assert main([*_SMALL, "--out", str(out)]) == 0
    assert main([*_SMALL, "--out", str(paced), "--rate", "1e6"]) == 0
    assert out.read_bytes() == paced.read_bytes()
