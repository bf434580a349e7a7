"""A task that ends because the future it waits for was cancelled crashes its service."""

import asyncio

from mode import Service

from streams.state.changelog_writer import ChangelogWriter
from streams.state.follow import Follower
from streams.transport.tasks import TaskCancelledError, WatchedService
from streams.worker.deliveries import Deliveries
from streams.worker.merchants.letters import MerchantLetters
from streams.worker.merchants.loader import MerchantLoader


class Waiting(WatchedService):
    """Wait for a future of another task."""

    async def on_start(self) -> None:
        self.future = asyncio.get_running_loop().create_future()

    @Service.task
    async def _wait(self) -> None:
        await self.future


async def started() -> Waiting:
    service = Waiting()
    await service.start()
    await asyncio.sleep(0.01)
    return service


def test_a_cancelled_future_crashes_the_service_that_waits_for_it() -> None:
    async def play() -> Waiting:
        service = await started()
        service.future.cancel()
        await asyncio.sleep(0.01)
        return service

    service = asyncio.run(play())
    assert isinstance(service.crash_reason, TaskCancelledError)
    assert str(service.crash_reason) == "Waiting: what a task waited for was cancelled"


def test_a_service_that_is_stopped_does_not_crash() -> None:
    async def play() -> Waiting:
        service = await started()
        await service.stop()
        return service

    service = asyncio.run(play())
    assert service.crash_reason is None


def test_a_task_that_ends_or_fails_is_handled_as_before() -> None:
    async def play(error: Exception | None) -> Waiting:
        service = await started()
        if error is None:
            service.future.set_result(None)
        else:
            service.future.set_exception(error)
        await asyncio.sleep(0.01)
        return service

    assert asyncio.run(play(None)).crash_reason is None
    error = ValueError("an error of its own")
    assert asyncio.run(play(error)).crash_reason is error


def test_every_service_of_a_worker_that_has_tasks_is_watched() -> None:
    services = [Deliveries, MerchantLoader, MerchantLetters, Follower, ChangelogWriter]
    assert all(issubclass(service, WatchedService) for service in services)
