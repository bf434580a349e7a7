"""The report of a backtest in short, as lines for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from models.backtest.cases.figures import CaseMonth
from models.backtest.compare import Example
from models.backtest.fairness import alarms
from models.backtest.intervals import named
from models.backtest.report import CURRENT, Backtest, OfPolicy

MONTHS_MAX: Final = 12
"""Most months by case that are shown: the last ones. `case_months.csv` has all."""

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


_DIFFERENCES: Final = {field: words for field, words, _ in _SHOWN} | {
    "case_precision": "precision, by case",
    "case_recall": "share of frauds in a case",
    "cases_a_day": "cases a day",
}
_WHY_LEFT_OUT: Final = {
    "NO_FILE": "its entries come from the topic; give them to --lists as a file with the name of the list",
    "NOT_IN_FORCE": "no counted payment is in its time",
}


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
        yield from _of_policy(one)
    yield from _alarm_lines(report.policies)


def _of_policy(one: OfPolicy) -> Iterator[str]:
    yield from _left_out(one)
    young = [month.month for month in one.months if not month.is_mature]
    if young and one.name == CURRENT:
        yield f"months with payments whose label is not known yet: {', '.join(young)}"
    for month in one.case_months[-MONTHS_MAX:]:
        yield _month(one.name, month)
    for change in one.changes:
        if change.gained or change.lost:
            yield f"{one.name}: {change.fate}: {change.gained:,} alerts more, {change.lost:,} fewer"
    yield from _cases(one)
    yield from _difference_lines(one)


def _left_out(one: OfPolicy) -> Iterator[str]:
    """Say what of the policy is decided otherwise than by a worker, and what decides nothing."""
    for name in one.lists_from_files:
        yield f"{one.name}: list {name}: a worker reads its entries from the topic; here they are those of its file"
    for each in one.left_out:
        yield f"{one.name}: left out: {each.kind.lower()} {each.id}: {_WHY_LEFT_OUT[each.why]}"
    for arm in one.arms:
        yield (
            f"{one.name}: experiment {arm.experiment}, arm {arm.arm}: {arm.policy} decides "
            f"{arm.figures.payments:,} of {one.figures.payments:,} payments, {arm.figures.alerts:,} alert"
        )


def _month(name: str, month: CaseMonth) -> str:
    found = month.figures
    precision = "none" if found.precision is None else f"{found.precision:.4f}"
    young = "" if month.is_mature else "; labels are not all known yet"
    return f"{name}: {month.month}: {found.cases:,} cases, precision {precision}, {found.hours:,.1f} hours{young}"


def _cases(one: OfPolicy) -> Iterator[str]:
    """Say an example of each cell of cases, and why frauds are in no case."""
    for cell in one.case_examples.cells:
        best = cell.examples[0]
        what = {"CASE": "cases", "GAINED": "cases more", "LOST": "cases fewer"}[cell.what]
        yield (
            f"{one.name}: {cell.count:,} {what}, {cell.fate}; one, joined by {best.joined_by}: {best.payments:,} "
            f"payments, {best.jpy:,} yen, from {best.begins}: {_why(best.shown)}"
        )
    for missed in one.case_examples.missed:
        yield (
            f"{one.name}: {missed.count:,} frauds in no case, {missed.why}, {missed.jpy:,} yen; one: score "
            f"{missed.examples[0].score}, alerts from {missed.examples[0].alerts_from}: {_why(missed.examples)}"
        )


def _why(shown: Sequence[Example]) -> str:
    """Name the reasons of the first payment."""
    return ", ".join(reason.id for reason in shown[0].reasons) or "no reason"


def _difference_lines(one: OfPolicy) -> Iterator[str]:
    for field, found in named(one.difference, one.case_difference):
        if found.value is not None and found.low is not None and found.high is not None:
            weak = ", may be chance" if found.low <= 0 <= found.high else ""
            yield (
                f"{one.name}: {_DIFFERENCES[field]}: {found.value:+.4f} "
                f"(95% by days: {found.low:+.4f} to {found.high:+.4f}{weak})"
            )


def _alarm_lines(policies: Sequence[OfPolicy]) -> Iterator[str]:
    for one in policies:
        for group, name, rate in alarms(one.fairness):
            ratio = "none in the reference" if rate.ratio is None else f"{rate.ratio:,.2f} times the reference"
            edges = "none" if rate.ratio_high is None else f"{rate.ratio_high:,.2f}"
            yield (
                f"{one.name}: fairness alarm: {group.dimension} {group.group}: {name} {rate.rate_bps:,.2f} for 10,000, "
                f"{ratio} (from {rate.ratio_low:,.2f} to {edges})"
            )
