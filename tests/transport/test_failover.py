"""A request to a broker that the cluster has dropped is sent elsewhere long before it times out."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v5
from aiokafka.protocol.produce import ProduceRequest

from streams.kafka import failover
from streams.kafka.failover import Watcher, watch

PRODUCE = ProduceRequest(transactional_id=None, required_acks=-1, timeout=1, topics=[])
FROZEN, OTHER, THIRD = 1, 2, 3
TOPIC = "decisions"


def metadata(leader: int, *nodes: int) -> MetadataResponse_v5:
    """Metadata of a broker: the brokers of the cluster, and the leader of the one partition of the one topic."""
    brokers = [(node, "127.0.0.1", 9000 + node, None) for node in nodes]
    partitions = [(0, 0, leader, list(nodes), list(nodes), [])]
    return MetadataResponse_v5(0, brokers, "cluster", nodes[0], [(0, TOPIC, False, partitions)])


class FakeConnection:
    """aiokafka's connection: a request waits until it is answered or the connection is closed."""

    def __init__(self, answer: Callable[[Any], Any] = lambda _: None) -> None:
        self._requests: deque[tuple[int, Any, asyncio.Future[Any]]] = deque()
        self._answer = answer
        self._count = 0
        self.asked: list[Any] = []
        self.closed = False

    def connected(self) -> bool:
        return not self.closed

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        self.asked.append(request)
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        answer = self._answer(request)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        else:
            self._requests.append((self._count, request, future))
        return future

    def answer(self) -> None:
        self._requests.popleft()[2].set_result("late")

    def close(self, reason: Any = None) -> asyncio.Future[None]:
        self.closed = True
        for _, _, future in self._requests:
            if not future.done():
                future.set_exception(KafkaConnectionError("closed"))
        self._requests.clear()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def client_of(**connections: FakeConnection) -> tuple[AIOKafkaClient, Watcher]:
    """Make a client that knows three brokers and has these connections only. The first broker leads."""
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    client._topics = {TOPIC}
    client.cluster.update_metadata(metadata(FROZEN, FROZEN, OTHER, THIRD))
    nodes = {"frozen": FROZEN, "other": OTHER, "third": THIRD}
    for name, connection in connections.items():
        client._conns[nodes[name], ConnectionGroup.DEFAULT] = connection

    async def no_other(*_: Any, **__: Any) -> None:
        return None

    client._get_conn = no_other
    watcher = Watcher(client)
    client._get_conn, client._metadata_update = watcher.connected, watcher.update_metadata
    return client, watcher


async def look_twice(watcher: Watcher) -> None:
    await watcher.look()
    await watcher.look()


def leader(client: AIOKafkaClient) -> int:
    return int(client.cluster._partitions[TOPIC][0].leader)


def test_requests_to_a_broker_that_the_cluster_has_dropped_fail_and_the_new_leader_is_known() -> None:
    async def play() -> None:
        frozen, other = FakeConnection(), FakeConnection(lambda _: metadata(OTHER, OTHER, THIRD))
        client, watcher = client_of(frozen=frozen, other=other)
        waiting = asyncio.ensure_future(client.send(FROZEN, PRODUCE))
        await asyncio.sleep(0)
        await look_twice(watcher)
        with pytest.raises(KafkaConnectionError) as failed:
            await waiting
        assert failed.value.retriable, "otherwise the producer would not send it again"
        assert leader(client) == OTHER
        assert not other.closed

    asyncio.run(play())


def test_a_slow_broker_of_the_cluster_is_waited_for() -> None:
    async def play() -> None:
        frozen = FakeConnection()
        client, watcher = client_of(
            frozen=frozen, other=FakeConnection(lambda _: metadata(FROZEN, FROZEN, OTHER, THIRD))
        )
        waiting = asyncio.ensure_future(client.send(FROZEN, PRODUCE))
        await asyncio.sleep(0)
        await look_twice(watcher)
        frozen.answer()
        assert await waiting == "late"

    asyncio.run(play())


