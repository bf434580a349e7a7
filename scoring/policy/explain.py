"""Which entries of a policy apply to a merchant, a category and an acquirer at a time, and why."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from scoring.policy.policy import Policy
from scoring.policy.rules import Rule
from scoring.policy.scopes import Entry, Limit, Suppression, Thresholds, goods_of


class Subject(NamedTuple):
    """A payment as a policy sees it: names, category of four digits, and time in ms since the epoch."""

    acquirer: str
    merchant: str
    mcc: str
    at_ms: int


class Candidate(NamedTuple):
    """An entry that names a payment: its section, and whether it applies, is wider than that, or not in force."""

    section: str
    entry: Entry
    verdict: str


class Explanation(NamedTuple):
    """What applies: thresholds, a limit or None, suppressions; and every entry that names the payment, by section.

    Rules are among the candidates alone.
    """

    thresholds: Thresholds
    limit: Limit | None
    suppressions: Sequence[Suppression]
    candidates: Sequence[Candidate]


APPLIES = "applies"
WIDER = "not used: a narrower entry, or an override of the same scope, goes before it"


def explained(policy: Policy, subject: Subject) -> Explanation:
    """Resolve a policy for one payment, entry by entry."""
    sections = (*(("overrides", each) for each in policy.overrides), *_standing(policy))
    thresholds = list(_ranked(sections, subject))
    limits = list(_ranked((("limits", each) for each in policy.limits), subject))
    named = [each for each in policy.suppressions if each.scope.names(*subject[:3])]
    quiet = [
        Candidate("suppressions", each, APPLIES if _lapse(each, subject.at_ms) is None else _why(each, subject.at_ms))
        for each in named
    ]
    rules = [
        Candidate("rules", each, _of_rule(each, subject.at_ms))
        for each in policy.rules
        if each.scope.names(*subject[:3])
    ]
    chosen = next((each.entry for each in thresholds if each.verdict == APPLIES), None)
    limit = next((each.entry for each in limits if each.verdict == APPLIES), None)
    return Explanation(
        thresholds=policy.everywhere if chosen is None else _thresholds(chosen),
        limit=limit if isinstance(limit, Limit) else None,
        suppressions=[each for each in named if _lapse(each, subject.at_ms) is None],
        candidates=[*thresholds, *limits, *quiet, *rules],
    )


def lines(policy: Policy, subject: Subject) -> Iterator[str]:
    """Say the explanation, a line for each fact."""
    found = explained(policy, subject)
    stamp = datetime.fromtimestamp(subject.at_ms / 1000, UTC).isoformat(timespec="seconds")
    yield f"policy {policy.identity}"
    yield (
        f"merchant {subject.merchant} of {subject.acquirer}, "
        f"category {subject.mcc} ({goods_of(subject.mcc)}), at {stamp}"
    )
    levels = found.thresholds
    yield f"thresholds: review {levels.review}, step_up {levels.step_up}, block {levels.block}"
    yield from _told(found.candidates, ("overrides", "merchants", "mccs", "goods", "acquirers"), "global")
    limit = found.limit
    yield "limit: none" if limit is None else f"limit: more than {limit.amount_jpy} yen is at least {limit.band}"
    yield from _told(found.candidates, ("limits",), None)
    yield f"suppressions: {len(found.suppressions) or 'none'}"
    yield from _told(found.candidates, ("suppressions",), None)
    if policy.rules:
        caps = policy.rule_caps
        asked = sum(each.section == "rules" and each.verdict == APPLIES for each in found.candidates)
        yield f"rules: {asked or 'none'}"
        if policy.blocking_rules:
            yield f"  a rule blocks at most {_capped(caps.blocks_per_hour, caps.merchant_blocks_per_hour)}"
    yield from _told(found.candidates, ("rules",), None)
    lists = [rule for rule in policy.lists if rule.acquirer in (None, subject.acquirer)]
    if lists:
        yield f"lists: {len(lists)}; a denying one goes before an allowing one"
    for rule in lists:
        effect = "allow" if rule.action is None else f"deny, at least {rule.action.upper()}"
        yield f"  {rule.id}: {rule.kind}, {effect}; mode {rule.mode}; author {rule.author}; reason {rule.reason}"
    experiment, candidate = policy.experiment, policy.candidate
    if experiment is not None and candidate is not None:
        yield f"experiment: {experiment.told_at(subject.at_ms)}"
        yield from (f"  arm B: {line}" for line in lines(candidate, subject))


def _told(candidates: Sequence[Candidate], sections: Sequence[str], otherwise: str | None) -> Iterator[str]:
    own = [each for each in candidates if each.section in sections]
    for section, entry, verdict in own:
        period = [f"from {entry.effective_from.isoformat()}"] if entry.effective_from else []
        period += [f"to {entry.effective_to.isoformat()}"] if entry.effective_to else []
        people = [f"{name} {said}" for name in ("author", "approver", "reason") if (said := getattr(entry, name))]
        if isinstance(entry, Suppression):
            people += [f"up to {entry.up_to_band}", *([f"reasons {', '.join(entry.reasons)}"] if entry.reasons else [])]
        name = f"{entry.id}, {entry.scope.name}" if isinstance(entry, Rule) else entry.scope.name
        if isinstance(entry, Rule):
            people += [f"{entry.action} when {' '.join(entry.when.split())}"]
            caps = entry.blocks_per_hour, entry.merchant_blocks_per_hour
            people += [f"at most {_capped(*caps)}"] if caps != (None, None) else []
        yield f"  {section}, {name}: {verdict}" + "".join(f"; {each}" for each in (*period, *people))
    if otherwise is not None:
        applies = any(each.verdict == APPLIES for each in own)
        yield f"  {otherwise}: {WIDER if applies else APPLIES}"


def _capped(in_all: int | None, at_merchant: int | None) -> str:
    """Say how many payments a rule blocks in an hour at most, as far as it is told."""
    parts = [f"{in_all:,} payments"] if in_all is not None else []
    parts += [f"{at_merchant:,} at a merchant"] if at_merchant is not None else []
    return f"{' and '.join(parts)} in an hour"


def _standing(policy: Policy) -> Iterator[tuple[str, Entry]]:
    for section in ("merchants", "mccs", "goods", "acquirers"):
        for entry in getattr(policy, section):
            yield section, entry


def _ranked(
    entries: Sequence[tuple[str, Entry]] | Iterator[tuple[str, Entry]], subject: Subject
) -> Iterator[Candidate]:
    """Give the entries that name a payment, narrowest first; an override before a standing entry of its scope."""
    named = [(section, entry) for section, entry in entries if entry.scope.names(*subject[:3])]
    named.sort(key=lambda each: (-each[1].scope.level, each[0] != "overrides", each[1].from_ms))
    taken = False
    for section, entry in named:
        if _lapse(entry, subject.at_ms) is not None:
            yield Candidate(section, entry, _why(entry, subject.at_ms))
        else:
            yield Candidate(section, entry, WIDER if taken else APPLIES)
            taken = True


def _lapse(entry: Entry, at_ms: int) -> str | None:
    """Say why an entry is not in force at a time; None if it is."""
    if at_ms < entry.from_ms:
        return "begins later"
    return "has ended" if at_ms >= entry.to_ms else None


def _why(entry: Entry, at_ms: int) -> str:
    return f"not in force: it {_lapse(entry, at_ms)}"


def _of_rule(rule: Rule, at_ms: int) -> str:
    """Say whether a rule is asked at a time; one in shadow changes nothing, and one that is off is not asked."""
    if rule.mode == "off":
        return "not asked: its mode is off"
    if _lapse(rule, at_ms) is not None:
        return _why(rule, at_ms)
    return APPLIES if rule.mode == "on" else "in shadow: its hits are counted and change nothing"


def _thresholds(entry: Entry) -> Thresholds:
    found = getattr(entry, "thresholds", None)
    assert isinstance(found, Thresholds), "entries of these sections have thresholds"
    return found
