"""The value of a compliance report. Its JSON is these records as they stand.

A share is null where there is nothing to divide by, and what nobody told is null. Shares are in hundredths of a percent
(bps), rounded to two places; the counts that they are made of stand beside them.
"""

from datetime import date
from typing import Final, Literal

from msgspec import Struct

MONTHS_MIN: Final = 3
MONTHS_MAX: Final = 36
"""Limits of the months of a report."""

Basis = Literal["APPROVED", "SETTLED"]


class Share(Struct, frozen=True, kw_only=True):
    """A ratio with what it is made of."""

    items: int
    of: int
    bps: float | None


class TableVersion(Struct, frozen=True, kw_only=True):
    """A dated table that the report was made with. `identity` is a digest of its content."""

    name: str
    title: str
    identity: str
    rows: int
    unverified_rows: int


class Made(Struct, frozen=True, kw_only=True):
    """What the report was made with. `guideline_version`: the one in force on the report's day."""

    code: str
    guideline_version: str | None
    guideline_from: date | None
    tables: tuple[TableVersion, ...]


class Input(Struct, frozen=True, kw_only=True):
    """What was read of one input. `ranges`: the offsets that were read of a topic, by partition, the end excluded."""

    name: str
    read: int
    counts: dict[str, int]
    first: str | None = None
    last: str | None = None
    ranges: dict[str, tuple[int, int]] = {}


class Head(Struct, frozen=True, kw_only=True):
    """Whose report it is, of when, and how it was made.

    `source`: whether the records were read from the topics or from a stored file.
    `is_complete`: payments, of any acquirer, were read from the first day of the first month on. `basis` says what
    sales of the last month are; each figure says it of its own.
    """

    acquirer_id: str
    as_of: date
    source: Literal["TOPICS", "FILE"]
    months: tuple[str, ...]
    region: str
    efm_region: str
    basis: Basis
    month_basis: Literal["REPORT", "TRANSACTION"]
    yen_per_minor_unit: dict[str, str]
    is_complete: bool
    made: Made
    inputs: tuple[Input, ...]


class ChecklistLine(Struct, frozen=True, kw_only=True):
    """What a merchant declares, judged by the Security Checklist of the report's day."""

    merchant_id: str
    is_known: bool
    has_checklist: bool
    gaps: tuple[str, ...]
    unknown: tuple[str, ...]
    score: float | None
    version: str | None
    attested_on: date | None
    age_days: int | None
    is_stale: bool | None
    is_outdated: bool | None
    is_self_declared: bool | None
    owed: tuple[str, ...]


class LineLine(Struct, frozen=True, kw_only=True):
    """What a merchant sells, and its measures along the line of a payment: before, at and after it.

    `goods_by` says who tells the goods: the merchant's record, or its category. `is_high_risk` is null where neither
    does. `covered`: phases with a measure in place, 0 to 3. `unknown`: phases of which nobody told enough; they are
    not among the covered ones.
    """

    merchant_id: str
    goods: tuple[str, ...]
    goods_by: Literal["RECORD", "CATEGORY"] | None
    is_high_risk: bool | None
    pre: tuple[str, ...]
    at: tuple[str, ...]
    post: tuple[str, ...]
    covered: int
    unknown: tuple[str, ...]


class CoverageLine(Struct, frozen=True, kw_only=True):
    """How much of what needed 3-D Secure had it, in the months of the report.

    `due`: purchases on which it was required. `without`: those without any. `untold`: those of which the event says
    nothing; they are in neither part of `covered`. `unclear`: not known whether it was required.
    """

    merchant_id: str
    tds_mode: str
    introduced_on: date | None
    contracted_on: date | None
    due: int
    without: int
    untold: int
    unclear: int
    not_due: int
    authenticated: int
    attempted: int
    covered: Share


class MonthOfFraud(Struct, frozen=True, kw_only=True):
    """Fraud of a month. `unpriced`: frauds of which nobody gave an amount."""

    month: str
    jpy: int
    frauds: int
    unpriced: int
    is_over: bool


class ForecastLine(Struct, frozen=True, kw_only=True):
    """What the report's month comes to if it goes on as it began: an estimate."""

    projected_jpy: int
    is_over: bool
    crosses_on: date | None
    becomes: str | None


class PipelineLine(Struct, frozen=True, kw_only=True):
    """Where a merchant stands by its fraud, as this acquirer sees it.

    `status` is judged by its months, `declared` what its record says. `days_without_tds` is since when fraud is
    frequent at a merchant that has no 3-D Secure.
    """

    merchant_id: str
    status: str
    declared: str | None
    since: date | None
    months_over: int
    months: tuple[MonthOfFraud, ...]
    forecast: ForecastLine | None
    days_without_tds: int | None


