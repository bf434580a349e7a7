"""Convert the cells of a column to the declared type, exactly. A cell that does not fit is refused by its place.

Each function takes an Arrow array of any type and returns values and `blank` (bool[n]: null, NaN, empty or spaces).
The value of a blank is a filler. No message contains a cell, nor does it chain an Arrow error, which may contain one.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # the same

from streams.replay.columns.amount import Amount, CurrencyColumn, currency_of, exponent_of
from streams.replay.columns.arrays import (
    BadCellError,
    Ints,
    Mask,
    blanks,
    contains,
    filled,
    is_in,
    is_text,
    matches,
    nulls,
    refuse,
    texts_of,
)
from streams.replay.columns.declared import PATTERNS, Fraud, Id, Told
from streams.replay.columns.fields import Field
from streams.replay.columns.formats import ZoneColumn, zone_of
from streams.replay.columns.tokens import token

_EXACT_FLOAT: Final = 2.0**53
_IMPLIED: Final = 2
_HUNDREDTHS_MAX: Final = 10**16
_INTEGER: Final = r"^-?[0-9]{1,18}$"


def integers(array: Any) -> tuple[Ints, Mask]:
    """Return whole numbers, int64[n]; 596.0 in a column of floats is 596.

    Raises:
        BadCellError: a cell is no whole number, or too large to be exact.
    """
    kind = array.type
    if pa.types.is_integer(kind):
        blank = nulls(array)
        if kind == pa.uint64():
            refuse(array.fill_null(0).to_numpy() > np.uint64(2**63 - 1), "is too large a number")
        return array.cast(pa.int64()).fill_null(0).to_numpy().copy(), blank
    if pa.types.is_floating(kind):
        values = array.cast(pa.float64()).fill_null(np.nan).to_numpy()
        blank = np.isnan(values)
        values = np.where(blank, 0.0, values)
        refuse((values != np.rint(values)) | (np.abs(values) >= _EXACT_FLOAT), "is not a whole number")
        return values.astype(np.int64), blank
    texts, blank = _texts_of_numbers(array)
    whole = pc.replace_substring_regex(texts, r"\.0+$", "") if pa.types.is_decimal(kind) else texts
    refuse(~matches(whole, _INTEGER) & ~blank, "is not a whole number of at most 18 digits")
    return filled(whole, blank, "0").cast(pa.int64()).to_numpy().copy(), blank


def currencies(array: Any, declared: CurrencyColumn) -> tuple[list[str], Mask]:
    """Return the alphabetic codes of currencies, a list of n.

    Raises:
        BadCellError: a cell is no code of ISO 4217, or its spelling is not declared.
    """
    codes = _each(array, declared, currency_of, "")
    return codes, np.array([not code for code in codes], np.bool_)


def zones(array: Any, declared: ZoneColumn) -> list[str]:
    """Return the zones of rows as `zone_of` gives them, a list of n; "" for a blank.

    Raises:
        BadCellError: a cell is no zone and no offset, or its spelling is not declared.
    """
    return _each(array, declared, zone_of, "")


def amounts(array: Any, amount: Amount, currencies: Sequence[str] = ()) -> tuple[Ints, Mask]:
    """Return minor units, int64[n], exactly: 12.34 with two decimals is 1234.

    `currencies`: that of each row, "" for a blank, whose amount is a filler; empty where all rows have the declared
    one.

    Raises:
        BadCellError: a cell is no amount, or has more decimals than its currency.
    """
    out, blank = _amounts(array, amount, currencies)
    return (-out if amount.negated else out), blank


def _amounts(array: Any, amount: Amount, currencies: Sequence[str]) -> tuple[Ints, Mask]:
    if amount.unit == "minor":
        return _whole(array, "is not a whole number of minor units; of amounts with decimals say `unit: major`")
    if isinstance(amount.currency, str):
        return _exact(array, amount, exponent_of(amount.currency), f"in {amount.currency} ")
    exponents = np.array([exponent_of(code) if code else -1 for code in currencies], np.int64)
    out, blank = np.zeros(len(array), np.int64), blanks(array)
    bad: list[tuple[int, str]] = []
    for exponent in (0, 2, 3):
        places = np.flatnonzero(exponents == exponent)
        if not len(places):
            continue
        try:
            out[places], _ = _exact(array.take(pa.array(places)), amount, exponent, "")
        except BadCellError as error:
            if error.row is None:
                raise
            bad.append((int(places[error.row]), f"{error.why}, as its currency has"))
    if bad:
        raise BadCellError(*min(bad))
    return out, blank


def _exact(array: Any, amount: Amount, exponent: int, of: str) -> tuple[Ints, Mask]:
    if amount.unit == "major":
        return _major(array, exponent, amount.decimal, of)
    numbers, blank = _whole(array, "is not a whole number of hundredths")
    refuse(np.abs(numbers) > _HUNDREDTHS_MAX, "is too large a number of hundredths")
    if exponent >= _IMPLIED:
        return numbers * 10 ** (exponent - _IMPLIED), blank
    by = 10 ** (_IMPLIED - exponent)
    refuse(numbers % by != 0, f"is a number of hundredths {of}that needs more than {exponent} decimals")
    return numbers // by, blank


def _whole(array: Any, why: str) -> tuple[Ints, Mask]:
    try:
        return integers(array)
    except BadCellError as error:
        row = error.row
    raise BadCellError(row, why)


def _major(array: Any, exponent: int, sign: str, of: str) -> tuple[Ints, Mask]:
    """Return minor units of amounts with at most `exponent` decimals. `sign`: the decimal sign of text."""
    kind = array.type
    too_many = f"is not an amount {of}with at most {exponent} decimals and 12 digits"
    if pa.types.is_floating(kind):
        values = array.cast(pa.float64()).fill_null(np.nan).to_numpy()
        blank = np.isnan(values)
        scaled = np.rint(np.where(blank, 0.0, values) * 10**exponent)
        # division rounds correctly, so equality means that the double is the nearest to this decimal
        exact = (np.abs(scaled) < _EXACT_FLOAT) & (scaled / 10**exponent == values)
        refuse(~exact & ~blank, too_many)
        return scaled.astype(np.int64), blank
    texts, blank = _texts_of_numbers(array)
    pointed = np.zeros(len(blank), np.bool_)
    if sign == "," and not pa.types.is_decimal(kind):
        pointed, texts = contains(texts, "."), pc.replace_substring(texts, ",", ".")
        too_many += ", decimal sign a comma"
    decimals = rf"(?:\.[0-9]{{1,{exponent}}}0*)?" if exponent else r"(?:\.0+)?"
    refuse((pointed | ~matches(texts, rf"^-?[0-9]{{1,12}}{decimals}$")) & ~blank, too_many)
    negative = matches(texts, "^-")
    whole = pc.replace_substring_regex(texts, r"^-|\..*$", "")
    part = pc.replace_substring_regex(texts, r"^[^.]*\.?", "")
    minor = filled(whole, blank, "0").cast(pa.int64()).to_numpy() * 10**exponent
    if exponent:
        padded = pc.utf8_slice_codeunits(pc.utf8_rpad(part, exponent, "0"), 0, exponent)
        minor = minor + filled(padded, blank, "0").cast(pa.int64()).to_numpy()
    return np.where(negative, -minor, minor), blank


def ids(array: Any, declared: Id) -> tuple[list[int] | list[str], Mask]:
    """Return the ids of cards or merchants as declared, a list of n.

    Raises:
        BadCellError: a cell is not of the declared type.
    """
    if declared.type == "integer":
        numbers, blank = integers(array)
        return numbers.tolist(), blank
    texts, blank = texts_of(array)
    return filled(texts, blank, "").to_pylist(), blank


def frauds(array: Any, fraud: Fraud) -> tuple[Mask, Mask]:
    """Return bool[n]: whether each row is a fraud. A blank is no fraud.

    Raises:
        BadCellError: the spelling of a cell is not declared.
    """
    texts, blank = _words(array)
    texts = pc.utf8_lower(texts)
    is_fraud, is_genuine = (is_in(texts, words) for words in (fraud.fraud, fraud.genuine))
    known = ", ".join((*fraud.fraud, *fraud.genuine))
    refuse(~is_fraud & ~is_genuine & ~blank, f"is spelt in no way that the mapping declares ({known})")
    return is_fraud & ~blank, blank


def told(array: Any, field: str, told: Told, unknown: str) -> list[str]:
    """Return the values of a field of the contract, a list of n. A blank becomes `unknown`.

    Raises:
        BadCellError: a cell is not a value of the field, or its spelling is not declared.
    """

    def value(text: str) -> str:
        if re.fullmatch(PATTERNS[field], text) is None:
            raise ValueError(f"is no {field}: must match {PATTERNS[field]}")
        return text

    return _each(array, told, value, unknown)


def fields(array: Any, field: Field, told: Told, acquirer: str) -> list[str]:
    """Return the values of a field of the contract in JSON, a list of n. A blank becomes "". Tokens are hashed.

    Raises:
        BadCellError: the contract refuses a cell, or its spelling is not declared.
    """

    def value(text: str) -> str:
        return field.json(token(text, acquirer) if field.is_token else text).decode()

    return _each(array, told, value, "")


def _each(
    array: Any, told: Told | CurrencyColumn | ZoneColumn, value_of: Callable[[str], str], blank: str
) -> list[str]:
    """Convert each different text once. `value_of` raises ValueError for one that it refuses, without its content."""
    texts, is_blank = _words(array)
    different = filled(texts, is_blank, "").dictionary_encode()
    spelt, known = told.spelt, ", ".join(told.values)
    values: list[str | BadCellError] = []
    for text in different.dictionary.to_pylist():
        if not text:
            values.append(blank)
        elif spelt and text.lower() not in spelt:
            values.append(BadCellError(None, f"is spelt in no way that the mapping declares ({known})"))
        else:
            try:
                values.append(value_of(spelt[text.lower()] if spelt else text))
            except ValueError as error:
                values.append(BadCellError(None, str(error)))
    places = different.indices.to_numpy()
    bad = np.array([isinstance(one, BadCellError) for one in values], np.bool_)[places]
    if bad.any():
        row = int(np.argmax(bad))
        raise BadCellError(row, str(values[places[row]]))
    return [str(values[place]) for place in places.tolist()]


def _words(array: Any) -> tuple[Any, Mask]:
    """Return a column of codes as text: 81.0 in a column of floats is 81."""
    if not pa.types.is_floating(array.type):
        return texts_of(array)
    numbers, blank = integers(array)
    return pa.array(numbers).cast(pa.string()), blank


def _texts_of_numbers(array: Any) -> tuple[Any, Mask]:
    if not (is_text(array.type) or pa.types.is_decimal(array.type) or pa.types.is_integer(array.type)):
        raise BadCellError(None, f"holds {array.type}, not numbers")
    return texts_of(array)
