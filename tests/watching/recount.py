"""The figures of a watched model, counted again in plain Python from all that a worker decided and heard."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scoring.model.baseline import Baseline, InputBaseline

NAMES = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One decided event: `key` is the hash of its id, `values` its row of the matrix, `can_be_reported` said by type
    and outcome."""

    key: int
    event_id: str
    day: int
    values: Sequence[float]
    score: int
    band: int
    probability: float
    rules: Sequence[str]
    can_be_reported: bool


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One report. `origin`: sources of one origin take back each other's reports, and those only."""

    event_id: str
    origin: str
    is_fraud: bool
    received_ms: int


def frauds(reports: Iterable[Heard]) -> set[str]:
    """Name the events of which some origin's last word, by time, is fraud; at one time, the taking back counts."""
    said: dict[tuple[str, str], dict[bool, int]] = defaultdict(dict)
    for one in reports:
        times = said[one.event_id, one.origin]
        times[one.is_fraud] = max(times.get(one.is_fraud, 0), one.received_ms)
    return {event for (event, _), times in said.items() if times.get(True, 0) > times.get(False, 0)}


def remembered(events: Iterable[Decided]) -> list[tuple[Decided, int]]:
    """Return the payments that are remembered, and for how many each stands."""
    kept: dict[int, tuple[Decided, int]] = {}
    last = -1
    for one in events:
        is_raised = one.band > 0 or bool(one.rules)
        if one.key % 16 and not is_raised and one.key // 256 % 64:
            continue
        if one.key % 16 == 0:
            last = max(last, one.day)
        if not one.can_be_reported or not (is_raised or one.key // 256 % 64 == 0):
            continue
        kept = {key: found for key, found in kept.items() if found[0].day > last - 88}
        if one.key in kept or (kept and one.day < min(found.day for found, _ in kept.values())):
            continue
        last = max(last, one.day)
        kept[one.key] = one, 1 if is_raised else 64
    return [found for found in kept.values() if found[0].day > last - 88]


def last_day(events: Iterable[Decided]) -> int:
    return max(
        (
            one.day
            for one in events
            if one.key % 16 == 0 or (one.can_be_reported and (one.band > 0 or one.rules or one.key // 256 % 64 == 0))
        ),
        default=-1,
    )


def counted(events: Iterable[Decided], since: int) -> list[Decided]:
    return [one for one in events if one.key % 16 == 0 and one.day >= since]


def place_of(one: InputBaseline, value: float) -> str:
    """Name the bin of a value."""
    if math.isnan(value):
        return "missing"
    if one.categories is not None:
        return f"code {int(value)}" if value in one.categories else "unseen"
    return f"from {max([low for low in one.bounds if low <= value], default=-math.inf)}"


def then(one: InputBaseline) -> dict[str, int]:
    """Return the rows of training by bin."""
    if one.categories is not None:
        names = [f"code {code}" for code in one.categories]
    else:
        names = [f"from {low}" for low in (-math.inf, *one.bounds)]
    return dict(zip(names, one.rows, strict=True)) | {"missing": one.missing}


def index(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """Population stability index of counts by bin."""
    total, of_all = sum(now.values()), sum(before.values())
    result = 0.0
    for name in now.keys() | before.keys():
        here = max(now.get(name, 0) / total if total else 0.0, 0.0001)
        there = max(before.get(name, 0) / of_all if of_all else 0.0, 0.0001)
        result += (here - there) * math.log(here / there)
    return result


def tally(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def psi_of(baseline: Baseline, names: Sequence[str], events: Sequence[Decided]) -> dict[str, float]:
    return {
        name: index(
            tally(place_of(baseline.inputs[name], one.values[k]) for one in events), then(baseline.inputs[name])
        )
        for k, name in enumerate(names)
    }


def score_psi_of(baseline: Baseline, events: Sequence[Decided]) -> float:
    before = {str(k): rows for k, rows in enumerate(baseline.scores)}
    return index(tally(str(one.score // 50) for one in events), before)


def in_cohort(payments: Sequence[tuple[Decided, int]], last: int, age: int) -> list[tuple[Decided, int]]:
    return [(one, weight) for one, weight in payments if age <= last - one.day < age + 28]


def labelled(payments: Sequence[tuple[Decided, int]], fraud: set[str], last: int) -> dict[tuple[str, str, str], int]:
    found = {(f"{age}d", band, label): 0 for age in (7, 30, 60) for band in NAMES for label in ("FRAUD", "NONE")}
    for age in (7, 30, 60):
        for one, weight in in_cohort(payments, last, age):
            found[f"{age}d", NAMES[one.band], "FRAUD" if one.event_id in fraud else "NONE"] += weight
    return found


def calibration(
    payments: Sequence[tuple[Decided, int]], fraud: set[str], last: int
) -> dict[tuple[str, str, str], float]:
    bands = [f"{low}-{low + 99}" for low in range(0, 1000, 100)]
    found = {(f"{age}d", band, side): 0.0 for age in (7, 30, 60) for band in bands for side in ("expected", "reported")}
    for age in (7, 30, 60):
        for one, weight in in_cohort(payments, last, age):
            band = bands[one.score // 100]
            found[f"{age}d", band, "expected"] += weight * one.probability
            found[f"{age}d", band, "reported"] += weight * (one.event_id in fraud)
    return found


def by_rule(
    payments: Sequence[tuple[Decided, int]], fraud: set[str], last: int, rules: Sequence[str]
) -> dict[str, tuple[int, int]]:
    hit = {rule: [one for one, _ in in_cohort(payments, last, 30) if rule in one.rules[:4]] for rule in rules}
    return {rule: (len(ones), sum(one.event_id in fraud for one in ones)) for rule, ones in hit.items()}
