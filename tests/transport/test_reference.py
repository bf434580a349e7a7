"""The merchant registry is read to its end before anything else may begin, and followed after."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from scoring.outputs import Outputs, Source
from streams import reference
from streams.app import build_app
from streams.records.batches import Refused
from streams.reference import ReferenceLoader, RegistryError
from streams.seams import NoTelemetry
from streams.transport.consumer import BatchConsumer
from streams.transport.settings import State, WorkerSettings
from tests.integration.fakes import EchoEngine


class FakeRecord:
    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp, self.key, self.value = offset, 1_000, b"m%d" % offset, b"merchant"


class FakeConsumer:
    """A topic of one partition: `polls` are the numbers of records that successive polls bring."""

    polls: Sequence[int] = ()
    reported_end = 0
    partitions: set[int] | None = {0}  # noqa: RUF012 - replaced, never changed

    refusals: Sequence[Refused] = ()

    def __init__(self, refuse: Callable[[TopicPartition, Refused], None], **_: Any) -> None:
        self.at = 0
        self.refuse = refuse
        self.left = list(self.polls)
        self._client = self

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    hosts: Sequence[str] = ()
    bootstrap = close = _get_conn = _metadata_update = stop

    async def _wait_on_metadata(self, topic: str) -> None: ...

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions

    def assign(self, tps: list[TopicPartition]) -> None: ...

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self.reported_end)

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
        return (
            {TopicPartition("merchants", 0): [FakeRecord(self.at - count + i) for i in range(count)]} if count else {}
        )


class FakeEmitter:
    def __init__(self) -> None:
        self.buried: list[tuple[bytes, bytes]] = []

    def by_key(self, topic: str, records: list[tuple[bytes, bytes]], now_ms: int) -> list[Any]:
        self.buried += records
        return []


class PickyEngine(EchoEngine):
    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        super().merchant(keys, values, source, received_at_ms=received_at_ms)
        return Outputs(dead_letters=[(key, b"refused") for key in keys if key.endswith(b"7")])


def load(monkeypatch: pytest.MonkeyPatch, **topic: Any) -> tuple[PickyEngine, FakeEmitter]:
    """Start a loader over a fake topic and return what it filled as soon as starting is over."""
    monkeypatch.setattr(reference, "BoundedConsumer", type("Consumer", (FakeConsumer,), topic))
    engine, emitter = PickyEngine(), FakeEmitter()
    settings = WorkerSettings(reference_timeout_s=0.5)

    async def play() -> None:
        loader = ReferenceLoader(settings, engine, emitter, NoTelemetry())  # type: ignore[arg-type]
        await loader.on_start()
        assert loader.loaded

    asyncio.run(play())
    return engine, emitter


def test_everything_is_applied_when_starting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch, polls=[256, 256, 88], reported_end=600)
    assert len(engine.merchants) == 600


def test_an_empty_poll_before_the_end_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch, polls=[100, 0, 0, 500], reported_end=600)
    assert len(engine.merchants) == 600


def test_an_end_reported_inside_the_last_batch_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch, polls=[256, 256, 88], reported_end=300)
    assert len(engine.merchants) == 600


def test_an_empty_registry_is_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = load(monkeypatch)
    assert engine.merchants == {}


def test_refused_records_are_buried(monkeypatch: pytest.MonkeyPatch) -> None:
    _, emitter = load(monkeypatch, polls=[10], reported_end=10)
    assert emitter.buried == [(b"m7", b"refused")]


@pytest.mark.parametrize("polls", [[3, 2], [3]])
def test_a_batch_that_is_refused_is_buried_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch, polls: list[int]
) -> None:
    bomb = Refused(reason="OVERSIZE_BATCH", first=3, end=5, size=99, last_ms=7, is_whole=True)
    end = 5 + sum(polls[1:])
    engine, emitter = load(monkeypatch, polls=polls, reported_end=end, refusals=[bomb])
    assert len(engine.merchants) == sum(polls)
    assert [key for key, _ in emitter.buried] == [b"merchants/0/3", b"merchants/0/4"]
    assert all(b'"reason":"OVERSIZE_BATCH"' in value for _, value in emitter.buried)


def test_a_missing_topic_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegistryError, match="does not exist"):
        load(monkeypatch, partitions=None)


def test_an_end_that_is_never_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegistryError, match="in time"):
        load(monkeypatch, polls=[10], reported_end=11)


def test_the_group_is_joined_only_after_the_registry_is_loaded() -> None:
    async def play() -> list[str]:
        app = build_app(WorkerSettings(state=State(enabled=False)), EchoEngine(), NoTelemetry())
        return [type(service).__name__ for service in app.boot_strategy.server()]

    order = asyncio.run(play())
    assert order.index("Producer") < order.index("ReferenceLoader") < order.index(BatchConsumer.__name__)
    assert order.index("Deliveries") < order.index(BatchConsumer.__name__), "it must outlive the consumer when stopping"
