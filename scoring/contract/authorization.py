"""`auth.event.v1`: one card authorization as an acquirer's switch publishes it; a token replaces the card number.

Field names follow ISO 8583 and EMV 3-D Secure 2.x. All fields but the required ones are optional. A missing field is
unknown: neither zero nor a sign of fraud.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from scoring.contract.types import (
    AcquirerId,
    AmountMinor,
    Code,
    Country,
    Currency,
    EventId,
    Exponent,
    Jpy,
    MerchantId,
    ShortText,
    Text,
    Timestamp,
    Token,
)

SCHEMA = "auth.event.v1"

Network = Literal["visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other"]
TxnType = Literal["purchase", "cash", "account_verification", "refund", "reversal"]
Funding = Literal["credit", "debit", "prepaid", "unknown"]
Channel = Literal["ecom", "moto", "card_present", "other"]
Initiator = Literal["CIT", "MIT"]
Phase = Literal["PRE_AUTH", "POST_AUTH"]
WalletKind = Literal["device_token", "card_number"]
NormalisedOutcome = Literal[
    "APPROVED",
    "BAD_PAN",
    "BAD_CRED",
    "FUNDS",
    "FRAUD",
    "HARD",
    "POLICY",
    "TECH",
    "GENERIC",
    "STEP_UP",
    "STOP",
    "UNKNOWN",
]
# These three are checked for digits with the columns: a pattern costs more than all of the other fields together.
Mcc = Annotated[str, Meta(min_length=4, max_length=4)]  # ISO 18245
Bin = Annotated[str, Meta(min_length=6, max_length=8)]
Last4 = Annotated[str, Meta(min_length=4, max_length=4)]
Codes = Code | Annotated[list[Code], Meta(max_length=4)]  # EMV 3DS 2.3.1 sends a list where 2.1 and 2.2 send one


class Acquirer(Struct, frozen=True, kw_only=True, gc=False):
    """The tenant: profiles and merchants are kept by acquirer."""

    id: AcquirerId


class Psp(Struct, frozen=True, kw_only=True, gc=False):
    """The payment service provider in front of the merchant."""

    id: AcquirerId


class Merchant(Struct, frozen=True, kw_only=True, gc=False):
    """The seller: card acceptor id (DE 42), merchant category (DE 18), country (DE 19)."""

    id: MerchantId
    mcc: Mcc
    country: Country
    name: Text | None = None
    goods_class: ShortText | None = None


class Card(Struct, frozen=True, kw_only=True, gc=False):
    """The card: a keyed hash of the whole number (PCI DSS 4.0.1, 3.5.1.1), and the digits that may be shown."""

    pan_hmac: Token
    network: Network
    bin: Bin | None = None
    last4: Last4 | None = None
    issuer_country: Country | None = None
    product: ShortText | None = None
    funding: Funding | None = None


class Txn(Struct, frozen=True, kw_only=True, gc=False):
    """The request: its type, channel and initiator."""

    type: TxnType
    channel: Channel
    initiator: Initiator
    recurring: bool | None = None
    instalment_plan: ShortText | None = None
    order_ref_hmac: Token | None = None
    wallet: ShortText | None = None
    wallet_kind: WalletKind | None = None


class Amount(Struct, frozen=True, kw_only=True, gc=False):
    """Money in minor units of its currency (ISO 4217); `jpy` is the whole-yen value where the currency is another."""

    minor: AmountMinor
    currency: Currency
    exponent: Exponent
    jpy: Jpy | None = None


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """The issuer's answer, if the event was published after it. An event is never scored with its own answer.

    An acquirer that asks before the issuer answers publishes the event twice with one `event_id`. The PRE_AUTH event is
    decided, and its outcome is ignored. The POST_AUTH event has the answer; it is not decided, and updates approvals,
    declines and spend in the profiles of the entities that it names.
    """

    phase: Phase
    approved: bool | None = None
    response_code: Code | None = None
    normalised: NormalisedOutcome | None = None


class Ids(Struct, frozen=True, kw_only=True, gc=False):
    """References by which reports and disputes name the payment (DE 11, 37, 62.2/63)."""

    network_txn_id: ShortText | None = None
    rrn: ShortText | None = None
    stan: Code | None = None


class Pos(Struct, frozen=True, kw_only=True, gc=False):
    """Point of service: DE 22 and DE 25."""

    entry_mode: Code | None = None
    condition: Code | None = None


class Checks(Struct, frozen=True, kw_only=True, gc=False):
    """Results (never values) of address, security-code and cryptogram checks."""

    avs: Code | None = None
    cvv2: Code | None = None
    cavv: Code | None = None


class ThreeDs(Struct, frozen=True, kw_only=True, gc=False):
    """The 3-D Secure authentication as the merchant's 3-D Secure server reports it (EMV 3DS 2.x names, snake case).

    `eci` is that of the authorization request, `eci_response` that of its response, which overrides it for liability.
    The cryptogram itself is never sent: `cavv_hmac` is its keyed hash, `cavv_wellformed` whether it had 20 bytes in
    Base64 or hexadecimal digits that were not one byte repeated. `purchase_amount` is in minor units of
    `purchase_currency`, by default in those of `amount`.
    """

    performed: bool | None = None
    version: Code | None = None
    trans_status: Code | None = None
    trans_status_reason: Code | None = None
    eci: Code | None = None
    cavv_hmac: Token | None = None
    ds_trans_id: ShortText | None = None
    acs_trans_id: ShortText | None = None
    server_trans_id: ShortText | None = None
    auth_type: Code | None = None
    auth_method: Codes | None = None
    challenge_ind: Codes | None = None
    challenge_cancel: Code | None = None
    acs_challenge_mandated: Code | None = None
    device_channel: Code | None = None
    exempt_reason: ShortText | None = None
    trust_list: Code | None = None
    auth_ts: Timestamp | None = None
    purchase_amount: AmountMinor | None = None
    purchase_currency: Currency | None = None
    purchase_exponent: Exponent | None = None
    eci_response: Code | None = None
    cavv_wellformed: bool | None = None
    message_category: Code | None = None
    requestor_auth_ind: Code | None = None
    three_ri_ind: Code | None = None
    challenge_exemption: Code | None = None
    trust_list_source: Code | None = None
    results_status: Code | None = None


class Device(Struct, frozen=True, kw_only=True, gc=False):
    """The shopper's device, as a keyed hash of its fingerprint."""

    fp_hmac: Token | None = None
    ua_hash: Token | None = None
    tz: ShortText | None = None
    lang: ShortText | None = None


