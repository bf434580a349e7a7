"""Unpack the record batches of a fetch into columns."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.structs import TopicPartition

from streams.kafka.errors import UnreadableError
from streams.kafka.reading.ends import name_of
from streams.kafka.reading.fetcher import aborted
from streams.records.batches import Fetched, Refused, Stored, unpack
from streams.records.columns import Records

log = logging.getLogger(__name__)

ROWS_MAX: Final = 4_096
"""Rows of one step: 2 to 4 ms of the main loop."""

BATCH_MAX_BYTES: Final = 64 << 20
"""Largest size of a record batch, unpacked. Workers write smaller ones: the configuration allows 8 MiB, and a record of
20 bytes counts with 128 more."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of 1 to 4,096 consecutive records of one partition."""

    offsets: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)  # b"" where there is none
    values: list[bytes | None] = field(default_factory=list)  # None is a tombstone
    timestamps_ms: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def payloads(self) -> Iterator[bytes]:
        """The values, b"" for a tombstone."""
        return (value or b"" for value in self.values)

    def extend(self, records: Records) -> None:
        """Append records of a batch."""
        self.offsets.extend(records.offsets)
        self.keys.extend(records.names)
        self.values.extend(records.values)
        self.timestamps_ms.extend(records.timestamps_ms)

    def note(self, refused: Refused) -> None:
        """Append a record without key and value, in place of a refused batch."""
        self.offsets.append(refused.first)
        self.keys.append(b"")
        self.values.append(None)
        self.timestamps_ms.append(refused.last_ms)


def batches_of(fetched: Any, end: int) -> list[Stored]:
    """Split a fetch into record batches, up to the one that reaches `end`. Nothing is unpacked."""
    batches: list[Stored] = []
    for batch in Fetched.of(fetched._partition_records):
        batches.append(batch)
        if batch.header.next_offset >= end:
            break
    return batches


def unpacked(
    tp: TopicPartition, fetched: Any, batches: Sequence[Stored], begin: int, end: int, limit: int
) -> Iterator[tuple[Stored, Records | Refused]]:
    """Unpack record batches, without control and aborted ones, and cut them to [begin, end).

    `limit` is the largest size of a batch unpacked, in bytes.

    Raises:
        UnreadableError: a checksum is wrong.
    """
    source = fetched._partition_records
    first = max(begin, source.next_fetch_offset)  # after `begin` if retention has removed it
    for batch in batches:
        header = batch.header
        if not header.validate_crc():
            raise UnreadableError(f"{name_of(tp)}: wrong checksum before offset {header.next_offset}")
        if aborted(source, header) or header.is_control_batch:
            continue
        records = unpack(batch, first, limit)
        yield batch, records if isinstance(records, Refused) else records.before(end)


def rows_of(
    tp: TopicPartition, found: Iterable[tuple[Stored, Records | Refused]], *, is_passed_over: bool
) -> Iterator[Rows]:
    """Gather records into `Rows` of at most ROWS_MAX records.

    If `is_passed_over`, a batch that cannot be unpacked counts as one record without key and value.

    Raises:
        UnreadableError: a batch cannot be unpacked, and `is_passed_over` is false.
    """
    rows = Rows()
    for _, records in found:
        if isinstance(records, Refused):
            if not is_passed_over:
                raise UnreadableError(_complaint(tp, records))
            log.warning("foreign_batch_skipped topic=%s partition=%d offset=%d", *tp, records.first)
            rows.note(records)
            continue
        for part in pieces(records, ROWS_MAX):
            if len(rows) + len(part) > ROWS_MAX:
                yield rows
                rows = Rows()
            rows.extend(part)
    if len(rows):
        yield rows


def pieces(records: Records, most: int) -> Iterator[Records]:
    """Yield parts of at most `most` records."""
    for low in range(0, len(records), most):
        yield records.part(low, min(low + most, len(records)))


def _complaint(tp: TopicPartition, refused: Refused) -> str:
    return (
        f"{name_of(tp)}, offsets {refused.first} to {refused.end - 1}: {refused.reason}, {refused.size} bytes as "
        f"stored. No worker writes such a batch. Find out who else may write to {tp.topic!r}, remove that right, and "
        "start anew (deploy/docs/durability.md#starting-anew)"
    )
