"""`decision.v1`: the answer to one authorization, on the same partition number as its input."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.merchant import FraudStatus, ListKind
from scoring.contract.types import AcquirerId, Count, EventId, MerchantId, ShortText, Text, TimeMs, Token

SCHEMA = "decision.v1"
REASONS_MAX = 5
EVIDENCE_MAX = 8
AGE_DAYS_MAX = 36_525
STANDING_MONTHS = 3

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
LiabilityReasonName = Literal[
    "NOTHING_TOLD",
    "CLAIM_WITHOUT_PROOF",
    "CARD_PRESENT",
    "CRYPTOGRAM_NOT_VALIDATED",
    "CRYPTOGRAM_MALFORMED",
    "IMPOSSIBLE_ECI",
    "AUTHENTICATED",
    "ATTEMPTED",
    "RECURRING_AUTHENTICATED",
    "EXEMPT",
    "MAIL_ORDER",
    "MIT_WITHOUT_AUTHENTICATION",
    "CRYPTOGRAM_RESULT",
    "NOT_AUTHENTICATED",
    "INCOMPLETE",
    "NOT_PERFORMED",
    "EXCLUDED_MERCHANT",
    "ECI_WITHOUT_SHIFT",
]
ExpectationReasonName = Literal[
    "CHANNEL_UNKNOWN",
    "MERCHANT_UNKNOWN",
    "NO_MANDATE",
    "STORED_UNKNOWN",
    "WALLET_UNKNOWN",
    "NO_PURCHASE",
    "MERCHANT_INITIATED",
    "DEBIT_PREPAID",
    "MAIL_ORDER",
    "CARD_PRESENT",
    "EXEMPT",
    "DEVICE_TOKEN",
    "STORED_BEFORE_MANDATE",
    "REGISTERED",
    "LATER_OF_SERIES",
    "RISK_BASED",
    "EVERY_PAYMENT",
    "CARD_NOT_STORED",
    "REGISTRATION_UNPROVEN",
    "FIRST_OF_SERIES",
    "MANDATE",
]
FlowName = Literal["UNKNOWN", "NONE", "FRICTIONLESS", "CHALLENGE", "DECOUPLED", "DATA_ONLY"]
ResultName = Literal["MATCHED", "PENDING", "MISSING"]
RuleSeverity = Literal["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
CapName = Literal["HOUR", "MERCHANT", "PAIRS"]
RULES_MAX = 23
RULE_HITS_MAX = 32
"""Most hits that a decision names, those in mode `on` first. All of them are counted."""
RULE_EVIDENCE_MAX = 12
ExpectationName = Literal["UNKNOWN", "REQUIRED", "NOT_REQUIRED"]
ModelStateName = Literal["MISSING", "REFUSED", "TOO_OLD"]
ListDirection = Literal["allow", "deny"]
ListEffect = Literal["RAISED", "LOWERED", "NO_CHANGE", "DENIED", "CRITICAL_RULE", "LIMIT", "SHADOW"]
LIST_HITS_MAX = 16
Score = Annotated[int, Meta(ge=0, le=999)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
MonthName = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}$", max_length=7)]  # in Asia/Tokyo
SumJpy = Annotated[int, Meta(ge=0, le=2**53)]


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """Why a score is high: a stable id, its texts, and its share of the margin (log-odds).

    `evidence`: the features that the texts are about, with the values that the model saw; none is missing (NaN).
    `usual`: the medians of those features in the training of the model, where its bundle has them. `merchant_en` and
    `merchant_ja` are for the merchant: without figures, and nothing that would help an attacker.
    """

    id: ShortText
    weight: float
    en: Text
    ja: Text
    evidence: Annotated[dict[ShortText, float], Meta(max_length=EVIDENCE_MAX)] | None = None
    usual: Annotated[dict[ShortText, float], Meta(max_length=EVIDENCE_MAX)] | None = None
    merchant_en: Text | None = None
    merchant_ja: Text | None = None


class BrokenRule(Struct, frozen=True, kw_only=True, gc=False):
    """A rule of consistency that the event breaks: its id, its reason code, and the values that it was judged by.

    `evidence` holds codes as EMV 3-D Secure writes them, names, and numbers. Missing values are left out. A value that
    is in no list reads UNREADABLE.
    """

    id: ShortText
    code: ShortText
    severity: RuleSeverity
    evidence: Annotated[dict[ShortText, ShortText | int], Meta(max_length=RULE_EVIDENCE_MAX)]


class ThreeDsSummary(Struct, frozen=True, kw_only=True, gc=False):
    """EMV 3-D Secure, normalised by network and channel.

    `eci` is the claim of the request's ECI; `eci_response` that of the response's, null if there is none, which decides
    the liability. `liability_reason` and `expected_reason` name the condition that decided. `broken_rules` are the
    rules that the event breaks, in the order of their ids; null for none. `result` is what the feed of
    results said of the claim at the decision: PENDING may still get its result; null without a feed, or without a claim
    to look for.
    """

    status: ThreeDsName
    eci: EciName
    liability: LiabilityName
    expected: ExpectationName
    eci_response: EciName | None = None
    liability_reason: LiabilityReasonName | None = None
    expected_reason: ExpectationReasonName | None = None
    flow: FlowName | None = None
    broken_rules: Annotated[list[BrokenRule], Meta(max_length=RULES_MAX)] | None = None
    result: ResultName | None = None


class ListHit(Struct, frozen=True, kw_only=True, gc=False):
    """A list of the policy that names the event, by the value of `kind`; never the value itself.

    `effect`: RAISED and LOWERED changed the band. An allowing list changes nothing beside a denying one (DENIED), where
    a rule of 3-D Secure of severity CRITICAL is broken (CRITICAL_RULE), or below the band that a limit or a
    rule demands (LIMIT).
    NO_CHANGE: the band was that already. SHADOW: the list is only tried.
    """

    list: ShortText
    kind: ListKind
    direction: ListDirection
    effect: ListEffect


class MerchantStanding(Struct, frozen=True, kw_only=True, gc=False):
    """Where a merchant stands by the fraud that was reported of it to this acquirer; others may know of more.

    `months` in a row up to `run_to` are above the limit, in Asia/Tokyo. `fraud_jpy` is the fraud of the last three
    months up to `run_to` (without a run, up to the last report), the oldest first. `frequent_since`: since when 3-D
    Secure is due at once. `unfounded`: reversals took the run away, and the acquirer may release the merchant.
    """

    status: FraudStatus
    since: date | None
    months: Count
    run_to: MonthName | None
    fraud_jpy: Annotated[list[SumJpy], Meta(max_length=STANDING_MONTHS)]
    frequent_since: date | None = None
    unfounded: bool | None = None


class ComplianceSummary(Struct, frozen=True, kw_only=True, gc=False):
    """The merchant's record at the time of the decision; `known` false means UNKNOWN, neither good nor bad.

    Null means unknown: `stale` without a date of attestation, `checklist_known` (any item declared) and `unknown_items`
    without a checklist. If the merchant declares no goods, `high_risk_goods` follows the event's category.

    `gaps`, `unknown_items` and `checklist_score` use the Security Checklist in force on the day of the event
    (`scoring/reference`). The score is the weight in place over the weight of what applies and is known. `outdated`:
    the list changed since the attestation. `age_days`: days in Tokyo since the attestation. `owed`: duties of the
    Guidelines (`duties.yaml`) that the record shows as unmet, on e-commerce payments at a merchant in Japan.
    `standing`: computed here from fraud reports, while `fraud_status` is what the acquirer's record says. Members from
    `checklist_score` on are left out if they are unknown or empty.
    """

    known: bool
    tds_mode: ShortText
    gaps: Annotated[list[ShortText], Meta(max_length=6)]
    stale: bool | None
    high_risk_goods: bool
    fraud_status: ShortText
    checklist_known: bool | None = None
    unknown_items: Annotated[int, Meta(ge=0, le=6)] | None = None
    checklist_score: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    outdated: bool | None = None
    self_declared: bool | None = None
    owed: Annotated[list[ShortText], Meta(max_length=8)] = []
    age_days: Annotated[int, Meta(ge=0, le=AGE_DAYS_MAX)] | None = None
    standing: MerchantStanding | None = None


class Versions(Struct, frozen=True, kw_only=True, gc=False):
    """The versions that produced the decision, so that it can be reproduced.

    `lists`: digest of the files of lists; null without one.
    """

    model: ShortText
    features: ShortText
    policy: ShortText
    code: ShortText
    reference: ShortText | None = None
    lists: ShortText | None = None


class Times(Struct, frozen=True, kw_only=True, gc=False):
    """Milliseconds since the epoch, UTC: of the payment, of the broker's record, 0 if unknown, of poll and decision."""

    event_ms: TimeMs
    record_ms: TimeMs
    received_ms: TimeMs
    decided_ms: TimeMs


