"""The Security Checklist: what a merchant declared, item by item, against the list in force.

An item of rule EVERY is in place where every measure is or does not apply; a single measure that is not leaves a gap.
Of rule ANY one measure is enough. An alternative measure is a legal answer. Unknown is neither a gap nor in place: it
has its own figures, and the score leaves it out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Literal

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import Checklist, ItemCode, ItemStatus
from scoring.reference.rows import ChecklistItemRow, ChecklistMeasure, ItemRule
from scoring.reference.table import DatedTable

Source = Literal["SELF_DECLARED", "PSP", "AUDIT"]
NO_MEMBER_LOGIN: Final = "NO_MEMBER_LOGIN"
"""A measure that says that an item does not apply."""

_TOKYO: Final = timezone(timedelta(hours=9))
_IN_PLACE: Final = ("IMPLEMENTED", "ALTERNATIVE")


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


def rules_on(
    items: DatedTable[ChecklistItemRow], measures: DatedTable[ChecklistMeasure], day: date
) -> ChecklistRules | None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredItem:
    """Hold what a merchant says of an item as a whole, and of measures by name."""

    status: ItemStatus = "UNKNOWN"
    measures: Mapping[str, ItemStatus] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Hold a declaration: which list it answers, who gave it, on which day in Tokyo, and its items."""

    version: str | None = None
    source: Source | None = None
    attested_on: date | None = None
    items: Mapping[ItemCode, DeclaredItem] = field(default_factory=dict)


def declaration_of(checklist: Checklist) -> Declaration:
    """Read `merchant.v1`: the measures that it lists of an item are in place."""
    attested = checklist.attested_at
    return Declaration(
        version=checklist.version,
        source=checklist.source,
        attested_on=None if attested is None else attested.astimezone(_TOKYO).date(),
        items=MappingProxyType(
            {
                code: DeclaredItem(
                    status=item.status, measures=MappingProxyType(dict.fromkeys(item.measures, "IMPLEMENTED"))
                )
                for code, item in checklist.items.items()
            }
        ),
    )


def status_of(rules: ItemRules, declared: DeclaredItem) -> ItemStatus:
    """Judge an item. Of a measure that is not named the item's own status holds."""
    if declared.measures.get(NO_MEMBER_LOGIN) == "IMPLEMENTED" and NO_MEMBER_LOGIN in rules.measures:
        return "NOT_APPLICABLE"
    asked = [measure for measure in rules.measures if measure != NO_MEMBER_LOGIN]
    found = {declared.measures.get(measure, declared.status) for measure in asked} or {declared.status}
    order: tuple[ItemStatus, ...] = (
        ("NOT_IMPLEMENTED", "UNKNOWN", "ALTERNATIVE", "IMPLEMENTED")
        if rules.rule == "EVERY"
        else ("IMPLEMENTED", "ALTERNATIVE", "UNKNOWN", "NOT_IMPLEMENTED")
    )
    return next((status for status in order if status in found), "NOT_APPLICABLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistView:
    """Hold what a declaration amounts to on a day.

    `statuses`: of all six items, in their order. `score`: weight in place over the weight of what applies and is known,
    from 0 to 1; None where nothing is. `known`: weight of the items that are known, over all. `age_days` counts from
    the attestation; `is_stale`: older than is allowed; `is_outdated`: the list changed since; `is_self_only`: nobody
    but the merchant attests it. These are None where it is not told. `unread`: measures that the list does not have.
    """

    statuses: tuple[tuple[ItemCode, ItemStatus], ...]
    score: Fraction | None
    known: Fraction
    version: str | None
    source: Source | None
    age_days: int | None
    is_stale: bool | None
    is_outdated: bool | None
    is_self_only: bool | None
    unread: tuple[str, ...]

    def of(self, *wanted: ItemStatus) -> tuple[ItemCode, ...]:
        """Name the items of some statuses."""
        return tuple(item for item, status in self.statuses if status in wanted)

    @property
    def gaps(self) -> tuple[ItemCode, ...]:
        """Items that are declared as not implemented."""
        return self.of("NOT_IMPLEMENTED")

    @property
    def unknowns(self) -> tuple[ItemCode, ...]:
        """Items of which nobody told."""
        return self.of("UNKNOWN")

    def is_in_place(self, item: ItemCode) -> bool:
        """Say whether an item is declared as implemented, or by an alternative."""
        return item in self.of("IMPLEMENTED", "ALTERNATIVE")


def view(declaration: Declaration, rules: ChecklistRules, stale_over_days: int, day: date) -> ChecklistView:
    """Judge a declaration on a day. A merchant without one: `Declaration()`."""
    statuses = tuple(
        (item, status_of(of, declaration.items.get(item, DeclaredItem()))) for item, of in rules.items.items()
    )
    weights = {item: of.weight for item, of in rules.items.items()}
    in_place = sum(weights[item] for item, status in statuses if status in _IN_PLACE)
    judged = in_place + sum(weights[item] for item, status in statuses if status == "NOT_IMPLEMENTED")
    unknown = sum(weights[item] for item, status in statuses if status == "UNKNOWN")
    attested, source = declaration.attested_on, declaration.source
    age_days = None if attested is None else (day - attested).days
    return ChecklistView(
        statuses=statuses,
        score=Fraction(in_place, judged) if judged else None,
        known=1 - Fraction(unknown, sum(weights.values())),
        version=declaration.version,
        source=source,
        age_days=age_days,
        is_stale=None if age_days is None else age_days > stale_over_days,
        is_outdated=None if attested is None else attested < rules.changed_on,
        is_self_only=None if source is None else source == "SELF_DECLARED",
        unread=tuple(_unread(declaration, rules)),
    )


def _unread(declaration: Declaration, rules: ChecklistRules) -> Iterable[str]:
    for item, declared in declaration.items.items():
        yield from (measure for measure in declared.measures if measure not in rules.items[item].measures)
