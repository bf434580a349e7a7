"""The figures of the gate equal scikit-learn's and a recount in plain Python."""

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]  # ships no types

from models.backtest.fairness import Group, Rate
from models.promotion.bars import Bars
from models.promotion.figures import Bin, bins_of, calibration_error, compared, load_ratio, psi, value_recall
from models.promotion.gates import gates, latency_of
from models.promotion.pair import rated
from tests.bundles import small_bundle
from tests.examples import examples
from tests.promotion.made import Row, arrays, drawn
from tests.shadow.made import challenger_files

SEEDS = st.integers(0, 10**6)


def plain_value_recall(rows: list[Row], which: int, share: float) -> float:
    """Work through alerts from the highest score down; of the last group of equal scores only a part fits."""
    whole = sum(row.yen for row in rows if row.fraud)
    room, found = len(rows) * share, 0.0
    for score in sorted({row.scores[which] for row in rows}, reverse=True):
        group = [row for row in rows if row.scores[which] == score]
        part = min(1.0, room / len(group))
        found += part * sum(row.yen for row in group if row.fraud)
        room -= part * len(group)
    return found / whole if whole else 0.0


def plain_psi(rows: list[Row], from_score: int) -> float:
    """Recount over the bands of 50 points that reach the score, each model's shares among its own payments there."""
    found = 0.0
    bands = [k for k in range(20) if 50 * k + 49 >= from_score]
    totals = [sum(row.scores[which] >= 50 * bands[0] for row in rows) + 0.5 * len(bands) for which in (0, 1)]
    for k in bands:
        counts = [sum(1 for row in rows if 50 * k <= row.scores[which] <= 50 * k + 49) + 0.5 for which in (0, 1)]
        p, q = (count / total for count, total in zip(counts, totals, strict=True))
        found += (q - p) * (math.log(q) - math.log(p))
    return found


