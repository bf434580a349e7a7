"""With durable profiles: only input that the profiles include durably is committed, and no event flows before a
restore.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest
from faust.transport import consumer as upstream
from faust.types import TP

from streams.kafka.fence.lease import ExpelledError
from streams.transport.commits import DurableCommits
from streams.transport.consumer import BatchConsumer
from streams.transport.poller import Poller
from tests.transport.test_consumer import HERE, THERE, bare_consumer, columns, committable, poll


class FakeAssignment:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def interrupted(self) -> None:
        self.heard.append("interrupted")

    def assigned(self, assigned: set[TP], generation: int) -> None:
        self.heard.append((assigned, generation))


@pytest.fixture
def consumer() -> Any:
    bare = bare_consumer()
    bare._commits = DurableCommits()
    bare.app.assignment = FakeAssignment()
    return bare


async def settle() -> None:
    """Run the event loop until nothing more can run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_acknowledged_input_is_committed_only_once_it_is_durable(consumer: Any) -> None:
    first, second = poll(consumer, {HERE: columns(0, 15)})
    for message in (first, second):
        consumer.mark_applied(message)
        consumer.ack(message)
    assert committable(consumer) == {}
    consumer.make_durable(HERE, 10)
    assert committable(consumer) == {HERE: 10}
    consumer.make_durable(HERE, 15)
    assert committable(consumer) == {HERE: 15}


def test_applied_includes_the_gaps_behind_applied_events(consumer: Any) -> None:
    assert consumer.applied(HERE) is None
    first, second = poll(consumer, {HERE: columns(0, 5, end=8)}, {HERE: columns(8, 2)})
    assert consumer.applied(HERE) is None
    consumer.mark_applied(first)
    assert consumer.applied(HERE) == 8, "the control record of the transaction counts too"
    consumer.mark_applied(second)
    assert consumer.applied(HERE) == 10
    consumer.ack(first)
    assert consumer.applied(HERE) == 10


def test_a_gap_moves_applied_once_the_events_before_it_are_applied(consumer: Any) -> None:
    (first,) = poll(consumer, {HERE: columns(0, 5)}, {HERE: columns(5, 0, end=9)}, {THERE: columns(3, 0, end=7)})
    assert consumer.applied(THERE) == 7
    consumer.mark_applied(first)
    assert consumer.applied(HERE) == 5
    consumer.ack(first)
    assert consumer.applied(HERE) == 9
    consumer.make_durable(HERE, 9)
    assert committable(consumer) == {HERE: 9}


def test_the_barrier_opens_when_all_applied_events_are_acknowledged(consumer: Any) -> None:
    async def play() -> None:
        reached = asyncio.create_task(consumer.barrier(HERE)())
        await settle()
        assert not reached.done()
        consumer.ack(second)
        consumer.ack(third)
        await settle()
        assert not reached.done(), "the first is not acknowledged yet"
        consumer.ack(first)
        await reached

    first, second, third = poll(consumer, {HERE: columns(0, 25)})
    consumer.mark_applied(first)
    consumer.mark_applied(second)
    asyncio.run(asyncio.wait_for(play(), 10))


def test_events_applied_later_are_behind_the_barrier(consumer: Any) -> None:
    async def play() -> None:
        barrier = consumer.barrier(HERE)
        consumer.mark_applied(second)
        consumer.ack(first)
        await barrier()

    first, second = poll(consumer, {HERE: columns(0, 15)})
    consumer.mark_applied(first)
    asyncio.run(asyncio.wait_for(play(), 10))


def test_without_applied_events_there_is_no_barrier(consumer: Any) -> None:
    poll(consumer, {HERE: columns(0, 15)})
    asyncio.run(asyncio.wait_for(consumer.barrier(HERE)(), 10))
    asyncio.run(asyncio.wait_for(consumer.barrier(THERE)(), 10))


