"""Through any rebalances, the held partitions are those assigned, at the last offset that an owner made durable."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.state import assignment as module
from streams.state import follow
from streams.state.agreement import Agreement
from streams.state.assignment import Assignment, SplitAssignmentError
from streams.state.follow import Follower
from streams.state.log.marker import KEY, decode
from streams.transport.consumer import Progress
from streams.worker.settings import Watch
from streams.worker.watchdog import StallDetector
from tests.examples import is_quick
from tests.profile.events import at
from tests.state.fakes import (
    TOPICS,
    FakeBroker,
    FakeConsumer,
    FakeReader,
    FlushTelemetry,
    ProfileEngine,
    new_writer,
    worker_settings,
)

PARTITIONS = 3


def inputs(*partitions: int) -> set[TP]:
    topics = (TOPICS.authorizations, TOPICS.fraud_reports, TOPICS.authorization_outcomes)
    return {TP(topic, number) for topic in topics for number in partitions}


def telling_reader(broker: FakeBroker, progressed: Callable[[], None]) -> FakeReader:
    reader = FakeReader(broker)
    reader.progressed = progressed
    return reader


class Worker:
    """A worker without agents, one of several on one broker."""

    def __init__(self, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "LogReader", lambda *_, progressed, **__: telling_reader(broker, progressed))
        monkeypatch.setattr(follow, "LogReader", lambda *_, **__: FakeReader(broker))
        self.broker, self.consumer, self.engine = broker, FakeConsumer(), ProfileEngine(PARTITIONS)
        self.writer = new_writer(broker, self.engine, self.consumer, PARTITIONS)
        settings = worker_settings()
        self.follower = Follower(settings, self.engine, FlushTelemetry(), Agreement({}, 0))
        self.assignment = Assignment(
            settings,
            self.engine,  # type: ignore[arg-type]
            self.writer._emitter,
            FlushTelemetry(),
            self.writer,
            self.follower,
        )

    async def take(self, generation: int, *partitions: int) -> bool:
        """Go through a whole rebalance."""
        await self.leave()
        self.assignment.assigned(inputs(*partitions), generation)
        return await self.assignment.settle(self.consumer)

    async def leave(self) -> None:
        self.assignment.interrupted()
        await self.writer.flush()
        self.consumer.applied_to.clear()  # its windows of messages in flight are cleared
        self.consumer.durable.clear()

    def feed(self, number: int, partition: int, **keys: int) -> bytes:
        """Score the event of an offset and acknowledge its decision."""
        tp = TopicPartition(TOPICS.authorizations, partition)
        while self.broker.end(tp) <= number:
            self.broker.append(tp, b"", b"event")
        features, _ = self.engine.feed(at(number, card=partition + 1, **keys), 1 + number, partition)
        self.consumer.apply(TOPICS.authorizations, partition, number + 1)
        return features

    @property
    def cards(self) -> int:
        return next(iter(self.engine.profiles.sizes().values()))


Play = Callable[[FakeBroker, Callable[[], Worker]], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    def run(scenario: Play) -> None:
        broker = FakeBroker()

        async def bounded() -> None:
            async with asyncio.timeout(20):
                await scenario(broker, lambda: Worker(broker, monkeypatch))

        asyncio.run(bounded())

    return run


def marker_of(broker: FakeBroker, partition: int) -> int:
    log = broker.logs[TopicPartition(TOPICS.card_profiles, partition)]
    return [decode(record.value, "", PARTITIONS).inputs["authorizations"] for record in log if record.key == KEY][-1]


def test_a_partition_that_stays_is_not_restored_again(play: Callable[[Play], None]) -> None:
    async def scenario(_: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert await worker.take(1, 0, 1)
        worker.feed(0, 0)
        owned = worker.writer.owned[0]
        assert await worker.take(2, 0)
        assert worker.writer.owned == {0: owned}
        assert owned.applied[TOPICS.authorizations] == 1
        assert worker.consumer.durable == {
            TP(TOPICS.authorizations, 0): 1,
            TP(TOPICS.fraud_reports, 0): 0,
            TP(TOPICS.authorization_outcomes, 0): 0,
        }

    play(scenario)


def test_a_partition_that_moves_has_the_same_state_there(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, other, alone = new(), new(), ProfileEngine(PARTITIONS)
        await one.take(1, 0, 1, 2)
        await other.take(1)
        for number in range(30):
            if number % 5 == 4:
                await one.leave()
                one, other = other, one
                assert await one.take(2 + number, 0, 1, 2)
                assert await other.take(2 + number)
                assert (len(one.writer.owned), len(other.writer.owned)) == (3, 0)
            partition = number % 3
            expected, _ = alone.feed(at(number, card=partition + 1), 1 + number, partition)
            assert one.feed(number, partition) == expected
        assert other.cards == 0, "a card belongs to one worker"

    play(scenario)


def test_a_partition_that_another_worker_owned_briefly_is_restored(play: Callable[[Play], None]) -> None:
    """The group gave it away and back while this worker was still busy with an earlier assignment."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        slow, quick = new(), new()
        await slow.take(1, 0, 1)
        slow.feed(0, 0)
        await slow.leave()
        slow.assignment.assigned(inputs(1), 2)  # this assignment is never completed
        await quick.take(2, 0)
        expected = [quick.feed(number, 0) for number in (1, 2)][-1]
        await quick.leave()
        assert await slow.take(3, 0, 1)
        assert slow.writer.owned[0].applied[TOPICS.authorizations] == 3
        assert slow.feed(3, 0) == quick.feed(3, 0)
        assert expected

    play(scenario)


