"""Quality figures agree with their definitions, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.ranking import rank

CASES = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 1000)), min_size=2, max_size=60)


def arrays(rows: list[tuple[int, bool, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, fraud, amounts = zip(*rows, strict=True)
    return np.array(scores, np.float32), np.array(fraud), np.array(amounts, np.int64)


@given(CASES)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool, int]]) -> None:
    scores, fraud, amounts = arrays(rows)
    result = rank(scores, fraud, amounts)
    pairs = [(a, b) for a in scores[fraud] for b in scores[~fraud]]
    if not pairs:
        assert result is None
        return
    assert result is not None
    assert result.auc == pytest.approx(np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]))


@given(CASES)
def test_average_precision_sums_precision_over_steps_of_recall(rows: list[tuple[int, bool, int]]) -> None:
    scores, fraud, amounts = arrays(rows)
    result = rank(scores, fraud, amounts)
    if result is None:
        return
    expected, before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        alerted = scores >= threshold
        recall = fraud[alerted].sum() / fraud.sum()
        expected += (recall - before) * fraud[alerted].mean()
        before = recall
    assert result.average_precision == pytest.approx(expected)


def test_a_perfect_score_catches_all_within_its_alerts() -> None:
    scores = np.arange(1000, dtype=np.float32)
    fraud = scores >= 995
    result = rank(scores, fraud, np.where(scores == 999, 600, 100).astype(np.int64))
    assert result is not None
    assert (result.auc, result.average_precision) == (1.0, 1.0)
    at = {rate.rate: rate for rate in result.at_rates}
    assert at[0.001].recall == pytest.approx(0.2)
    assert at[0.001].value_recall == pytest.approx(0.6)
    assert at[0.005].recall == pytest.approx(1.0)
    assert at[0.01].false_per_fraud == pytest.approx(1.0)


def test_without_fraud_there_are_no_figures() -> None:
    assert rank(np.ones(3, np.float32), np.zeros(3, bool), np.ones(3, np.int64)) is None
