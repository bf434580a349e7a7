"""A challenger loads over features of the catalogue, and is left out, without harm, whenever anything is wrong."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.features.all import FEATURES
from scoring.model.bundle import SIZE_MAX, BundleError
from scoring.model.challenger import Challenger
from scoring.outputs import Outputs, Tally
from streams.challenger.watch import ChallengerWatch, load_challenger
from streams.cli import main
from tests.shadow.made import challenger_files
from tests.telemetry.test_metrics import batch, shown, telemetry, value

SOME = tuple(FEATURES[:5])


class Fakes:
    """An engine and its telemetry."""

    def __init__(self) -> None:
        self.challenger: Challenger | None = None
        self.told: list[tuple[str | None, bool]] = []


class Told:
    def __init__(self, fakes: Fakes) -> None:
        self._fakes = fakes

    def challenger(self, version: str | None, *, is_refused: bool) -> None:
        self._fakes.told.append((version, is_refused))


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def look(watch: ChallengerWatch, times: int = 2) -> None:
    async def looks() -> None:
        for _ in range(times):
            await watch.look()

    asyncio.run(looks())


def watch_of(folder: Path, fakes: Fakes, **more: Any) -> ChallengerWatch:
    return ChallengerWatch(folder, fakes, Told(fakes), **more)


def with_feature(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    manifest = msgspec.json.decode(files["manifest.json"])
    manifest["features"][2] |= changes
    return files | {"manifest.json": msgspec.json.encode(manifest)}


def test_a_feature_that_is_not_in_the_catalogue_is_named() -> None:
    files = challenger_files(tuple(FEATURES))
    assert Challenger.load(files, FEATURES).version.startswith("challenger-11-")
    with pytest.raises(
        BundleError, match=rf"features\[2\] is {FEATURES[2].name}, which is not among the {len(FEATURES) - 1}"
    ):
        Challenger.load(files, [feature for feature in FEATURES if feature is not FEATURES[2]])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: {name: files[name] for name in files if name != "model.txt"}, "model.txt is missing"),
        (lambda files: files | {"model.txt": b"tree"}, "model.txt is not the file"),
        (lambda files: files | {"sample.f64": b""}, "sample.f64 is not the file"),
        (lambda files: files | {"manifest.json": b"{"}, "manifest.json"),
        (lambda files: files | {"manifest.json": b"[" * 100_000}, "manifest.json"),
        (lambda files: {name: files[name] for name in files if name != "manifest.json"}, "manifest.json is missing"),
        (lambda files: with_feature(files, unit="furlong"), "features do not match features_sha256"),
    ],
)
def test_a_spoilt_bundle_is_refused_with_its_file(spoil: Any, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        Challenger.load(spoil(challenger_files(SOME)), FEATURES)


def test_it_is_used_once_two_looks_find_the_same_files(tmp_path: Path) -> None:
    fakes = Fakes()
    watch = watch_of(tmp_path / "b", fakes)
    write(tmp_path / "b", challenger_files(SOME))
    look(watch, 1)
    assert (fakes.challenger, fakes.told) == (None, [])
    look(watch, 3)
    assert fakes.challenger is not None
    assert fakes.told == [(fakes.challenger.version, False)]


def test_a_spoilt_one_is_refused_and_the_old_one_stays_until_its_files_are_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fakes, folder = Fakes(), tmp_path / "b"
    watch = watch_of(folder, fakes)
    with caplog.at_level(logging.INFO):
        look(watch, 4)
        assert fakes.told == [(None, True)]
        assert f"challenger_refused folder={folder} kept=none fault=model.txt cannot be read" in caplog.text
        write(folder, challenger_files(SOME))
        look(watch)
        first = fakes.challenger
        assert first is not None
        (folder / "sample.f64").write_bytes(b"")
        look(watch, 4)
        assert fakes.challenger is first
        assert fakes.told == [(None, True), (first.version, False), (first.version, True)]
        assert (
            f"challenger_refused folder={folder} kept={first.version} fault=sample.f64 is not the file" in caplog.text
        )
        (folder / "model.txt").unlink()  # one file of three: half a copy, not a removal
        look(watch, 4)
        assert fakes.challenger is first
        write(folder, challenger_files(SOME, seed=12))
        look(watch)
        second = fakes.challenger
        assert second is not None
        assert second.version.startswith("challenger-12-")
        folder.rename(tmp_path / "away")
        look(watch, 4)
    assert fakes.challenger is None
    assert fakes.told[3:] == [(first.version, True), (second.version, False), (None, True)]
    assert caplog.text.count("challenger_refused") == 4
    assert f"challenger_loaded model={first.version}" in caplog.text


def test_no_fault_whatever_ends_the_service(tmp_path: Path) -> None:
    def broken(_: Path) -> Challenger:
        raise AssertionError("a bug of the loader")

    fakes = Fakes()
    look(watch_of(tmp_path, fakes, load=broken))
    assert (fakes.challenger, fakes.told) == (None, [(None, True)])


def test_the_service_looks_by_itself(tmp_path: Path) -> None:
    fakes = Fakes()
    write(tmp_path / "b", challenger_files(SOME))

    async def until_loaded() -> None:
        watch = watch_of(tmp_path / "b", fakes)
        await watch.start()
        async with asyncio.timeout(60):
            while fakes.challenger is None:
                await asyncio.sleep(0.01)
        await watch.stop()

    asyncio.run(until_loaded())


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "b", challenger_files(SOME))
    monkeypatch.setitem(SIZE_MAX, "model.txt", 10)
    with pytest.raises(BundleError, match=r"model\.txt has more than 10 bytes"):
        load_challenger(tmp_path / "b")


def test_metrics_say_which_one_scores_and_how_it_differs() -> None:
    of = telemetry()
    assert value(of, "sekisho_challenger_refused") == 0
    of.challenger(None, is_refused=True)
    assert value(of, "sekisho_challenger_refused") == 1
    of.challenger("a-1", is_refused=False)
    of.challenger("b-2", is_refused=False)
    assert [labels for name, labels in shown(of) if name == "sekisho_challenger_info"] == [
        frozenset({("version", "b-2")})
    ]
    scores = {("CHALLENGER", 49): 2, ("CHALLENGER", 50): 3, ("CHALLENGER", 999): 1, ("CHAMPION", 0): 6}
    tally = Tally(events=6, challenger_scores=scores, challenger_bands={("ALLOW", "BLOCK"): 4, ("BLOCK", "BLOCK"): 2})
    of.scored(batch(), Outputs(tally=tally))
    scraped, name = shown(of), "sekisho_challenger_score"

    def now(metric: str, **labels: str) -> float:
        return scraped[metric, frozenset(labels.items())]

    found = {le: now(f"{name}_bucket", model="CHALLENGER", le=le) for le in ("49.0", "99.0", "949.0", "999.0")}
    assert found == {"49.0": 2, "99.0": 5, "949.0": 5, "999.0": 6}
    assert now(f"{name}_sum", model="CHALLENGER") == 2 * 49 + 3 * 50 + 999
    assert now(f"{name}_count", model="CHAMPION") == 6
    assert now("sekisho_challenger_bands_total", champion="ALLOW", challenger="BLOCK") == 4
    assert now("sekisho_challenger_bands_total", champion="BLOCK", challenger="ALLOW") == 0
    of.challenger(None, is_refused=True)
    assert not [1 for name, _ in shown(of) if name == "sekisho_challenger_info"]


def test_check_config_loads_the_challenger_and_only_warns_of_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "b", challenger_files(SOME))
    file = tmp_path / "worker.yaml"
    file.write_text(f"model: {{challenger_dir: '{tmp_path}/b'}}\n")
    assert main(["check-config", str(file), "--load"]) == 0
    version = load_challenger(tmp_path / "b").version
    assert f"  shadow    {version}\n" in capsys.readouterr().out
    (tmp_path / "b" / "model.txt").unlink()
    assert main(["check-config", str(file), "--load"]) == 0
    assert "model.txt cannot be read" in capsys.readouterr().err
