"""A worker on Apache Kafka starts without a model, takes and refuses others, is killed, and halts by `stop`.

One run has the rows of `deploy/docs/model-failure.md` that a whole worker can show. Each event is decided once, by the
model that markers name for its offset.
"""

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.kafka.settings import Broker
from streams.state.log.marker import KEY, Held, decode
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import producer, read, reader
from tests.brokers.workers import terminate, worker_process
from tests.bundles import bundle_until, files_until, small_bundle
from tests.events import encoded, token
from tests.integration.state.test_profiles import END_S, MODULE, await_committed, new_worker

pytestmark = pytest.mark.kafka

EVENT_MS = 1_777_604_400_000  # of the plain event
DAY_MS = 86_400_000
YOUNG, OTHER, OLD = EVENT_MS - DAY_MS, EVENT_MS - 2 * DAY_MS, EVENT_MS - 31 * DAY_MS
CHUNK = 3
START_S = 240.0  # kernels may have to be compiled

Said = tuple[str, str | None, str]
"""What a decision says: status, state of the model, version of the model."""


def said(until_ms: int, state: str | None = None) -> Said:
    return ("SCORED", state, bundle_until(until_ms).version)


def policy_text(too_old: str) -> str:
    failure = f"{{missing: rules_only, refused: rules_only, too_old: {too_old}, max_age_days: 30}}"
    return f"version: '{too_old}'\nglobal: {{review: 1, step_up: 999, block: 1000}}\nmodel_failure: {failure}\n"


class Play:
    """One worker, its files, and the events that it gets, on one partition."""

    def __init__(self, settings: WorkerSettings, folder: Path, stack: ExitStack, client: Any, seen: Any) -> None:
        self._settings, self._folder, self._stack = settings, folder, stack
        self._client, self._seen = client, seen
        self._bundles = 0
        self.sent = 0
        self.made: list[tuple[str, Said]] = []
        self.process: subprocess.Popen[str] | None = None
        (folder / "log").touch()

    def start(self) -> None:
        run = worker_process(self._settings, module=MODULE, arguments=(str(self._folder), "with-model"))
        self.process = self._stack.enter_context(run)

    def put(self, files: dict[str, bytes] | None) -> None:
        """Put another bundle in place by a rename, or take it away."""
        self._bundles += 1
        place = self._folder / "bundle"
        if place.exists():
            place.rename(self._folder / f"old-{self._bundles}")
        if files is None:
            return
        beside = self._folder / "beside"
        beside.mkdir()
        for name, content in files.items():
            (beside / name).write_bytes(content)
        beside.rename(place)

    def put_policy(self, too_old: str) -> None:
        (self._folder / "beside.yaml").write_text(policy_text(too_old))
        (self._folder / "beside.yaml").rename(self._folder / "policy.yaml")

    @property
    def logged(self) -> str:
        return (self._folder / "log").read_text()

    async def wait(self, is_met: Callable[[], bool]) -> None:
        async with asyncio.timeout(END_S):
            while not is_met():
                await asyncio.sleep(0.02)

    async def send(self) -> None:
        for number in range(self.sent, self.sent + CHUNK):
            value = encoded(event_id=f"e-{number}", card={"pan_hmac": token(f"card-{number}")})
            await self._client.send(
                self._settings.topics.authorizations, value, partition=0, timestamp_ms=EVENT_MS + number
            )
        self.sent += CHUNK

    async def until_said(self, wanted: Said) -> None:
        """Send events until a decision says so, then some more: all of them say so too."""
        async with asyncio.timeout(START_S):
            while not self.made or self.made[-1][1] != wanted:
                if self.sent - len(self.made) < 10 * CHUNK:  # a worker that starts needs no more
                    await self.send()
                await self.look()
        begin = self.sent
        await self.send()
        async with asyncio.timeout(END_S):
            while len(self.made) < self.sent:
                await self.look()
        assert {told for _, told in self.made[begin:]} == {wanted}

    async def look(self) -> None:
        for records in (await self._seen.getmany(timeout_ms=50)).values():
            for record in records:
                one = json.loads(record.value)
                told = (one["status"], one.get("model_state"), one["versions"]["model"])
                self.made.append((one["decision_id"], told))


