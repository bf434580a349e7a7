"""Cases drawn at random over drawn payments, as a policy's result and as plain lists."""

import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.backtest.judged import Join, Judged, judge
from models.backtest.scored import Scored
from scoring.policy import policy_from
from tests.backtest.made import Row, Told, arrays, drawn

N = 400
POLICY = policy_from({"version": "t", "global": {"review": 400, "step_up": 600, "block": 800}})


class Made:
    """A drawn history with the results of two policies."""

    def __init__(self, directory: Path, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 -- payments of a test
        self.rows: list[Row] = drawn(seed, N)
        self.found: Scored = arrays(self.rows, directory)
        self.told = Told(self.rows)
        self.numbers = [
            [rng.choice((0, rng.randint(-10, 10) * rng.choice((1, 7)))) for _ in range(N)] for _ in range(2)
        ]
        self.joins = [[rng.randint(1, 8) for _ in range(N)] for _ in range(2)]
        self.lowered = frozenset(rng.sample(range(N), N // 4))
        self.before, self.now = (self._judged(k) for k in range(2))

    def _judged(self, k: int) -> Judged:
        judged = judge(self.found, POLICY, self.told)
        return replace(
            judged,
            cases=np.array(self.numbers[k], np.int64),
            joins=np.array([Join(one) for one in self.joins[k]], np.int8),
            lowered=self.lowered,
        )

    def cases(self, k: int, *, counted: bool = True) -> dict[int, list[int]]:
        """Return the rows of each case of a policy: of counted payments, or of those within the period."""
        found: dict[int, list[int]] = defaultdict(list)
        for place, (row, number) in enumerate(zip(self.rows, self.numbers[k], strict=True)):
            if number and (row.counted if counted else row.within):
                found[number].append(place)
        return found


def fate_of(rows: list[Row], own: list[int]) -> str:
    """Return what became of a case: the first word that is true of one of its payments."""
    fates = {rows[place].fate for place in own}
    return next(fate for fate in ("FRAUD", "DECLINED", "REFUNDED", "GOOD") if fate in fates)


def yen_of(rows: list[Row], own: list[int]) -> int:
    return sum(max(rows[place].jpy, 0) for place in own)
