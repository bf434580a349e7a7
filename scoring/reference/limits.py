"""Single limits, by what they are for and by name, and the limits of a day as a record."""

from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from scoring.contract.types import ShortText
from scoring.reference.table import DatedRow, DatedTable, TableError, shipped_table

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
Scope = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,39}\Z")]
T = TypeVar("T")


class Limit(DatedRow, frozen=True, kw_only=True):
    """`limits.yaml`: one number, with its unit in words."""

    KEY = ("scope", "name")

    scope: Scope
    name: Name
    value: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    unit: ShortText


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistLimits:
    """Hold the limits of scope CHECKLIST: an attestation of more than `stale_over_days` is stale."""

    stale_over_days: int


@cache
def limits() -> DatedTable[Limit]:
    """Give the limits, read once."""
    return shipped_table("limits", Limit)


def limits_from(table: DatedTable[Limit], scope: str, day: date, record: type[T]) -> T:
    """Fill a dataclass whose fields are names of limits, as they hold on a day, or on the first day of the scope.

    Raises:
        TableError: the table has no row of a name on that day.
    """
    day = max(day, min(row.effective_from for row in table if row.scope == scope))
    made: dict[str, Any] = {}
    for field in fields(record):  # type: ignore[arg-type]  # any dataclass
        row = table.find((scope, field.name), day)
        if row is None:
            raise TableError(f"limits of {scope}: no row of {field.name} holds on {day}: add one - at `$.rows`")
        made[field.name] = row.value
    return record(**made)
