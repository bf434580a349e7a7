"""Bins of a model's inputs and score, flat for the kernel, and the population stability index (PSI) of counts in them.

    PSI = sum over bins of (now - then) * ln(now / then)

of shares of rows, as in N. Siddiqi, Credit Risk Scorecards (2006). It is 0 where both are equal. A share below
SHARE_MIN counts as that: an empty bin would make the index infinite. Of rows from one distribution it is about
(bins - 1) / rows.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.model.baseline import Baseline, InputBaseline

SHARE_MIN: Final = 1e-4


class Bins:
    """The bins of F inputs and of the score, one behind the other.

    `starts` int64[F + 1]: input f has the places from `starts[f]` until before `starts[f + 1]`: missing first, then its
    bins, and for a category one more for codes that training did not see. The score's bins begin at `starts[F]`.
    `bounds` float64[places]: the lower bound of each bin of a number (-inf of its first), the code of each category,
    NaN at other places. `is_category` bool[F]. `then` int64[places]: rows at training. `identity`: digest of all.
    Without a baseline there are no inputs and no score, and `identity` is 0.
    """

    def __init__(self, baseline: Baseline | None, names: Sequence[str]) -> None:
        inputs = [] if baseline is None else [baseline.inputs[name] for name in names]
        parts = [_places(one) for one in inputs]
        self.names: Final = tuple(names) if inputs else ()
        self.starts = np.cumsum([0, *(len(bounds) for bounds, _ in parts)], dtype=np.int64)
        scores = () if baseline is None else baseline.scores
        of_score = np.full(len(scores), np.nan)
        self.bounds: NDArray[np.float64] = np.concatenate([*(bounds for bounds, _ in parts), of_score])
        self.then = np.array([*(rows for _, counts in parts for rows in counts), *scores], dtype=np.int64)
        self.is_category = np.array([one.categories is not None for one in inputs], dtype=np.bool_)
        self.identity: Final = 0 if baseline is None else crc32(msgspec.json.encode((baseline, self.names))) or 1

    @property
    def places(self) -> int:
        """Counts of one day: all bins."""
        return len(self.then)

    @property
    def score_start(self) -> int:
        """The place of the score's first bin."""
        return int(self.starts[-1])

    def psi(self, now: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
        """Return the index of each input, float64[F], and that of the score, of counts int64[places]."""
        groups = np.repeat(np.arange(len(self.starts)), np.diff([*self.starts.tolist(), self.places]))
        terms = _terms(_shares(now, groups), _shares(self.then, groups))
        sums = np.zeros(len(self.starts))
        np.add.at(sums, groups, terms)
        return sums[:-1], float(sums[-1])

    def missing(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of rows in which each input is missing, float64[F], of counts int64[places]; NaN of none."""
        return self._share(counts, self.starts[:-1])

    def unseen(self, counts: NDArray[np.int64]) -> dict[str, float]:
        """Return by category the share of rows with a code that training did not see; NaN of no rows."""
        shares = self._share(counts, self.starts[1:] - 1)
        return {self.names[k]: float(shares[k]) for k in np.flatnonzero(self.is_category).tolist()}

    def _share(self, counts: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        shares = np.full(len(places), np.nan)
        if self.names:
            rows = np.add.reduceat(counts[: self.score_start], self.starts[:-1])
            np.divide(counts[places], rows, out=shares, where=rows > 0)
        return shares


def _places(one: InputBaseline) -> tuple[list[float], list[int]]:
    """Return bound and rows of each place of an input."""
    if one.categories is None:
        return [np.nan, -np.inf, *one.bounds], [one.missing, *one.rows]
    return [np.nan, *map(float, one.categories), np.nan], [one.missing, *one.rows, 0]


def _shares(counts: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = np.bincount(groups, weights=counts)[groups]
    shares: NDArray[np.float64] = np.maximum(counts / np.maximum(rows, 1), SHARE_MIN)
    return shares


def _terms(now: NDArray[np.float64], then: NDArray[np.float64]) -> NDArray[np.float64]:
    terms: NDArray[np.float64] = (now - then) * np.log(now / then)
    return terms
