"""Bounded numbers and names for settings: no option can be set to a value that never ends or never fits."""

from typing import Annotated

from msgspec import Meta

DAY_MS = 86_400_000

RetentionMs = Annotated[int, Meta(ge=60_000, le=3650 * DAY_MS)]
Partitions = Annotated[int, Meta(ge=1, le=1024)]
Replicas = Annotated[int, Meta(ge=1, le=16)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Rate = Annotated[float, Meta(gt=0.0, le=1e6)]
RowsPowerOfTwo = Annotated[int, Meta(ge=1, le=1 << 26)]
Rows = Annotated[int, Meta(ge=16, le=1 << 26)]

TopicPrefix = Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z0-9._-]*\Z")]  # the characters Kafka allows
Host = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:-]+\Z")]
FilePath = Annotated[str, Meta(min_length=1, max_length=4096)]
Currency = Annotated[str, Meta(min_length=1, max_length=16)]  # ISO 4217 alphabetic: looked up, not only matched
