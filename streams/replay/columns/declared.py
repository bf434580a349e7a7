"""Mappings: the meaning of a table's columns, declared in YAML, in a file or in one of this package."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from scoring.contract.authorization import Channel, Network
from scoring.reference.document import DocumentError, parse
from streams.config.strict import ConfigError, convert, suggestion
from streams.replay.columns.amount import Amount
from streams.replay.columns.fields import (
    FIELDS,
    MERCHANT_FIELDS,
    MERCHANT_SECTIONS,
    OUTCOME_FIELDS,
    REPORT_FIELDS,
    Field,
)
from streams.replay.columns.formats import ZONE_LENGTH_MAX, ZoneColumn, pattern_of

UNKNOWN_MCC: Final = "0000"  # ISO 18245 assigns no such category: it reads as unknown
UNKNOWN_COUNTRY: Final = "ZZ"  # ISO 3166-1 leaves it to users, who use it for "unknown"

SHIPPED: Final = {
    "handbook": ("handbook", "handbook-compact"),
    "handbook-compact": ("handbook-compact",),
    "sparkov": ("sparkov",),
}
"""Files of this package by name. Of several, the one is used whose columns the table has."""

PATTERNS: Final = {
    "mcc": r"[0-9]{4}",
    "country": r"[A-Z]{2}",
    "network": "|".join(get_args(Network)),
    "channel": "|".join(get_args(Channel)),
}
"""Patterns of the values of these fields, from the contract."""

_FILE_BYTES_MAX: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Column = Annotated[str, Meta(min_length=1, max_length=128)]
Spelling = Annotated[str, Meta(min_length=1, max_length=32)]
Text = Annotated[str, Meta(max_length=32)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Refuse unknown fields."""


class Time(_Record, frozen=True, kw_only=True):
    """The time column: dates and times, or a whole number of seconds, milli- or microseconds `since` a moment.

    `since` is an RFC 3339 time; 1970 by default. `format` says how text has a date-time that is not in ISO 8601, as
    `%d.%m.%Y %H:%M`; `clock` is a column of the time of day, where dates have a column of their own. A date-time
    without an offset is in `zone` (IANA name, or a column); without `zone` it is refused. Where the clock is set back,
    a local time comes twice: `repeated` says which of both it is. One that never comes is always refused.
    """

    column: Column
    unit: Literal["date-time", "seconds", "milliseconds", "microseconds"]
    since: Text | None = None
    zone: Annotated[str, Meta(max_length=ZONE_LENGTH_MAX)] | ZoneColumn | None = None
    format: Annotated[str, Meta(min_length=6, max_length=64)] | None = None
    clock: Column | None = None
    repeated: Literal["refused", "earlier", "later"] = "refused"

    def __post_init__(self) -> None:
        if self.since is not None and self.unit == "date-time":
            raise ValueError("since goes with seconds, milliseconds and microseconds only")
        for name, value in (("zone", self.zone), ("format", self.format), ("clock", self.clock)):
            if value is not None and self.unit != "date-time":
                raise ValueError(f"{name} goes with date-time only")
        if self.format is not None:
            pattern_of(self.format)
        if self.repeated != "refused" and self.zone in (None, "UTC"):
            raise ValueError("repeated goes with a zone whose clock is changed")
        _ = self.since_ms
        if isinstance(self.zone, str) and self.zone != "UTC":
            try:
                ZoneInfo(self.zone)
            except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
                raise ValueError("zone is not a path of the time zone database") from None
            except KeyError:
                raise ValueError("zone is not in the time zone database of this machine") from None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read."""
        zone = self.zone.column if isinstance(self.zone, ZoneColumn) else None
        return tuple(name for name in (self.column, self.clock, zone) if name is not None)

    @property
    def since_ms(self) -> int:
        """The moment `since`, in ms since the Unix epoch."""
        if self.since is None:
            return 0
        try:
            moment = datetime.fromisoformat(self.since)
        except ValueError:
            raise ValueError("since is not an RFC 3339 time, such as 2018-04-01T00:00:00Z") from None
        if moment.tzinfo is None:
            raise ValueError("since has no zone: write it as 2018-04-01T00:00:00Z")
        return (moment - _EPOCH) // timedelta(milliseconds=1)


class Id(_Record, frozen=True, kw_only=True):
    """An id column. `integer` reads 7, 007 and 7.0 as the same id; `text` uses the cell without outer spaces.

    Cards always become tokens. A merchant's id is `prefix` and the cell; if `hashed`, 22 letters replace the cell.
    """

    column: Column
    type: Literal["integer", "text"]
    prefix: Annotated[str, Meta(max_length=8, pattern="^[A-Za-z0-9_-]*$")] = ""
    hashed: bool = False


class Fraud(_Record, frozen=True, kw_only=True):
    """The label column: spellings of fraud and genuine payments, in any case. A blank cell is unknown: no fraud.

    A fraud is reported `known_after_days` after the payment.
    """

    column: Column
    fraud: Annotated[tuple[Spelling, ...], Meta(min_length=1, max_length=64)]
    genuine: Annotated[tuple[Spelling, ...], Meta(min_length=1, max_length=64)]
    known_after_days: Annotated[int, Meta(ge=1, le=3650)] = 7

    def __post_init__(self) -> None:
        if {word.strip().lower() for word in self.fraud} & {word.strip().lower() for word in self.genuine}:
            raise ValueError("a spelling is listed under fraud and under genuine")


class Told(_Record, frozen=True, kw_only=True):
    """A field with a value for each row from a `column`, or a `constant` for all rows.

    `values` translates: the spelling of a cell, in any case, to the contract's value. A spelling that it does not list
    is refused. Without `values` the cell is the value.
    """

    column: Column | None = None
    constant: Text | None = None
    values: Annotated[dict[Spelling, Text], Meta(max_length=1024)] = {}

    def __post_init__(self) -> None:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        if self.values and self.column is None:
            raise ValueError("values go with column only")
        if len({word.strip().lower() for word in self.values}) < len(self.values):
            raise ValueError("values lists a spelling twice")

    @property
    def spelt(self) -> dict[str, str]:
        """The values by spelling in lower case."""
        return {word.strip().lower(): value for word, value in self.values.items()}


class Outcome(_Record, frozen=True, kw_only=True):
    """Columns with the issuers' answers. A row in which all of them are blank has no answer."""

    approved: Told | None = None
    response_code: Told | None = None
    normalised: Told | None = None

    def __post_init__(self) -> None:
        if not any(told.column for told in self.told.values()):
            raise ValueError("give a column of approved, response_code or normalised")

    @property
    def told(self) -> dict[str, Told]:
        """The fields by path."""
        fields = (("approved", self.approved), ("response_code", self.response_code), ("normalised", self.normalised))
        return {f"outcome.{name}": told for name, told in fields if told is not None}


