"""Recorded traffic on the topics of a broker in memory, and the same records in one order by a plain sort."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Final

import pytest
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from models.training.records import Record
from scoring.observer import Settings as CoreSettings
from streams.config.settings import Settings
from streams.config.wiring import engine_settings
from streams.history import topics as module
from streams.history.extent import Asked
from streams.history.topics import Range, open_topics
from streams.kafka.errors import UnreadableError
from streams.kafka.reading.rows import Rows
from streams.kafka.topics import TopicsSettings
from tests.compliance.inputs.test_topics import Reader
from tests.explain.worker import NAMES, PARTITIONS, Written, recorded
from tests.state.fakes import STEP, FakeBroker

WORKER: Final = Settings(topics=TopicsSettings(names=NAMES))
ALL: Final = Asked(since_ms=None, until_ms=None)
RANKS: Final = {"merchants": 0, "threeds_results": 1, "fraud_reports": 2}
"""What comes first of records with the same time; then payments, then their outcomes."""


class RangeReader(Reader):
    """A reader whose begin may be gone, with the id of a cluster."""

    cluster = "c-1"

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__(broker)
        self.step = STEP  # in the inner loop too: tests look at how much is in memory

    async def cluster_id(self) -> str:
        return self.cluster

    async def read(self, tp: TopicPartition, begin: int, end: int) -> AsyncIterator[Rows]:
        if begin < self._broker.begins[tp]:
            raise UnreadableError(f"{tp.topic}[{tp.partition}] at {begin}: gone") from OffsetOutOfRangeError()
        async with aclosing(super().read(tp, begin, end)) as found:
            async for rows in found:
                yield rows


@cache
def _recorded(payments: int) -> tuple[Written, ...]:
    return tuple(recorded(payments))


class Stored:
    """A broker with the records of traffic; `history` opens them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, payments: int) -> None:
        self.broker, self.told = FakeBroker(), list[str]()
        monkeypatch.setattr(module, "LogReader", lambda *_, **__: RangeReader(self.broker))
        monkeypatch.setattr(module, "authorized", _granted)
        for name in NAMES.inputs:
            for partition in range(PARTITIONS):
                self.broker.logs[TopicPartition(name, partition)] = []
                self.broker.topic_ids[name] = f"id of {name}"
        self.broker.logs[TopicPartition(NAMES.merchants, 0)] = []
        for one in _recorded(payments):
            self.write(one.field, one.partition, one.key, one.value, one.at_ms)

    def write(self, field: str, partition: int, key: bytes, value: bytes | None, at_ms: int) -> None:
        self.broker.append(TopicPartition(getattr(NAMES, field), partition), key, value, at_ms=at_ms)

    def open(self, wanted: Asked = ALL) -> Range:
        return open_topics(WORKER, wanted, self.told.append)

    def sorted(self) -> list[Record]:
        """Return all records as one file would have them. Records of a partition must be in order of time."""
        listed = [
            (record.at_ms, rank, tp.partition, record.offset, Record(label, *record[1:], (tp.partition, record.offset)))
            for label, rank in (
                ("merchants", 0),
                ("threeds-results", 1),
                ("fraud-reports", 2),
                ("authorizations", 3),
                ("authorization-outcomes", 4),
            )
            for tp, log in self.broker.logs.items()
            if tp.topic == getattr(NAMES, label.replace("-", "_"))
            for record in log
        ]
        return [one[-1] for one in sorted(listed, key=lambda one: one[:4])]


@asynccontextmanager
async def _granted(*_: object) -> AsyncIterator[None]:
    await asyncio.sleep(0)
    yield


class Listed:
    """Records as a history, with the settings of the worker."""

    source, total, fingerprint, maturity_days = "a file", None, "1", None
    left_out: Mapping[str, int] = {}

    def __init__(self, records: list[Record]) -> None:
        self._records = records

    @property
    def settings(self) -> CoreSettings:
        return engine_settings(WORKER)

    def records(self) -> Iterator[Record]:
        return iter(self._records)
