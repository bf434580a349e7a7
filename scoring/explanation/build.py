"""Decide one event alone with the engine, and explain the decision."""

from collections.abc import Sequence
from math import isnan
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import BandName, Decision, Reason
from scoring.engine import Engine
from scoring.explanation.cases import Alerts
from scoring.explanation.record import (
    EntryLine,
    Explanation,
    FeatureLine,
    GroupLine,
    ModelPart,
    NearRule,
    PolicyPart,
    RuleLine,
    StrippedField,
    ThresholdLine,
)
from scoring.explanation.values import in_words
from scoring.features.all import FEATURES
from scoring.judging import UNKNOWN_SCORE, rule_batch
from scoring.model.bundle import Bundle
from scoring.observer import Observed, unwatched
from scoring.outputs import Outputs, Source
from scoring.policy import Policy
from scoring.policy.explain import APPLIES, Subject, explained
from scoring.policy.reasons import WORDINGS
from scoring.policy.rules.near import near
from scoring.reference.threeds_page import CONDITIONS

_NO_TOKEN: Final = "0" * 32
_FAMILY_OF: Final = {feature.name: feature.family for feature in FEATURES}


class Explained(NamedTuple):
    """What came of one event: all outputs, and its decision with the explanation, None if it has no decision."""

    outputs: Outputs
    value: bytes | None
    explanation: Explanation | None


def explain(
    engine: Engine, value: bytes, source: Source, alerts: Alerts, *, received_at_ms: int, decided_at_ms: int
) -> Explained:
    """Decide an event as the next one of its partition; the profiles are updated. `alerts`: those raised before.

    Refused events, repeats and issuers' answers have no decision and no explanation.
    """
    seen: list[Observed] = []
    engine.observer.watch = seen.append
    try:
        outputs = engine.score([value], source, received_at_ms=received_at_ms, decided_at_ms=lambda: decided_at_ms)
    finally:
        engine.observer.watch = unwatched
    alerts.take(outputs.alerts)
    if not outputs.decisions:
        return Explained(outputs, None, None)
    ((_, made),) = outputs.decisions
    (observed,) = seen
    return Explained(outputs, made, _explanation(engine, observed, made, outputs, alerts))


def _explanation(engine: Engine, observed: Observed, made: bytes, outputs: Outputs, alerts: Alerts) -> Explanation:
    decision = msgspec.json.decode(made, type=Decision)
    event = observed.decoded.event(0)
    row = observed.matrix[0].copy()
    margin, contributions = np.empty(1), np.empty(len(FEATURES) + 1)
    assert isinstance(engine.model, Bundle), "callers refuse to explain without a model"
    policies = engine.in_use.policies
    policy = policies[-1] if decision.experiment is not None and decision.experiment.arm == "B" else policies[0]
    engine.model.trees.margins(row.reshape(1, -1), margin)
    engine.model.trees.contributions(row, contributions)
    subject = Subject(event.acquirer.id, event.merchant.id, event.merchant.mcc, int(observed.trusted_ms[0]))
    return Explanation(
        decision=msgspec.structs.replace(decision, pan_hmac=_NO_TOKEN),
        features=_features(row, contributions),
        groups=_groups(contributions, decision.reasons),
        model=ModelPart(
            base=float(contributions[-1]),
            margin=float(margin[0]),
            probability=decision.probability,
            score=decision.score,
        ),
        policy=_policy(policy, subject, decision.score),
        rules=[RuleLine(broken=rule, condition=CONDITIONS[rule.id]) for rule in decision.tds.broken_rules or ()],
        near_rules=_near(engine, policy, observed, decision, subject),
        case=alerts.case_of(decision, event, outputs),
        stripped=[
            StrippedField(path=finding.path, kind=finding.kind.removeprefix("SENSITIVE_"))
            for finding in observed.decoded.findings.get(0, ())
        ],
    )


def _near(engine: Engine, policy: Policy, observed: Observed, decision: Decision, subject: Subject) -> list[NearRule]:
    asked = [
        rule
        for rule in policy.rules
        if rule.mode != "off"
        and rule.scope.names(subject.acquirer, subject.merchant, subject.mcc)
        and rule.from_ms <= subject.at_ms < rule.to_ms
    ]
    score = UNKNOWN_SCORE if decision.status == "DEGRADED" else decision.score
    scores, silent = np.array([score], dtype=np.int16), np.zeros(1, dtype=np.bool_)
    batch = rule_batch(engine.observer, observed, scores, silent)
    found = near(asked, batch, engine.observer.merchants.standings_of(observed.rows))
    return [
        NearRule(id=rule.id, mode=str(rule.mode), action=rule.action, part=part, is_unknown=is_unknown)
        for rule, part, is_unknown in found
    ]


def _features(row: NDArray[np.float64], contributions: NDArray[np.float64]) -> list[FeatureLine]:
    lines = []
    for feature, value, adds in zip(FEATURES, row.tolist(), contributions[:-1].tolist(), strict=True):
        en, ja = in_words(feature, value)
        lines.append(
            FeatureLine(
                name=feature.name,
                family=feature.family,
                unit=feature.unit,
                doc=feature.doc,
                value=None if isnan(value) else value,
                en=en,
                ja=ja,
                contribution=adds,
            )
        )
    return lines


def _groups(contributions: NDArray[np.float64], reasons: Sequence[Reason]) -> list[GroupLine]:
    """Add contributions up by family, the largest sum first."""
    sums: dict[str, float] = {}
    for feature, adds in zip(FEATURES, contributions[:-1].tolist(), strict=True):
        sums[feature.family] = sums.get(feature.family, 0.0) + adds
    reason_of = {family: reason.id for reason in reasons if (family := _family_of(reason)) is not None}
    return [
        GroupLine(family=family, contribution=adds, reason=reason_of.get(family))
        for family, adds in sorted(sums.items(), key=lambda each: -each[1])
    ]


def _family_of(reason: Reason) -> str | None:
    """Return the family of a reason: that of its evidence which has a text of its id. None for the policy's own."""
    families = {_FAMILY_OF[name] for name in reason.evidence or ()}
    named = (family for family in families if any(wording.id == reason.id for wording in WORDINGS[family]))
    return next(named, None)


def _policy(policy: Policy, subject: Subject, score: int) -> PolicyPart:
    found = explained(policy, subject)
    levels = found.thresholds
    steps: dict[BandName, int] = {"REVIEW": levels.review, "STEP_UP": levels.step_up, "BLOCK": levels.block}
    chosen = [each for each in found.candidates if each.verdict == APPLIES and hasattr(each.entry, "thresholds")]
    return PolicyPart(
        identity=policy.identity,
        mcc=subject.mcc,
        at_ms=subject.at_ms,
        decided_by=f"{chosen[0].section}, {chosen[0].entry.scope.name}" if chosen else "global",
        thresholds=[ThresholdLine(band=band, score=at, distance=at - score) for band, at in steps.items()],
        band_of_score=next((band for band, at in reversed(steps.items()) if score >= at), "ALLOW"),
        limit_jpy=None if found.limit is None else found.limit.amount_jpy,
        limit_band=None if found.limit is None else found.limit.band,
        suppressions=len(found.suppressions),
        entries=[
            EntryLine(section=each.section, scope=each.entry.scope.name, verdict=each.verdict)
            for each in found.candidates
        ],
    )
