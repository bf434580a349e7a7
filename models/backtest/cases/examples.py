"""Examples by case: what joined its payments and why they alerted, and why a fraud is in no case."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.cases.figures import Grouped
from models.backtest.compare import EXAMPLES_MAX, Example, payments
from models.backtest.judged import Join, Judged
from models.backtest.scored import Fate, Scored, Why
from scoring.contract.codes import Band

PAYMENTS_MAX: Final = 5
"""Most payments that are told of a case: the first ones, in the order of receipt."""


class CaseExample(Struct, frozen=True, kw_only=True):
    """A case. Figures are of its counted payments. `shown`: at most PAYMENTS_MAX of them, with their reasons.

    `joined_by`: what its payments have in common, as `Join`. `begins`, `ends`: times of its first and its last payment.
    Those of a lost case have score, band and reasons as the candidate gives them.
    """

    joined_by: str
    begins: str
    ends: str
    payments: int
    frauds: int
    jpy: int
    fraud_jpy: int
    shown: list[Example]


class CaseExamples(Struct, frozen=True, kw_only=True):
    """Examples of one cell: the cases with most yen. `what`: CASE, GAINED or LOST. `count`: all cases of the cell.

    GAINED: no payment of the case is in a case of the current policy. LOST: one of that policy, and no payment of it is
    in a case of the candidate.
    """

    what: str
    fate: str
    count: int
    examples: list[CaseExample]


class Missed(Struct, frozen=True, kw_only=True):
    """Frauds in no case, and those with most yen as examples.

    `why`: SUPPRESSED: a suppression of the policy covers the alert. ALLOWED: an allowing list lowered the band. BELOW:
    the band is below the lowest one that raises an alert.
    """

    why: str
    count: int
    jpy: int
    examples: list[Example]


class OfCases(Struct, frozen=True, kw_only=True):
    """Examples by case of one policy."""

    cells: list[CaseExamples]
    missed: list[Missed]


class _Cell(NamedTuple):
    """A cell with the places of its examples in `of`. `joined`: who joined the cases."""

    what: str
    fate: Fate
    number: int
    of: Grouped
    joined: Judged
    chosen: Sequence[int]


def case_examples(rows: Scored, judged: Judged, why: Why, before: Judged | None = None) -> OfCases:
    """Give examples of cases by fate, of cases gained and lost since `before`, and of frauds in no case."""
    cells = list(_cells(rows, judged, before))
    missed = [(name, own) for name, own in _missed(rows, judged).items() if len(own)]
    chosen = {name: _richest(rows.yen[own], own) for name, own in missed}
    told = [[_payments_of(cell.of, place)[:PAYMENTS_MAX].tolist() for place in cell.chosen] for cell in cells]
    ids = rows.particulars.event_ids(
        {row for cell in told for own in cell for row in own} | {row for own in chosen.values() for row in own}
    )
    return OfCases(
        cells=[
            CaseExamples(
                what=cell.what,
                fate=cell.fate.name,
                count=cell.number,
                examples=[
                    _example(rows, cell, place, payments(rows, judged, why, own, ids))
                    for place, own in zip(cell.chosen, shown, strict=True)
                ],
            )
            for cell, shown in zip(cells, told, strict=True)
        ],
        missed=[
            Missed(
                why=name,
                count=len(own),
                jpy=int(rows.yen[own].sum()),
                examples=payments(rows, judged, why, chosen[name], ids),
            )
            for name, own in missed
        ],
    )


def _cells(rows: Scored, judged: Judged, before: Judged | None) -> Iterator[_Cell]:
    """Give the cells that have a case."""
    now = Grouped(rows, judged.cases, rows.is_counted)
    kinds = [("CASE", now, judged, np.ones(len(now), np.bool_))]
    if before is not None:
        was = Grouped(rows, before.cases, rows.is_counted)
        kinds.append(("GAINED", now, judged, ~_has_row_of(now, before.cases)))
        kinds.append(("LOST", was, before, ~_has_row_of(was, judged.cases)))
    for what, of, joined, own in kinds:
        yen = np.zeros(len(of), np.int64)
        np.add.at(yen, of.of_row, rows.yen[of.rows])
        for fate in Fate:
            some = np.flatnonzero(own & (of.fates == fate))
            some = some[np.argsort(of.first[some])]  # of equal ones the earlier
            if len(some):
                yield _Cell(what, fate, len(some), of, joined, _richest(yen[some], some))


def _has_row_of(of: Grouped, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which cases have a row that is in a case by other numbers, int64[n]."""
    found = np.zeros(len(of), np.bool_)
    found[of.of_row[numbers[of.rows] != 0]] = True
    return found


def _missed(rows: Scored, judged: Judged) -> dict[str, NDArray[np.int64]]:
    """Return the rows of counted frauds that are in no case, by why."""
    own = np.flatnonzero(rows.is_counted & (rows.fates == Fate.FRAUD) & (judged.cases == 0))
    is_suppressed = judged.bands[own] >= Band[judged.policy.alerts.minimum_band]
    is_allowed = np.isin(own, np.array(sorted(judged.lowered), np.int64)) & ~is_suppressed
    return {
        "SUPPRESSED": own[is_suppressed],
        "ALLOWED": own[is_allowed],
        "BELOW": own[~is_suppressed & ~is_allowed],
    }


def _richest(yen: NDArray[np.int64], own: NDArray[np.int64]) -> list[int]:
    """Return those of `own` with most yen, EXAMPLES_MAX at most; of equal ones the first."""
    found: list[int] = own[np.argsort(-yen, kind="stable")[:EXAMPLES_MAX]].tolist()
    return found


def _payments_of(of: Grouped, place: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = of.rows[of.of_row == place]
    return found


def _example(rows: Scored, cell: _Cell, place: int, shown: list[Example]) -> CaseExample:
    own = _payments_of(cell.of, place)
    frauds = own[rows.fates[own] == Fate.FRAUD]
    return CaseExample(
        joined_by=Join(int(cell.joined.joins[own[0]])).name,
        begins=_moment(int(rows.event_ms[own].min())),
        ends=_moment(int(rows.event_ms[own].max())),
        payments=len(own),
        frauds=len(frauds),
        jpy=int(rows.yen[own].sum()),
        fraud_jpy=int(rows.yen[frauds].sum()),
        shown=shown,
    )


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
