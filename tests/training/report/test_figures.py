"""Figures of the page against plain recounts."""

import math
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from models.training.matrix import Samples
from models.training.report.card import segments
from models.training.report.figures import (
    POINTS_MAX,
    SHARES,
    detection,
    histogram,
    precision_recall,
    reliability,
)
from models.training.report.resampling import card_weights, interval
from tests.training.report.made import rows


def drawn(seed: int, n: int = 600) -> tuple[list[float], list[bool], list[int], list[int], list[int]]:
    """Draw margins with ties, frauds, yen (-1 unknown), cards and scores."""
    rng = random.Random(seed)  # noqa: S311 -- rows of a test
    fraud = [rng.random() < 0.1 for _ in range(n)]
    margins = [round(rng.gauss(2.0 if one else 0.0, 1.0), 1) for one in fraud]
    yen = [rng.choice((-1, 0, rng.randint(1, 90_000))) for _ in range(n)]
    cards = [rng.randint(5, 5 + n // 4) for _ in range(n)]
    scores = [min(999, max(0, int(500 + 120 * one))) for one in margins]
    return margins, fraud, yen, cards, scores


def as_samples(fraud: list[bool], yen: list[int], cards: list[int]) -> Samples:
    return replace(
        rows(),
        fraud=np.array(fraud),
        amount_jpy=np.array(yen),
        card=np.array(cards, np.uint64),
    )


def percentile(values: list[float], share: float) -> float:
    """Interpolate between the two nearest values in order."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def plain_weights(cards: list[int], seed: int, resamples: int) -> list[list[float]]:
    """Give each card of a resample one draw, in the order of the cards' numbers."""
    rng = np.random.default_rng(seed)
    order = sorted(set(cards))
    found = []
    for _ in range(resamples):
        of = dict(zip(order, rng.poisson(1.0, len(order)).tolist(), strict=True))
        found.append([float(of[card]) for card in cards])
    return found


@pytest.mark.parametrize("seed", range(4))
def test_precision_and_recall_are_plain_counts_at_each_threshold(seed: int) -> None:
    margins, fraud, *_ = drawn(seed)
    expected: dict[float, float] = {}
    for level in sorted(set(margins), reverse=True):
        hits = [one for margin, one in zip(margins, fraud, strict=True) if margin >= level]
        recall = round(sum(hits) / sum(fraud), 6)
        if sum(hits):
            expected.setdefault(recall, round(fmean(hits), 6))
    first = precision_recall(np.array(fraud), np.array(margins))
    zero = [point for point in first if point[0] == 0.0]
    assert [point for point in first if point[0] > 0] == list(expected.items())
    assert len(zero) <= 1
    assert first[-1] == (1.0, pytest.approx(list(expected.values())[-1]))


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(1)
    fraud = rng.random(9_000) < 0.2
    margins = rng.normal(size=9_000) + fraud
    found = precision_recall(fraud, margins)
    assert POINTS_MAX - 20 < len(found) <= POINTS_MAX
    assert [point[0] for point in found] == sorted({point[0] for point in found})
    assert found[-1] == (1.0, pytest.approx(fraud[margins >= margins[fraud].min()].mean(), abs=1e-6))
    gaps = [after[0] - before[0] for before, after in pairwise(found)]
    assert max(gaps) < 2.5 / POINTS_MAX
    assert precision_recall(np.zeros(3, np.bool_), np.arange(3.0)) == []


@pytest.mark.parametrize("seed", range(4))
def test_detection_at_an_alert_rate_is_a_plain_count(seed: int) -> None:
    margins, fraud, yen, cards, _ = drawn(seed)
    found = as_samples(fraud, yen, cards)
    for share in SHARES:
        edge = sorted(margins, reverse=True)[int(len(margins) * share)]
        alerts = [margin > edge for margin in margins]
        one = detection(found, np.array(margins), share)
        caught = [a and f for a, f in zip(alerts, fraud, strict=True)]
        worth = sum(max(0, y) for y, c in zip(yen, caught, strict=True) if c)
        assert (one.share, one.alerts) == (share, sum(alerts))
        assert one.alerts <= len(margins) * share
        assert one.precision == (pytest.approx(sum(caught) / sum(alerts), abs=1e-6) if sum(alerts) else None)
        assert one.recall == pytest.approx(sum(caught) / sum(fraud), abs=1e-6)
        whole = sum(max(0, y) for y, f in zip(yen, fraud, strict=True) if f)
        assert one.value_recall == pytest.approx(worth / whole, abs=1e-6)
    nothing = detection(as_samples([False] * len(fraud), yen, cards), np.array(margins), 0.1)
    assert (nothing.precision, nothing.recall, nothing.value_recall) == (0.0, None, None)


def test_bands_of_scores_compare_mean_probability_and_rate_with_cards_resampled() -> None:
    margins, fraud, yen, cards, scores = drawn(9)
    probabilities = [1 / (1 + math.exp(-margin)) for margin in margins]
    found = reliability(
        as_samples(fraud, yen, cards), np.array(probabilities), np.array(scores, np.int16), seed=4, resamples=40
    )
    weights = plain_weights(cards, 4, 40)
    assert [one.score_from for one in found] == sorted({score // 50 * 50 for score in scores})
    for one in found:
        own = [k for k, score in enumerate(scores) if one.score_from <= score <= one.score_to]
        assert one.score_to == one.score_from + 49
        assert (one.rows, one.frauds) == (len(own), sum(fraud[k] for k in own))
        assert one.probability == pytest.approx(fmean(probabilities[k] for k in own), rel=1e-5)
        assert one.rate == pytest.approx(one.frauds / one.rows, rel=1e-5)
        rates = [
            sum(weight[k] * fraud[k] for k in own) / whole
            for weight in weights
            if (whole := sum(weight[k] for k in own))
        ]
        edges = (percentile(rates, 0.025), percentile(rates, 0.975)) if rates else (None, None)
        assert (one.rate_low, one.rate_high) == (pytest.approx(edges[0], abs=1e-6), pytest.approx(edges[1], abs=1e-6))


def test_bars_are_plain_counts_and_none_is_left_out() -> None:
    _, fraud, _, _, scores = drawn(2)
    scores[:3] = [0, 19, 999]
    found = histogram(np.array(fraud), np.array(scores, np.int16))
    counts = Counter((score // 20, one) for score, one in zip(scores, fraud, strict=True))
    assert [(bar.score_from, bar.frauds, bar.others) for bar in found] == [
        (20 * k, counts[k, True], counts[k, False]) for k in range(50)
    ]


def test_the_interval_of_a_segment_resamples_cards_at_the_threshold_of_all_rows() -> None:
    found = rows()
    margins = np.random.default_rng(2).normal(size=len(found.fraud)) + 3 * found.fraud
    told = segments(found, margins, seed=8, resamples=30)
    alerts = margins > sorted(margins, reverse=True)[int(len(margins) * 0.005)]
    weights = plain_weights(found.card.tolist(), 8, 30)
    for code, name in ((1, "ECOM"), (3, "CARD_PRESENT")):
        own = np.flatnonzero((found.segments["channel"] == code) & found.fraud).tolist()
        recalls = [sum(weight[k] for k in own if alerts[k]) / sum(weight[k] for k in own) for weight in weights]
        one = told["channel"][name]
        assert one["recall_low"] == pytest.approx(percentile(recalls, 0.025), abs=1e-6)
        assert one["recall_high"] == pytest.approx(percentile(recalls, 0.975), abs=1e-6)
        assert one["recall_low"] < one["recall"] < one["recall_high"]


def test_weights_are_those_of_cards_and_an_interval_leaves_unknown_values_out() -> None:
    cards = [7, 3, 7, 9, 3, 7]
    found = [weight.tolist() for weight in card_weights(np.array(cards, np.uint64), 5, 20)]
    assert found == plain_weights(cards, 5, 20)
    values = [float(k) for k in range(101)]
    assert interval([*values, math.nan]) == [2.5, 97.5]
    assert interval([math.nan]) == []
