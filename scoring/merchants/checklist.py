"""The Security Checklist: a merchant's declaration, judged item by item by the list in force.

An item of rule EVERY is in place if every measure is in place or does not apply; one measure that is not in place
makes a gap. An item of rule ANY needs one measure. An alternative measure is a legal answer. Unknown is neither a gap
nor in place.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import Checklist, ItemCode, ItemStatus
from scoring.reference.compliance import ItemRule, ListedItem, ListedMeasure, checklist_measures
from scoring.reference.table import DatedTable

NO_MEMBER_LOGIN: Final = "NO_MEMBER_LOGIN"
"""A measure that says that an item does not apply."""

_BEST_FIRST: Final[tuple[ItemStatus, ...]] = ("IMPLEMENTED", "ALTERNATIVE", "UNKNOWN", "NOT_IMPLEMENTED")
_WORST_FIRST: Final[tuple[ItemStatus, ...]] = ("NOT_IMPLEMENTED", "UNKNOWN", "ALTERNATIVE", "IMPLEMENTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRules:
    """What the list asks of one item."""

    rule: ItemRule
    weight: int
    measures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistRules:
    """The list in force on a day. `changed_on`: the latest day on which it changed."""

    items: Mapping[ItemCode, ItemRules]
    changed_on: date


class DeclaredItem(NamedTuple):
    """What a merchant declares of one item: its status, and the measures that are in place."""

    status: ItemStatus = "UNKNOWN"
    measures: frozenset[str] = frozenset()


Declaration = tuple[DeclaredItem, ...]
"""The declarations of the six items, in their order."""


def rules_on(items: DatedTable[ListedItem], measures: DatedTable[ListedMeasure], day: date) -> ChecklistRules | None:
    """Return the list in force on a day; None if the list of that day lacks an item."""
    held, below = items.on(day).values(), measures.on(day).values()
    rules = {
        row.item: ItemRules(
            rule=row.rule, weight=row.weight, measures=tuple(one.measure for one in below if one.item == row.item)
        )
        for row in held
    }
    if set(rules) != set(CHECKLIST_ITEMS):
        return None
    return ChecklistRules(
        items=MappingProxyType({item: rules[item] for item in CHECKLIST_ITEMS}),
        changed_on=max(row.effective_from for row in (*held, *below)),
    )


@cache
def measures_of_lists() -> frozenset[tuple[str, str]]:
    """Give all pairs of item and measure of all lists, past and present."""
    return frozenset((row.item, row.measure) for row in checklist_measures())


def declaration_of(checklist: Checklist | None, known: Collection[tuple[str, str]]) -> Declaration:
    """Read the declaration of a record. Names of measures may be in any case.

    `known`: pairs of item and measure. Measures that are not in it are ignored.
    """
    return tuple(
        DeclaredItem()
        if checklist is None or item not in checklist.items
        else DeclaredItem(
            checklist.items[item].status,
            frozenset(name for name in map(str.upper, checklist.items[item].measures) if (item, name) in known),
        )
        for item in CHECKLIST_ITEMS
    )


def status_of(rules: ItemRules, declared: DeclaredItem) -> ItemStatus:
    """Judge an item. A measure that is not named has the status of the item."""
    if NO_MEMBER_LOGIN in declared.measures and NO_MEMBER_LOGIN in rules.measures:
        return "NOT_APPLICABLE"
    asked = [measure for measure in rules.measures if measure != NO_MEMBER_LOGIN]
    found: set[ItemStatus] = {
        "IMPLEMENTED" if measure in declared.measures else declared.status for measure in asked
    } or {declared.status}
    order = _WORST_FIRST if rules.rule == "EVERY" else _BEST_FIRST
    return next((status for status in order if status in found), "NOT_APPLICABLE")


def statuses_of(declaration: Declaration, rules: ChecklistRules | None) -> tuple[ItemStatus, ...]:
    """Judge all items, in their order; without a list in force each has its declared status."""
    if rules is None:
        return tuple(declared.status for declared in declaration)
    return tuple(
        status_of(rules.items[item], declared) for item, declared in zip(CHECKLIST_ITEMS, declaration, strict=True)
    )


def score_of(statuses: Sequence[ItemStatus], rules: ChecklistRules) -> Fraction | None:
    """Give the weight in place divided by the weight that applies and is known, 0 to 1; None if that is 0."""
    weights = [of.weight for of in rules.items.values()]
    told = list(zip(statuses, weights, strict=True))
    in_place = sum(weight for status, weight in told if status in ("IMPLEMENTED", "ALTERNATIVE"))
    judged = in_place + sum(weight for status, weight in told if status == "NOT_IMPLEMENTED")
    return Fraction(in_place, judged) if judged else None
