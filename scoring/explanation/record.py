"""Records of an explanation, as `sekisho explain --json` prints them. None has a card number, a token or a text of the
event: figures of features, words of closed lists, and ids of acquirer, merchant, event, alert and incident.
"""

from typing import Literal

from msgspec import Struct

from scoring.contract.decision import BandName, BrokenRule, Decision


class FeatureLine(Struct, frozen=True, kw_only=True):
    """One input of the model: its value (None is unknown), the value in words, and what it adds to the margin."""

    name: str
    family: str
    unit: str
    doc: str
    value: float | None
    en: str
    ja: str
    contribution: float


class GroupLine(Struct, frozen=True, kw_only=True):
    """A family of features: what they add to the margin together, and the id of the reason that the decision shows."""

    family: str
    contribution: float
    reason: str | None


class ModelPart(Struct, frozen=True, kw_only=True):
    """From the margin to the score. `base` and all contributions add up to the margin, but for rounding."""

    base: float
    margin: float
    probability: float
    score: int


class EntryLine(Struct, frozen=True, kw_only=True):
    """An entry of the policy that names the payment, and whether it applies."""

    section: str
    scope: str
    verdict: str


class ThresholdLine(Struct, frozen=True, kw_only=True):
    """The score from which a band begins. `distance`: the threshold less the score; 0 or less where it is reached."""

    band: BandName
    score: int
    distance: int


class PolicyPart(Struct, frozen=True, kw_only=True):
    """How the policy made the band.

    `decided_by`: section and scope of the entry whose thresholds decided, `global` without one. `band_of_score`: the
    band by thresholds alone. `limit_jpy` and `limit_band`: the limit that applies, None without one. `at_ms`: the time
    at which the entries were judged.
    """

    identity: str
    mcc: str
    at_ms: int
    decided_by: str
    thresholds: list[ThresholdLine]
    band_of_score: BandName
    limit_jpy: int | None
    limit_band: BandName | None
    suppressions: int
    entries: list[EntryLine]


class RuleLine(Struct, frozen=True, kw_only=True):
    """A rule of 3-D Secure that the payment breaks, what the rule says, and the elements it was judged by."""

    broken: BrokenRule
    condition: str


class NearRule(Struct, frozen=True, kw_only=True):
    """A rule of the policy that would have hit but for one part of its condition, as the policy writes that part.

    `is_unknown`: the part depends on a missing value or a failed operation; else it is false.
    """

    id: str
    mode: str
    action: str
    part: str
    is_unknown: bool


CaseState = Literal["NONE", "RAISED", "IN_CASE", "OF_INCIDENT", "SUPPRESSED_BY_POLICY", "IN_DIGEST"]


class CasePart(Struct, frozen=True, kw_only=True):
    """The alert of the decision, or why it has none of its own.

    RAISED: the decision raised `alert_id`. IN_CASE: it belongs to the case of the earlier alert `alert_id`.
    OF_INCIDENT: it is an attempt of the incident `incident_id`. IN_DIGEST: its merchant had so many alerts that a
    digest took its place. NONE: its band raises no alert. What was not seen from where reading began is None.
    """

    state: CaseState
    alert_id: str | None = None
    incident_id: str | None = None
    severity: str | None = None
    entity: str | None = None
    count: int | None = None
    first_seen_ms: int | None = None
    last_seen_ms: int | None = None


class StrippedField(Struct, frozen=True, kw_only=True):
    """A field that was removed before the decision, because it held sensitive data: path and kind, never the value."""

    path: str
    kind: str


class Explanation(Struct, frozen=True, kw_only=True):
    """All that is said of one decision. `decision` is the recomputed one, without the card's token in `pan_hmac`."""

    decision: Decision
    features: list[FeatureLine]
    groups: list[GroupLine]
    model: ModelPart
    policy: PolicyPart
    rules: list[RuleLine]
    near_rules: list[NearRule]
    case: CasePart
    stripped: list[StrippedField]
