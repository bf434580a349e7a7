"""Takeovers on the fakes: workers with a real emitter, which apply events and write dead letters."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.structs import TopicPartition

from streams.state.log.marker import KEY, decode
from streams.worker.emit import Emitter
from tests.profile.events import at
from tests.state.fakes import TOPICS, FakeBroker
from tests.state.takeover.test_assignment import PARTITIONS, Worker

Play = Callable[[FakeBroker, Callable[[], Worker]], Awaitable[None]]


def player(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    """Return a function that plays a scenario with workers that write dead letters."""

    def run(scenario: Play) -> None:
        broker = FakeBroker()

        def new() -> Worker:
            worker = Worker(broker, monkeypatch)
            emitter = Emitter(lambda: None, TOPICS, is_durable=True)  # type: ignore[arg-type,return-value]
            emitter._partitions = {TOPICS.authorizations: PARTITIONS, TOPICS.alerts: 1, TOPICS.dead_letters: 1}
            worker.writer._emitter = worker.assignment._emitter = emitter
            return worker

        async def bounded() -> None:
            async with asyncio.timeout(20):
                await scenario(broker, new)

        asyncio.run(bounded())

    return run


def letter(partition: int, offset: int, topic: str = TOPICS.authorizations) -> bytes:
    return msgspec.json.encode({"topic": topic, "partition": partition, "offset": offset})


def emit_letter(worker: Worker, partition: int, offset: int, to: int = 0) -> None:
    """Write a dead letter, acknowledged, as Emitter, the broker and Deliveries do together."""
    tp = TopicPartition(TOPICS.dead_letters, to)
    place = worker.broker.append(tp, b"place", letter(partition, offset))
    worker.writer._emitter.acknowledged(SimpleNamespace(topic_partition=tp, offset=place))  # type: ignore[arg-type]


def refuse_event(worker: Worker, offset: int, to: int = 0) -> None:
    """Refuse the event of an offset of partition 0: write its dead letter, and apply its offset."""
    emit_letter(worker, 0, offset, to)
    worker.broker.append(TopicPartition(TOPICS.authorizations, 0), b"", b"bad")
    worker.consumer.apply(TOPICS.authorizations, 0, offset + 1)


def letters_found(worker: Worker) -> frozenset[int]:
    return worker.writer.owned[0].published.of[TOPICS.authorizations].dead_letters


def apply_event(worker: Worker, number: int, *, acked: bool = True) -> bool:
    """Apply the event of an offset, each of its own card; tell whether it counts as a repeat, which is not decided."""
    _, is_repeat = worker.engine.feed(at(number, card=10 + number, device=10 + number), 1 + number, 0)
    worker.consumer.apply(TOPICS.authorizations, 0, number + 1, acked=acked)
    return is_repeat


def last_marker(broker: FakeBroker, partition: int = 0) -> Any:
    log = broker.logs[TopicPartition(TOPICS.card_profiles, partition)]
    return [decode(record.value, "", PARTITIONS) for record in log if record.key == KEY][-1]
