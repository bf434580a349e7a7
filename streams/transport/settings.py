"""Settings of fetching and producing, as frozen records. No file, environment or clock is read here."""

from typing import Annotated

from msgspec import Meta, Struct

from streams.kafka.settings import Isolation, Name, Seconds

InstanceId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}\Z")]  # the characters Kafka allows


class FromEnv(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name an environment variable whose value is read at start, for a value that differs between replicas."""

    env: Name


class Consume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limit fetches and the batches in flight."""

    group: Name = "sekisho"
    instance_id: InstanceId | FromEnv | None = None  # static: a restart within the session timeout moves no partition
    isolation: Isolation = "read_committed"
    fetch_max_wait_ms: Annotated[int, Meta(ge=1, le=1000)] = 15  # Faust's 1,500 ms stall every quiet partition
    fetch_spacing_ms: Annotated[int, Meta(ge=0, le=100)] = 1  # least time between fetches: fewer, fuller batches
    fetch_max_partition_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 24)] = 1 << 20
    batch_max_events: Annotated[int, Meta(ge=1, le=2048)] = 2048
    partition_max_batches: Annotated[int, Meta(ge=1, le=64)] = 8  # in flight per partition; back-pressure beyond
    record_batch_max_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 28)] = 1 << 24  # one record batch, unpacked
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
    """Limit produces."""

    batch_max_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 23)] = 900_000  # below the broker's message.max.bytes
    request_timeout_s: Seconds = 10.0  # one produce; then it is sent again over a new connection
    ack_timeout_s: Seconds = 60.0  # all outputs of a batch; longer than brokers elect a leader or drop a follower
