"""Apache Kafka for tests and benchmarks: jars by Maven coordinates, one KRaft process on loopback.

Plain functions and a context manager; the fixtures are in tests/integration/conftest.py. Jars are kept in
`$XDG_CACHE_HOME/sekisho` (`~/.cache/sekisho`), outside the checkout.
"""

import base64
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.embedded import await_port, end, free_port
from streams.transport.settings import APACHE_KAFKA, Broker

VERSION = "4.3.1"
BOOTSTRAP_VARIABLE = "SEKISHO_TEST_KAFKA"
MAVEN_S = 600
FORMAT_S = 60
START_S = 60

# The shortest session that a broker accepts by default: a member that was killed is missed soonest.
TEST_PROFILE = type(APACHE_KAFKA)(
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
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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
num.network.threads=2
num.io.threads=2
"""


def missing() -> str | None:
    """Say in one line why Apache Kafka cannot be had here, or return None."""
    if os.environ.get(BOOTSTRAP_VARIABLE):
        return None
    absent = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"needs {' and '.join(absent)}, or {BOOTSTRAP_VARIABLE}=host:port" if absent else None


def jars() -> Path:
    """Return the folder with Kafka's jars, fetching them once per machine.

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
"""As Kafka's own scripts start it: with less memory it collects all the time, and every client waits."""


@contextmanager
def kafka_broker() -> Iterator[Broker]:
    """Run Apache Kafka until the context is left, or yield the one that SEKISHO_TEST_KAFKA names."""
    given = os.environ.get(BOOTSTRAP_VARIABLE)
    if given:
        yield Broker(bootstrap=tuple(given.split(",")), profile=TEST_PROFILE)
        return
    java = ["java", *JVM, "-cp", f"{jars()}/*"]
    with tempfile.TemporaryDirectory(prefix="sekisho-kafka-") as directory:
        port, controller = free_port(), free_port()
        config = Path(directory) / "server.properties"
        config.write_text(PROPERTIES.format(port=port, controller=controller, directory=directory))
        # a leading dash, one id in 64, would be read as an option
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        output = Path(directory) / "output"
        with output.open("wb") as sink:
            subprocess.run(
                [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)],
                check=True,
                timeout=FORMAT_S,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
            process = subprocess.Popen(
                [*java, "kafka.Kafka", str(config)], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=directory
            )
            try:
                await_port(port, process, START_S)
                yield Broker(bootstrap=(f"127.0.0.1:{port}",), profile=TEST_PROFILE)
            finally:
                end(process)
