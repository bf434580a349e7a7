"""Figures, months and intervals by case against a plain recount, over cases drawn at random."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import to_builtins

from models.backtest.cases.figures import case_months, cases
from models.backtest.intervals import Resampled, named
from tests.backtest.cases.made import Made, fate_of
from tests.backtest.made import DAY_MS, TOKYO_MS, Row
from tests.backtest.test_intervals import RESAMPLES, SEED, same
from tests.examples import is_quick

MINUTES = 7.5
SEEDS = range(2 if is_quick() else 8)


def day(row: Row) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row.ms, hours=9)).date().isoformat()


def ratio(part: float, whole: int) -> float | None:
    return pytest.approx(part / whole, abs=1e-6) if whole else None


def plain(rows: list[Row], found: list[list[int]], days: int) -> dict[str, Any]:
    """Count cases in plain Python."""
    fates = [fate_of(rows, own) for own in found]
    count, frauds = len(found), fates.count("FRAUD")
    return {
        "cases": count,
        "frauds": frauds,
        "declined": fates.count("DECLINED"),
        "refunded": fates.count("REFUNDED"),
        "good": fates.count("GOOD"),
        "payments": sum(map(len, found)),
        "fraud_payments": sum(rows[place].fate == "FRAUD" for own in found for place in own),
        "cases_a_day": ratio(count, days),
        "precision": ratio(frauds, count),
        "false_positives_per_fraud": ratio(count - frauds, frauds),
        "hours": pytest.approx(count * MINUTES / 60),
        "hours_a_day": ratio(count * MINUTES / 60, days),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_cases_in_all_and_by_the_month_of_their_first_payment_are_plain_counts(tmp_path: Path, seed: int) -> None:
    made = Made(tmp_path, seed)
    rows = made.rows
    days = {day(row) for row in rows if row.counted}
    found = to_builtins(cases(made.found, made.now, MINUTES))
    assert found == plain(rows, list(made.cases(1).values()), len(days))
    by_month: dict[str, list[list[int]]] = defaultdict(list)
    for own in made.cases(1, counted=False).values():
        by_month[day(rows[own[0]])[:7]].append(own)
    told = list(case_months(made.found, made.now, MINUTES))
    assert [month.month for month in told] == sorted({day(row)[:7] for row in rows if row.within})
    assert len(told) >= 2
    for month in told:
        own = [row for row in rows if row.within and day(row)[:7] == month.month]
        opened = by_month[month.month]
        assert to_builtins(month.figures) == plain(rows, opened, len({day(row) for row in own}))
        is_known = all(row.counted for row in own) and all(rows[place].counted for case in opened for place in case)
        assert month.is_mature == is_known


def test_a_month_of_known_payments_is_not_mature_while_one_of_its_cases_has_a_young_payment(tmp_path: Path) -> None:
    made = Made(tmp_path, 1)
    months = [day(row)[:7] for row in made.rows]
    first = min(months)
    assert all(row.counted for row, month in zip(made.rows, months, strict=True) if month == first and row.within)
    young = max(place for place, row in enumerate(made.rows) if row.within and not row.counted)
    old = min(place for place, month in enumerate(months) if made.rows[place].within and month == first)
    assert old < young
    for numbers, expected in (({old: 5}, True), ({old: 5, young: 5}, False), ({old: 5, young: 6}, True)):
        made.now.cases[:] = 0
        for place, number in numbers.items():
            made.now.cases[place] = number
        told = next(iter(case_months(made.found, made.now, MINUTES)))
        assert (told.month, told.is_mature) == (first, expected)


def shares(rows: list[Row], made: Made, k: int, days: list[int]) -> dict[str, float]:
    """Count by case over days that may be repeated; NaN without a denominator."""
    of_day: dict[int, list[list[int]]] = defaultdict(list)
    for own in made.cases(k).values():
        of_day[(rows[own[0]].ms + TOKYO_MS) // DAY_MS].append(own)
    frauds: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.counted and row.fate == "FRAUD":
            frauds[(row.ms + TOKYO_MS) // DAY_MS].append(place)
    found = [own for one in days for own in of_day[one]]
    drawn_frauds = [place for one in days for place in frauds[one]]
    true = sum(fate_of(rows, own) == "FRAUD" for own in found)
    hit = sum(made.numbers[k][place] != 0 for place in drawn_frauds)
    return {
        "case_precision": true / len(found) if found else math.nan,
        "case_recall": hit / len(drawn_frauds) if drawn_frauds else math.nan,
        "cases_a_day": len(found) / len(days),
    }


@pytest.mark.parametrize("seed", range(1 if is_quick() else 4))
def test_intervals_by_case_are_those_of_histories_of_drawn_days(tmp_path: Path, seed: int) -> None:
    made = Made(tmp_path, seed)
    rows = made.rows
    resampled = Resampled(made.found, resamples=RESAMPLES, seed=SEED)
    days = sorted({(row.ms + TOKYO_MS) // DAY_MS for row in rows if row.counted})
    rng = np.random.default_rng(SEED)
    drawn = [
        [one for one, count in zip(days, times, strict=True) for _ in range(count)]
        for times in rng.multinomial(len(days), [1 / len(days)] * len(days), RESAMPLES).tolist()
    ]
    now = [shares(rows, made, k, days) for k in range(2)]
    each = [[shares(rows, made, k, own) for own in drawn] for k in range(2)]
    for k, judged in enumerate((made.before, made.now)):
        found = dict(named(resampled.case_estimates(judged.cases)))
        assert tuple(found) == ("case_precision", "case_recall", "cases_a_day")
        for name, one in found.items():
            same(one, now[k][name], [values[name] for values in each[k]])
            assert one.low is not None
    difference = dict(named(resampled.case_difference(made.before.cases, made.now.cases)))
    for name, one in difference.items():
        steps = [new[name] - old[name] for old, new in zip(*each, strict=True)]
        same(one, now[1][name] - now[0][name], steps)
    assert [name for name, _ in named(None, resampled.case_estimates(made.now.cases))] == list(difference)


def test_without_cases_there_is_no_precision_and_no_interval_of_it(tmp_path: Path) -> None:
    made = Made(tmp_path, 0)
    found = Resampled(made.found, resamples=RESAMPLES).case_estimates(np.zeros(len(made.rows), np.int64))
    assert (found.case_precision.value, found.case_precision.low) == (None, None)
    assert (found.cases_a_day.value, found.cases_a_day.high, found.case_recall.value) == (0, 0, 0)
