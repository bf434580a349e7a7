"""Columns of the dated tables of EMV 3-D Secure: `threeds_*.yaml`."""

from functools import cache
from typing import Annotated

from msgspec import Meta

from scoring.reference.table import DatedRow, DatedTable, shipped_table

Words = Annotated[tuple[Annotated[str, Meta(max_length=24)], ...], Meta(min_length=1, max_length=16)]


class Exemption(DatedRow, frozen=True, kw_only=True):
    """`threeds_exemptions.yaml`: words of `exempt_reason` for one kind of exemption."""

    KEY = ("words",)

    words: Words
    kind: Annotated[str, Meta(pattern=r"^[A-Z0-9_]{1,32}\Z")]
    exempts: bool


@cache
def exemptions() -> DatedTable[Exemption]:
    """Give the table of exemptions, read once."""
    return shipped_table("threeds_exemptions", Exemption)
