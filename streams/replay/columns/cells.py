"""Convert the cells of a column to the declared type, exactly. A cell that does not fit is refused by its place.

Each function takes an Arrow array of any type and returns values and `blank` (bool[n]: null, NaN, empty or spaces).
The value of a blank is a filler. No message contains a cell, nor does it chain an Arrow error, which may contain one.
"""

import re
from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # the same
from numpy.typing import NDArray

from streams.replay.columns.amount import Amount, CurrencyColumn, currency_of, exponent_of
from streams.replay.columns.declared import PATTERNS, Fraud, Id, Time, Told
from streams.replay.columns.fields import Field
from streams.replay.columns.tokens import token
from streams.replay.source import EVENT_MS_END, EVENT_MS_MIN

_EXACT_FLOAT: Final = 2.0**53
_NUMBER_MAX: Final = 10**14
_INTEGER: Final = r"^-?[0-9]{1,18}$"
_OFFSET: Final = r"[0-9] ?(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
_DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class BadCellError(Exception):
    """Raised when a cell (`row` None: the column) is not of the declared type. `row` counts from 0 in the array."""

    def __init__(self, row: int | None, why: str) -> None:
        super().__init__(why)
        self.row = row
        self.why = why


def times(array: Any, time: Time) -> tuple[Ints, Mask]:
    """Return times in ms since the epoch, int64[n]. A fraction of a millisecond is cut off.

    Raises:
        BadCellError: a time is not in the declared unit, has no zone, or is outside the years 2000 to 2100.
    """
    moments, blank = _date_times(array, time.zone) if time.unit == "date-time" else _since(array, time)
    outside = ((moments < EVENT_MS_MIN) | (moments >= EVENT_MS_END)) & ~blank
    _refuse(outside, f"lies outside the years 2000 to 2100 as {_unit(time)}: is the unit right?")
    return moments, blank


def integers(array: Any) -> tuple[Ints, Mask]:
    """Return whole numbers, int64[n]; 596.0 in a column of floats is 596.

    Raises:
        BadCellError: a cell is no whole number, or too large to be exact.
    """
    kind = array.type
    if pa.types.is_integer(kind):
        blank = _nulls(array)
        if kind == pa.uint64():
            _refuse(array.fill_null(0).to_numpy() > np.uint64(2**63 - 1), "is too large a number")
        return array.cast(pa.int64()).fill_null(0).to_numpy().copy(), blank
    if pa.types.is_floating(kind):
        values = array.cast(pa.float64()).fill_null(np.nan).to_numpy()
        blank = np.isnan(values)
        values = np.where(blank, 0.0, values)
        _refuse((values != np.rint(values)) | (np.abs(values) >= _EXACT_FLOAT), "is not a whole number")
        return values.astype(np.int64), blank
    texts, blank = _texts_of_numbers(array)
    whole = pc.replace_substring_regex(texts, r"\.0+$", "") if pa.types.is_decimal(kind) else texts
    _refuse(~_matches(whole, _INTEGER) & ~blank, "is not a whole number of at most 18 digits")
    return _filled(whole, blank, "0").cast(pa.int64()).to_numpy().copy(), blank


def currencies(array: Any, declared: CurrencyColumn) -> tuple[list[str], Mask]:
    """Return the alphabetic codes of currencies, a list of n.

    Raises:
        BadCellError: a cell is no code of ISO 4217, or its spelling is not declared.
    """
    codes = _each(array, declared, currency_of, "")
    return codes, np.array([not code for code in codes], np.bool_)


