"""JSON read without losing keys or digits, and written without some of its parts."""

import json
from collections.abc import Iterator, Set
from typing import Final, NoReturn


class Object(list[tuple[str, object]]):
    """The members of a JSON object in their order, including repeated keys."""


class Number(str):
    """A JSON number with its spelling."""

    __slots__ = ()


def _no_constant(_: str) -> NoReturn:
    raise ValueError


read: Final = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_no_constant
).decode
"""Parse JSON without losing keys or digits; raises ValueError for invalid JSON, RecursionError for too deep nesting."""


def write_without(document: object, parts: Set[tuple[str, ...]]) -> bytes:
    """Write a document without the members at these paths; all repeated keys are removed."""
    text = "".join(_spell(document, (), parts))
    try:
        return text.encode()
    except UnicodeEncodeError:  # one half of a surrogate pair, which only an escape can write
        return text.encode(errors="backslashreplace")


def _spell(node: object, path: tuple[str, ...] | None, parts: Set[tuple[str, ...]]) -> Iterator[str]:
    if isinstance(node, Object):
        yield "{"
        comma = ""
        for key, value in node:
            here = None if path is None else (*path, key)
            if here in parts:
                continue
            yield f"{comma}{json.dumps(key, ensure_ascii=False)}:"
            yield from _spell(value, here, parts)
            comma = ","
        yield "}"
    elif isinstance(node, list):
        yield "["
        for position, value in enumerate(node):
            if position:
                yield ","
            yield from _spell(value, None, parts)
        yield "]"
    elif isinstance(node, Number):
        yield str(node)
    else:
        yield json.dumps(node, ensure_ascii=False)
