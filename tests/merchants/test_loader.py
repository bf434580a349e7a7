"""The merchant store is read to its end before anything else begins, and followed after that."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition

from scoring.outputs import Outputs, Tally
from streams.kafka.reading.ends import Span
from streams.records.batches import Refused
from streams.state.settings import State
from streams.transport.consumer import BatchConsumer
from streams.worker.app import build_app
from streams.worker.merchants.loader import MerchantLoader
from streams.worker.settings import MerchantsSettings, WorkerSettings
from streams.worker.whole import reader as loader_module
from streams.worker.whole.reader import WholeTopicError
from tests.doubles import NoTelemetry
from tests.integration.fakes import EchoEngine


@pytest.fixture(autouse=True)
def _known_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the end of the fake topic: these tests are not about how the end is found."""

    async def bounds(consumer: Any, tps: Sequence[TopicPartition], _timeout_s: float) -> dict[TopicPartition, Span]:
        return dict.fromkeys(tps, Span(0, consumer.end))

    monkeypatch.setattr(loader_module, "bounds", bounds)


@pytest.fixture(autouse=True)
def _no_failover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do nothing: no client here could leave a broker."""
    monkeypatch.setattr("streams.kafka.failover.watch", lambda _: None)


class FakeRecord:
    def __init__(self, offset: int, value: bytes = b"merchant") -> None:
        self.offset, self.timestamp, self.key, self.value = offset, 1_000, b"m%d" % offset, value


class FakeConsumer:
    """A topic of one partition. `polls`: the numbers of records of successive polls."""

    polls: Sequence[int] = ()
    end = 0
    partitions: set[int] | None = {0}  # noqa: RUF012 - replaced, never changed

    refusals: Sequence[Refused] = ()
    bad: Collection[int] = ()  # offsets of records that are refused

    def __init__(self, refuse: Callable[[TopicPartition, Refused], None], **_: Any) -> None:
        self.at = 0
        self.refuse = refuse
        self.left = list(self.polls)
        self._client = self

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def _wait_on_metadata(self, topic: str) -> None: ...

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions

    def assign(self, tps: list[TopicPartition]) -> None: ...

    async def position(self, tp: TopicPartition) -> int:
        return self.at

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[FakeRecord]]:
        await asyncio.sleep(0)
        while self.refusals and self.refusals[0].first == self.at:
            refused, *self.refusals = self.refusals
            self.refuse(TopicPartition("merchants", 0), refused)
            self.at = refused.end
        count = self.left.pop(0) if self.left else 0
        self.at += count
        if not count:
            return {}
        offsets = range(self.at - count, self.at)
        records = [FakeRecord(offset, b"!letter" if offset in self.bad else b"merchant") for offset in offsets]
        return {TopicPartition("merchants", 0): records}


class FakeLetters:
    """Records the refused offsets."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, int, int]] = []

    def note(self, partition: int, begin: int, end: int) -> None:
        self.noted.append((partition, begin, end))


async def started(telemetry: NoTelemetry | None = None) -> tuple[MerchantLoader, EchoEngine, FakeLetters]:
    engine, letters = EchoEngine(), FakeLetters()
    settings = WorkerSettings(merchants=MerchantsSettings(load_timeout_s=0.5))
    loader = MerchantLoader(settings, engine, letters, telemetry or NoTelemetry())  # type: ignore[arg-type]
    await loader.on_start()
    assert loader.loaded
    return loader, engine, letters


def load(monkeypatch: pytest.MonkeyPatch, **topic: Any) -> tuple[EchoEngine, FakeLetters]:
    """Start a loader over a fake topic; return what it loaded by the end of the start."""
    monkeypatch.setattr(loader_module, "BoundedConsumer", type("Consumer", (FakeConsumer,), topic))
    _, engine, letters = asyncio.run(started())
    return engine, letters


def test_everything_is_applied_when_starting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch, polls=[256, 256, 88], end=600)
    assert len(engine.merchants) == 600


def test_an_empty_poll_before_the_end_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch, polls=[100, 0, 0, 500], end=600)
    assert len(engine.merchants) == 600


def test_a_topic_without_merchants_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch)
    assert engine.merchants == {}


def test_of_refused_records_the_offsets_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, letters = load(monkeypatch, polls=[10], end=10, bad={7})
    assert letters.noted == [(0, 7, 8)]
    assert len(engine.merchants) == 9


@pytest.mark.parametrize("polls", [[3, 2], [3]])
def test_a_batch_that_is_refused_is_noted_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch, polls: list[int]
) -> None:
    bomb = Refused(reason="OVERSIZE_BATCH", first=3, end=5, size=99, last_ms=7, is_whole=True)
    end = 5 + sum(polls[1:])
    engine, letters = load(monkeypatch, polls=polls, end=end, refusals=[bomb])
    assert len(engine.merchants) == sum(polls)
    assert letters.noted == [(0, 3, 5)]


