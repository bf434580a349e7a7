"""`alert.v1`: decisions that a person should see, deduplicated and explained.

An alert of type SYSTEM is about a field of an acquirer that brings sensitive data, not about its event.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.decision import (
    REASONS_MAX,
    BandName,
    ComplianceSummary,
    Probability,
    Reason,
    Score,
    ThreeDsSummary,
    Versions,
)
from scoring.contract.types import AcquirerId, Count, EventId, Jpy, MerchantId, ShortText, TimeMs, Token

SCHEMA = "alert.v1"

AlertType = Literal["TXN", "CARD", "MERCHANT", "INCIDENT", "SYSTEM"]
Severity = Literal["MEDIUM", "HIGH", "CRITICAL"]


class SensitiveField(Struct, frozen=True, kw_only=True, gc=False):
    """The path of a field with sensitive data, and the kind of the data; never the value.

    In `path`, `*` stands for a key that might itself hold sensitive data, `[*]` for any place in a list.
    """

    path: Annotated[str, Meta(max_length=128)]
    kind: Literal["PAN", "CVV", "TRACK", "PIN"]


class Alert(Struct, frozen=True, kw_only=True, gc=False):
    """One alert. Alerts with one `dedup_key` within its window are one case."""

    schema_version: Literal["alert.v1"]
    alert_id: EventId
    dedup_key: ShortText
    type: AlertType
    severity: Severity
    event_id: EventId
    acquirer_id: AcquirerId
    merchant_id: MerchantId
    pan_hmac: Token
    entity: ShortText
    score: Score
    probability: Probability
    band: BandName
    action: ShortText
    reasons: Annotated[list[Reason], Meta(max_length=REASONS_MAX)]
    count: Count
    first_seen_ms: TimeMs
    last_seen_ms: TimeMs
    amount_jpy: Jpy | None
    tds: ThreeDsSummary
    compliance: ComplianceSummary
    versions: Versions
    sensitive: SensitiveField | None = None
