"""Where the brokers are, how to talk to them, and the names of the topics, as frozen records."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct, field

from streams.kafka.types import DAY_MS, Partitions, RetentionMs

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Name = Annotated[str, Meta(min_length=1, max_length=249)]  # Kafka's limit on a topic name

Isolation = Literal["read_uncommitted", "read_committed"]
"""Whether what is read includes transactions that are open or rolled back: Kafka's `isolation.level`."""


class BrokerTraits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """State what differs between brokers that speak Kafka's protocol, so that no code has to ask which one it is."""

    name: Name
    idempotent_producer: bool  # False where InitProducerId is refused
    session_timeout_s: Seconds  # Apache Kafka accepts 6 s to 30 min
    heartbeat_interval_s: Seconds
    fencing: bool = True  # False where InitProducerId with a transactional id is refused: tried at start

    def __post_init__(self) -> None:
        if self.fencing and not self.idempotent_producer:
            raise ValueError("`fencing` needs `idempotent_producer`: set `fencing: false`")


APACHE_KAFKA = BrokerTraits(
    name="apache-kafka", idempotent_producer=True, session_timeout_s=15.0, heartbeat_interval_s=3.0
)
# A group join waits here for half the session timeout, so it is short.
EMBEDDED = BrokerTraits(
    name="embedded", idempotent_producer=False, session_timeout_s=6.0, heartbeat_interval_s=1.5, fencing=False
)

BROKER_TRAITS = {traits.name: traits for traits in (APACHE_KAFKA, EMBEDDED)}


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
    profile: BrokerTraits = APACHE_KAFKA
    tls: Tls | None = None
    sasl: Sasl | None = None
    request_timeout_s: Seconds = 30.0


class Role(NamedTuple):
    """What a topic is for.

    `kind`: an `input` is read in order, and profiles know an offset of it; the `registry` is read as a whole by every
    worker; an `output` is written; `profiles` are changelogs. `partitions`: the setting that counts its partitions.
    What lives on the partition of its card is counted by `events`.
    """

    kind: Literal["input", "registry", "output", "profiles"]
    partitions: Literal["events", "merchants", "alerts", "dead_letters"]


ROLES: Final[dict[str, Role]] = {
    "authorizations": Role("input", "events"),
    "authorization_outcomes": Role("input", "events"),
    "fraud_reports": Role("input", "events"),
    "merchants": Role("registry", "merchants"),
    "decisions": Role("output", "events"),
    "alerts": Role("output", "alerts"),
    "dead_letters": Role("output", "dead_letters"),
    "card_profiles": Role("profiles", "events"),
    "shared_profiles": Role("profiles", "events"),
}
"""The one table of topics, by field of `Topics`: from it come plans, rights, checks, what is redriven and metrics."""

INPUT_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind == "input")
OUTPUT_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind == "output")
READ_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind in {"input", "registry"})
"""What a worker reads and refuses records of: inputs, and the registry."""


def label_of(field: str) -> str:
    """Name a topic for people and metrics, whatever it is called on the brokers: `fraud-reports`."""
    return field.replace("_", "-")


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
        return self.of(INPUT_ROLES)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics that decisions, alerts and dead letters go to."""
        return self.of(OUTPUT_ROLES)

    def of(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the topics of some fields."""
        return tuple(getattr(self, field) for field in fields)


assert tuple(ROLES) == Topics.__struct_fields__, "each topic has its role"


class TopicPartitions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many partitions each topic gets.

    `events` holds for authorizations, their outcomes, fraud-reports, decisions and profiles alike: what belongs to a
    card lives on the partition of its authorizations.
    """

    events: Partitions = 6
    merchants: Partitions = 1
    alerts: Partitions = 1
    dead_letters: Partitions = 1


class TopicRetention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long records live, in milliseconds. `merchants` and profiles are compacted and keep the last of each key."""

    authorizations: RetentionMs = 7 * DAY_MS
    authorization_outcomes: RetentionMs = 7 * DAY_MS
    fraud_reports: RetentionMs = 30 * DAY_MS
    decisions: RetentionMs = 30 * DAY_MS
    alerts: RetentionMs = 30 * DAY_MS
    dead_letters: RetentionMs = 30 * DAY_MS


assert {field for field in ROLES if ROLES[field].kind in {"input", "output"}} == set(
    TopicRetention.__struct_fields__
), "what is not compacted has its age"
