"""Single records, with all that a broker knows of each."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.records.batches import Refused, Stored
from streams.records.codecs import BrokenError
from streams.records.columns import Header, Records


class Record(NamedTuple):
    """One record as it was read. `stored` is the size of its batch in bytes, and the time of the newest record there.

    `timestamp_type` is 1 where the broker dates records on arrival; a header that cannot be read is left out.
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
    """Raised where a batch that cannot be unpacked has no business to be."""


def fail(tp: TopicPartition, refused: Refused) -> None:
    """Raise for a batch that was refused."""
    raise RefusedBatchError(
        f"{tp.topic}[{tp.partition}], offsets {refused.first} to {refused.end - 1}: {refused.reason}, {refused.size} "
        "bytes as stored. No worker writes such a batch; to read one that is too large, raise "
        "consume.record_batch_max_bytes"
    )


def records_of(tp: TopicPartition, part: Records, batch: Stored) -> Iterator[Record]:
    """Give the records of a batch, or of a part of it, one by one."""
    kind, stored = int(part.is_dated_by_broker), (batch.size, batch.last_ms)
    columns = zip(part.offsets, part.timestamps_ms, part.keys, part.values, strict=True)
    for row, (offset, at_ms, key, value) in enumerate(columns):
        try:
            headers = part.headers(row)
        except BrokenError:
            headers = ()
        yield Record(tp.topic, tp.partition, offset, at_ms, kind, key, value, headers, stored)
