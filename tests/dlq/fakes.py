"""Topics in memory, and a sink for sent records."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from streams.kafka.reading.ends import Span
from streams.kafka.reading.records import Record
from streams.kafka.sending.bulk import Placed
from streams.records.batches import Refused

RECEIVED_MS = 1_777_777_777_000


def record(
    topic: str, partition: int, offset: int, value: bytes | None, key: bytes | None = b"k", **changes: Any
) -> Record:
    """A record as a consumer returns it; its time is 1000 + offset."""
    fields: dict[str, Any] = {"timestamp": 1_000 + offset, "timestamp_type": 0, "headers": (), **changes}
    return Record(topic=topic, partition=partition, offset=offset, key=key, value=value, **fields)


class FakeReader:
    """Partitions with prepared records; a poll returns two of them."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], list[Record]] = {}
        self.begins: dict[tuple[str, int], int] = {}
        self.scanned: list[Mapping[tuple[str, int], int]] = []
        self.refusals: dict[tuple[str, int], list[Refused]] = {}

    def put(self, topic: str, partition: int, value: bytes | None, key: bytes | None = b"k", **changes: Any) -> int:
        part = self.parts.setdefault((topic, partition), [])
        part.append(record(topic, partition, len(part), value, key, **changes))
        return len(part) - 1

    def add_letter(
        self, topic: str, partition: int, offset: int, reason: Any = "EMPTY", path: str = "$", **at: int
    ) -> None:
        """Add a dead letter about a record, as the core writes it; without that record its size and time are 0."""
        part = self.parts.get((topic, partition), [])
        original = part[offset] if offset < len(part) else record(topic, partition, offset, b"", timestamp=0)
        key, value = encode_dead_letter(
            Reject(reason=reason, path=path),
            topic,
            partition,
            offset,
            len(original.value or b""),
            original.timestamp,
            at.get("received_ms", RECEIVED_MS),
            at.get("last_offset"),
        )
        self.put("dead-letters", 0, value, key)

    async def spans(self, topics: Iterable[str]) -> dict[tuple[str, int], Span]:
        return {at: Span(self.begins.get(at, 0), len(part)) for at, part in self.parts.items() if at[0] in set(topics)}

    async def records(self, begins: Mapping[tuple[str, int], int]) -> AsyncIterator[list[Record]]:
        self.scanned.append(begins)
        for at, begin in begins.items():
            part = [found for found in self.parts[at][begin:] if not self._is_refused(at, found.offset)]
            for start in range(0, len(part), 2):
                yield part[start : start + 2]

    async def pick(self, partition: tuple[str, int], offsets: Sequence[int]) -> AsyncIterator[list[Record]]:
        for offset in offsets:
            if not self._is_refused(partition, offset):
                yield [self.parts[partition][offset]]

    def _is_refused(self, partition: tuple[str, int], offset: int) -> bool:
        return any(refused.first <= offset < refused.end for refused in self.refusals.get(partition, ()))


class FakeSends:
    """Append sent records to the fake topics, or refuse them."""

    def __init__(self, reader: FakeReader, errors: Sequence[str] = ()) -> None:
        self.reader, self.errors, self.sent = reader, list(errors), list[Placed]()

    async def place(self, records: Sequence[Placed]) -> list[str]:
        if self.errors:
            return [self.errors.pop(0)] * len(records)
        for one in records:
            self.sent.append(one)
            self.reader.put(
                one.topic,
                one.partition,
                one.value,
                one.key,
                timestamp=one.timestamp_ms or RECEIVED_MS,
                headers=one.headers,
            )
        return []
