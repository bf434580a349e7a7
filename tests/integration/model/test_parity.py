"""What a worker's model sees on Apache Kafka is what training learns from, bit for bit, in every feature.

Two histories in a row: the table in the Handbook's format, by its mapping with reports seven days late, and simulated
traffic with merchants, 3-D Secure, devices and accounts. The worker gets them over Kafka in the order of training: what
the windows of reports keep exactly (`scoring.profile`) depends on which reports were read before.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.training.history import collect
from models.training.records import Record
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from streams.cli.train import TableHistory
from streams.kafka.settings import Broker
from streams.replay.opened import Tables, open_source
from tests.brokers.load import producer
from tests.brokers.workers import ROOT
from tests.integration.conftest import NewWorker
from tests.integration.deployed import END_S, READ_S, Deployed, deploy
from tests.training.history.made_book import SAMPLE
from tests.training.test_training import recorded

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000
SIMULATED = 2_800


class Both:
    """The table and the simulated traffic as one history."""

    source, total, fingerprint, maturity_days = "a test", None, "1", None
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    left_out: Mapping[str, int] = {}

    def __init__(self) -> None:
        tables = Tables(table=SAMPLE, mapping="handbook", labels=True, jpy_per_unit=130)
        table = list(TableHistory(tables, open_source(tables, print)).records())
        simulated, _ = recorded()
        masters = [record for record in simulated if record.topic == "merchants"]
        self.listed = [*masters, *table, *simulated[len(masters) :][:SIMULATED]]
        assert sum(record.topic == "merchants" for record in self.listed) == len(masters) > 50

    def records(self) -> Iterator[Record]:
        yield from self.listed


@contextmanager
def watched(config: Path, directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the worker that writes what it sees."""
    with config.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.model.seen", str(config), str(directory)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(END_S)


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


class Sent:
    """Sends to one partition, so that the worker's order is known, and waits until the worker has taken it."""

    def __init__(self, deployed: Deployed, client: Any, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        self._topics, self._client, self._process, self._directory = deployed.topics, client, process, directory
        self._counts = {"events": 0, "reports": 0}

    async def send(self, topic: str, records: list[Record]) -> None:
        acks = [
            await self._client.send(topic, record.value, key=record.key, partition=0, timestamp_ms=record.at_ms)
            for record in records
        ]
        await asyncio.gather(*acks)

    async def play(self, records: list[Record]) -> None:
        for topic, run in groupby(records, key=lambda record: record.topic):
            some = list(run)
            is_report = topic == "fraud-reports"
            await self.send(self._topics.fraud_reports if is_report else self._topics.authorizations, some)
            await self._taken("reports" if is_report else "events", len(some))

    async def _taken(self, what: str, more: int) -> None:
        self._counts[what] += more
        deadline = time.monotonic() + READ_S
        while len(lines_of(self._directory / what)) < self._counts[what]:
            assert self._process.poll() is None, "the worker has ended"
            assert time.monotonic() < deadline, f"{what}: {len(lines_of(self._directory / what))} {self._counts}"
            await asyncio.sleep(0.02)


def test_a_worker_on_kafka_sees_the_bits_that_training_learns_from(
    apache: Broker, new_worker: NewWorker, tmp_path: Path
) -> None:
    history, seen = Both(), tmp_path / "seen"
    seen.mkdir()
    deployed = deploy(apache, new_worker(apache), tmp_path)
    masters = [record for record in history.listed if record.topic == "merchants"]
    others = [record for record in history.listed if record.topic != "merchants"]

    async def run() -> None:
        async with producer(deployed.broker) as client:
            topics = deployed.topics
            for record in masters:
                await client.send_and_wait(topics.merchants, record.value, key=record.key, partition=0)
            with watched(deployed.config, seen) as process:
                await Sent(deployed, client, process, seen).play(others)

    asyncio.run(run())
    samples = collect(history, tmp_path / "rows", history.settings, maturity_ms=7 * DAY_MS, tell=print)
    matrix = np.asarray(samples.matrix[:])
    lines = [line.split() for line in lines_of(seen / "events")]
    live = np.frombuffer((seen / "rows").read_bytes()).reshape(len(lines), len(FEATURES))
    live = live[[is_row == "1" for _, is_row in lines]]
    assert live.shape == matrix.shape
    for place, feature in enumerate(FEATURES):
        unequal = np.flatnonzero(live[:, place].view(np.int64) != matrix[:, place].copy().view(np.int64))
        assert not len(unequal), (feature.name, len(unequal), live[unequal[:3], place], matrix[unequal[:3], place])
    reported = [place for place, feature in enumerate(FEATURES) if "report" in feature.name]
    assert all(len(np.unique(matrix[:, place])) > 2 for place in reported), "nothing was reported"
    told = sum(len(np.unique(column[~np.isnan(column)])) > 1 for column in matrix.T)
    assert told > 0.9 * len(FEATURES), told
