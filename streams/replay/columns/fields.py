"""Optional fields of `auth.event.v1` that a mapping may fill, with their types, from the contract itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
from msgspec import inspect

from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport

_NO_SECTIONS: Final = frozenset({"acquirer", "amount"})
_BY_NAME: Final = frozenset({"merchant.id", "merchant.mcc", "merchant.country", "card.pan_hmac", "card.network"})
_OTHERWISE: Final = frozenset(
    {"txn.channel", "outcome.phase", "tds.purchase_amount", "tds.purchase_currency", "tds.purchase_exponent"}
)
"""Fields that other keys of a mapping fill, or that need more than one column."""

DEFAULTS: Final = MappingProxyType({"txn.type": "purchase", "txn.initiator": "CIT"})
"""Required fields of these sections, and their values for all rows where a mapping does not name them."""

FLAGS: Final = MappingProxyType(
    dict.fromkeys(("1", "true", "y", "yes"), True) | dict.fromkeys(("0", "false", "n", "no"), False)
)
"""Spellings of true and false, in any case, where a mapping lists no `values`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a section. `is_token`: it has keyed hashes only, so a cell of it is always hashed."""

    section: str
    name: str
    kind: Literal["text", "flag", "number"]
    type: Any
    is_token: bool

    def json(self, text: str) -> bytes:
        """Return a text as the field's value in JSON.

        Raises:
            ValueError: the contract refuses it. The error holds no part of it.
        """
        value: object = text
        if self.kind == "flag":
            value = FLAGS.get(text.lower(), text)
        elif self.kind == "number" and text.isascii() and text.isdigit() and len(text) <= 18:
            value = int(text)
        try:
            return msgspec.json.encode(msgspec.convert(value, self.type))
        except msgspec.ValidationError:
            pass
        raise ValueError(f"does not fit {self.section}.{self.name}: {self.expected}")

    @property
    def expected(self) -> str:
        """Text for people: the values of the field."""
        if self.kind == "flag":
            return f"expected one of {', '.join(FLAGS)}"
        if self.kind == "number":
            return "expected a whole number"
        literals = _literals(self.type)
        return f"expected one of {', '.join(literals)}" if literals else "its length is wrong"


def _literals(kind: Any) -> tuple[str, ...]:
    found = inspect.type_info(kind)
    members = found.types if isinstance(found, inspect.UnionType) else (found,)
    return tuple(str(value) for one in members if isinstance(one, inspect.LiteralType) for value in one.values)


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _kind(kind: inspect.Type) -> Literal["text", "flag", "number"] | None:
    kinds = {type(one) for one in _members(kind)} - {inspect.NoneType, inspect.ListType}
    if kinds <= {inspect.StrType, inspect.LiteralType}:
        return "text"
    if kinds == {inspect.BoolType}:
        return "flag"
    return "number" if kinds == {inspect.IntType} else None


def _fields() -> dict[str, Field]:
    """Walk over the contract. Times are left out: a mapping declares the unit of one, that of the payment."""
    found: dict[str, Field] = {}
    for section in msgspec.structs.fields(Authorization):
        (record,) = (one for one in _members(inspect.type_info(section.type)) if not isinstance(one, inspect.NoneType))
        if not isinstance(record, inspect.StructType) or section.name in _NO_SECTIONS:
            continue
        found |= _fields_of(record.cls, section.name)
    return found


def _fields_of(record: Any, section: str) -> dict[str, Field]:
    found = {}
    for field in msgspec.structs.fields(record):
        path = f"{section}.{field.name}"
        kind = _kind(inspect.type_info(field.type))
        if kind is not None and path not in _BY_NAME | _OTHERWISE:
            is_token = field.name.endswith(("_hmac", "_hash"))
            found[path] = Field(section=section, name=field.name, kind=kind, type=field.type, is_token=is_token)
    return found


_ALL: Final = _fields()
FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {path: field for path, field in _ALL.items() if field.section != "outcome"}
)
OUTCOME_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {path: field for path, field in _ALL.items() if field.section == "outcome"}
)
REPORT_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {name: _fields_of(FraudReport, "report")[f"report.{name}"] for name in ("label", "source", "code")}
)