def test_no_metadata_is_requested_while_answers_come() -> None:
    async def play() -> None:
        busy, other = FakeConnection(), FakeConnection()
        client, watcher = client_of(frozen=busy, other=other)
        first, second = (asyncio.ensure_future(client.send(FROZEN, PRODUCE)) for _ in range(2))
        await asyncio.sleep(0)
        await watcher.look()
        busy.answer()
        await watcher.look()
        assert other.asked == []
        first.cancel()
        second.cancel()

    asyncio.run(play())


@pytest.mark.parametrize("refusal", [KafkaConnectionError("gone too"), None])
def test_after_a_broker_without_an_answer_another_one_is_asked_for_metadata(
    refusal: KafkaError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "NEXT_S", 0.01)

    async def play() -> None:
        frozen, third = FakeConnection(), FakeConnection(lambda _: metadata(THIRD, THIRD))
        client, watcher = client_of(frozen=frozen, other=FakeConnection(lambda _: refusal), third=third)
        waiting = asyncio.ensure_future(client.send(FROZEN, PRODUCE))
        await asyncio.sleep(0)
        await look_twice(watcher)
        with pytest.raises(KafkaConnectionError):
            await waiting
        (request,) = third.asked
        assert isinstance(request, MetadataRequest)
        assert leader(client) == THIRD

    asyncio.run(play())


