"""Where the brokers are, how to talk to them, and the names of the topics, as frozen records."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Name = Annotated[str, Meta(min_length=1, max_length=249)]  # Kafka's limit on a topic name

Isolation = Literal["read_uncommitted", "read_committed"]
"""Whether what is read includes transactions that are open or rolled back: Kafka's `isolation.level`."""


class BrokerProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """State what differs between brokers that speak Kafka's protocol, so that no code has to ask which one it is."""

    name: Name
    idempotent_producer: bool  # False where InitProducerId is refused
    session_timeout_s: Seconds  # Apache Kafka accepts 6 s to 30 min
    heartbeat_interval_s: Seconds
    fencing: bool = True  # False where InitProducerId with a transactional id is refused: tried at start

    def __post_init__(self) -> None:
        if self.fencing and not self.idempotent_producer:
            raise ValueError("`fencing` needs `idempotent_producer`: set `fencing: false`")


APACHE_KAFKA = BrokerProfile(
    name="apache-kafka", idempotent_producer=True, session_timeout_s=15.0, heartbeat_interval_s=3.0
)
# A group join waits here for half the session timeout, so it is short.
EMBEDDED = BrokerProfile(
    name="embedded", idempotent_producer=False, session_timeout_s=6.0, heartbeat_interval_s=1.5, fencing=False
)

PROFILES = {profile.name: profile for profile in (APACHE_KAFKA, EMBEDDED)}


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name where a secret is kept: a file or an environment variable, exactly one. Never the secret itself."""

    file: str | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.env is None):
            raise ValueError("a secret names exactly one of `file` and `env`")


class Tls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a TLS connection. Without `ca_file` the system's authorities are trusted."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` come together")


class Sasl(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a SASL login."""

    username: Name
    password: Secret
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


class Broker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say where the brokers are and how to talk to them."""

    bootstrap: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] = field(  # host:port
        default=("127.0.0.1:9092",), name="bootstrap_servers"
    )
    profile: BrokerProfile = APACHE_KAFKA
    tls: Tls | None = None
    sasl: Sasl | None = None
    request_timeout_s: Seconds = 30.0


INPUT_ROLES: Final = ("authorizations", "fraud_reports", "authorization_outcomes")
"""The fields of `Topics` that are read in order. Their topics have one partition for each of the authorizations."""


class Topics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name the topics; all but merchants, alerts and dead letters have the same number of partitions."""

    authorizations: Name = "authorizations"
    authorization_outcomes: Name = "authorization-outcomes"
    fraud_reports: Name = "fraud-reports"
    merchants: Name = "merchants"
    decisions: Name = "decisions"
    alerts: Name = "alerts"
    dead_letters: Name = "dead-letters"
    card_profiles: Name = "card-profiles"
    shared_profiles: Name = "shared-profiles"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that are read in order, authorizations first: profiles know an offset of each."""
        return tuple(getattr(self, role) for role in INPUT_ROLES)
