"""Read the file of a list: a header, then one value a line with its end.

    value,effective_to
    9f86d081884c7d659a2feaa0c55ad015,2027-01-01T00:00:00+09:00

A third column `effective_from` is optional. Nothing is quoted. A fault names line and column, never the value.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy import uint64
from numpy.typing import NDArray

from scoring.decode.characters import BYTE_CLASSES
from scoring.decode.digits import DIGITS_ROOM, is_hex
from scoring.decode.hashing import PARTS, entity_keys, part_key
from scoring.decode.page import PADDING
from scoring.decode.read.times import time_of
from scoring.decode.scan import digit_marks
from scoring.jit import borrow, entry, helper, inlined, revision
from scoring.lists.kinds import KINDS, PLACES, VALUE_MAX
from scoring.lists.slots import Slots, empty_slots, entry_key
from scoring.lists.table import ListTable

CHUNK_ROWS: Final = 8_192
"""Most entries of one call of the kernel: about 2 ms, for which it holds the interpreter's lock."""

LINE_MAX: Final = 256
"""Most bytes of a line."""

_HEADERS: Final = (b"value,effective_to", b"value,effective_to,effective_from")
_BOM: Final = b"\xef\xbb\xbf"
_VALUE, _TO, _FROM = "value", "effective_to", "effective_from"
_TIME_WAY: Final = "write a time of RFC 3339 with an offset, such as 2027-01-01T00:00:00+09:00"
_FAULTS: Final = (
    ("", ""),
    (_VALUE, "the line is blank: delete it"),
    (_VALUE, "is blank: write a value, or delete the line"),
    (_VALUE, f"has more than {VALUE_MAX} bytes, which no field of the contract has"),
    (_VALUE, "has a blank, a quotation mark or a control character, which no token has: delete it"),
    (_VALUE, "looks like a card number: write the token that events carry, and delete this file"),
    (_VALUE, "looks like an address in clear: write the keyed hash that events carry"),
    (_VALUE, "is no BIN: write 6 to 8 digits"),
    (_TO, "is missing: an entry must end"),
    (_TO, f"is no time: {_TIME_WAY}"),
    (_FROM, f"is no time: {_TIME_WAY}"),
    (_TO, "must be after effective_from, and in 1971 to 2100"),
    (_VALUE, "the line has more columns than the header: values and times contain no comma"),
    (_VALUE, f"the line has more than {LINE_MAX} bytes"),
    (_VALUE, "stands in more than 16 lines: keep one"),
)
_BLANK_LINE, _NO_VALUE, _TOO_LONG, _ODD, _PAN, _CLEAR, _NO_BIN, _NO_END, _NO_TO, _NO_FROM, _ORDER, _COLUMNS, _LINE = (
    range(1, 14)
)
_REPEATED: Final = 14
_BIN, _MERCHANT = KINDS.index("bin"), KINDS.index("merchant")
_EMAIL, _IP, _NETWORK = KINDS.index("email"), KINDS.index("ip"), KINDS.index("ip_network")
_VALUE_MAX: Final = VALUE_MAX
_MERCHANT_DIGITS: Final = 15  # of ISO 8583 DE 42: an id of so many digits is no card number (decode.identifiers)
_HASH_MIN: Final = 32
_TIME_MAX_S: Final = 4_133_980_800  # 2101-01-01
_COMMA, _LF, _CR = 44, 10, 13


class ListFileError(ValueError):
    """Raised for a line that is refused. The text names line and column."""


@inlined
def _cut(data: NDArray[np.uint8], start: int, stop: int) -> int:
    """Return the place of the first comma of data[start:stop], or `stop`."""
    while start < stop and data[start] != _COMMA:
        start += 1
    return start


