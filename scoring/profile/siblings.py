"""Siblings: dsTransIDs of one merchant that differ only in their last four digits, as made-up ones do.

An index over proofs (`profile.proofs`), kept for the merchant and the hash of the other digits: the stem. It has no
rows of its own: those of proofs fill it again after a restart. Nearly all stems have one id, so these stand in two
tables of the kernel, a current and an earlier one; when the current one is half full it becomes the earlier one.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, revision, whole

STEMS_MAX: Final = 1 << 16
"""Stems in a table, which has twice the room: 4 MB for both. So many stems are remembered at least: an hour of 18 ids a
second."""

SIBLINGS_MAX: Final = 8
"""Ids remembered of a stem: the newest."""

SEVERAL_MAX: Final = 1 << 14
"""Stems remembered that have several ids. When there are more, the older half is forgotten."""

MIX: Final = 0x9E3779B1
_HALF: Final = 0xFFFFFFFF
_LOW: Final = np.uint64(_HALF)
_NO: Final = np.uint64(0)
_SEVERAL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
"""In place of the entry of a stem that has several ids."""


class Siblings:
    """Remember ids by stem.

    A tag is 64 bits for a merchant's stem: acquirer and merchant mixed by MIX above, the lower half of the stem's hash
    below. An entry is an id: the second of its first use above, the lower half of its hash below.
    """

    def __init__(self, stems_max: int = STEMS_MAX) -> None:
        self._stems_max = stems_max
        self._tables = np.zeros((2, 2 * stems_max, 2), dtype=np.uint64)  # tags (0 none) and entries
        self._current = 0
        self._used = 0
        self._several: dict[int, tuple[int, ...]] = {}

    def observe(
        self, tags: NDArray[np.uint64], entries: NDArray[np.uint64], is_new: NDArray[np.bool_]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Take n ids in the order of their payments, and remember those that are new: their proofs are logged.

        Give, by place, what is known of the stem of each id that is not its only one.
        """
        for begin in range(0, len(tags), self._stems_max):
            end = min(begin + self._stems_max, len(tags))
            if self._used + end - begin > self._stems_max:
                self._current, self._used = 1 - self._current, 0
                self._tables[self._current] = 0
            apart, firsts = np.empty(end - begin, np.int64), np.empty(end - begin, np.uint64)
            current, earlier_one = self._tables[self._current], self._tables[1 - self._current]
            columns = tags[begin:end], entries[begin:end], is_new[begin:end]
            got = _look(*columns, current, earlier_one, apart, firsts)
            self._used += got >> 32
            yield from self._look_apart(apart[: got & _HALF] + begin, firsts, tags, entries, is_new)

    def _look_apart(
        self,
        places: NDArray[np.int64],
        firsts: NDArray[np.uint64],
        tags: NDArray[np.uint64],
        entries: NDArray[np.uint64],
        is_new: NDArray[np.bool_],
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Do the same for ids whose stem has another one: `firsts` is its only one, or says that there are several."""
        for place, first in zip(places.tolist(), firsts.tolist(), strict=False):
            tag = int(tags[place])
            before = self._several.get(tag, ()) if first == _SEVERAL else (first,)
            yield place, before
            if is_new[place]:
                self._several.pop(tag, None)
                self._several[tag] = merged(before, int(entries[place]))
        if len(self._several) > SEVERAL_MAX:
            self._several = dict(islice(self._several.items(), len(self._several) // 2, None))

    def clear(self) -> None:
        """Forget all ids."""
        self._tables[:] = 0
        self._used = 0
        self._several = {}

    def _ids(self, tag: int) -> tuple[int, ...]:
        """Give what is known of a stem."""
        for table in (self._tables[self._current], self._tables[1 - self._current]):
            found = table[table[:, 0] == max(tag, 1), 1].tolist()
            if found:
                return self._several.get(tag, ()) if found[0] == _SEVERAL else (found[0],)
        return ()


def merged(before: Sequence[int], entry: int) -> tuple[int, ...]:
    """Add an id to those of a stem: the newest stay, and of one id its last use, in whatever order they come."""
    same = [one for one in before if one & _HALF == entry & _HALF]
    return tuple(sorted([*(one for one in before if one not in same), max([*same, entry])])[-SIBLINGS_MAX:])


def earlier(before: Sequence[int], entry: int, within_s: int) -> int:
    """Count the ids among `before` that are others than that of `entry`, and at most so many seconds before it."""
    second = entry >> 32
    return sum(second - within_s <= one >> 32 <= second and one & _HALF != entry & _HALF for one in before)


@helper
def _find(table: NDArray[np.uint64], tag: np.uint64) -> int:
    """Find the place of a tag, or the free one where it would stand."""
    mask = len(table) - 1
    at = whole((tag ^ (tag >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(40)) & mask
    while table[at, 0] != _NO and table[at, 0] != tag:
        at = (at + 1) & mask
    return at


@helper
def _write(
    tags: NDArray[np.uint64],
    entries: NDArray[np.uint64],
    is_new: NDArray[np.bool_],
    current: NDArray[np.uint64],
    before: NDArray[np.uint64],
    apart: NDArray[np.int64],
    firsts: NDArray[np.uint64],
) -> int:
    """Remember ids that are the only ones of their stem. Return the number of others, and of new tags << 32."""
    n, used = 0, 0
    for k in range(len(tags)):
        tag, entry = tags[k] if tags[k] != _NO else np.uint64(1), entries[k]
        at = _find(current, tag)
        known = current[at, 1] if current[at, 0] != _NO else before[_find(before, tag), 1]
        is_apart = known == _SEVERAL or (known != _NO and known & _LOW != entry & _LOW)
        if is_apart:
            apart[n], firsts[n] = k, known
            n += 1
        if is_new[k]:
            used += current[at, 0] == _NO
            current[at, 0] = tag
            current[at, 1] = _SEVERAL if is_apart else max(known, entry)
    return n | used << 32


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def look(
        tags: NDArray[np.uint64],
        entries: NDArray[np.uint64],
        is_new: NDArray[np.bool_],
        current: NDArray[np.uint64],
        before: NDArray[np.uint64],
        apart: NDArray[np.int64],
        firsts: NDArray[np.uint64],
    ) -> int:
        return _write(*borrow((tags, entries, is_new, current, before, apart, firsts))) + 0 * key

    return look


_look = _compile(revision("scoring.profile.siblings"))


def run_siblings() -> None:
    """Run the kernel for no ids, to compile it."""
    none, table = np.empty(0, np.uint64), np.zeros((2, 2), np.uint64)
    _look(none, none, np.empty(0, np.bool_), table, table, np.empty(0, np.int64), none)
