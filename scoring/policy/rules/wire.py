"""Read the checked expression that the CEL library serialises: a small reader of protocol buffers.

The message is `cel.expr.CheckedExpr` inside a `google.protobuf.Any`. Field numbers are those of
`cel/expr/checked.proto` and `cel/expr/syntax.proto` of the CEL specification. Only what a rule may contain is read.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

DEPTH_MAX: Final = 32
"""Levels of an expression."""

_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_VARINT, _EIGHT_BYTES, _TEXT, _FOUR_BYTES = 0, 1, 2, 5
Constant = bool | int | float | str


class Node(NamedTuple):
    """One node of an expression: a constant, a name, a call or a list. Another kind has the name of its part.

    `value` is the constant, the name of a variable, or that of a function. `kind`: "constant", "name", "call", "list"
    or what the language of rules lacks. `at` is its place in the text, in characters.
    """

    kind: str
    value: Constant
    args: tuple["Node", ...]
    type: str
    at: int


class TooDeepError(ValueError):
    """Raised when an expression has more than DEPTH_MAX levels."""


def expression_of(serialised: bytes) -> Node:
    """Return the tree of a checked expression.

    Raises:
        TooDeepError: it has more levels than DEPTH_MAX.
    """
    checked = _only(dict_of(serialised), 2)
    fields = dict_of(checked)
    names = {_number(each, 1): _text(_only(each, 2), 1) for each in map(dict_of, fields.get(2, [])) if 2 in each}
    kinds = {_number(each, 1): _type_of(_only(each, 2)) for each in map(dict_of, fields.get(3, []))}
    places = {
        _number(each, 1): _number(each, 2) for each in map(dict_of, dict_of(_only(fields, 5)).get(4, [])) if 1 in each
    }
    return _Reader(names, kinds, places).node(_only(fields, 4), 0)


class _Reader(NamedTuple):
    names: dict[int, str]
    kinds: dict[int, str]
    places: dict[int, int]

    def node(self, message: bytes, depth: int) -> Node:
        if depth == DEPTH_MAX:
            raise TooDeepError(f"more than {DEPTH_MAX} levels")
        fields = dict_of(message)
        number = _number(fields, 2)
        kind, value, args = self._parts(fields, number, depth)
        return Node(kind, value, args, self.kinds.get(number, "?"), self.places.get(number, 0))

    def _parts(self, fields: "Fields", number: int, depth: int) -> tuple[str, Constant, tuple[Node, ...]]:
        if 3 in fields:
            return _constant(dict_of(_only(fields, 3)))
        if 4 in fields:
            return "name", self.names.get(number) or _text(_only(fields, 4), 1), ()
        if 6 in fields:
            call = dict_of(_only(fields, 6))
            operands = [*call.get(1, []), *call.get(3, [])]
            return "call", _text_of(call, 2), tuple(self.node(_bytes(each), depth + 1) for each in operands)
        if 7 in fields:
            elements = dict_of(_only(fields, 7)).get(1, [])
            return "list", "", tuple(self.node(_bytes(each), depth + 1) for each in elements)
        return {5: "a field of a value", 8: "a map", 9: "a macro"}.get(max(fields.keys() - {2}, default=0), "?"), "", ()


Fields = dict[int, list[int | bytes]]


def _constant(fields: Fields) -> tuple[str, Constant, tuple[Node, ...]]:
    if 2 in fields:
        return "constant", _number(fields, 2) != 0, ()
    if 3 in fields:
        return "constant", _signed(_number(fields, 3)), ()
    if 5 in fields:
        value: float = struct.unpack("<d", _only(fields, 5))[0]
        return "constant", value, ()
    if 6 in fields:
        return "constant", _text_of(fields, 6), ()
    return {1: "null", 4: "a number without a sign", 7: "bytes"}.get(next(iter(fields), 0), "?"), "", ()


def _type_of(message: bytes) -> str:
    fields = dict_of(message)
    if 3 in fields:
        return _PRIMITIVES.get(_number(fields, 3), "?")
    return "list" if 6 in fields else "?"


def dict_of(message: "bytes | int") -> Fields:
    """Return the fields of a message by number: numbers, and bytes of texts, messages and floats."""
    found: Fields = {}
    for number, value in _fields(_bytes(message)):
        found.setdefault(number, []).append(value)
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind)
        if size is None:
            assert kind == _TEXT, f"a field of wire type {kind}"
            size, at = _varint(message, at)
        assert at + size <= len(message), "a message that ends within a field"
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes), "a number where a message is due"
    return value


def _only(fields: Fields, number: int) -> bytes:
    return _bytes(fields[number][-1])


def _number(fields: Fields, number: int) -> int:
    """Return a number; one that is 0 is left out of a message."""
    value = fields.get(number, [0])[-1]
    assert isinstance(value, int), "bytes where a number is due"
    return value


def _text_of(fields: Fields, number: int) -> str:
    return _bytes(fields.get(number, [b""])[-1]).decode()


def _text(message: bytes, number: int) -> str:
    return _text_of(dict_of(message), number)
