"""Truth of recorded events by event id: fraud or not, and since when it is known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from models.simulator.stream import Truth
from models.training.records import decoded, misdated

FRAUD: Final = frozenset({"1", "true", "yes", "y", "fraud"})
GENUINE: Final = frozenset({"0", "false", "no", "n", "genuine"})
"""Allowed spellings of `fraud`, in any case, besides JSON's true, false, 1 and 0."""

_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event_id: _Name
    fraud: bool | int | str | None
    typology: _Name | None = None
    episode: _Name | None = None
    amount_jpy: int | None = None
    known_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truths:
    """The truth of fraudulent events by id, and the numbers of genuine and of blank lines."""

    frauds: dict[str, Truth]
    genuine: int
    blank: int


def read_truths(lines: Iterable[bytes]) -> Truths:
    """Read JSON lines `{"event_id", "fraud"}` with optional `typology`, `episode`, `amount_jpy`, `known_at_ms`.

    A blank `fraud` (null or "") is no fraud. `known_at_ms` is when the fraud became known, by report or by an analyst.

    Raises:
        ValueError: there is no line, or a line is not that; the text names it and quotes nothing of it.
    """
    decoder = msgspec.json.Decoder(_Line)
    frauds: dict[str, Truth] = {}
    number = genuine = blank = 0
    for number, text in enumerate(lines, start=1):
        line = decoded(decoder, text, number)
        verdict = _verdict(line.fraud, number)
        if line.known_at_ms is not None and (fault := misdated(line.known_at_ms)):
            raise ValueError(f"line {number}: known_at_ms {fault}")
        if verdict:
            amount_jpy = -1 if line.amount_jpy is None else line.amount_jpy
            frauds[line.event_id] = Truth(
                line.event_id, True, line.typology, line.episode, amount_jpy, line.known_at_ms
            )
        elif line.event_id in frauds:
            raise ValueError(f"line {number}: an event that a line before calls fraud")
        else:
            genuine += verdict is False
            blank += verdict is None
    if not number:
        raise ValueError("is empty")
    return Truths(frauds=frauds, genuine=genuine, blank=blank)


def _verdict(fraud: bool | int | str | None, number: int) -> bool | None:
    """Return whether a line says fraud, None where it is blank."""
    word = "" if fraud is None else str(fraud).strip().lower()
    if not word:
        return None
    if word in FRAUD or word in GENUINE:
        return word in FRAUD
    known = ", ".join((*sorted(FRAUD), *sorted(GENUINE)))
    raise ValueError(f"line {number}: fraud is spelt in no way that is understood ({known})")