class Reports(_Record, frozen=True, kw_only=True):
    """The columns of a second table: one report (`label.v1`) a row, any number of them for a payment, in any order.

    `event` has the payment's `reference`. A report counts from `received`, never from the time of its payment.
    """

    event: Column
    received: Time
    label: Told = Told(constant="FRAUD")
    source: Told = Told(constant="OTHER")
    code: Told | None = None
    delimiter: Literal[",", ";", "\t", "|"] = ","

    @property
    def name(self) -> str:
        """Its key, for messages."""
        return "reports"

    @property
    def told(self) -> dict[str, Told]:
        """The fields by name."""
        return {"label": self.label, "source": self.source} | ({} if self.code is None else {"code": self.code})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read, each once."""
        told = [one.column for one in self.told.values() if one.column is not None]
        return tuple(dict.fromkeys([self.event, *self.received.columns, *told]))


class Merchants(_Record, frozen=True, kw_only=True):
    """The columns of a table of merchants: one record (`merchant.v1`) a row, in any order.

    `merchant` has the same ids as the payments' column, and is read as that one. A record holds from `valid_from` on,
    whole: what its row does not say is unknown then. `fields` has fields of the record by path.
    """

    merchant: Column
    valid_from: Time
    fields: Annotated[dict[str, Told], Meta(min_length=1, max_length=64)]
    delimiter: Literal[",", ";", "\t", "|"] = ","

    @property
    def name(self) -> str:
        """Its key, for messages."""
        return "merchants"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read, each once."""
        told = [one.column for one in self.fields.values() if one.column is not None]
        return tuple(dict.fromkeys([self.merchant, *self.valid_from.columns, *told]))


