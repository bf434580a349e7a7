"""No write of an earlier owner arrives after the next owner has read the logs."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from streams.kafka.fence.lease import ExpelledError
from streams.state.changelog_writer import FlushError
from tests.state.fakes import TOPICS, FakeBroker, FakeFence, FakeReader
from tests.state.takeover.takeovers import Play, Worker, apply_event, player


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    return player(monkeypatch)


@pytest.mark.parametrize("kind", ["rows", "marker"])
def test_late_writes_of_an_earlier_owner_are_refused_and_no_authorization_is_lost(
    play: Callable[[Play], None], kind: str
) -> None:
    """Rows of a dead worker hold ids of events without a decision: to a third owner they would be repeats."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        for _ in range(10):
            broker.append(TopicPartition(TOPICS.authorizations, 0), b"", b"event")
        assert await one.take(1, 0)
        for number in range(3):
            apply_event(one, number)
        await one.writer.flush()  # the marker: input up to 3
        for number in range(3, 10):
            apply_event(one, number, acked=kind == "marker")
        owned = {f"{topic} {kind}" for topic in (TOPICS.card_profiles, TOPICS.shared_profiles)}
        one.writer.producer.holds |= owned  # type: ignore[attr-defined]
        with pytest.raises(FlushError):
            await one.writer.flush()  # they have left the process and are not yet in the log; it halts

        assert await two.take(2, 0)
        written = len(broker.written)
        one.writer.producer.release("")  # type: ignore[attr-defined]
        one.writer.producer.release(owned.pop())  # type: ignore[attr-defined]
        assert len(broker.written) == written, "the broker took a write of an owner that has a successor"
        assert not any(apply_event(two, number) for number in range(3, 6))
        await two.writer.flush()  # the marker: input up to 6, behind those rows
        assert await three.take(3, 0)  # kill -9
        assert three.writer.owned[0].applied[TOPICS.authorizations] == 6
        lost = [number for number in range(6, 10) if apply_event(three, number)]
        assert not lost, f"events {lost} have no decision and count as repeats"

    play(scenario)


def test_a_worker_that_has_a_successor_learns_it_from_its_first_write(play: Callable[[Play], None]) -> None:
    """Also if its lease is valid: an administrator removed it from the group, or its clock stood still."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two = new(), new()
        assert await one.take(1, 0)
        assert await two.take(2, 0)
        written = len(broker.written)
        apply_event(one, 0)
        with pytest.raises(ExpelledError, match="has a later owner"):
            await one.writer.flush()
        assert len(broker.written) == written

    play(scenario)


def test_every_log_that_an_owner_writes_is_fenced_before_any_is_read(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker, order = new(), []
        take, bounds = worker.writer.fence.take, FakeReader.bounds  # type: ignore[union-attr]

        async def taken(partition: int, logs: Any) -> Any:
            found = await take(partition, logs)
            order.append((partition, sorted({tp.topic for tp in logs}), {tp.partition for tp in logs}))
            return found

        async def bounded(self: FakeReader, tps: Any) -> Any:
            order.append("read")
            return await bounds(self, tps)

        worker.writer.fence.take = taken  # type: ignore[method-assign,union-attr]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FakeReader, "bounds", bounded)
            assert await worker.take(1, 1, 2)
        outputs = [TOPICS.decisions, TOPICS.alerts, TOPICS.dead_letters]
        written = sorted([*outputs, TOPICS.card_profiles, TOPICS.shared_profiles])
        assert order[:2] == [(1, written, {0, 1}), (2, written, {0, 2})]
        assert worker.writer._emitter.identities.keys() == {1, 2}

    play(scenario)


def test_a_partition_that_stays_keeps_its_identity_and_one_that_comes_back_gets_another(
    play: Callable[[Play], None],
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert await worker.take(1, 0, 1)
        first = dict(worker.writer._emitter.identities)
        assert await worker.take(2, 0)
        assert worker.writer._emitter.identities == {0: first[0]}
        assert await worker.take(3, 0, 1)
        assert worker.writer._emitter.identities[0] is first[0]
        assert worker.writer._emitter.identities[1].epoch == first[1].epoch + 1

    play(scenario)


def test_an_owner_renews_its_fence_in_every_log(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker, renewed = new(), []

        async def renew(partition: int, identity: Any, logs: Any) -> None:
            renewed.append((partition, identity, len(logs)))

        worker.writer.fence.renew = renew  # type: ignore[method-assign,union-attr]
        assert await worker.take(1, 0, 2)
        await worker.writer.renew_fences()
        identities = worker.writer._emitter.identities
        assert renewed == [(0, identities[0], 5), (2, identities[2], 5)]

    play(scenario)


def test_without_a_fence_no_producer_id_is_asked_for_or_used(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        worker.writer.fence = None
        assert await worker.take(1, 0)
        await worker.writer.renew_fences()
        assert worker.writer.owned[0].identity is None
        assert worker.writer._emitter.identities == {}

    play(scenario)


def test_a_takeover_that_another_rebalance_interrupts_restores_nothing(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        take = worker.writer.fence.take  # type: ignore[union-attr]

        async def interrupted(partition: int, logs: Any) -> Any:
            worker.assignment.interrupted()
            return await take(partition, logs)

        worker.writer.fence.take = interrupted  # type: ignore[method-assign,union-attr]
        assert not await worker.take(1, 0)
        assert worker.writer.owned == {}
        assert worker.writer._emitter.identities == {}
        assert broker.written == []

    play(scenario)


def test_the_fake_fence_refuses_a_late_owner() -> None:
    """The oracle of the tests above."""

    async def play() -> None:
        broker, tp = FakeBroker(), TopicPartition("decisions", 0)
        fence = FakeFence(broker)
        late = await fence.take(0, [tp])
        await fence.take(0, [tp])
        broker.owners["sekisho-0"] = -1  # its request was in flight all the time
        with pytest.raises(ExpelledError):
            await fence.take(0, [tp])
        assert late.epoch == 0

    asyncio.run(play())