@pytest.mark.parametrize("generation", [4, 1, 9])
def test_a_worker_that_missed_a_generation_restores_everything(play: Callable[[Play], None], generation: int) -> None:
    """The group continued without it and took it back; the worker was not told that its partitions were revoked."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        away, present = new(), new()
        await away.take(2, 0, 1)
        away.feed(0, 0)
        await away.leave()
        await present.take(3, 0, 1)
        present.feed(1, 0)
        await present.leave()
        assert await away.take(generation, 0, 1)
        assert away.writer.owned[0].applied[TOPICS.authorizations] == 2

    play(scenario)


def test_a_restore_that_another_rebalance_interrupts_leaves_nothing_and_writes_nothing(
    play: Callable[[Play], None],
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        before = new()
        await before.take(1, 0, 1)
        for number in range(20):
            before.feed(number, number % 2, device=number + 1)
        await before.leave()
        whole = len(broker.written)
        for cut in range(1, 200, 3 if is_quick() else 1):
            after = new()
            after.assignment.assigned(inputs(0), 2)
            settling = asyncio.create_task(after.assignment.settle(after.consumer))
            for _ in range(cut):
                await asyncio.sleep(0)
            if settling.done():
                break
            await after.leave()
            written = len(broker.written)
            assert not await settling
            assert len(broker.written) == written, "another worker may own the partition now"
            assert after.consumer.durable == {}
            if not after.writer.owned:
                assert after.cards == 0
            assert await after.take(3, 0, 1)
            assert after.feed(40, 0) == before.feed(40, 0)
            before = new()
            await after.leave()
            await before.take(4, 0, 1)
        assert cut > 10
        assert whole

    play(scenario)


def test_a_partition_that_is_revoked_during_its_restore_is_neither_held_nor_written(
    play: Callable[[Play], None],
) -> None:
    """Also where a crash left rows behind that the next restore must write again: that is the new owner's task."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        before = new()
        await before.take(1, 0)
        for number in range(8):
            before.feed(number, 0, device=number + 1)
        await before.leave()
        for topic in (TOPICS.card_profiles, TOPICS.shared_profiles):
            log = broker.logs[TopicPartition(topic, 0)]
            broker.append(TopicPartition(topic, 0), log[0].key, log[0].value)
        whole, cut = len(broker.written), 0
        while True:
            cut += 1
            after = new()
            after.assignment.assigned(inputs(0), 2)
            settling = asyncio.create_task(after.assignment.settle(after.consumer))
            for _ in range(cut):
                await asyncio.sleep(0)
            if after.writer.owned:
                break  # and the new owner writes the rows that the crash left
            after.assignment.interrupted()
            after.assignment.assigned(inputs(), 3)
            assert not await settling
            assert after.writer.owned == {}
            assert after.cards == 0
            assert len(broker.written) == whole
        assert await settling
        assert cut > 10

    play(scenario)


