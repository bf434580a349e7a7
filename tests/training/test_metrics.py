"""Metrics against values counted by hand, and against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.matrix import Samples
from models.training.metrics import auc, average_precision, evaluate, first_hits, report_lines


def samples(fraud: list[int], amounts: list[int], episodes: list[str | None], cards: list[int]) -> Samples:
    n = len(fraud)
    return Samples(
        matrix=np.zeros((n, 1)),
        event_ms=np.arange(n, dtype=np.int64),
        amount_jpy=np.array(amounts, np.int64),
        card=np.array(cards, np.uint64),
        fraud=np.array(fraud, np.bool_),
        typology=np.array([None if name is None else name[:2] for name in episodes], np.object_),
        episode=np.array(episodes, np.object_),
        known_ms=np.zeros(n, np.int64),
        skipped={},
        unmatched=0,
        undated=0,
        delay_ms=0,
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    scores, fraud = np.array([s for s, _ in rows], float), np.array([f for _, f in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[fraud] for b in scores[~fraud]]
    assert auc(scores, fraud) == pytest.approx(np.mean(pairs) if pairs else 0.5)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_average_precision_follows_its_definition(rows: list[tuple[int, bool]]) -> None:
    scores, fraud = np.array([s for s, _ in rows], float), np.array([f for _, f in rows])
    expected, before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        alerted = scores >= threshold
        recall = float(fraud[alerted].sum() / max(1, fraud.sum()))
        expected += (recall - before) * float(fraud[alerted].mean())
        before = recall
    assert average_precision(scores, fraud) == pytest.approx(expected)


def test_alert_volumes_count_rows_yen_episodes_and_first_hits() -> None:
    n = 1000
    fraud, amounts = [0] * n, [100] * n
    episodes: list[str | None] = [None] * n
    cards = list(range(n))
    for row, (episode, amount, card) in {
        10: ("T3-a", 5_000, 1),
        20: ("T3-a", 1_000, 1),
        30: ("T4-b", 2_000, 2),
        40: ("T1-c", 0, 3),
        50: ("T1-c", -1, 4),
    }.items():
        fraud[row], episodes[row], amounts[row], cards[row] = 1, episode, amount, card
    scores = np.linspace(0, 0.5, n)
    scores[[20, 30, 40, 60, 61]] = [9, 8, 7, 6, 5]  # the five highest: three frauds, two genuine
    metrics = evaluate(samples(fraud, amounts, episodes, cards), scores)
    assert metrics["fraud_rate"] == 0.005
    assert metrics["recall_at_0.5pct"] == 3 / 5
    assert metrics["value_recall_at_0.5pct"] == 3_000 / 8_000
    assert metrics["episode_recall_at_0.5pct"] == 1.0
    assert metrics["first_hit_recall_at_0.5pct"] == 2 / 4  # of T3-a the second row was detected, not the first
    assert metrics["false_positives_per_fraud_at_0.5pct"] == pytest.approx(2 / 3, abs=1e-6)
    assert metrics["recall_at_0.2pct"] == 2 / 5
    assert metrics["no_t1_fraud_rate"] == pytest.approx(3 / 998, abs=1e-6)
    assert metrics["no_t1_recall_at_0.2pct"] == pytest.approx(1 / 3, abs=1e-6)  # one alert in 998 rows
    assert metrics["recall_at_1pct_T1"] == 1 / 2  # row 40 is above the line, row 50 below
    lines = report_lines(metrics)
    assert any("recall_at_1pct_T4" in line and line.endswith("1.0000") for line in lines)


def test_a_tie_that_does_not_fit_raises_no_alert() -> None:
    scores = np.zeros(1000)
    scores[:20] = 1.0  # 20 equal scores at the top, 10 alerts allowed
    metrics = evaluate(samples([1] * 20 + [0] * 980, [1] * 1000, ["T3"] * 20 + [None] * 980, [0] * 1000), scores)
    assert metrics["recall_at_1pct"] == 0.0
    scores[:5] = 2.0
    metrics = evaluate(samples([1] * 20 + [0] * 980, [1] * 1000, ["T3"] * 20 + [None] * 980, [0] * 1000), scores)
    assert metrics["recall_at_1pct"] == 0.25


def test_the_first_hit_is_one_row_of_each_card_and_episode() -> None:
    fraud = np.array([1, 0, 1, 1, 1, 1], np.bool_)
    episode = np.array(["a", None, "a", "a", "b", "b"], np.object_)
    card = np.array([7, 7, 7, 8, 7, 7], np.uint64)
    assert first_hits(fraud, episode, card).tolist() == [True, False, False, True, True, False]
