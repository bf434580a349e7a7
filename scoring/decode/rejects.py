"""Rejects: reason and path of a refused record, without any content of the record.

A decoder's message may quote the record. So the message is mapped to one of a few reasons, its path is built from the
names of the contract, and the message is dropped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from scoring.contract.authorization import Authorization
from scoring.contract.dead_letter import DeadLetter, DeadLetterReason, Reject
from scoring.contract.label import FraudReport, Settlement
from scoring.contract.merchant import MerchantRecord
from scoring.contract.threeds_result import ThreeDsResult

PATH_MAX: Final = 256
ROOT: Final = "$"


def _structs(kind: object) -> Iterator[type[Struct]]:
    """Yield all records in a type."""
    if isinstance(kind, type) and get_origin(kind) is None:
        if issubclass(kind, Struct):
            yield kind
            for field in msgspec.structs.fields(kind):
                yield from _structs(field.type)
        return
    for part in get_args(kind):
        yield from _structs(part)


def _names() -> frozenset[str]:
    roots = (Authorization, MerchantRecord, FraudReport, ThreeDsResult, Settlement)
    return frozenset(
        field.encode_name for root in roots for kind in _structs(root) for field in msgspec.structs.fields(kind)
    )


NAMES: Final = _names()
"""Field names of the input contracts: the only words a path may hold."""


def _texts(kind: inspect.Type, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            types = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
            for part in types:
                yield from _texts(part, f"{path}.{field.encode_name}")
    elif isinstance(kind, inspect.StrType):
        assert kind.max_length is not None, f"{path} has no limit"
        yield path, kind.max_length


TEXT_FIELDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        path: length_max
        for root in (Authorization, MerchantRecord, FraudReport, ThreeDsResult, Settlement)
        for path, length_max in _texts(inspect.type_info(root), ROOT)
    }
)
"""Text fields of the input contracts without a closed list: JSON path, and the largest number of characters."""

_FIELD: Final = re.compile(r"`([^`]*)`")
_AT: Final = re.compile(r" - at (?:`key` in )?`(\$[^`]*)`\Z")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")
_REASONS: Final[tuple[tuple[str, DeadLetterReason], ...]] = (
    ("Object missing required field", "MISSING_FIELD"),
    ("Invalid", "INVALID_VALUE"),  # an enumeration or a time
    ("Integer value out of range", "OUT_OF_RANGE"),
    ("Number out of range", "OUT_OF_RANGE"),
    ("Timestamp is out of range", "OUT_OF_RANGE"),
)
_LIMIT: Final = re.compile(r"Expected `\w+` (?:of length )?[<>]")
_TIMEZONE: Final = re.compile(r"Expected `\w+` with")
_PATTERN: Final = re.compile(r"Expected `\w+` matching")

_encode: Final = msgspec.json.Encoder().encode


def path_of(steps: Sequence[str | int]) -> str:
    """Write a JSON path: names of the contract as they are, every other key as `*`, positions in lists as numbers.

    At most 256 characters; a longer path is cut after the last step that fits.
    """
    path = ROOT
    for step in steps:
        if isinstance(step, int):
            longer = f"{path}[{step if step < 1000 else '*'}]"
        else:
            longer = f"{path}.{step if step in NAMES else '*'}"
        if len(longer) > PATH_MAX:
            break
        path = longer
    return path


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for name, position in _STEP.findall(path):
        steps.append(name or (int(position) if position.isdigit() else "*"))
    return steps


def reject_of(error: Exception) -> Reject:
    """Make a reject of a decoder's error. The text of the error is not kept."""
    if isinstance(error, UnicodeDecodeError):
        return Reject(reason="INVALID_UTF8", path=ROOT)
    if isinstance(error, RecursionError):
        return Reject(reason="NESTED_TOO_DEEP", path=ROOT)
    if not isinstance(error, msgspec.ValidationError):
        return Reject(reason="MALFORMED_JSON", path=ROOT)
    text = str(error)
    found = _AT.search(text)
    steps = _steps(found[1]) if found else []
    for start, reason in _REASONS:
        if text.startswith(start):
            missing = _FIELD.search(text) if reason == "MISSING_FIELD" else None
            return Reject(reason=reason, path=path_of([*steps, missing[1]] if missing else steps))
    if _LIMIT.match(text):
        return Reject(reason="OUT_OF_RANGE", path=path_of(steps))
    invalid = _PATTERN.match(text) or _TIMEZONE.match(text)
    return Reject(reason="INVALID_VALUE" if invalid else "WRONG_TYPE", path=path_of(steps))


def encode_dead_letter(
    reject: Reject,
    topic: str,
    partition: int,
    offset: int,
    size: int,
    record_ms: int,
    received_ms: int,
    last_offset: int | None = None,
) -> tuple[bytes, bytes]:
    """Encode the dead letter of one reject as (key, value); the key is `topic/partition/offset` of the source.

    `size` is the record's length in bytes. Times are milliseconds since the epoch; a missing time (-1) is written as 0.
    With a `last_offset` the letter stands for every record up to there.
    """
    letter = DeadLetter(
        schema_version="dead-letter.v1",
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reject.reason,
        path=reject.path,
        size_bytes=size,
        record_ms=max(record_ms, 0),
        received_ms=max(received_ms, 0),
        last_offset=last_offset,
    )
    return f"{topic}/{partition}/{offset}".encode(), _encode(letter)