class Tier(Struct, frozen=True, kw_only=True):
    """The tier of a programme; `tier` null is none. `unjudged`: tiers that cannot be ruled out, for want of a rate."""

    tier: str | None
    is_enforced: bool
    unjudged: tuple[str, ...]


class GracePeriod(Struct, frozen=True, kw_only=True):
    """The time without enforcement that the month began or is in: RUNNING, USED, or UNKNOWN for want of earlier months.

    `until` is its last day, of UNKNOWN the one that it has if it runs; null where it is used. Visa's own notice counts.
    """

    state: Literal["RUNNING", "USED", "UNKNOWN"]
    until: date | None


class VampMerchant(Struct, frozen=True, kw_only=True):
    """A merchant's part in its acquirer's month. `basis`: what its sales are counted by."""

    merchant_id: str
    basis: Basis
    frauds: int
    disputes: int
    ratio: Share
    marginal_bps: float | None
    without_bps: float | None
    headroom: int | None
    tier: Tier
    grace: GracePeriod | None


class VampMonth(Struct, frozen=True, kw_only=True):
    """A month of the acquirer in VAMP. `projected` is to the month's end: an estimate.

    `basis`: what sales are counted by: SETTLED, or APPROVED where settlements do not cover the month. `grace`: null
    where no tier is enforced.
    """

    month: str
    basis: Basis
    frauds: int
    disputes: int
    ratio: Share
    tier: Tier
    grace: GracePeriod | None
    headroom: int | None
    projected: Share | None
    projected_tier: Tier | None
    merchants: tuple[VampMerchant, ...]


class EnumerationLine(Struct, frozen=True, kw_only=True):
    """What we take for enumeration at a merchant in a month: an estimate, Visa counts by a model of its own."""

    merchant_id: str
    month: str
    ratio: Share
    tier: Tier
    is_estimate: bool = True


class MastercardLine(Struct, frozen=True, kw_only=True):
    """A month of a merchant in ECM or EFM. `member`: the tier it is held in until enough months below have passed.

    `basis`: what the sales of the month before are counted by. The share of 3-D Secure is that of approved payments.
    """

    merchant_id: str
    programme: Literal["ECM", "EFM"]
    month: str
    basis: Basis
    ratio: Share
    amount_jpy: int | None
    tds: Share | None
    tier: Tier
    headroom: int | None
    member: str | None
    months_below: int


class ScamLine(Struct, frozen=True, kw_only=True):
    """Mastercard's tests for scam merchants.

    `tests`: those that held at the end of the report's day. `opened_on`: the end of which day a test held first, within
    30 days; `begin_by`: when the investigation must have begun. `bad_card`: the share of declines for bad card data,
    and `reading` what it says: ATTACK, SCAM or UNCLEAR.
    """

    merchant_id: str
    tests: tuple[str, ...]
    tests_since: tuple[str, ...]
    unjudged: tuple[str, ...]
    approvals: Share
    bad_card: Share
    reading: str
    opened_on: date | None
    begin_by: date | None
    is_overdue: bool


class IssuerLine(Struct, frozen=True, kw_only=True):
    """Shares of a BIN in 30 days, against 80 per cent enrolled and no static password: an estimate."""

    bin: str
    is_japanese: bool | None
    enrolled: Share
    enrolment: str
    static: Share
    no_static: str


class ContradictionLine(Struct, frozen=True, kw_only=True):
    """What a merchant declares and its payments of 30 days belie."""

    merchant_id: str
    declared: Literal["SC5_CREDMASTER", "SC6_LOGIN", "TDS_EVERY_PAYMENT"]
    observed: int
    of: int | None


class Summary(Struct, frozen=True, kw_only=True):
    """Numbers of merchants, by what they show."""

    merchants: int
    known: int
    with_gaps: int
    with_unknown: int
    stale: int
    gaps: dict[str, int]
    owed: dict[str, int]
    standing: dict[str, int]
    covered: Share


class Report(Struct, frozen=True, kw_only=True):
    """A compliance report. Each list begins with what weighs most."""

    schema_version: Literal["compliance-report.v1"]
    head: Head
    summary: Summary
    checklist: tuple[ChecklistLine, ...]
    line: tuple[LineLine, ...]
    coverage: tuple[CoverageLine, ...]
    pipeline: tuple[PipelineLine, ...]
    vamp: tuple[VampMonth, ...]
    enumeration: tuple[EnumerationLine, ...]
    mastercard: tuple[MastercardLine, ...]
    scams: tuple[ScamLine, ...]
    issuers: tuple[IssuerLine, ...]
    contradictions: tuple[ContradictionLine, ...]
