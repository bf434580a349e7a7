"""A worker's start without a sound model: each row S of the table in `deploy/docs/model-failure.md`."""

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.contract.decision import Decision
from scoring.model.absent import NoModel
from scoring.model.bundle import MANIFEST_FILE, MODEL_FILE, SAMPLE_FILE, SIZE_MAX
from scoring.model.manifest import Manifest, features_sha256
from scoring.model.settings import ModelSettings
from scoring.outputs import Source
from scoring.policy import policy_from
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.config.wiring import build_engine, load_model
from tests.bundles import bundle_files, small_bundle
from tests.events import encoded

ANYHOW = {"missing": "rules_only", "refused": "rules_only"}


def settings_of(folder: Path) -> Settings:
    return Settings(model=ModelSettings(bundle_dir=str(folder)))


def policy_of(**failure: Any) -> Any:
    return policy_from({"version": "t", "global": {"review": 1, "step_up": 1, "block": 1}, "model_failure": failure})


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def other_features() -> dict[str, bytes]:
    """Give a bundle whose features are in another order, as another release computes them."""
    files = bundle_files()
    manifest = Manifest.decode(files[MANIFEST_FILE])
    features = (*manifest.features[1:], manifest.features[0])
    changed = msgspec.structs.replace(manifest, features=features, features_sha256=features_sha256(features))
    return files | {MANIFEST_FILE: changed.encode()}


def refused_bundles() -> dict[str, dict[str, bytes]]:
    files = bundle_files()
    cut = files[MODEL_FILE][:-100]
    return {
        "a file lacks": {name: files[name] for name in (MODEL_FILE, MANIFEST_FILE)},
        "only the manifest": {MANIFEST_FILE: files[MANIFEST_FILE]},
        "a file is cut": files | {MODEL_FILE: cut},
        "a hash is wrong": files | {SAMPLE_FILE: files[SAMPLE_FILE][:-1] + b"!"},
        "the manifest is no JSON": files | {MANIFEST_FILE: b"{"},
        "other features": other_features(),
        "a file is empty": files | {MODEL_FILE: b""},
    }


def test_s1_a_missing_bundle_and_stop_refuse_the_start_and_say_the_way_out(tmp_path: Path) -> None:
    assert policy_of().model_failure == policy_of(missing="stop", refused="stop", too_old="serve").model_failure
    for folder in (tmp_path / "nowhere", put(tmp_path / "empty", {}), put(tmp_path / "other", {"README": b""})):
        with pytest.raises(ConfigError) as stopped:
            load_model(settings_of(folder), policy_of())
        fault = str(stopped.value)
        assert fault.startswith(f"model bundle {folder}: model.txt cannot be read: No such file or directory; ")
        assert "stop then, for all events (model_failure.missing; rules_only decides without a model)" in fault


def test_s1_a_file_in_place_of_the_folder_is_a_missing_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert load_model(settings_of(tmp_path / "file"), policy_of(missing="rules_only")) is NoModel.MISSING


def test_s2_a_missing_bundle_and_rules_only_start_an_engine_that_degrades(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        engine = build_engine(settings_of(tmp_path), policy=policy_of(missing="rules_only"))
    assert engine.model is NoModel.MISSING
    assert [record.getMessage().split(" fault=")[0] for record in caplog.records] == ["model_unusable state=MISSING"]
    source = Source(topic="authorizations", partition=0, offsets=[0], timestamps_ms=[1_777_604_400_000])
    ((_, value),) = engine.score([encoded()], source, received_at_ms=2**43, decided_at_ms=lambda: 2**43).decisions
    made = msgspec.json.decode(value, type=Decision)
    assert (made.status, made.model_state, made.versions.model) == ("DEGRADED", "MISSING", "none")


@pytest.mark.parametrize("name", refused_bundles())
def test_s3_a_refused_bundle_and_stop_refuse_the_start(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "bundle", refused_bundles()[name])
    with pytest.raises(ConfigError, match=r"for all events \(model_failure\.refused;"):
        load_model(settings_of(folder), policy_of(missing="rules_only"))


@pytest.mark.parametrize("name", refused_bundles())
def test_s4_a_refused_bundle_and_rules_only_start_an_engine_that_degrades(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "bundle", refused_bundles()[name])
    assert load_model(settings_of(folder), policy_of(refused="rules_only")) is NoModel.REFUSED


def test_s4_a_bundle_that_may_not_be_read_is_refused_and_not_missing(tmp_path: Path) -> None:
    folder = put(tmp_path / "bundle", bundle_files())
    for name in SIZE_MAX:
        (folder / name).unlink()
        (folder / name).mkdir()  # to read it is an error for every user
    assert load_model(settings_of(folder), policy_of(refused="rules_only")) is NoModel.REFUSED


@pytest.mark.parametrize("state", ["missing", "refused"])
def test_s5_stop_of_one_acquirer_stops_the_worker_and_names_it(tmp_path: Path, state: str) -> None:
    folder = put(tmp_path / "bundle", {} if state == "missing" else {MANIFEST_FILE: b"{"})
    others = [{"acquirer": f"acq-{n}", state: "stop"} for n in range(7)]
    with pytest.raises(ConfigError) as stopped:
        load_model(settings_of(folder), policy_of(**ANYHOW, acquirers=others))
    assert f"stop then, for acq-0, acq-1, acq-2, acq-3, acq-4 (model_failure.{state};" in str(stopped.value)
    one = [{"acquirer": "acq-1", state: "rules_only"}]
    with pytest.raises(ConfigError, match="stop then, for all events"):
        load_model(settings_of(folder), policy_of(acquirers=one))
    assert load_model(settings_of(folder), policy_of(**ANYHOW, acquirers=one)) in NoModel


def test_s6_the_age_of_a_model_is_no_reason_to_refuse_a_start(tmp_path: Path) -> None:
    folder = put(tmp_path / "bundle", bundle_files())
    model = load_model(settings_of(folder), policy_of(too_old="stop", max_age_days=1))
    assert getattr(model, "version", None) == small_bundle().version
