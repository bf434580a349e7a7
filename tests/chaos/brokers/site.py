"""The ground of a scenario with one broker: the broker behind a proxy, and deployments with topics and workers."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml

from streams.kafka.settings import TopicRetention, Topics
from tests.brokers.kafka import KafkaServer
from tests.chaos.brokers.ports import steady_ports
from tests.chaos.brokers.proxy import AnyProxy, Proxy
from tests.chaos.workers import COMMAND, KERNELS_S, TELLING, Crew, Worker, sekisho

RETENTION_MS = 3_650 * 86_400_000
"""Keeps records with any time: the traffic has times of its own, long ago."""

BROKER_SESSION_MS = 4_000

ROWS = {"card": 1 << 14, "merchant": 1 << 12, "merchant_bin": 1 << 15, "bin": 1 << 12}
ROWS |= dict.fromkeys(("device", "ip", "account", "address"), 1 << 15)

BASE: dict[str, Any] = {
    # the shortest session that a broker accepts by default, so a worker that is gone is noticed early
    "kafka": {
        "profile": {
            "name": "chaos",
            "idempotent_producer": True,
            "session_timeout_s": 6.0,
            "heartbeat_interval_s": 1.0,
        },
        "request_timeout_s": 15.0,
    },
    "topics": {"retention_ms": dict.fromkeys(TopicRetention.__struct_fields__, RETENTION_MS)},
    "consume": {"commit_interval_s": 0.5},
    "emit": {"request_timeout_s": 1.5, "ack_timeout_s": 3.0},
    "watch": {"interval_s": 0.5, "stall_s": 15.0, "settle_s": 60.0, "drain_s": 6.0},
    "profiles": {"rows": ROWS},
}


class Place(Protocol):
    """A site of one broker, or of three: `tests.chaos.brokers.clustered`."""

    @property
    def folder(self) -> Path:
        """The folder for files of the scenarios."""
        ...

    @property
    def proxy(self) -> AnyProxy:
        """The proxy between workers and brokers."""
        ...

    @property
    def bootstrap(self) -> str:
        """The address of the brokers themselves, past the proxy."""
        ...

    @property
    def entrance(self) -> Sequence[str]:
        """The address of the brokers for workers."""
        ...

    def create_topics(self, deployment: "Deployment") -> None:
        """Create the topics of a deployment."""
        ...


class Site:
    """A broker, the proxy before it, and a folder. `bootstrap` is the broker itself, without the proxy."""

    def __init__(self, folder: Path, server: KafkaServer, proxy: Proxy) -> None:
        self.folder = folder
        self.proxy = proxy
        self.bootstrap = f"127.0.0.1:{server.port}"
        self.entrance = (f"127.0.0.1:{proxy.port}",)
        self._server = server

    def create_topics(self, deployment: "Deployment") -> None:
        """Create the topics of a deployment, as an operator does."""
        sekisho("topics", "create", "--config", str(deployment.config(0)[0]))

    def restart_broker(self, *, kill: bool, outage_s: float = 0.0) -> None:
        """End the broker, in order or by kill, and start it again after a while; until then its port refuses."""
        if kill:
            self._server.kill()
        else:
            self._server.stop()
        self.proxy.shut()
        time.sleep(outage_s)
        self._server.start()
        self.proxy.open()

    def freeze_broker(self) -> None:
        """Freeze the broker: it accepts requests and answers none. Callable from any thread."""
        self._server.freeze()

    def thaw_broker(self) -> None:
        """Thaw a frozen broker."""
        self._server.thaw()


@contextmanager
def site() -> Iterator[Site]:
    """Start Apache Kafka behind a proxy, and compile what workers need, once."""
    with tempfile.TemporaryDirectory(prefix="sekisho-chaos-") as name:
        folder = Path(name)
        port, controller, inner, outer = steady_ports(4)
        server = KafkaServer(
            folder, port=port, controller=controller, inner_port=inner, proxy_port=outer, session_ms=BROKER_SESSION_MS
        )
        server.format()
        try:
            server.start()
            proxy = Proxy(outer, inner)
            try:
                warm = folder / "warm.yaml"
                warm.write_text("{}\n")
                sekisho("check-config", "--load", str(warm), timeout_s=KERNELS_S)
                yield Site(folder, server, proxy)
            finally:
                proxy.close()
        finally:
            server.stop()


class Deployment:
    """Topics of its own, a group, and the configuration of each of its workers."""

    def __init__(
        self,
        place: Place,
        name: str,
        *,
        partitions: int = 1,
        source: str | None = None,
        changes: Mapping[str, Any] | None = None,
        create: Callable[[Path], object] | None = None,
    ) -> None:
        """Create the topics; `source` reads another deployment's authorizations. `changes` override the settings."""
        names = {field: f"{name}-{field.replace('_', '-')}" for field in Topics.__struct_fields__}
        names["authorizations"] = source or names["authorizations"]
        self.site = place
        self.name = name
        self.partitions = partitions
        self.topics = Topics(**names)
        self._changes = dict(changes or {})
        self._ports: dict[int, int] = {}
        if create is None:
            place.create_topics(self)
        else:
            create(self.config(0)[0])

    def topic(self, field: str) -> str:
        """Name a topic; for a kind that this version does not have, give an unused name."""
        return str(getattr(self.topics, field, f"{self.name}-{field.replace('_', '-')}"))

    def config(self, number: int) -> tuple[Path, int]:
        """Write the configuration of a worker; return the file and the port of its endpoints."""
        port = self._ports.get(number) or steady_ports(1)[0]
        self._ports[number] = port
        own: dict[str, Any] = {
            "kafka": {"bootstrap_servers": list(self.site.entrance)},
            "topics": {
                "names": {field: getattr(self.topics, field) for field in Topics.__struct_fields__},
                "partitions": {"events": self.partitions},
            },
            "consume": {"group": self.name, "instance_id": self.client(number)},
            "http": {"port": port},
        }
        path = self.site.folder / f"{self.client(number)}.yaml"
        path.write_text(yaml.safe_dump(merged(merged(BASE, own), self._changes)))
        return path, port

    def client(self, number: int) -> str:
        """Give the client id of a worker with more in its decisions."""
        return f"{self.name}-{number}"

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set other `changes` over the settings, for workers that start from now on."""
        self._changes = dict(changes)
        for number in self._ports:
            self.config(number)

    def crew(self, workers: int = 1, *, telling: bool = False) -> Crew:
        """Prepare workers; `telling` ones add the features they saw to each decision."""
        places = []
        for number in range(workers):
            path, port = self.config(number)
            command = [*(TELLING if telling else COMMAND), "worker", "--config", str(path)]
            places.append(Worker(number, command, path.with_suffix(".log"), port))
        return Crew(places)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge one tree of settings over another."""
    out = dict(base)
    for key, value in over.items():
        below = out.get(key)
        out[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return out
