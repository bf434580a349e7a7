"""The report of a backtest: the current policy, each candidate beside it, as JSON, as CSV and as lines for people."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from models.backtest.cases import Cases, cases
from models.backtest.compare import Change, Examples, Merchant, changes, examples, merchants
from models.backtest.decided.desk import Hits
from models.backtest.decided.run import Decided
from models.backtest.effects.effects import Effects, Programme, Stands
from models.backtest.fairness import RATES, Group, Rate, Terms, alarms
from models.backtest.figures import Cell, Figures, Month, cells, figures, months
from models.backtest.intervals import Estimates, Resampled, Resampling, named
from models.backtest.judged import Judged
from models.backtest.scored import Scored, Why
from scoring.merchants.months.calendar import day_of
from scoring.policy.changes import policy_changes, shown

CURRENT: Final = "current"

_SHOWN: Final = (
    ("alerts", "payments that alert", ",d"),
    ("alerts_a_day", "alerts a day", ",.1f"),
    ("alert_rate_bps", "alert rate, per 10,000", ",.2f"),
    ("precision", "precision", ".4f"),
    ("recall", "recall, by count", ".4f"),
    ("value_recall", "recall, by yen", ".4f"),
    ("false_positives_per_fraud", "false positives per fraud", ",.2f"),
    ("saved_jpy", "yen of fraud stopped at most", ",d"),
)

_SHOWN_OF_EFFECTS: Final = (
    ("frequent", "merchants, fraud is frequent"),
    ("changed", "standings changed by BLOCK"),
)
_SHOWN_OF_CASES: Final = (
    ("cases", "cases", ",d"),
    ("cases_a_day", "cases a day", ",.1f"),
    ("precision", "precision, by case", ".4f"),
    ("false_positives_per_fraud", "false cases per fraud case", ",.2f"),
    ("hours_a_day", "analyst hours a day", ",.1f"),
)


class OfPolicy(Struct, frozen=True, kw_only=True):
    """One policy over the history. `figures` are of payments, `cases` of cases, `hits` of rules and lists.

    `effects`: what becomes of standings and programmes if what it blocks does not happen.

    The four after `examples` say how a candidate differs from the current policy.

    `intervals`: its precision and recalls; `difference`: those minus the current policy's, null for that one.
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
        "months.csv": _months(report.policies),
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


def _months(policies: Sequence[OfPolicy]) -> bytes:
    names = Figures.__struct_fields__
    lines = (
        [one.name, month.month, "yes" if month.is_mature else "no", *(getattr(month.figures, field) for field in names)]
        for one in policies
        for month in one.months
    )
    return _csv([["policy", "month", "is_mature", *names], *lines])


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
        [one.name, name, *astuple(estimate), *(("", "", "") if one.difference is None else astuple(changes[name]))]
        for one in policies
        for changes in ({} if one.difference is None else dict(named(one.difference)),)
        for name, estimate in named(one.intervals)
    )
    return _csv([head, *lines])


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([_cell(one) for one in line] for line in lines)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    """Return a cell. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _line(words: str, how: str, values: Sequence[float | None]) -> str:
    return f"{words:28}" + "".join(f"{'none' if value is None else format(value, how):>24}" for value in values)


def lines(report: Backtest) -> Iterator[str]:
    """Say the report in short."""
    yield f"{report.payments:,} payments, {report.counted:,} counted"
    if report.before:
        yield f"not counted: {report.before:,} before --since"
    if report.young:
        yield f"not counted: {report.young:,} since {report.mature_until}, too young to be known as good"
    if report.learnt:
        yield (
            f"{report.learnt:,} counted payments are of the days that the model has learnt from: if they are the same "
            f"payments, figures are too good; count later ones with --since {report.learnt_until}"
        )
    yield f"{'':28}" + "".join(f"{one.name[:22]:>24}" for one in report.policies)
    for field, words, how in _SHOWN:
        yield _line(words, how, [getattr(one.figures, field) for one in report.policies])
    for field, words, how in _SHOWN_OF_CASES:
        yield _line(words, how, [getattr(one.cases, field) for one in report.policies])
    for field, words in _SHOWN_OF_EFFECTS:
        yield _line(words, ",d", [getattr(one.effects, field) for one in report.policies])
    for one in report.policies:
        young = [month.month for month in one.months if not month.is_mature]
        if young and one.name == CURRENT:
            yield f"months with payments whose label is not known yet: {', '.join(young)}"
        for change in one.changes:
            if change.gained or change.lost:
                yield f"{one.name}: {change.fate}: {change.gained:,} alerts more, {change.lost:,} fewer"
        if one.difference is not None:
            yield from _difference_lines(one.name, one.difference)
    yield from _alarm_lines(report.policies)


def _difference_lines(name: str, difference: Estimates) -> Iterator[str]:
    words = {field: text for field, text, _ in _SHOWN}
    for field, one in named(difference):
        if one.value is not None and one.low is not None and one.high is not None:
            weak = ", may be chance" if one.low <= 0 <= one.high else ""
            yield f"{name}: {words[field]}: {one.value:+.4f} (95% by days: {one.low:+.4f} to {one.high:+.4f}{weak})"


def _alarm_lines(policies: Sequence[OfPolicy]) -> Iterator[str]:
    for one in policies:
        for group, name, rate in alarms(one.fairness):
            ratio = "none in the reference" if rate.ratio is None else f"{rate.ratio:,.2f} times the reference"
            edges = "none" if rate.ratio_high is None else f"{rate.ratio_high:,.2f}"
            yield (
                f"{one.name}: fairness alarm: {group.dimension} {group.group}: {name} {rate.rate_bps:,.2f} for 10,000, "
                f"{ratio} (from {rate.ratio_low:,.2f} to {edges})"
            )


def moment(at_ms: int) -> str:
    """Return a time in UTC, to the millisecond, as RFC 3339."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def day_after(at_ms: int) -> str:
    """Return the first day in Tokyo that begins at or after a time, YYYY-MM-DD."""
    return (day_of(at_ms - 1) + timedelta(1)).isoformat()