class Mapping(_Record, frozen=True, kw_only=True):
    """The columns of a table that an event needs. `name`: its name or file, for messages."""

    acquirer: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,32}$")]
    """The tenant of all profiles, and the key of the cards' tokens."""
    time: Time
    card: Id
    merchant: Id
    amount: Amount
    fraud: Fraud | None = None
    mcc: Told = Told(constant=UNKNOWN_MCC)
    country: Told = Told(constant=UNKNOWN_COUNTRY)
    network: Told = Told(constant="other")
    channel: Told = Told(constant="other")
    fields: Annotated[dict[str, Told], Meta(max_length=128)] = {}
    """Other fields of the contract by path, such as `pos.entry_mode`."""
    outcome: Literal["approved", "unknown"] | Outcome = "unknown"
    """Issuers' answers: all payments of the table were approved, they are not known, or columns have them."""
    delimiter: Literal[",", ";", "\t", "|"] = ","
    """Between the cells of a CSV."""
    reference: Column | None = None
    """The payment's reference, by which reports name it."""
    reports: Reports | None = None
    merchants: Merchants | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.reports is not None and self.reference is None:
            raise ValueError("reports needs reference, the column by which reports name a payment")

    @property
    def has_answers(self) -> bool:
        """Tell whether the issuers' answers are known."""
        return self.outcome != "unknown"

    @property
    def by_path(self) -> dict[str, tuple[Field, Told]]:
        """Other fields of the contract and those of outcomes, by path."""
        told = self.fields | (self.outcome.told if isinstance(self.outcome, Outcome) else {})
        return {path: (FIELDS.get(path) or OUTCOME_FIELDS[path], one) for path, one in told.items()}

    @property
    def told(self) -> dict[str, Told]:
        """The fields with a column or a constant."""
        return {"mcc": self.mcc, "country": self.country, "network": self.network, "channel": self.channel}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read, each once."""
        named = [*self.time.columns, self.card.column, self.merchant.column, *self.amount.columns]
        named += [] if self.fraud is None else [self.fraud.column]
        named += [] if self.reference is None else [self.reference]
        told = [*self.told.values(), *(one for _, one in self.by_path.values())]
        named += [one.column for one in told if one.column is not None]
        return tuple(dict.fromkeys(named))


def mappings_of(word: str) -> tuple[Mapping, ...]:
    """Return the mappings of a name of this package, or the one in a file. At least one.

    Raises:
        ConfigError: there is no such name or file, or the file is refused. The text says where and why.
    """
    if word in SHIPPED:
        return tuple(_shipped(name) for name in SHIPPED[word])
    file = Path(word)
    try:
        with file.open("rb") as stream:
            text = stream.read(_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{word}: no mapping of this name and no such file; {suggestion(word, list(SHIPPED))}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{word}: cannot be read: {error.strerror}") from None
    if len(text) > _FILE_BYTES_MAX:
        raise ConfigError(f"{file.name}: more than {_FILE_BYTES_MAX:,} bytes are no mapping")
    return (_mapping(text, file.name),)


def shipped_columns() -> str:
    """Return a line for each mapping of this package, with its columns."""
    return "\n".join(
        f"  {name:<17} {', '.join(_shipped(name).columns)}" for name in dict.fromkeys(sum(SHIPPED.values(), ()))
    )


@cache
def _shipped(name: str) -> Mapping:
    return _mapping(resources.files("streams.replay.columns").joinpath(f"{name}.yaml").read_bytes(), name)


def _mapping(text: bytes, name: str) -> Mapping:
    try:
        document = parse(text)
    except DocumentError as error:
        raise ConfigError(f"{name}: {error}") from None
    if "name" in document:
        raise ConfigError(f"{name}: $.name: unknown key; a mapping is called by its file")
    mapping = convert({**document, "name": name}, Mapping, name)
    for path in mapping.fields.keys() - FIELDS.keys():
        raise ConfigError(f"{name}: $.fields.{path[:64]}: no field that a mapping can fill; {_field_like(path)}")
    for field, told in mapping.told.items():
        for key, value in _given(told):
            if re.fullmatch(PATTERNS[field], value) is None:
                raise ConfigError(f"{name}: $.{field}.{key}: must match {PATTERNS[field]}")
    listed = [(path if path in OUTCOME_FIELDS else f"fields.{path}", *pair) for path, pair in mapping.by_path.items()]
    if mapping.reports is not None:
        listed += [(f"reports.{key}", REPORT_FIELDS[key], told) for key, told in mapping.reports.told.items()]
    if mapping.merchants is not None:
        listed += _of_merchants(mapping.merchants, name)
    for where, one, told in listed:
        for key, value in _given(told):
            try:
                one.json(value)
            except ValueError as error:
                raise ConfigError(f"{name}: $.{where}.{key}: {error}") from None
    return mapping


def _of_merchants(merchants: Merchants, name: str) -> list[tuple[str, Field, Told]]:
    """Return the fields of a table of merchants, each with its place in the mapping.

    Raises:
        ConfigError: there is no such field, or a section lacks the field that it needs.
    """
    for path in merchants.fields:
        where = f"{name}: $.merchants.fields.{path[:64]}"
        if path not in MERCHANT_FIELDS:
            raise ConfigError(
                f"{where}: no field of merchant.v1 that a mapping can fill; {_field_like(path, MERCHANT_FIELDS)}"
            )
        needed = MERCHANT_SECTIONS.get(path.rpartition(".")[0], path)
        if needed not in merchants.fields:
            raise ConfigError(f"{where}: needs {needed}, a column or a constant")
    return [(f"merchants.fields.{path}", MERCHANT_FIELDS[path], told) for path, told in merchants.fields.items()]


def _field_like(path: str, known: Iterable[str] = FIELDS) -> str:
    near = suggestion(path, list(known))
    return near if near.startswith("did") else "deploy/docs/tables.md lists them"


def _given(told: Told) -> list[tuple[str, str]]:
    """Return the constant, or the values of a translation, each with its key."""
    constant = [] if told.constant is None else [("constant", told.constant)]
    return constant + [("values", value) for value in told.values.values()]
