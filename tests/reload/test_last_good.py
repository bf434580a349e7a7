"""A worker that starts while the files of its policy are refused decides by the last good one, if that is kept."""

import logging
from pathlib import Path

import pytest

from scoring.policy.settings import PolicySettings
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.policy.audit import RecordError
from streams.policy.last_good import keep, starting_policy
from tests.reload.test_reload import Deployment, text


def settings_of(folder: Path, *, approver_required: bool = False, is_kept: bool = True) -> Settings:
    place = PolicySettings(
        file=str(folder / "policy.yaml"),
        last_good_file=str(folder / "last.json") if is_kept else None,
        approver_required=approver_required,
    )
    return Settings(policy=place)


def test_a_worker_that_starts_with_a_bad_file_decides_by_the_last_good_policy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = "merchants: [{acquirer: a, merchant: m, thresholds: {review: 1, step_up: 2, block: 3}, reason: 試験}]\n"
    dated = more.replace("reason", "effective_to: '2026-12-01T00:00:00+09:00', reason")
    deployment = Deployment(tmp_path, last_good_file=str(tmp_path / "last.json"))
    deployment.look()
    deployment.file.write_text(text("2", more=dated))
    deployment.look()
    good = load_policy(settings_of(tmp_path))
    deployment.file.write_text("version: [")
    deployment.look()
    with caplog.at_level(logging.ERROR):
        started = starting_policy(settings_of(tmp_path), origin="c")
    assert (started, started.identity) == (good, good.identity)
    assert f"policy_refused kept={good.identity} fault=policy.yaml: line 1" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["last.json", "policy.yaml"]


def test_the_last_approved_version_decides_after_a_restart_too(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(text("1"))
    approved = load_policy(settings_of(tmp_path))
    keep(tmp_path / "last.json", approved)
    (tmp_path / "policy.yaml").write_text(text("2"))
    assert starting_policy(settings_of(tmp_path, approver_required=True), origin="c") == approved


def test_a_good_file_goes_before_the_last_good_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(text("1"))
    keep(tmp_path / "last.json", load_policy(settings_of(tmp_path)))
    (tmp_path / "policy.yaml").write_text(text("2"))
    assert starting_policy(settings_of(tmp_path), origin="c").version == "2"


@pytest.mark.parametrize("last", [None, b"", b"{}", b"\xff", b'{"version": "1", "global": 3}'])
def test_without_a_last_good_policy_the_fault_of_the_file_is_told(tmp_path: Path, last: bytes | None) -> None:
    (tmp_path / "policy.yaml").write_text("version: [")
    if last is not None:
        (tmp_path / "last.json").write_bytes(last)
    for is_kept in (True, False):
        with pytest.raises(ConfigError, match=r"policy.yaml: line 1"):
            starting_policy(settings_of(tmp_path, is_kept=is_kept), origin="c")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(text("1"))
    with pytest.raises(RecordError, match=r"last.json: cannot be written: No such file"):
        keep(tmp_path / "nowhere" / "last.json", load_policy(settings_of(tmp_path)))
