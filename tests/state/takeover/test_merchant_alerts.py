"""Alerts about merchants are sent by flushes: durable before the marker, and known to the next owner."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.structs import TopicPartition

from streams.kafka.fence import ProducerIdentity
from streams.state.changelog_writer import FlushError
from streams.state.published import merchant_alerts_since
from tests.state.fakes import TOPICS, FakeBroker, FakeEmitter, FakeReader
from tests.state.takeover.takeovers import Play, player
from tests.state.takeover.test_assignment import Worker
from tests.state.test_changelog_writer import CARDS, Bench, run, settle

NOTICE = (b"MERCHANT:STANDING:1", b"{}")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    return player(monkeypatch)


def emitter_of(bench: Bench) -> FakeEmitter:
    return bench.writer._emitter  # type: ignore[return-value]


def test_no_marker_is_written_before_the_alerts_are_acknowledged_though_no_input_came() -> None:
    async def scenario(bench: Bench) -> None:
        emitter = emitter_of(bench)
        identity = ProducerIdentity(7, 3)
        emitter.holds, emitter.identities[0] = True, identity
        bench.engine.notices[0] = [NOTICE]
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        assert emitter.sent == [(TOPICS.alerts, NOTICE, identity)]
        assert bench.markers() == []
        emitter.acknowledge(emitter.acks[0])
        await flushing
        assert len(bench.markers()) == 1
        assert emitter.ends == {TopicPartition(TOPICS.alerts, 0): 0}
        await bench.writer.flush()
        assert len(bench.markers()) == 1, "nothing to tell and nothing to write"

    run(scenario)


def test_alerts_that_are_refused_end_the_flush_without_a_marker() -> None:
    async def scenario(bench: Bench) -> None:
        emitter = emitter_of(bench)
        emitter.holds = True
        bench.feed()
        bench.engine.notices[0] = [NOTICE]
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        emitter.acks[0].set_exception(NotEnoughReplicasError())
        with pytest.raises(FlushError):
            await flushing
        assert bench.markers(CARDS) == []

    run(scenario)


def test_a_partition_with_merchants_to_judge_is_flushed_though_no_input_came() -> None:
    async def scenario(bench: Bench) -> None:
        bench.engine.due = True
        await bench.writer.flush()
        assert len(bench.markers()) == 1

    run(scenario)


def alert(name: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"event_id": name, "alert_id": name, "type": "MERCHANT", **fields})


def test_only_alerts_about_merchants_behind_the_marker_are_known() -> None:
    broker, tp = FakeBroker(), TopicPartition(TOPICS.alerts, 0)
    for value in (alert("a", entity="STANDING"), alert("b", entity="MERCHANT"), alert("c", entity="OVERDUE"), b"?"):
        broker.append(tp, b"case", value)
    for since, names in ((0, {"a", "c"}), (1, {"c"}), (3, set())):
        assert asyncio.run(merchant_alerts_since(FakeReader(broker), TOPICS, {0: since})) == names


def test_the_next_owner_knows_what_was_told_after_the_last_marker_though_no_input_is_left(
    play: Callable[[Play], None],
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two = new(), new()
        assert await one.take(1, 0)
        assert one.engine.known[-1] == frozenset()
        one.feed(0, 0)
        await one.writer.flush()
        broker.append(TopicPartition(TOPICS.alerts, 0), b"case", alert("told", entity="STANDING"))
        assert await two.take(2, 0)
        await two.writer.flush()
        assert two.engine.known[-1] == {"told"}

    play(scenario)
