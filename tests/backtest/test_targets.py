"""A threshold for a target: the lowest that meets it, by a recount for every threshold."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.backtest.judged import judge
from models.backtest.targets import OFF, Curve, Target, TargetError, curve, moved, threshold_for
from scoring.policy import policy_from
from tests.backtest.made import DAY_MS, Told, alerts_in, arrays, bounds, drawn, with_threshold
from tests.backtest.test_figures import day, policies
from tests.examples import examples as few

SMALL = settings(max_examples=few(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SMALL
@given(policies, st.integers(0, 10**9))
def test_the_curve_counts_what_each_threshold_would_alert(tmp_path: Path, document: dict[str, Any], seed: int) -> None:
    rows = drawn(seed, 60)
    found = arrays(rows, tmp_path)
    told = curve(found, bounds(found, policy_from(document), Told(rows)))
    assert len(told.alerts) == len(told.frauds) == OFF + 1
    for threshold in sorted({1, 500, OFF, *(row.score + k for row in rows[::4] for k in (0, 1) if row.score + k)}):
        flagged = [row for row in rows if row.counted and alerts_in(with_threshold(document, threshold), row)]
        assert told.alerts[threshold] == len(flagged)
        assert told.frauds[threshold] == sum(row.fate == "FRAUD" for row in flagged)


@pytest.mark.parametrize("minimum", ["REVIEW", "STEP_UP", "BLOCK"])
@pytest.mark.parametrize("threshold", [1, 400, 600, 601, 850, OFF])
def test_a_moved_policy_keeps_its_bands_in_order_and_loses_author_and_approval(minimum: str, threshold: int) -> None:
    levels = {"review": 400, "step_up": 600, "block": 800}
    document = {"version": "v" * 64, "global": levels, "alerts": {"minimum_band": minimum}}
    approval = {"author": "x", "approval": {"approver": "y", "content": "0" * 12}}
    found = moved(policy_from(document | approval), threshold, "precision-0.5")
    expected = with_threshold(document, threshold)["global"]
    assert {name: getattr(found.everywhere, name) for name in levels} == expected
    assert (found.version[-13:], len(found.version)) == ("precision-0.5", 64)
    assert policy_from(document | {"global": expected, "version": found.version}) == found, "no author, no approval"


@SMALL
@given(policies, st.integers(0, 10**9), st.integers(0, 60), st.sampled_from(("bps", "day", "precision")))
def test_the_threshold_is_the_lowest_that_meets_the_target(
    tmp_path: Path, document: dict[str, Any], seed: int, level: int, kind: str
) -> None:
    rows = drawn(seed, 60)
    found = arrays(rows, tmp_path)
    counted = [row for row in rows if row.counted]
    target = {
        "bps": Target("alert_rate_bps", Fraction(10_000 * level, 60)),
        "day": Target("alerts_a_day", Fraction(level, 17)),
        "precision": Target("precision", Fraction(level, 60)),
    }[kind]
    told = curve(found, bounds(found, policy_from(document), Told(rows)))

    def meets(threshold: int) -> bool:
        alerts, frauds = int(told.alerts[threshold]), int(told.frauds[threshold])
        if kind == "precision":
            return alerts > 0 and Fraction(frauds, alerts) >= target.value
        if kind == "day":
            return alerts <= target.value * len({day(row) for row in counted})
        return 10_000 * alerts <= target.value * len(counted)

    lowest = next((threshold for threshold in range(1, OFF + 1) if meets(threshold)), None)
    if lowest is None:
        with pytest.raises(TargetError):
            threshold_for(target, found, told)
        return
    assert threshold_for(target, found, told) == lowest
    judged = judge(found, moved(policy_from(document), lowest, "x"), Told(rows))
    assert int((judged.alerts & found.is_counted).sum()) == told.alerts[lowest]


def test_a_target_that_nothing_meets_says_what_can_be_reached(tmp_path: Path) -> None:
    found = arrays(drawn(3), tmp_path)
    told = Curve(np.full(OFF + 1, 40), np.full(OFF + 1, 10))
    no_more = Curve(np.where(np.arange(OFF + 1) < 900, 40, 0), np.where(np.arange(OFF + 1) < 900, 10, 0))
    with pytest.raises(TargetError, match=r"precision 0.5: no threshold reaches it; the highest is 0.2500"):
        threshold_for(Target("precision", Fraction(1, 2)), found, no_more)
    with pytest.raises(
        TargetError, match=r"alerts_a_day-0.1: allows \d alerts in all, and narrower .* raise 40 whatever"
    ):
        threshold_for(Target("alerts_a_day", Fraction(1, 10)), found, told)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("precision", "0.5", 500),  # exactly half; from 800 on there is no alert, which is no precision
        ("precision", "0.51", 700),
        ("alerts_a_day", "2", 500),
        ("alerts_a_day", "1.999", 700),
        ("alert_rate_bps", "5000", 500),
        ("alert_rate_bps", "4999.9", 700),
    ],
)
def test_a_target_may_be_met_exactly(tmp_path: Path, kind: Any, value: str, expected: int) -> None:
    rows = drawn(3, 8)
    for place, row in enumerate(rows):
        row.counted, row.ms = True, (place // 4) * DAY_MS
    found = arrays(rows, tmp_path)
    levels = np.arange(OFF + 1)
    alerts = np.select([levels < 500, levels < 700, levels < 800], [5, 4, 1], 0)
    frauds = np.select([levels < 700, levels < 800], [2, 1], 0)
    assert threshold_for(Target(kind, Fraction(value)), found, Curve(alerts, frauds)) == expected
