"""Read partitions in parts, each as a queue with what was read ahead of its use."""

from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import msgspec
from aiokafka.structs import TopicPartition

from scoring.contract.faults import FAULTS
from streams.explain.order import Beside, Payment, placed
from streams.explain.portion import Times
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.replay.lines import event_id_of

STEP: Final = 8_192
"""Records that are read of a partition at a time: some MB of payments."""

SLACK_MS: Final = 600_000
"""How far the times of records may be out of order within a partition, at most, when decisions are looked for."""


class _Timed(msgspec.Struct, frozen=True, gc=False):
    record_ms: int
    received_ms: int
    decided_ms: int


class _Decision(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    times: _Timed


_decode = msgspec.json.Decoder(_Decision).decode


class Queue:
    """Records of one partition of an input other than authorizations."""

    def __init__(self, reader: LogReader, field: str, tp: TopicPartition, begin: int, end: int) -> None:
        self._reader = reader
        self.field = field
        self.partition = tp.partition
        self._tp, self._at, self._end = tp, begin, end
        self.ahead: deque[Beside] = deque()

    async def fill(self) -> None:
        """Read ahead if nothing is left of the part before."""
        while not self.ahead and self._at < self._end:
            rows, self._at = await _next(self._reader, self._tp, self._at, self._end)
            self.ahead.extend(map(Beside, rows.offsets, rows.keys, rows.values, rows.timestamps_ms))


class Decisions:
    """Times of the decisions of one partition, which are in the order of their events; and the one of an event id.

    `event_id` None: all of them, about 2 KB each of those that are read ahead.
    """

    def __init__(self, reader: LogReader, tp: TopicPartition, begin: int, end: int, event_id: str | None) -> None:
        self._reader, self._tp, self._at, self._end = reader, tp, begin, end
        self._event_id = event_id
        self._ahead: dict[str, tuple[int, Times, bytes | None]] = {}
        self._read = self._matched = 0  # numbers of decisions read, and up to the last one that was asked for
        self._record_ms = 0
        self.published: bytes | None = None

    async def of(self, names: Sequence[str | None], until_ms: int) -> list[tuple[Times | None, bytes | None]]:
        """Return times and, if they are asked for, bytes of the decisions of consecutive events, None without one.

        `until_ms`: the latest time of the events' records.
        """
        while self._at < self._end and not (
            self._read - self._matched >= 2 * STEP and self._record_ms > until_ms + SLACK_MS
        ):
            if self._matched and self._read - self._matched >= 2 * STEP:
                break
            await self._more()
        return [(None, None) if name is None else self._pop(name) for name in names]

    async def _more(self) -> None:
        rows, self._at = await _next(self._reader, self._tp, self._at, self._end)
        for value in rows.payloads:
            try:
                decision = _decode(value)
            except FAULTS:
                continue
            self._read += 1
            times = decision.times
            self._record_ms = times.record_ms
            whole = value if self._event_id is None else None
            if decision.decision_id not in self._ahead:  # a second one would be a fault of the worker
                self._ahead[decision.decision_id] = self._read, Times(times.received_ms, times.decided_ms), whole
            if decision.decision_id == self._event_id and self.published is None:
                self.published = value
        while len(self._ahead) > 8 * STEP:
            del self._ahead[next(iter(self._ahead))]

    def _pop(self, name: str) -> tuple[Times | None, bytes | None]:
        number, times, value = self._ahead.pop(name, (0, None, None))
        self._matched = max(self._matched, number)
        return times, value


class Payments:
    """Authorizations of one partition, with the times of their decisions."""

    def __init__(self, reader: LogReader, tp: TopicPartition, begin: int, end: int, decisions: Decisions) -> None:
        self._reader, self._tp, self._at, self._end = reader, tp, begin, end
        self.partition = tp.partition
        self.decisions = decisions
        self.ahead: deque[Payment] = deque()
        self._last = Times(0, 0)

    async def fill(self) -> None:
        """Read ahead if nothing is left of the part before."""
        while not self.ahead and self._at < self._end:
            rows, self._at = await _next(self._reader, self._tp, self._at, self._end)
            if not len(rows):
                continue
            names = [event_id_of(value) for value in rows.payloads]
            known = await self.decisions.of(names, max(rows.timestamps_ms))
            times = placed(rows.timestamps_ms, [one for one, _ in known], self._last)
            self._last = times[-1]
            published = [value for _, value in known]
            self.ahead.extend(map(Payment, rows.offsets, rows.keys, rows.values, rows.timestamps_ms, times, published))


async def _next(reader: LogReader, tp: TopicPartition, at: int, end: int) -> tuple[Rows, int]:
    """Read up to STEP offsets; return their records and the next offset."""
    until = min(at + STEP, end)
    made = Rows()
    async with aclosing(reader.read(tp, at, until)) as found:
        async for rows in found:
            made.offsets.extend(rows.offsets)
            made.keys.extend(rows.keys)
            made.values.extend(rows.values)
            made.timestamps_ms.extend(rows.timestamps_ms)
    return made, until
