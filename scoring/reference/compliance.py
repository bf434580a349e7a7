"""Columns of the dated tables of the Credit Card Security Guidelines: the Security Checklist, who owes what,
and the versions of the Guidelines."""

from datetime import date
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta

from scoring.contract.merchant import ItemCode
from scoring.contract.types import Text
from scoring.reference.table import DatedRow, DatedTable, shipped_table

Bps = Annotated[int, Meta(ge=0, le=10_000)]
"""Hundredths of a percent."""

Word = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,39}\Z")]
ItemRule = Literal["EVERY", "ANY"]


class ListedItem(DatedRow, frozen=True, kw_only=True):
    """`checklist_items.yaml`: items of the Security Checklist, whether every measure counts or any, and a weight."""

    KEY = ("item",)

    item: ItemCode
    rule: ItemRule
    weight: Annotated[int, Meta(ge=1, le=100)]
    text_en: Text
    text_ja: Text


class ListedMeasure(DatedRow, frozen=True, kw_only=True):
    """`checklist_measures.yaml`: the measures of an item. `limit` is the number that the text of some names."""

    KEY = ("item", "measure")

    item: ItemCode
    measure: Word
    text_en: Text
    text_ja: Text
    limit: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


class Duty(DatedRow, frozen=True, kw_only=True):
    """`duties.yaml`: who owes what, from the day after `due_on`, and the share it is measured by where there is one."""

    KEY = ("duty",)

    duty: Word
    party: Literal["MERCHANT", "ACQUIRER", "ISSUER"]
    due_on: date | None = None
    share_min_bps: Bps | None = None
    share_max_bps: Bps | None = None
    text: Text


class GuidelineVersion(DatedRow, frozen=True, kw_only=True):
    """`guidelines.yaml`: versions of a set of guidelines. Where only the month is known, its first day stands."""

    KEY = ("guideline",)

    guideline: Word
    version: Annotated[str, Meta(pattern=r"^[0-9]{1,3}[.][0-9]{1,3}\Z")]
    known_to: Literal["day", "month"]
    text: Text


@cache
def checklist_items() -> DatedTable[ListedItem]:
    """Give the items, read once."""
    return shipped_table("checklist_items", ListedItem)


@cache
def checklist_measures() -> DatedTable[ListedMeasure]:
    """Give the measures, read once."""
    return shipped_table("checklist_measures", ListedMeasure)


@cache
def duties() -> DatedTable[Duty]:
    """Give the duties, read once."""
    return shipped_table("duties", Duty)


@cache
def guidelines() -> DatedTable[GuidelineVersion]:
    """Give the versions of the Guidelines, read once."""
    return shipped_table("guidelines", GuidelineVersion)