def plain_calibration(rows: list[Row], which: int) -> float | None:
    frauds = sum(row.fraud for row in rows)
    wrong = 0.0
    for k in range(20):
        own = [row for row in rows if row.scores[which] // 50 == k]
        wrong += abs(sum(row.probabilities[which] for row in own) - sum(row.fraud for row in own))
    return wrong / frauds if frauds else None


@given(seed=SEEDS, share=st.sampled_from((0.0001, 0.005, 0.02, 0.1, 0.5, 1.0)))
@settings(max_examples=examples(40), deadline=None)
def test_figures_are_those_of_a_recount(seed: int, share: float) -> None:
    rows = drawn(seed)
    current, candidate, counted = arrays(rows)
    pr_auc, value = compared(current, candidate, counted, share=share, resamples=20, seed=1)
    for which, name in enumerate(("current", "candidate")):
        expected = average_precision_score([row.fraud for row in rows], [row.probabilities[which] for row in rows])
        assert getattr(pr_auc, name) == pytest.approx(expected, abs=1e-6)
        assert getattr(value, name) == pytest.approx(plain_value_recall(rows, which, share), abs=1e-6)
    bins = bins_of(current, candidate, counted)
    assert [(one.first, one.last) for one in bins] == [(low, low + 49) for low in range(0, 1000, 50)]
    for score in (0, 499, 500, 501, 950):
        assert psi(bins, score) == pytest.approx(plain_psi(rows, score), abs=2e-6)
    for which, name in enumerate(("current", "candidate")):
        expected_frauds = [getattr(one, f"{name}_expected") for one in bins]
        frauds = [getattr(one, f"{name}_frauds") for one in bins]
        assert calibration_error(expected_frauds, frauds) == pytest.approx(plain_calibration(rows, which), abs=1e-5)
        for one in bins:
            own = [row for row in rows if one.first <= row.scores[which] <= one.last]
            assert getattr(one, name) == len(own)
            assert getattr(one, f"{name}_frauds") == sum(row.fraud for row in own)


@given(seed=SEEDS)
@settings(max_examples=examples(10), deadline=None)
def test_intervals_are_those_of_cards_that_are_repeated(seed: int) -> None:
    rows = drawn(seed, 120)
    current, candidate, counted = arrays(rows)
    found = compared(current, candidate, counted, share=0.1, resamples=25, seed=seed)
    cards = sorted({row.card for row in rows})
    rng = np.random.default_rng(seed)
    differences: list[tuple[float, float]] = []
    for _ in range(25):
        times = dict(zip(cards, rng.poisson(1.0, len(cards)).tolist(), strict=True))
        again = [row for row in rows for _ in range(times[row.card])]
        frauds = [row.fraud for row in again]
        scores = [average_precision_score(frauds, [row.probabilities[which] for row in again]) for which in (0, 1)]
        yen = [plain_value_recall(again, which, 0.1) for which in (0, 1)]
        differences.append((scores[1] - scores[0], yen[1] - yen[0]))
    for one, own in zip(found, zip(*differences, strict=True), strict=True):
        low, high = np.percentile(own, (2.5, 97.5))
        assert (one.low, one.high) == (pytest.approx(low, abs=2e-6), pytest.approx(high, abs=2e-6))


def test_more_equal_scores_than_alerts_do_not_decide_between_all_frauds_and_none() -> None:
    """Ten payments of a hundred have the highest score: with room for nine alerts nine tenths of their yen count."""
    rows = [Row(place < 10, 100, place, (0.9, 0.9), (999 if place < 10 else 0,) * 2) for place in range(100)]
    current, _, counted = arrays(rows)
    found = {share: value_recall(current.scores, counted, share) for share in (0.0, 0.05, 0.09, 0.1, 0.5)}
    assert found == {0.0: 0.0, 0.05: 0.5, 0.09: pytest.approx(0.9), 0.1: 1.0, 0.5: 1.0}


def test_a_model_against_itself_differs_in_nothing() -> None:
    current, _, counted = arrays(drawn(1))
    for one in compared(current, current, counted, share=0.05, resamples=30, seed=1):
        assert (one.low, one.high) == (0.0, 0.0)
    assert psi(bins_of(current, current, counted), 0) == 0.0
    assert (load_ratio(7, 7), load_ratio(0, 0)) == (1.0, 1.0)


@pytest.mark.parametrize(("counts", "ratio"), [((4, 5), 11 / 9), ((5, 4), 11 / 9), ((0, 7), 15.0), ((7, 0), 15.0)])
def test_more_and_fewer_alerts_are_the_same_change_and_none_counts_as_a_half(
    counts: tuple[int, int], ratio: float
) -> None:
    assert load_ratio(*counts) == pytest.approx(ratio, abs=1e-6)


def test_without_frauds_there_is_no_interval_and_no_calibration_and_both_gates_fail() -> None:
    current, candidate, counted = arrays(drawn(1, frauds=0.0))
    ranking = compared(current, candidate, counted, share=0.05, resamples=20, seed=1)
    assert [(one.low, one.high) for one in ranking] == [(None, None), (None, None)]
    bins = bins_of(current, candidate, counted)
    bars = Bars(payments_min=1, psi_max=100.0, latency_ratio_max=100.0)
    judged = gates(bars, bins, ranking, latency_of(current, candidate), (4, 5), ([], []))
    assert [gate.name for gate in judged if not gate.passed] == [
        "frauds",
        "pr_auc",
        "value_recall",
        "calibration_error",
    ]


def made_bins(payments: int, frauds: int, expected: float) -> list[Bin]:
    whole = {"current": payments, "current_frauds": frauds, "current_expected": float(frauds)}
    whole |= {"candidate": payments, "candidate_frauds": frauds, "candidate_expected": expected}
    return [Bin(first=0, last=49, **whole)]


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"payments_min": 201}, ["payments"]),
        ({"frauds_min": 41}, ["frauds"]),
        ({"pr_auc_low_min": 0.9}, ["pr_auc"]),
        ({"value_recall_low_min": 0.9}, ["value_recall"]),
        ({"calibration_error_max": 0.2499}, ["calibration_error"]),
        ({"load_ratio_max": 1.2222}, ["load_ratio"]),
        ({"latency_ratio_max": 1.99}, ["latency_ratio"]),
        ({"latency_ratio_max": 1.99, "latency_us_min": 2.02}, []),
    ],
)
def test_each_bar_fails_its_own_gate_and_a_figure_at_the_bar_passes(
    changes: dict[str, float], failed: list[str]
) -> None:
    current, candidate, counted = arrays(drawn(3))
    ranking = compared(current, candidate, counted, share=0.05, resamples=20, seed=1)
    assert all(one.low is not None and one.high is not None and one.low < one.high for one in ranking)
    low = {"pr_auc_low_min": ranking[0].low or 0.0, "value_recall_low_min": ranking[1].low or 0.0}
    exact = {"payments_min": 200, "frauds_min": 40, "calibration_error_max": 0.25, "latency_ratio_max": 2.0}
    exact |= {"load_ratio_max": 1.222222, "latency_us_min": 2.0}
    bars = Bars(**{**exact, **low, **changes})  # type: ignore[arg-type]  # by name
    judged = gates(bars, made_bins(200, 40, 50.0), ranking, latency_of(current, candidate), (4, 5), ([], []))
    assert [gate.name for gate in judged if not gate.passed] == failed
    by_name = {gate.name: gate for gate in judged}
    assert by_name["latency_ratio"].value == pytest.approx(4 / changes.get("latency_us_min", 2.0), abs=1e-6)
    assert (by_name["load_ratio"].current, by_name["load_ratio"].candidate) == (4, 5)
    assert by_name["psi"].value == 0.0
    assert [gate.name for gate in judged if gate.is_limit] == [
        "calibration_error",
        "load_ratio",
        "psi",
        "latency_ratio",
        "new_alarms",
    ]