@helper
def _value_fault(
    data: NDArray[np.uint8], a: int, z: int, kind: int, classes: NDArray[np.uint8], digits: NDArray[np.uint8]
) -> int:
    """Judge the value data[a:z] of a list of a kind; 0 if it may stand. Padding must follow the data."""
    if a == z:
        return _NO_VALUE
    if z - a > _VALUE_MAX:
        return _TOO_LONG
    numeric, colon, dot, digits_of_hex = True, False, False, True
    for i in range(a, z):
        byte = data[i]
        if byte <= 32 or byte == 34 or byte == 127:
            return _ODD
        if byte == 64 and kind == _EMAIL:
            return _CLEAR
        if not 48 <= byte <= 57:
            numeric = False
            digits_of_hex = digits_of_hex and is_hex(byte)
        colon |= byte == 58
        dot |= byte == 46
    if kind == _BIN:
        return 0 if numeric and 6 <= z - a <= 8 else _NO_BIN
    if (kind == _IP or kind == _NETWORK) and (colon or dot):
        return _CLEAR
    if kind == _MERCHANT and numeric and z - a == _MERCHANT_DIGITS:
        return 0
    if digits_of_hex and not numeric and z - a >= _HASH_MIN:
        return 0  # of ten million hashes a few look like a number with an expiry by chance
    return _PAN if digit_marks(data, a, z, classes, digits) else 0


@helper
def _period(data: NDArray[np.uint8], after: int, z: int, width: int, period: NDArray[np.int64]) -> int:
    """Read the columns of time in data[after:z], behind the comma of the value, as seconds; return a fault or 0."""
    if after > z:
        return _NO_END
    comma = _cut(data, after, z)
    if comma == after:
        return _NO_END
    until_ms = time_of(data, after, comma)
    if until_ms < 0:
        return _NO_TO
    since_ms = 0
    if comma < z:
        rest = _cut(data, comma + 1, z)
        if width < 3 or rest < z:
            return _COLUMNS
        if rest > comma + 1:
            since_ms = time_of(data, comma + 1, rest)
            if since_ms < 0:
                return _NO_FROM
    period[0], period[1] = since_ms // 1000, until_ms // 1000
    return 0 if period[0] < period[1] < _TIME_MAX_S else _ORDER


@helper
def _read(
    data: NDArray[np.uint8],
    place: NDArray[np.int64],
    of_list: NDArray[np.int64],
    acquirer: uint64,
    classes: NDArray[np.uint8],
    entries: Slots,
    scratch: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]],
) -> int:
    """Read lines. `place` int64[4]: next byte, end of the data, whether the file ends there, rows so far."""
    period, digits, spans = scratch
    start, end = place[0], place[1]
    while place[3] < len(entries.keys) and start < end:
        lf = start
        while lf < end and data[lf] != _LF and lf - start <= LINE_MAX:
            lf += 1
        if lf - start > LINE_MAX:
            return _LINE
        if lf == end and not place[2]:
            break
        z = lf - 1 if lf > start and data[lf - 1] == _CR else lf
        if z == start:
            return _BLANK_LINE
        a = _cut(data, start, z)
        fault = _value_fault(data, start, a, of_list[0], classes, digits)
        if not fault:
            fault = _period(data, a + 1, z, of_list[2], period)
        if fault:
            return fault
        row = place[3]
        spans[0, 0], spans[0, 1] = start, a
        entries.keys[row] = entry_key(of_list[3], acquirer, part_key(data, spans, 0))
        entries.since[row], entries.until[row] = period[0], period[1]
        entries.numbers[row] = of_list[1]
        place[3] += 1
        start = place[0] = lf + 1
    return 0


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def read(
        data: NDArray[np.uint8],
        place: NDArray[np.int64],
        of_list: NDArray[np.int64],
        acquirer: uint64,
        classes: NDArray[np.uint8],
        entries: Slots,
    ) -> int:
        """Read lines into `entries` until they are full or a line is not whole; return a number of `_FAULTS`.

        `of_list` int64[4]: kind, number, columns of the file, and tag of the kind.
        """
        period, digits = np.zeros(2, dtype=np.int64), np.zeros(DIGITS_ROOM, dtype=np.uint8)
        spans = np.zeros((1, 2), dtype=np.int64)
        arrays = borrow((data, place, of_list))
        scratch = borrow((period, digits, spans))
        return 0 * key + _read(*arrays, acquirer, classes, borrow(entries), scratch)

    return read


