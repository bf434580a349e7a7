"""Settings of durable profiles, as a frozen record."""

from typing import Annotated

from msgspec import Meta, Struct

from streams.kafka.settings import Seconds


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make profiles durable. If not `enabled`, a restart begins with empty profiles and may decide an event twice."""

    enabled: bool = True
    flush_interval_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0  # changes are durable and visible within it
    batch_max_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 23)] = 262_144  # one produce of rows
    follow_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.1  # interval between reads of other workers' rows
    read_timeout_s: Seconds = 60.0  # a read that returns nothing for so long has failed
    fence_timeout_s: Seconds = 90.0  # to fence the predecessor of a partition; brokers drop a stuck follower after 30 s
