"""Sightings: detect cards in two partitions. A producer that keys by something else splits their profiles.

A sample of cards is watched, chosen by hash, so that every worker watches the same cards. A sighting is a card and a
partition in which it had an event. It is logged once in `shared-profiles`, so that it is restored, and other workers
read it.

A card in k partitions makes k - 1 conflicts, on any number of workers and in any order of their rows. One sighting of a
card is its first. Every other is a conflict, reported by the worker that owns its partition: at once if another
sighting was restored or read before. Two workers may each write a sighting before they read the other's. Then the
lowest partition counts as the first, and the other is reported with the next batch. The row has a flag for a sighting
that was reported, so that no restart and no other worker reports it again.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.packed import (
    NO_ROWS,
    ROW_FORMAT,
    SIGHTING,
    SIGHTING_WORDS,
    Packed,
    side_keys,
    side_keys_of,
    side_rows_of,
)

SAMPLED_BITS: Final = 8
"""One card in 256: wrong keys affect most cards of a producer, so a few thousand events are enough to notice.

These are the lowest bits of the hash as it is. Stores, sketches and fingerprints take the upper bits of its product
(`scoring.profile.kernels.store.mix`), which depend on all of it. All ones are chosen, so 0, an absent card, is not.
"""

CARDS_MAX: Final = 1 << 16
"""Limit of sightings, some 7 MB: a sample of 16 million cards. The oldest sighting is evicted."""

_CHOSEN: Final = np.uint64((1 << SAMPLED_BITS) - 1)
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)


class Sightings:
    """The partitions of sampled cards, on this worker and others. With one partition there is nothing to do.

    A place is an int: n bits for the partitions where a card was seen, and n bits above for those reported.
    """

    kind: Final = SIGHTING
    name: Final = "SIGHTING"
    words: Final = SIGHTING_WORDS
    is_shared: Final = True

    def __init__(self, partitions: int) -> None:
        self._n = partitions
        self._where: dict[int, int] = {}  # by card, in the order in which cards were first seen
        self._notes: dict[int, dict[int, None]] = {}  # by partition of this worker: cards that its next flush writes
        self._met: dict[int, dict[int, None]] = {}  # the same: cards that a row shows in another partition too

    def observe(self, cards: NDArray[np.uint64], partition: int) -> int:
        """Take the cards of a batch, uint64[n] and 0 for none; return the conflicts of its partition to be reported."""
        if self._n == 1:
            return 0
        sampled = cards[cards & _CHOSEN == _CHOSEN]
        if not len(sampled) and not self._met.get(partition):
            return 0
        notes, conflicts = self._notes.setdefault(partition, {}), 0
        for card in self._met.get(partition, ()):  # only now: a later row may have said that it was reported
            where = self._where.get(card, 0)
            if self._surplus(where) >> partition & 1:
                conflicts += 1
                self._where[card] = where | self._bits(partition, is_reported=True)
                notes[card] = None
        self._met[partition] = {}
        for card in sampled.tolist():
            where = self._where.get(card, 0)
            if where >> partition & 1:
                continue
            conflicts += where != 0
            self._put(card, where | self._bits(partition, is_reported=where != 0))
            notes[card] = None
        return conflicts

    def flush(self, partition: int) -> Packed:
        """Pack new sightings of a partition, and tombstones of evicted ones."""
        noted = self._notes.get(partition)
        if not noted:
            return NO_ROWS
        self._notes[partition] = {}
        where = [self._where.get(card, 0) >> partition for card in noted]
        known = np.array([bits & 1 for bits in where], dtype=np.bool_)
        cards = np.fromiter(noted, dtype=np.uint64, count=len(noted))
        values = np.empty((np.count_nonzero(known), SIGHTING_WORDS), dtype=np.uint32)
        values[:, 0] = ROW_FORMAT
        values[:, 1] = [bits >> self._n & 1 for bits in where if bits & 1]
        keys = side_keys(SIGHTING, partition, cards)
        return Packed(keys, values.reshape(-1), np.cumsum(known, dtype=np.int64) * SIGHTING_WORDS)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the sightings among logged rows that were checked; of two with one key the later counts."""
        both = self._bits(partition, is_reported=True)
        for _, card, begin, end in side_rows_of(SIGHTING, packed):
            where = self._where.get(card, 0) & ~both
            if end > begin:
                where |= self._bits(partition, is_reported=bool(packed.values[end - 1]))
            self._put(card, where)
            if self._surplus(where):
                for own, met in self._met.items():
                    if where >> own & 1:
                        met[card] = None

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note the sightings among rows by their keys, so that the next flush writes them or their tombstones."""
        cards = side_keys_of(SIGHTING, keys)
        if cards:
            self._notes.setdefault(partition, {}).update(dict.fromkeys(cards))

    def forget(self, partition: int) -> None:
        """Drop the sightings of a partition, before they are restored from its changelog."""
        both = self._bits(partition, is_reported=True)
        for card, where in list(self._where.items()):
            if where & both:
                self._put(card, where & ~both)

    def own(self, partition: int) -> None:
        """Begin to write and report sightings of a partition, also before its first batch."""
        self._notes.setdefault(partition, {})
        self._met.setdefault(partition, {})

    def leave(self, partition: int) -> None:
        """Stop writing and reporting sightings of a partition: it was revoked, or is about to be restored."""
        self._notes.pop(partition, None)
        self._met.pop(partition, None)

    def _bits(self, partition: int, *, is_reported: bool) -> int:
        return (1 | is_reported << self._n) << partition

    def _surplus(self, where: int) -> int:
        """Return the partitions where a card is in conflict and that is not reported: all but the lowest."""
        unreported = where & ~(where >> self._n) & (1 << self._n) - 1
        return unreported & unreported - 1

    def _put(self, card: int, where: int) -> None:
        """Set where a card was seen; nowhere removes it. A full table drops its oldest card."""
        if where and card not in self._where and len(self._where) >= CARDS_MAX:
            oldest = next(iter(self._where))
            for partition, notes in self._notes.items():
                if self._where[oldest] >> partition & 1:
                    notes[oldest] = None
            self._put(oldest, 0)
        if where:
            self._where[card] = where
        elif self._where.pop(card, 0):
            for met in self._met.values():
                met.pop(card, None)
