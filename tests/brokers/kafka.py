"""Apache Kafka for tests and benchmarks: jars by Maven coordinates, one KRaft process on loopback.

Plain functions and a context manager; the fixtures are in tests/integration/conftest.py. Jars are kept in
`$XDG_CACHE_HOME/sekisho` (`~/.cache/sekisho`), outside the checkout.
"""

import base64
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.kafka.embedded import await_port, end, free_port
from streams.kafka.settings import APACHE_KAFKA, Broker

VERSION = "4.3.1"
BOOTSTRAP_VARIABLE = "SEKISHO_TEST_KAFKA"
MAVEN_S = 600
FORMAT_S = 60
START_S = 60
END_S = 10

# The shortest session that a broker accepts by default, so a killed member is noticed early.
TEST_TRAITS = type(APACHE_KAFKA)(
    name="apache-kafka-test", idempotent_producer=True, session_timeout_s=6.0, heartbeat_interval_s=1.0
)

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sekisho</groupId><artifactId>test-broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{behind_proxy}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{through_proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=2
log.cleaner.backoff.ms=1000
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms={heartbeat_ms}
"""


def missing() -> str | None:
    """Say in one line why Apache Kafka is not available here; None if it is."""
    reason = None if os.environ.get(BOOTSTRAP_VARIABLE) else missing_tools()
    return f"{reason}, or {BOOTSTRAP_VARIABLE}=host:port" if reason else None


def missing_tools() -> str | None:
    """Say in one line why no broker can be started here, even if others are available; None if one can."""
    absent = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"needs {' and '.join(absent)}" if absent else None


def jars() -> Path:
    """Return the folder with Kafka's jars; they are downloaded once per machine.

    Raises:
        subprocess.CalledProcessError: Maven failed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sekisho" / f"kafka-{VERSION}"
    libs = cache / "libs"
    if not (cache / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "pom.xml").write_text(POM)
        subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={libs}"],
            cwd=cache,
            check=True,
            timeout=MAVEN_S,
            stdin=subprocess.DEVNULL,
        )
        (cache / "complete").touch()
    return libs


JVM = (
    "-server",
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
"""As in Kafka's own scripts: with less memory it collects garbage all the time, and every client waits."""


class KafkaServer:
    """One KRaft process on loopback. Its data in `directory` is kept: started again, it continues on the same port.

    With `proxy_port` it has a second listener on `inner_port`, which advertises `proxy_port`: a proxy from there to
    `inner_port` sees all requests of its clients. A broker that was killed serves again when its old session is over,
    by default after Kafka's 9 s.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        controller: int,
        inner_port: int | None = None,
        proxy_port: int = 0,
        session_ms: int = 9_000,
        properties: str | None = None,
        jvm: Sequence[str] = JVM,
    ) -> None:
        """Write the configuration: `properties` if given, else those of a single broker."""
        self.port = port
        self._directory = directory
        self._java = ["java", *jvm, "-cp", f"{jars()}/*"]
        self._config = directory / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        proxied = inner_port is not None
        self._config.write_text(
            properties
            or PROPERTIES.format(
                port=port,
                controller=controller,
                directory=directory,
                session_ms=session_ms,
                heartbeat_ms=session_ms // 5,
                behind_proxy=f",PROXIED://127.0.0.1:{inner_port}" if proxied else "",
                through_proxy=f",PROXIED://127.0.0.1:{proxy_port}" if proxied else "",
            )
        )

    def format(self, *options: str, cluster: str = "") -> None:
        """Format the storage, once, with more `options` of Kafka's storage tool. Nodes of one cluster share its id.

        Raises:
            subprocess.CalledProcessError: the tool failed; its output is in `output`.
        """
        name = cluster or cluster_id()
        with (self._directory / "output").open("ab") as sink:
            subprocess.run(
                [*self._java, "kafka.tools.StorageTool", "format", "-t", name, "-c", str(self._config), *options],
                check=True,
                timeout=FORMAT_S,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )

    def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            EmbeddedBrokerError: it ended, or did not listen in time.
        """
        self.launch()
        self.await_listening()

    def launch(self) -> None:
        """Start the process."""
        assert self._process is None, "the broker runs already"
        with (self._directory / "output").open("ab") as sink:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self._directory,
            )

    def await_listening(self) -> None:
        """Wait until the process listens.

        Raises:
            EmbeddedBrokerError: it ended, or did not listen in time.
        """
        assert self._process is not None, "the broker does not run"
        await_port(self.port, self._process, START_S)

    def stop(self) -> None:
        """End the process in order if it runs; after a deadline by force."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def kill(self) -> None:
        """End the process at once, as `kill -9` does."""
        assert self._process is not None, "the broker does not run"
        self._process.kill()
        self._process.wait(END_S)
        self._process = None

    @property
    def runs(self) -> bool:
        """Tell whether the process exists, frozen or not."""
        return self._process is not None

    def freeze(self) -> None:
        """Freeze the process: its sockets stay open and accept data, and it answers nothing."""
        assert self._process is not None, "the broker does not run"
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Thaw a frozen process."""
        assert self._process is not None, "the broker does not run"
        self._process.send_signal(signal.SIGCONT)


def cluster_id() -> str:
    """Make an id for a cluster."""
    # a leading dash, one id in 64, would be read as an option
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


@contextmanager
def kafka_broker() -> Iterator[Broker]:
    """Run Apache Kafka until the context ends, or yield the broker that SEKISHO_TEST_KAFKA names."""
    given = os.environ.get(BOOTSTRAP_VARIABLE)
    if given:
        yield Broker(bootstrap=tuple(given.split(",")), profile=TEST_TRAITS)
        return
    with tempfile.TemporaryDirectory(prefix="sekisho-kafka-") as directory:
        server = KafkaServer(Path(directory), port=free_port(), controller=free_port())
        server.format()
        try:
            server.start()
            yield Broker(bootstrap=(f"127.0.0.1:{server.port}",), profile=TEST_TRAITS)
        finally:
            server.stop()
