"""A matrix on disk, larger than memory: float32 where every value of a column survives that, float64 elsewhere.

What is appended is written in pieces: a history whose inputs alternate has batches of a few rows, and opening a file
for each of them would take most of the time.
"""

from pathlib import Path
from typing import Final, TypeVar

import lightgbm
import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", np.float32, np.float64)

_NARROW: Final = "matrix.f32"
_READ_ROWS: Final = 1 << 15
_WRITE_ROWS: Final = 1 << 12
_WRITE_BYTES: Final = 1 << 20


class Files:
    """Append to files of a directory by their names. `flush` writes what is held back, up to a mebibyte of each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, bytearray] = {}

    def append(self, name: str, data: bytes) -> None:
        """Append bytes to a file."""
        held = self._held.setdefault(name, bytearray())
        held += data
        if len(held) >= _WRITE_BYTES:
            self._write(name)

    def flush(self) -> None:
        """Write all."""
        for name in list(self._held):
            self._write(name)

    def _write(self, name: str) -> None:
        with (self._directory / name).open("ab") as stream:
            stream.write(self._held.pop(name))


class Matrix(lightgbm.Sequence):
    """Rows [low, high) of a matrix of F columns; any access gives float64, with the bits that were written.

    LightGBM reads it in batches, so that only its bins are in memory.
    """

    batch_size = _READ_ROWS

    def __init__(self, narrow: NDArray[np.float32], wide: dict[int, NDArray[np.float64]], low: int, high: int) -> None:
        self._narrow, self._wide = narrow, wide
        self._low, self._high = low, high

    def __len__(self) -> int:
        return self._high - self._low

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), self._narrow.shape[1]

    def part(self, rows: slice) -> "Matrix":
        """Return some of the rows, without a copy."""
        low, high, step = rows.indices(len(self))
        assert step == 1
        return Matrix(self._narrow, self._wide, self._low + low, self._low + max(low, high))

    def __getitem__(self, rows: int | slice | list[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        if isinstance(rows, slice):
            low, high, step = rows.indices(len(self))
            at: slice | NDArray[np.int64] | int = slice(self._low + low, self._low + max(low, high), step)
        else:
            at = np.asarray(rows, np.int64) + self._low if not isinstance(rows, int) else rows + self._low
        found = self._narrow[at].astype(np.float64)
        for column, values in self._wide.items():
            found[..., column] = values[at]
        return found


class MatrixFile:
    """Write a matrix of `columns` columns to `directory`, batch by batch. `rows` of an earlier run are kept.

    `flush` writes what is held back, up to 4,096 rows and a batch.
    `wide`: columns with a value that float32 cannot hold. Their float64 values are in a file each.
    """

    def __init__(self, directory: Path, columns: int, rows: int = 0, wide: tuple[int, ...] = ()) -> None:
        self._directory, self._columns = directory, columns
        self.rows, self.wide = rows, list(wide)
        self._written, self._held = rows, list[NDArray[np.float64]]()
        for file, width in ((_NARROW, 4 * columns), *((_wide_name(column), 8) for column in wide)):
            with (directory / file).open("ab") as stream:
                stream.truncate(rows * width)

    def append(self, batch: NDArray[np.float64]) -> None:
        """Append rows, float64[n, columns]."""
        self._held.append(batch.copy())
        self.rows += len(batch)
        if self.rows - self._written >= _WRITE_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write all rows."""
        if self._held:
            batch = np.concatenate(self._held)
            self._held.clear()
            self._write(batch)

    def _write(self, batch: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore"):
            narrow = batch.astype(np.float32)
        # by their bits: -0.0 is not 0.0, and NaN is NaN
        kept = narrow.astype(np.float64).view(np.int64) == np.ascontiguousarray(batch).view(np.int64)
        for column in np.flatnonzero(~kept.all(axis=0)).tolist():
            if column not in self.wide:
                self._widen(column)
        _append(self._directory / _NARROW, narrow)
        for column in self.wide:
            _append(self._directory / _wide_name(column), batch[:, column])
        self._written += len(batch)

    def _widen(self, column: int) -> None:
        file = self._directory / _wide_name(column)
        file.write_bytes(b"")
        if self._written:
            before = self._mapped(_NARROW, np.float32).reshape(-1, self._columns)
            for low in range(0, self._written, _READ_ROWS):
                _append(file, before[low : low + _READ_ROWS, column].astype(np.float64))
        self.wide.append(column)

    def read(self) -> Matrix:
        """Return all rows, mapped into memory."""
        self.flush()
        narrow = self._mapped(_NARROW, np.float32).reshape(-1, self._columns)
        wide = {column: self._mapped(_wide_name(column), np.float64) for column in sorted(self.wide)}
        return Matrix(narrow, wide, 0, self.rows)

    def _mapped(self, name: str, kind: type[_T]) -> NDArray[_T]:
        if not self.rows:
            return np.empty(0, kind)
        # a plain view of the map: NumPy makes a `memmap` of each row that is read, and LightGBM reads row by row
        return np.asarray(np.memmap(self._directory / name, kind, mode="r"))


def _wide_name(column: int) -> str:
    return f"column-{column}.f64"


def _append(file: Path, values: NDArray[np.float32] | NDArray[np.float64]) -> None:
    with file.open("ab") as stream:
        stream.write(np.ascontiguousarray(values).tobytes())
