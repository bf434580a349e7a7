"""Bounded types of topic settings: Kafka accepts every value that they allow."""

from typing import Annotated

from msgspec import Meta

DAY_MS = 86_400_000

RetentionMs = Annotated[int, Meta(ge=60_000, le=3650 * DAY_MS)]
Partitions = Annotated[int, Meta(ge=1, le=1024)]
Replicas = Annotated[int, Meta(ge=1, le=16)]
TopicPrefix = Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z0-9._-]*\Z")]  # the characters Kafka allows