async def play(settings: WorkerSettings, folder: Path, stack: ExitStack) -> Play:
    decisions = settings.topics.decisions
    async with producer(settings.broker) as client, reader(settings.broker, decisions, wait_ms=20) as seen:
        scene = Play(settings, folder, stack, client, seen)
        scene.put_policy("serve")
        scene.start()
        await scene.until_said(("DEGRADED", "MISSING", "none"))  # S2, D1
        cut = files_until(YOUNG)
        scene.put(cut | {"model.txt": cut["model.txt"][:-9]})
        await scene.wait(lambda: "model_refused kept=none fault=" in scene.logged.partition("is not the file")[0])
        await scene.until_said(("DEGRADED", "MISSING", "none"))  # R5
        scene.put(files_until(YOUNG))
        await scene.until_said(said(YOUNG))  # R5
        kept = f"model_refused kept={bundle_until(YOUNG).version}"
        scene.put(None)
        await scene.wait(lambda: kept in scene.logged)
        await scene.until_said(said(YOUNG))  # R3
        scene.put(cut | {"sample.f64": b""})
        await scene.wait(lambda: scene.logged.count(kept) == 2)
        await scene.until_said(said(YOUNG))  # R2
        scene.put(files_until(OTHER))
        await scene.until_said(said(OTHER))  # R1
        scene.put(files_until(YOUNG))
        await scene.until_said(said(YOUNG))  # R4
        assert scene.process is not None
        scene.put(files_until(OLD))
        await scene.until_said(said(OLD, "TOO_OLD"))  # D10
        # What was decided after the last flush is applied again by the model in place: here it is the same one.
        await asyncio.to_thread(await_committed, settings, scene.sent, 1, scene.process)
        scene.process.kill()
        scene.process.wait()
        scene.start()
        await scene.until_said(said(OLD, "TOO_OLD"))  # S6
        scene.put_policy("rules_only")
        await scene.until_said(("DEGRADED", "TOO_OLD", bundle_until(OLD).version))  # D12
        scene.put_policy("stop")
        async with asyncio.timeout(END_S):
            while scene.process.poll() is None:
                await scene.send()
                await scene.look()
                await asyncio.sleep(0.05)
        assert scene.process.returncode == 1  # D13
        assert "ModelStopError" in scene.logged
        scene.put(files_until(YOUNG))
        scene.start()
        await scene.until_said(said(YOUNG))  # a newer bundle ends it
        await client.flush()
        return scene


def switches(settings: WorkerSettings) -> list[Held]:
    """Return every policy and model that a committed marker names, by offset."""
    topic = settings.topics.card_profiles
    records = asyncio.run(read(settings.broker, topic, 1, END_S, isolation="read_committed"))
    found = {
        held.offset: held for record in records if record.key == KEY for held in decode(record.value, topic, 1).policies
    }
    return [found[offset] for offset in sorted(found)]


def test_a_worker_without_a_model_with_others_and_with_one_that_is_too_old(apache: Broker, tmp_path: Path) -> None:
    warm_up(small_bundle())
    settings = msgspec.structs.replace(new_worker(apache, 1), state=State(flush_interval_s=0.05))
    with ExitStack() as stack:
        scene = asyncio.run(play(settings, tmp_path, stack))
        assert scene.process is not None
        await_committed(settings, scene.sent, 1, scene.process)
        assert terminate(scene.process) == 0
    assert [name for name, _ in scene.made] == [f"e-{number}" for number in range(scene.sent)], "each once, in order"
    held = switches(settings)
    for offset, (_, (_, _, model)) in enumerate(scene.made):
        (last,) = [one for one in held if one.offset <= offset][-1:]
        assert last.model == model, offset
    order = [one.model for one, before in zip(held, [None, *held], strict=False) if before is None or one != before]
    young, other, old = (bundle_until(until).version for until in (YOUNG, OTHER, OLD))
    runs = [model for model, before in zip(order, ["", *order], strict=False) if model != before]
    assert runs == ["none", young, other, young, old, young]
