"""`label.v1`: what became known of an authorization later: TC40, FLD, disputes, analysts' verdicts.

A report counts from the time it was received, not from the time of its payment.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId, EventId, Jpy, MerchantId, ShortText, Timestamp, Token

SCHEMA = "label.v1"

Label = Literal["FRAUD", "LEGIT", "FIRST_PARTY", "MERCHANT_FRAUD", "UNKNOWN"]
Source = Literal["TC40", "FLD", "CHARGEBACK", "ISSUER", "ANALYST", "OTHER"]


class FraudReport(Struct, frozen=True, kw_only=True, gc=False):
    """One report on one authorization; only FRAUD and MERCHANT_FRAUD count against card and merchant."""

    label_id: EventId
    event_id: EventId
    acquirer_id: AcquirerId
    merchant_id: MerchantId
    pan_hmac: Token
    label: Label
    source: Source
    received_ts: Timestamp
    schema_version: Literal["label.v1"] = "label.v1"
    network_txn_id: ShortText | None = None
    code: Annotated[str, Meta(max_length=8)] | None = None
    reported_at: Timestamp | None = None
    amount_jpy: Jpy | None = None
    analyst_id: ShortText | None = None
