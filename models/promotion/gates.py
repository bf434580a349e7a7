"""The gates: each figure against its bar."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from models.backtest.fairness import Group, alarms
from models.promotion.bars import Bars
from models.promotion.figures import DIGITS, Bin, Compared, calibration_error, load_ratio, psi
from models.promotion.pair import Rated


class Gate(Struct, frozen=True, kw_only=True):
    """One gate. It is passed if `value` is at most `bar`, or at least, as `is_limit` says; never if `value` is null.

    `current`, `candidate`: the figure of each model. `low`, `high`: interval of the difference.
    """

    name: str
    value: float | None
    bar: float
    is_limit: bool
    passed: bool
    current: float | None = None
    candidate: float | None = None
    low: float | None = None
    high: float | None = None


class Latency(Struct, frozen=True, kw_only=True):
    """Microseconds to score a row, in chunks of 256 rows: median and 99th percentile of the chunks."""

    current_us_p50: float
    current_us_p99: float
    candidate_us_p50: float
    candidate_us_p99: float


def gates(
    bars: Bars,
    bins: Sequence[Bin],
    ranking: tuple[Compared, Compared],
    latency: Latency,
    alerts: tuple[int, int],
    fairness: tuple[Sequence[Group], Sequence[Group]],
) -> list[Gate]:
    """Judge all figures. `ranking`: PR-AUC and the share of fraud yen. `alerts`, `fairness`: of both models."""
    pr_auc, value = ranking
    errors = [
        calibration_error([one.current_expected for one in bins], [one.current_frauds for one in bins]),
        calibration_error([one.candidate_expected for one in bins], [one.candidate_frauds for one in bins]),
    ]
    own, other = (_alarms(groups) for groups in fairness)
    us = max(latency.current_us_p50, bars.latency_us_min)
    ratio = round(latency.candidate_us_p50 / us, DIGITS) if us else None
    return [
        _at_least("payments", sum(one.current for one in bins), bars.payments_min),
        _at_least("frauds", sum(one.current_frauds for one in bins), bars.frauds_min),
        _difference("pr_auc", pr_auc, bars.pr_auc_low_min),
        _difference("value_recall", value, bars.value_recall_low_min),
        _at_most("calibration_error", errors[1], bars.calibration_error_max, current=errors[0], candidate=errors[1]),
        _at_most(
            "load_ratio", load_ratio(*alerts), bars.load_ratio_max, current=float(alerts[0]), candidate=float(alerts[1])
        ),
        _at_most("psi", psi(bins, bars.psi_from_score), bars.psi_max),
        _at_most(
            "latency_ratio",
            ratio,
            bars.latency_ratio_max,
            current=latency.current_us_p50,
            candidate=latency.candidate_us_p50,
        ),
        _at_most("new_alarms", len(other - own), bars.new_alarms_max, current=len(own), candidate=len(other)),
    ]


def latency_of(current: Rated, candidate: Rated) -> Latency:
    """Summarise the times of both; 0 without a row."""
    found = [
        round(float(np.percentile(one.us_per_row, level)), DIGITS) if len(one.us_per_row) else 0.0
        for one in (current, candidate)
        for level in (50, 99)
    ]
    return Latency(
        current_us_p50=found[0], current_us_p99=found[1], candidate_us_p50=found[2], candidate_us_p99=found[3]
    )


def _alarms(groups: Sequence[Group]) -> set[tuple[str, str, str, str]]:
    return {(group.dimension, group.group, name, rate.verdict) for group, name, rate in alarms(list(groups))}


def _difference(name: str, found: Compared, bar: float) -> Gate:
    return Gate(
        name=name,
        value=found.low,
        bar=bar,
        is_limit=False,
        passed=found.low is not None and found.low >= bar,
        current=found.current,
        candidate=found.candidate,
        low=found.low,
        high=found.high,
    )


def _at_least(name: str, value: float, bar: float) -> Gate:
    return Gate(name=name, value=value, bar=bar, is_limit=False, passed=value >= bar)


def _at_most(
    name: str, value: float | None, bar: float, *, current: float | None = None, candidate: float | None = None
) -> Gate:
    passed = value is not None and value <= bar
    return Gate(name=name, value=value, bar=bar, is_limit=True, passed=passed, current=current, candidate=candidate)
