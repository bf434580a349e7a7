"""The report of a backtest: the current policy, each candidate beside it, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from models.backtest.arms import LeftOut, OfArm, arms, left_out
from models.backtest.cases.examples import OfCases, case_examples
from models.backtest.cases.figures import CaseMonth, Cases, case_months, cases
from models.backtest.compare import Change, Examples, Merchant, changes, examples, merchants
from models.backtest.decided.desk import Hits
from models.backtest.decided.run import Decided
from models.backtest.effects.effects import Effects, Programme, Stands
from models.backtest.fairness import RATES, Group, Rate, Terms
from models.backtest.figures import Cell, Figures, Month, cells, figures, months
from models.backtest.intervals import CaseEstimates, Estimates, Resampled, Resampling, named
from models.backtest.judged import Judged
from models.backtest.scored import Scored, Why
from scoring.merchants.months.calendar import day_of
from scoring.policy.changes import policy_changes, shown

CURRENT: Final = "current"


class OfPolicy(Struct, frozen=True, kw_only=True):
    """One policy over the history. `figures` are of payments, `cases` of cases, `hits` of rules and lists.

    `effects`: what becomes of standings and programmes if what it blocks does not happen.

    The four after `examples` say how a candidate differs from the current policy.

    `intervals`: its precision and recalls; `difference`: those minus the current policy's, null for that one.
    `case_intervals` and `case_difference`: the same by case. `case_examples`: also of frauds in no case.

    `arms`: payments by arm of its experiment. `left_out`: what decides nothing here. `lists_from_files`: lists of the
    topic whose entries are those of a file.
    """

    name: str
    policy: str
    target: str | None
    figures: Figures
    cases: Cases
    hits: list[Hits]
    effects: Effects
    cells: list[Cell]
    months: list[Month]
    examples: list[Examples]
    differs: list[str]
    changes: list[Change]
    merchants_more: list[Merchant]
    merchants_fewer: list[Merchant]
    fairness: list[Group]
    intervals: Estimates
    difference: Estimates | None
    case_months: list[CaseMonth]
    case_intervals: CaseEstimates
    case_difference: CaseEstimates | None
    case_examples: OfCases
    arms: list[OfArm]
    left_out: list[LeftOut]
    lists_from_files: list[str]


class Backtest(Struct, frozen=True, kw_only=True):
    """A backtest. Figures are those of `counted` payments; `young` ones have no label yet, `before` ones are earlier
    than the period. `learnt`: counted payments of the days that the model was trained and calibrated on. `without`:
    families of inputs that the model was trained without, "" if none.
    """

    history: str
    model: str
    payments: int
    counted: int
    young: int
    before: int
    learnt: int
    learnt_until: str
    mature_until: str | None
    minutes_per_alert: float
    without: str
    fairness: Terms
    resampling: Resampling
    left_out: Mapping[str, int]
    policies: list[OfPolicy]


def of_policy(
    name: str,
    rows: Scored,
    decided: Decided,
    why: Why,
    *,
    effects: Effects,
    fairness: list[Group],
    resampled: Resampled,
    minutes: float,
    target: str | None,
    current: Judged | None,
) -> OfPolicy:
    """Measure a policy, beside `current` if it is a candidate."""
    judged = decided.judged
    more: list[Merchant] = []
    fewer: list[Merchant] = []
    if current is not None:
        more, fewer = merchants(rows, current.alerts, judged.alerts)
    return OfPolicy(
        name=name,
        policy=judged.policy.identity,
        target=target,
        figures=figures(rows, judged.alerts, rows.is_counted, minutes),
        cases=cases(rows, judged, minutes),
        hits=decided.hits,
        effects=effects,
        cells=list(cells(rows, judged)),
        months=list(months(rows, judged.alerts, minutes)),
        examples=examples(rows, judged, why, current),
        differs=[] if current is None else shown(policy_changes(current.policy, judged.policy)),
        changes=[] if current is None else list(changes(rows, current.alerts, judged.alerts)),
        merchants_more=more,
        merchants_fewer=fewer,
        fairness=fairness,
        intervals=resampled.estimates(judged.alerts),
        difference=None if current is None else resampled.difference(current.alerts, judged.alerts),
        case_months=list(case_months(rows, judged, minutes)),
        case_intervals=resampled.case_estimates(judged.cases),
        case_difference=None if current is None else resampled.case_difference(current.cases, judged.cases),
        case_examples=case_examples(rows, judged, why, current),
        arms=list(arms(rows, judged, minutes)),
        left_out=list(left_out(rows, judged, decided.lists_left_out)),
        lists_from_files=list(decided.lists_from_files),
    )


def files(report: Backtest) -> dict[str, bytes]:
    """Return the report as `backtest.json`, and its tables as CSV. The same report gives the same bytes."""
    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    each = [(one.name, one) for one in report.policies]
    return {
        "backtest.json": text,
        "figures.csv": _table("policy", ((name, [one.figures]) for name, one in each), Figures),
        "cases.csv": _table("policy", ((name, [one.cases]) for name, one in each), Cases),
        "hits.csv": _table("policy", ((name, one.hits) for name, one in each), Hits),
        "standings.csv": _table("policy", ((name, one.effects.standings) for name, one in each), Stands),
        "programmes.csv": _table("policy", ((name, one.effects.programmes) for name, one in each), Programme),
        "cells.csv": _table("policy", ((name, one.cells) for name, one in each), Cell),
        "months.csv": _months(Figures, ((name, one.months) for name, one in each)),
        "case_months.csv": _months(Cases, ((name, one.case_months) for name, one in each)),
        "arms.csv": _arms(report.policies),
        "fairness.csv": _fairness(report.policies),
        "intervals.csv": _intervals(report.policies),
        "changes.csv": _table("policy", ((name, one.changes) for name, one in each), Change),
        "merchants.csv": _table(
            "policy", ((name, [*one.merchants_more, *one.merchants_fewer]) for name, one in each), Merchant
        ),
    }


def _table(head: str, parts: Iterable[tuple[str, Sequence[Struct]]], kind: type[Struct]) -> bytes:
    names = kind.__struct_fields__
    lines = ([name, *(getattr(one, field) for field in names)] for name, own in parts for one in own)
    return _csv([[head, *names], *lines])


def _months(kind: type[Struct], parts: Iterable[tuple[str, Sequence[Month | CaseMonth]]]) -> bytes:
    names = kind.__struct_fields__
    lines = (
        [name, month.month, "yes" if month.is_mature else "no", *(getattr(month.figures, field) for field in names)]
        for name, own in parts
        for month in own
    )
    return _csv([["policy", "month", "is_mature", *names], *lines])


def _arms(policies: Sequence[OfPolicy]) -> bytes:
    names = Figures.__struct_fields__
    lines = (
        [one.name, arm.experiment, arm.arm, arm.policy, *(getattr(arm.figures, field) for field in names)]
        for one in policies
        for arm in one.arms
    )
    return _csv([["policy", "experiment", "arm", "decided_by", *names], *lines])


def _fairness(policies: Sequence[OfPolicy]) -> bytes:
    """Return the groups with the fields of each rate as columns of their own."""
    names, own = Group.__struct_fields__, Rate.__struct_fields__
    plain = [name for name in names if name not in RATES]
    head = ["policy", *plain, *(f"{rate}_{field}" for rate in RATES for field in own)]
    lines = (
        [
            one.name,
            *(getattr(group, name) for name in plain),
            *(getattr(getattr(group, rate), field) for rate in RATES for field in own),
        ]
        for one in policies
        for group in one.fairness
    )
    return _csv([head, *lines])


def _intervals(policies: Sequence[OfPolicy]) -> bytes:
    head = ["policy", "figure", "value", "low", "high", "difference", "difference_low", "difference_high"]
    lines = (
        [one.name, name, *astuple(estimate), *(astuple(changes[name]) if name in changes else ("", "", ""))]
        for one in policies
        for changes in (dict(named(one.difference, one.case_difference)),)
        for name, estimate in named(one.intervals, one.case_intervals)
    )
    return _csv([head, *lines])


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([_cell(one) for one in line] for line in lines)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """Return a cell. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def moment(at_ms: int) -> str:
    """Return a time in UTC, to the millisecond, as RFC 3339."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def day_after(at_ms: int) -> str:
    """Return the first day in Tokyo that begins at or after a time, YYYY-MM-DD."""
    return (day_of(at_ms - 1) + timedelta(1)).isoformat()
