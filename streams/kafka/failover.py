"""Failover: leave a silent broker as soon as the cluster has dropped it, not when a request times out.

A frozen broker, or a machine that is down, accepts requests and answers none. aiokafka waits for its request timeout,
for one broker after the other, and may ask the same one for metadata. Meanwhile, after `broker.session.timeout.ms`
(9 s), the controller drops the broker, and its partitions and groups move. So:

* While a request waits, other brokers are asked for metadata. Connections to brokers that are not in the answer are
  closed, and aiokafka sends their requests again, to the new leaders. An idempotent produce that two brokers received
  is written once.
* Metadata is requested from connected brokers first, and from the next broker before the first one times out. It is not
  requested on a connection with a pending request: a broker answers in order, and a produce waits for all replicas.
* If no known broker answers, the configured ones are asked: the last metadata may have listed only one broker.
* A connection that is not established within CONNECT_S is given up. It delays no other.
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import BrokerMetadata

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
"""Interval of the checks, and the age from which a pending request counts. Fetches wait for 15 ms by default."""

NEXT_S: Final = 0.2
"""Time for a broker to answer a metadata request, before the next one is asked too."""

CONNECT_S: Final = 3.0
"""Time limit of a connection, with TLS and login."""

ASK_S: Final = CONNECT_S + 1.0
"""Time limit of metadata requests to all brokers."""

METADATA: Final = 2
"""A connection group beside aiokafka's own two, used while those have pending requests."""

BOOTSTRAP: Final = "bootstrap"  # aiokafka's name for the node of its first connection

_Id = tuple[int | str, int]
_Connecting = asyncio.Task[AIOKafkaConnection | None]


def watch(client: AIOKafkaClient) -> None:
    """Make a client leave brokers that the cluster has dropped. Call it before the client connects."""
    watcher = Watcher(client)
    bootstrap, close = client.bootstrap, client.close
    tasks: list[asyncio.Task[None]] = []

    async def bootstrap_and_watch() -> None:
        request_timeout_ms, client._request_timeout_ms = client._request_timeout_ms, int(CONNECT_S * 1000)
        try:
            await bootstrap()
        finally:
            client._request_timeout_ms = request_timeout_ms
        if not tasks:
            tasks.append(asyncio.create_task(watcher.run(), name=f"failover of {client._client_id}"))

    async def stop_and_close() -> None:
        watcher.is_closed = True
        ending = (*tasks, *watcher.connecting.values())
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)  # each closes its unfinished connection
        await close()

    client.bootstrap, client.close = bootstrap_and_watch, stop_and_close
    client._get_conn, client._metadata_update = watcher.connected, watcher.update_metadata
    client._get_conn_lock_value = nullcontext()  # `connecting` replaces the lock, which would delay all connections
    client.cluster._bootstrap_brokers = {
        f"{BOOTSTRAP}-{number}": BrokerMetadata(f"{BOOTSTRAP}-{number}", host, port, None)
        for number, (host, port, _) in enumerate(client.hosts)
    }


