"""The guard: it lets no card number, security code, track or PIN pass.

A compiled scan over the raw bytes marks suspect records (`scan`). Only those are parsed here as JSON, with repeated
keys, to find the paths or to clear them. Sensitive data is removed from the record (`stripping`), so a hit in free text
does not prevent a decision. A record is refused if an output would carry the data, or if it cannot be judged.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from scoring.contract.dead_letter import DeadLetterReason, Reject
from scoring.decode.characters import decimal_of, separator_of
from scoring.decode.digits import PAN, RUN_MIN, TRACK
from scoring.decode.page import Page
from scoring.decode.rejects import ROOT, path_of
from scoring.decode.scan import DEEP, scan_batch, scan_text
from scoring.decode.sensitive import Suspect, suspect_of
from scoring.decode.settings import DecodeLimits
from scoring.decode.stripping import (
    Finding,
    Number,
    Object,
    Part,
    Stripped,
    optional_part,
    part_at,
    read,
    told_path,
    write_without,
)
from scoring.decode.stripping.findings import FINDINGS_MAX

_DOCUMENTS_MAX: Final = 3  # levels of JSON within strings of JSON; deeper nesting is deliberate
_POINT_EXPONENT: Final = re.compile(r"(?<!\d)\d{1,40}\.\d{1,40}[eE][+-]?\d{1,3}(?!\d)", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?[eE][+-]?\d{1,3}", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.?))", re.DOTALL)
_NAMED_VALUE: Final = re.compile(r"\"([^\"]{2,64})\"\s*:\s*\"?([^\",}\]]{1,256})")

_Steps = tuple[str | int, ...]
_Hit = tuple[_Steps, DeadLetterReason]


def inspect(
    values: Sequence[bytes], page: Page, refused: dict[int, Reject], limits: DecodeLimits, contract: Part
) -> dict[int, Stripped]:
    """Judge a batch of records of a contract; `page` holds their bytes.

    Add to `refused` the records with a wrong encoding or depth, and those whose sensitive data cannot be removed.
    Return the stripped records, by position. All other records have no sensitive data that the guard knows, are valid
    UTF-8 and nest within the limit. They may be invalid JSON: the decoder finds that.
    """
    stripped: dict[int, Stripped] = {}
    if not values:
        return stripped
    marks = scan_batch(page.data, page.stops, page.longest, limits.depth_max)
    if marks is not None:
        for position in np.flatnonzero(marks).tolist():
            verdict = _examine(values[position], int(marks[position]), limits, contract)
            if isinstance(verdict, Reject):
                refused[position] = verdict
            elif verdict is not None:
                stripped[position] = verdict
    if not page.data.isascii() and not _is_utf8(page.data):
        for position, value in enumerate(values):
            if position not in refused and not _is_utf8(value):
                refused[position] = Reject(reason="INVALID_UTF8", path=ROOT)
    return stripped


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _examine(value: bytes, marks: int, limits: DecodeLimits, contract: Part) -> Reject | Stripped | None:
    """Judge one marked record; None clears it."""
    if marks & DEEP:
        return _examine_raw(value) or Reject(reason="NESTED_TOO_DEEP", path=ROOT)
    try:
        document = read(value.decode())
        return _judged(document, _hits(document, limits, contract), limits, contract)
    except UnicodeDecodeError:
        return _examine_raw(value) or Reject(reason="INVALID_UTF8", path=ROOT)
    except ValueError:
        return _examine_raw(value) or Reject(reason="MALFORMED_JSON", path=ROOT)
    except RecursionError:
        return _examine_raw(value) or Reject(reason="NESTED_TOO_DEEP", path=ROOT)


def _examine_raw(value: bytes) -> Reject | None:
    """Search the bytes of a record that cannot be parsed, without decoding escapes."""
    text = _ESCAPE.sub(_unescaped, value.decode(errors="replace"))
    reason = _verdict(scan_text(value)) or judge(text)
    for name, named in _NAMED_VALUE.findall(text):
        reason = reason or judge(named.strip(), suspect_of(name))
    return None if reason is None else Reject(reason=reason, path=ROOT)


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return '"' if escape[2] == '"' else "~"
    code = int(escape[1], 16)
    return "~" if 0xD800 <= code <= 0xDFFF else chr(code)


def _judged(document: object, hits: list[_Hit], limits: DecodeLimits, contract: Part) -> Reject | Stripped | None:
    """Decide by the hits whether a record is passed, stripped or refused."""
    if not hits:
        return None
    rejects = [Reject(reason=reason, path=path_of(steps)) for steps, reason in hits]
    if limits.guard == "refuse":
        return rejects[0]
    parts: set[tuple[str, ...]] = set()
    for (steps, _), reject in zip(hits, rejects, strict=True):
        part = optional_part(contract, steps)
        if part is None:
            return reject
        parts.add(part)
    told = dict.fromkeys(Finding(told_path(steps), reason) for steps, reason in hits)
    return Stripped(write_without(document, parts), tuple(told)[:FINDINGS_MAX], rejects[0])


def _hits(document: object, limits: DecodeLimits, contract: Part) -> list[_Hit]:
    """Find all keys and values with sensitive data, in the order of the text."""
    hits: list[_Hit] = []
    for steps, text, suspect in _leaves(document, (), None, 1):
        part = part_at(contract, steps)
        reason = judge(text, suspect, is_id=part is not None and part.is_carried)
        if reason is None:
            continue
        if reason == "SENSITIVE_PAN" and text.isdigit() and (path_of(steps), len(text)) in limits.pan_allowed:
            continue
        hits.append((steps, reason))
    return hits


def _leaves(
    node: object, steps: _Steps, suspect: Suspect | None, documents: int
) -> Iterator[tuple[_Steps, str, Suspect | None]]:
    """Yield every key, string and number: its path, its text, and the nearest sensitive name above it."""
    if isinstance(node, Object):
        for key, value in node:
            yield (*steps, key), key, None
            yield from _leaves(value, (*steps, key), suspect_of(key, steps) or suspect, documents)
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from _leaves(value, (*steps, position), suspect, documents)
    elif isinstance(node, str):
        yield steps, node, suspect
        if documents < _DOCUMENTS_MAX and '"' in node and ("{" in node or "[" in node):
            try:
                inner = read(node)
            except (ValueError, RecursionError):
                return  # it looks like JSON, and is invalid
            yield from _leaves(inner, steps, suspect, documents + 1)


def judge(text: str, suspect: Suspect | None = None, *, is_id: bool = False) -> DeadLetterReason | None:
    """Judge one text; `suspect` is the test that the name of its field suggests. None: it is harmless.

    In an identifier (`is_id`) a point between two groups of digits is no decimal point.
    """
    ascii_text = text if text.isascii() else _in_ascii(text)
    reason = None
    if len(ascii_text) >= RUN_MIN:
        reason = _verdict(scan_text(ascii_text.encode(), is_id))
    if reason is None and ("e" in ascii_text or "E" in ascii_text):
        spelt = [text] if isinstance(text, Number) else _POINT_EXPONENT.findall(ascii_text)
        reason = next((found for number in spelt if (found := _judge_exponent(number))), None)
    if reason is None and suspect is not None:
        spelt_out = _whole(text) if isinstance(text, Number) else ascii_text
        return suspect.kind if suspect.fits(spelt_out) else None
    return reason


def _whole(number: str) -> str:
    """Write a JSON number as its digits if it is whole: 123.0 and 1.23e2 are 123."""
    if len(number) > 40:
        return number
    value = abs(Decimal(number))
    return f"{value:.0f}" if value.adjusted() < 40 and value == value.to_integral_value() else number


def _judge_exponent(number: str) -> DeadLetterReason | None:
    """Judge a number with an exponent by writing it out."""
    if not _NUMBER.fullmatch(number):
        return None
    value = Decimal(number)
    return _verdict(scan_text(f"{value:f}".encode())) if -40 < value.adjusted() < 40 else None


def _verdict(marks: int) -> DeadLetterReason | None:
    if marks & TRACK:
        return "SENSITIVE_TRACK"
    return "SENSITIVE_PAN" if marks & PAN else None


def _in_ascii(text: str) -> str:
    """Rewrite a text so that its digits can be judged.

    Digits of every script and separators become ASCII, invisible characters are removed, others become `~`.
    """
    return "".join(character if character < "\x80" else _ascii_of(character) for character in text)


def _ascii_of(character: str) -> str:
    digit = decimal_of(character)
    if digit >= 0:
        return str(digit)
    separator = separator_of(character)
    return "~" if separator is None else separator