def test_the_lower_end_of_an_interval_is_judged_and_not_the_upper_one() -> None:
    current, candidate, counted = arrays(drawn(3))
    ranking = compared(current, candidate, counted, share=0.05, resamples=20, seed=1)
    between = [((one.low or 0.0) + (one.high or 0.0)) / 2 for one in ranking]
    bars = Bars(pr_auc_low_min=between[0], value_recall_low_min=between[1])
    judged = gates(bars, made_bins(200, 40, 50.0), ranking, latency_of(current, candidate), (4, 5), ([], []))
    assert {gate.name for gate in judged if not gate.passed} >= {"pr_auc", "value_recall"}


def group_of(name: str, verdict: Literal["LIKE", "HIGHER"]) -> Group:
    figures: dict[str, Any] = dict.fromkeys(
        ("rate_bps", "low_bps", "high_bps", "ratio", "ratio_low", "ratio_high"), 1.0
    )
    judged, other = (Rate(count=1, verdict=said, **figures) for said in (verdict, "LIKE"))
    counts: dict[str, Any] = dict.fromkeys(("payments", "frauds", "genuine", "alerts", "blocked"), 1)
    shares: dict[str, Any] = dict.fromkeys(("fraud_rate_bps", "alert_rate_bps", "block_rate_bps"), 1.0)
    return Group(dimension="card", group=name, **counts, **shares, false_positives=judged, genuine_blocked=other)


@pytest.mark.parametrize(
    ("now", "then", "found"),
    [("HIGHER", "HIGHER", 0), ("LIKE", "HIGHER", 1), ("HIGHER", "LIKE", 0), ("LIKE", "LIKE", 0)],
)
def test_only_an_alarm_that_the_current_model_does_not_have_is_new(now: Any, then: Any, found: int) -> None:
    current, candidate, counted = arrays(drawn(3))
    ranking = compared(current, candidate, counted, share=0.05, resamples=20, seed=1)
    groups = [group_of("a", now)], [group_of("a", then)]
    judged = gates(Bars(), made_bins(200, 40, 50.0), ranking, latency_of(current, candidate), (4, 5), groups)
    (gate,) = [gate for gate in judged if gate.name == "new_alarms"]
    assert (gate.value, gate.passed) == (found, not found)
    assert (gate.current, gate.candidate) == (int(now == "HIGHER"), int(then == "HIGHER"))


def test_a_score_that_moves_fails_the_gate_of_its_stability() -> None:
    current, candidate, counted = arrays(drawn(3))
    bins = bins_of(current, candidate, counted)
    ranking = compared(current, candidate, counted, share=0.05, resamples=20, seed=1)
    for bar, passes in ((psi(bins, 700), True), (psi(bins, 700) * 0.99, False)):
        judged = gates(
            Bars(psi_from_score=700, psi_max=bar), bins, ranking, latency_of(current, candidate), (4, 5), ([], [])
        )
        assert {gate.name: gate.passed for gate in judged}["psi"] == passes


def test_both_bundles_score_every_row_as_their_workers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from scoring.features.all import FEATURES
    from scoring.model.bundle import Bundle

    monkeypatch.setattr("models.promotion.pair.CHUNK_ROWS", 7)
    other = Bundle.load(challenger_files(tuple(FEATURES)), FEATURES)
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(40, len(FEATURES)))
    matrix[:, 0] = rng.uniform(3, 16, size=40)
    for one, bundle in zip(rated(matrix, small_bundle(), other), (small_bundle(), other), strict=True):
        margins = np.empty(40)
        bundle.trees.margins(matrix, margins)
        probabilities, scores = bundle.calibration.apply(margins)
        assert one.version == bundle.version
        assert one.probabilities.tolist() == probabilities.tolist()
        assert one.scores.tolist() == scores.tolist()
        assert len(one.us_per_row) == 6
        assert (one.us_per_row > 0).all()
