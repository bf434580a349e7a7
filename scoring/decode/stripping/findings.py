"""Findings: path and kind of a field with sensitive data, never the value."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from scoring.contract.dead_letter import DeadLetterReason, Reject

FINDINGS_MAX: Final = 16
"""Largest number of findings of one record. All sensitive data is removed, listed or not."""

PATH_MAX: Final = 128
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}", re.ASCII)
_DIGITS_OF_NAME: Final = 2
_DIGITS_OF_PATH: Final = 4


class Finding(NamedTuple):
    """The path of a field, and the kind of the sensitive data in it."""

    path: str
    kind: DeadLetterReason


class Stripped(NamedTuple):
    """A record without its sensitive data, the findings, and the reject to use if the rest is refused too."""

    value: bytes
    findings: tuple[Finding, ...]
    reject: Reject


def replaced(values: Sequence[bytes], stripped: Mapping[int, Stripped]) -> Sequence[bytes]:
    """Return values with stripped records in place of their originals."""
    if not stripped:
        return values
    return [stripped[position].value if position in stripped else value for position, value in enumerate(values)]


def prefer_findings(stripped: Mapping[int, Stripped], refused: dict[int, Reject]) -> None:
    """Replace the reject of a record that was stripped and then refused by that of its finding."""
    for position in stripped.keys() & refused.keys():
        refused[position] = stripped[position].reject


def told_path(steps: Sequence[str | int]) -> str:
    """Write a path for people: names as they are, positions `[*]`, at most 128 characters.

    A key may hold sensitive data too. A key that is no plain name, or has more than two digits, reads `*`. A path with
    more than four digits shows no digit. Any card number, code or PIN is longer.
    """
    names = [_shown(step) for step in steps]
    if sum(character.isdigit() for name in names for character in name) > _DIGITS_OF_PATH:
        names = [name if not any(map(str.isdigit, name)) else ".*" for name in names]
    path = "$"
    for name in names:
        if len(path) + len(name) > PATH_MAX:
            break
        path += name
    return path


def _shown(step: str | int) -> str:
    if isinstance(step, int):
        return "[*]"
    plain = _NAME.fullmatch(step) is not None and sum(map(str.isdigit, step)) <= _DIGITS_OF_NAME
    return f".{step}" if plain else ".*"
