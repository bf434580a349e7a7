"""Recorded traffic as JSON lines, in order of time. An error names the line and quotes nothing of it."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple, TypeVar, cast

import msgspec

from scoring.contract.faults import FAULTS, too_deep

T = TypeVar("T", bound=msgspec.Struct)
Topic = Literal["authorizations", "authorization-outcomes", "fraud-reports", "merchants", "threeds-results"]

LINE_BYTES_MAX: Final = 2 * 2**20
AT_MS_MIN: Final = 946_684_800_000  # 2000-01-01
AT_MS_END: Final = 4_133_980_800_000  # 2101-01-01: end of the event times that the contract allows

_TOPICS: Final = ("authorizations", "fraud-reports", "merchants")
"""Topics of a file of lines."""

_FINER: Final = {"seconds": 1000.0, "microseconds": 1e-3, "nanoseconds": 1e-6}
"""Other units of a time, and their milliseconds."""


class Record(NamedTuple):
    """One record of a topic as it was published; `value` None forgets a merchant, `at_ms` is its timestamp.

    `place`: its partition and offset, if it was read from Kafka.
    """

    topic: Topic
    key: bytes
    value: bytes | None
    at_ms: int
    place: tuple[int, int] | None = None


class _Line(msgspec.Struct, kw_only=True):
    topic: str
    key: str
    at_ms: int
    value: msgspec.Raw


def read_records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of JSON lines `{"topic", "key", "at_ms", "value"}`. Values are not changed.

    Authorizations and fraud reports must be in the order of `at_ms`; merchants are taken where they stand.

    Raises:
        ValueError: there is no line, or a line is no record, is dated in another unit, or is earlier than one before.
    """
    decoder = msgspec.json.Decoder(_Line)
    number, last_ms = 0, AT_MS_MIN
    for number, text in enumerate(lines, start=1):
        line = decoded(decoder, text, number)
        if line.topic not in _TOPICS:
            raise ValueError(f"line {number}: unknown topic; known are {', '.join(_TOPICS)}")
        if fault := misdated(line.at_ms):
            raise ValueError(f"line {number}: at_ms {fault}")
        if line.topic != "merchants":
            if line.at_ms < last_ms:
                raise ValueError(f"line {number}: earlier than a line before it: sort the lines by at_ms")
            last_ms = line.at_ms
        value = bytes(line.value)
        yield Record(cast(Topic, line.topic), line.key.encode(), None if value == b"null" else value, line.at_ms)
    if not number:
        raise ValueError("is empty")


def decoded(decoder: "msgspec.json.Decoder[T]", text: bytes, number: int) -> T:
    """Decode one line.

    Raises:
        ValueError: it is too long, no JSON, or not such a record; the text names the line and quotes nothing of it.
    """
    if len(text) > LINE_BYTES_MAX:
        raise ValueError(f"line {number} has {len(text)} bytes, at most {LINE_BYTES_MAX} are accepted")
    try:
        return decoder.decode(text)
    except UnicodeDecodeError:
        fault = "not UTF-8"
    except RecursionError:
        fault = too_deep(text)
    except FAULTS as error:
        fault = str(error)
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            fault = "not UTF-8"
        elif fault.startswith("Object contains unknown field"):
            fault = f"a field that is not known; known are {', '.join(decoder.type.__struct_fields__)}"
    raise ValueError(f"line {number}: {fault}")


def misdated(at_ms: int) -> str:
    """Return the fault of a number that is no time from 2000 to 2100 in ms, with its probable unit; else ""."""
    if AT_MS_MIN <= at_ms < AT_MS_END:
        return ""
    for unit, per_unit in _FINER.items():
        if AT_MS_MIN <= at_ms * per_unit < AT_MS_END:
            return f"is in {unit}: milliseconds since 1970 are read"
    return "lies outside the years 2000 to 2100, in milliseconds since 1970"
