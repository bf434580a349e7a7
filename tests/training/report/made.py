"""A training on few rows, made once for all tests of the report."""

from dataclasses import replace
from functools import cache

import numpy as np

from models.training.matrix import Samples
from models.training.report.card import model_card
from models.training.train import Plan, Trained, train
from tests.training.test_labels import samples

HOSTILE = '<img src=x onerror="alert(1)">&</pre><script>'
PLAN = Plan(name="ours", source=f"table {HOSTILE}", seed=5, trees=5)


def rows() -> Samples:
    """Give the rows segments, cards with several rows, unknown yen, and a reason from a table's author."""
    found, rng = samples(), np.random.default_rng(3)
    n = len(found.fraud)
    return replace(
        found,
        card=rng.integers(0, n // 3, n).astype(np.uint64),
        amount_jpy=rng.integers(-1, 120_000, n),
        segments={"channel": rng.integers(0, 5, n), "network": np.full(n, 1)},
        skipped={f"column {HOSTILE} is blank": 3},
    )


@cache
def trained() -> Trained:
    return train(rows(), PLAN)


@cache
def files() -> dict[str, bytes]:
    return model_card(trained(), PLAN)
