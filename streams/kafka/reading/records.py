"""Single records with all their metadata."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.records.batches import Refused, Stored
from streams.records.codecs import BrokenError
from streams.records.columns import Header, Records


class Record(NamedTuple):
    """A record. `stored`: the size in bytes of its record batch, and the newest timestamp in it.

    `timestamp_type` is 1 if the broker sets timestamps on arrival. If a header cannot be read, `headers` is empty.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    stored: tuple[int, int] = (0, 0)


Refuse = Callable[[TopicPartition, Refused], None]


class RefusedBatchError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Raised for a batch that cannot be unpacked, on a topic where no worker writes one."""


def fail(tp: TopicPartition, refused: Refused) -> None:
    """Raise for a batch that was refused."""
    raise RefusedBatchError(
        f"{tp.topic}[{tp.partition}], offsets {refused.first} to {refused.end - 1}: {refused.reason}, {refused.size} "
        "bytes as stored. No worker writes such a batch; to read one that is too large, raise "
        "consume.record_batch_max_bytes"
    )


def records_of(tp: TopicPartition, part: Records, batch: Stored) -> Iterator[Record]:
    """Yield the records of a batch, or of a part of it."""
    kind, stored = int(part.is_dated_by_broker), (batch.size, batch.last_ms)
    columns = zip(part.offsets, part.timestamps_ms, part.keys, part.values, strict=True)
    for row, (offset, at_ms, key, value) in enumerate(columns):
        try:
            headers = part.headers(row)
        except BrokenError:
            headers = ()
        yield Record(tp.topic, tp.partition, offset, at_ms, kind, key, value, headers, stored)
