"""How profiles survive, as a frozen record."""

from typing import Annotated

from msgspec import Meta, Struct

from streams.kafka.settings import Seconds


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how profiles survive. Without it a restart begins with empty ones and may answer an event a second time."""

    enabled: bool = True
    flush_interval_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0  # within it changes are durable and seen
    batch_max_bytes: Annotated[int, Meta(ge=1 << 14, le=1 << 23)] = 262_144  # of one produce of rows
    follow_interval_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.1  # how often to look for what other workers saw
    read_timeout_s: Seconds = 60.0  # a read of rows that brings nothing for so long has failed
    fence_timeout_s: Seconds = 90.0  # to fence the predecessor of a partition; brokers drop a stuck follower after 30 s
