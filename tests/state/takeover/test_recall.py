"""Which published alerts are read to restore open cases: by the times of the events that wait, however old they are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from scoring.decide.alerts import Subject
from scoring.decide.cases.desk import AlertDesk
from scoring.policy.policy import AlertRules
from streams.state import assignment
from streams.state import published as already_published
from tests.decide.test_desk import CARD, published
from tests.state.fakes import TOPICS, FakeBroker
from tests.state.takeover.test_assignment import Worker

ALERTS = TopicPartition(TOPICS.alerts, 0)
DAY = 86_400_000
NOW = 1_700_000_000_000
RECALL = 60_000  # of ProfileEngine


def waiting(broker: FakeBroker, partition: int, *times_ms: int) -> None:
    for at_ms in times_ms:
        broker.append(TopicPartition(TOPICS.authorizations, partition), b"", b"event", at_ms)


def alert(broker: FakeBroker, at_ms: int) -> bytes:
    value = b"alert of %d" % at_ms
    broker.append(ALERTS, b"case", value, at_ms)
    return value


Scenario = Callable[[FakeBroker, Worker], Awaitable[None]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            broker = FakeBroker()
            await scenario(broker, Worker(broker, monkeypatch))

        asyncio.run(whole())

    return run


@pytest.mark.parametrize("waited_ms", [0, 3_600_000, 6 * DAY])
def test_alerts_are_read_from_the_reach_of_a_case_before_the_first_event_that_waits(
    play: Callable[[Scenario], None], waited_ms: int
) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        first_ms = NOW - waited_ms
        waiting(broker, 0, first_ms - 2 * DAY, first_ms - DAY, first_ms, NOW + 1)
        worker.consumer.committed_to[TP(TOPICS.authorizations, 0)] = 2
        _, *expected = [alert(broker, first_ms - RECALL + more) for more in (-1, 0, 7, RECALL)]
        await worker.take(1, 0)
        assert worker.engine.recalled == expected

    play(scenario)


def test_the_partition_that_has_waited_longest_sets_the_start(play: Callable[[Scenario], None]) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, NOW)
        waiting(broker, 1, NOW - DAY, NOW)
        waiting(broker, 2, NOW - 9 * DAY)  # not this worker's
        _, expected = alert(broker, NOW - DAY - RECALL - 1), alert(broker, NOW - DAY - RECALL)
        await worker.take(1, 0, 1)
        assert worker.engine.recalled == [expected]

    play(scenario)


def test_of_records_out_of_order_the_oldest_sets_the_start(play: Callable[[Scenario], None]) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, NOW, NOW - 50_000, NOW + 5)
        _, expected = alert(broker, NOW - 50_000 - RECALL - 1), alert(broker, NOW - 50_000 - RECALL)
        await worker.take(1, 0)
        assert worker.engine.recalled == [expected]

    play(scenario)


def test_a_gap_at_the_end_of_a_transaction_is_skipped(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, NOW - 100)
        waiting(broker, 0, *(NOW - 100_000 for _ in range(9)), NOW - 50_000)
        log = broker.logs[TopicPartition(TOPICS.authorizations, 0)]
        del log[:10]  # the broker has these offsets and returns no records for them
        _, expected = alert(broker, NOW - 50_000 - RECALL - 1), alert(broker, NOW - 50_000 - RECALL)
        await worker.take(1, 0)
        assert worker.engine.recalled == [expected]

    monkeypatch.setattr(assignment, "LOOK_RECORDS", 4)
    play(scenario)


def test_events_without_a_time_need_all_alerts(play: Callable[[Scenario], None]) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, -1)
        expected = [alert(broker, at_ms) for at_ms in (5, 10, NOW)]
        await worker.take(1, 0)
        assert worker.engine.recalled == expected

    play(scenario)


def test_without_waiting_events_the_clock_sets_the_start(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, 5, 6)
        worker.consumer.committed_to[TP(TOPICS.authorizations, 0)] = 2
        _, expected = alert(broker, NOW - RECALL - 1), alert(broker, NOW - RECALL)
        await worker.take(1, 0)
        assert worker.engine.recalled == [expected]

    monkeypatch.setattr("streams.state.assignment.time.time_ns", lambda: NOW * 1_000_000)
    play(scenario)


def test_at_most_one_alert_per_possible_case_is_restored_in_pieces(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, 5)
        every = [alert(broker, 10 + number) for number in range(120)]
        pieces: list[int] = []

        def restore_cases(values: Sequence[bytes]) -> int:
            pieces.append(len(values))
            worker.engine.recalled += values
            return 0

        monkeypatch.setattr(worker.engine, "restore_cases", restore_cases)
        await worker.take(1, 0)
        assert worker.engine.recalled == every[-50:]
        assert max(pieces) < 50

    monkeypatch.setattr(already_published, "CASES_MAX", 50)
    play(scenario)


def test_records_that_are_no_alerts_are_counted_in_the_log(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = AlertDesk(AlertRules())

    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        waiting(broker, 0, NOW)
        for value in (b"hello", published(CARD, NOW, NOW, 1, 3), b"{}", None):
            broker.append(ALERTS, b"k", value, NOW)
        monkeypatch.setattr(
            worker.engine, "restore_cases", lambda values: sum(not desk.restore_case(value) for value in values)
        )
        await worker.take(1, 0)

    with caplog.at_level(logging.WARNING, logger="streams.state.assignment"):
        play(scenario)
    assert caplog.messages == [f"foreign_records_skipped topic={TOPICS.alerts} records=2"]
    assert not desk.admit(CARD, NOW + 1, 3)[1]


@pytest.mark.parametrize("down_ms", [45 * 60_000, 3 * DAY])
def test_a_case_open_when_the_workers_went_down_is_not_raised_again(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch, down_ms: int
) -> None:
    """The first alert came on time, then no worker ran; the events that waited belong to the same case."""
    desk = AlertDesk(AlertRules())
    subject = Subject(type="TXN", entity="CARD", dedup_key="TXN:CARD:abc")
    went_ms = NOW - down_ms

    async def scenario(broker: FakeBroker, worker: Worker) -> None:
        broker.append(ALERTS, b"k", published(subject, went_ms, went_ms, 1, 1), went_ms)
        waiting(broker, 0, went_ms + 60_000, NOW)
        monkeypatch.setattr(type(worker.engine), "reach_of_cases_ms", desk.reach_of_cases_ms)
        monkeypatch.setattr(
            worker.engine, "restore_cases", lambda values: sum(not desk.restore_case(value) for value in values)
        )
        await worker.take(1, 0)

    monkeypatch.setattr("streams.state.assignment.time.time_ns", lambda: NOW * 1_000_000)
    play(scenario)
    assert not desk.admit(subject, went_ms + 60_000, 1)[1]
