"""`merchant.v1`: an acquirer's record of a merchant: master data, 3-D Secure mode, Security Checklist.

A missing field is unknown; there are no defaults. Dates are days in Tokyo. The topic is compacted, with the key
`acquirer_id/merchant_id`; a tombstone removes the merchant.

`list-entry.v1`: the value of a record of topic `lists`, about one value that a list of the policy denies or allows.
That topic is compacted too, with the key `LIST/VALUE`; a tombstone removes the entry.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId, Country, Mcc, MerchantId, ShortText, Text, Timestamp

SCHEMA = "merchant.v1"

ListKind = Literal["card", "device", "email", "bin", "ip", "ip_network", "account", "address", "merchant"]

TIME_MAX = 40
"""Most characters of a time of an entry."""

ItemStatus = Literal["IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN"]
ItemCode = Literal["SC1_ADMIN", "SC2_DIR", "SC3_WEBAPP", "SC4_MALWARE", "SC5_CREDMASTER", "SC6_LOGIN"]
ThreeDsMode = Literal["EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE", "UNKNOWN"]
FraudStatus = Literal["NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED"]
GoodsClass = Literal["DIGITAL", "APPLIANCES", "E_MONEY", "TICKETS", "LODGING", "OTHER"]
"""High-risk goods of the Guidelines. They are goods, not industries, so a merchant may declare its own."""


class ThreeDsProgramme(Struct, frozen=True, kw_only=True, gc=False):
    """The merchant's EMV 3-D Secure mode, and since when."""

    mode: ThreeDsMode
    introduced_on: date | None = None
    plan_due: date | None = None


class ChecklistItem(Struct, frozen=True, kw_only=True, gc=False):
    """One item of the Security Checklist; an alternative measure is a legal answer.

    `measures`: the measures in place, by their names in `scoring/reference/checklist_measures.yaml`, in any case. A
    measure that is not named has the item's `status`. Names that are in no list are ignored.
    """

    status: ItemStatus
    measures: Annotated[list[ShortText], Meta(max_length=16)] = []
    alternative_text: Text | None = None


class Checklist(Struct, frozen=True, kw_only=True, gc=False):
    """The merchant's declaration: its items, the time and source of the attestation, and the version of the list."""

    version: ShortText
    attested_at: Timestamp | None = None
    attested_by: ShortText | None = None
    source: Literal["SELF_DECLARED", "PSP", "AUDIT"] | None = None
    items: dict[ItemCode, ChecklistItem] = {}


class MerchantRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One merchant of one acquirer.

    `fraud_status_on`: the day on which the acquirer set `fraud_status`. With it, MONITORED says that further measures
    are in place at a merchant of actualised fraud, and NORMAL releases it. `line_measures`: measures at and after the
    payment, by their names in `scoring/reference/line_measures.yaml`, in any case; names in no list are ignored. Null:
    nobody told.
    """

    acquirer_id: AcquirerId
    merchant_id: MerchantId
    schema_version: Literal["merchant.v1"] = "merchant.v1"
    mcc: Mcc | None = None
    country: Country | None = None
    contracted_on: date | None = None
    goods_class: Annotated[list[GoodsClass], Meta(max_length=8)] = []
    tds: ThreeDsProgramme | None = None
    checklist: Checklist | None = None
    fraud_status: FraudStatus | None = None
    card_data_handling: Literal["non_retention", "pci_dss", "unknown"] = "unknown"
    integration: Literal["redirect", "js_token", "server_side", "unknown"] = "unknown"
    guideline_version: ShortText | None = None
    updated_at: Timestamp | None = None
    fraud_status_on: date | None = None
    line_measures: Annotated[list[ShortText], Meta(max_length=16)] | None = None


class ListEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One entry of a list. `kind` and `acquirer` must be those of the list in the policy, or it does not count.

    Times are texts, as a kernel reads them with the values (`scoring.lists`). An empty `effective_from` is none.
    """

    kind: ListKind
    effective_to: Annotated[str, Meta(min_length=1, max_length=TIME_MAX, extra_json_schema={"format": "date-time"})]
    effective_from: Annotated[str, Meta(max_length=TIME_MAX, extra_json_schema={"format": "date-time"})] | None = None
    acquirer: AcquirerId | None = None
    schema_version: Literal["list-entry.v1"] = "list-entry.v1"
