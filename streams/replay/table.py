"""A table as a source: its rows are events, and its frauds are fraud reports, sent when they become known."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from scoring.outputs import Record
from streams.replay.columns import declared
from streams.replay.columns.masters import Master
from streams.replay.columns.reading import Table
from streams.replay.columns.rows import Reader, Rows
from streams.replay.due import DAY_MS, OfColumn, OfTable, Queue, Reported
from streams.replay.mapping import Renderer
from streams.replay.source import CHUNK_EVENTS, NOT_OURS, Chunk, Labels

CHUNK_SPAN_MS = DAY_MS
"""Most event time of a chunk with fraud reports. A report is sent before the chunk in which it is due: never after an
event whose features include it, never before its own event, and at most one day early, when no event can see it yet."""


class TableSource:
    """Rows of a table, which must be in order of time.

    Memory: one piece of the table, and the reports that are not due yet. Each row needs nine bytes for its label, and
    each row that was left out eight bytes. `masters`: the records of merchants in order of validity, and refused ones
    by reason; each is sent before the first payment at or after its time, and after all earlier ones.
    """

    def __init__(
        self,
        table: Table[declared.Mapping],
        renderer: Renderer,
        *,
        limit: int = 0,
        id_prefix: str = "",
        reports: bool,
        tell: Callable[[str], None],
        reported: OfTable | None = None,
        masters: tuple[Sequence[Master], Mapping[str, int]] = ((), {}),
    ) -> None:
        self._reader = Reader(table, tell)
        self._renderer = renderer
        self._limit = limit
        self._prefix = id_prefix
        fraud = table.mapping.fraud
        self._reported: Reported | None = reported or (None if fraud is None else OfColumn(fraud))
        self._queue = Queue(self._reported, renderer) if self._reported is not None and reports else None
        self._masters, self._refused_masters = masters
        self._next_master = 0
        self._sent = 0
        self._next = 0  # row number
        self._left_out = array("q")  # row numbers
        self._total = table.rows if table.rows is None or not limit else min(table.rows, limit)
        self._labels = None if self._reported is None else Labels()

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
        """Number of rows and reports refused so far, by reason."""
        reports = Counter(self._reported.left_out if self._reported is not None else {})
        return self._reader.refused + reports + Counter(self._refused_masters)

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
                if self._queue is not None:
                    until_ms = int(rows.time_ms[low]) + CHUNK_SPAN_MS
                    high = min(high, int(np.searchsorted(rows.time_ms, until_ms)))
                masters = self._valid(int(rows.time_ms[low]))
                if self._next_master < len(self._masters):
                    changes_ms = self._masters[self._next_master].valid_ms
                    high = min(high, int(np.searchsorted(rows.time_ms, changes_ms)))
                yield self._chunk(rows.part(low, high), masters)
                low = high
        if self._reported is not None:
            self._reported.close()

    def _valid(self, time_ms: int) -> list[Record]:
        """Take the records of merchants that hold from a time until then. A chunk ends before the next one."""
        first = self._next_master
        while self._next_master < len(self._masters) and self._masters[self._next_master].valid_ms <= time_ms:
            self._next_master += 1
        return [self._renderer.master(one) for one in self._masters[first : self._next_master]]

    def _chunk(self, rows: Rows, masters: list[Record]) -> Chunk:
        first = self._sent
        events = self._renderer.events(rows)
        self._sent += len(events)
        self._number(rows)
        due = [] if self._queue is None else self._queue.until(int(rows.time_ms[-1]))
        self._note(rows)
        return Chunk(
            events=events,
            positions=range(first, self._sent),
            times_ms=rows.time_ms.tolist(),
            others={field: some for field, some in (("merchants", masters), ("fraud_reports", due)) if some},
            outcomes=self._renderer.answers(rows),
        )

    def _number(self, rows: Rows) -> None:
        """Record the row numbers that were left out."""
        low, high = self._next, int(rows.numbers[-1]) + 1
        self._next = high
        if high - low > len(rows.numbers):
            self._left_out.extend(np.setdiff1d(np.arange(low, high), rows.numbers, assume_unique=True).tolist())

    def _note(self, rows: Rows) -> None:
        """Record the labels, and add the reports to those that will be due."""
        if self._labels is None or self._reported is None:
            return
        fraud, unknown = self._reported.labels(rows)
        self._labels.fraud += bytes(fraud)
        self._labels.amounts.frombytes(np.ascontiguousarray(self._renderer.worths(rows)).tobytes())
        self._labels.unknown += unknown
        if self._queue is not None:
            self._queue.add(rows)

    def rest(self) -> Chunk | None:
        """Return the reports that are due after the last row, once all rows were sent; None if there are none."""
        due = [] if self._queue is None else self._queue.until(None)
        return Chunk(events=(), positions=(), times_ms=(), others={"fraud_reports": due}) if due else None

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
