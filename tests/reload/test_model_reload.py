"""A running worker takes another model into use: each row R of the table in `deploy/docs/model-failure.md`."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.model.absent import NoModel
from scoring.model.bundle import MANIFEST_FILE, MODEL_FILE, Bundle
from scoring.model.settings import ModelSettings
from scoring.observer import Settings as Observing
from scoring.outputs import Source
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from streams.config.settings import Settings
from streams.config.wiring import ModelError, load_bundle
from streams.policy import model_reload
from streams.policy.model_reload import ModelReload, model_reload_of
from tests.bundles import bundle_until, files_until
from tests.events import encoded, token
from tests.reload.test_reload import Deployment as PolicyDeployment
from tests.reload.test_reload import FakeEngine, text, until

ONE, TWO, THREE = 1_000, 2_000, 3_000
RULES_ONLY = {"missing": "rules_only", "refused": "rules_only"}


class Facts:
    """Records what a reload tells telemetry."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, int]] = []
        self.refused: list[bool] = []

    def model_applied(self, version: str, trained_until_ms: int) -> None:
        self.applied.append((version, trained_until_ms))

    def model_refused(self, is_refused: bool) -> None:
        self.refused.append(is_refused)


class Deployment:
    """A bundle on disk, a worker's engine, and the reload between them."""

    def __init__(self, folder: Path, model: Bundle | NoModel, **more: Any) -> None:
        self.folder = folder / "bundle"
        policy = policy_from({"version": "t", "global": {"review": 1, "step_up": 1, "block": 1}, **more})
        self.engine = Engine(model, policy, Observing(DecodeLimits(), ProfileLimits()), "test")
        self.facts = Facts()
        settings = Settings(model=ModelSettings(bundle_dir=str(self.folder), watch_interval_s=3600.0))
        reload = model_reload_of(settings, self.engine, self.facts)
        assert isinstance(reload, ModelReload)
        self.reload = reload
        self.scored = 0

    def put(self, files: dict[str, bytes]) -> None:
        """Replace the folder by another one, as a deployment does."""
        beside = self.folder.with_name("beside")
        beside.mkdir()
        for name, content in files.items():
            (beside / name).write_bytes(content)
        if self.folder.exists():
            self.folder.rename(self.folder.with_name(f"old-{len(list(self.folder.parent.iterdir()))}"))
        beside.rename(self.folder)

    def look(self, times: int = 2) -> None:
        async def looks() -> None:
            for _ in range(times):
                await self.reload.look()

        asyncio.run(looks())

    def score(self, count: int = 1) -> list[Decision]:
        values = [
            encoded(event_id=f"e-{n}", card={"pan_hmac": token(f"c-{n}")})
            for n in range(self.scored, self.scored + count)
        ]
        offsets = range(self.scored, self.scored + count)
        source = Source(topic="t", partition=0, offsets=offsets, timestamps_ms=[1_777_604_400_000] * count)
        self.scored += count
        outputs = self.engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43)
        return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]

    @property
    def version(self) -> str:
        (made,) = self.score()
        return made.versions.model


def version(until_ms: int) -> str:
    return bundle_until(until_ms).version


def test_r1_a_sound_bundle_is_taken_at_the_second_look_and_named_from_then_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(tmp_path, bundle_until(ONE))
    deployment.put(files_until(ONE))
    deployment.look()
    assert (deployment.facts.applied, deployment.facts.refused) == ([], [False])
    deployment.put(files_until(TWO))
    deployment.look(1)
    assert deployment.version == version(ONE)
    with caplog.at_level(logging.INFO):
        deployment.look(1)
    assert deployment.version == version(TWO)
    assert (deployment.facts.applied, deployment.facts.refused) == ([(version(TWO), TWO)], [False, False])
    assert f"model_changed old={version(ONE)} new={version(TWO)}" in caplog.text


def test_r1_a_file_that_is_still_written_waits(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, bundle_until(ONE))
    deployment.put(files_until(ONE))
    deployment.look()
    for until_ms in (TWO, THREE):
        deployment.put(files_until(until_ms))
        deployment.look(1)
        assert deployment.version == version(ONE)
    deployment.look(1)
    assert deployment.version == version(THREE)
    assert deployment.facts.applied == [(version(THREE), THREE)]


