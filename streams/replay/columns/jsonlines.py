"""Read JSON lines as a table: one object a line, its values as cells. `a.b` names a value in a nested object."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

from scoring.contract.faults import FAULTS
from streams.replay.source import SourceError

LINE_BYTES_MAX: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 24

_Object = dict[str, msgspec.Raw]

_decode_object = msgspec.json.Decoder(_Object).decode
_decode_text = msgspec.json.Decoder(str).decode


def names_in(file: Path, columns: Sequence[str], bytes_max: int) -> set[str]:
    """Return those of `columns` that a line of the first `bytes_max` bytes has."""
    found: set[str] = set()
    with file.open("rb") as stream:
        read = 0
        for row, line in _lines(file, stream):
            cells = _object(file, row, line)
            found.update(name for name in columns if name not in found and _raw(file, row, cells, name))
            read += len(line)
            if read >= bytes_max or len(found) == len(columns):
                return found
    return found


def pieces(file: Path, columns: Sequence[str], rows: int) -> Iterator[Any]:
    """Yield Arrow record batches of at most `rows` lines: `columns` as binary, null where a line has none.

    Raises:
        SourceError: a line is no JSON object, is too long, or has an object or a list as a cell.
    """
    with file.open("rb") as stream:
        cells: list[list[bytes | None]] = [[] for _ in columns]
        read = 0
        for row, line in _lines(file, stream):
            found = _object(file, row, line)
            for column, values in zip(columns, cells, strict=True):
                values.append(_cell(file, row, column, _raw(file, row, found, column)))
            read += len(line)
            if len(cells[0]) == rows or read >= _PIECE_BYTES:
                yield _batch(columns, cells)
                cells, read = [[] for _ in columns], 0
        if cells[0]:
            yield _batch(columns, cells)


def _batch(columns: Sequence[str], cells: list[list[bytes | None]]) -> Any:
    return pa.record_batch([pa.array(values, pa.binary()) for values in cells], names=list(columns))


def _lines(file: Path, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    row = 0
    while line := stream.readline(LINE_BYTES_MAX + 1):
        if len(line) > LINE_BYTES_MAX:
            raise SourceError(f"{place(file, row)}: longer than {LINE_BYTES_MAX:,} bytes")
        yield row, line.removeprefix(b"\xef\xbb\xbf") if row == 0 else line
        row += 1


def _object(file: Path, row: int, line: bytes) -> _Object:
    """Decode a line; a blank one is an object without values."""
    if not line.strip():
        return {}
    try:
        return _decode_object(line)
    except FAULTS:  # a fault may contain the line; raised below, so that it is not chained
        pass
    raise SourceError(f"{place(file, row)}: is no JSON object in UTF-8")


def _raw(file: Path, row: int, found: _Object, column: str) -> bytes:
    """Return the value of a column as JSON, or nothing."""
    raw = found.get(column)
    head, dot, rest = column.partition(".")
    if raw is None and dot and (inner := bytes(found.get(head, b""))).startswith(b"{"):
        return _raw(file, row, _object(file, row, inner), rest)
    return b"" if raw is None else bytes(raw)


def _cell(file: Path, row: int, column: str, raw: bytes) -> bytes | None:
    if raw in (b"", b"null"):
        return None
    if raw.startswith((b"{", b"[")):
        raise SourceError(f"{place(file, row)}: column {column!r} holds an object or a list: name a value in it (a.b)")
    if not raw.startswith(b'"'):
        return raw
    try:
        return _decode_text(raw).encode()
    except FAULTS:
        pass
    raise SourceError(f"{place(file, row)}: column {column!r} is not UTF-8")


def place(file: Path, row: int) -> str:
    """Return the name of a row for people: the first line is line 1."""
    return f"{file}, line {row + 1} (row {row})"
