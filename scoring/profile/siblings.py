"""Siblings: dsTransIDs of one merchant that differ only in their last four digits, as made-up ones do.

An index over proofs (`profile.proofs`), kept for the merchant and the hash of the other digits. It has no rows of its
own: those of proofs fill it again after a restart.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

STEMS_MAX: Final = 1 << 17
"""Stems remembered, some 17 MB. When there are more, the older half is forgotten: an hour of 18 ids a second stays."""

SIBLINGS_MAX: Final = 8
"""Ids remembered of a stem: the newest."""

MIX: Final = 0x9E3779B1
_HALF: Final = 0xFFFFFFFF
_LOW: Final = np.uint64(_HALF)


def tag_of(acquirer: int, merchant: int, stem: int) -> int:
    """Join the lower halves of three hashes: 64 bits for a merchant's stem."""
    return (merchant * MIX + acquirer & _HALF) << 32 | stem


def entry_of(key: int, second: int) -> int:
    """Join the lower half of an id's hash with the second of its first use, which is above."""
    return second << 32 | key & _HALF


class Siblings:
    """Remember ids by stem, as entries."""

    def __init__(self) -> None:
        self._of: dict[int, int | tuple[int, ...]] = {}

    def observe(
        self, tags: NDArray[np.uint64], entries: NDArray[np.uint64], is_new: NDArray[np.bool_]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Take n ids in the order of their payments, and remember those that are new: their proofs are logged.

        Give, by place, what is known of the stem of each id that is not its only one.
        """
        listed = tags.tolist()
        known = list(map(self._of.get, listed, repeat(0)))
        apart = self._apart(listed, known, entries)
        fresh = is_new & ~apart
        self._of.update(zip(tags[fresh].tolist(), entries[fresh].tolist(), strict=True))
        for place in np.flatnonzero(apart).tolist():
            before = self._ids(listed[place])
            if before:
                yield place, before
            if is_new[place]:
                self.put(listed[place], int(entries[place]))
        if len(self._of) > STEMS_MAX:
            self._of = dict(islice(self._of.items(), len(self._of) // 2, None))

    def _apart(
        self, tags: list[int], known: list[int | tuple[int, ...]], entries: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """Tell which ids need a look of their own, bool[n]: their stem has another id, or comes twice."""
        apart = np.zeros(len(tags), dtype=np.bool_)
        if any(known):
            try:
                found = np.fromiter(known, dtype=np.uint64, count=len(known))
            except (TypeError, ValueError):  # some stem has several
                found = np.array([one if isinstance(one, int) else 0 for one in known], dtype=np.uint64)
                apart |= np.fromiter((isinstance(one, tuple) for one in known), dtype=np.bool_, count=len(tags))
            apart |= (found > 0) & (found & _LOW != entries & _LOW)
        if len(set(tags)) != len(tags):
            times = Counter(tags)
            apart |= np.fromiter((times[tag] > 1 for tag in tags), dtype=np.bool_, count=len(tags))
        return apart

    def put(self, tag: int, entry: int) -> None:
        """Remember an id. The newest of a stem stay, in whatever order they came."""
        others = self._ids(tag)
        same = [one for one in others if one & _HALF == entry & _HALF]
        kept = sorted([*(one for one in others if one not in same), max([*same, entry])])
        self._of.pop(tag, None)
        self._of[tag] = tuple(kept[-SIBLINGS_MAX:]) if len(kept) > 1 else kept[0]

    def clear(self) -> None:
        """Forget all ids."""
        self._of.clear()

    def _ids(self, tag: int) -> tuple[int, ...]:
        found = self._of.get(tag, ())
        return found if isinstance(found, tuple) else (found,)


def earlier(before: Sequence[int], entry: int, within_s: int) -> int:
    """Count the ids among `before` that are others than that of `entry`, and at most so many seconds before it."""
    second = entry >> 32
    return sum(second - within_s <= one >> 32 <= second and one & _HALF != entry & _HALF for one in before)