def bad(name: str) -> dict[str, bytes]:
    files = files_until(TWO)
    return {
        "cut": files | {MODEL_FILE: files[MODEL_FILE][:-1]},
        "no manifest": {MODEL_FILE: files[MODEL_FILE]},
        "nothing": {},
        "no JSON": files | {MANIFEST_FILE: b"[]"},
    }[name]


@pytest.mark.parametrize("name", ["cut", "no manifest", "nothing", "no JSON"])
def test_r2_r3_a_missing_or_refused_bundle_changes_nothing_and_is_told(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment(tmp_path, bundle_until(ONE))  # its policy says stop: that is for starts
    deployment.put(files_until(ONE))
    deployment.look()
    deployment.put(bad(name))
    deployment.look(4)
    (made,) = deployment.score()
    assert (made.versions.model, made.status, made.model_state) == (version(ONE), "SCORED", None)
    assert (deployment.facts.applied, deployment.facts.refused) == ([], [False, True])
    assert caplog.text.count(f"model_refused kept={version(ONE)} fault=model bundle") == 1


def test_r4_the_folder_before_put_back_is_one_step_back(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, bundle_until(ONE))
    for until_ms in (ONE, TWO, ONE):
        deployment.put(files_until(until_ms))
        deployment.look()
        assert deployment.version == version(until_ms)
    assert deployment.facts.applied == [(version(TWO), TWO), (version(ONE), ONE)]


def test_r4_a_link_set_back_is_one_step_back(tmp_path: Path) -> None:
    for until_ms in (ONE, TWO):
        (tmp_path / str(until_ms)).mkdir()
        for name, content in files_until(until_ms).items():
            (tmp_path / str(until_ms) / name).write_bytes(content)
    deployment = Deployment(tmp_path, bundle_until(ONE))
    for until_ms in (ONE, TWO, ONE):
        link = tmp_path / "link"
        link.symlink_to(str(until_ms))
        link.rename(deployment.folder)
        deployment.look()
        assert deployment.version == version(until_ms)


def test_r4_going_back_to_the_model_in_use_ends_the_refusal(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, bundle_until(ONE))
    for files in (files_until(ONE), {}, files_until(ONE)):
        deployment.put(files)
        deployment.look()
    assert (deployment.facts.applied, deployment.facts.refused) == ([], [False, True, False])


@pytest.mark.parametrize("absent", NoModel)
def test_r5_a_bundle_ends_the_state_without_a_model_and_a_refused_one_does_not(tmp_path: Path, absent: NoModel) -> None:
    deployment = Deployment(tmp_path, absent, model_failure=RULES_ONLY)
    deployment.look()
    deployment.put(bad("cut"))
    deployment.look()
    (made,) = deployment.score()
    assert (made.status, made.model_state, made.versions.model) == ("DEGRADED", absent.value, "none")
    assert deployment.facts.refused == [True, True]
    deployment.put(files_until(TWO))
    deployment.look()
    (made,) = deployment.score()
    assert (made.status, made.model_state, made.versions.model) == ("SCORED", None, version(TWO))
    assert made.score > 0
    assert (deployment.facts.applied, deployment.facts.refused[-1]) == ([(version(TWO), TWO)], False)


@pytest.mark.parametrize("absent", NoModel)
@pytest.mark.parametrize("scope", ["all", "acquirer"])
def test_r6_a_policy_that_says_stop_is_refused_while_there_is_no_model(
    tmp_path: Path, absent: NoModel, scope: str
) -> None:
    (tmp_path / "policy.yaml").write_text(text("1", more="model_failure: {missing: rules_only, refused: rules_only}\n"))
    deployment = PolicyDeployment(tmp_path)
    assert isinstance(deployment.engine, FakeEngine)
    deployment.engine.model = absent
    deployment.look()
    reason = absent.value.lower()
    entry = f"{reason}: stop" if scope == "all" else f"acquirers: [{{acquirer: a, {reason}: stop}}]"
    other = "refused" if reason == "missing" else "missing"
    more = f"model_failure: {{{other}: rules_only, {entry}}}\n"
    if scope == "acquirer":
        more = f"model_failure: {{missing: rules_only, refused: rules_only, {entry}}}\n"
    deployment.file.write_text(text("2", more=more))
    deployment.look()
    assert (deployment.version, deployment.facts.refused[-1]) == ("1", True)
    deployment.engine.model = bundle_until(ONE)
    deployment.file.write_text(text("2", more=more + "# again\n"))
    deployment.look()
    assert (deployment.version, deployment.facts.refused[-1]) == ("2", False)


def test_r7_each_decision_is_by_the_whole_model_that_it_names_while_events_flow(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, NoModel.MISSING, model_failure=RULES_ONLY | {"max_age_days": 1})
    found: list[Decision] = []

    async def play() -> None:
        for until_ms in (ONE, TWO, THREE, ONE):
            deployment.put(files_until(until_ms))
            looks = asyncio.gather(deployment.reload.look())
            while True:
                made = deployment.score(8)
                assert len({each.versions.model for each in made}) == 1
                found.extend(made)
                if looks.done():
                    if made[0].versions.model == version(until_ms):
                        break
                    looks = asyncio.gather(deployment.reload.look())
                await asyncio.sleep(0)

    asyncio.run(play())
    used = [made.versions.model for made in found]
    runs = [name for name, before in zip(used, ["", *used], strict=False) if name != before]
    assert runs == ["none", version(ONE), version(TWO), version(THREE), version(ONE)]
    assert [made.decision_id for made in found] == [f"e-{n}" for n in range(len(found))]
    for made in found:
        is_lacking = made.versions.model == "none"
        assert made.model_state == ("MISSING" if is_lacking else "TOO_OLD")
        assert (made.status, made.score == 0) == (("DEGRADED", True) if is_lacking else ("SCORED", False))


def test_r8_sighup_looks_at_the_policy_and_at_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_reload, "SETTLE_S", 0.01)
    (tmp_path / "p").mkdir()
    deployment = Deployment(tmp_path, bundle_until(ONE))
    deployment.put({})
    policies = PolicyDeployment(tmp_path / "p", also=deployment.reload.ask)

    async def hangup(is_met: Callable[[], bool]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(is_met)

    async def play() -> None:
        await policies.reload.start()
        await deployment.reload.start()
        try:
            await until(lambda: deployment.facts.refused == [True] and policies.facts.refused == [False])
            await hangup(lambda: deployment.facts.refused == [True, True])
            deployment.put(files_until(TWO))
            await hangup(lambda: deployment.facts.applied == [(version(TWO), TWO)])
        finally:
            await deployment.reload.stop()
            await policies.reload.stop()

    before = signal.getsignal(signal.SIGHUP)
    try:
        asyncio.run(play())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_refused_bundle_is_judged_again_when_asked_and_not_by_a_look_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_reload, "SETTLE_S", 0.005)
    deployment, looks = Deployment(tmp_path, bundle_until(ONE)), 0
    deployment.reload._interval_s = 0.005
    sign = deployment.reload._sign
    deployment.put(bad("no JSON"))

    def counted() -> str:
        nonlocal looks
        looks += 1
        return sign()

    async def play() -> None:
        await deployment.reload.start()
        try:
            await until(lambda: deployment.facts.refused == [True])
            for times in (1, 2, 3):
                seen = looks
                await until(lambda seen=seen: looks > seen + 6)
                assert deployment.facts.refused == [True] * times
                if times < 3:
                    deployment.reload.ask()
                    await until(lambda times=times: len(deployment.facts.refused) > times)
        finally:
            await deployment.reload.stop()

    deployment.reload._sign = counted
    asyncio.run(play())


@pytest.mark.parametrize(
    ("odd", "lacking"), [("", NoModel.MISSING), (MODEL_FILE, NoModel.REFUSED), (MANIFEST_FILE, NoModel.REFUSED)]
)
def test_a_bundle_is_missing_only_if_none_of_its_files_is_there(tmp_path: Path, odd: str, lacking: NoModel) -> None:
    """A file that is there and cannot be read, beside others that are not there, is no missing bundle."""
    if odd:
        (tmp_path / odd).mkdir()
    with pytest.raises(ModelError) as caught:
        load_bundle(Settings(model=ModelSettings(bundle_dir=str(tmp_path))))
    assert caught.value.lacking is lacking


def test_the_bundle_inside_the_package_is_not_watched() -> None:
    deployment: Any = object()
    assert model_reload_of(Settings(), deployment, deployment) is None