class RuleHit(Struct, frozen=True, kw_only=True, gc=False):
    """A rule of the policy whose condition is true of the event. One in shadow changed nothing.

    `capped`: the rule would block, and asks for REVIEW only. It has blocked as many payments as it may in an hour
    (HOUR), or at the merchant (MERCHANT), or at more merchants than are counted (PAIRS). Null: no cap was reached.
    """

    id: ShortText
    mode: Literal["shadow", "on"]
    capped: CapName | None = None


class ChallengerSaid(Struct, frozen=True, kw_only=True, gc=False):
    """What a second model says of the event, in shadow: it changed nothing of the decision.

    `model`: name and hash of its bundle. `band`: by the thresholds and limits of the policy, before rules and lists.
    """

    model: ShortText
    score: Score
    band: BandName


class InExperiment(Struct, frozen=True, kw_only=True, gc=False):
    """The experiment whose time the payment is in, and the arm that the card belongs to.

    Arm A is decided by the published policy, arm B by the candidate that it declares; `versions.policy` names the one
    that decided. `policy`: the published policy, which declares the experiment.
    """

    id: ShortText
    arm: Literal["A", "B"]
    policy: ShortText


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """One decision; `decision_id` equals the event's id.

    `rule_hits`: rules of the policy that hit, those in mode `on` first; null for none. `list_hits`: lists of the policy
    that name the event. `challenger`: left out where no challenger scored the event.

    `status` DEGRADED: no model scored the event; `score` and `probability` are 0 and mean nothing, and limits, rules,
    lists and the rules of 3-D Secure alone gave the band. `model_state`: what is wrong with the model; null for
    nothing. With another status than DEGRADED, the score is that of a model that is TOO_OLD.
    `experiment`: left out where none is in force at the time of the payment.
    """

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
    rule_hits: Annotated[list[RuleHit], Meta(max_length=RULE_HITS_MAX)] | None = None
    list_hits: Annotated[list[ListHit], Meta(max_length=LIST_HITS_MAX)] | None = None
    challenger: ChallengerSaid | None = None
    model_state: ModelStateName | None = None
    experiment: InExperiment | None = None
