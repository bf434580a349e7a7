"""Records of one batch as columns. A kernel finds the positions of all fields; only requested fields are copied.

aiokafka makes an object of each record and of each of its headers (0.4 us a record; two bytes of an empty header become
72 in memory). It also fails for ever on a header whose name is not UTF-8, which brokers accept. Here headers are
skipped.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, revision
from streams.records.codecs import BrokenError, TooLargeError

RECORD_BYTES: Final = 128
"""Memory of a record besides its own bytes, rounded up: objects for value and time, and its row of `places`."""

RECORD_SIZE_MIN: Final = 7
"""Seven fields of at least a byte: length, attributes, time, offset, lengths of key and value, count of headers."""

HEADERS_MAX: Final = 1_000
VARINT_BITS: Final = 64

Bytes = NDArray[np.uint8]
Words = NDArray[np.int64]
Header = tuple[str, bytes | None]

_OFFSET, _TIME, _KEY, _KEY_END, _VALUE, _VALUE_END, _HEADERS = range(7)
PLACES: Final = 7
"""Rows of `places`: offset and time as deltas, then positions in the data; -1 for a null key or value."""


@helper
def _varint(data: Bytes, at: int, end: int, out: Words) -> int:
    """Read a zigzag varint of at most 64 bits into `out[0]`; return the place after it, or -1 where there is none."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < np.uint64(64):
        byte = np.uint64(data[at])
        value |= (byte & np.uint64(127)) << shift
        at += 1
        if byte < np.uint64(128):
            out[0] = np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))
            return at
        shift += np.uint64(7)
    return -1


@helper
def _span(data: Bytes, at: int, end: int, out: Words, places: Words, row: int, column: int) -> int:
    """Read a length and note the place of so many bytes after it; return the place after them, or -1."""
    at = _varint(data, at, end, out)
    length = int(out[0])
    if at < 0 or length > end - at:
        return -1
    if length < 0:
        places[row, column] = places[row + 1, column] = -1
        return at
    places[row, column], places[row + 1, column] = at, at + length
    return at + length


@helper
def _record(data: Bytes, at: int, end: int, last: int, out: Words, places: Words, k: int) -> int:
    """Read record `k`; return the place after it, or -1 where it is not one. Offsets rise, up to `last`."""
    at = _varint(data, at, end, out)
    length = int(out[0])
    if at < 0 or length < 0 or length > end - at:
        return -1
    stop = at + length
    at = _varint(data, at + 1, stop, out)  # after the attributes, of which there are none yet
    if at < 0:
        return -1
    places[_TIME, k] = out[0]
    at = _varint(data, at, stop, out)
    offset, before = int(out[0]), int(places[_OFFSET, k - 1]) if k > 0 else -1
    if at < 0 or offset <= before or offset > last:
        return -1
    places[_OFFSET, k] = offset
    at = _span(data, at, stop, out, places, _KEY, k)
    if at < 0:
        return -1
    at = _span(data, at, stop, out, places, _VALUE, k)
    if at < 0 or at >= stop:
        return -1
    places[_HEADERS, k] = at
    return stop


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def find(data: Bytes, at: int, end: int, last: int, places: Words, out: Words) -> int:
        """Find the records of data[at:end]. `places` int64[7, n] and `out` int64[1] are overwritten.

        `out` becomes how many records were found in order, n if the data end with the last one.
        """
        data, places, out = borrow((data, places, out))
        found = 0
        while found < places.shape[1]:
            at = _record(data, at, end, last, out, places, found)
            if at < 0:
                break
            found += 1
        out[0] = found if at == end else -1
        return key

    return find


_find = _compile(revision(__name__))


