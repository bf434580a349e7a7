"""A file of mended events: JSON lines, each with the coordinates of the refused record that it replaces.

Only positions in the file are kept in memory. A value is read again when it is sent. No message quotes the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from scoring.contract.faults import FAULTS, too_deep
from streams.dlq.letters import Coordinates, DlqError

LINE_BYTES_MAX = 1 << 21
FAULTS_TOLD = 20
SHAPE = '{"topic": ..., "partition": ..., "offset": ..., "value": {...}}'

_PARTITION_MAX, _OFFSET_MAX = 2**31 - 1, 2**63 - 1
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Line(NamedTuple):
    """Position of a line: its number from 1, its first byte and its length."""

    number: int
    start: int
    size: int


class LineError(ValueError):
    """Raised when a line is wrong. The text says how, and never quotes the line."""


class Mended:
    """The lines of a file, by the coordinates in them."""

    def __init__(self, name: str, stream: BinaryIO, topics: tuple[str, ...], limit: int) -> None:
        """Read the whole file once.

        Raises:
            DlqError: lines are wrong, or there are more than `limit`. Up to 20 wrong lines are named.
        """
        self.name = name
        self._stream = stream
        self.lines: dict[Coordinates, Line] = {}
        faults: list[str] = []
        for line, text in _lines(stream):
            if len(faults) == FAULTS_TOLD:
                faults.append(f"{name}: more lines are wrong; mend these first")
                break
            try:
                place = parse_line(text, topics)[0]
                if place in self.lines:
                    raise LineError(f"{place} stands in line {self.lines[place].number} already: keep one of them")
            except LineError as error:
                faults.append(f"{name}:{line.number}: {error}")
                continue
            if len(self.lines) == limit:
                raise DlqError(f"{name}: more than {limit:,} lines: cut the file in pieces, or raise --limit")
            self.lines[place] = line
        if faults:
            raise DlqError("\n".join(faults))

    def value(self, place: Coordinates) -> bytes:
        """Read the mended value of a record."""
        line = self.lines[place]
        self._stream.seek(line.start)
        try:
            found, value = parse_line(self._stream.read(line.size), (place.topic,))
        except LineError:
            found, value = None, b""
        if found != place:
            raise DlqError(f"{self.name}:{line.number}: the file was changed while it was read: run this again")
        return value

    def at(self, place: Coordinates) -> str:
        """Return file name and line number of a mended record."""
        return f"{self.name}:{self.lines[place].number}"


@contextmanager
def mended_file(file: Path, topics: tuple[str, ...], limit: int) -> Iterator[Mended]:
    """Open a file of mended events of the given topics.

    Raises:
        DlqError: as `Mended`.
        OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        yield Mended(file.name, stream, topics, limit)


def parse_line(text: bytes, topics: tuple[str, ...]) -> tuple[Coordinates, bytes]:
    """Return the coordinates and the value in a line.

    Raises:
        LineError: the line has not the shape of SHAPE.
    """
    if len(text) > LINE_BYTES_MAX:
        raise LineError(f"longer than {LINE_BYTES_MAX:,} bytes")
    try:
        fields = _decode(text)
    except RecursionError:
        raise LineError(too_deep(text)) from None
    except FAULTS:
        raise LineError(f"not a JSON object on one line; it must read {SHAPE}") from None
    missing = [name for name in ("topic", "partition", "offset", "value") if name not in fields]
    if missing:
        raise LineError(f"lacks {' and '.join(missing)}; it must read {SHAPE}")
    if len(fields) > 4:
        raise LineError(f"has more than topic, partition, offset and value; it must read {SHAPE}")
    topic = _text(fields["topic"])
    if topic not in topics:
        raise LineError(f"topic must be {' or '.join(topics)}")
    place = Coordinates(
        topic,
        _whole(fields["partition"], "partition", _PARTITION_MAX),
        _whole(fields["offset"], "offset", _OFFSET_MAX),
    )
    return place, bytes(fields["value"])


def _text(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except FAULTS:
        return ""


def _whole(raw: msgspec.Raw, name: str, maximum: int) -> int:
    try:
        number = msgspec.json.decode(raw, type=int)
    except FAULTS:
        number = -1
    if not 0 <= number <= maximum:
        raise LineError(f"{name} must be a whole number of 0 or more, without quotes")
    return number


def _lines(stream: BinaryIO) -> Iterator[tuple[Line, bytes]]:
    """Yield the lines that are not blank; a line over LINE_BYTES_MAX is cut."""
    number, start = 0, 0
    while text := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        size = len(text)
        while not text.endswith(b"\n") and (rest := stream.readline(LINE_BYTES_MAX)):
            size += len(rest)
            if rest.endswith(b"\n"):
                break
        if text.strip():
            yield Line(number, start, size), text
        start += size
