"""The protocol of the Handbook's evaluation against plain loops: weeks, delay of labels, cards that are known."""

from dataclasses import replace

import numpy as np
import pytest

from models.training.matrix import Samples
from tests.bench.detection.handbook import CARDS, DAY_MS, FIRST_MS, card_precision, chosen, table, weeks
from tests.training.report.test_card import made

START = 3


def stream(seed: int) -> Samples:
    """Make 40 days of payments of 60 cards."""
    rng = np.random.default_rng(seed)
    rows, _ = made(seed, 3_000)
    days = np.sort(rng.integers(0, 40, 3_000))
    return replace(
        rows,
        event_ms=FIRST_MS + days * DAY_MS + rng.integers(0, DAY_MS, 3_000),
        card=rng.integers(0, 60, 3_000).astype(np.uint64),
        fraud=rng.random(3_000) < 0.01,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_test_day_leaves_out_the_cards_whose_fraud_is_known_by_then(seed: int) -> None:
    rows = stream(seed)
    days = [(ms - FIRST_MS) // DAY_MS for ms in rows.event_ms.tolist()]
    train, test = weeks(rows, START)
    assert train.tolist() == [i for i, day in enumerate(days) if START <= day < START + 7]
    expected = []
    for i, day in enumerate(days):
        if START + 14 <= day < START + 21:
            known = {int(rows.card[j]) for j, other in enumerate(days) if rows.fraud[j] and START <= other <= day - 8}
            if int(rows.card[i]) not in known:
                expected.append(i)
    assert test.tolist() == expected
    assert 0 < len(expected) < sum(START + 14 <= day < START + 21 for day in days)


def test_found_cards_are_left_out_on_later_days() -> None:
    n = 2 * (CARDS + 1)
    day = np.repeat([0, 1], CARDS + 1)
    card = np.tile(np.arange(CARDS + 1), 2).astype(np.uint64)
    scores = np.tile(np.arange(CARDS + 1)[::-1].astype(float), 2)
    fraud = np.zeros(n, bool)
    fraud[[0, CARDS]] = True  # the best card, and one beyond the hundred
    assert card_precision(day, card, fraud, scores) == (0.01 + 0) / 2
    fraud[n - 1] = True  # the first card is left out, so the last one is among the hundred
    assert card_precision(day, card, fraud, scores) == pytest.approx((0.01 + 0.01) / 2)


def test_rows_are_chosen_with_all_their_columns_and_the_table_has_every_fold() -> None:
    rows = stream(1)
    some = chosen(rows, np.array([5, 7]))
    assert some.event_ms.tolist() == rows.event_ms[[5, 7]].tolist()
    fold = dict.fromkeys(("auc", "ap", "cp_100", "ap_low", "ap_high", "fraud_rate", "recall_at_1pct"), 0.5)
    text = table("one", {"one": 0.4}, [fold | {"ap": 0.1 * k} for k in range(4)], 3_000)
    assert "| sekisho, one | 0.500 ± 0.000 | 0.150 ± 0.112 | 0.500 ± 0.000 |" in text
    for day in ("2018-08-15", "2018-08-08", "2018-08-01", "2018-07-25"):
        assert f"| {day} |" in text
