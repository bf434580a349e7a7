"""A source of recorded events: JSON lines as `sekisho simulate --out` writes them."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from scoring.contract.faults import FAULTS, too_deep
from scoring.outputs import Record
from streams.replay.source import CHUNK_EVENTS, EVENT_MS_END, EVENT_MS_MIN, NOT_OURS, Chunk, Labels, SourceError

LINE_BYTES_MAX = 1 << 21

_OUTSIDE = "at_ms lies outside the years 2000 to 2100, in milliseconds since 1970"

FIELDS = {"authorizations": "authorizations", "fraud-reports": "fraud_reports", "merchants": "merchants"}
"""Topic names in such a file, and the fields of `Topics`. The configuration gives the names on the brokers."""


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record: topic, key, timestamp in ms, and value bytes."""

    topic: str
    key: str
    at_ms: int
    value: msgspec.Raw

    @property
    def record(self) -> Record:
        """Key and value as sent to Kafka."""
        return self.key.encode(), bytes(self.value)


class _Named(msgspec.Struct, frozen=True, gc=False):
    event_id: str


_decode_line = msgspec.json.Decoder(Line).decode
_decode_name = msgspec.json.Decoder(_Named).decode


def read_lines(stream: IO[bytes], name: str, topics: Container[str] = FIELDS) -> Iterator[Line]:
    """Yield the records of a stream of JSON lines. `topics`: names of topics that it may hold.

    Raises:
        SourceError: a line is not such a record, names an unknown topic or is longer than 2 MiB.
    """
    number = 0
    while text := stream.readline(LINE_BYTES_MAX):
        number += 1
        try:
            line = _decode_line(text)
        except RecursionError:
            raise SourceError(f"{name}, line {number}: {too_deep(text)}") from None
        except FAULTS:
            raise SourceError(f"{name}, line {number}: not a record of `sekisho simulate`") from None
        if line.topic not in topics:
            raise SourceError(f"{name}, line {number}: unknown topic")
        yield line


def event_id_of(value: bytes) -> str | None:
    """Return the event id, or None if the event has no readable one."""
    try:
        return _decode_name(value).event_id
    except FAULTS:
        return None


class Places:
    """Assign each event id a position, in order of first occurrence. Memory: about 150 bytes for each event."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        self._next = 0

    def place(self, value: bytes) -> int:
        """Return the position of an event: the earlier one for a repeated id, a new one without an id."""
        name = event_id_of(value)
        position = self._next if name is None else self._positions.setdefault(name, self._next)
        if position == self._next:
            self._next += 1
        return position

    def find(self, event_id: str) -> int:
        """Return the position of an id, or NOT_OURS."""
        return self._positions.get(event_id, NOT_OURS)


def _misdated(line: Line, last_ms: int) -> str:
    """Return the fault in the time of a record, or "". Merchants may be at any place."""
    if not EVENT_MS_MIN <= line.at_ms < EVENT_MS_END:
        in_seconds = EVENT_MS_MIN <= line.at_ms * 1000 < EVENT_MS_END
        return "at_ms is in seconds: milliseconds since 1970 are read" if in_seconds else _OUTSIDE
    is_late = line.topic != "merchants" and line.at_ms < last_ms
    return "earlier than a line before it: sort the lines by at_ms" if is_late else ""


class LinesSource:
    """Records of a file, which must be in order of time."""

    def __init__(self, file: Path, *, limit: int = 0) -> None:
        self._file = file
        self._limit = limit
        self._places = Places()

    @property
    def total(self) -> int | None:
        """None: the number of events is not known before the end."""
        return None

    @property
    def labels(self) -> Labels | None:
        """None: a file of events has no labels."""
        return None

    @property
    def left_out(self) -> Mapping[str, int]:
        """Empty: a line that is no record ends the reading, and a faulty event becomes a dead letter."""
        return {}

    @property
    def empty(self) -> int:
        """0: an empty line is no record."""
        return 0

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records. A repeated id has its earlier position, so that repeats are known."""
        events: list[Record] = []
        positions: list[int] = []
        times_ms: list[int] = []
        others: dict[str, list[Record]] = {}
        sent = number = last_ms = 0
        with self._file.open("rb") as stream:
            for number, line in enumerate(read_lines(stream, str(self._file)), start=1):
                field = FIELDS[line.topic]
                if fault := _misdated(line, last_ms):
                    raise SourceError(f"{self._file}, line {number}: {fault}")
                if field != "merchants":
                    last_ms = line.at_ms
                if field != "authorizations":
                    others.setdefault(field, []).append(line.record)
                    continue
                events.append(line.record)
                positions.append(self._places.place(events[-1][1]))
                times_ms.append(line.at_ms)
                sent += 1
                if len(events) == CHUNK_EVENTS or sent == self._limit:
                    yield Chunk(events=events, positions=positions, times_ms=times_ms, others=others)
                    events, positions, times_ms, others = [], [], [], {}
                if sent == self._limit:
                    return
        if not number:
            raise SourceError(f"{self._file}: is empty")
        if events or others:
            yield Chunk(events=events, positions=positions, times_ms=times_ms, others=others)

    def position(self, event_id: str) -> int:
        """Return the position of an event id, or NOT_OURS."""
        return self._places.find(event_id)