def test_the_configured_brokers_are_asked_if_no_known_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata from a time when the other brokers were away name one broker only, and that one is frozen now."""
    monkeypatch.setattr(failover, "NEXT_S", 0.01)

    async def play() -> None:
        frozen, configured = FakeConnection(), FakeConnection(lambda _: metadata(THIRD, OTHER, THIRD))
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:9001,127.0.0.1:9003")
        client._topics = {TOPIC}
        watch(client)
        watcher: Watcher = client._get_conn.__self__

        async def connect(node: Any, **_: Any) -> Any:
            return configured if client.cluster.broker_metadata(node).port == 9003 else await never()

        watcher._connect = connect
        client.cluster.update_metadata(metadata(FROZEN, FROZEN))
        client._conns[FROZEN, ConnectionGroup.DEFAULT] = frozen
        waiting = asyncio.ensure_future(client.send(FROZEN, PRODUCE))
        await asyncio.sleep(0)
        await look_twice(watcher)
        with pytest.raises(KafkaConnectionError):
            await waiting
        assert leader(client) == THIRD
        assert not configured.closed
        await client.close()

    asyncio.run(play())


def test_topics_that_were_added_meanwhile_are_not_forgotten() -> None:
    async def play() -> None:
        def answer(_: Any) -> Any:
            client._topics.add("alerts")
            return metadata(OTHER, OTHER, THIRD)

        frozen = FakeConnection()
        client, watcher = client_of(frozen=frozen, other=FakeConnection(answer))
        waiting = asyncio.ensure_future(client.send(FROZEN, PRODUCE))
        await asyncio.sleep(0)
        await look_twice(watcher)
        assert leader(client) == FROZEN, "the answer must not remove a topic added after the request"
        assert not frozen.closed
        waiting.cancel()

    asyncio.run(play())


async def never(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


def test_a_connection_that_is_being_made_to_a_broker_that_has_gone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "LOOK_S", -1.0)  # every request counts as waiting too long

    async def play() -> None:
        client, watcher = client_of(other=FakeConnection(lambda _: metadata(OTHER, OTHER, THIRD)))
        watcher._connect = never
        attempts = [asyncio.ensure_future(client.ready(FROZEN)) for _ in range(2)]
        await asyncio.sleep(0)
        await watcher.look()
        assert await asyncio.gather(*attempts) == [False, False]
        assert not watcher.connecting

    asyncio.run(play())


def test_a_connection_that_is_not_made_in_time_is_given_up_and_delays_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failover, "CONNECT_S", 0.05)

    async def play() -> None:
        made = FakeConnection()

        async def connect(node: int, **_: Any) -> Any:
            return made if node == OTHER else await never()

        client, watcher = client_of()
        watcher._connect = connect
        first = asyncio.ensure_future(client.ready(FROZEN))
        await asyncio.sleep(0)
        assert await client._get_conn(OTHER) is made
        assert not first.done()
        assert await first is False
        assert client._md_update_fut is not None, "metadata must be requested again"

    asyncio.run(play())


def test_a_cancelled_wait_for_a_connection_does_not_end_it_for_others() -> None:
    async def play() -> None:
        made, open_now = FakeConnection(), asyncio.Event()

        async def connect(_: int, **__: Any) -> Any:
            await open_now.wait()
            return made

        client, watcher = client_of()
        watcher._connect = connect
        first, second = (asyncio.ensure_future(client._get_conn(OTHER)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        open_now.set()
        assert await second is made

    asyncio.run(play())


def test_metadata_comes_from_the_first_broker_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "NEXT_S", 0.01)

    async def play() -> None:
        frozen, third = FakeConnection(), FakeConnection(lambda _: metadata(THIRD, OTHER, THIRD))
        client, watcher = client_of(frozen=frozen, third=third)
        watcher._connect = never
        assert await client._metadata_update(client.cluster, {TOPIC})
        assert leader(client) == THIRD
        assert {broker.nodeId for broker in client.cluster.brokers()} == {OTHER, THIRD}
        assert not frozen.closed, "it must not be reported: it may only be slow"

    asyncio.run(play())


def test_no_broker_that_answers_is_a_failed_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "NEXT_S", 0.01)
    monkeypatch.setattr(failover, "ASK_S", 0.05)

    async def play() -> None:
        client, watcher = client_of(
            frozen=FakeConnection(), other=FakeConnection(lambda _: KafkaConnectionError("gone"))
        )
        watcher._connect = never
        assert not await client._metadata_update(client.cluster, {TOPIC})
        assert leader(client) == FROZEN, "the known metadata must be kept"

    asyncio.run(play())


def test_a_client_checks_its_brokers_from_its_bootstrap_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "LOOK_S", 0.0)
    looks = asyncio.Event()

    async def look(_: Watcher) -> None:
        looks.set()

    monkeypatch.setattr(Watcher, "look", look)

    async def play() -> None:
        client, _ = client_of()
        patience: list[int] = []

        async def bootstrap() -> None:
            patience.append(client._request_timeout_ms)

        client.bootstrap = bootstrap
        client._request_timeout_ms = 30_000
        watch(client)
        others = asyncio.all_tasks()
        await client.bootstrap()
        assert patience == [int(failover.CONNECT_S * 1000)], "a frozen broker may be the first of the list"
        assert client._request_timeout_ms == 30_000
        (task,) = asyncio.all_tasks() - others
        async with asyncio.timeout(10):
            await looks.wait()
            await client.close()
            await asyncio.wait([task])

    asyncio.run(play())


def test_a_connection_that_the_broker_closed_is_closed_here_before_the_next_one_is_made() -> None:
    """aiokafka removes it before its reader notices, and its socket stays open."""

    class Ended(FakeConnection):
        def connected(self) -> bool:
            return False

    async def play() -> None:
        ended = Ended()
        _, watcher = client_of(frozen=ended)
        assert await watcher.connected(FROZEN) is None
        assert ended.closed

    asyncio.run(play())


def test_a_client_that_closes_makes_no_new_connection_and_waits_for_those_being_made() -> None:
    async def play() -> None:
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
        begun, left, made = asyncio.Event(), [], []

        async def connecting(node_id: int, **_: Any) -> None:
            made.append(node_id)
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)  # a socket that is closing
                left.append(node_id)

        client._get_conn = connecting
        watch(client)
        wanted = asyncio.create_task(client._get_conn(FROZEN))
        await begun.wait()
        await client.close()
        assert left == [FROZEN], "the client must close it before its own end, not the garbage collector later"
        assert await wanted is None
        assert await client._get_conn(OTHER) is None
        assert made == [FROZEN]

    asyncio.run(play())
