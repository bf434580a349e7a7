"""Columns of the dated tables of goods, and of the measures along the line of a payment."""

from functools import cache
from typing import Literal

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import GoodsClass, ThreeDsMode
from scoring.contract.types import Mcc, Text
from scoring.reference.compliance import Word
from scoring.reference.table import DatedRow, DatedTable, shipped_table

Phase = Literal["PRE", "AT", "POST"]
"""Before the payment, at it, and after it."""


class ListedGoods(DatedRow, frozen=True, kw_only=True):
    """`goods_classes.yaml`: goods that the Guidelines call high-risk."""

    KEY = ("goods",)

    goods: GoodsClass
    text_en: Text
    text_ja: Text


class GoodsCategory(DatedRow, frozen=True, kw_only=True):
    """`goods_categories.yaml`: merchant categories from `first` to `last` sell these goods."""

    KEY = ("goods", "first")

    goods: GoodsClass
    first: Mcc
    last: Mcc

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first is a later category than last")


class LineMeasure(DatedRow, frozen=True, kw_only=True):
    """`line_measures.yaml`: a measure of a phase, and what tells whether a merchant has it. `modes`: of TDS only."""

    KEY = ("measure",)

    phase: Phase
    measure: Word
    told_by: Literal["CHECKLIST", "TDS", "RECORD"]
    text_en: Text
    text_ja: Text
    modes: tuple[ThreeDsMode, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.modes) != (self.told_by == "TDS"):
            raise ValueError("modes stand beside told_by TDS, and only there")
        if self.told_by == "CHECKLIST" and self.measure not in CHECKLIST_ITEMS:
            raise ValueError("a measure that the checklist tells has the name of an item")


@cache
def goods_classes() -> DatedTable[ListedGoods]:
    """Give the high-risk goods, read once."""
    return shipped_table("goods_classes", ListedGoods)


@cache
def goods_categories() -> DatedTable[GoodsCategory]:
    """Give the goods of categories, read once."""
    return shipped_table("goods_categories", GoodsCategory)


@cache
def line_measures() -> DatedTable[LineMeasure]:
    """Give the measures, read once."""
    return shipped_table("line_measures", LineMeasure)
