"""What the core hands back for one batch: encoded records for each topic, and plain counts of what it saw."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from scoring.contract.codes import OutcomeResult

ANSWERS = ("COUNTED", "UNTIMED")
"""What became of an answer: its outcome counts in the profiles, or its time is not trusted and it moved nothing."""

OUTCOMES = tuple(result.name for result in OutcomeResult)
"""What became of a record of the topic of outcomes."""

Record = tuple[bytes, bytes]
"""Key and value of one record to be produced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a batch came from: one offset and one record timestamp per value, in the order of the values.

    Timestamps are in milliseconds since the epoch, -1 where the producer gave none.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """What a partition's earlier worker had emitted on events that the restored state has not seen.

    Such an event counts in the state as any other, and is not answered again. `decisions` and `alerts` are event ids,
    `leaks` ids of SYSTEM alerts (an event may raise one of these beside another), `dead_letters` offsets of the input.
    """

    decisions: AbstractSet[bytes] = frozenset()
    alerts: AbstractSet[bytes] = frozenset()
    dead_letters: AbstractSet[int] = frozenset()
    leaks: AbstractSet[str] = frozenset()


NOTHING = Emitted()


class LetterRuns(NamedTuple):
    """How many dead letters of a batch followed each other: at its start, at its end, and at most anywhere."""

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
    """Counts of one batch, for whoever keeps metrics; every key comes from a closed set.

    `gaps` counts events at merchants that declare that checklist item as not implemented. `letter_runs` are of all that
    was refused, `dead_letters` of what comes out of it.
    """

    events: int = 0
    repeats: int = 0
    answers: dict[str, int] = field(default_factory=dict)  # to attempts that were decided before, by what became of it
    outcomes: dict[str, int] = field(default_factory=dict)  # records of their topic, by what became of each
    replayed: int = 0  # taken in again after a restart, and answered before it: decisions and dead letters
    card_conflicts: int = 0  # sampled cards that another partition had seen too, each once
    clocks: dict[str, int] = field(default_factory=dict)  # decisions by how the event's time stood
    bands: dict[str, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], int] = field(default_factory=dict)  # by (type, severity)
    alerts_suppressed: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    stripped: dict[str, int] = field(default_factory=dict)  # records taken without what the guard found, by kind
    letter_runs: LetterRuns = NO_LETTERS
    threeds: dict[str, int] = field(default_factory=dict)  # by normalised status
    near_keys: dict[str, int] = field(default_factory=dict)  # unknown keys, by the field that they are near to
    repeated_keys: int = 0  # events in which an object has a key twice
    unknown_exemptions: int = 0  # events whose `tds.exempt_reason` is in no list
    unknown_codes: dict[str, int] = field(default_factory=dict)  # response codes in no list, by network
    gaps: dict[str, int] = field(default_factory=dict)  # by checklist item
    reports: dict[str, int] = field(default_factory=dict)  # fraud reports by label
    report_clocks: dict[str, int] = field(default_factory=dict)  # the same by how the time of receipt stood
    merchants_beyond_limit: int = 0  # records of new merchants that the full merchant store did not take


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
