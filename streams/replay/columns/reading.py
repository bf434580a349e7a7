"""Read CSV, JSON lines and Parquet in pieces, never as a whole. Cells of text are read as bytes, without conversion."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.csv  # type: ignore[import-untyped]  # the same
import pyarrow.parquet  # type: ignore[import-untyped]  # the same

from streams.replay.columns import jsonlines
from streams.replay.source import CHUNK_EVENTS, SourceError

PIECE_ROWS: Final = 16 * CHUNK_EVENTS
_BLOCK_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 1 << 16
_MAGIC: Final = b"PAR1"


class Declared(Protocol):
    """A mapping: its name, and the columns to be read."""

    @property
    def name(self) -> str:
        """The name, for messages."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read, each once."""
        ...

    @property
    def delimiter(self) -> str:
        """Between the cells of a CSV."""
        ...


D = TypeVar("D", bound=Declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[D]):
    """An open table, with the first mapping whose columns it has.

    `rows`: their number, if the file has it. Row numbers count from 0 and are part of event ids. `place` names a row
    for people: in a file of lines with its line, as a spreadsheet or an editor shows it.
    """

    file: Path
    mapping: D
    rows: int | None
    layout: Literal["csv", "json-lines", "parquet"]

    def place(self, row: int) -> str:
        """Return the name of a row. A CSV's header is line 1. A cell with line breaks counts as one line."""
        if self.layout == "json-lines":
            return jsonlines.place(self.file, row)
        return f"{self.file}, line {row + 2} (row {row})" if self.layout == "csv" else f"{self.file}, row {row}"

    def pieces(self) -> Iterator[Any]:
        """Yield the mapped columns as Arrow record batches, in order. An empty line is a row of blanks.

        Raises:
            SourceError: the table cannot be read. The text names the row if it is known, and never a cell.
        """
        read = 0
        try:
            for piece in self._read():
                if piece.num_rows:
                    yield piece
                read += piece.num_rows
        except (pa.ArrowException, OSError):  # its text may contain a row; raised below, so that it is not chained
            pass
        else:
            if not read:
                raise SourceError(f"{self.file}: is empty: a header and no row")
            return
        fault = _ragged(self.file, self.mapping.delimiter) if self.layout == "csv" else None
        row, why = fault or (read, "cannot be read on from here: damaged, or a quote that is never closed")
        raise SourceError(f"{self.place(row)}: {why}")

    def _read(self) -> Iterator[Any]:
        match self.layout:
            case "csv":
                return self._csv()
            case "json-lines":
                return jsonlines.pieces(self.file, self.mapping.columns, PIECE_ROWS)
            case "parquet":
                return self._parquet()

    def _csv(self) -> Iterator[Any]:
        names = list(self.mapping.columns)
        return iter(
            pa.csv.open_csv(
                self.file,
                read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pa.csv.ParseOptions(
                    delimiter=self.mapping.delimiter, newlines_in_values=True, ignore_empty_lines=False
                ),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=names,
                    column_types=dict.fromkeys(names, pa.binary()),
                    strings_can_be_null=False,
                ),
            )
        )

    def _parquet(self) -> Iterator[Any]:
        with pa.parquet.ParquetFile(self.file) as table:
            yield from table.iter_batches(batch_size=PIECE_ROWS, columns=list(self.mapping.columns))


def open_table(file: Path, mappings: Sequence[D]) -> Table[D]:
    """Open a table and find its mapping by the header.

    Raises:
        SourceError: the file is empty, no table, not UTF-8, or lacks columns of every mapping.
    """
    if not file.is_file():
        raise SourceError(f"{file}: no such file")
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head.strip():
        raise SourceError(f"{file}: is empty")
    if head.startswith(_MAGIC):
        names, rows = _parquet_head(file)
        if not rows:
            raise SourceError(f"{file}: is empty: columns and no row")
        return Table(file=file, mapping=_fitting(file, names, mappings), rows=rows, layout="parquet")
    if file.suffix.lower() in {".parquet", ".pq"}:
        raise SourceError(f"{file}: not a table: it does not begin as Parquet does")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise SourceError(f"{file}: not UTF-8 but UTF-16, it seems: save it as CSV UTF-8")
    text = head.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        columns = tuple(dict.fromkeys(name for mapping in mappings for name in mapping.columns))
        names = sorted(jsonlines.names_in(file, columns, _BLOCK_BYTES))
        return Table(file=file, mapping=_fitting(file, names, mappings), rows=None, layout="json-lines")
    found = {mapping.delimiter: _header(text, mapping.delimiter) for mapping in mappings}
    for mapping in mappings:
        names = found[mapping.delimiter]
        if set(mapping.columns) <= set(names):
            return Table(file=file, mapping=_fitting(file, names, [mapping]), rows=None, layout="csv")
    names = found[mappings[0].delimiter]
    if any("\ufffd" in name for name in names):
        raise SourceError(f"{file}, line 1: not UTF-8: save it as CSV UTF-8")
    hint = "; the first line has one cell: is the delimiter another?" if len(names) == 1 else ""
    raise SourceError(_missing(file, names, mappings) + hint)


def _parquet_head(file: Path) -> tuple[list[str], int]:
    try:
        with pa.parquet.ParquetFile(file) as table:
            return list(table.schema_arrow.names), int(table.metadata.num_rows)
    except (pa.ArrowException, OSError):
        pass
    raise SourceError(f"{file}: not a table: damaged Parquet")


def _header(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _fitting(file: Path, names: Sequence[str], mappings: Sequence[D]) -> D:
    for mapping in mappings:
        if set(mapping.columns) <= set(names):
            twice = [name for name in mapping.columns if list(names).count(name) > 1]
            if twice:
                raise SourceError(f"{file}: column {twice[0]!r} comes twice")
            return mapping
    raise SourceError(_missing(file, names, mappings))


def _missing(file: Path, names: Sequence[str], mappings: Sequence[D]) -> str:
    """Return text with the missing columns of the best mapping. The header is not quoted: it may be a row of cells."""
    nearest = min(mappings, key=lambda mapping: len(set(mapping.columns) - set(names)))
    lacking = [name for name in nearest.columns if name not in names]
    return f"{file}: no column {', '.join(lacking)}, which mapping {nearest.name!r} needs"


def _ragged(file: Path, delimiter: str) -> tuple[int, str] | None:
    """Return the first row whose number of cells differs from the header, and the fault. Empty lines are skipped."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        try:
            expected = len(next(rows))
            for row, cells in enumerate(rows):
                if cells and len(cells) != expected:
                    return row, f"has {len(cells)} cells, and the header has {expected}"
        except csv.Error:
            return None
    return None
