"""Apache Kafka with logins, TLS and an authorizer: a client has the rights that the test grants.

Five listeners on loopback. Clients of PLAINTEXT are super users, for the tests themselves. The others require a login,
TLS, both, or a certificate (MUTUAL); their clients have the granted rights, and none by default.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.kafka.embedded import free_port
from streams.kafka.settings import Broker, Sasl, Secret, Tls
from tests.brokers.certificates import Authority, Pair
from tests.brokers.kafka import TEST_TRAITS, KafkaServer

USER = "sekisho"
PASSWORD = "of the worker"  # noqa: S105 - of a broker that lives as long as its tests
PASSWORD_VARIABLE = "SEKISHO_TEST_KAFKA_PASSWORD"  # noqa: S105 - a name

SECURITY = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},{more}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={login}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}
ssl.keystore.type=PEM
ssl.keystore.location={keys}
ssl.truststore.type=PEM
ssl.truststore.location={trusted}
listener.name.mutual.ssl.client.auth=required
connection.failed.authentication.delay.ms=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""

LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PROTOCOLS = {"SASL_PLAINTEXT": "SASL_PLAINTEXT", "SASL_SSL": "SASL_SSL", "TLS": "SSL", "MUTUAL": "SSL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A running broker: the port of each listener, and its certificates."""

    ports: Mapping[str, int]
    authority: Authority
    client: Pair

    def listener(self, name: str, *, sasl: Sasl | None = None, tls: Tls | None = None) -> Broker:
        """Give the settings for a listener."""
        return Broker(
            bootstrap=(f"127.0.0.1:{self.ports[name]}",),
            profile=TEST_TRAITS,
            sasl=sasl,
            tls=tls,
            request_timeout_s=10.0,
        )

    @property
    def tls(self) -> Tls:
        """Trust the broker's certificate."""
        return Tls(ca_file=str(self.authority.file))

    @property
    def as_super(self) -> Broker:
        """Give the settings of a super user."""
        return self.listener("PLAINTEXT")

    @property
    def as_user(self) -> Broker:
        """Give the settings of USER, whose password is in PASSWORD_VARIABLE."""
        return self.listener("SASL_PLAINTEXT", sasl=LOGIN_OF_USER)


LOGIN_OF_USER = Sasl(username=USER, password=Secret(env=PASSWORD_VARIABLE))


@contextmanager
def secured_broker() -> Iterator[Secured]:
    """Run Apache Kafka with its listeners until the context ends."""
    with tempfile.TemporaryDirectory(prefix="sekisho-kafka-") as name:
        directory = Path(name)
        authority = Authority(directory)
        ports = {listener: free_port() for listener in ("PLAINTEXT", *PROTOCOLS)}
        server = KafkaServer(directory, port=ports["PLAINTEXT"], controller=(controller := free_port()))
        with (directory / "server.properties").open("a") as properties:
            properties.write(
                SECURITY.format(
                    port=ports["PLAINTEXT"],
                    controller=controller,
                    more=",".join(f"{listener}://127.0.0.1:{ports[listener]}" for listener in PROTOCOLS),
                    protocols=",".join(f"{listener}:{protocol}" for listener, protocol in PROTOCOLS.items()),
                    login=LOGIN,
                    keys=authority.issue("broker").both,
                    trusted=authority.file,
                )
            )
        server.format("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        try:
            server.start()
            yield Secured(ports=ports, authority=authority, client=authority.issue("client"))
        finally:
            server.stop()
