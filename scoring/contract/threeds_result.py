"""`threeds-result.v1`: how an authentication of EMV 3-D Secure ended, as the 3DS server or the ACS publishes it.

An authorization only claims what its 3-D Secure was. The result comes from the party that ran it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.authorization import Network
from scoring.contract.types import (
    AcquirerId,
    AmountMinor,
    Code,
    Currency,
    EventId,
    Exponent,
    MerchantId,
    ShortText,
    Timestamp,
    Token,
)

SCHEMA = "threeds-result.v1"


class ThreeDsResult(Struct, frozen=True, kw_only=True, gc=False):
    """The result of one authentication (EMV 3DS 2.x names, snake case).

    `server_trans_id` names the authentication: a record that comes twice counts once. Authorizations are found by
    `ds_trans_id`. The cryptogram has no place here. `purchase_amount` is in minor units of `purchase_currency`.
    """

    server_trans_id: EventId
    result_ts: Timestamp
    acquirer_id: AcquirerId
    merchant_id: MerchantId
    pan_hmac: Token
    trans_status: Annotated[str, Meta(min_length=1, max_length=8)]
    schema_version: Literal["threeds-result.v1"] = "threeds-result.v1"
    ds_trans_id: ShortText | None = None
    acs_trans_id: ShortText | None = None
    network: Network | None = None
    version: Code | None = None
    trans_status_reason: Code | None = None
    challenge_cancel: Code | None = None
    eci: Code | None = None
    device_channel: Code | None = None
    message_category: Code | None = None
    purchase_amount: AmountMinor | None = None
    purchase_currency: Currency | None = None
    purchase_exponent: Exponent | None = None
