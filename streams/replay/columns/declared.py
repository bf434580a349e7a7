"""Mappings: the meaning of a table's columns, declared in YAML, in a file or in one of this package."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from scoring.contract.authorization import Channel, Network
from scoring.contract.currencies import CURRENCIES
from scoring.reference.document import DocumentError, parse
from streams.config.strict import ConfigError, convert, suggestion

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
    """The time column: dates and times, or a whole number of seconds or milliseconds `since` a moment (RFC 3339).

    A date-time without an offset is in `zone` (IANA name); without `zone` it is refused.
    """

    column: Column
    unit: Literal["date-time", "seconds", "milliseconds"]
    since: Text | None = None
    zone: Annotated[str, Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.unit == "date-time":
            raise ValueError("since goes with seconds and milliseconds only")
        if self.zone is not None and self.unit != "date-time":
            raise ValueError("zone goes with date-time only")
        _ = self.since_ms
        if self.zone not in (None, "UTC"):
            try:
                ZoneInfo(str(self.zone))
            except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
                raise ValueError("zone is not a path of the time zone database") from None
            except KeyError:
                raise ValueError("zone is not in the time zone database of this machine") from None

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


class Amount(_Record, frozen=True, kw_only=True):
    """The amount column: whole `minor` units of `currency` (ISO 4217), or `major` units with at most its decimals.

    `decimal` is the decimal sign of text. `jpy_per_unit` is a fixed rate, not a market rate: it makes amounts
    comparable with the limits of the features. Without it the worker's configuration decides.
    """

    column: Column
    unit: Literal["minor", "major"]
    currency: str
    decimal: Literal[".", ","] = "."
    jpy_per_unit: Annotated[float, Meta(ge=0, le=1_000_000)] = 0

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            near = suggestion(self.currency[:3].upper(), list(CURRENCIES))
            raise ValueError(f"currency is not a code of ISO 4217{'; ' + near if near.startswith('did') else ''}")

    @property
    def exponent(self) -> int:
        """Decimals of the currency."""
        return CURRENCIES[self.currency][1]


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
    """A field with a value for each row from a `column`, or a `constant` for all rows."""

    column: Column | None = None
    constant: Text | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")


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
    outcome: Literal["approved", "unknown"] = "unknown"
    """Issuers' answers: all payments of the table were approved, or they are not known."""
    delimiter: Literal[",", ";", "\t", "|"] = ","
    """Between the cells of a CSV."""
    name: str = ""

    @property
    def is_approved(self) -> bool:
        """Tell whether all payments were approved."""
        return self.outcome == "approved"

    @property
    def told(self) -> dict[str, Told]:
        """The fields with a column or a constant."""
        return {"mcc": self.mcc, "country": self.country, "network": self.network, "channel": self.channel}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read, each once."""
        named = [self.time.column, self.card.column, self.merchant.column, self.amount.column]
        named += [] if self.fraud is None else [self.fraud.column]
        named += [told.column for told in self.told.values() if told.column is not None]
        return tuple(dict.fromkeys(named))

    def jpy_per_minor(self, jpy_per_unit: float | None) -> Fraction:
        """Return yen per minor unit, exactly; 0: none. `jpy_per_unit` is used in place of the mapping's, if given."""
        rate = self.amount.jpy_per_unit if jpy_per_unit is None else jpy_per_unit
        return Fraction(str(rate)) * Fraction(1, 10**self.amount.exponent)


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
    for field, told in mapping.told.items():
        if told.constant is not None and re.fullmatch(PATTERNS[field], told.constant) is None:
            raise ConfigError(f"{name}: $.{field}.constant: must match {PATTERNS[field]}")
    return mapping
