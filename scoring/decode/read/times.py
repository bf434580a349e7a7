"""RFC 3339 times in the usual spelling; any other is left to msgspec."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import helper, whole

ODD_TIME: Final = -1
_ZERO: Final = 48
_YEAR_MIN: Final = 1971  # before the epoch, truncation to milliseconds would round the other way
_DAYS_BEFORE: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


@helper
def _number(data: NDArray[np.uint8], start: int, count: int) -> int:
    """Read digits; a large negative number if a character is no digit."""
    value = 0
    for i in range(start, start + count):
        digit = whole(data[i]) - _ZERO
        value = value * 10 + digit if 0 <= digit <= 9 else -(2**40)
    return value


@helper
def _days_of(year: int, month: int, day: int) -> int:
    """Count the days from the epoch to a date from 1971 on; negative for an invalid date."""
    if not (year >= _YEAR_MIN and 1 <= month <= 12 and day >= 1):
        return -1
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    in_month = _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (1 if leap and month == 2 else 0)
    if day > in_month:
        return -1
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719_162
    return days + _DAYS_BEFORE[month - 1] + (1 if leap and month > 2 else 0) + day - 1


@helper
def time_of(data: NDArray[np.uint8], start: int, stop: int) -> int:
    """Read `2026-05-01T03:00:00.123Z`, or with an offset, as whole milliseconds since the epoch, else ODD_TIME.

    A second has at most six decimals, which are truncated to three.
    """
    if stop - start < 20:
        return ODD_TIME
    marks = data[start + 4] == 45 and data[start + 7] == 45 and data[start + 10] == 84
    if not (marks and data[start + 13] == 58 and data[start + 16] == 58):
        return ODD_TIME
    days = _days_of(_number(data, start, 4), _number(data, start + 5, 2), _number(data, start + 8, 2))
    hour, minute, second = _number(data, start + 11, 2), _number(data, start + 14, 2), _number(data, start + 17, 2)
    if days < 0 or not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return ODD_TIME
    i, millis = start + 19, 0
    if data[i] == 46:
        i += 1
        first, scale = i, 100
        while i < stop and 48 <= data[i] <= 57:
            millis += scale * (whole(data[i]) - _ZERO)
            scale //= 10
            i += 1
        if not 1 <= i - first <= 6:
            return ODD_TIME
    offset = _offset(data, i, stop)
    if offset == -(2**40):
        return ODD_TIME
    return ((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + millis


@helper
def _offset(data: NDArray[np.uint8], i: int, stop: int) -> int:
    """Read `Z` or `+09:00` as minutes; -2**40 for other texts."""
    if i + 1 == stop and data[i] == 90:
        return 0
    if i + 6 != stop or data[i + 3] != 58 or not (data[i] == 43 or data[i] == 45):
        return -(2**40)
    hours, minutes = _number(data, i + 1, 2), _number(data, i + 4, 2)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59):
        return -(2**40)
    away = hours * 60 + minutes
    return away if data[i] == 43 else -away
