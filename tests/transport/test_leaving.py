"""A worker that halts leaves its group, so its partitions are reassigned before its session ends."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.group import LeaveGroupRequest

from streams.transport.poller import Poller


class FakeCoordinator:
    """aiokafka's coordinator, as a member of a group."""

    group_id, member_id = "sekisho", "sekisho-1"

    def __init__(self, generation: int = 3, instance_id: str | None = None, error: Exception | None = None) -> None:
        self.generation, self._group_instance_id, self._error = generation, instance_id, error
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent: list[Any] = []

    async def _send_req(self, request: Any) -> None:
        assert self._closing.done(), "otherwise it joins again when it learns that it is no member"
        self.sent.append(request)
        if self._error is not None:
            raise self._error


async def leave(coordinator: FakeCoordinator) -> list[Any]:
    poller = Poller.__new__(Poller)
    poller._consumer = SimpleNamespace(_coordinator=coordinator)
    await poller.leave()
    return coordinator.sent


def test_a_worker_that_halts_leaves_its_group_and_does_not_join_again() -> None:
    async def play() -> None:
        coordinator = FakeCoordinator()
        (request,) = await leave(coordinator)
        assert isinstance(request, LeaveGroupRequest)
        assert (request._group, request._member_id) == ("sekisho", "sekisho-1")
        assert await leave(coordinator) == [request], "it must leave once"

    asyncio.run(play())


def test_a_static_member_does_not_leave_and_a_non_member_cannot() -> None:
    async def play() -> None:
        assert await leave(FakeCoordinator(instance_id="pod-1")) == []
        assert await leave(FakeCoordinator(generation=-1)) == []
        poller = Poller.__new__(Poller)
        poller._consumer = None
        await poller.leave()

    asyncio.run(play())


def test_an_unreachable_group_ends_the_session_by_its_timeout() -> None:
    async def play() -> None:
        assert len(await leave(FakeCoordinator(error=KafkaConnectionError("gone")))) == 1

    asyncio.run(play())
