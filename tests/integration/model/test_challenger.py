"""A worker with a champion and a challenger on Apache Kafka, under load, while both are changed, and one kill -9.

The challenger is exchanged by a hot reload, and a corrupt one is refused; the champion is promoted by `sekisho promote`
and rolled back in one step each. Each event is decided once, by the models that its decision names.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest

from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.challenger import Challenger
from streams.cli import main
from streams.kafka.settings import Broker
from streams.replay.child import fetch
from tests.brokers.load import producer, reader
from tests.bundles import bundle_until, files_until
from tests.cli.test_train import write
from tests.events import encoded, token
from tests.integration.conftest import NewWorker
from tests.integration.deployed import Deployed, deploy
from tests.integration.model.test_parity import watched
from tests.promotion.test_cli import EASY, folder_of
from tests.shadow.made import booster_of, challenger_files, columns_of, plain_score

pytestmark = pytest.mark.kafka

EVENT_MS = 1_777_604_400_000  # of the plain event
START_S = 240.0  # kernels may have to be compiled
CHUNK, BEAT_S = 10, 0.05
MORE = 30
"""Decisions that are awaited after each change."""

SOME = tuple(FEATURES[column] for column in (40, 0, 7, 3, 90))
FIRST, NEXT, OTHER = files_until(1), challenger_files(tuple(FEATURES)), challenger_files(SOME, seed=12)
"""The champion; the challenger that is promoted; another challenger, over some features."""

PAIRS = ("first next", "first other", "next other", "first other")
"""Champion and challenger one after the other."""


class Made(NamedTuple):
    """What a decision says."""

    event_id: str
    model: str
    challenger: str | None
    score: int


def versions() -> dict[str, str]:
    """Return the names that decisions have for the bundles."""
    return {
        "first": bundle_until(1).version,
        "next": Bundle.load(NEXT, FEATURES).version,
        "other": Challenger.load(OTHER, FEATURES).version,
    }


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Put a bundle in place by a rename."""
    beside = folder_of(folder.with_name("beside"), files)
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}"))
    beside.rename(folder)


