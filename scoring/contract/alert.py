"""`alert.v1`: decisions that a person should see, deduplicated and explained.

An alert of type SYSTEM is about a field of an acquirer that brings sensitive data, not about its event.
An alert with `standing` or `overdue` is about a merchant, not about an event: `event_id` repeats `alert_id`, there is
no card and no score.
One with `incident` is about all attempts of an incident of enumeration; its event is one of them. Take each `alert_id`
once: two workers that open an incident at once publish one id twice (ADR 0025).
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.decision import (
    REASONS_MAX,
    BandName,
    ComplianceSummary,
    InExperiment,
    MerchantStanding,
    ModelStateName,
    Probability,
    Reason,
    Score,
    SumJpy,
    ThreeDsSummary,
    Versions,
)
from scoring.contract.merchant import FraudStatus
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


class StandingNotice(Struct, frozen=True, kw_only=True, gc=False):
    """What is told of where a merchant stands, on a day in Tokyo.

    ENTERED: it stands worse than before. WITHOUT_TDS: fraud is frequent, and it has had no 3-D Secure for `days`.
    FORECAST: this month comes to `projected_jpy` if it goes on as it began, above `limit_jpy` from `crosses_on` on,
    which makes it `becomes`.
    """

    what: Literal["ENTERED", "WITHOUT_TDS", "FORECAST"]
    on: date
    now: MerchantStanding
    limit_jpy: SumJpy
    days: Count | None = None
    crosses_on: date | None = None
    projected_jpy: SumJpy | None = None
    becomes: FraudStatus | None = None


class OverdueRecord(Struct, frozen=True, kw_only=True, gc=False):
    """What a merchant's record shows as overdue, on a day in Tokyo; told once.

    CONTRACTED_WITHOUT_TDS: the contract was made on `since`, after `last`, the last day on which it needed no EMV 3-D
    Secure, and the merchant has none. ATTESTATION_STALE: the Security Checklist was attested on `since`, and `last` was
    the last day on which that was enough. `days` have passed since `since`.
    """

    what: Literal["CONTRACTED_WITHOUT_TDS", "ATTESTATION_STALE"]
    on: date
    since: date
    last: date
    days: Count


class Enumeration(Struct, frozen=True, kw_only=True, gc=False):
    """An incident of enumeration: card numbers tried at a merchant, with one `bin` or (null) with many.

    `state`: it opened, grew tenfold or in severity, or is over. Times are event times; `last_ms` is the latest attempt.
    `attempts`: those of the ten minutes before it opened, and all since. Of the answered ones, `approved` and the
    others tell the mix. `cards` is an estimate. `visa_estimate`: attempts on Visa without a card at hand, approved and
    declined; Visa counts with a model of its own, this figure is ours. `contradicts`: items of the Security Checklist
    that the merchant declared as in place when the incident opened, and that its traffic contradicts.
    """

    incident_id: EventId
    state: Literal["OPENED", "GREW", "CLOSED"]
    bin: ShortText | None
    start_ms: TimeMs
    last_ms: TimeMs
    attempts: Count
    cards: Count
    approved: Count
    declined_card_data: Count
    declined_funds: Count
    declined_risk: Count
    declined_other: Count
    visa_estimate: Count
    contradicts: Annotated[list[ShortText], Meta(max_length=len(CHECKLIST_ITEMS))] = []


class DigestReason(Struct, frozen=True, kw_only=True, gc=False):
    """The main reason of alerts, and how many of them had it."""

    id: ShortText
    alerts: Count


class Digest(Struct, frozen=True, kw_only=True, gc=False):
    """A digest: one alert in place of those of a merchant that floods. `count` of the alert says how many it took.

    `state`: it opened, has ten times the alerts, or is over. `reasons`: the most frequent first. `examples`: ids of the
    first events.
    """

    digest_id: EventId
    state: Literal["OPENED", "GREW", "CLOSED"]
    reasons: Annotated[list[DigestReason], Meta(max_length=REASONS_MAX)]
    examples: Annotated[list[EventId], Meta(max_length=5)]


class Alert(Struct, frozen=True, kw_only=True, gc=False):
    """One alert. Alerts with one `dedup_key` within its window are one case.

    `status` and `model_state` are those of the decision of the event; null for a sound model. `status` DEGRADED: no
    model scored the event; `score` and `probability` are 0 and mean nothing. `count` and `at_risk_jpy`: decisions of
    the case until now, with those whose alerts were suppressed, and the sum of their amounts in yen. `at_risk_jpy` is
    null in alerts that are no case of decisions.
    `experiment`: that of the decision of the event. Cases are one for both arms.
    """

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
    standing: StandingNotice | None = None
    incident: Enumeration | None = None
    overdue: OverdueRecord | None = None
    status: Literal["DEGRADED"] | None = None
    model_state: ModelStateName | None = None
    at_risk_jpy: SumJpy | None = None
    experiment: InExperiment | None = None
    digest: Digest | None = None