class Net(Struct, frozen=True, kw_only=True, gc=False):
    """The network address of the request, only as keyed hashes."""

    ip_hmac: Token | None = None
    ip_prefix24_hmac: Token | None = None
    ip_country: Country | None = None
    asn: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    proxy: bool | None = None


class Shopper(Struct, frozen=True, kw_only=True, gc=False):
    """The account at the merchant, with indicators of EMV 3DS acctInfo, which a merchant knows from its own records.

    `account_age_ind` is chAccAgeInd (01 guest to 05 over 60 days); `account_change_ind` chAccChangeInd: since the last
    change of the account's data (01 during this transaction to 04 over 60 days); `password_change_ind` chAccPwChangeInd
    (01 never, 02 during this transaction to 05 over 60 days); `suspicious_activity` suspiciousAccActivity (01 none,
    02 observed).
    """

    account_hmac: Token | None = None
    email_hmac: Token | None = None
    email_domain: ShortText | None = None
    phone_hmac: Token | None = None
    account_age_ind: Code | None = None
    account_change_ind: Code | None = None
    password_change_ind: Code | None = None
    suspicious_activity: Code | None = None


class Ship(Struct, frozen=True, kw_only=True, gc=False):
    """The delivery address; `usage_ind` is EMV 3DS shipAddressUsageInd: since its first use with this merchant (01 this
    transaction to 04 over 60 days).
    """

    addr_hmac: Token | None = None
    postal_prefix: Code | None = None
    country: Country | None = None
    method: ShortText | None = None
    is_forwarder: bool | None = None
    usage_ind: Code | None = None


class Credential(Struct, frozen=True, kw_only=True, gc=False):
    """Card on file: whether the card is stored, and since when."""

    stored: bool | None = None
    registered_at: Timestamp | None = None
    registration_tds_ref: ShortText | None = None


class Authorization(Struct, frozen=True, kw_only=True, gc=False):
    """One authorization event."""

    event_id: EventId
    event_ts: Timestamp
    acquirer: Acquirer
    merchant: Merchant
    card: Card
    txn: Txn
    amount: Amount
    outcome: Outcome
    schema_version: Literal["auth.event.v1"] = "auth.event.v1"
    ingest_ts: Timestamp | None = None
    psp: Psp | None = None
    ids: Ids | None = None
    pos: Pos | None = None
    checks: Checks | None = None
    tds: ThreeDs | None = None
    device: Device | None = None
    net: Net | None = None
    shopper: Shopper | None = None
    ship: Ship | None = None
    credential: Credential | None = None


_SECTIONS: Final = (
    *("acquirer", "merchant", "card", "txn", "amount", "outcome", "psp", "ids", "pos", "checks", "device", "net"),
    *("shopper", "ship", "credential"),
)
NEAR_LABELS: Final = (
    *Authorization.__struct_fields__,
    *(f"tds.{name}" for name in ThreeDs.__struct_fields__),
    *(f"{section}.*" for section in _SECTIONS),
)
"""Labels by which unknown keys are counted: the fields of an event, those of `tds`, which other systems write by their
EMV names, and each other section as a whole.
"""


def near_label(path: str) -> str:
    """Give the label of a field.

    >>> near_label("tds"), near_label("tds.eci"), near_label("card.bin")
    ('tds', 'tds.eci', 'card.*')
    """
    section, dot, _ = path.partition(".")
    return path if not dot or section == "tds" else f"{section}.*"
