"""Codes of fraud reports and disputes, by network."""

from functools import cache
from typing import Annotated, Literal

from msgspec import Meta

from scoring.contract.authorization import Network
from scoring.reference.table import DatedRow, DatedTable, shipped_table


class ReportCode(DatedRow, frozen=True, kw_only=True):
    """`report_codes.yaml`: codes of fraud reports and disputes. A code "11" stands for all that begin with "11.".

    `kind`: FRAUD, FIRST_PARTY (the cardholder's own), SUSPECTED (no confirmed fraud), or OTHER (no fraud).
    `card_present`: whether the code names payments with the card present; null where it names neither.
    """

    KEY = ("report", "network", "code")

    report: Literal["TC40", "FLD", "CHARGEBACK"]
    network: Network
    code: Annotated[str, Meta(pattern=r"^[0-9A-Z.]{1,8}\Z")]
    kind: Literal["FRAUD", "FIRST_PARTY", "SUSPECTED", "OTHER"]
    card_present: bool | None = None


@cache
def report_codes() -> DatedTable[ReportCode]:
    """Give the codes, read once."""
    return shipped_table("report_codes", ReportCode)
