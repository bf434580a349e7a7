"""JSON that people and other programs wrote: what decoding it may raise, and where it nests too deep."""

import re
from typing import Final

import msgspec

FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text; RecursionError where it nests deeper than Python's stack has room, 1,000 at most."""

NESTED_MAX: Final = 512
"""Levels that are always said to be too many where msgspec has given up."""

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def too_deep(text: bytes) -> str:
    """Say where a text that msgspec gave up nests deeper than 512 levels: column in bytes, line if not the first."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += 1 if token[0] in b"[{" else -1 if token[0] in b"]}" else 0
        if depth > NESTED_MAX:
            at = token.start()
            line, column = text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at)
            place = f"column {column}" if line == 1 else f"line {line}, column {column}"
            return f"{place}: nested deeper than {NESTED_MAX} levels"
    return "nested too deeply"
