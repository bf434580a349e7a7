"""Single limits of a day, by name."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from types import MappingProxyType
from typing import Any, TypeVar

from scoring.reference.rows import Limit
from scoring.reference.table import DatedTable, TableError

T = TypeVar("T")


def limits_on(table: DatedTable[Limit], scope: str, day: date) -> Mapping[str, int]:
    """Return the limits of a scope that hold on a day, by name."""
    return MappingProxyType({row.name: row.value for row in table.on(day).values() if row.scope == scope})


def limits_from(table: DatedTable[Limit], scope: str, day: date, record: type[T]) -> T:
    """Fill a dataclass whose fields are names of limits.

    Raises:
        TableError: the table has no row of a name on that day.
    """
    values, named = limits_on(table, scope, day), [field.name for field in fields(record)]  # type: ignore[arg-type]
    for name in named:
        if name not in values:
            raise TableError(f"limits of {scope}: no row of {name} holds on {day}: add one - at `$.rows`")
    made: dict[str, Any] = {name: values[name] for name in named}
    return record(**made)


def begins_on(table: DatedTable[Limit], scope: str) -> date:
    """Return the first day on which a scope has a limit. It must have one."""
    return min(row.effective_from for row in table if row.scope == scope)
