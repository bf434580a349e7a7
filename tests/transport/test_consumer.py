"""The consumer commits the finished prefix of what it delivered, independent of Faust's own bookkeeping."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest
from faust.transport import consumer as upstream
from faust.types import TP

from streams.records.batches import Refused
from streams.transport.batch import BatchMessage, Columns
from streams.transport.commits import WatermarkCommits
from streams.transport.consumer import BatchConsumer
from streams.transport.settings import Consume

HERE, THERE = TP("authorizations", 0), TP("authorizations", 1)


class FakePoller:
    def __init__(self) -> None:
        self.polls: list[set[TP]] = []
        self.rooms: list[int] = []
        self.answers: list[dict[TP, Columns]] = []
        self.commits: list[dict[TP, int]] = []
        self.accepts = True
        self.is_expelled = False
        self.lease_left_s = 9.0

    async def getmany(self, active: set[TP], timeout: float, room: int) -> dict[TP, Columns]:  # noqa: ASYNC109 -- Faust
        self.polls.append(set(active))
        self.rooms.append(room)
        return self.answers.pop(0) if self.answers else {}

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.commits.append(offsets)
        return self.accepts

    def assignment(self) -> set[TP]:
        return {HERE, THERE}


@pytest.fixture
def consumer() -> Any:
    return bare_consumer()


def bare_consumer() -> Any:
    """Make a consumer without its app, loop and broker."""
    bare = BatchConsumer.__new__(BatchConsumer)
    committed: list[dict[TP, int]] = []
    bare.app = SimpleNamespace(
        consumer_generation_id=1, crash_reason=None, on_committed=committed.append, told=committed
    )
    bare._windows = {}
    bare._settings = Consume(batch_max_events=10, partition_max_batches=2)
    bare._room = asyncio.Event()
    bare._moved = asyncio.Event()
    bare._commits = WatermarkCommits()
    bare._is_between = bare.settled = False
    bare._lost = None
    bare._is_fenced = False
    bare.can_resume_flow, bare.suspend_flow = asyncio.Event(), asyncio.Event()
    bare._unacked_messages = WeakSet()
    bare._committed_offset = defaultdict(lambda: None)  # as Faust's
    bare._waiting_for_ack = None
    bare._active_partitions = {HERE, THERE}
    bare._paused_partitions = set()
    bare._thread = FakePoller()
    bare._stopped = bare._crashed = SimpleNamespace(is_set=lambda: False)
    bare.flow_active = True
    return bare


def columns(start: int, count: int, end: int | None = None, weight: int = 0) -> Columns:
    return Columns(
        weight=weight,
        start=start,
        end=start + count if end is None else end,
        offsets=range(start, start + count),
        timestamps_ms=[1_000] * count,
        values=[b"event"] * count,
    )


def poll(consumer: Any, *answers: dict[TP, Columns]) -> list[BatchMessage]:
    async def play() -> list[BatchMessage]:
        messages = []
        for answer in answers:
            consumer._thread.answers.append(answer)
            messages += [message async for _, message in consumer.getmany(0.01)]
        return messages

    return asyncio.run(play())


def committable(consumer: Any) -> dict[TP, int]:
    tps = list(consumer._filter_tps_with_pending_acks())
    return dict(consumer._filter_committable_offsets(tps))


def test_one_message_per_partition_and_poll(consumer: Any) -> None:
    messages = poll(consumer, {HERE: columns(5, 7), THERE: columns(0, 3)})
    assert [(message.tp, len(message.value)) for message in messages] == [(HERE, 7), (THERE, 3)]
    assert messages[0].offset == 11
    assert "event" not in repr(messages[0]) + repr(messages[0].value)


def test_a_long_fetch_becomes_several_batches(consumer: Any) -> None:
    assert [len(message.value) for message in poll(consumer, {HERE: columns(0, 25)})] == [10, 10, 5]


def test_a_refused_batch_is_a_message_of_its_own_and_passed_once_it_is_acknowledged(consumer: Any) -> None:
    refused = Refused(reason="OVERSIZE_BATCH", first=5, end=9, size=100, last_ms=7_000, is_whole=True)
    bomb = Columns(start=5, end=9, offsets=range(5, 9), timestamps_ms=(7_000,), values=[], refused=refused)
    (message,) = poll(consumer, {HERE: bomb})
    assert (message.value.refused, message.value.values, message.offset, message.timestamp) == (refused, [], 8, 7.0)
    assert committable(consumer) == {}
    consumer.ack(message)
    assert committable(consumer) == {HERE: 9}


def test_bytes_in_flight_are_bounded_over_all_partitions(consumer: Any) -> None:
    limit = consumer._settings.in_flight_max_bytes
    here, there = poll(consumer, {HERE: columns(0, 5, weight=limit - 10)}, {THERE: columns(0, 5, weight=20)})
    assert consumer._thread.rooms == [limit, 10]
    poll(consumer, {HERE: columns(5, 1)})
    assert len(consumer._thread.polls) == 2, "there is no room left"
    consumer._thread.answers.clear()
    consumer.ack(there)
    poll(consumer, {})
    assert consumer._thread.rooms == [limit, 10, 10]
    consumer.ack(here)
    poll(consumer, {})
    assert consumer._thread.rooms[-1] == limit


def test_acknowledgements_out_of_order_commit_nothing_early(consumer: Any) -> None:
    first, second, third = poll(consumer, {HERE: columns(0, 30)})
    consumer.ack(third)
    consumer.ack(second)
    assert committable(consumer) == {}
    consumer.ack(first)
    assert committable(consumer) == {HERE: 30}


def test_gaps_by_compaction_and_transactions_are_passed_in_one_commit(consumer: Any) -> None:
    messages = poll(consumer, {HERE: columns(0, 4, end=9)}, {HERE: columns(9, 0, end=12)}, {HERE: columns(12, 1)})
    for message in messages:
        consumer.ack(message)
    assert committable(consumer) == {HERE: 13}


def test_a_batch_of_a_lost_partition_commits_nothing(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def revoked(self: Any, tps: set[TP]) -> None:
        assert committable(self) == {HERE: 5}, "Faust commits in this call, so finished batches must still be known"

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", revoked)
    done, late = poll(consumer, {HERE: columns(0, 5)}, {HERE: columns(5, 5)})
    consumer.ack(done)
    asyncio.run(consumer.on_partitions_revoked({HERE}))
    assert consumer.ack(late)
    assert committable(consumer) == {}


def test_after_a_rebalance_delivery_starts_at_the_committed_offset(consumer: Any) -> None:
    poll(consumer, {HERE: columns(0, 5)})
    consumer._windows.clear()
    (again,) = poll(consumer, {HERE: columns(0, 5)})
    consumer.ack(again)
    assert committable(consumer) == {HERE: 5}


def test_records_that_were_polled_and_not_delivered_can_not_be_skipped(consumer: Any) -> None:
    poll(consumer, {HERE: columns(0, 5)})
    with pytest.raises(AssertionError, match="not delivered"):
        poll(consumer, {HERE: columns(6, 5)})


def test_a_partition_with_too_much_in_flight_is_not_polled(consumer: Any) -> None:
    first, _ = poll(consumer, {HERE: columns(0, 20)})
    poll(consumer, {})
    assert consumer._thread.polls[-1] == {THERE}
    consumer.ack(first)
    poll(consumer, {})
    assert consumer._thread.polls[-1] == {HERE, THERE}


def test_an_acknowledgement_makes_room_at_once(consumer: Any) -> None:
    (first, _, *_) = poll(consumer, {HERE: columns(0, 20), THERE: columns(0, 20)})

    async def play() -> None:
        async with asyncio.timeout(10):
            waiting = asyncio.create_task(consumer._wait_for_room(1_000.0))
            await asyncio.sleep(0)
            consumer.ack(first)
            await waiting

    asyncio.run(play())


def test_nothing_is_delivered_once_a_rebalance_has_begun(consumer: Any) -> None:
    async def play() -> list[BatchMessage]:
        consumer._thread.answers.append({HERE: columns(0, 5), THERE: columns(0, 5)})
        messages = []
        async for _, message in consumer.getmany(0.01):
            messages.append(message)
            consumer.app.consumer_generation_id += 1
        return messages

    assert len(asyncio.run(play())) == 1


@pytest.mark.parametrize("count", [3, 0], ids=["records", "gap"])
def test_batches_polled_before_a_rebalance_are_forgotten(consumer: Any, count: int) -> None:
    """Handing over one partition's batch can wait for the flow, which is until the end of a rebalance."""

    async def play() -> list[BatchMessage]:
        consumer._thread.answers.append({HERE: columns(0, 5), THERE: columns(1_400, count, end=1_417)})
        polled = consumer.getmany(0.01)
        await anext(polled)
        consumer._windows.clear()
        consumer.app.consumer_generation_id += 1
        return [message async for _, message in polled]

    assert asyncio.run(play()) == []
    (message,) = poll(consumer, {THERE: columns(1_128, 3)})
    consumer.ack(message)
    assert committable(consumer) == {THERE: 1_131}


def test_a_commit_that_failed_is_tried_again(consumer: Any) -> None:
    (message,) = poll(consumer, {HERE: columns(0, 5)})
    consumer.ack(message)
    consumer._thread.accepts = False
    assert not asyncio.run(consumer._commit_offsets(committable(consumer)))
    assert committable(consumer) == {HERE: 5}
    consumer._thread.accepts = True
    assert asyncio.run(consumer._commit_offsets(committable(consumer)))
    assert committable(consumer) == {}
    assert consumer.app.told == [{HERE: 5}]


def test_a_second_acknowledgement_has_no_effect(consumer: Any) -> None:
    (message,) = poll(consumer, {HERE: columns(0, 5)})
    assert consumer.ack(message)
    assert not consumer.ack(message)