class Records:
    """Records of a batch, not copied yet. Each property copies one column.

    `data` may have other bytes too. `weight`: estimated bytes in memory once copied.
    """

    __slots__ = ("_base", "_data", "_places", "_times_ms", "weight")

    def __init__(self, data: bytes, places: Words, base: int, times_ms: Words | int, weight: int) -> None:
        """Records at `places` int64[7, n] in `data`. `times_ms`: one timestamp for all, or int64[n]."""
        self.weight = weight
        self._data = data
        self._places = places
        self._base = base
        self._times_ms = times_ms

    def __len__(self) -> int:
        return len(self._places[_OFFSET])

    def since(self, begin: int) -> "Records":
        """Return the records with offsets of `begin` or more."""
        return self.part(int(np.searchsorted(self._places[_OFFSET], begin - self._base)), len(self))

    def before(self, end: int) -> "Records":
        """Return the records with offsets below `end`."""
        return self.part(0, int(np.searchsorted(self._places[_OFFSET], end - self._base)))

    def part(self, low: int, high: int) -> "Records":
        """Return the records of rows [low, high). The weight stays that of all."""
        times_ms = self._times_ms if isinstance(self._times_ms, int) else self._times_ms[low:high]
        return Records(self._data, self._places[:, low:high], self._base, times_ms, self.weight)

    @property
    def offsets(self) -> Sequence[int]:
        """Offsets; a range if none is missing."""
        offsets = self._places[_OFFSET]
        if not len(offsets):
            return ()
        first, last = int(offsets[0]), int(offsets[-1])
        if last - first + 1 == len(offsets):
            return range(self._base + first, self._base + last + 1)
        found: list[int] = (offsets + self._base).tolist()
        return found

    @property
    def timestamps_ms(self) -> list[int]:
        """Timestamps in ms; -1 if the producer set none."""
        if isinstance(self._times_ms, int):
            return [self._times_ms] * len(self)
        found: list[int] = self._times_ms.tolist()
        return found

    @property
    def is_dated_by_broker(self) -> bool:
        """Whether the broker set the timestamps, on arrival."""
        return isinstance(self._times_ms, int)

    @property
    def payloads(self) -> list[bytes]:
        """Values; b"" for null."""
        return self._cut(_VALUE)

    @property
    def values(self) -> list[bytes | None]:
        """Values; None for null."""
        return self._cut_nulls(_VALUE)

    @property
    def names(self) -> list[bytes]:
        """Keys; b"" for null."""
        return self._cut(_KEY)

    @property
    def keys(self) -> list[bytes | None]:
        """Keys; None for null."""
        return self._cut_nulls(_KEY)

    def headers(self, row: int) -> tuple[Header, ...]:
        """Return the headers of one record, at most HEADERS_MAX. Bytes of a name that are not UTF-8 are replaced.

        Raises:
            BrokenError: the headers are corrupt.
        """
        at = int(self._places[_HEADERS, row])
        return tuple(_headers(self._data, at)) if at >= 0 and self._data[at] else ()

    def _cut(self, column: int) -> list[bytes]:
        data, (begins, ends) = self._data, self._places[column : column + 2].tolist()
        return [data[begin:end] for begin, end in zip(begins, ends, strict=True)]  # [-1:-1] is empty

    def _cut_nulls(self, column: int) -> list[bytes | None]:
        texts: list[bytes | None] = [*self._cut(column)]
        for row in np.flatnonzero(self._places[column] < 0).tolist():
            texts[row] = None
        return texts


def find_records(
    data: bytes, begin: int, end: int, *, count: int, last: int, base: int, first_ms: int, append_ms: int | None
) -> Records:
    """Find the `count` records of data[begin:end], with offsets from `base` to `base + last`.

    Timestamps are deltas to `first_ms`, or all are `append_ms` if it is given. Cost: 20 ns a record.

    Raises:
        BrokenError: the data are not exactly `count` records.
    """
    if not 0 <= count <= (end - begin) // RECORD_SIZE_MIN:
        raise BrokenError("it does not hold as many records as it says")
    places = np.empty((PLACES, count), dtype=np.int64)
    found = np.empty(1, dtype=np.int64)
    _find(np.frombuffer(data, dtype=np.uint8), begin, end, last, places, found)
    if found[0] != count:
        raise BrokenError("its records are not what their lengths say")
    times_ms = places[_TIME] + first_ms if append_ms is None else append_ms
    return Records(data, places, base, times_ms, end - begin + RECORD_BYTES * count)


def weigh(size: int, count: int, limit: int) -> int:
    """Return the estimated size of unpacked records in memory, in bytes.

    Raises:
        TooLargeError: it is more than `limit`.
    """
    weight = size + RECORD_BYTES * count
    if weight > limit:
        raise TooLargeError
    return weight


def _headers(data: bytes, at: int) -> Iterator[Header]:
    """Read the headers at a position. The kernel has not checked them."""
    count, at = _read_varint(data, at)
    for _ in range(min(count, HEADERS_MAX)):
        name, at = _read_text(data, at)
        content, at = _read_text(data, at)
        yield (name or b"").decode(errors="replace"), content


def _read_text(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _read_varint(data, at)
    if length > len(data) - at:
        raise BrokenError("a header extends over the end")
    return (None, at) if length < 0 else (data[at : at + length], at + length)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(data) and shift < VARINT_BITS:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    raise BrokenError("a length of a header does not end")
