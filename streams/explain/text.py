"""The report as text, in English or Japanese: one line for each fact."""

from collections.abc import Iterator

from scoring.contract.decision import Decision
from scoring.explanation.record import CasePart, Explanation, NearRule, PolicyPart
from streams.explain import words
from streams.explain.report import Comparison, Input, Report
from streams.explain.words import Language, Pair

BAND_OFF = 1_000


def lines(report: Report, language: Language) -> Iterator[str]:
    """Write the report."""
    return _Text(language).lines(report)


class _Text:
    def __init__(self, language: Language) -> None:
        self._at = 0 if language == "en" else 1

    def _say(self, pair: Pair, **figures: object) -> str:
        return pair[self._at].format(**figures)

    def _heading(self, name: str) -> str:
        return f"\n{self._say(words.HEADINGS[name])}"

    def lines(self, report: Report) -> Iterator[str]:
        found = report.explanation
        decision = found.decision
        yield f"{decision.decision_id}: {decision.acquirer_id}, {decision.merchant_id}"
        yield from self._input(report.input)
        yield from self._comparison(report.comparison)
        yield from self._score(found)
        yield self._heading("reasons")
        for number, reason in enumerate(decision.reasons, start=1):
            yield f"  {number}. {reason.id} {reason.weight:+.3f}: {(reason.en, reason.ja)[self._at]}"
            for_merchant = (reason.merchant_en, reason.merchant_ja)[self._at]
            yield f"     {self._say(words.FOR_MERCHANT, text=for_merchant)}"
        if not decision.reasons:
            yield f"  {self._say(words.NONE)}"
        yield self._heading("groups")
        for group in found.groups:
            yield f"  {group.contribution:+9.4f}  {group.family}" + (f"  ({group.reason})" if group.reason else "")
        yield from self._policy(found.policy, decision, found.near_rules)
        yield from self._tds(found)
        yield from self._compliance(decision)
        yield self._heading("case")
        yield f"  {self._case(found.case)}"
        yield from self._stripped(found)
        yield self._heading("versions")
        versions = decision.versions
        lists = "" if versions.lists is None else f", lists {versions.lists}"
        yield f"  model {versions.model}, policy {versions.policy}{lists}"
        yield f"  features {versions.features}, Sekisho {versions.code}, reference {versions.reference}"
        yield from self._features(found)

    def _input(self, given: Input) -> Iterator[str]:
        figures = {"authorizations": given.applied.get("authorizations", 0), "partitions": given.partitions}
        yield self._say(words.SOURCES[given.source], **figures)
        if not given.is_whole and given.source != "EVENT":
            yield self._say(words.NOT_WHOLE)

    def _comparison(self, made: Comparison) -> Iterator[str]:
        yield self._say(words.RESULTS[made.result], bytes=made.size_bytes)
        for each in made.differences:
            yield f"  {each.path}: {each.published or '-'}, {each.recomputed or '-'}"
        old = made.published
        for cause in made.causes if old is not None else ():
            assert old is not None
            figures = {name: getattr(old, name) for name in old.__struct_fields__}
            yield f"  {self._say(words.CAUSES[cause], **figures)}"

    def _score(self, found: Explanation) -> Iterator[str]:
        model, decision = found.model, found.decision
        adds = sum(line.contribution for line in found.features)
        yield self._heading("score")
        yield f"  {self._say(words.MARGIN, base=model.base, adds=adds, margin=model.margin)}"
        figures = {"probability": model.probability, "score": model.score}
        yield f"  {self._say(words.SCORE, **figures, band=decision.band, action=decision.action)}"

    def _policy(self, policy: PolicyPart, decision: Decision, near_rules: list[NearRule]) -> Iterator[str]:
        yield self._heading("policy")
        if decision.experiment is not None:
            yield f"  {self._say(words.IN_ARM, id=decision.experiment.id, arm=decision.experiment.arm)}"
        scope = self._say(words.GLOBAL) if policy.decided_by == "global" else policy.decided_by
        yield f"  {self._say(words.DECIDED_BY, scope=scope)}"
        for line in policy.thresholds:
            off, more = line.score == BAND_OFF, line.distance > 0
            state = words.OFF if off else words.MORE if more else words.REACHED
            yield f"    {line.band} {line.score}: {self._say(state, distance=abs(line.distance))}"
        if policy.limit_band is not None:
            yield f"  {self._say(words.LIMIT, yen=policy.limit_jpy, band=policy.limit_band)}"
        if decision.band != policy.band_of_score:
            yield f"  {self._say(words.BAND_CHANGED, band=policy.band_of_score)}"
        for rule in decision.rule_hits or ():
            yield f"  {self._say(words.RULE_HIT, id=rule.id, mode=rule.mode)}"
            if rule.capped is not None:
                yield f"  {self._say(words.RULE_CAPS[rule.capped])}"
        for near in near_rules:
            why = self._say(words.PART_UNKNOWN if near.is_unknown else words.PART_FALSE)
            part = " ".join(near.part.split())
            yield f"  {self._say(words.RULE_NEAR, id=near.id, mode=near.mode, part=part, why=why)}"
        for hit in decision.list_hits or ():
            told = {"list": hit.list, "direction": hit.direction, "kind": hit.kind, "effect": hit.effect}
            yield f"  {self._say(words.LIST_HIT, **told)}"
        yield f"  {self._say(words.SUPPRESSIONS, count=policy.suppressions)}"
        for entry in policy.entries:
            yield f"    {entry.section}, {entry.scope}: {entry.verdict}"

    def _tds(self, found: Explanation) -> Iterator[str]:
        tds = found.decision.tds
        yield self._heading("tds")
        figures = {"status": tds.status, "eci": tds.eci, "liability": tds.liability, "expected": tds.expected}
        whys = {"why": tds.liability_reason, "expected_why": tds.expected_reason}
        yield f"  {self._say(words.VERDICT, **figures, **whys)}"
        for rule in found.rules:
            broken = rule.broken
            yield f"  {broken.id} {broken.code}, {broken.severity}: {rule.condition}"
            yield "    " + ", ".join(f"{name} {value}" for name, value in broken.evidence.items())
        if not found.rules:
            yield f"  {self._say(words.NO_RULE)}"

    def _compliance(self, decision: Decision) -> Iterator[str]:
        said = decision.compliance
        yield self._heading("compliance")
        if not said.known:
            yield f"  {self._say(words.UNKNOWN_MERCHANT)}"
            return
        for name in said.__struct_fields__:
            value = getattr(said, name)
            if name == "standing" and value is not None:
                yield f"  standing: {value.status}, {value.months}"
            elif value not in (None, []) and name != "known":
                yield f"  {name}: {', '.join(value) if isinstance(value, list) else value}"

    def _case(self, case: CasePart) -> str:
        alert = case.alert_id or self._say(words.NOT_SEEN)
        told = self._say(words.CASES[case.state], alert=alert, incident=case.incident_id or self._say(words.NOT_SEEN))
        return told if case.severity is None else f"{told} ({case.entity}, {case.severity}, {case.count})"

    def _stripped(self, found: Explanation) -> Iterator[str]:
        if found.stripped:
            yield self._heading("stripped")
            yield from (f"  {each.path}: {each.kind}" for each in found.stripped)

    def _features(self, found: Explanation) -> Iterator[str]:
        yield self._heading("features")
        width = max(len(line.name) for line in found.features)
        for group in found.groups:
            yield f"  {group.family}"
            for line in found.features:
                if line.family == group.family:
                    said = (line.en, line.ja)[self._at]
                    yield f"    {line.name:{width}}  {line.contribution:+9.4f}  {said}"
