"""Reports on the rows of a table, sent when they become known: from a column of frauds, or from a second table."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from scoring.outputs import Record
from scoring.verdicts import Said, changes
from streams.replay.columns.declared import Fraud, Reports
from streams.replay.columns.reading import Table
from streams.replay.columns.reported import Report, read_reports
from streams.replay.columns.rows import NAMED_MAX, Rows
from streams.replay.mapping import Renderer

DAY_MS = 86_400_000


class _Due(NamedTuple):
    """One report; the order is that of the fields. `number` counts them, so that no two are equal."""

    received_ms: int
    number: int
    row: int
    card: int | str
    merchant: int | str
    report: Report | None


class Reported(Protocol):
    """Where the reports on rows come from."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of reports refused so far, by reason."""
        ...

    def labels(self, rows: Rows) -> tuple[list[bool], int]:
        """Return whether each row is a fraud by all reports, and the number of rows without a label."""
        ...

    def close(self) -> None:
        """Count the reports on no row, after the last one."""
        ...

    def reports(self, rows: Rows) -> Iterator[tuple[int, int, Report | None]]:
        """Yield place in `rows`, time of receipt and report of each report on them. Once for each row."""
        ...


class OfColumn:
    """Reports from the column of frauds: each fraud is reported a number of days after its payment."""

    left_out: Mapping[str, int] = {}

    def __init__(self, fraud: Fraud) -> None:
        self._delay_ms = fraud.known_after_days * DAY_MS

    def labels(self, rows: Rows) -> tuple[list[bool], int]:
        """Return the column, and the number of its blanks."""
        return rows.fraud.tolist(), int(rows.unknown.sum())

    def close(self) -> None:
        """Count nothing: each report is on a row."""

    def reports(self, rows: Rows) -> Iterator[tuple[int, int, Report | None]]:
        """Yield one report for each fraud."""
        for i in np.flatnonzero(rows.fraud).tolist():
            yield i, int(rows.time_ms[i]) + self._delay_ms, None


class OfTable:
    """Reports from a table of their own."""

    def __init__(self, table: Table[Reports], acquirer: str, tell: Callable[[str], None]) -> None:
        self._table = table
        self._tell = tell
        self._left, self.left_out = read_reports(table, acquirer, tell)

    def close(self) -> None:
        """Count the reports whose payment is no row that was sent."""
        if unmatched := sum(map(len, self._left.values())):
            self.left_out["report: no such payment was sent"] += unmatched
        self._left.clear()

    def labels(self, rows: Rows) -> tuple[list[bool], int]:
        """Return the verdict of all reports on each row, whenever they came. A row without a report is genuine."""
        verdicts = []
        for reference in rows.reference:
            reports = self._left.get(reference, ()) if reference else ()
            said = [Said(one.received_ms, _text(one.label), _text(one.source)) for one in reports]
            verdicts.append(bool((changes(said) or [(0, False)])[-1][1]))
        return verdicts, 0

    def reports(self, rows: Rows) -> Iterator[tuple[int, int, Report | None]]:
        """Yield the reports on each row. One that was received before its payment is refused."""
        for i, reference in enumerate(rows.reference):
            for report in self._left.pop(reference, ()) if reference else ():
                if report.received_ms >= int(rows.time_ms[i]):
                    yield i, report.received_ms, report
                    continue
                why = "received before its payment"
                if self.left_out.total() < NAMED_MAX:
                    self._tell(f"{self._table.place(report.row)}: {why}: this report is not sent")
                self.left_out[f"report: {why}"] += 1


class Queue:
    """Reports that are not due yet, in order of receipt; of one moment in the order of their rows."""

    def __init__(self, reported: Reported, renderer: Renderer) -> None:
        self._reported = reported
        self._renderer = renderer
        self._waiting: list[_Due] = []
        self._number = 0

    def add(self, rows: Rows) -> None:
        """Add the reports on rows."""
        for i, received_ms, report in self._reported.reports(rows):
            due = _Due(received_ms, self._number, int(rows.numbers[i]), rows.card[i], rows.merchant[i], report)
            heapq.heappush(self._waiting, due)
            self._number += 1

    def until(self, time_ms: int | None) -> list[Record]:
        """Take the reports received until a moment, or all."""
        taken: list[Record] = []
        while self._waiting and (time_ms is None or self._waiting[0].received_ms <= time_ms):
            due = heapq.heappop(self._waiting)
            taken.append(self._renderer.report(due.row, due.card, due.merchant, due.received_ms, due.report))
        return taken


def _text(encoded: str) -> str:
    return msgspec.json.decode(encoded, type=str)