def test_the_barrier_of_a_revoked_partition_never_opens(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        pass

    async def play() -> None:
        reached = asyncio.create_task(consumer.barrier(HERE)())
        await settle()
        await consumer.on_partitions_revoked({HERE})
        consumer.ack(first)
        again = [message async for _, message in consumer.getmany(0.01)]
        consumer.mark_applied(again[0])
        consumer.ack(again[0])
        await settle()
        assert not reached.done(), "acknowledgements of another assignment do not count"
        reached.cancel()

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", nothing)
    (first,) = poll(consumer, {HERE: columns(0, 5)})
    consumer.mark_applied(first)
    consumer._thread.answers.append({HERE: columns(0, 5)})
    consumer.wait = lambda _: asyncio.sleep(0, setattr(consumer, "flow_active", True))
    asyncio.run(asyncio.wait_for(play(), 10))


def test_positions_are_those_of_the_profiles_also_beyond_the_committed_offset(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: list[Any] = []

    async def to_committed(self: Any) -> None:
        sought.append("committed")

    async def seek_wait(positions: dict[TP, int]) -> None:
        sought.append(positions)

    monkeypatch.setattr(upstream.Consumer, "perform_seek", to_committed)
    consumer.seek_wait = seek_wait
    consumer.start_from({HERE: 40, THERE: 7, TP("authorizations", 9): 1})
    asyncio.run(consumer.perform_seek())
    assert sought == ["committed", {HERE: 40, THERE: 7}], "only assigned partitions have positions"
    assert committable(consumer)[HERE] == 40


def test_a_worker_that_the_group_has_expelled_ends_without_a_write(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes: list[BaseException] = []
    flushed: list[bool] = []

    async def crash(reason: BaseException) -> None:
        crashes.append(reason)
        consumer.app.crash_reason = reason

    async def drain() -> None:
        flushed.append(True)

    async def revoked(self: Any, _: set[TP]) -> None:
        assert crashes, "it must happen before the first wait"
        await consumer.wait_empty()

    async def empty(self: Any) -> None:
        pass

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", revoked)
    monkeypatch.setattr(upstream.Consumer, "wait_empty", empty)
    consumer.app.crash, consumer.app.drain = crash, drain
    poll(consumer, {HERE: columns(0, 5)})
    consumer._thread.is_expelled = True
    asyncio.run(consumer.on_partitions_revoked({HERE}))
    assert [type(reason) for reason in crashes] == [ExpelledError]
    with pytest.raises(ExpelledError, match="gave its partitions away"):
        consumer.check_produce()
    assert not flushed
    assert not consumer._thread.commits


@pytest.mark.parametrize("change", [{"is_expelled": True}, {"lease_left_s": -0.1}])
def test_a_worker_that_may_have_a_successor_gets_an_error(consumer: Any, change: dict[str, Any]) -> None:
    consumer.check_lease()
    for name, value in change.items():
        setattr(consumer._thread, name, value)
    with pytest.raises(ExpelledError):
        consumer.check_lease()


def test_with_a_fencing_broker_a_worker_continues_until_it_is_refused(consumer: Any) -> None:
    """A coordinator that is away answers no heartbeat, and gives all members a new session when it is back."""
    consumer._is_fenced = True
    consumer.assignment, consumer._started = lambda: {HERE}, SimpleNamespace(is_set=lambda: True)
    consumer._thread.lease_left_s = -100.0
    consumer.check_lease()
    consumer.check_produce()
    consumer._thread.is_expelled = True
    with pytest.raises(ExpelledError, match="does not know this worker"):
        consumer.check_lease()
    with pytest.raises(ExpelledError, match="does not know this worker"):
        consumer.check_produce()


def test_a_produce_is_refused_while_partitions_are_held_and_the_lease_is_over(consumer: Any) -> None:
    held = {HERE}
    consumer.assignment, consumer._started = lambda: held, SimpleNamespace(is_set=lambda: True)
    consumer.check_produce()
    consumer._thread.lease_left_s = -0.1
    held.clear()
    consumer.check_produce()  # waiting for the group: only this worker writes letters about its merchants
    held.add(HERE)
    consumer._is_between = True
    consumer.check_produce()  # partitions are given back; other members still have to give back theirs
    consumer.make_durable(HERE, 5)
    with pytest.raises(ExpelledError):
        consumer.check_produce()  # partitions are about to be given back: scored input is being made durable


def test_a_produce_is_refused_during_a_restore_when_the_lease_is_over(consumer: Any) -> None:
    consumer.assignment, consumer._started = lambda: {HERE}, SimpleNamespace(is_set=lambda: True)
    consumer._thread.lease_left_s = -0.1
    with pytest.raises(ExpelledError):
        consumer.check_produce()


def test_a_produce_that_was_refused_once_is_always_refused(consumer: Any) -> None:
    """A worker that has joined the group again still holds what it scored before."""
    consumer.assignment, consumer._started = lambda: {HERE}, SimpleNamespace(is_set=lambda: True)
    consumer._thread.lease_left_s = -0.1
    with pytest.raises(ExpelledError, match="no heartbeat"):
        consumer.check_produce()
    consumer._thread.lease_left_s = 15.0
    consumer.assignment = frozenset
    for check in (consumer.check_produce, consumer.check_lease):
        with pytest.raises(ExpelledError, match="no heartbeat"):
            check()


def test_before_joining_a_group_every_produce_may_be_sent(consumer: Any) -> None:
    def not_started() -> None:
        raise AssertionError

    consumer.assignment, consumer._started = not_started, SimpleNamespace(is_set=lambda: False)
    consumer._thread.lease_left_s = -0.1
    consumer.check_produce()


def test_after_a_crash_nothing_is_committed(consumer: Any) -> None:
    """Otherwise a worker whose group has moved on would try forever, and a frozen one commit for its successor."""
    (message,) = poll(consumer, {HERE: columns(0, 5)})
    consumer.ack(message)
    consumer.make_durable(HERE, 5)
    consumer.assignment = lambda: {HERE}
    consumer.app.crash_reason = ExpelledError("too late")
    assert not asyncio.run(consumer._commit_offsets({HERE: 5}))
    assert not consumer._thread.commits


def test_at_a_revocation_scored_input_is_made_durable_and_committed(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def revoked(self: Any, _: set[TP]) -> None:
        await consumer.wait_empty()

    async def empty(self: Any) -> None:
        order.append("acknowledged")

    async def drain() -> None:
        order.append("durable")
        consumer.make_durable(HERE, 5)

    async def commit() -> None:
        order.append("committed")
        assert committable(consumer) == {HERE: 5}

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", revoked)
    monkeypatch.setattr(upstream.Consumer, "wait_empty", empty)
    consumer.app.drain, consumer.commit = drain, commit
    asyncio.run(consumer.on_partitions_revoked({HERE}))
    assert order == ["acknowledged", "durable", "committed"]
    assert committable(consumer) == {}


def test_no_event_flows_from_a_revocation_to_the_end_of_the_restore(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a worker without partitions, whose flow Faust does not stop; and for any delay of the seek before it
    ends.
    """

    async def nothing(*_: Any) -> None:
        pass

    async def play() -> None:
        consumer.resume_flow()
        assert consumer.settled
        await consumer.on_partitions_revoked(set())
        assert (consumer.flow_active, consumer.settled) == (False, False)
        consumer.resume_flow()  # at the end of the assignment before
        assert (consumer.flow_active, consumer.settled) == (False, False)
        await consumer.on_partitions_assigned({HERE}, 7)
        assert (consumer.flow_active, consumer.settled) == (False, False)
        consumer.resume_flow()
        assert (consumer.flow_active, consumer.settled) == (True, True)

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", nothing)
    monkeypatch.setattr(upstream.Consumer, "on_partitions_assigned", nothing)
    asyncio.run(play())
    assert consumer.app.assignment.heard == ["interrupted", ({HERE}, 7)]


def test_the_assignment_hears_of_a_change_before_the_first_wait(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    async def count(*_: Any) -> None:
        heard.append(len(consumer.app.assignment.heard))

    monkeypatch.setattr(upstream.Consumer, "on_partitions_revoked", count)
    monkeypatch.setattr(upstream.Consumer, "on_partitions_assigned", count)
    asyncio.run(consumer.on_partitions_revoked({HERE}))
    asyncio.run(consumer.on_partitions_assigned({THERE}, 1))
    assert heard == [1, 2]


def test_the_lease_begins_when_the_answered_request_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was frozen for a minute finds an answer waiting; what it says is no longer true."""
    now_s = 100.0
    monkeypatch.setattr("streams.transport.poller.time", SimpleNamespace(monotonic=lambda: now_s))

    async def heartbeat() -> bool:
        nonlocal now_s
        now_s += 60.0
        return True

    async def started(self: Any) -> None:
        pass

    monkeypatch.setattr(Poller.__mro__[1], "on_start", started)

    async def send(_request: Any) -> Any:
        nonlocal now_s
        now_s += 20.0
        return SimpleNamespace(error_code=code)

    code = 0
    coordinator = SimpleNamespace(_do_heartbeat=heartbeat, _send_req=send, _push_error_to_user=None, generation=3)
    poller = Poller.__new__(Poller)
    poller.app = SimpleNamespace(
        settings=SimpleNamespace(broker=SimpleNamespace(profile=SimpleNamespace(session_timeout_s=15.0)))
    )
    poller._heard_s = now_s
    poller._ensure_consumer = lambda: SimpleNamespace(_coordinator=coordinator)  # type: ignore[method-assign]

    async def play() -> None:
        await poller.on_start()
        assert poller.lease_left_s == 15.0
        assert await coordinator._do_heartbeat()
        assert poller.lease_left_s == -45.0
        await coordinator._send_req(SyncGroupRequest("sekisho", 3, "member", None, []))
        assert poller.lease_left_s == -5.0, "the session begins when the request is received, not with the answer"
        await coordinator._send_req(JoinGroupRequest("sekisho", 1, 1, "member", None, "consumer", []))
        assert poller.lease_left_s == -25.0, "a member that joins may wait long for the others"
        nonlocal code
        code = 25
        await coordinator._send_req(SyncGroupRequest("sekisho", 3, "member", None, []))
        assert poller.lease_left_s == -45.0, "the group refused it"

    asyncio.run(play())


def test_without_durable_profiles_the_watermark_is_committed() -> None:
    bare = bare_consumer()
    (message,) = poll(bare, {HERE: columns(0, 5)})
    bare.ack(message)
    assert committable(bare) == {HERE: 5}
    assert isinstance(bare, BatchConsumer)