def test_more_merchants_than_the_limit_are_counted_and_logged_and_loading_continues(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_self: EchoEngine, keys: Sequence[bytes], *_: Any, **__: Any) -> Outputs:
        return Outputs(tally=Tally(merchants_beyond_limit=len(keys)))

    class Counter(NoTelemetry):
        refused = 0

        def merchants(self, applied: int, outputs: Sequence[Outputs]) -> None:
            self.refused += sum(output.tally.merchants_beyond_limit for output in outputs)

    consumer = type("Consumer", (FakeConsumer,), {"polls": [256, 44], "end": 300})
    monkeypatch.setattr(loader_module, "BoundedConsumer", consumer)
    monkeypatch.setattr(EchoEngine, "merchant", full)
    counter = Counter()
    asyncio.run(started(counter))
    assert counter.refused == 300
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "merchants_refused records=256 setting=merchants.merchants_max",
        "merchants_refused records=300 setting=merchants.merchants_max",
    ]


class GrowingConsumer(FakeConsumer):
    """A topic whose metadata show a second partition when they are read again. Each partition has three records."""

    end = 3

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.partitions = {0}
        self.positions: dict[TopicPartition, int] = {}
        self.handed_out: list[tuple[int, int]] = []

    async def force_metadata_update(self) -> bool:
        self.partitions = {0, 1}
        return True

    def assign(self, tps: list[TopicPartition]) -> None:
        self.positions = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[FakeRecord]]:  # type: ignore[override]
        await asyncio.sleep(0)
        polled = {}
        for tp, position in self.positions.items():
            if position < 3:
                self.positions[tp] += 1
                self.handed_out.append((tp.partition, position))
                polled[tp] = [FakeRecord(10 * tp.partition + position)]
        return polled


def test_a_partition_that_is_added_is_followed_from_its_start_and_the_others_from_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader_module, "BoundedConsumer", GrowingConsumer)
    monkeypatch.setattr(loader_module, "REFRESH_S", 0.0)

    async def play() -> tuple[GrowingConsumer, EchoEngine]:
        loader, engine, _ = await started()
        consumer = loader._consumer
        assert isinstance(consumer, GrowingConsumer)
        assert len(engine.merchants) == 3
        following = asyncio.create_task(loader._follow(loader))
        async with asyncio.timeout(10):
            while len(engine.merchants) < 6:
                await asyncio.sleep(0)
        following.cancel()
        return consumer, engine

    consumer, _ = asyncio.run(play())
    assert sorted(consumer.handed_out) == [(number, offset) for number in (0, 1) for offset in range(3)]


def test_a_poll_that_is_woken_by_the_end_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(FakeConsumer):
        async def getmany(self, **options: Any) -> dict[TopicPartition, list[FakeRecord]]:
            if options["timeout_ms"] == 1000:
                raise ConsumerStoppedError
            return await super().getmany(**options)

    monkeypatch.setattr(loader_module, "BoundedConsumer", Stopped)

    async def play() -> None:
        loader, _, _ = await started()
        with pytest.raises(ConsumerStoppedError):
            await loader._follow(loader)
        following = asyncio.ensure_future(loader._follow(loader))
        loader._stopped.set()
        await following

    asyncio.run(play())


def test_partitions_are_looked_for_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "BoundedConsumer", GrowingConsumer)

    async def play() -> set[int]:
        loader, _, _ = await started()
        following = asyncio.create_task(loader._follow(loader))
        for _ in range(1_000):
            await asyncio.sleep(0)
        following.cancel()
        consumer = loader._consumer
        assert isinstance(consumer, GrowingConsumer)
        return consumer.partitions

    assert asyncio.run(play()) == {0}


def test_a_missing_topic_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WholeTopicError, match="does not exist"):
        load(monkeypatch, partitions=None)


def test_an_end_that_is_never_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WholeTopicError, match=r"merchants\.load_timeout_s"):
        load(monkeypatch, polls=[10], end=11)


def test_the_group_is_joined_only_after_merchants_are_loaded() -> None:
    async def play() -> list[str]:
        app = build_app(WorkerSettings(state=State(enabled=False)), EchoEngine(), NoTelemetry())
        return [type(service).__name__ for service in app.boot_strategy.server()]

    order = asyncio.run(play())
    assert order.index("Producer") < order.index("MerchantLoader") < order.index(BatchConsumer.__name__)
    assert order.index("Deliveries") < order.index(BatchConsumer.__name__), "it must stop after the consumer"
