"""Months in Asia/Tokyo, which has had UTC+9 all year round since 1952. A month is its number since January 1970."""

from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOKYO_MS: Final = 9 * 3_600_000
DAY_MS: Final = 86_400_000
_FIRST: Final = date(1970, 1, 1)


def months_of(times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the months of times in milliseconds since the epoch, int64[n] to int64[n]."""
    return (times_ms + TOKYO_MS).view("datetime64[ms]").astype("datetime64[M]").view(np.int64)


def month_of(time_ms: int) -> int:
    """Number the month of a time in milliseconds since the epoch.

    >>> month_of(0), month_of_day(date(2026, 11, 27))
    (0, 682)
    """
    return int(months_of(np.array([time_ms], dtype=np.int64))[0])


def day_of(time_ms: int) -> date:
    """Return the day in Tokyo of a time in milliseconds since the epoch.

    >>> day_of(9 * 3_600_000), day_of(15 * 3_600_000)
    (datetime.date(1970, 1, 1), datetime.date(1970, 1, 2))
    """
    return _FIRST + timedelta((time_ms + TOKYO_MS) // DAY_MS)


def month_of_day(day: date) -> int:
    """Number the month of a day in Tokyo."""
    return (day.year - 1970) * 12 + day.month - 1


def first_day(month: int) -> date:
    """Return the first day of a month.

    >>> first_day(682), days_in(697), first_day(697)
    (datetime.date(2026, 11, 1), 29, datetime.date(2028, 2, 1))
    """
    return date(1970 + month // 12, month % 12 + 1, 1)


def days_in(month: int) -> int:
    """Count the days of a month."""
    return (first_day(month + 1) - first_day(month)).days


def begin_ms(month: int) -> int:
    """Return the first millisecond of a month, since the epoch."""
    return (first_day(month) - _FIRST).days * DAY_MS - TOKYO_MS


def name_of(month: int) -> str:
    """Write a month as YYYY-MM.

    >>> name_of(682)
    '2026-11'
    """
    return f"{first_day(month):%Y-%m}"
