"""Rows after the last marker: a crashed flush wrote them without a transaction, and they do not count.

They exist where the broker does not fence, and after a flush of a release before ADR 0018. The first flush of the next
owner writes their keys again, or tombstones. Until then the log cleaner may keep such a row as the newest of its key
and remove the one that counts. For that the broker must have begun a new segment during the crashed flush, and nobody
have restored the partition within `min.compaction.lag.ms`. Such a loss cannot be repaired here, but it is logged.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from aiokafka.structs import TopicPartition
from numpy.typing import NDArray

from streams.kafka.reading.log import LogReader
from streams.state.check import COMPACTION_LAG_MIN_MS
from streams.state.log.packing import KEY_SIZE

log = logging.getLogger(__name__)

Span = tuple[TopicPartition, int, int]
"""A partition of a topic, first offset and end offset."""


@dataclass(slots=True)
class Uncounted:
    """Keys of such rows in the order of the topics. `missing`: keys for which no row that counts was read yet."""

    keys: list[bytes] = field(default_factory=list)
    oldest_ms: int | None = None
    missing: set[bytes] = field(default_factory=set)

    def note_counted(self, keys: Sequence[bytes]) -> None:
        """Remove keys from `missing`: rows that count were read for them."""
        if self.missing:
            self.missing.difference_update(keys)

    def log_missing(self, partition: int) -> None:
        """Log how many rows the cleaner may have removed. New cards and merchants are among them."""
        if self.missing and self.oldest_ms is not None:
            age_s = time.time() - self.oldest_ms / 1e3
            log.error("rows_may_be_lost partition=%d rows=%d age_s=%.0f", partition, len(self.missing), age_s)

    def packed(self) -> NDArray[np.uint32]:
        """Return the keys as uint32[n, 3], for `Changelog.rewrite`."""
        return np.frombuffer(bytearray(b"".join(self.keys)), dtype="<u4").reshape(-1, KEY_SIZE // 4)


async def uncounted(reader: LogReader, spans: Sequence[Span]) -> Uncounted:
    """Read the keys of all rows in these spans.

    Raises:
        UnreadableError: a topic cannot be read.
    """
    found = Uncounted()
    for tp, begin, end in spans:
        async for rows in reader.read(tp, begin, end):
            found.keys += [key for key in rows.keys if len(key) == KEY_SIZE]
            if found.oldest_ms is None:
                found.oldest_ms = rows.timestamps_ms[0]
    if found.oldest_ms is not None and time.time() * 1e3 - found.oldest_ms > COMPACTION_LAG_MIN_MS:
        found.missing.update(found.keys)
    return found
