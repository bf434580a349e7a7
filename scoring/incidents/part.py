"""The part of an incident that one partition saw, its row in the changelog, and the sum of all parts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct, error
from typing import Final, Literal, NamedTuple

from scoring.contract.codes import OutcomeClass
from scoring.incidents.cards import REGISTERS, estimate
from scoring.profile.packed import ROW_FORMAT

State = Literal["OPENED", "GREW", "CLOSED"]


class Scope(IntEnum):
    """What an incident is about."""

    MERCHANT_BIN = 0
    MERCHANT = 1


class Answer(IntEnum):
    """How attempts were answered, as an incident counts them."""

    APPROVED = 0
    CARD_DATA = 1
    FUNDS = 2
    RISK = 3
    OTHER = 4


ANSWER_OF: Final = {
    int(OutcomeClass.APPROVED): Answer.APPROVED,
    int(OutcomeClass.BAD_PAN): Answer.CARD_DATA,
    int(OutcomeClass.BAD_CRED): Answer.CARD_DATA,
    int(OutcomeClass.FUNDS): Answer.FUNDS,
    int(OutcomeClass.FRAUD): Answer.RISK,
    int(OutcomeClass.HARD): Answer.RISK,
    int(OutcomeClass.POLICY): Answer.RISK,
    int(OutcomeClass.STOP): Answer.RISK,
    int(OutcomeClass.TECH): Answer.OTHER,
    int(OutcomeClass.GENERIC): Answer.OTHER,
    int(OutcomeClass.STEP_UP): Answer.OTHER,
}
"""The answer of an outcome class. UNKNOWN is none: that attempt is not answered yet."""

ID_BYTES: Final = 16
_HEADER: Final = Struct(f"<IBBBBBxxxII{ID_BYTES}sQqqqqq{len(Answer)}q")
_LEAD, _CLOSED = 1, 2


@dataclass(slots=True, kw_only=True)
class Part:
    """What one partition saw of an incident. `answers`: attempts by `Answer`. Times are in ms of event time.

    `leads`: this partition opened the incident and raises its alerts; `told_level` and `told_band` are the power of ten
    of the attempts, and the band, that they have told. `cards_before`: cards of the ten minutes before it opened,
    estimated. `visa`: attempts on Visa without a card at hand. `flagged`: attempts whose decision would have raised an
    alert. `base`: the alert that the next one repeats.
    """

    incident: bytes
    scope: Scope
    merchant: int
    start_ms: int
    last_ms: int
    leads: bool
    is_closed: bool = False
    told_level: int = 0
    told_band: int = 0
    band: int = 0
    cards_before: int = 0
    attempts: int = 0
    visa: int = 0
    flagged: int = 0
    answers: list[int] = field(default_factory=lambda: [0] * len(Answer))
    cards: bytearray = field(default_factory=lambda: bytearray(REGISTERS))
    base: bytes = b""


class Incident(NamedTuple):
    """All parts of an incident, added up. `cards` is an estimate: partitions share no card, so theirs add up."""

    incident: bytes
    scope: Scope
    start_ms: int
    last_ms: int
    band: int
    attempts: int
    cards: int
    visa: int
    flagged: int
    answers: tuple[int, ...]


def added_up(lead: Part, parts: Iterable[Part]) -> Incident:
    """Add up the parts of the incident of `lead`; those of others are left out."""
    same = [part for part in parts if part.incident == lead.incident]
    return Incident(
        incident=lead.incident,
        scope=lead.scope,
        start_ms=lead.start_ms,
        last_ms=max(part.last_ms for part in same),
        band=max(part.band for part in same),
        attempts=sum(part.attempts for part in same),
        cards=sum(estimate(part.cards) + part.cards_before for part in same),
        visa=sum(part.visa for part in same),
        flagged=sum(part.flagged for part in same),
        answers=tuple(map(sum, zip(*(part.answers for part in same), strict=True))),
    )


def level_of(attempts: int) -> int:
    """Return the power of ten that a count has reached: 2 for 100 to 999."""
    return len(str(attempts)) - 1


def pack(part: Part) -> bytes:
    """Write a part as the value of its row: a multiple of four bytes."""
    head = _HEADER.pack(
        ROW_FORMAT, part.scope, part.leads * _LEAD | part.is_closed * _CLOSED, part.told_level, part.told_band,
        part.band, len(part.base), part.cards_before, part.incident, part.merchant, part.start_ms, part.last_ms,
        part.attempts, part.visa, part.flagged, *part.answers,
    )  # fmt: skip
    value = head + part.cards + part.base
    return value + bytes(-len(value) % 4)


def unpack(value: bytes) -> Part | None:
    """Read the value of a row; None if it is damaged or of another format."""
    try:
        row_format, scope, flags, level, told, band, length, before, incident, *figures = _HEADER.unpack_from(value)
    except error:
        return None
    begin = _HEADER.size + REGISTERS
    if row_format != ROW_FORMAT or scope >= len(Scope) or len(value) != begin + length + -(begin + length) % 4:
        return None
    merchant, start_ms, last_ms, attempts, visa, flagged, *answers = figures
    return Part(
        incident=incident,
        scope=Scope(scope),
        merchant=merchant,
        start_ms=start_ms,
        last_ms=last_ms,
        leads=bool(flags & _LEAD),
        is_closed=bool(flags & _CLOSED),
        told_level=level,
        told_band=told,
        band=band,
        cards_before=before,
        attempts=attempts,
        visa=visa,
        flagged=flagged,
        answers=answers,
        cards=bytearray(value[_HEADER.size : begin]),
        base=value[begin : begin + length],
    )
