"""The model card: intervals against scikit-learn's weighted metrics, segments against plain counts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from models.training.matrix import Samples
from models.training.report.card import confidence, model_card, segments, weighted_metrics
from models.training.train import train
from tests.training.history.test_history import PLAN, Recorded, collected, traffic
from tests.training.report.undrawn import leave_pictures_out
from tests.training.test_labels import samples


def made(seed: int, n: int = 400) -> tuple[Samples, np.ndarray]:
    """Take rows with ties in their scores, unknown yen and cards with several rows."""
    rng = np.random.default_rng(seed)
    some = samples()
    cut = {name: getattr(some, name)[:n] for name in ("matrix", "event_ms", "fraud", "typology", "episode", "known_ms")}
    rows = replace(
        some,
        **cut,
        card=rng.integers(0, n // 3, n).astype(np.uint64),
        amount_jpy=rng.integers(-1, 120_000, n),
        segments={"channel": rng.integers(0, 5, n), "network": np.full(n, 1)},
    )
    return rows, np.round(rng.random(n) + 0.4 * rows.fraud, 1)


@pytest.mark.parametrize("seed", range(5))
def testweighted_metrics_metrics_are_those_of_scikit_learn_and_of_plain_counts(seed: int) -> None:
    rows, scores = made(seed)
    weight = np.random.default_rng(seed).poisson(1.0, len(scores)).astype(float)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    fraud, yen = rows.fraud[order].astype(float), np.maximum(rows.amount_jpy[order], 0) * rows.fraud[order]
    found = dict(weighted_metrics(fraud, yen, weight[order], ends))
    assert found["pr_auc"] == pytest.approx(average_precision_score(rows.fraud, scores, sample_weight=weight))
    assert found["auc"] == pytest.approx(roc_auc_score(rows.fraud, scores, sample_weight=weight))
    assert found["fraud_rate"] == pytest.approx(np.average(rows.fraud, weights=weight))
    limits = [level for level in sorted(set(scores)) if weight[scores >= level].sum() <= weight.sum() * 0.01]
    alerts = scores >= limits[0] if limits else np.zeros(len(scores), bool)
    assert found["recall_at_1pct"] == pytest.approx(weight[alerts & rows.fraud].sum() / weight[rows.fraud].sum())


def test_alerts_are_exactly_as_many_as_the_share_allows() -> None:
    fraud = np.zeros(1_000)
    fraud[[0, 9, 10, 500]] = 1
    found = dict(weighted_metrics(fraud, fraud * 7, np.ones(1_000), np.arange(1_000)))
    assert (found["recall_at_1pct"], found["value_recall_at_1pct"], found["recall_at_0.1pct"]) == (0.5, 0.5, 0.25)


def test_an_interval_holds_the_metric_and_is_the_same_each_time() -> None:
    rows, scores = made(3, 2_000)
    found = confidence(rows, scores, seed=1, resamples=60)
    assert found == confidence(rows, scores, seed=1, resamples=60)
    assert found != confidence(rows, scores, seed=2, resamples=60)
    low, high = found["pr_auc"]
    assert low < average_precision_score(rows.fraud, scores) < high
    one_card = rows.card.copy()
    one_card[rows.fraud] = np.uint64(1)
    wide = confidence(replace(rows, card=one_card), scores, seed=1, resamples=60)["fraud_rate"]
    assert wide[1] - wide[0] > 3 * (found["fraud_rate"][1] - found["fraud_rate"][0]), "rows of a card move together"


def test_segments_are_plain_counts_of_one_threshold() -> None:
    rows, scores = made(4, 3_000)
    alerts = scores > sorted(scores, reverse=True)[int(len(scores) * 0.005)]
    found = segments(rows, scores, seed=1, resamples=3)
    assert sum(int(one["rows"]) for one in found["network"].values()) == len(scores)
    assert set(found["channel"]) == {"UNKNOWN", "ECOM", "MOTO", "CARD_PRESENT", "OTHER"}
    in_band = (rows.amount_jpy >= 50_000) & (rows.amount_jpy < 100_000)
    one = found["amount_jpy"]["50,000 to 99,999"]
    assert (one["rows"], one["frauds"]) == (in_band.sum(), (in_band & rows.fraud).sum())
    assert one["recall"] == pytest.approx(alerts[in_band & rows.fraud].mean(), abs=1e-6)
    assert one["false_positive_rate"] == pytest.approx(alerts[in_band & ~rows.fraud].mean(), abs=1e-6)
    assert one["alert_rate"] == pytest.approx(alerts[in_band].mean(), abs=1e-6)


def test_the_card_says_data_windows_metrics_segments_and_importance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_pictures_out(monkeypatch)
    trained = train(collected(tmp_path, Recorded(traffic())), PLAN)
    files = model_card(trained, PLAN)
    card, page = json.loads(files["card.json"]), files["card.md"].decode()
    assert sum(card["importance_of_gain"].values()) == pytest.approx(1, abs=0.05)
    low, high = card["intervals_95"]["pr_auc"]
    assert low <= card["metrics"]["pr_auc"] <= high
    assert card["windows"]["test"]["rows"] == len(trained.test.fraud)
    assert card["left_out"]["label not known yet"] > 0
    for title in ("Windows (UTC)", "Left out", "Metrics on the test days", "By month", "Importance of features"):
        assert f"## {title}" in page
    assert "Limits: " in page