def amounts(array: Any, amount: Amount, currencies: Sequence[str] = ()) -> tuple[Ints, Mask]:
    """Return minor units, int64[n], exactly: 12.34 with two decimals is 1234.

    `currencies`: that of each row, "" for a blank, whose amount is a filler; empty where all rows have the declared
    one.

    Raises:
        BadCellError: a cell is no amount, or has more decimals than its currency.
    """
    if amount.unit == "minor":
        try:
            return integers(array)
        except BadCellError as error:
            row = error.row
        raise BadCellError(row, "is not a whole number of minor units; of amounts with decimals say `unit: major`")
    if isinstance(amount.currency, str):
        return _major(array, exponent_of(amount.currency), amount.decimal, f"in {amount.currency} ")
    exponents = np.array([exponent_of(code) if code else -1 for code in currencies], np.int64)
    out, blank = np.zeros(len(array), np.int64), _blanks(array)
    bad: list[tuple[int, str]] = []
    for exponent in (0, 2, 3):
        places = np.flatnonzero(exponents == exponent)
        if not len(places):
            continue
        try:
            out[places], _ = _major(array.take(pa.array(places)), exponent, amount.decimal, "")
        except BadCellError as error:
            if error.row is None:
                raise
            bad.append((int(places[error.row]), f"{error.why}, as its currency has"))
    if bad:
        raise BadCellError(*min(bad))
    return out, blank


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
        _refuse(~exact & ~blank, too_many)
        return scaled.astype(np.int64), blank
    texts, blank = _texts_of_numbers(array)
    pointed = np.zeros(len(blank), np.bool_)
    if sign == "," and not pa.types.is_decimal(kind):
        pointed, texts = _contains(texts, "."), pc.replace_substring(texts, ",", ".")
        too_many += ", decimal sign a comma"
    decimals = rf"(?:\.[0-9]{{1,{exponent}}}0*)?" if exponent else r"(?:\.0+)?"
    _refuse((pointed | ~_matches(texts, rf"^-?[0-9]{{1,12}}{decimals}$")) & ~blank, too_many)
    negative = _matches(texts, "^-")
    whole = pc.replace_substring_regex(texts, r"^-|\..*$", "")
    part = pc.replace_substring_regex(texts, r"^[^.]*\.?", "")
    minor = _filled(whole, blank, "0").cast(pa.int64()).to_numpy() * 10**exponent
    if exponent:
        padded = pc.utf8_slice_codeunits(pc.utf8_rpad(part, exponent, "0"), 0, exponent)
        minor = minor + _filled(padded, blank, "0").cast(pa.int64()).to_numpy()
    return np.where(negative, -minor, minor), blank


def ids(array: Any, declared: Id) -> tuple[list[int] | list[str], Mask]:
    """Return the ids of cards or merchants as declared, a list of n.

    Raises:
        BadCellError: a cell is not of the declared type.
    """
    if declared.type == "integer":
        numbers, blank = integers(array)
        return numbers.tolist(), blank
    texts, blank = _texts(array)
    return _filled(texts, blank, "").to_pylist(), blank


def frauds(array: Any, fraud: Fraud) -> tuple[Mask, Mask]:
    """Return bool[n]: whether each row is a fraud. A blank is no fraud.

    Raises:
        BadCellError: the spelling of a cell is not declared.
    """
    texts, blank = _words(array)
    texts = pc.utf8_lower(texts)
    is_fraud, is_genuine = (_is_in(texts, words) for words in (fraud.fraud, fraud.genuine))
    known = ", ".join((*fraud.fraud, *fraud.genuine))
    _refuse(~is_fraud & ~is_genuine & ~blank, f"is spelt in no way that the mapping declares ({known})")
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


def _each(array: Any, told: Told | CurrencyColumn, value_of: Callable[[str], str], blank: str) -> list[str]:
    """Convert each different text once. `value_of` raises ValueError for one that it refuses, without its content."""
    texts, is_blank = _words(array)
    different = _filled(texts, is_blank, "").dictionary_encode()
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
        return _texts(array)
    numbers, blank = integers(array)
    return pa.array(numbers).cast(pa.string()), blank


def _unit(time: Time) -> str:
    return time.unit if time.unit == "date-time" else f"{time.unit} since {time.since or '1970-01-01T00:00:00Z'}"


def _since(array: Any, time: Time) -> tuple[Ints, Mask]:
    try:
        numbers, blank = integers(array)
    except BadCellError as error:
        row = error.row
    else:
        bounded = np.clip(numbers, -_NUMBER_MAX, _NUMBER_MAX)  # stays out of range, without an overflow
        return time.since_ms + bounded * (1000 if time.unit == "seconds" else 1), blank
    raise BadCellError(row, f"is not a whole number of {_unit(time)}; dates and times are declared `unit: date-time`")


def _date_times(array: Any, zone: str | None) -> tuple[Ints, Mask]:
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        blank = _nulls(array)
        unit = kind.unit if pa.types.is_timestamp(kind) else "ms"
        has_zone = pa.types.is_timestamp(kind) and kind.tz is not None
        local = array.cast(pa.timestamp(unit))
        return _zoned(local, np.full(len(array), has_zone), blank, zone), blank
    if not _is_text(kind):
        raise BadCellError(None, f"holds {kind}, and the mapping says date-time: say `unit: seconds` or `milliseconds`")
    texts, blank = _texts(array)
    why = "is not a date and time such as 2018-04-01 or 2018-04-01T09:30:00+09:00"
    _refuse(~_matches(texts, _DAY) & ~blank, why)
    has_zone = _matches(texts, _OFFSET) & ~blank
    out = np.zeros(len(array), dtype=np.int64)
    for of, kind in ((has_zone, pa.timestamp("ns", "UTC")), (~has_zone & ~blank, pa.timestamp("ns"))):
        places = np.flatnonzero(of)
        if len(places):
            found = _converted(texts.take(pa.array(places)), methodcaller("cast", kind), places, why)
            local = found.cast(pa.timestamp("ns"))
            out[places] = _zoned(local, has_zone[places], np.zeros(len(places), np.bool_), zone, places)
    return out, blank


