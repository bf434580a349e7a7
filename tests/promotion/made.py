"""Two models over made payments, as arrays and as plain rows."""

import random
from dataclasses import dataclass

import numpy as np

from models.promotion.figures import Counted
from models.promotion.pair import Rated


@dataclass
class Row:
    """A payment in plain words: what it was, and what each model says of it."""

    fraud: bool
    yen: int
    card: int
    probabilities: tuple[float, float]
    scores: tuple[int, int]


def drawn(seed: int, n: int = 200, *, frauds: float = 0.2) -> list[Row]:
    """Draw payments with many equal scores. The second model knows a little more."""
    rng = random.Random(seed)  # noqa: S311 -- payments of a test
    rows = []
    for _ in range(n):
        fraud = rng.random() < frauds
        scores = []
        for skill in (0.4, 0.7):
            base = rng.choice((700, 640, 999)) if fraud and rng.random() < skill else rng.choice((0, 49, 50, 99, 300))
            scores.append(base if rng.random() < 0.5 else rng.randint(0, 999))
        first, second = (min(max(score / 1000 + rng.uniform(-0.0004, 0.0004), 1e-9), 1.0) for score in scores)
        yen = rng.choice((0, 1, 999, rng.randint(0, 10**6)))
        rows.append(Row(fraud, yen, rng.randint(0, n // 4), (first, second), (scores[0], scores[1])))
    return rows


def arrays(rows: list[Row]) -> tuple[Rated, Rated, Counted]:
    rated = [
        Rated(
            version=("current-1", "candidate-2")[which],
            probabilities=np.array([row.probabilities[which] for row in rows]),
            scores=np.array([row.scores[which] for row in rows], np.int16),
            us_per_row=np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]][which]),
        )
        for which in (0, 1)
    ]
    counted = Counted(
        fraud=np.array([row.fraud for row in rows], np.bool_),
        yen=np.array([row.yen for row in rows], np.int64),
        card=np.array([row.card for row in rows], np.uint64),
    )
    return rated[0], rated[1], counted
