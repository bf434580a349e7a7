"""Copies of refused records: same partition, key and timestamp, with the original's coordinates in headers."""

from collections.abc import Sequence

from streams.dlq.letters import Coordinates
from streams.kafka.reading.records import Record
from streams.kafka.sending.bulk import Placed

TOPIC_HEADER = "sekisho-redrive-topic"
PARTITION_HEADER = "sekisho-redrive-partition"
OFFSET_HEADER = "sekisho-redrive-offset"
_OURS = frozenset((TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER))
_DIGITS_MAX = 19


def outgoing(original: Record, value: bytes) -> Placed:
    """Return the copy of a record with a value: same partition, key, timestamp and headers, and its coordinates."""
    kept = tuple((name, content) for name, content in original.headers if name not in _OURS)
    return Placed(
        topic=original.topic,
        partition=original.partition,
        key=original.key,
        value=value,
        timestamp_ms=original.timestamp if original.timestamp >= 0 else None,
        headers=(
            *kept,
            (TOPIC_HEADER, original.topic.encode()),
            (PARTITION_HEADER, b"%d" % original.partition),
            (OFFSET_HEADER, b"%d" % original.offset),
        ),
    )


def redriven_from(headers: Sequence[tuple[str, bytes | None]]) -> Coordinates | None:
    """Return the coordinates of the original if a record is a redriven copy, else None."""
    found = {name: content or b"" for name, content in headers if name in _OURS}
    if len(found) < len(_OURS):
        return None
    partition, offset = found[PARTITION_HEADER], found[OFFSET_HEADER]
    if not all(text.isdigit() and len(text) <= _DIGITS_MAX for text in (partition, offset)):
        return None
    return Coordinates(found[TOPIC_HEADER].decode(errors="replace"), int(partition), int(offset))
