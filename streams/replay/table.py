"""A table as a source: its rows are events, and its frauds are fraud reports, sent when they become known."""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from scoring.outputs import Record
from streams.replay.columns.reading import Table
from streams.replay.columns.rows import Reader, Rows
from streams.replay.mapping import Renderer
from streams.replay.source import CHUNK_EVENTS, NOT_OURS, Chunk, Labels

DAY_MS = 86_400_000
CHUNK_SPAN_MS = DAY_MS
"""Most event time of a chunk with fraud reports. A report is sent before the chunk in which it is due: never after an
event whose features include it, never before its own event, and at most one day early, when no event can see it yet."""


class TableSource:
    """Rows of a table, which must be in order of time.

    Memory: one piece of the table, and the reports that are not due yet. Each row needs nine bytes for its label, and
    each row that was left out eight bytes.
    """

    def __init__(
        self,
        table: Table,
        renderer: Renderer,
        *,
        limit: int = 0,
        id_prefix: str = "",
        reports: bool,
        tell: Callable[[str], None],
    ) -> None:
        self._reader = Reader(table, tell)
        self._renderer = renderer
        self._limit = limit
        self._prefix = id_prefix
        truth = table.mapping.fraud
        self._delay_ms = 0 if truth is None or not reports else truth.known_after_days * DAY_MS
        self._due: deque[tuple[int, int, int | str, int | str]] = deque()
        self._sent = 0
        self._next = 0  # row number
        self._left_out = array("q")  # row numbers
        self._total = table.rows if table.rows is None or not limit else min(table.rows, limit)
        self._labels = None if truth is None else Labels()

    @property
    def total(self) -> int | None:
        """Number of rows, or None for a CSV."""
        return self._total

    @property
    def labels(self) -> Labels | None:
        """Labels of the rows sent so far, or None without labels."""
        return self._labels

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of rows refused so far, by reason."""
        return self._reader.refused

    @property
    def empty(self) -> int:
        """Number of rows without any mapped cell so far."""
        return self._reader.empty

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows as events, each chunk with the reports that are due in it."""
        for rows in self._reader.rows():
            low = 0
            while low < len(rows.numbers):
                room = CHUNK_EVENTS if not self._limit else min(CHUNK_EVENTS, self._limit - self._sent)
                if room <= 0:
                    return
                high = min(low + room, len(rows.numbers))
                if self._delay_ms:
                    until_ms = int(rows.time_ms[low]) + CHUNK_SPAN_MS
                    high = min(high, int(np.searchsorted(rows.time_ms, until_ms)))
                yield self._chunk(rows.part(low, high))
                low = high

    def _chunk(self, rows: Rows) -> Chunk:
        first = self._sent
        events = self._renderer.events(rows)
        self._sent += len(events)
        self._number(rows)
        due = self._reports_until(int(rows.time_ms[-1]))
        self._note(rows)
        return Chunk(
            events=events,
            positions=range(first, self._sent),
            times_ms=rows.time_ms.tolist(),
            others={"fraud_reports": due} if due else {},
            outcomes=self._renderer.answers(rows),
        )

    def _number(self, rows: Rows) -> None:
        """Record the row numbers that were left out."""
        low, high = self._next, int(rows.numbers[-1]) + 1
        self._next = high
        if high - low > len(rows.numbers):
            self._left_out.extend(np.setdiff1d(np.arange(low, high), rows.numbers, assume_unique=True).tolist())

    def _note(self, rows: Rows) -> None:
        """Record the labels, and the fraud reports with their time."""
        if self._labels is None:
            return
        self._labels.fraud += rows.fraud.astype(np.uint8).tobytes()
        self._labels.amounts.frombytes(np.ascontiguousarray(rows.amount_minor).tobytes())
        self._labels.unknown += int(rows.unknown.sum())
        if self._delay_ms:
            for i in np.flatnonzero(rows.fraud).tolist():
                known_ms = int(rows.time_ms[i]) + self._delay_ms
                self._due.append((known_ms, int(rows.numbers[i]), rows.card[i], rows.merchant[i]))

    def _reports_until(self, time_ms: int) -> list[Record]:
        due: list[Record] = []
        while self._due and self._due[0][0] <= time_ms:
            received_ms, row, card, merchant = self._due.popleft()
            due.append(self._renderer.report(row, card, merchant, received_ms))
        return due

    def position(self, event_id: str) -> int:
        """Return the position of an event id: its row number without the rows left out before it; or NOT_OURS."""
        number = event_id.removeprefix(self._prefix)
        if not event_id.startswith(self._prefix) or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return NOT_OURS
        row = int(number)
        if row >= self._next:
            return NOT_OURS
        before = bisect_left(self._left_out, row)
        is_out = before < len(self._left_out) and self._left_out[before] == row
        return NOT_OURS if is_out else row - before