class Watcher:
    """Check the connections of one client, and leave brokers that the cluster has dropped."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._connect, self._update_metadata = client._get_conn, client._metadata_update
        self._oldest: dict[_Id, tuple[int, int]] = {}  # connection object and its oldest pending request
        self.connecting: dict[_Id, _Connecting] = {}
        self._since_s: dict[_Id, float] = {}
        self.is_closed = False
        """Whether the client closes: it makes no connection then, since nobody would close it."""

    async def run(self) -> None:
        """Check every LOOK_S until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:
                log.exception("failover_failed client=%s", self._client._client_id)  # otherwise unnoticed

    async def look(self) -> None:
        """Leave dropped brokers, if a request has been pending since the last check."""
        silent = self._silent(time.monotonic())
        if not silent:
            return
        client, topics = self._client, set(self._client._topics)
        answer = await self._first_answer(topics, silent)
        if answer is not None and answer.brokers and client._topics == topics:  # else the next check asks again
            client.cluster.update_metadata(answer)
            self._leave_all_but({node_id for node_id, *_ in answer.brokers})

    async def connected(
        self, node_id: int | str, *, group: int = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> AIOKafkaConnection | None:
        """Return the connection to a node, or None if there is none within CONNECT_S. Overrides `_get_conn`.

        The original waits for its request timeout, even if the node was dropped meanwhile, and delays all others.
        """
        if self.is_closed:
            return None
        name = (node_id, group)
        known = self._client._conns.get(name)
        if known is not None and known.connected():
            return known
        if known is not None:  # the broker closed it. aiokafka would drop it and leave its socket open
            known.close(reason=CloseReason.CONNECTION_BROKEN)
        if name not in self.connecting:
            connecting = asyncio.create_task(self._connected(name, no_hint=no_hint))
            self.connecting[name] = connecting
            self._since_s[name] = time.monotonic()
            connecting.add_done_callback(lambda _: self._forget(name))
        connecting = self.connecting[name]
        await asyncio.wait([connecting])  # shared by all callers: the cancellation of one does not end it
        return None if connecting.cancelled() else connecting.result()

    async def _connected(self, name: _Id, *, no_hint: bool) -> AIOKafkaConnection | None:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._connect(name[0], group=name[1], no_hint=no_hint)
        except TimeoutError:
            log.warning("broker_not_connected node=%s s=%g", name[0], CONNECT_S)
            self._client.force_metadata_update()
            return None

    def _forget(self, name: _Id) -> None:
        del self.connecting[name], self._since_s[name]

    async def update_metadata(self, cluster: ClusterMetadata, topics: Collection[str] | None) -> bool:
        """Update the metadata. Overrides `_metadata_update`, which waits for one broker after the other."""
        client = self._client
        if (BOOTSTRAP, ConnectionGroup.DEFAULT) in client._conns:  # the cluster has named no broker yet
            return bool(await self._update_metadata(cluster, topics))
        answer = await self._first_answer(topics)
        if answer is None:
            log.warning("no_broker_has_answered")
            cluster.failed_update(None)
            return False
        if answer.brokers:  # else a topic is still being created
            cluster.update_metadata(answer)
        return bool(answer.brokers)

    async def _first_answer(self, topics: Collection[str] | None, silent: Collection[int | str] = ()) -> Any:
        """Return the first answer to a metadata request, or None. One node after the other is asked, NEXT_S apart.

        Silent nodes are asked late, and the configured addresses last.
        """
        request, cluster = MetadataRequest(list(topics) if topics else None), self._client.cluster
        nodes = [broker.nodeId for broker in cluster.brokers() if not cluster.is_bootstrap(broker.nodeId)]
        left = sorted(random.sample(nodes, len(nodes)), key=lambda node: (node not in silent, self._is_free(node)))
        left = [*cluster._bootstrap_brokers, *left]
        asking: set[asyncio.Task[Any]] = set()
        deadline_s = time.monotonic() + ASK_S
        try:
            while left or asking:
                if left:
                    asking.add(asyncio.create_task(self._answer(left.pop(), request)))
                timeout_s = NEXT_S if left else max(deadline_s - time.monotonic(), 0.0)
                done, asking = await asyncio.wait(asking, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                answers = [task.result() for task in done if task.result() is not None]
                if answers:
                    return answers[0]
                if not (left or done):
                    return None
        finally:
            for task in asking:
                task.cancel()
        return None

    async def _answer(self, node_id: int | str, request: MetadataRequest) -> Any:
        try:
            group = ConnectionGroup.DEFAULT if self._is_free(node_id) else METADATA
            conn = await self._client._get_conn(node_id, group=group)
            return await conn.send(request) if conn is not None else None
        except (KafkaError, TimeoutError):
            return None

    def _is_free(self, node_id: int | str) -> bool:
        conn = self._client._conns.get((node_id, ConnectionGroup.DEFAULT))
        return conn is not None and conn.connected() and not conn._requests

    def _silent(self, now_s: float) -> set[int | str]:
        """Return the nodes that have a pending request and have answered nothing since the last check."""
        oldest = {
            name: (id(conn), conn._requests[0][0]) for name, conn in self._client._conns.items() if conn._requests
        }
        silent = {name[0] for name, request in oldest.items() if self._oldest.get(name) == request}
        self._oldest = oldest
        return silent | {name[0] for name, since_s in self._since_s.items() if now_s - since_s > LOOK_S}

    def _leave_all_but(self, present: set[Any]) -> None:
        for (node_id, _), conn in list(self._client._conns.items()):
            if node_id not in present and isinstance(node_id, int):
                conn.close(reason=CloseReason.CONNECTION_BROKEN)
        for (node_id, _), task in self.connecting.items():
            if node_id not in present and isinstance(node_id, int):
                task.cancel()