_read_lines = _compile(revision("scoring.lists", "scoring.decode"))


def hash_of(text: str | None) -> int:
    """Return the hash of a text alone, 0 for None."""
    if text is None:
        return 0
    return int(entity_keys([text, *[""] * (PARTS - 1)], frozenset())[0, 0])


def read_lines(lines: Sequence[bytes], kind: str, number: int, acquirer: str | None) -> tuple[Slots, Sequence[str]]:
    """Read lines `VALUE,EFFECTIVE_TO,EFFECTIVE_FROM` of a list, without line breaks inside.

    Return a slot for each, empty for one that is refused, and the column at fault of each, "" for none.
    """
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)]).tolist()
    page = np.frombuffer(b"\n".join((*lines, PADDING)), dtype=np.uint8)
    of_list = np.array((KINDS.index(kind), number, len(_HEADERS[1].split(b",")), PLACES[kind].tag), dtype=np.int64)
    place = np.array((0, starts[-1], True, 0), dtype=np.int64)
    slots, faults = empty_slots(len(lines)), [""] * len(lines)
    own = np.uint64(hash_of(acquirer))
    while fault := _read_lines(page, place, of_list, own, BYTE_CLASSES, slots):
        line = int(place[3])
        faults[line] = _FAULTS[fault][0]
        place[0], place[3] = starts[line + 1], line + 1
    return slots, faults


class ListReader:
    """Add the entries of one file to a table. `number`: that of the list; `acquirer`: its own, None for all."""

    def __init__(self, table: ListTable, number: int, kind: str, acquirer: str | None) -> None:
        self.entries = 0
        self._table = table
        self._kind, self._is_of_acquirer = kind, acquirer is not None
        self._of_list = np.array((KINDS.index(kind), number, 0, PLACES[kind].tag), dtype=np.int64)
        self._acquirer = np.uint64(hash_of(acquirer))
        self._out = empty_slots(CHUNK_ROWS)
        self._rest = b""

    def feed(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Read the next bytes of the file. Cost: about 0.1 us an entry.

        Raises:
            ListFileError: a line is refused. Entries before it are in the table, which is of no use any more.
        """
        data = self._rest + chunk
        start = self._header(data, is_last) if not self._of_list[2] else 0
        if start is None:
            self._rest = data
            return
        page = np.frombuffer(data + PADDING, dtype=np.uint8)
        place = np.array((start, len(data), is_last, 0), dtype=np.int64)
        while True:
            place[3] = 0
            fault = _read_lines(page, place, self._of_list, self._acquirer, BYTE_CLASSES, self._out)
            rows = int(place[3])
            self._add(rows)
            if fault:
                raise ListFileError(self._said(self.entries + 2, fault))
            if rows < CHUNK_ROWS:
                break
        self._rest = data[place[0] :]

    def _add(self, rows: int) -> None:
        if not rows:
            return
        if not self.entries:
            self._table.seek(self._kind, self._is_of_acquirer)
        if self._table.add(self._out, rows):
            first = self.entries + 2
            raise ListFileError(f"lines {first} to {first + rows - 1}: {': '.join(_FAULTS[_REPEATED])}")
        self.entries += rows

    def _header(self, data: bytes, is_last: bool) -> int | None:
        """Read the first line. Return the place behind it; None if it is not whole yet."""
        at = data.find(b"\n", 0, LINE_MAX)
        if at < 0 and len(data) < LINE_MAX and not is_last:
            return None
        line = (data[:at] if at >= 0 else data[:LINE_MAX]).removeprefix(_BOM).rstrip(b"\r")
        if line not in _HEADERS:
            raise ListFileError(f"line 1: is not the header: write {_HEADERS[0].decode()} or {_HEADERS[1].decode()}")
        self._of_list[2] = line.count(b",") + 1
        return at + 1 if at >= 0 else len(data)

    def _said(self, line: int, fault: int) -> str:
        column, text = _FAULTS[fault]
        return f"line {line}: {column}: {text}"
