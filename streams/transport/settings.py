"""What the transport needs to know, as frozen records. No file, environment or clock is read here."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Name = Annotated[str, Meta(min_length=1, max_length=249)]  # Kafka's limit on a topic name
InstanceId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}\Z")]  # the characters Kafka allows


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


class FromEnv(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name the environment variable whose value a worker takes when it starts: what differs between its replicas."""

    env: Name


Isolation = Literal["read_uncommitted", "read_committed"]
"""Whether what is read includes transactions that are open or rolled back: Kafka's `isolation.level`."""


class Consume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bound what is fetched and what may be in flight."""

    group: Name = "sekisho"
    instance_id: InstanceId | FromEnv | None = None  # static: a restart within the session timeout moves no partition
    isolation: Isolation = "read_committed"
    fetch_max_wait_ms: Annotated[int, Meta(ge=1, le=1000)] = 15  # Faust's 1,500 ms stall every quiet partition
    fetch_spacing_ms: Annotated[int, Meta(ge=0, le=100)] = 1  # least time between fetches: fewer, fuller batches
    fetch_max_partition_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 24)] = 1 << 20
    batch_max_events: Annotated[int, Meta(ge=1, le=2048)] = 2048
    partition_max_batches: Annotated[int, Meta(ge=1, le=64)] = 8  # in flight per partition; back-pressure beyond
    record_batch_max_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 28)] = 1 << 24  # of one of a producer's, unpacked
    in_flight_max_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 36)] = 1 << 26  # unpacked, not yet acknowledged
    commit_interval_s: Seconds = 1.0
    rebalance_timeout_s: Seconds = 45.0

    def __post_init__(self) -> None:
        if self.record_batch_max_bytes < self.fetch_max_partition_bytes:
            raise ValueError(
                "record_batch_max_bytes must not be below fetch_max_partition_bytes, "
                "or a batch that fits into a fetch is refused"
            )
        if self.in_flight_max_bytes < self.record_batch_max_bytes:
            raise ValueError("in_flight_max_bytes must not be below record_batch_max_bytes")


class Emit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bound what is produced."""

    batch_max_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 23)] = 900_000  # below the broker's message.max.bytes
    request_timeout_s: Seconds = 10.0  # one produce; then it is sent again over a new connection
    ack_timeout_s: Seconds = 60.0  # all of them; longer than brokers take for a new leader, or to drop a stuck follower


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how profiles survive. Without it a restart begins with empty ones and may answer an event a second time."""

    enabled: bool = True
    flush_interval_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0  # within it changes are durable and seen
    batch_max_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 23)] = 262_144  # of one produce of rows
    follow_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.1  # how often to look for what other workers saw
    read_timeout_s: Seconds = 60.0  # a read of rows that brings nothing for so long has failed
    fence_timeout_s: Seconds = 90.0  # to fence the predecessor of a partition; brokers drop a stuck follower after 30 s


class PoisonLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say when dead letters of one partition mean that more than single events is at fault.

    Either the share and the number of the last `window_events` are both passed, or so many came in a row.
    """

    window_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    max_letters: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000
    max_consecutive: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000  # without an accepted event or a repeat between


class Watch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how long the worker may stand still before it ends itself."""

    interval_s: Seconds = 1.0
    stall_s: Seconds = 90.0  # lag and no progress, or a batch unfinished, for longer than this
    settle_s: Seconds = 300.0  # a group that has not assigned partitions for longer than this never will
    restore_stall_s: Seconds = 120.0  # a restore that has made no step for longer than this makes none any more
    drain_s: Seconds = 30.0  # from SIGTERM or a crash to the end of the process


class WorkerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gather all that a worker's shell needs."""

    broker: Broker = Broker()
    topics: Topics = Topics()
    consume: Consume = Consume()
    emit: Emit = Emit()
    state: State = State()
    poison: PoisonLimit = PoisonLimit()
    watch: Watch = Watch()
    reference_timeout_s: Seconds = 120.0  # to read `merchants` to its end before the first event

    @property
    def is_fenced(self) -> bool:
        """Tell whether the broker keeps out every earlier owner of a partition, and no clock has to."""
        return self.broker.profile.fencing and self.state.enabled

    @property
    def isolation_of(self) -> dict[str, Isolation]:
        """Say how the logs are read that a worker writes. Its inputs are read as `consume.isolation` says.

        Flushes of profiles count once they are committed, where the broker fences. Outputs are written without a
        transaction; all of them count, and a stranger's open transaction must not hide those behind it.
        """
        names = self.topics
        profiles = "read_committed" if self.broker.profile.fencing else self.consume.isolation
        return {
            names.card_profiles: profiles,
            names.shared_profiles: profiles,
            **dict.fromkeys((names.decisions, names.alerts, names.dead_letters), "read_uncommitted"),
        }
