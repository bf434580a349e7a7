"""Optional fields of `auth.event.v1` that a mapping may fill, with their types, from the contract itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import inspect

from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport
from scoring.contract.merchant import Checklist, GoodsClass, ItemCode, ItemStatus, MerchantRecord, ThreeDsProgramme

_NO_SECTIONS: Final = frozenset({"acquirer", "amount"})
_BY_NAME: Final = frozenset({"merchant.id", "merchant.mcc", "merchant.country", "card.pan_hmac", "card.network"})
_OTHERWISE: Final = frozenset(
    {"txn.channel", "outcome.phase", "tds.purchase_amount", "tds.purchase_currency", "tds.purchase_exponent"}
)
"""Fields that other keys of a mapping fill, or that need more than one column."""

DEFAULTS: Final = MappingProxyType({"txn.type": "purchase", "txn.initiator": "CIT"})
"""Required fields of these sections, and their values for all rows where a mapping does not name them."""

_FORMS: Final = MappingProxyType(
    {"on": "expected a day such as 2026-03-31", "due": "expected a day such as 2026-03-31"}
    | {"at": "expected a time such as 2026-03-31T09:00:00+09:00"}
)
"""What is expected of days and times, by the end of the field's name."""

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
        if literals:
            return f"expected one of {', '.join(literals)}"
        return _FORMS.get(self.name.rpartition("_")[2], "its length is wrong")


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
MERCHANT_SECTIONS: Final = MappingProxyType({"tds": "tds.mode", "checklist": "checklist.version"})
"""Sections of `merchant.v1`, and the field without which each is left out."""


def _merchant_fields() -> dict[str, Field]:
    """Return the fields of a merchant's record by path. An item of its checklist is `checklist.SC1_ADMIN`."""
    names = ("mcc", "country", "contracted_on", "fraud_status", "fraud_status_on", "card_data_handling", "integration")
    paths: list[tuple[str, type[msgspec.Struct], str]] = [
        (name, MerchantRecord, name) for name in (*names, "guideline_version")
    ]
    paths += [(f"tds.{name}", ThreeDsProgramme, name) for name in ("mode", "introduced_on", "plan_due")]
    paths += [(f"checklist.{name}", Checklist, name) for name in ("version", "attested_at", "attested_by", "source")]
    kinds = {path: {one.name: one.type for one in msgspec.structs.fields(of)}[name] for path, of, name in paths}
    kinds |= {"goods_class": GoodsClass} | {f"checklist.{item}": ItemStatus for item in get_args(ItemCode)}
    return {
        path: Field(section="merchant", name=path, kind="text", type=kind, is_token=False)
        for path, kind in sorted(kinds.items())
    }


MERCHANT_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(_merchant_fields())
REPORT_FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {name: _fields_of(FraudReport, "report")[f"report.{name}"] for name in ("label", "source", "code")}
)
