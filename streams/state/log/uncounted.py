"""Rows behind the last marker: a crashed flush left them without a transaction, and they do not count.

That is so where the broker does not fence, and for a flush of a release before ADR 0018. The first flush of the next
owner writes their keys again, or buries them. Until then the log cleaner may take such a row for the newest of its key,
and remove the one that counts: where the broker began a new segment in the middle of the crashed flush, and nobody
restored the partition for `min.compaction.lag.ms`. That cannot be mended here, but it is noticed.
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
"""A log, and from where to where."""


@dataclass(slots=True)
class Uncounted:
    """The keys of such rows in the order of the logs, and which of them have no row that counts, as far as is known."""

    keys: list[bytes] = field(default_factory=list)
    oldest_ms: int | None = None
    missing: set[bytes] = field(default_factory=set)

    def note_counted(self, keys: Sequence[bytes]) -> None:
        """Take note of rows that count."""
        if self.missing:
            self.missing.difference_update(keys)

    def tell(self, partition: int) -> None:
        """Log how many rows the cleaner may have removed. New cards and merchants are among them."""
        if self.missing and self.oldest_ms is not None:
            age_s = time.time() - self.oldest_ms / 1e3
            log.error("rows_may_be_lost partition=%d rows=%d age_s=%.0f", partition, len(self.missing), age_s)

    def packed(self) -> NDArray[np.uint32]:
        """Return the keys as the changelog takes them: uint32[n, 3]."""
        return np.frombuffer(bytearray(b"".join(self.keys)), dtype="<u4").reshape(-1, KEY_SIZE // 4)


async def uncounted(reader: LogReader, spans: Sequence[Span]) -> Uncounted:
    """Read the keys of all rows in these spans.

    Raises:
        UnreadableError: a log cannot be read.
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
