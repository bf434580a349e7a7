"""The columns of each dated table that ships here."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from scoring.contract.authorization import Network, NormalisedOutcome
from scoring.contract.merchant import ItemCode
from scoring.contract.types import Currency, ShortText, Text
from scoring.reference.table import DatedRow

Bps = Annotated[int, Meta(ge=0, le=10_000)]
"""Hundredths of a percent."""

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Word = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,39}\Z")]
"""A name of this product or of a scheme in capitals: `ABOVE_STANDARD`."""

Switch = Literal["ISO", "VISA", "MASTERCARD", "JCB", "DOMESTIC"]
"""Whose codes a table lists: ISO for every switch, a network for its own, DOMESTIC for the switches of Japan."""

Programme = Literal["VAMP", "VAMP_ENUMERATION", "ECM", "EFM"]
Subject = Literal["ACQUIRER", "MERCHANT"]
ItemRule = Literal["EVERY", "ANY"]


class ResponseCode(DatedRow, frozen=True, kw_only=True):
    """`response_codes.yaml`: what a response code (ISO 8583 DE 39) of a switch means."""

    KEY = ("switch", "code")

    switch: Switch
    code: Annotated[str, Meta(pattern=r"^[0-9A-Z]{2,3}\Z")]
    outcome: NormalisedOutcome


class GuidelineVersion(DatedRow, frozen=True, kw_only=True):
    """`guidelines.yaml`: versions of a set of guidelines. Where only the month is known, its first day stands."""

    KEY = ("guideline",)

    guideline: Word
    version: Annotated[str, Meta(pattern=r"^[0-9]{1,3}[.][0-9]{1,3}\Z")]
    known_to: Literal["day", "month"]
    text: Text


class Duty(DatedRow, frozen=True, kw_only=True):
    """`duties.yaml`: who owes what, by when, and the share it is measured by where there is one."""

    KEY = ("duty",)

    duty: Word
    party: Literal["MERCHANT", "ACQUIRER", "ISSUER"]
    due_on: date | None = None
    share_min_bps: Bps | None = None
    share_max_bps: Bps | None = None
    text: Text


class ChecklistItemRow(DatedRow, frozen=True, kw_only=True):
    """`checklist_items.yaml`: items of the Security Checklist, whether every measure counts or any, and a weight."""

    KEY = ("item",)

    item: ItemCode
    rule: ItemRule
    weight: Annotated[int, Meta(ge=1, le=100)]
    text_en: Text
    text_ja: Text


class ChecklistMeasure(DatedRow, frozen=True, kw_only=True):
    """`checklist_measures.yaml`: the measures below an item. `limit` is the number that the text of some names."""

    KEY = ("item", "measure")

    item: ItemCode
    measure: Word
    text_en: Text
    text_ja: Text
    limit: Count | None = None


class Limit(DatedRow, frozen=True, kw_only=True):
    """`limits.yaml`: single numbers, by what they are for."""

    KEY = ("scope", "name")

    scope: Word
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    value: Annotated[int, Meta(ge=0, le=10**12)]
    unit: ShortText


class ProgrammeTier(DatedRow, frozen=True, kw_only=True):
    """`programmes.yaml`: from where on a month of an acquirer or a merchant falls into a tier of a scheme's programme.

    All that a row names must hold: a ratio of at least `ratio_min_bps`, at least `items_min` items in its numerator, at
    least `sales_min` sales below it, an amount of at least `amount_min_minor` of `amount_currency`, and a share of
    3-D Secure below `tds_below_bps`. `enforced_from`: before that day a tier is only advice.
    """

    KEY = ("programme", "subject", "tier", "region")

    programme: Programme
    subject: Subject
    tier: Word
    region: Word
    ratio_min_bps: Bps
    items_min: Count = 0
    sales_min: Count = 0
    amount_min_minor: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    amount_currency: Currency | None = None
    tds_below_bps: Bps | None = None
    enforced_from: date | None = None
    exit_months: Annotated[int, Meta(ge=1, le=24)] = 1

    def __post_init__(self) -> None:
        if (self.amount_min_minor is None) != (self.amount_currency is None):
            raise ValueError("amount_min_minor and amount_currency stand together or not at all")


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
