"""Declared amounts: the column, its unit, and the currency, for all rows or in a column of its own."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from scoring.contract.currencies import CURRENCIES
from streams.config.strict import suggestion

_Column = Annotated[str, Meta(min_length=1, max_length=128)]
_Spelling = Annotated[str, Meta(min_length=1, max_length=32)]
_Code = Annotated[str, Meta(min_length=1, max_length=32)]
_Rate = Annotated[float, Meta(ge=0, le=1_000_000)]

_OF_NUMBER: Final[Mapping[int, str]] = MappingProxyType({number: name for name, (number, _) in CURRENCIES.items()})


def currency_of(text: str) -> str:
    """Return the alphabetic code of ISO 4217 for an alphabetic or a numeric one: PLN, pln, 985; 36 and 036 are AUD.

    Raises:
        ValueError: it is no currency of payments. The error holds no part of it.
    """
    code = text.upper()
    if code not in CURRENCIES and text.isascii() and text.isdigit() and len(text) <= 3:
        code = _OF_NUMBER.get(int(text), "")
    if code not in CURRENCIES:
        raise ValueError("is no currency of ISO 4217: three letters or the number; translate others with `values`")
    return code


class CurrencyColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The currency of each row, from a column of codes of ISO 4217. `values` translates other spellings, in any case.

    A spelling that `values` does not list is refused.
    """

    column: _Column
    values: Annotated[dict[_Spelling, _Code], Meta(max_length=1024)] = {}

    def __post_init__(self) -> None:
        if len({word.strip().lower() for word in self.values}) < len(self.values):
            raise ValueError("values lists a spelling twice")
        _require(self.values.values(), "values")

    @property
    def spelt(self) -> dict[str, str]:
        """The codes by spelling in lower case."""
        return {word.strip().lower(): code for word, code in self.values.items()}


class Amount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The amount column: whole `minor` units of `currency` (ISO 4217), or `major` units with at most its decimals.

    `hundredths` are whole hundredths of a major unit in every currency, as interfaces with two implied decimals send
    them: 130000 are 1,300 yen. `negated`: the table has payments below zero, as an account's debits.
    `currency` is a code for all rows, or a column. `decimal` is the decimal sign of text. `jpy_per_unit` is a fixed
    rate, not a market rate: it makes amounts comparable with the limits of the features. It is a number, or a number
    for each currency. Without it the worker's configuration decides.
    """

    column: _Column
    unit: Literal["minor", "major", "hundredths"]
    currency: _Code | CurrencyColumn
    decimal: Literal[".", ","] = "."
    negated: bool = False
    jpy_per_unit: _Rate | Annotated[dict[_Code, _Rate], Meta(max_length=200)] = 0

    def __post_init__(self) -> None:
        if isinstance(self.currency, str):
            _require([self.currency], "currency")
        if isinstance(self.jpy_per_unit, dict):
            _require(self.jpy_per_unit, "jpy_per_unit")
        elif isinstance(self.currency, CurrencyColumn) and self.jpy_per_unit:
            raise ValueError("jpy_per_unit needs a rate for each currency where a column has it, as {EUR: 160}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read."""
        return (self.column,) if isinstance(self.currency, str) else (self.column, self.currency.column)

    def jpy_per_minor(self, currency: str, jpy_per_unit: float | None = None) -> Fraction:
        """Return yen per minor unit, exactly; 0: none. `jpy_per_unit` is used in place of the mapping's, if given."""
        declared = self.jpy_per_unit.get(currency, 0) if isinstance(self.jpy_per_unit, dict) else self.jpy_per_unit
        rate = declared if jpy_per_unit is None else jpy_per_unit
        return Fraction(str(rate)) * Fraction(1, 10 ** exponent_of(currency))


def exponent_of(currency: str) -> int:
    """Return the decimals of a currency."""
    return CURRENCIES[currency][1]


def _require(codes: Iterable[str], key: str) -> None:
    for code in codes:
        if code not in CURRENCIES:
            near = suggestion(code[:3].upper(), list(CURRENCIES))
            raise ValueError(f"{key} is not a code of ISO 4217{'; ' + near if near.startswith('did') else ''}")
