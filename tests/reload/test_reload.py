"""A running worker takes another policy into use when its files change, and keeps the last good one."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from scoring.clock import UNDATED
from scoring.compiled import CompiledPolicy, ListFiles
from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Settings as Observing
from scoring.outputs import Source
from scoring.policy import Policy, policy_from
from scoring.policy.settings import PolicySettings
from scoring.profile import ProfileLimits
from streams.config.lists import load_lists
from streams.config.policies import policy_of, read_policy
from streams.config.settings import Settings
from streams.policy import reload
from streams.policy.audit import AuditLog
from streams.policy.reload import PolicyReload
from tests.bundles import small_bundle
from tests.events import encoded, token
from tests.examples import is_quick


def text(version: str, review: int = 500, more: str = "") -> str:
    return f"version: '{version}'\nglobal: {{review: {review}, step_up: 800, block: 900}}\nauthor: a\n{more}"


class FakeEngine:
    """An engine whose compiled policy is the policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.list_files = ListFiles()
        self.model: Any = None

    def compile(self, policy: Policy, list_files: ListFiles) -> CompiledPolicy:
        more = {"rule_modes": set(), "blocking_rules": set(), "experiment_id": ""}
        return cast(CompiledPolicy, SimpleNamespace(policy=policy, list_files=list_files, **more))

    def use(self, compiled: CompiledPolicy) -> None:
        self.policy, self.list_files = compiled.policy, compiled.list_files


class Facts:
    """Records what a reload tells telemetry."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.refused: list[bool] = []

    def policy_applied(
        self, identity: str, rules: AbstractSet[tuple[str, str]], blocking: AbstractSet[str], experiment: str
    ) -> None:
        self.applied.append(identity.partition("+")[0])

    def policy_refused(self, is_refused: bool) -> None:
        self.refused.append(is_refused)


class Deployment:
    """A policy on disk, a worker's engine, and the reload between them."""

    def __init__(self, folder: Path, engine: Any = None, also: Callable[[], None] | None = None, **more: Any) -> None:
        self.file = folder / "policy.yaml"
        if not self.file.exists():
            self.file.write_text(text("1"))
        place = PolicySettings(file=str(self.file), **more)
        settings = Settings(policy=place)
        compose = partial(policy_of, approver_required=place.approver_required)
        self.facts = Facts()
        self.engine = engine or FakeEngine(policy_of(read_policy(settings)))

        async def use(compiled: CompiledPolicy) -> None:
            self.engine.use(compiled)

        self.reload = PolicyReload(
            lambda: read_policy(settings),
            compose,
            partial(load_lists, settings),
            self.engine,
            self.facts,
            use=use,
            audit=None if place.audit_file is None else AuditLog(Path(place.audit_file), "host"),
            interval_s=3600.0,
            last_good=None if place.last_good_file is None else Path(place.last_good_file),
            also=also,
        )

    @property
    def version(self) -> str:
        version: str = self.engine.policy.version
        return version

    def look(self, times: int = 2) -> None:
        async def looks() -> None:
            for _ in range(times):
                await self.reload.look()

        asyncio.run(looks())


LIST = """lists:
- {id: stolen, kind: card, direction: deny, action: block, author: a, reason: known}
"""


def write_list(folder: Path, *values: str) -> None:
    lines = [f"{value},2027-01-01T00:00:00Z\n" for value in values]
    (folder / "stolen.csv").write_text("value,effective_to\n" + "".join(lines))


def test_a_change_of_a_list_counts_as_one_of_the_policy_and_a_bad_one_keeps_the_last_good(tmp_path: Path) -> None:
    folder, audit = tmp_path / "lists", tmp_path / "audit"
    folder.mkdir()
    write_list(folder, token("a"))
    (tmp_path / "policy.yaml").write_text(text("1", more=LIST))
    deployment = Deployment(tmp_path, lists_dir=str(folder), audit_file=str(audit))
    deployment.look()
    assert len(deployment.engine.list_files.table) == 1
    write_list(folder, token("a"), token("b"))
    deployment.look(1)
    assert len(deployment.engine.list_files.table) == 1
    deployment.look(1)
    assert len(deployment.engine.list_files.table) == 2
    last = deployment.engine.list_files.digest
    assert json.loads(audit.read_text().splitlines()[-1])["changes"][0][::2] == ["lists_digest", json.dumps(last)]
    write_list(folder, token("a"), "a b")
    deployment.look()
    assert deployment.facts.refused == [False, False, True]
    assert (len(deployment.engine.list_files.table), deployment.engine.list_files.digest) == (2, last)
    write_list(folder, token("c"))
    deployment.look()
    assert (len(deployment.engine.list_files.table), deployment.version) == (1, "1")
    assert deployment.engine.list_files.digest != last


