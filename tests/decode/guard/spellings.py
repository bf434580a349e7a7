"""Card numbers in every spelling that the guard must find, made at run time from a seed."""

import random
from collections.abc import Iterator
from functools import cache
from typing import Final

from tests.decode.guard.numbers import NETWORKS

SEPARATORS: Final = (
    *(" ", "-", ".", "/", "_", "+", "|", ":", ",", "*", ";", "#", "=", "~", "&"),
    *("  ", "\t", "\n", "\r\n", " - ", " / ", ". ", ", ", "\n\n", "--"),
    *(
        "\uff0e",
        "\uff0f",
        "\uff3f",
        "\uff0b",
        "\uff5c",
        "\uff1a",
        "\uff0c",
        "\uff0a",
        "\u30fb",
        "\u00b7",
        "\u3000",
        "\u2028",
    ),
)
"""Separators of groups: ASCII, several characters, and their Unicode forms."""

FRACTIONAL: Final = frozenset(".,\uff0e\uff0c\u30fb\u00b7")
"""Separators that are also in decimal fractions and lists, where two groups are no card number."""

SCRIPTS: Final = (0xFF10, 0x0660, 0x0966, 0x1D7CE)


def groups(number: str, *sizes: int) -> list[str]:
    """Cut a number into groups; the last one has the remaining digits."""
    parts, at = [], 0
    for size in sizes:
        if at < len(number):
            parts.append(number[at : at + size])
            at += size
    return [*parts, number[at:]] if at < len(number) else parts


def _layouts(number: str, separator: str, r: random.Random) -> Iterator[list[str]]:
    yield groups(number, 4, 4, 4, 4)
    yield groups(number, 4, 6, 9) if len(number) < 16 else groups(number, 6, 4, 4)
    yield groups(number, *[1] * 19)
    if separator[0] not in FRACTIONAL:
        yield groups(number, 6, 13)
        yield groups(number, *(r.randrange(1, 8) for _ in range(4)))


@cache
def spellings() -> tuple[tuple[str, str], ...]:
    """Return every spelling: its text, and the number in it."""
    return tuple(_spellings())


def _spellings() -> Iterator[tuple[str, str]]:
    r = random.Random(8400)  # noqa: S311 - repeatable on purpose
    for number in NETWORKS.values():
        for separator in SEPARATORS:
            for parts in _layouts(number, separator, r):
                text = separator.join(parts)
                yield text, number
                yield r.choice(("no. ", "card: ", "\u5730\u56f3 ", "(", "x")) + text, number
                yield text + r.choice((" thank you", "; 12/28", " 123", ")", "\u3067\u3059")), number
        for sizes in ((4, 4, 4), (4, 4, 4, 4)):  # different separators in one number
            parts = groups(number, *sizes)
            yield parts[0] + "".join(r.choice((" ", "-", ".", "/", "\n")) + part for part in parts[1:]), number
        for zero in SCRIPTS:
            yield number.translate({48 + digit: zero + digit for digit in range(10)}), number
        for before, after in (("", ""), ("000", ""), ("", "2812"), ("", "1228123"), ("pan=", "|"), ("<", ">")):
            yield before + number + after, number
        if len(number) != 17:
            yield f"{len(number)}{number}", number
            yield f"ref {len(number)}{number} end", number
