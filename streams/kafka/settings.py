"""Settings of brokers and topics, as frozen records."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct, field

from streams.kafka.types import DAY_MS, Partitions, RetentionMs

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Name = Annotated[str, Meta(min_length=1, max_length=249)]  # Kafka's limit on a topic name

Isolation = Literal["read_uncommitted", "read_committed"]
"""Kafka's `isolation.level`: whether reads include open and aborted transactions."""


class BrokerTraits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traits in which brokers with Kafka's protocol differ. Code asks for a trait, never for the broker's name."""

    name: Name
    idempotent_producer: bool  # False where InitProducerId is refused
    session_timeout_s: Seconds  # Apache Kafka accepts 6 s to 30 min
    heartbeat_interval_s: Seconds
    fencing: bool = True  # False where InitProducerId with a transactional id is refused; tested at start
    empty_is_end: bool = True  # False where a slow broker answers a fetch with nothing though it has records

    def __post_init__(self) -> None:
        if self.fencing and not self.idempotent_producer:
            raise ValueError("`fencing` needs `idempotent_producer`: set `fencing: false`")


APACHE_KAFKA = BrokerTraits(
    name="apache-kafka", idempotent_producer=True, session_timeout_s=15.0, heartbeat_interval_s=3.0
)
# On this broker a group join waits for half the session timeout, so that is short. It stops to read when
# fetch.max.wait.ms is over, also before the first record.
EMBEDDED = BrokerTraits(
    name="embedded",
    idempotent_producer=False,
    session_timeout_s=6.0,
    heartbeat_interval_s=1.5,
    fencing=False,
    empty_is_end=False,
)

BROKER_TRAITS = {traits.name: traits for traits in (APACHE_KAFKA, EMBEDDED)}


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Place of a secret: exactly one of a file and an environment variable. Never the secret itself."""

    file: str | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.env is None):
            raise ValueError("a secret names exactly one of `file` and `env`")


class Tls(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of TLS. Without `ca_file` the system's certificate authorities are trusted."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` come together")


class Sasl(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a SASL login."""

    username: Name
    password: Secret
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


class Broker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the brokers: addresses, traits, TLS, login and timeout."""

    bootstrap: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] = field(  # host:port
        default=("127.0.0.1:9092",), name="bootstrap_servers"
    )
    profile: BrokerTraits = APACHE_KAFKA
    tls: Tls | None = None
    sasl: Sasl | None = None
    request_timeout_s: Seconds = 30.0


class Role(NamedTuple):
    """Role of a topic.

    `kind`: an `input` is read in order, and markers name an offset of it; `merchants` and `lists` are read as a whole
    by every worker; `report` is read by reports only; an `output` is written; `profiles` are changelogs.
    `partitions`: the setting for its number of partitions. It is `events` for topics whose records are on the
    partition of their card.
    """

    kind: Literal["input", "merchants", "lists", "report", "output", "profiles"]
    partitions: Literal["events", "merchants", "lists", "alerts", "dead_letters"]


ROLES: Final[dict[str, Role]] = {
    "authorizations": Role("input", "events"),
    "authorization_outcomes": Role("input", "events"),
    "fraud_reports": Role("input", "events"),
    "threeds_results": Role("input", "events"),
    "settlements": Role("report", "events"),
    "merchants": Role("merchants", "merchants"),
    "lists": Role("lists", "lists"),
    "decisions": Role("output", "events"),
    "alerts": Role("output", "alerts"),
    "dead_letters": Role("output", "dead_letters"),
    "card_profiles": Role("profiles", "events"),
    "shared_profiles": Role("profiles", "events"),
}
"""The table of topics, by field of `Topics`. Plans, rights, checks, redriving and metrics use it."""

INPUT_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind == "input")
OUTPUT_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind == "output")
READ_ROLES: Final = tuple(field for field, role in ROLES.items() if role.kind in {"input", "merchants"})
"""Topics with records that a worker reads and may refuse: inputs and merchants."""


def label_of(field: str) -> str:
    """Return the name of a topic in messages and metrics, such as `fraud-reports`. Settings do not change it."""
    return field.replace("_", "-")


class Topics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the topics. All but merchants, lists, alerts and dead letters have the same number of partitions.

    `threeds_results`, `settlements` and `lists` are optional: None where a deployment has no such feed.
    """

    authorizations: Name = "authorizations"
    authorization_outcomes: Name = "authorization-outcomes"
    fraud_reports: Name = "fraud-reports"
    threeds_results: Name | None = None
    settlements: Name | None = None
    merchants: Name = "merchants"
    lists: Name | None = None
    decisions: Name = "decisions"
    alerts: Name = "alerts"
    dead_letters: Name = "dead-letters"
    card_profiles: Name = "card-profiles"
    shared_profiles: Name = "shared-profiles"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that are read in order, authorizations first. Markers name an offset of each."""
        return self.of(INPUT_ROLES)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics of decisions, alerts and dead letters."""
        return self.of(OUTPUT_ROLES)

    def of(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the topics of some fields, without those that the deployment does not have."""
        return tuple(name for field in fields if (name := getattr(self, field)) is not None)

    def having(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return the fields whose topics the deployment has."""
        return tuple(field for field in fields if getattr(self, field) is not None)


assert tuple(ROLES) == Topics.__struct_fields__, "each topic has its role"


class TopicPartitions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers of partitions of the topics.

    `events` is for authorizations, their outcomes, fraud reports, results of 3-D Secure, decisions and profiles: all
    records of a card are on the same partition number. Settlements have as many, in any order.
    """

    events: Partitions = 6
    merchants: Partitions = 1
    lists: Partitions = 1
    alerts: Partitions = 1
    dead_letters: Partitions = 1


class TopicRetention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Retention of the topics in ms. The others are compacted: the last record of each key is kept."""

    authorizations: RetentionMs = 7 * DAY_MS
    authorization_outcomes: RetentionMs = 7 * DAY_MS
    fraud_reports: RetentionMs = 30 * DAY_MS
    threeds_results: RetentionMs = 7 * DAY_MS
    settlements: RetentionMs = 400 * DAY_MS
    decisions: RetentionMs = 30 * DAY_MS
    alerts: RetentionMs = 30 * DAY_MS
    dead_letters: RetentionMs = 30 * DAY_MS


assert {field for field in ROLES if ROLES[field].kind in {"input", "report", "output"}} == set(
    TopicRetention.__struct_fields__
), "each topic that is not compacted has a retention"
