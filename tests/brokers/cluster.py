"""Three Apache Kafka nodes on loopback, each broker and controller; they can be killed, frozen and started again.

Every topic has three replicas, of which two must be in sync. Clients and followers may be directed to a proxy's ports,
so it can freeze them while the controllers still hear of every node.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError

from tests.brokers.kafka import KafkaServer, cluster_id
from tests.chaos.brokers.ports import steady_ports

NODES = (1, 2, 3)
JVM = ("-server", "-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Three nodes share two cores and have little traffic: no background compilation and collection."""

SETTLE_S = 120.0
LOOK_S = 0.1
ASK_MS = 1_000
"""For one node to answer: a frozen one is skipped for the next."""

PROPERTIES = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={direct},PROXIED://127.0.0.1:{client},REPLICA://127.0.0.1:{follower},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={direct},PROXIED://127.0.0.1:{clients_come_to},REPLICA://127.0.0.1:{followers_come_to}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,REPLICA:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=REPLICA
log.dirs={directory}/data
auto.create.topics.enable=false
leader.imbalance.check.interval.seconds=2
leader.imbalance.per.broker.percentage=0
default.replication.factor=3
min.insync.replicas=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
group.initial.rebalance.delay.ms=0
replica.socket.timeout.ms=5000
num.network.threads=2
num.io.threads=2
"""
"""Settings that are not named are Kafka's defaults: sessions of 9 s, a stuck follower is dropped after 30 s.

Every partition returns to its first replica soon after that one is in sync, so the leader is known to tests.
"""

_T = TypeVar("_T")


class Cluster:
    """The nodes by their ids, and ports by node: a proxy connects to `client_ports` and `follower_ports`.

    `clients_come_to` and `followers_come_to` are the proxies' ports, if there are any. `bootstrap` is past them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clients_come_to: Mapping[int, int] | None = None,
        followers_come_to: Mapping[int, int] | None = None,
    ) -> None:
        direct, self.client_ports, self.follower_ports, controllers = (steady() for _ in range(4))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in direct.values())
        self.nodes: dict[int, KafkaServer] = {}
        self._folders = {node: folder / f"node-{node}" for node in NODES}
        for node, directory in self._folders.items():
            directory.mkdir()
            text = PROPERTIES.format(
                node=node,
                voters=",".join(f"{k}@127.0.0.1:{port}" for k, port in controllers.items()),
                direct=f"PLAINTEXT://127.0.0.1:{direct[node]}",
                client=self.client_ports[node],
                follower=self.follower_ports[node],
                controller=controllers[node],
                clients_come_to=(clients_come_to or self.client_ports)[node],
                followers_come_to=(followers_come_to or self.follower_ports)[node],
                directory=directory,
            )
            self.nodes[node] = KafkaServer(
                directory, port=direct[node], controller=controllers[node], properties=text, jvm=JVM
            )

    def start(self) -> None:
        """Format and start all nodes, and wait until they are a cluster.

        Raises:
            EmbeddedBrokerError: one of them did not start.
            TimeoutError: they did not become a cluster.
        """
        name = cluster_id()
        for server in self.nodes.values():
            server.format(cluster=name)
        for server in self.nodes.values():
            server.launch()
        for server in self.nodes.values():
            server.await_listening()
        self.await_in_sync()

    def stop(self) -> None:
        """End all nodes by force: their data is not needed."""
        for server in self.nodes.values():
            if server.runs:
                server.kill()

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return the node that leads a partition."""
        return self._ask_until(lambda client: _leader(client, topic, partition))

    def group_coordinator(self, group: str) -> int:
        """Return the node that coordinates a group."""
        return self._ask_until(lambda client: client.coordinator_lookup(CoordinationType.GROUP, group))

    def controller(self) -> int:
        """Return the node that is the active controller, by the nodes' own metadata."""
        states = [orjson.loads((path / "data/__cluster_metadata-0/quorum-state").read_bytes()) for path in self.paths]
        return int(max(states, key=lambda state: (state["leaderEpoch"], state["leaderId"]))["leaderId"])

    @property
    def paths(self) -> list[Path]:
        """List the folders of running nodes."""
        return [path for node, path in self._folders.items() if self.nodes[node].runs]

    def await_in_sync(self) -> None:
        """Wait until all nodes serve, every replica of every topic is in sync, and the first of each leads.

        Raises:
            TimeoutError: they do not within SETTLE_S.
        """
        deadline = time.monotonic() + SETTLE_S
        while not self._ask_until(_is_in_sync):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster was not in sync within {SETTLE_S:.0f} s")
            time.sleep(LOOK_S)

    def _ask_until(self, question: Callable[[AIOKafkaClient], Awaitable[_T]]) -> _T:
        deadline = time.monotonic() + SETTLE_S
        while True:
            for server in self.nodes.values():
                try:
                    return asyncio.run(_ask(f"127.0.0.1:{server.port}", question))
                except (KafkaError, TimeoutError, LookupError) as error:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"no node answered within {SETTLE_S:.0f} s") from error
            time.sleep(LOOK_S)


async def _ask(bootstrap: str, question: Callable[[AIOKafkaClient], Awaitable[Any]]) -> Any:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=ASK_MS)
    try:
        await client.bootstrap()
        return await question(client)
    finally:
        await client.close()


async def _metadata(client: AIOKafkaClient) -> ClusterMetadata:
    return await client.fetch_all_metadata()


async def _leader(client: AIOKafkaClient, topic: str, partition: int) -> int:
    found: int = (await _metadata(client))._partitions[topic][partition].leader
    if found < 0:
        raise LookupError(f"{topic}[{partition}] has no leader")
    return found


async def _is_in_sync(client: AIOKafkaClient) -> bool:
    metadata = await _metadata(client)
    partitions = [one for topic in metadata._partitions.values() for one in topic.values()]
    return {broker.nodeId for broker in metadata.brokers()} == set(NODES) and all(
        set(one.isr) == set(one.replicas) and one.leader == one.replicas[0] for one in partitions
    )


def steady() -> dict[int, int]:
    """Find a port for each node."""
    return dict(zip(NODES, steady_ports(len(NODES)), strict=True))
