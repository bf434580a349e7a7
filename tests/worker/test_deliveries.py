"""Batches are finished in the order in which they were emitted; a failed one stops all later ones."""

import asyncio
from collections.abc import Awaitable, Callable

from streams.kafka.fence.lease import ExpelledError
from streams.worker.deliveries import Deliveries, UndeliveredError


def run(scenario: Callable[[Deliveries], Awaitable[None]], *, depth: int = 8, timeout_s: float = 30.0) -> Deliveries:
    async def play() -> Deliveries:
        deliveries = Deliveries(depth=depth, timeout_s=timeout_s, loop=asyncio.get_running_loop())
        await deliveries.start()
        async with asyncio.timeout(20):
            await scenario(deliveries)
            await deliveries.stop()
        return deliveries

    return asyncio.run(play())


async def settle() -> None:
    """Run the event loop until nothing more can run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_batch_is_finished_once_all_its_outputs_are_acknowledged() -> None:
    finished: list[int] = []

    async def scenario(deliveries: Deliveries) -> None:
        first, second = asyncio.Future[None](), asyncio.Future[None]()
        await deliveries.add([first, second], lambda _: finished.append(1))
        first.set_result(None)
        await settle()
        assert finished == []
        second.set_result(None)
        await settle()
        assert finished == [1]

    run(scenario)


def test_a_later_batch_waits_for_an_earlier_one() -> None:
    finished: list[str] = []

    async def scenario(deliveries: Deliveries) -> None:
        slow, fast = asyncio.Future[None](), asyncio.Future[None]()
        await deliveries.add([slow], lambda _: finished.append("slow"))
        await deliveries.add([fast], lambda _: finished.append("fast"))
        fast.set_result(None)
        await settle()
        assert finished == []
        slow.set_result(None)
        await settle()
        assert finished == ["slow", "fast"]

    run(scenario)


def test_a_refused_output_crashes_the_service_and_finishes_nothing_more() -> None:
    finished: list[str] = []

    async def scenario(deliveries: Deliveries) -> None:
        refused, later = asyncio.Future[None](), asyncio.Future[None]()
        await deliveries.add([refused], lambda _: finished.append("refused"))
        await deliveries.add([later], lambda _: finished.append("later"))
        later.set_result(None)
        refused.set_exception(OSError("refused"))
        await settle()

    deliveries = run(scenario)
    assert finished == []
    assert isinstance(deliveries.crash_reason, UndeliveredError)


def test_outputs_that_a_successor_may_have_written_are_distinguished() -> None:
    async def scenario(deliveries: Deliveries) -> None:
        refused = asyncio.Future[None]()
        await deliveries.add([refused], lambda _: None)
        refused.set_exception(ExpelledError("too late"))
        await settle()

    assert isinstance(run(scenario).crash_reason, ExpelledError)


def test_an_output_that_is_never_acknowledged_is_a_failure() -> None:
    async def scenario(deliveries: Deliveries) -> None:
        await deliveries.add([asyncio.Future[None]()], lambda _: None)
        while not deliveries.crashed:
            await asyncio.sleep(0.001)

    assert isinstance(run(scenario, timeout_s=0.01).crash_reason, UndeliveredError)


def test_an_agent_waits_when_too_many_batches_are_in_flight() -> None:
    async def scenario(deliveries: Deliveries) -> None:
        acks = [asyncio.Future[None]() for _ in range(4)]
        for ack in acks[:3]:  # one being awaited, two queued
            await deliveries.add([ack], lambda _: None)
            await settle()
        waiting = asyncio.create_task(deliveries.add([acks[3]], lambda _: None))
        await settle()
        assert not waiting.done()
        acks[0].set_result(None)
        await waiting
        for ack in acks[1:]:
            ack.set_result(None)
        await settle()

    run(scenario, depth=2)
