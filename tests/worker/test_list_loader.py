"""The loader of lists: what it counts, tells and refuses."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from streams.kafka.errors import TopicsMismatchError
from streams.kafka.reading.records import Record
from streams.worker.settings import WorkerSettings
from streams.worker.whole import lists
from streams.worker.whole.lists import ListLoader, refuse
from tests.doubles import NoTelemetry

TP = TopicPartition("lists", 0)
GOOD = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "630000",
    "delete.retention.ms": "630000",
    "message.timestamp.type": "LogAppendTime",
}


class Telemetry(NoTelemetry):
    """Keeps what is recorded of lists."""

    def __init__(self) -> None:
        self.results: list[Mapping[str, int]] = []
        self.read_s: list[float] = []

    def list_records(self, results: Mapping[str, int]) -> None:
        self.results.append(dict(results))

    def lists_read(self, at_s: float) -> None:
        self.read_s.append(at_s)


class Engine:
    """Adds every record whose value is not `bad`."""

    def list_entries(self, keys: Any, values: Any, stamps_ms: Any) -> dict[str, int]:
        bad = sum(value == b"bad" for value in values)
        return {"ADDED": len(keys) - bad} | ({"BAD_ENTRY": bad} if bad else {})


class Consumer:
    """Says where each partition stands: position, end, time of the last poll."""

    def __init__(self, *states: tuple[int, int | None, int | None]) -> None:
        self._states = states

    async def position(self, tp: TopicPartition) -> int:
        return self._states[tp.partition][0]

    def highwater(self, tp: TopicPartition) -> int | None:
        return self._states[tp.partition][1]

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self._states[tp.partition][2]


def loader_of(telemetry: Telemetry) -> ListLoader:
    return ListLoader("lists", WorkerSettings(), Engine(), telemetry)  # type: ignore[arg-type]


def record(offset: int, value: bytes) -> Record:
    made: Any = type("Record", (), {"key": b"k/v", "value": value, "timestamp": 1, "offset": offset})()
    return made  # type: ignore[no-any-return]


def test_refused_records_are_counted_and_told_without_their_content(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry()

    async def applied() -> int:
        return loader_of(telemetry)._apply({TP: [record(7, b"x"), record(8, b"bad")]})

    with caplog.at_level(logging.WARNING, lists.__name__):
        assert asyncio.run(applied()) == 2
    assert telemetry.results == [{"ADDED": 1, "BAD_ENTRY": 1}]
    (line,) = caplog.messages
    assert line == "list_records_refused records=1 reasons=BAD_ENTRY topic=lists partition=0 from=7"


@pytest.mark.parametrize(
    ("states", "read_s"),
    [
        ([(5, 5, 3_000), (9, 9, 2_000)], [2.0]),
        ([(5, 6, 3_000), (9, 9, 2_000)], []),
        ([(5, 5, None), (9, 9, 2_000)], []),
        ([(5, None, 3_000), (9, 9, 2_000)], []),
    ],
)
def test_the_topic_is_read_once_every_partition_is_at_its_end(states: Any, read_s: list[float]) -> None:
    telemetry = Telemetry()

    async def looked() -> None:
        loader = loader_of(telemetry)
        loader._partitions = [TopicPartition("lists", number) for number in range(2)]
        await loader._looked(Consumer(*states))  # type: ignore[arg-type]

    asyncio.run(looked())
    assert telemetry.read_s == read_s


def test_a_sound_topic_and_one_whose_broker_reports_nothing_pass() -> None:
    refuse("lists", GOOD, 30_000)
    refuse("lists", {}, 30_000)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("cleanup.policy", "compact,delete", "compact"),
        ("min.compaction.lag.ms", "629999", "at least 630000"),
        ("delete.retention.ms", "629999", "at least 630000"),
        ("message.timestamp.type", "CreateTime", "LogAppendTime"),
    ],
)
def test_a_topic_that_would_lose_or_misdate_entries_is_refused(key: str, value: str, wanted: str) -> None:
    with pytest.raises(TopicsMismatchError, match=f"{key}={value}, but needs {wanted}"):
        refuse("lists", GOOD | {key: value}, 30_000)


def test_other_work_gets_the_main_loop_between_two_polls_of_fetched_records() -> None:
    """A poll of records that are there already does not wait by itself."""
    turns: list[str] = []

    class Full(Consumer):
        async def getmany(self, **_: int) -> Any:
            turns.append("poll")
            if turns.count("poll") == 5:
                following.cancel()
            return {TP: [record(1, b"x")]}

    async def others() -> None:
        while not following.done():
            turns.append("other")
            await asyncio.sleep(0)

    async def followed() -> None:
        nonlocal following
        loader: Any = loader_of(Telemetry())
        loader._consumer, loader._partitions = Full((1, 1, 1)), [TP]
        following = asyncio.ensure_future(loader._follow(loader))
        await others()

    following: Any = None
    asyncio.run(followed())
    assert turns[:9] == ["other", *["poll", "other"] * 4]


def test_the_delay_is_told_before_the_topic_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    class Delayed(Telemetry):
        def lists_delayed(self, delay_s: float) -> None:
            told.append(delay_s)

    async def configs(*_: object) -> dict[str, Any]:
        return {"lists": GOOD}

    async def start() -> None:
        assert told == [30.0]

    monkeypatch.setattr(lists, "topic_configs", configs)
    monkeypatch.setattr(lists.WholeTopic, "on_start", lambda _: start())

    async def started() -> None:
        await loader_of(Delayed()).on_start()

    asyncio.run(started())
