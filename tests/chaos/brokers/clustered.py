"""The ground of scenarios with three brokers: each node behind one proxy for clients and one for followers."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError
from msgspec.structs import asdict

from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.kafka.topics import plan
from tests.brokers.cluster import NODES, Cluster, steady
from tests.chaos.brokers.proxy import Proxies, Proxy
from tests.chaos.brokers.site import Deployment
from tests.chaos.workers import KERNELS_S, sekisho

OUTPUTS = (2, 3, 1)
"""Replicas of topics that workers write, the preferred leader first."""

INPUTS = (1, 2, 3)
"""Replicas of topics that workers read."""

GROUPS = (3, 1, 2)
"""Replicas of the brokers' topics for groups and transactional ids."""

INTERNAL: Mapping[str, Mapping[str, str]] = {
    "__consumer_offsets": {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"},
    "__transaction_state": {"cleanup.policy": "compact", "segment.bytes": "104857600"},
}
"""Topics that brokers would create themselves, with leaders of their choice."""

READ = ("authorizations", "authorization_outcomes", "fraud_reports", "merchants")
OPEN_S = 60.0

DEFAULTS: Mapping[str, Any] = {
    "kafka": {"profile": "apache-kafka", "request_timeout_s": Settings().kafka.request_timeout_s},
    "consume": {"instance_id": None, "commit_interval_s": Settings().consume.commit_interval_s},
    "emit": asdict(Settings().emit),
    "watch": asdict(Settings().watch),
}
"""Default settings of a deployment: other scenarios have shorter times."""

REPLICATED: Mapping[str, Any] = {"topics": {"replication_factor": 3, "min_insync_replicas": 2}}
"""Topic settings of a real cluster."""


class ClusterSite:
    """Three nodes, the proxies before them, and a folder."""

    def __init__(self, folder: Path) -> None:
        outer, between = steady(), steady()
        self.folder = folder
        self.cluster = Cluster(folder, clients_come_to=outer, followers_come_to=between)
        self.entrance = tuple(f"127.0.0.1:{port}" for port in outer.values())
        self.bootstrap = self.cluster.bootstrap
        self.clients = {node: Proxy(outer[node], self.cluster.client_ports[node]) for node in NODES}
        self.followers = {node: Proxy(between[node], self.cluster.follower_ports[node]) for node in NODES}
        self.proxy = Proxies(self.clients.values())

    def start(self) -> None:
        """Start the nodes, and put their own topics on the intended replicas.

        Raises:
            EmbeddedBrokerError, TimeoutError: they did not become a cluster.
        """
        self.cluster.start()
        asyncio.run(_create(self.bootstrap, [_placed(name, 1, GROUPS, configs) for name, configs in INTERNAL.items()]))
        self.cluster.await_in_sync()

    def close(self) -> None:
        """End the nodes and the proxies."""
        self.cluster.stop()
        for proxy in (*self.clients.values(), *self.followers.values()):
            proxy.close()

    def create_topics(self, deployment: Deployment) -> None:
        """Create the topics of a deployment with known leaders, and two more for a plain producer: `probes_of`.

        Decisions have the time at which their broker appended them, so the log shows the times without a decision.
        """
        settings = load_settings(deployment.config(0)[0])
        names = {getattr(deployment.topics, field) for field in READ}
        appended = {"message.timestamp.type": "LogAppendTime"}
        wanted = [
            _placed(
                topic.name,
                topic.partitions,
                INPUTS if topic.name in names else OUTPUTS,
                {**topic.configs, **(appended if topic.name == deployment.topics.decisions else {})},
            )
            for topic in plan(settings.topics)
        ]
        probes = [
            _placed(name, deployment.partitions, replicas, {**appended, "min.insync.replicas": "2"})
            for name, replicas in zip(probes_of(deployment), (INPUTS, OUTPUTS), strict=True)
        ]
        asyncio.run(_create(self.bootstrap, [*wanted, *probes]))
        self.cluster.await_in_sync()

    def kill(self, *nodes: int) -> None:
        """End nodes as `kill -9` does; until they start again their ports refuse."""
        for node in nodes:
            self.cluster.nodes[node].kill()
        self._each(nodes, Proxy.shut)

    def stop(self, node: int) -> None:
        """End a node in order."""
        self.cluster.nodes[node].stop()
        self._each((node,), Proxy.shut)

    def restart(self, *nodes: int) -> None:
        """Start nodes again; it does not wait until they are in sync."""
        for node in nodes:
            self.cluster.nodes[node].launch()
        self._each(nodes, Proxy.open)
        for node in nodes:
            self.cluster.nodes[node].await_listening()

    def _each(self, nodes: tuple[int, ...], do: Any) -> None:
        for node in nodes:
            for proxies in (self.clients, self.followers):
                do(proxies[node])


def probes_of(deployment: Deployment) -> tuple[str, str]:
    """Name two topics with the leaders of the input and of the decisions, which no worker uses."""
    return f"{deployment.name}-probe-in", f"{deployment.name}-probe-out"


@contextmanager
def cluster_site() -> Iterator[ClusterSite]:
    """Start three nodes behind proxies, and compile what workers need, once."""
    with tempfile.TemporaryDirectory(prefix="sekisho-cluster-") as name:
        place = ClusterSite(Path(name))
        try:
            place.start()
            warm = place.folder / "warm.yaml"
            warm.write_text("{}\n")
            sekisho("check-config", "--load", str(warm), timeout_s=KERNELS_S)
            yield place
        finally:
            place.close()


def _placed(name: str, partitions: int, replicas: tuple[int, ...], configs: Mapping[str, str]) -> NewTopic:
    assignments = {partition: list(replicas) for partition in range(partitions)}
    return NewTopic(name, -1, -1, replica_assignments=assignments, topic_configs=dict(configs))


async def _create(bootstrap: str, topics: list[NewTopic]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(topics)
    finally:
        await admin.close()
    refused = [(name, code) for name, code, *_ in answer.topic_errors if code not in {0, TopicAlreadyExistsError.errno}]
    assert not refused, f"topics were refused: {refused}"
