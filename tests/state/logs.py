"""Logs in memory, with transactions, epochs and a cleaner: a broker inside the process, which can crash the process."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka.structs import TopicPartition


class Crashed(BaseException):
    """The process crashes here. It is no Exception, so `except Exception` does not catch it."""


class Record(NamedTuple):
    offset: int
    key: bytes
    value: bytes | None
    at_ms: int


class FakeBroker:
    """Keeps records by partition. `fuse`: the process crashes after this many more answers."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[Record]] = defaultdict(list)
        self.begins: dict[TopicPartition, int] = defaultdict(int)
        self.skipped: dict[TopicPartition, int] = defaultdict(int)  # offsets without records, behind the last one
        self.fuse: int | None = None
        self.written: list[tuple[TopicPartition, bytes]] = []
        self.topic_ids: dict[str, str] = {}
        self.epochs: dict[tuple[int, TopicPartition], int] = defaultdict(int)  # epoch by producer id and log
        self.owners: dict[str, int] = {}  # epoch of each transactional id
        self.open: dict[int, dict[TopicPartition, list[int]]] = {}  # offsets of the open transaction of a producer id
        self.aborted: dict[TopicPartition, set[int]] = defaultdict(set)

    def burn(self) -> None:
        """Count one answer."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crashed

    def end(self, tp: TopicPartition) -> int:
        log = self.logs[tp]
        return (log[-1].offset + 1 if log else self.begins[tp]) + self.skipped[tp]

    def append(self, tp: TopicPartition, key: bytes, value: bytes | None, at_ms: int = 1_000) -> int:
        offset = self.end(tp)
        self.skipped[tp] = 0
        self.logs[tp].append(Record(offset, key, value, at_ms))
        self.written.append((tp, key))
        return offset

    def stable_end(self, tp: TopicPartition) -> int:
        """Return the offset of the first record of an open transaction, else the end."""
        return min((min(some[tp]) for some in self.open.values() if some.get(tp)), default=self.end(tp))

    def begin(self, producer_id: int, logs: Iterable[TopicPartition]) -> None:
        assert producer_id not in self.open, "one transaction at a time"
        self.open[producer_id] = {tp: [] for tp in logs}

    def finish(self, producer_id: int, *, is_committed: bool) -> None:
        for tp, offsets in self.open.pop(producer_id, {}).items():
            if not is_committed:
                self.aborted[tp].update(offsets)

    def compact(self, tp: TopicPartition) -> None:
        """Keep the last record of each key, with its offset; nothing of aborted transactions, all of open ones."""
        until, aborted, end = self.stable_end(tp), self.aborted[tp], self.end(tp)
        cleaned = [one for one in self.logs[tp] if one.offset < until and one.offset not in aborted]
        last = {record.key: record.offset for record in cleaned}
        kept = [record for record in cleaned if last[record.key] == record.offset]
        self.logs[tp] = kept + [record for record in self.logs[tp] if record.offset >= until]
        self.skipped[tp] = end - (self.logs[tp][-1].offset + 1 if self.logs[tp] else self.begins[tp])

    def values(self, topic: str, partition: int = 0) -> list[bytes]:
        return [record.value for record in self.logs[TopicPartition(topic, partition)] if record.value is not None]

    def keys(self, topic: str, partition: int = 0) -> list[bytes]:
        return [record.key for record in self.logs[TopicPartition(topic, partition)]]
