"""Tables as a source: Parquet and CSV in pieces, never as a whole."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.csv  # type: ignore[import-untyped]  # the same
import pyarrow.parquet  # type: ignore[import-untyped]  # the same
from numpy.typing import NDArray

from scoring.outputs import Record
from streams.replay.mapping import Mapping, Renderer
from streams.replay.source import CHUNK_EVENTS, NOT_OURS, Chunk, Labels, SourceError

REPORT_DELAY_S = 7 * 86_400
"""A fraud becomes known a week after it: the protocol of the Fraud Detection Handbook."""

Columns = dict[str, NDArray[np.int64]]


class _Batches(Protocol):
    def __iter__(self) -> Iterator[Any]: ...


class TableSource:
    """Rows of a table in their order, which must be that of their time.

    Kept in memory: one piece of the table, the reports not yet due, and nine bytes a row for the truth.
    """

    def __init__(
        self, file: Path, mapping: Mapping, renderer: Renderer, *, limit: int = 0, id_prefix: str = "", reports: bool
    ) -> None:
        self._batches, rows = _open(file, mapping)
        self._mapping = mapping
        self._renderer = renderer
        self._limit = limit
        self._prefix = id_prefix
        self._reports = reports and mapping.label is not None
        self._due: deque[tuple[int, int, int, int]] = deque()
        self._sent = 0
        self._total = rows if rows is None or not limit else min(rows, limit)
        self._labels = None if mapping.label is None else Labels()

    @property
    def total(self) -> int | None:
        """How many events there will be; a CSV does not say."""
        return self._total

    @property
    def labels(self) -> Labels | None:
        """The truth about the rows read so far."""
        return self._labels

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows as events, and before each chunk the reports that are due in it."""
        last_s = -1
        for batch in self._batches:
            columns = _columns(batch, self._mapping)
            for start in range(0, batch.num_rows, CHUNK_EVENTS):
                room = CHUNK_EVENTS if not self._limit else min(CHUNK_EVENTS, self._limit - self._sent)
                if room <= 0:
                    return
                piece = {name: column[start : start + room] for name, column in columns.items()}
                times = piece[self._mapping.time_s]
                if len(times) and (times[0] < last_s or (np.diff(times) < 0).any()):
                    raise SourceError(f"row {self._sent}: the table is not in the order of {self._mapping.time_s!r}")
                if len(times):
                    last_s = int(times[-1])
                    yield self._chunk(piece)

    def _chunk(self, piece: Columns) -> Chunk:
        first = self._sent
        events = self._renderer.events(first, piece)
        self._sent += len(events)
        due = self._reports_until(int(piece[self._mapping.time_s][-1]))
        self._note(first, piece)
        return Chunk(
            events=events,
            positions=range(first, self._sent),
            times_ms=self._renderer.times_ms(piece),
            others={"fraud_reports": due} if due else {},
        )

    def _note(self, first: int, piece: Columns) -> None:
        """Remember which rows are fraud, and which of them will be reported when."""
        if self._labels is None or self._mapping.label is None:
            return
        fraud = piece[self._mapping.label] != 0
        self._labels.fraud += fraud.astype(np.uint8).tobytes()
        self._labels.amounts.frombytes(np.ascontiguousarray(piece[self._mapping.amount_minor]).tobytes())
        if self._reports:
            rows = np.flatnonzero(fraud)
            names = (self._mapping.card, self._mapping.merchant, self._mapping.time_s)
            cards, merchants, times = (piece[name][rows].tolist() for name in names)
            for row, card, merchant, time in zip(rows.tolist(), cards, merchants, times, strict=True):
                self._due.append((time + REPORT_DELAY_S, first + row, card, merchant))

    def _reports_until(self, time_s: int) -> list[Record]:
        due: list[Record] = []
        while self._due and self._due[0][0] <= time_s:
            received_s, row, card, merchant = self._due.popleft()
            due.append(self._renderer.report(row, card, merchant, received_s))
        return due

    def position(self, event_id: str) -> int:
        """Read the row number out of an event id."""
        number = event_id.removeprefix(self._prefix)
        if not event_id.startswith(self._prefix) or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return NOT_OURS
        row = int(number)
        return row if row < self._sent else NOT_OURS


def _open(file: Path, mapping: Mapping) -> tuple[_Batches, int | None]:
    """Open a table for reading piece by piece; say how many rows it has where it tells."""
    names = list(mapping.columns)
    try:
        if file.suffix == ".csv":
            options = pa.csv.ConvertOptions(include_columns=names)
            return pa.csv.open_csv(file, convert_options=options), None
        table = pa.parquet.ParquetFile(file)
        missing = [name for name in names if name not in table.schema_arrow.names]
        if missing:
            raise SourceError(f"{file}: no column {', '.join(missing)}, which mapping {mapping.name!r} needs")
        return table.iter_batches(batch_size=16 * CHUNK_EVENTS, columns=names), int(table.metadata.num_rows)
    except (pa.ArrowException, KeyError) as error:
        raise SourceError(f"{file}: not a table that mapping {mapping.name!r} can read: {error}") from None


def _columns(batch: Any, mapping: Mapping) -> Columns:
    try:
        return {name: batch.column(name).cast(pa.int64()).to_numpy(zero_copy_only=False) for name in mapping.columns}
    except pa.ArrowException as error:
        raise SourceError(f"a column of mapping {mapping.name!r} is not of whole numbers: {error}") from None