class Play:
    """Events that flow all the time, and a worker that a test acts on."""

    def __init__(self, deployed: Deployed, place: Path, stack: ExitStack, client: Any, seen: Any) -> None:
        self._deployed, self.place, self._stack = deployed, place, stack
        self._client, self._seen = client, seen
        self._runs = 0
        self.sent = 0
        self.made: list[Made] = []
        self.process: Any = None

    def start(self) -> None:
        """Start the worker; what its model sees goes to a folder of its own."""
        self._runs += 1
        seen = self.place / f"seen-{self._runs}"
        seen.mkdir()
        self.process = self._stack.enter_context(watched(self._deployed.config, seen))

    async def flow(self) -> None:
        """Send events until it is cancelled. Amounts and cards vary; each fiftieth event is sent twice."""
        topic = self._deployed.topics.authorizations
        while True:
            for number in range(self.sent, self.sent + CHUNK):
                yen = round(math.exp(3 + 13 * (number * 0.618 % 1)))
                value = encoded(
                    event_id=f"e-{number}", card={"pan_hmac": token(f"card-{number % 97}")}, amount={"minor": yen}
                )
                for _ in range(2 if number % 50 == 0 else 1):
                    await self._client.send(topic, value, partition=0, timestamp_ms=EVENT_MS + number)
            self.sent += CHUNK
            await asyncio.sleep(BEAT_S)

    async def until(self, is_met: Callable[[], bool]) -> None:
        """Read decisions until a condition holds."""
        async with asyncio.timeout(START_S):
            while not is_met():
                await self._look()

    async def until_pair(self, champion: str, challenger: str) -> None:
        """Wait until the last decisions name these two models."""
        wanted = (champion, challenger)
        await self.until(lambda: bool(self.made) and self.made[-1][1:3] == wanted)
        enough = len(self.made) + MORE
        await self.until(lambda: len(self.made) >= enough)
        assert self.made[-1][1:3] == wanted

    async def _look(self) -> None:
        for records in (await self._seen.getmany(timeout_ms=50)).values():
            for record in records:
                one = orjson.loads(record.value)
                said = one.get("challenger") or {"model": None, "score": -1}
                self.made.append(Made(one["decision_id"], one["versions"]["model"], said["model"], said["score"]))

    def metric(self, name: str) -> float:
        """Read a metric of the worker."""
        text = fetch(f"http://127.0.0.1:{self._deployed.port}/metrics").decode()
        (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(line.rpartition(" ")[2])

    def logged(self) -> str:
        return self._deployed.config.with_suffix(".log").read_text()


async def act(scene: Play, current: Path, challenger: Path, names: dict[str, str]) -> None:
    """Change the models while events flow."""
    first, following, other = names["first"], names["next"], names["other"]
    scene.start()
    await scene.until_pair(first, following)
    put(challenger, OTHER)
    await scene.until_pair(first, other)
    assert scene.metric("sekisho_challenger_refused") == 0
    put(challenger, NEXT | {"model.txt": NEXT["model.txt"][:-9]})
    await scene.until(lambda: f"challenger_refused folder={challenger} kept={other}" in scene.logged())
    await scene.until_pair(first, other)
    assert scene.metric("sekisho_challenger_refused") == 1
    files = {"--table": "t.csv", "--reports": "r.csv", "--mapping": "m.yaml", "--bars": "easy.yaml", "--out": "out"}
    given = [word for name, file in files.items() for word in (name, str(scene.place / file))]
    to = ["--against", str(current)]
    promoted = await asyncio.to_thread(
        main, ["promote", str(scene.place / "next"), *to, *given, "--maturity-days", "10"]
    )
    assert promoted == 0
    await scene.until_pair(following, other)
    put(challenger, OTHER)  # a restart loads what is there
    await scene.until(lambda: scene.metric("sekisho_challenger_refused") == 0)
    scene.process.kill()
    scene.process.wait()
    scene.start()
    enough = len(scene.made) + MORE
    await scene.until(lambda: len(scene.made) >= enough and scene.made[-1][2] == other)
    await scene.until_pair(following, other)
    assert await asyncio.to_thread(main, ["promote", "--rollback", *to]) == 0
    await scene.until_pair(first, other)


async def play(deployed: Deployed, place: Path, stack: ExitStack, names: dict[str, str]) -> Play:
    async with (
        producer(deployed.broker) as client,
        reader(deployed.broker, deployed.topics.decisions, wait_ms=20) as seen,
    ):
        scene = Play(deployed, place, stack, client, seen)
        flow = asyncio.create_task(scene.flow())
        try:
            await act(scene, place / "bundle", place / "challenger", names)
        finally:
            flow.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flow
        await client.flush()
        await scene.until(lambda: len(scene.made) >= scene.sent)
        return scene


def rows_of(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Give the id and the row of each event that a worker saw; the last batch of a killed one may be cut off."""
    lines = (folder / "events").read_text().splitlines()
    matrix = np.fromfile(folder / "rows").reshape(-1, len(FEATURES))
    yield from zip([line.split()[0] for line in lines], matrix, strict=False)


def expected_scores(files: dict[str, bytes], rows: np.ndarray) -> list[int]:
    """Score rows by LightGBM, with calibration and scale in plain Python."""
    columns = columns_of(SOME if files is OTHER else FEATURES)
    margins = booster_of(files).predict(rows[:, columns], raw_score=True)
    return [plain_score(margin) for margin in margins.tolist()]


def test_both_models_change_under_load_and_each_event_is_decided_once_by_the_models_it_names(
    apache: Broker, new_worker: NewWorker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed, names = deploy(apache, new_worker(apache), tmp_path), versions()
    current, challenger = tmp_path / "bundle", tmp_path / "challenger"
    folder_of(current, FIRST)
    folder_of(challenger, NEXT)
    folder_of(tmp_path / "next", NEXT)
    write(tmp_path)
    (tmp_path / "easy.yaml").write_text(EASY)
    text = deployed.config.read_text()
    more = f'"{current}", challenger_dir: "{challenger}", watch_interval_s: 0.2'
    deployed.config.write_text(text.replace(f'"{current}"', more))
    with ExitStack() as stack:
        scene = asyncio.run(play(deployed, tmp_path, stack, names))
    assert sorted(one.event_id for one in scene.made) == sorted(f"e-{number}" for number in range(scene.sent))
    assert [one.event_id for one in scene.made] == [f"e-{number}" for number in range(scene.sent)]
    named = {version: name for name, version in names.items()}
    scored = [one for one in scene.made if one.challenger is not None]  # a start decides before its challenger is there
    pairs = [f"{named[one.model]} {named[one.challenger or '']}" for one in scored]
    assert tuple(pair for pair, _ in groupby(pairs)) == PAIRS
    assert len(scene.made) - len(scored) < 0.9 * len(scene.made)

    rows = {name: row for folder in sorted(tmp_path.glob("seen-*")) for name, row in rows_of(folder)}
    files = {names["next"]: NEXT, names["other"]: OTHER}
    for version, content in files.items():
        of_it = [one for one in scored if one.challenger == version]
        found = expected_scores(content, np.array([rows[one.event_id] for one in of_it]))
        assert [one.score for one in of_it] == found
    assert len({one.score for one in scored}) > 3

    capsys.readouterr()
    assert main(["replay", "--recorded", "--config", str(deployed.config), "--json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["is_exact"], told["is_whole"], sum(told["equal"].values())) == (True, True, scene.sent)
    by_model = {version: sum(one.model == version for one in scene.made) for version in (names["first"], names["next"])}
    assert told["models"] == by_model
    for name in ("first", "next"):
        event_id = next(one.event_id for one in scene.made[5:] if one.model == names[name])
        assert main(["explain", event_id, "--config", str(deployed.config), "--json"]) == 0
        assert orjson.loads(capsys.readouterr().out)["comparison"]["result"] == "EQUAL"
    (tmp_path / "bundle.previous").rename(tmp_path / "gone")
    assert main(["replay", "--recorded", "--config", str(deployed.config), "--json"]) == 1
    told = orjson.loads(capsys.readouterr().out)
    assert told["models"] == {names["first"]: by_model[names["first"]]}
    assert told["unknown_model"][names["next"]]["decisions"] == by_model[names["next"]]
    assert told["different"] == {}
    assert main(["replay", "--recorded", "--config", str(deployed.config), "--bundle", str(tmp_path / "gone")]) == 0
