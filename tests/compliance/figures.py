"""Months of a merchant, written down by the columns a test is about."""

from collections.abc import Mapping

from scoring.merchants.months.columns import COLUMNS, MonthCol, MonthFigures


def figures(month: int, **columns: int) -> MonthFigures:
    values = [0] * COLUMNS
    for name, value in columns.items():
        values[MonthCol[name]] = value
    return MonthFigures(month=month, values=tuple(values))


def fraud(yen: Mapping[int, int], first: int, last: int) -> list[MonthFigures]:
    """Consecutive months with their fraud in yen."""
    return [figures(month, FRAUD_JPY=yen.get(month, 0)) for month in range(first, last + 1)]