def test_no_assignment_is_complete_before_the_group_has_assigned(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert not await worker.assignment.settle(worker.consumer)
        worker.assignment.assigned(inputs(0), 1)
        worker.assignment.interrupted()
        assert not await worker.assignment.settle(worker.consumer)
        assert broker.written == []
        assert worker.writer.owned == {}

    play(scenario)


def test_a_first_marker_is_there_before_the_first_event(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert await worker.take(1, 0, 1, 2)
        assert [marker_of(broker, number) for number in range(PARTITIONS)] == [0, 0, 0]

    play(scenario)


def test_nothing_may_be_committed_before_there_is_a_marker(play: Callable[[Play], None]) -> None:
    """Otherwise, after a crash, nothing before the first marker would count as published."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        worker.writer.producer.holds.add("marker")  # type: ignore[attr-defined]
        worker.assignment.assigned(inputs(0), 1)
        settling = asyncio.create_task(worker.assignment.settle(worker.consumer))
        while not worker.writer.producer.owned:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert worker.consumer.durable == {}
        worker.writer.producer.release("marker")  # type: ignore[attr-defined]
        assert await settling
        assert set(worker.consumer.durable) == inputs(0)

    play(scenario)


def test_an_assignment_that_splits_a_partition_between_workers_is_refused(play: Callable[[Play], None]) -> None:
    async def scenario(_: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        worker.assignment.assigned(inputs(0) | {TP(TOPICS.authorizations, 1)}, 1)
        named = r"different partitions: authorizations \[0, 1\], authorization-outcomes \[0\], fraud-reports \[0\]"
        with pytest.raises(SplitAssignmentError, match=named):
            await worker.assignment.settle(worker.consumer)

    play(scenario)


def test_open_cases_are_recalled_once_before_the_first_event(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        for number in range(3):
            broker.append(TopicPartition(TOPICS.alerts, 0), b"case", b"alert %d" % number, at_ms=2**45 + number)
        broker.append(TopicPartition(TOPICS.alerts, 0), b"case", None, at_ms=2**45)
        worker = new()
        await worker.take(1, 0)
        await worker.take(2, 0, 1)
        assert worker.engine.recalled == [b"alert 0", b"alert 1", b"alert 2"]

    play(scenario)


def test_partitions_of_others_are_followed_and_those_that_come_over_are_not(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        await worker.take(1, 0, 2)
        assert set(worker.follower._followed) == {1}
        await worker.take(2, 1)
        assert set(worker.follower._followed) == {0, 2}
        await worker.take(3)
        assert set(worker.follower._followed) == {0, 1, 2}

    play(scenario)


def test_rows_read_by_a_restore_are_progress_and_rows_followed_later_are_not(
    play: Callable[[Play], None],
) -> None:
    async def scenario(_: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert await worker.take(1, 0)
        restored = worker.consumer.restore_steps
        assert restored > 0
        async with worker.follower._looking:
            await worker.follower._look()
        assert worker.consumer.restore_steps == restored
        worker.follower._followed.clear()
        await worker.follower.catch_up({0}, PARTITIONS, worker.consumer.restore_progressed)
        assert worker.consumer.restore_steps > restored

    play(scenario)


def test_a_call_that_never_returns_in_a_restore_is_a_stall(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(FakeConsumer):
        is_alive, settled, restoring = True, False, True

        def progress(self) -> list[Progress]:
            return []

    async def scenario(_: FakeBroker, new: Callable[[], Worker]) -> None:
        worker, asked = new(), asyncio.Event()
        worker.consumer = consumer = Watched()

        async def never(_tp: TP) -> None:
            asked.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(consumer, "committed", never)
        taking = asyncio.create_task(worker.take(1, 0))
        await asked.wait()
        detector = StallDetector(Watch(restore_stall_s=100.0))
        assert detector.fault(consumer, 0) is None
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert detector.fault(consumer, 101_000_000_000) == "the restore of profiles has made no progress for 100 s"
        taking.cancel()

    play(scenario)
