"""Batches: the records of one partition that one poll returned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from faust.types import TP, ConsumerMessage

from streams.records.batches import Refused
from streams.transport.window import Ticket


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Hold the records of one fetch of one partition, column by column.

    `start` and `end` are fetch positions, [start, end). They include the gaps that compaction and transaction markers
    leave, so consecutive columns meet exactly even where offsets do not. `weight` is their estimated size in memory, in
    bytes. A refused record batch stands alone: its offsets, one timestamp, and no values.
    """

    start: int
    end: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    values: list[bytes]  # a tombstone is b""
    weight: int = 0
    refused: Refused | None = None

    def chunks(self, max_events: int) -> Iterator["Columns"]:
        """Cut into pieces of at most `max_events` records. Pieces meet; the last one includes the gap at the end."""
        total = len(self.values)
        if total <= max_events:
            yield self
            return
        start = self.start
        for low in range(0, total, max_events):
            high = min(low + max_events, total)
            end = self.end if high == total else self.offsets[high - 1] + 1
            yield Columns(
                start=start,
                end=end,
                offsets=self.offsets[low:high],
                timestamps_ms=self.timestamps_ms[low:high],
                values=self.values[low:high],
                weight=self.weight * (high - low) // total,
            )
            start = end


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Carry 1 to 2,048 payloads of one partition, in offset order, with their Kafka coordinates.

    Of a `refused` record batch it has the coordinates, one timestamp, and no values. `polled_at_ms` is time since the
    epoch and `polled_ns` monotonic; both are taken after the poll.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    values: list[bytes]
    polled_at_ms: int
    polled_ns: int
    refused: Refused | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        """Show coordinates only: Faust logs events and messages, and no payload may reach a log."""
        return f"<Batch {self.topic}[{self.partition}] {self.offsets[0]}..{self.offsets[-1]} n={len(self)}>"


class BatchMessage(ConsumerMessage):
    """The Faust message that carries a batch. Its offset is that of the last record."""

    __slots__ = ("ticket",)

    def __init__(self, tp: TP, batch: Batch, ticket: Ticket, generation_id: int) -> None:
        empty: dict[str, Any] = {"headers": None, "key": None, "checksum": None}
        super().__init__(
            tp.topic,
            tp.partition,
            batch.offsets[-1],
            batch.timestamps_ms[-1] / 1000.0,
            0,
            value=batch,  # type: ignore[arg-type]  # annotated bytes; nothing below reads it but the schema
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=generation_id,
            **empty,
        )
        self.ticket = ticket
