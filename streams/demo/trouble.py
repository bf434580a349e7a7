"""Faulty events that the demonstration sends on purpose, to show how they are handled."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from scoring.outputs import Record

Spoil = Callable[[Record, str], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A faulty event: its time (share of the live part), its fault, and how it is made from a good event."""

    at: float
    what: str
    spoil: Spoil


def card_number() -> str:
    """Return a number in the form of a card number: 16 digits with a Luhn check digit (ISO/IEC 7812-1, annex B)."""
    digits = [4, *(d % 10 for d in range(3, 17))]
    doubled = [sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(digits)]
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


def _changed(record: Record, event_id: str, **fields: object) -> Record:
    event = orjson.loads(record[1])
    event["event_id"] = event_id
    for name, value in fields.items():
        event[name] = {**event.get(name, {}), **value} if isinstance(value, dict) else value
    return record[0], orjson.dumps(event)


def _cut_short(record: Record, event_id: str) -> Record:
    key, value = _changed(record, event_id)
    return key, value[: len(value) // 2]


def _not_utf8(record: Record, event_id: str) -> Record:
    key, value = _changed(record, event_id, remark="?")
    return key, value.replace(b'"remark":"?"', b'"remark":"\xff\xfe"')


def _again(record: Record, _event_id: str) -> Record:
    return record


TROUBLES = (
    Trouble(at=0.10, what="JSON cut short", spoil=_cut_short),
    Trouble(at=0.20, what="sent twice", spoil=_again),
    Trouble(
        at=0.30,
        what="a card number for an event id",
        spoil=lambda record, _name: _changed(record, card_number()),
    ),
    Trouble(
        at=0.40,
        what="yen with two decimals",
        spoil=lambda record, name: _changed(record, name, amount={"minor": 1, "currency": "JPY", "exponent": 2}),
    ),
    Trouble(
        at=0.50,
        what="a negative amount",
        spoil=lambda record, name: _changed(record, name, amount={"minor": -1, "currency": "JPY", "exponent": 0}),
    ),
    Trouble(at=0.60, what="bytes that are no UTF-8", spoil=_not_utf8),
    Trouble(
        at=0.70,
        what="an amount in words",
        spoil=lambda record, name: _changed(record, name, amount={"minor": "ten thousand"}),
    ),
    Trouble(at=0.80, what="sent twice", spoil=_again),
)
"""In order of time."""


class Troublemaker:
    """Return each faulty event once, at its time."""

    def __init__(self) -> None:
        self._left = list(TROUBLES)
        self.made: list[str] = []

    def due(self, share: float, good: Record) -> list[Record]:
        """Return the faulty events due at a share of the live part, made from the good event sent last."""
        records = []
        while self._left and self._left[0].at <= share:
            trouble = self._left.pop(0)
            self.made.append(trouble.what)
            records.append(trouble.spoil(good, f"trouble-{len(self.made)}"))
        return records
