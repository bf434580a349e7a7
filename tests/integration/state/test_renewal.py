"""The coordinator of a transactional id is away: a renewal waits for it, a takeover fails in time."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.embedded import free_port
from streams.kafka.fence import FenceError
from streams.kafka.settings import Broker
from tests.brokers.kafka import TEST_TRAITS, KafkaServer, missing_tools
from tests.integration.conftest import refuse
from tests.integration.state.test_fence import a_site

pytestmark = pytest.mark.kafka

AWAY_S = 1.0
SHORT_S = 0.5


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    """A broker of this module's own, which a test may stop."""
    reason = missing_tools()
    if reason is not None:
        refuse("kafka", reason)
    with tempfile.TemporaryDirectory(prefix="sekisho-kafka-") as directory:
        one = KafkaServer(Path(directory), port=free_port(), controller=free_port(), session_ms=2_000)
        one.format()
        try:
            one.start()
            yield one
        finally:
            one.stop()


def broker_of(server: KafkaServer) -> Broker:
    return Broker(bootstrap=(f"127.0.0.1:{server.port}",), profile=TEST_TRAITS)


@pytest.mark.parametrize("is_killed", [False, True], ids=["frozen", "killed"])
def test_a_renewal_waits_for_its_coordinator_and_the_owner_keeps_its_epoch(
    server: KafkaServer, is_killed: bool
) -> None:
    """Before and after the renewal the owner can write and its predecessor is refused: the epoch in the logs is
    unchanged.
    """

    async def play() -> None:
        async with a_site(broker_of(server)) as site:
            before = await site.fence.take(0, site.logs)
            owner = await site.fence.take(0, site.logs)
            for tp in site.logs:
                await site.write(owner, tp)
            if is_killed:
                server.kill()
            else:
                server.freeze()
            renewing = asyncio.create_task(site.fence.renew(0, owner, site.logs))
            try:
                await asyncio.sleep(AWAY_S)
                assert not renewing.done(), "the coordinator is away, so the renewal must wait"
            finally:
                await asyncio.to_thread(server.start if is_killed else server.thaw)
            await renewing
            assert [await site.is_refused(before, tp) for tp in site.logs] == [True] * 3
            assert [await site.is_refused(owner, tp) for tp in site.logs] == [False] * 3

    asyncio.run(play())


def test_a_renewal_and_a_takeover_without_their_coordinator_end_in_time_with_the_cause(server: KafkaServer) -> None:
    async def play() -> None:
        async with a_site(broker_of(server)) as site:
            owner = await site.fence.take(0, site.logs)
            site.fence._timeout_s = SHORT_S
            server.freeze()
            try:
                for asked in (site.fence.renew(0, owner, site.logs), site.fence.take(0, site.logs)):
                    with pytest.raises(FenceError, match=r"no fence within 0.5 s"):
                        await asked
            finally:
                server.thaw()
            site.fence._timeout_s = 20.0
            later = await site.fence.take(0, site.logs)
            assert later.epoch > owner.epoch
            assert await site.is_refused(owner, site.logs[0])
            assert not await site.is_refused(later, site.logs[0])

    asyncio.run(play())
