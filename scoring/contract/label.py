"""What comes later of payments, in files of schemes and issuers.

`label.v1`: what became known of an authorization: TC40, FLD, disputes, analysts' verdicts. A report counts from the
time it was received, not from the time of its payment. `settlement.v1`: an item settled with a scheme, such as Visa's
TC05; the compliance report alone reads it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.authorization import Channel, Network
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


SettlementType = Literal["sale", "refund", "reversal"]


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """One settled item.

    `settlement_id` names it: a record that comes twice counts once. `settled_ts` is when the scheme settled it, and its
    month is that of Asia/Tokyo. `channel` is that of the payment: programmes without the card present count ecom and
    moto. Only a sale counts as one; a refund or a reversal takes none back, as the schemes count sales.
    """

    settlement_id: EventId
    settled_ts: Timestamp
    acquirer_id: AcquirerId
    merchant_id: MerchantId
    network: Network
    channel: Channel
    type: SettlementType
    schema_version: Literal["settlement.v1"] = "settlement.v1"
    event_id: EventId | None = None
    amount_jpy: Jpy | None = None
    network_txn_id: ShortText | None = None
