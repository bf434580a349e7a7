"""The simulation, output and files of `sekisho train`."""

import io
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from models.simulator import EpisodeRates, Simulator, SimulatorConfig
from models.simulator.config import DAY_MS, START_MS
from models.simulator.stream import Item
from models.training import cli, main

SMALL = ["--days", "1", "--events-per-day", "1000", "--cards", "300", "--merchants", "60", "--seed", "1"]


@cache
def simulated() -> list[Item]:
    """Give the authorizations of the day that `SMALL` simulates, a week before the demonstration."""
    config = SimulatorConfig(
        seed=1,
        start_ms=START_MS - 7 * DAY_MS,
        days=1,
        events_per_day=1_000,
        cards=300,
        merchants=60,
        episodes=EpisodeRates(t1=4.0),
        repeat_share=0.0005,
    )
    return [item for item in Simulator(config) if item.topic == "authorizations"]


def test_without_files_traffic_and_truth_are_the_simulators(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truths = {item.truth.event_id: item.truth.fraud for item in simulated() if item.truth is not None}
    frauds = sum(truths.values())
    repeats = len(simulated()) - len(truths)
    assert frauds > 2
    assert repeats > 0
    status = main([*SMALL, "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    first, second, *rest = out.splitlines()
    assert re.fullmatch(rf"{len(truths)} authorizations, {frauds} frauds \(\d{{1,3}} s\)", first)
    assert second == f"left out: {repeats} (repeat {repeats})"
    assert rest == [], "every fraud of the truth must be one of the authorizations"
    assert (status, err.startswith("sekisho train: no fraud among the ")) == (1, True), "of so few, no part is learnt"
    assert not (tmp_path / "out").exists()


def test_a_bundle_is_written_over_an_older_one_the_manifest_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: name.encode() for name in ("a.txt", "manifest.json", "z.bin")}
    out = tmp_path / "deep" / "bundle"
    out.mkdir(parents=True)
    (out / "manifest.json").write_bytes(b"older")
    put: list[tuple[str, str]] = []
    whole = Path.replace

    def replace(self: Path, target: Path) -> Path:
        put.append((self.name, target.name))
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    cli._write(out, files)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    assert put[-1] == (".manifest.json.partial", "manifest.json")
    assert sorted(put) == [(f".{name}.partial", name) for name in sorted(files)]


def test_a_line_is_seen_at_once_and_a_reader_that_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(seen)))  # type: ignore[type-var]
    cli._say("one")
    assert seen.getvalue() == b"one\n"

    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    assert cli._fail(2, ValueError("x")) == 2
    assert told.getvalue() == "sekisho train: x\n"

    class Left(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Left())
    assert cli._fail(2, ValueError("x")) == 2
