"""Read a table of reports: by payment, in order of receipt. A row with a blank is refused."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from streams.replay.columns import cells
from streams.replay.columns.declared import Id, Reports
from streams.replay.columns.fields import REPORT_FIELDS
from streams.replay.columns.reading import Table
from streams.replay.columns.rows import NAMED_MAX, column_of, reader_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on a payment. `row` counts from 0 in its table. `label`, `source` and `code` are JSON; "" is no code."""

    row: int
    received_ms: int
    label: str
    source: str
    code: str


def read_reports(
    table: Table[Reports], acquirer: str, tell: Callable[[str], None]
) -> tuple[dict[str, list[Report]], Counter[str]]:
    """Return the reports by the reference of their payment, each list in order of receipt, and refused rows by reason.

    All are held in memory: they are few beside the payments.

    Raises:
        SourceError: the table cannot be read, or a cell is not of its declared type.
    """
    found: dict[str, list[Report]] = {}
    refused: Counter[str] = Counter()
    first = 0
    for piece in table.pieces():
        _take(table, piece, first, acquirer, found, refused, tell)
        first += piece.num_rows
    for reports in found.values():
        reports.sort(key=lambda report: report.received_ms)
    return found, refused


def _take(
    table: Table[Reports],
    piece: Any,
    first: int,
    acquirer: str,
    found: dict[str, list[Report]],
    refused: Counter[str],
    tell: Callable[[str], None],
) -> None:
    declared = table.mapping
    reference = Id(column=declared.event, type="text")
    events, no_event = column_of(table, piece, first, declared.event, partial(cells.ids, declared=reference))
    received = declared.received
    times_ms, undated = column_of(table, piece, first, received.column, reader_of(table, piece, first, received))
    told = {
        name: [_constant(name, one.constant)] * piece.num_rows
        if one.column is None
        else column_of(
            table,
            piece,
            first,
            one.column,
            partial(cells.fields, field=REPORT_FIELDS[name], told=one, acquirer=acquirer),
        )
        for name, one in declared.told.items()
    }
    codes = told.get("code") or [""] * piece.num_rows
    columns = {declared.event: no_event.tolist(), received.column: undated.tolist()}
    columns |= {
        one.column: [not text for text in told[name]]
        for name, one in declared.told.items()
        if one.column is not None and name != "code"
    }
    for i in range(piece.num_rows):
        blank = [name for name, is_blank in columns.items() if is_blank[i]]
        if len(blank) == len(columns):
            continue
        if blank:
            why = f"column {blank[0]!r} is blank"
            if refused.total() < NAMED_MAX:
                tell(f"{table.place(first + i)}: {why}: this report is not read")
            refused[f"report: {why}"] += 1
            continue
        report = Report(
            row=first + i,
            received_ms=int(times_ms[i]),
            label=told["label"][i],
            source=told["source"][i],
            code=codes[i],
        )
        found.setdefault(str(events[i]), []).append(report)


def _constant(name: str, text: str | None) -> str:
    return REPORT_FIELDS[name].json(str(text)).decode()
