"""Convert the cells of times: numbers since a moment, dates and times, in a zone or with an offset."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # the same

from streams.replay.columns.arrays import BadCellError, Ints, Mask, converted, is_text, matches, nulls, refuse, texts_of
from streams.replay.columns.cells import integers
from streams.replay.columns.declared import Time
from streams.replay.columns.formats import pattern_of
from streams.replay.source import EVENT_MS_END, EVENT_MS_MIN

_NUMBER_MAX: Final = 10**14
_OFFSET: Final = r"[0-9] ?(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
_DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"


def times(array: Any, time: Time, clock: Any = None, zones: Sequence[str] = ()) -> tuple[Ints, Mask]:
    """Return times in ms since the epoch, int64[n]. A fraction of a millisecond is cut off.

    `clock`: the column of the time of day, if `array` has dates only. `zones`: that of each row as `zone_of` gives it,
    "" for a blank; empty if there is no column of zones.

    Raises:
        BadCellError: a time is not in the declared unit, has no zone, or is outside the years 2000 to 2100.
    """
    if clock is not None:
        array = _joined(array, clock)
    moments, blank = _date_times(array, time, zones) if time.unit == "date-time" else _since(array, time)
    outside = ((moments < EVENT_MS_MIN) | (moments >= EVENT_MS_END)) & ~blank
    refuse(outside, f"lies outside the years 2000 to 2100 as {_unit(time)}: is the unit right?")
    return moments, blank


def _unit(time: Time) -> str:
    return time.unit if time.unit == "date-time" else f"{time.unit} since {time.since or '1970-01-01T00:00:00Z'}"


def _since(array: Any, time: Time) -> tuple[Ints, Mask]:
    try:
        numbers, blank = integers(array)
    except BadCellError as error:
        row = error.row
    else:
        if time.unit == "microseconds":
            numbers = numbers // 1000
        bounded = np.clip(numbers, -_NUMBER_MAX, _NUMBER_MAX)  # stays out of range, without an overflow
        return time.since_ms + bounded * (1000 if time.unit == "seconds" else 1), blank
    raise BadCellError(row, f"is not a whole number of {_unit(time)}; dates and times are declared `unit: date-time`")


def _date_times(array: Any, time: Time, zones: Sequence[str]) -> tuple[Ints, Mask]:
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        blank = nulls(array)
        unit = kind.unit if pa.types.is_timestamp(kind) else "ms"
        has_zone = pa.types.is_timestamp(kind) and kind.tz is not None
        local = array.cast(pa.timestamp(unit))
        places = np.arange(len(array))
        return _zoned(local, np.full(len(array), has_zone) | blank, time, zones, places), blank
    if time.format is not None and pa.types.is_integer(kind):
        array, kind = array.cast(pa.string()), pa.string()
    if not is_text(kind):
        raise BadCellError(None, f"holds {kind}, and the mapping says date-time: say `unit: seconds` or `milliseconds`")
    texts, blank = texts_of(array)
    why = "is not a date and time such as 2018-04-01 or 2018-04-01T09:30:00+09:00"
    if time.format is not None:
        why = f"is not a date and time of the form {time.format}"
        texts = _in_iso(texts, pattern_of(time.format))
    refuse(~matches(texts, _DAY) & ~blank, why)
    has_zone = matches(texts, _OFFSET) & ~blank
    out = np.zeros(len(array), dtype=np.int64)
    for of, kind in ((has_zone, pa.timestamp("ns", "UTC")), (~has_zone & ~blank, pa.timestamp("ns"))):
        places = np.flatnonzero(of)
        if len(places):
            found = converted(texts.take(pa.array(places)), methodcaller("cast", kind), places, why)
            local = found.cast(pa.timestamp("ns"))
            out[places] = _zoned(local, has_zone[places], time, zones, places)
    return out, blank


def _zoned(local: Any, is_utc: Mask, time: Time, zones: Sequence[str], places: Ints) -> Ints:
    """Return ms since the epoch of local times; those with `is_utc` are in UTC already.

    `places`: the rows of the column, in which `zones` has their zones.
    """
    needs = np.flatnonzero(~is_utc)
    if not len(needs) or time.zone == "UTC":
        return _ms_of(local)
    if time.zone is None:
        why = "has no offset, and the mapping gives no zone: say `zone: Asia/Tokyo`, or UTC"
        raise BadCellError(int(places[needs[0]]), why)
    if isinstance(time.zone, str):
        groups = {time.zone: needs}
    else:
        named = np.array([zones[place] for place in places[needs].tolist()])
        groups = {zone: needs[named == zone] for zone in sorted(set(named.tolist()))}
    out, bad = _ms_of(local), list[tuple[int, str]]()
    for zone, rows in groups.items():
        try:
            out[rows] = _ms_in(zone, local.take(pa.array(rows)), time, places[rows])
        except BadCellError as error:
            bad.append((-1 if error.row is None else error.row, error.why))
    if bad:
        raise BadCellError(*min(bad))
    return out


def _ms_in(zone: str, local: Any, time: Time, places: Ints) -> Ints:
    """Return ms since the epoch of local times of one zone, which `zone_of` gives, or "" for none."""
    if not zone:
        raise BadCellError(int(places[0]), "has no offset, and its zone is blank")
    if zone[0] in "+-":
        return _ms_of(local) - 1000 * int(zone)
    if zone == "UTC":
        return _ms_of(local)
    why = f"does not exist in {zone} or comes twice there: the clock was changed"
    if time.repeated != "refused":
        why = f"does not exist in {zone}: the clock was changed"
    ambiguous = {"refused": "raise", "earlier": "earliest", "later": "latest"}[time.repeated]
    zoned = converted(local, lambda part: pc.assume_timezone(part, zone, ambiguous=ambiguous), places, why)
    return _ms_of(zoned.cast(pa.timestamp(local.type.unit, "UTC")).cast(local.type))


def _ms_of(times: Any) -> Ints:
    """Return the ms of timestamps, 0 for a null."""
    raw: Ints = times.cast(pa.int64()).fill_null(0).to_numpy().copy()
    per_ms = {"s": -1000, "ms": 1, "us": 1000, "ns": 1_000_000}[times.type.unit]
    return raw * 1000 if per_ms < 0 else raw // per_ms


def _joined(days: Any, clocks: Any) -> Any:
    """Return dates and times of day as one text, null where both are blank."""
    (days, no_day), (clocks, no_clock) = texts_of(days), texts_of(clocks)
    refuse(no_day != no_clock, "has a date without a time of day, or the other way round")
    texts = pc.binary_join_element_wise(days.fill_null(""), clocks.fill_null(""), " ")
    return pc.if_else(pa.array(no_day), pa.scalar(None, pa.string()), texts)


def _in_iso(texts: Any, pattern: str) -> Any:
    """Return texts of a form in ISO 8601, "" for one that is not of the form."""
    found = pc.extract_regex(texts, pattern)
    names = {field.name for field in found.type}
    parts = {name: pc.utf8_lpad(pc.struct_field(found, name), 2, "0") for name in names}
    day = pc.binary_join_element_wise(
        parts["Y"] if "Y" in parts else pc.binary_join_element_wise("20", parts["y"], ""), parts["m"], parts["d"], "-"
    )
    clock = pc.binary_join_element_wise(*(parts.get(name, "00") for name in "HMS"), ":")
    return pc.binary_join_element_wise(day, clock, " ").fill_null("")
