"""A flush with a producer identity is one transaction: its rows count from the commit on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.kafka.fence import FenceError
from streams.kafka.fence.lease import ExpelledError
from streams.state.changelog_writer import FlushError
from tests.state.fakes import owned_at
from tests.state.test_changelog_writer import CARDS, EVENTS, SHARED, Bench, settle


class Owned(Bench):
    """A changelog writer whose partition has an identity: its flushes are transactions."""

    async def take(self) -> None:
        fence = self.writer.fence
        assert fence is not None
        logs = [TopicPartition(topic, 0) for topic in (CARDS, SHARED)]
        self.writer.owned[0] = owned_at(0, identity=await fence.take(0, logs))

    def committed(self, topic: str) -> int:
        """Count the records that a reader of committed records sees."""
        tp = TopicPartition(topic, 0)
        offsets = {record.offset for record in self.broker.logs[tp]}
        return len({at for at in offsets if at < self.broker.stable_end(tp)} - self.broker.aborted[tp])


def run_owned(scenario: Callable[[Owned], Awaitable[None]]) -> Owned:
    async def play() -> Owned:
        bench = Owned()
        async with asyncio.timeout(20):
            await bench.take()
            await scenario(bench)
        return bench

    return asyncio.run(play())


def test_a_flush_counts_from_the_commit_of_its_transaction_on() -> None:
    async def scenario(bench: Owned) -> None:
        fence, may_commit, asked = bench.writer.fence, asyncio.Event(), asyncio.Event()
        assert fence is not None
        commit = fence.commit

        async def owned(*args: Any) -> None:
            asked.set()
            await may_commit.wait()
            await commit(*args)

        fence.commit = owned  # type: ignore[method-assign]
        bench.feed()
        flushing = asyncio.create_task(bench.writer.flush())
        await asked.wait()
        assert bench.producer.handed[-1] == (CARDS, "marker"), "everything is written"
        assert bench.committed(CARDS) == bench.committed(SHARED) == 0
        assert not bench.consumer.durable
        may_commit.set()
        await flushing
        assert bench.committed(CARDS) == len(bench.broker.keys(CARDS)) > 0
        assert bench.committed(SHARED) == len(bench.broker.keys(SHARED)) > 0
        assert bench.consumer.durable[TP(EVENTS, 0)] == 5

    run_owned(scenario)


@pytest.mark.parametrize("step", ["begin", "commit"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FenceError("no right"), r"profiles of partition 0 not durable: no right"),
        (None, "profiles of partition 0 not durable: TimeoutError"),
    ],
)
def test_a_transaction_that_is_refused_or_never_answered_fails_the_flush(
    step: str, error: Exception | None, told: str
) -> None:
    async def scenario(bench: Owned) -> None:
        async def failing(*_: Any) -> None:
            if error is None:
                await asyncio.Event().wait()
            else:
                raise error

        setattr(bench.writer.fence, step, failing)
        bench.feed()
        with pytest.raises(FlushError, match=told):
            await bench.writer.flush()
        assert not bench.consumer.durable
        assert bench.committed(CARDS) == 0

    run_owned(scenario)


def test_a_transaction_of_an_owner_that_has_a_successor_expels_it() -> None:
    async def scenario(bench: Owned) -> None:
        assert bench.writer.fence is not None
        await bench.writer.fence.take(0, [])
        bench.feed()
        with pytest.raises(ExpelledError):
            await bench.writer.flush()
        assert bench.broker.written == []

    run_owned(scenario)


def test_a_fence_is_renewed_when_no_flush_is_under_way() -> None:
    """The coordinator allows one transaction of an owner at a time: a renewal would end that of the flush."""

    async def scenario(bench: Owned) -> None:
        async def renew(*_: Any) -> None:
            assert not bench.broker.open

        assert bench.writer.fence is not None
        bench.writer.fence.renew = renew  # type: ignore[method-assign]
        bench.feed()
        bench.producer.holds.add(f"{CARDS} rows")
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        assert bench.broker.open
        renewing = asyncio.create_task(bench.writer.renew_fences())
        await settle()
        assert not renewing.done()
        bench.producer.release(f"{CARDS} rows")
        await flushing
        await renewing

    run_owned(scenario)
