"""Read JSON that people and other programs wrote: decoders of records, their errors, the place of too deep nesting."""

import json
import re
from collections.abc import Callable
from typing import Final, TypeVar, Union

import msgspec
from msgspec import Struct, inspect

_Record = TypeVar("_Record", bound=Struct)

FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of msgspec for a text; RecursionError if it nests deeper than Python's stack allows, 1,000 levels at most."""

NESTED_MAX: Final = 512
"""Depth that an error names as too deep, once msgspec has failed."""

_EMPTY: Final = b'""'

_Plan = dict[str, tuple[bool, Union["_Plan", None]]]
"""By field of a record: whether it is required, and the plan of the record that it holds."""

_OTHER: Final[tuple[bool, None]] = (True, None)


class _Members(list[tuple[str, object]]):
    """The members of a JSON object as they came, repeated keys included."""


class _Spelt(str):
    """A JSON number as it was spelt."""

    __slots__ = ()


_parse: Final = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_Spelt, parse_float=_Spelt, parse_constant=_Spelt
).decode


def reader(record: type[_Record]) -> Callable[[bytes], _Record]:
    """Give the decoder of a record. It reads `""` in an optional field as a missing field.

    Sources write an empty text where they have no value, whatever the type of the field. A required field refuses `""`
    by its own type. The decoder raises one of FAULTS.
    """
    decode, plan = msgspec.json.Decoder(record).decode, _plan_of(inspect.type_info(record)) or {}

    def read(value: bytes) -> _Record:
        return decode(value if _EMPTY not in value else _without_empties(value, plan))

    return read


def _plan_of(kind: inspect.Type) -> _Plan | None:
    """Plan a record, or a mapping with closed keys, which are all optional; None for anything else."""
    match kind:
        case inspect.StructType(fields=fields):
            return {field.encode_name: (field.required, _plan_of(field.type)) for field in fields}
        case inspect.DictType(key_type=inspect.LiteralType(values=keys), value_type=value):
            return {str(key): (False, _plan_of(value)) for key in keys}
        case inspect.UnionType(types=types):
            return next((plan for part in types if (plan := _plan_of(part)) is not None), None)
    return None


def _without_empties(value: bytes, plan: _Plan) -> bytes:
    """Rewrite a record without the empty texts of optional fields; return it unchanged if it is no JSON."""
    try:
        return _text(_parse(value.decode()), plan).encode()
    except (ValueError, RecursionError):
        return value  # the decoder reports the fault


def _text(node: object, plan: _Plan | None) -> str:
    if isinstance(node, _Members):
        plan = plan or {}
        last = dict(node)  # of a repeated key the last value counts
        empty = {key for key, (required, _) in plan.items() if not required and last.get(key) == ""}
        kept = [(key, _text(value, plan.get(key, _OTHER)[1])) for key, value in node if key not in empty]
        return "{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in kept) + "}"
    if isinstance(node, list):
        return "[" + ",".join(_text(value, None) for value in node) + "]"
    return node if isinstance(node, _Spelt) else json.dumps(node)


_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def too_deep(text: bytes) -> str:
    """Name the place where a text nests deeper than 512 levels: column in bytes, and line if it is not the first."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += 1 if token[0] in b"[{" else -1 if token[0] in b"]}" else 0
        if depth > NESTED_MAX:
            at = token.start()
            line, column = text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at)
            place = f"column {column}" if line == 1 else f"line {line}, column {column}"
            return f"{place}: nested deeper than {NESTED_MAX} levels"
    return "nested too deeply"
