"""The Security Checklist: what a merchant declares, item by item, judged by the list in force.

An item of rule EVERY is in place where every measure is or does not apply; one measure that is not leaves a gap. Of
rule ANY one measure is enough. An alternative measure is a legal answer. Unknown is neither a gap nor in place.
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
    """Hold what the list asks of one item."""

    rule: ItemRule
    weight: int
    measures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistRules:
    """Hold the list in force on a day. `changed_on`: the latest day on which it changed."""

    items: Mapping[ItemCode, ItemRules]
    changed_on: date


class DeclaredItem(NamedTuple):
    """Hold what a merchant says of an item as a whole, and the measures that it names as in place."""

    status: ItemStatus = "UNKNOWN"
    measures: frozenset[str] = frozenset()


Declaration = tuple[DeclaredItem, ...]
"""What a merchant declares of each of the six items, in their order."""


def rules_on(items: DatedTable[ListedItem], measures: DatedTable[ListedMeasure], day: date) -> ChecklistRules | None:
    """Return the list in force on a day; None before there was one of all six items."""
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
    """Give the items and measures of all lists there have been."""
    return frozenset((row.item, row.measure) for row in checklist_measures())


def declaration_of(checklist: Checklist | None, known: Collection[tuple[str, str]]) -> Declaration:
    """Read what a record declares, names of measures in any case.

    `known`: pairs of item and measure. A measure that is not among them is left out: it tells nothing.
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
    """Judge an item. Of a measure that is not named the item's own status holds."""
    if NO_MEMBER_LOGIN in declared.measures and NO_MEMBER_LOGIN in rules.measures:
        return "NOT_APPLICABLE"
    asked = [measure for measure in rules.measures if measure != NO_MEMBER_LOGIN]
    found: set[ItemStatus] = {
        "IMPLEMENTED" if measure in declared.measures else declared.status for measure in asked
    } or {declared.status}
    order = _WORST_FIRST if rules.rule == "EVERY" else _BEST_FIRST
    return next((status for status in order if status in found), "NOT_APPLICABLE")


def statuses_of(declaration: Declaration, rules: ChecklistRules | None) -> tuple[ItemStatus, ...]:
    """Judge all items, in their order; without a list in force each is what the merchant says it is."""
    if rules is None:
        return tuple(declared.status for declared in declaration)
    return tuple(
        status_of(rules.items[item], declared) for item, declared in zip(CHECKLIST_ITEMS, declaration, strict=True)
    )


def score_of(statuses: Sequence[ItemStatus], rules: ChecklistRules) -> Fraction | None:
    """Give the weight in place over the weight of what applies and is known, 0 to 1; None where nothing is."""
    weights = [of.weight for of in rules.items.values()]
    told = list(zip(statuses, weights, strict=True))
    in_place = sum(weight for status, weight in told if status in ("IMPLEMENTED", "ALTERNATIVE"))
    judged = in_place + sum(weight for status, weight in told if status == "NOT_IMPLEMENTED")
    return Fraction(in_place, judged) if judged else None
