"""Which entry is in force for a key at a time, for a whole batch at once."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.policy.scopes import ALWAYS_FROM_MS, ALWAYS_TO_MS

NOTHING: Final = -1
"""The row where no entry is in force."""
_ALWAYS: Final = (ALWAYS_FROM_MS, ALWAYS_TO_MS)


class Dated(NamedTuple):
    """An entry: the key of its scope, its period `from_ms <= time < to_ms`, and the row that it stands for."""

    key: int
    from_ms: int
    to_ms: int
    row: int


class Timeline:
    """Rows by key and time. Of one key, an override goes before a standing entry; else only one is in force.

    All starts and ends of periods are ranked. A key's periods are cut at its own starts and ends, and each piece has
    one row. So a look-up is two binary searches: of the key, and of (key, rank of the time).
    """

    def __init__(self, standing: Sequence[Dated], overrides: Sequence[Dated]) -> None:
        both = [*standing, *overrides]
        self._keys = np.unique(np.array([entry.key for entry in both], dtype=np.uint64))
        self._cuts = np.unique(np.array([ms for entry in both for ms in entry[1:3]], dtype=np.int64))
        self._ranks = len(self._cuts) + 1
        cuts = self._cuts.tolist()
        pieces: list[tuple[int, int]] = []
        first, second = _by_key(standing), _by_key(overrides)
        for place, key in enumerate(self._keys.tolist()):
            own, over = first.get(key, []), second.get(key, [])
            if not over and own[0][1:3] == _ALWAYS:
                pieces.append((place * self._ranks, own[0].row))
                continue
            for at_ms in sorted({ALWAYS_FROM_MS - 1, *(ms for entry in (*own, *over) for ms in entry[1:3])}):
                rank = bisect_right(cuts, at_ms)
                row = _in_force(over, at_ms)
                pieces.append((place * self._ranks + rank, _in_force(own, at_ms) if row == NOTHING else row))
        self._starts = np.array([start for start, _ in pieces], dtype=np.int64)
        self._rows = np.array([row for _, row in pieces], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: NDArray[np.uint64], at_ms: NDArray[np.int64], out: NDArray[np.int64]) -> None:
        """Write the row of each event into `out` (int64[n]); where none is in force, `out` keeps its value.

        `keys` uint64[n], `at_ms` int64[n] in ms since the epoch.
        """
        places = np.minimum(self._keys.searchsorted(keys), len(self._keys) - 1)
        hits = np.flatnonzero(self._keys[places] == keys)
        if not len(hits):
            return
        ranks = self._cuts.searchsorted(at_ms[hits], side="right")
        pieces = self._starts.searchsorted(places[hits] * self._ranks + ranks, side="right") - 1
        rows = self._rows[pieces]
        is_set = rows != NOTHING
        out[hits[is_set]] = rows[is_set]


def _by_key(entries: Sequence[Dated]) -> dict[int, list[Dated]]:
    """Group entries by key, each group in the order of time."""
    found: dict[int, list[Dated]] = {}
    for entry in sorted(entries):
        found.setdefault(entry.key, []).append(entry)
    return found


def _in_force(entries: Sequence[Dated], at_ms: int) -> int:
    """Return the row of the entry of one key that is in force at a time."""
    at = bisect_right(entries, at_ms, key=lambda entry: entry.from_ms) - 1
    return entries[at].row if at >= 0 and at_ms < entries[at].to_ms else NOTHING