def _zoned(local: Any, has_zone: Mask, blank: Mask, zone: str | None, places: Ints | None = None) -> Ints:
    """Return ms since the epoch of local times in `zone`; those with `has_zone` are in UTC already."""
    places = np.arange(len(local)) if places is None else places
    needs = ~has_zone & ~blank
    if zone is None and needs.any():
        row = int(places[np.argmax(needs)])
        raise BadCellError(row, "has no offset, and the mapping gives no zone: say `zone: Asia/Tokyo`, or UTC")
    if zone not in (None, "UTC") and needs.any():
        why = f"does not exist in {zone} or comes twice there: the clock was changed"
        filled = pa.compute.if_else(pa.array(needs), local, pa.scalar(0, local.type))
        zoned = _converted(filled, lambda part: pc.assume_timezone(part, zone), places, why)
        shifted = zoned.cast(pa.timestamp(local.type.unit, "UTC")).cast(local.type)
        local = pa.compute.if_else(pa.array(needs), shifted, local)
    raw: Ints = local.cast(pa.int64()).fill_null(0).to_numpy()
    per_ms = {"s": -1000, "ms": 1, "us": 1000, "ns": 1_000_000}[local.type.unit]
    return raw * 1000 if per_ms < 0 else raw // per_ms


def _converted(array: Any, convert: Callable[[Any], Any], places: Ints, why: str) -> Any:
    """Convert an array, or raise for the first row that cannot be. Arrow's error is dropped: it contains the cell."""
    try:
        return convert(array)
    except pa.ArrowException:
        pass
    low, high = 0, len(array)  # some row of array[low:high] fails, and none before low
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(low, middle - low))
        except pa.ArrowException:
            high = middle
        else:
            low = middle
    raise BadCellError(int(places[low]), why)


def _texts_of_numbers(array: Any) -> tuple[Any, Mask]:
    if not (_is_text(array.type) or pa.types.is_decimal(array.type) or pa.types.is_integer(array.type)):
        raise BadCellError(None, f"holds {array.type}, not numbers")
    return _texts(array)


def _texts(array: Any) -> tuple[Any, Mask]:
    """Return a column as text without outer spaces."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        raise BadCellError(None, f"holds {array.type}, and the mapping says text: say `type: integer`")
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        array = _converted(array, methodcaller("cast", pa.string()), np.arange(len(array)), "is not UTF-8")
    elif pa.types.is_nested(array.type):
        raise BadCellError(None, f"holds {array.type}, not text")
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return texts, pc.equal(texts.fill_null(""), "").to_numpy(zero_copy_only=False)


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
    )


def _nulls(array: Any) -> Mask:
    mask: Mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _blanks(array: Any) -> Mask:
    if pa.types.is_floating(array.type):
        mask: Mask = np.isnan(array.cast(pa.float64()).fill_null(np.nan).to_numpy())
        return mask
    return _texts(array)[1] if _is_text(array.type) else _nulls(array)


def _matches(texts: Any, pattern: str) -> Mask:
    mask: Mask = pc.match_substring_regex(texts.fill_null(""), pattern).to_numpy(zero_copy_only=False)
    return mask


def _contains(texts: Any, part: str) -> Mask:
    mask: Mask = pc.match_substring(texts.fill_null(""), part).to_numpy(zero_copy_only=False)
    return mask


def _is_in(texts: Any, words: tuple[str, ...]) -> Mask:
    values = pa.array([word.strip().lower() for word in words])
    mask: Mask = pc.is_in(texts.fill_null(""), value_set=values).to_numpy(zero_copy_only=False)
    return mask


def _filled(texts: Any, blank: Mask, filler: str) -> Any:
    return pc.if_else(pa.array(blank), pa.scalar(filler, texts.type), texts) if blank.any() else texts


def _refuse(bad: Mask, why: str) -> None:
    if bad.any():
        raise BadCellError(int(np.argmax(bad)), why)
