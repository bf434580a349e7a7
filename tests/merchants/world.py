"""Merchants, dead letters and a consumer group on fakes, and workers that may die at any step."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec
import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from scoring.outputs import Outputs
from streams.kafka.fence import ProducerIdentity
from streams.kafka.settings import Topics
from streams.records.batches import Refused
from streams.state.settings import State
from streams.transport.settings import Emit
from streams.worker.merchants import letters as letters_module
from streams.worker.merchants.letters import MerchantLetters
from streams.worker.settings import WorkerSettings
from tests.doubles import NoTelemetry
from tests.integration.fakes import EchoEngine
from tests.state.fakes import FakeBroker, FakeReader, Record

TOPICS = Topics()
MERCHANTS = TopicPartition(TOPICS.merchants, 0)
LETTERS = TopicPartition(TOPICS.dead_letters, 0)
POLL = 3  # records per poll: few, so that a worker may die between two polls


class World:
    """A broker and what its group keeps. `stalls`: the coordinator does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broker = FakeBroker()
        self.kept: dict[TopicPartition, tuple[int, str]] = {}
        self.stalls = False
        self.gate: asyncio.Event | None = None  # the next requests for producer ids wait for this
        self.bombs: list[Refused] = []
        self.scans = 0
        monkeypatch.setattr(letters_module, "LogReader", self._reader)
        monkeypatch.setattr(letters_module, "BoundedConsumer", lambda **options: FakeMerchants(self, **options))
        monkeypatch.setattr(letters_module, "read_offset", self._read_offset)
        monkeypatch.setattr(letters_module, "write_offset", self._write_offset)

    def add(self, *values: bytes) -> None:
        """Write records of merchants, as a producer does; those that begin with `!letter` are refused."""
        for value in values:
            self.broker.append(MERCHANTS, b"a/m", value)

    @property
    def lettered(self) -> list[int]:
        """Give the offsets of merchants that have a letter, once for each letter."""
        return [msgspec.json.decode(value)["offset"] for value in self.broker.values(TOPICS.dead_letters)]

    @property
    def bad(self) -> list[int]:
        """Give the offsets that must have a letter."""
        return [r.offset for r in self.broker.logs[MERCHANTS] if (r.value or b"").startswith(b"!letter")]

    def _reader(self, *_: Any, **options: Any) -> FakeReader:
        world = self

        class Reader(FakeReader):
            async def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
                found = await super().topic_ids(topics)
                if world.gate is not None:
                    await world.gate.wait()
                return found

            async def bounds(self, tps: Sequence[TopicPartition]) -> Any:
                world.scans += LETTERS in tps
                return await super().bounds(tps)

        assert options["passes_over"] == {TOPICS.dead_letters}
        return Reader(self.broker)

    async def _read_offset(self, _consumer: object, tp: TopicPartition) -> tuple[int, str]:
        await self._answer()
        return self.kept.get(tp, (0, ""))

    async def _write_offset(self, _consumer: object, tp: TopicPartition, offset: int, note: str) -> None:
        await self._answer()
        self.kept[tp] = (offset, note)

    async def _answer(self) -> None:
        self.broker.burn()
        await asyncio.sleep(3600 if self.stalls else 0)


class FakeMerchants:
    """A BoundedConsumer over a FakeBroker. It reads three records at a time."""

    def __init__(self, world: World, refuse: Callable[[TopicPartition, Refused], None], **_: Any) -> None:
        self._world, self._refuse, self._at = world, refuse, 0

    async def start(self) -> None:
        self._world.broker.burn()

    async def stop(self) -> None: ...

    def assign(self, tps: list[TopicPartition]) -> None:
        assert tps == [MERCHANTS]

    def seek(self, _tp: TopicPartition, offset: int) -> None:
        self._at = offset

    async def position(self, _tp: TopicPartition) -> int:
        return self._at

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        self._world.broker.burn()
        for bomb in self._world.bombs:
            if bomb.first <= self._at < bomb.end:
                self._refuse(MERCHANTS, bomb)
                self._at = bomb.end
        found = [record for record in self._world.broker.logs[MERCHANTS] if record.offset >= self._at][:POLL]
        if not found:
            return {}
        self._at = found[-1].offset + 1
        return {MERCHANTS: [_polled(record) for record in found]}


def _polled(record: Record) -> Any:
    class Polled:
        offset, timestamp, key, value = record.offset, record.at_ms, record.key, record.value

    return Polled


class FakeEmitter:
    """Writes letters one by one. Each is acknowledged, unless `holds`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.identities: dict[int, ProducerIdentity] = {}
        self.used: list[ProducerIdentity | None] = []
        self.holds = False
        self.acks: list[asyncio.Future[None]] = []

    def partitions_of(self, _topic: str) -> int:
        return 1

    def by_key(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], now_ms: int, identity: ProducerIdentity | None
    ) -> list[Awaitable[None]]:
        assert topic == TOPICS.dead_letters
        self.acks = []
        for key, value in records:
            self._broker.burn()
            self._broker.append(LETTERS, key, value)
            self.used.append(identity)
            ack: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if not self.holds:
                ack.set_result(None)
            self.acks.append(ack)
        return list(self.acks)


class FakeConsumer:
    """A member of the group that owns these partitions of the authorizations."""

    settled = True

    def __init__(self) -> None:
        self.owned: set[int] = set()

    def assignment(self) -> set[TP]:
        return {TP(TOPICS.authorizations, number) for number in self.owned}


class Buried(NoTelemetry):
    def __init__(self) -> None:
        self.letters = 0

    def letters_written(self, outputs: Sequence[Outputs]) -> None:
        self.letters += sum(sum(output.tally.dead_letters.values()) for output in outputs)


class Worker:
    """One process: it has read merchants up to `at`, and was told the refused records."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.consumer, self.emitter, self.telemetry = FakeConsumer(), FakeEmitter(world.broker), Buried()
        settings = WorkerSettings(emit=Emit(ack_timeout_s=0.1), state=State(read_timeout_s=0.1))
        self.letters = MerchantLetters(
            settings,
            EchoEngine(),
            self.emitter,  # type: ignore[arg-type]
            self.telemetry,
            lambda: self.consumer,  # type: ignore[arg-type,return-value]
        )
        self._at = 0

    def read(self, limit: int = 1_000) -> None:
        """Read merchants for some records."""
        log = self._world.broker.logs[MERCHANTS]
        for record in [record for record in log if record.offset >= self._at][:limit]:
            if (record.value or b"").startswith(b"!letter"):
                self.letters.note(0, record.offset, record.offset + 1)
            self._at = record.offset + 1

    async def own(self, *partitions: int) -> None:
        """Go through a rebalance."""
        self.consumer.settled = False
        await self.letters.release()
        self.consumer.owned = set(partitions)
        self.consumer.settled = True

    async def look(self) -> None:
        await self.letters._look()
