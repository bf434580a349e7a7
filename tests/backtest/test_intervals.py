"""Intervals of precision and recall against a recount of whole drawn days in plain Python."""

import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from models.backtest.intervals import DAYS_MIN, CaseEstimates, Estimate, Estimates, Resampled, named
from models.backtest.pages.intervals import Figures, interval_section
from tests.backtest.made import DAY_MS, TOKYO_MS, Row, arrays, drawn
from tests.compliance.page.test_page import HOSTILE, Page

RESAMPLES, SEED = 60, 3
FIGURES = ("precision", "recall", "value_recall")


def plain(rows: list[Row], alerts: list[bool]) -> dict[str, float]:
    """Count payments with their alerts; NaN without a denominator."""

    def ratio(part: int, whole: int) -> float:
        return part / whole if whole else math.nan

    frauds = [k for k, row in enumerate(rows) if row.fate == "FRAUD"]
    hits = [k for k in frauds if alerts[k]]

    def yen(some: list[int]) -> int:
        return sum(max(0, rows[k].jpy) for k in some)

    return {
        "precision": ratio(len(hits), sum(alerts)),
        "recall": ratio(len(hits), len(frauds)),
        "value_recall": ratio(yen(hits), yen(frauds)),
    }


def draws(rows: list[Row], alerts: list[bool], seed: int) -> list[dict[str, float]]:
    """Put together each history of drawn days, payment by payment, and count it."""
    days: dict[int, list[int]] = {}
    for k, row in enumerate(rows):
        if row.counted:
            days.setdefault((row.ms + TOKYO_MS) // DAY_MS, []).append(k)
    order = sorted(days)
    rng = np.random.default_rng(seed)
    found = []
    for times in rng.multinomial(len(order), [1 / len(order)] * len(order), RESAMPLES).tolist():
        assert sum(times) == len(order)
        own = [k for day, count in zip(order, times, strict=True) for _ in range(count) for k in days[day]]
        found.append(plain([rows[k] for k in own], [alerts[k] for k in own]))
    return found


def edges(values: list[float]) -> list[float | None]:
    """Interpolate the 2.5th and the 97.5th percentile of the values that are known."""
    known = sorted(value for value in values if not math.isnan(value))
    if len(known) < 0.95 * len(values):
        return [None, None]
    found: list[float | None] = []
    for share in (0.025, 0.975):
        place = share * (len(known) - 1)
        low = int(place)
        high = min(low + 1, len(known) - 1)
        found.append(known[low] + (place - low) * (known[high] - known[low]))
    return found


def same(found: Estimate, value: float, values: list[float]) -> None:
    low, high = edges(values)
    assert found.value == (None if math.isnan(value) else pytest.approx(value, abs=1e-6))
    assert found.low == (None if low is None else pytest.approx(low, abs=1e-6))
    assert found.high == (None if high is None else pytest.approx(high, abs=1e-6))


@pytest.mark.parametrize("seed", range(6))
def test_intervals_are_those_of_histories_of_drawn_days(tmp_path: Path, seed: int) -> None:
    rows = drawn(seed, 400)
    history = arrays(rows, tmp_path)
    before, after = ([row.score >= level for row in rows] for level in (700, 300))
    resampled = Resampled(history, resamples=RESAMPLES, seed=SEED)
    counted = [k for k, row in enumerate(rows) if row.counted]
    days = {(rows[k].ms + TOKYO_MS) // DAY_MS for k in counted}
    assert (resampled.terms.days, resampled.terms.days_min) == (len(days), DAYS_MIN)
    assert len(days) >= DAYS_MIN
    now = [plain([rows[k] for k in counted], [alerts[k] for k in counted]) for alerts in (before, after)]
    each = [draws(rows, alerts, SEED) for alerts in (before, after)]
    for alerts, whole, own in zip((before, after), now, each, strict=True):
        found = dict(named(resampled.estimates(np.array(alerts))))
        assert tuple(found) == FIGURES
        for name in FIGURES:
            same(found[name], whole[name], [one[name] for one in own])
            assert found[name].low < whole[name] < found[name].high  # type: ignore[operator]  # known here
    difference = dict(named(resampled.difference(np.array(before), np.array(after))))
    for name in FIGURES:
        steps = [new[name] - old[name] for old, new in zip(*each, strict=True)]
        same(difference[name], now[1][name] - now[0][name], steps)


def test_a_policy_differs_from_itself_by_nothing_and_seeds_differ(tmp_path: Path) -> None:
    rows = drawn(1, 400)
    history, alerts = arrays(rows, tmp_path), np.array([row.score > 500 for row in rows])
    first = Resampled(history, resamples=50)
    for _, one in named(first.difference(alerts, alerts)):
        assert (one.value, one.low, one.high) == (0, 0, 0)
    assert Resampled(history, resamples=50).estimates(alerts) == first.estimates(alerts)
    assert Resampled(history, resamples=50, seed=9).estimates(alerts) != first.estimates(alerts)


def test_a_figure_that_many_draws_do_not_have_or_few_days_give_has_no_interval(tmp_path: Path) -> None:
    rows = drawn(2, 400)
    history = arrays(rows, tmp_path)
    one_alert = np.zeros(len(rows), np.bool_)
    one_alert[next(k for k, row in enumerate(rows) if row.counted)] = True
    found = Resampled(history, resamples=RESAMPLES).estimates(one_alert)
    assert found.precision.value is not None
    assert (found.precision.low, found.precision.high) == (None, None), "about a third of the draws have no alert"
    assert found.recall.low is not None
    none = Resampled(history, resamples=RESAMPLES).estimates(np.zeros(len(rows), np.bool_)).precision
    assert none == Estimate(value=None, low=None, high=None)
    day = (history.event_ms + TOKYO_MS) // DAY_MS
    for days, is_enough in ((DAYS_MIN - 1, False), (DAYS_MIN, True)):
        own = np.unique(day[history.is_counted])[:days]
        few = Resampled(replace(history, is_counted=history.is_counted & np.isin(day, own)), resamples=RESAMPLES)
        assert few.terms.days == days
        assert {one.low is not None for _, one in named(few.estimates(~one_alert))} == {is_enough}


def section(policies: list[tuple[str, Figures, Figures | None]], history: Resampled) -> str:
    text = interval_section(policies, history.terms)
    found = Page(text)
    assert found.spoken["en"] == found.spoken["ja"]
    assert HOSTILE not in text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


def test_the_page_says_values_intervals_and_whether_a_difference_may_be_chance(tmp_path: Path) -> None:
    history = Resampled(arrays(drawn(1, 400), tmp_path))
    known = Estimate(value=0.5, low=0.25, high=0.75)
    current = Estimates(precision=known, recall=known, value_recall=Estimate(value=None, low=None, high=None))
    by_case = CaseEstimates(case_precision=known, case_recall=known, cases_a_day=known)
    change = Estimates(
        precision=Estimate(value=0.1, low=0.05, high=0.2),
        recall=Estimate(value=-0.1, low=-0.2, high=0.0),
        value_recall=Estimate(value=-0.1, low=None, high=None),
    )
    plain_text = section(
        [("current", (current, by_case), None), (HOSTILE, (current, by_case), (change, by_case))], history
    )
    assert "current precision 適合率 0.5000 0.2500 – 0.7500 – – –" in plain_text
    assert "current recall by yen 検知率（金額） – – – – –" in plain_text
    assert f"{HOSTILE} precision 適合率 0.5000 0.2500 – 0.7500 +0.1000 +0.0500 – +0.2000 no いいえ" in plain_text
    assert "0.7500 -0.1000 -0.2000 – +0.0000 yes はい" in plain_text
    assert "– – -0.1000 – –" in plain_text
    assert "There are no intervals" not in plain_text
    few = drawn(1, 10)
    assert "fewer than 20 days" in section([("current", (current, by_case), None)], Resampled(arrays(few, tmp_path)))