def test_a_change_counts_when_two_looks_in_a_row_find_it(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.look()
    deployment.file.write_text(text("2"))
    deployment.look(1)
    assert deployment.version == "1"
    deployment.file.write_text(text("3"))  # still being written at the first look
    deployment.look(1)
    assert deployment.version == "1"
    deployment.look(1)
    assert (deployment.version, deployment.facts.applied) == ("3", ["3"])


def test_a_file_that_is_only_touched_changes_nothing(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.look()
    deployment.file.write_text(deployment.file.read_text())
    os.utime(deployment.file, (1, 1))
    deployment.look(3)
    assert deployment.facts.applied == []
    deployment.file.write_text(text("1") + "# a comment\n")
    deployment.look(3)
    assert (deployment.facts.applied, deployment.facts.refused) == ([], [False, False])


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("version: [", "policy.yaml: line 1"),
        (text("2", 850), "policy.yaml: $.global: thresholds must rise"),
        (text("2", more="merchnats: []"), "policy.yaml: $.merchnats: unknown key; did you mean merchants?"),
        (
            text("2", more="alerts: {incident_quiet_minutes: 5}"),
            "$.alerts.incident_quiet_minutes: changes at a restart",
        ),
        (None, "policy.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_bad_file_keeps_the_last_good_policy_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str | None, fault: str
) -> None:
    caplog.set_level(logging.INFO)
    deployment = Deployment(tmp_path, audit_file=str(tmp_path / "audit.jsonl"))
    deployment.look()
    if bad is None:
        deployment.file.unlink()
    else:
        deployment.file.write_text(bad)
    deployment.look(5)
    assert (deployment.version, deployment.facts.applied) == ("1", [])
    assert deployment.facts.refused == [False, True]  # told once, not at every look
    assert [record.getMessage() for record in caplog.records if fault in record.getMessage()] != []
    line = msgspec.json.decode((tmp_path / "audit.jsonl").read_bytes().splitlines()[-1])
    assert (line["event"], line["old"], line["new"]) == ("REFUSED", deployment.engine.policy.identity, None)
    assert fault in line["fault"]
    deployment.file.write_text(text("3"))
    deployment.look()
    assert (deployment.version, deployment.facts.applied, deployment.facts.refused[-1]) == ("3", ["3"], False)


def test_going_back_to_the_policy_in_use_ends_the_refusal(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    for content in (text("1"), "version: [", text("1")):
        deployment.file.write_text(content)
        deployment.look()
    assert (deployment.facts.applied, deployment.facts.refused) == ([], [False, True, False])


def test_the_last_approved_version_stays_until_another_person_approves(tmp_path: Path) -> None:
    first = policy_from({"version": "1", "author": "a", "global": {"review": 500, "step_up": 800, "block": 900}})
    approved = "approval: {{approver: b, content: {}}}\n".format
    (tmp_path / "policy.yaml").write_text(text("1", more=approved(first.digest)))
    deployment = Deployment(tmp_path, FakeEngine(first), approver_required=True)
    deployment.look()
    second = msgspec.structs.replace(first, version="2")
    deployment.file.write_text(text("2", more=approved(first.digest)))
    deployment.look()
    assert (deployment.version, deployment.facts.refused[-1]) == ("1", True)
    deployment.file.write_text(text("2", more=approved(second.digest)))
    deployment.look()
    assert (deployment.version, deployment.facts.refused[-1]) == ("2", False)


def test_a_swap_of_links_as_kubernetes_makes_it_is_a_change(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / f"..v{version}").mkdir()
        (tmp_path / f"..v{version}" / "policy.yaml").write_text(text(version))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    deployment = Deployment(tmp_path)
    deployment.look()
    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    deployment.look()
    assert deployment.facts.applied == ["2"]


def test_a_new_file_of_an_acquirer_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    deployment = Deployment(tmp_path, acquirers_dir=str(tmp_path / "conf.d"))
    deployment.look()
    (tmp_path / "conf.d" / "a.yaml").write_text("acquirer: a\nlimits: [{amount_jpy: 1}]\n")
    deployment.look()
    assert [limit.acquirer for limit in deployment.engine.policy.limits] == ["a"]


def test_what_cannot_be_recorded_does_not_change(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, audit_file=str(tmp_path / "nowhere" / "audit.jsonl"))
    deployment.look()
    deployment.file.write_text(text("2"))
    deployment.look()
    assert (deployment.version, deployment.facts.applied, deployment.facts.refused[-1]) == ("1", [], True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def running(deployment: Deployment, play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await deployment.reload.start()
    try:
        await until(lambda: deployment.facts.refused == [False])
        await play()
    finally:
        await deployment.reload.stop()


def test_sighup_looks_at_once_and_judges_a_refused_file_again(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)

    async def play() -> None:
        deployment.file.write_text(text("2", 850))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: deployment.facts.refused[-1])
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: deployment.facts.refused.count(True) == 2)
        deployment.file.write_text(text("3"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: deployment.version == "3")

    before = signal.getsignal(signal.SIGHUP)
    try:
        asyncio.run(running(deployment, play))
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_while_events_flow_each_decision_is_by_the_whole_policy_that_it_names(tmp_path: Path) -> None:
    policies: dict[str, Policy] = {}
    versions = range(8 if is_quick() else 12)
    for version in versions:
        made = policy_of(read_policy(Settings(policy=PolicySettings(inline=document(version)))))
        policies[made.identity] = made
    engine = Engine(small_bundle(), next(iter(policies.values())), Observing(DecodeLimits(), ProfileLimits()), "test")
    (tmp_path / "policy.yaml").write_text(msgspec.json.encode(document(0)).decode())
    deployment = Deployment(tmp_path, engine)
    found: list[Decision] = []

    def score_some() -> None:
        first = len(found)
        values = [event(first + k) for k in range(16)]
        source = Source(topic="t", partition=0, offsets=range(first, first + 16), timestamps_ms=[UNDATED] * 16)
        outputs = engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43)
        found.extend(msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions)
        assert len({made.versions.policy for made in found[first:]}) == 1

    async def play() -> None:
        async def look() -> None:
            await deployment.reload.look()
            await deployment.reload.look()

        for version in versions[1:]:
            content = msgspec.json.encode(document(version)).decode()
            deployment.file.write_text("version: [" if version % 4 == 3 else content)
            looking = asyncio.create_task(look())
            while not looking.done():
                score_some()
                await asyncio.sleep(0)
            await looking

    asyncio.run(play())
    used = dict.fromkeys(made.versions.policy for made in found)
    assert [policies[identity].version for identity in used] == [
        str(version) for version in versions if version % 4 != 3
    ]
    assert [made.decision_id for made in found] == [f"e-{n}" for n in range(len(found))]
    for position, made in enumerate(found):
        policy = policies[made.versions.policy]
        own = policy.merchants[0] if position % 2 else None
        levels = policy.everywhere if own is None else own.thresholds
        reached = sum(made.score >= level for level in (levels.review, levels.step_up, levels.block))
        assert made.band == ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")[reached]
        assert made.action == getattr(policy.actions, made.band)


def document(version: int) -> dict[str, Any]:
    def levels(start: int) -> dict[str, int]:
        return {"review": start, "step_up": start + 60, "block": start + 120}

    return {
        "version": str(version),
        "global": levels(300 + 37 * version),
        "merchants": [{"acquirer": "acq-1", "merchant": "m-1", "thresholds": levels(700 - 41 * version)}],
        "actions": {"REVIEW": f"look {version}"},
    }


def event(number: int) -> bytes:
    return encoded(
        event_id=f"e-{number}",
        card={"pan_hmac": token(f"card-{number}")},
        merchant={"id": f"m-{number % 2}"},
        amount={"minor": 1 << (number % 34)},
    )


def test_only_sighup_judges_a_refused_file_again_and_no_look_in_turn_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, looks = Deployment(tmp_path), 0
    monkeypatch.setattr(reload, "SETTLE_S", 0.005)
    deployment.reload._interval_s = 0.005
    read = deployment.reload._read

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return read()

    async def play() -> None:
        deployment.file.write_text(text("2", 850))
        await until(lambda: deployment.facts.refused[-1:] == [True])
        for times in (1, 2, 3):
            seen = looks
            await until(lambda seen=seen: looks > seen + 6)
            assert deployment.facts.refused.count(True) == times
            if times < 3:
                os.kill(os.getpid(), signal.SIGHUP)
                await until(lambda times=times: deployment.facts.refused.count(True) > times)

    deployment.reload._read = counted
    before = signal.getsignal(signal.SIGHUP)
    try:
        asyncio.run(running(deployment, play))
    finally:
        signal.signal(signal.SIGHUP, before)
