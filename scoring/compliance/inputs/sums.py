"""Sums by an entity and a month or day, and the ids of events that were seen."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

PERIOD_BITS: Final = 20
"""Months and days since 1970 are below a million."""

SEEN_MAX: Final = 8_000_000
"""Ids remembered, 8 bytes each. A repeat that is further away than half of them counts as another event."""

_RUNS_MAX: Final = 8


class TooManyError(ValueError):
    """There is more to add up than fits in the limit; the text says of what, and what to do."""


class Sums:
    """Rows of int64 sums by entity (a number from 0) and period (a number below 2^20), `columns` each."""

    def __init__(self, columns: int, rows_max: int, what: str) -> None:
        self._rows: dict[int, int] = {}
        self._max = rows_max
        self._what = what
        self._data = np.zeros((1024, columns), dtype=np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, entities: NDArray[np.int64], periods: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add values int64[n, columns] to the rows of entities and periods, both int64[n].

        Raises:
            TooManyError: there are more rows than `rows_max`.
        """
        used = values.any(axis=1)
        if not used.any():
            return
        keys, at = np.unique((entities[used] << PERIOD_BITS) + periods[used], return_inverse=True)
        rows = np.array([self._row(key) for key in keys.tolist()], dtype=np.int64)
        np.add.at(self._data, rows[at], values[used])

    def get(self, entity: int, period: int) -> NDArray[np.int64] | None:
        """Return the sums of an entity in a period; None where there are none."""
        row = self._rows.get((entity << PERIOD_BITS) + period)
        return None if row is None else self._data[row]

    def entities(self) -> set[int]:
        """Return the entities that have a row."""
        return {key >> PERIOD_BITS for key in self._rows}

    def _row(self, key: int) -> int:
        row = self._rows.get(key)
        if row is not None:
            return row
        row = self._rows[key] = len(self._rows)
        if row >= self._max:
            raise TooManyError(f"more than {self._max:,} {self._what}: ask for fewer months")
        if row == len(self._data):
            self._data = np.concatenate([self._data, np.zeros_like(self._data)])
        return row


class Seen:
    """Tell repeats of ids apart, within `ids_max` of the newest ones. Ids are uint64."""

    def __init__(self, ids_max: int = SEEN_MAX) -> None:
        self._max = ids_max // 2
        self._runs: list[NDArray[np.uint64]] = []  # sorted
        self._older: list[NDArray[np.uint64]] = []
        self._count = 0

    def first(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Say of each id whether it comes for the first time, and remember it: bool[n]."""
        new = np.zeros(len(ids), dtype=np.bool_)
        new[np.unique(ids, return_index=True)[1]] = True
        for run in self._known():
            at = np.minimum(np.searchsorted(run, ids), len(run) - 1)
            new &= run[at] != ids
        added = np.sort(ids[new])
        if len(added):
            self._remember(added)
        return new

    def _known(self) -> Iterator[NDArray[np.uint64]]:
        yield from self._runs
        yield from self._older

    def _remember(self, added: NDArray[np.uint64]) -> None:
        self._runs.append(added)
        self._count += len(added)
        if len(self._runs) > _RUNS_MAX:  # merge the small ones; large ones are merged rarely
            self._runs.sort(key=len)
            self._runs[:_RUNS_MAX] = [np.sort(np.concatenate(self._runs[:_RUNS_MAX]))]
        if self._count >= self._max:
            self._older, self._runs, self._count = [np.sort(np.concatenate(self._runs))], [], 0
