"""A batch of a history, as policies are asked about it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.records import Record
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.observer import BATCH_MAX, Observed, Observer


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


def batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Cut records where the topic or the day in Tokyo changes, and at BATCH_MAX."""
    batch: list[Record] = []
    for record in records:
        if batch and (
            len(batch) == BATCH_MAX
            or record.topic != batch[0].topic
            or (record.at_ms + TOKYO_MS) // DAY_MS != (batch[0].at_ms + TOKYO_MS) // DAY_MS
        ):
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch
