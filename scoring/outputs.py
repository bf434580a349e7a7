"""Outputs of the core for one batch: encoded records for each topic, and counts."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from functools import reduce
from typing import NamedTuple

from scoring.contract.codes import OutcomeResult

ANSWERS = ("COUNTED", "UNTIMED")
"""Results of an issuer's answer: its outcome is in the profiles, or its time is not trusted and it changed nothing."""

RESULTS = (*("Y", "N", "U", "A", "R", "I", "C", "D", "S"), "OTHER")
"""transStatus of results of 3-D Secure; OTHER is in no list."""

CLAIMS = ("MATCHED", "PENDING", "MISSING", "SETTLED_MATCHED", "SETTLED_MISSING")
"""What became of a claim of 3-D Secure: at its decision, and after it was pending."""

OUTCOMES = tuple(result.name for result in OutcomeResult)
"""Results of a record of the topic of outcomes."""

Record = tuple[bytes, bytes]
"""Key and value of one record to be produced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Kafka coordinates of a batch: one offset and one record timestamp for each value, in the order of the values.

    Timestamps are in milliseconds since the epoch; -1 if the producer set none.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """Outputs that an earlier owner of a partition published for events that the restored profiles do not include.

    Such an event is applied like any other, and its outputs are not published again. `decisions` and `alerts`: event
    ids. `leaks` and `incidents`: ids of SYSTEM alerts, and of alerts of incidents and digests; an event may have those
    beside another. `dead_letters`: input offsets.
    """

    decisions: AbstractSet[bytes] = frozenset()
    alerts: AbstractSet[bytes] = frozenset()
    dead_letters: AbstractSet[int] = frozenset()
    leaks: AbstractSet[str] = frozenset()
    incidents: AbstractSet[str] = frozenset()


NOTHING = Emitted()


class LetterRuns(NamedTuple):
    """Number of dead letters in a row in a batch: at its start, at its end, and in the longest run."""

    leading: int = 0
    trailing: int = 0
    longest: int = 0


NO_LETTERS = LetterRuns()


def letter_runs(events: int, refused: Sequence[int]) -> LetterRuns:
    """Measure the runs of dead letters in a batch of `events`.

    `refused` are the positions of the dead letters, ascending. Anything else, a repeat too, ends a run.
    """
    if not refused:
        return NO_LETTERS
    leading = longest = run = 0
    before = -1
    for position in refused:
        assert before < position < events, "positions ascend within the batch"
        run = run + 1 if position == before + 1 else 1
        if run == position + 1:
            leading = run
        longest = max(longest, run)
        before = position
    return LetterRuns(leading=leading, trailing=run if before == events - 1 else 0, longest=longest)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one batch, for metrics. Every key comes from a closed set.

    `gaps`: events at merchants that declare a checklist item as not implemented. `letter_runs` includes all refused
    records, `dead_letters` only those that were not published before. The two of the challenger are empty without one.
    """

    events: int = 0
    repeats: int = 0
    answers: dict[str, int] = field(default_factory=dict)  # issuers' answers, by result of ANSWERS
    outcomes: dict[str, int] = field(default_factory=dict)  # outcomes, by result of OUTCOMES
    replayed: int = 0  # applied again; decision or dead letter was published before a takeover
    card_conflicts: int = 0  # sampled cards that another partition has seen too, each once
    clocks: dict[str, int] = field(default_factory=dict)  # decisions by `Clock`
    bands: dict[str, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], int] = field(default_factory=dict)  # by (type, severity)
    alerts_suppressed: int = 0
    alerts_suppressed_by_policy: int = 0
    alerts_in_digests: int = 0  # alerts that a digest took
    digests: dict[str, int] = field(default_factory=dict)  # alerts of digests, by state
    incidents: dict[tuple[str, str], int] = field(default_factory=dict)  # alerts of incidents, by (entity, state)
    incident_attempts: int = 0  # attempts that belong to an incident
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    stripped: dict[str, int] = field(default_factory=dict)  # records processed without removed data, by kind
    letter_runs: LetterRuns = NO_LETTERS
    threeds: dict[str, int] = field(default_factory=dict)  # by normalised status
    near_keys: dict[str, int] = field(default_factory=dict)  # unknown keys, by the field that they resemble
    repeated_keys: int = 0  # events with a duplicate key in an object
    unknown_exemptions: int = 0  # events with an unknown `tds.exempt_reason`
    unknown_codes: dict[str, int] = field(default_factory=dict)  # response codes in no list, by network
    gaps: dict[str, int] = field(default_factory=dict)  # by checklist item
    fallen: dict[tuple[str, str], int] = field(default_factory=dict)  # no sound model, by (model state, `Fallback`)
    list_hits: dict[tuple[str, str], int] = field(default_factory=dict)  # by (kind, effect)
    reports: dict[str, int] = field(default_factory=dict)  # fraud reports by label
    report_clocks: dict[str, int] = field(default_factory=dict)  # fraud reports by `Clock`
    results: dict[str, int] = field(default_factory=dict)  # results of 3-D Secure, by transStatus of RESULTS
    result_clocks: dict[str, int] = field(default_factory=dict)  # the same by `Clock`
    claims: dict[str, int] = field(default_factory=dict)  # claims of 3-D Secure, by what became of them, of CLAIMS
    rule_hits: Mapping[tuple[str, str], int] = field(default_factory=dict)  # hits of rules, by (rule, mode)
    rule_errors: Mapping[str, int] = field(default_factory=dict)  # events that a rule could not judge, by rule
    challenger_scores: dict[tuple[str, int], int] = field(default_factory=dict)  # by (CHAMPION or CHALLENGER, score)
    challenger_bands: dict[tuple[str, str], int] = field(default_factory=dict)  # by (champion's, challenger's)
    arm_bands: dict[tuple[str, str], int] = field(default_factory=dict)  # decisions of experiments, by (arm, band)
    arm_alerts: dict[str, int] = field(default_factory=dict)  # alerts of decisions of experiments, by arm
    rules_capped: Mapping[str, int] = field(default_factory=dict)  # events that a rule may block no more
    merchants_beyond_limit: int = 0  # records of new merchants that the full merchant store refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Records to produce.

    For a batch of authorizations: values in = decisions + dead letters + repeats + answers + replayed. For one of
    outcomes: values in = outcomes + dead letters + replayed.
    """

    decisions: list[Record] = field(default_factory=list)
    alerts: list[Record] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    repeats: int = 0
    tally: Tally = field(default_factory=Tally)


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Join the outputs of consecutive parts of a batch, at least one, to those of the batch."""
    return parts[0] if len(parts) == 1 else reduce(_joined, parts)


def _joined(first: Outputs, then: Outputs) -> Outputs:
    return Outputs(
        decisions=first.decisions + then.decisions,
        alerts=first.alerts + then.alerts,
        dead_letters=first.dead_letters + then.dead_letters,
        repeats=first.repeats + then.repeats,
        tally=_added(first.tally, then.tally),
    )


def _added(first: Tally, then: Tally) -> Tally:
    whole = Tally()
    for one in fields(Tally):
        mine, other = getattr(first, one.name), getattr(then, one.name)
        if isinstance(mine, dict):
            setattr(whole, one.name, {key: mine.get(key, 0) + other.get(key, 0) for key in (mine | other)})
        elif isinstance(mine, int):
            setattr(whole, one.name, mine + other)
    before, behind = first.letter_runs, then.letter_runs
    whole.letter_runs = LetterRuns(
        leading=before.leading + (behind.leading if before.leading == first.events else 0),
        trailing=behind.trailing + (before.trailing if behind.trailing == then.events else 0),
        longest=max(before.longest, behind.longest, before.trailing + behind.leading),
    )
    return whole
