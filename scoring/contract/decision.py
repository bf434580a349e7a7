"""`decision.v1`: what Sekisho answers to one authorization, on the same partition as its input."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId, EventId, MerchantId, ShortText, Text, TimeMs, Token

SCHEMA = "decision.v1"
REASONS_MAX = 5
EVIDENCE_MAX = 8

ClockName = Literal["ON_TIME", "OUT_OF_ORDER", "LATE", "EARLY"]
BandName = Literal["ALLOW", "REVIEW", "STEP_UP", "BLOCK"]
ThreeDsName = Literal[
    "UNKNOWN",
    "ABSENT",
    "AUTHENTICATED",
    "ATTEMPTED",
    "NOT_AUTHENTICATED",
    "UNAVAILABLE",
    "REJECTED",
    "INFORMATIONAL",
    "INCOMPLETE",
]
EciName = Literal[
    "UNKNOWN", "AUTHENTICATED", "ATTEMPTED", "NONE", "DATA_ONLY", "EXEMPT", "RECURRING", "MOTO", "STORED", "IMPOSSIBLE"
]
LiabilityName = Literal["UNKNOWN", "SHIFT", "NO_SHIFT"]
ExpectationName = Literal["UNKNOWN", "REQUIRED", "NOT_REQUIRED"]
Score = Annotated[int, Meta(ge=0, le=999)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """Why a score is high: a stable id, its texts, and how much of the margin it carries (log-odds).

    `evidence`: the features that bear the texts out, as the model saw them; none of them is ever missing (NaN).
    """

    id: ShortText
    weight: float
    en: Text
    ja: Text
    evidence: Annotated[dict[ShortText, float], Meta(max_length=EVIDENCE_MAX)] | None = None


class ThreeDsSummary(Struct, frozen=True, kw_only=True, gc=False):
    """EMV 3-D Secure, normalised by network and channel."""

    status: ThreeDsName
    eci: EciName
    liability: LiabilityName
    expected: ExpectationName


class ComplianceSummary(Struct, frozen=True, kw_only=True, gc=False):
    """What the merchant store said at the moment of the decision; `known` false means UNKNOWN, not guilty.

    What nobody told is null: `stale` without a date of attestation, `checklist_known` (any item told) and
    `unknown_items` without a checklist. `high_risk_goods` goes by the event's category where the merchant names no
    goods.
    """

    known: bool
    tds_mode: ShortText
    gaps: Annotated[list[ShortText], Meta(max_length=6)]
    stale: bool | None
    high_risk_goods: bool
    fraud_status: ShortText
    checklist_known: bool | None = None
    unknown_items: Annotated[int, Meta(ge=0, le=6)] | None = None


class Versions(Struct, frozen=True, kw_only=True, gc=False):
    """What produced the decision, so that it can be reproduced."""

    model: ShortText
    features: ShortText
    policy: ShortText
    code: ShortText


class Times(Struct, frozen=True, kw_only=True, gc=False):
    """Milliseconds since the epoch, UTC: of the payment, of the broker's record, 0 if unknown, of poll and decision."""

    event_ms: TimeMs
    record_ms: TimeMs
    received_ms: TimeMs
    decided_ms: TimeMs


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """One decision; `decision_id` equals the event's id."""

    schema_version: Literal["decision.v1"]
    decision_id: EventId
    acquirer_id: AcquirerId
    merchant_id: MerchantId
    pan_hmac: Token
    status: Literal["SCORED", "SCORED_TIME_SUSPECT", "DEGRADED"]
    clock: ClockName
    score: Score
    probability: Probability
    band: BandName
    action: ShortText
    reasons: Annotated[list[Reason], Meta(max_length=REASONS_MAX)]
    tds: ThreeDsSummary
    compliance: ComplianceSummary
    versions: Versions
    times: Times
