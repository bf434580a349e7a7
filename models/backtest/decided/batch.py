"""A batch of a history, as policies are asked about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.observer import Observed, Observer


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of the history after profiles and model. `margins` float64[m]: those of its m events.

    `kept` int64[k]: the positions of its rows of the history, which begin at row `first`.
    """

    observer: Observer
    observed: Observed
    margins: NDArray[np.float64]
    kept: NDArray[np.int64]
    first: int

    @property
    def rows(self) -> slice:
        """The rows of the history."""
        return slice(self.first, self.first + len(self.kept))
