"""Proofs: remember the first use of cryptograms and of dsTransIDs, so that a replayed one is noticed.

A proof is a keyed hash that the event carries, never the cryptogram. Each partition keeps the uses that it saw in a
ring of its own: a full one forgets the oldest. A use is logged once in `shared-profiles` with its number in the ring,
so a restore puts each where it was, and other workers read it. A use counts for AGE_MAX_S of event time.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.profile.packed import (
    NO_ROWS,
    PROOF,
    PROOF_WORDS,
    ROW_FORMAT,
    Packed,
    side_keys,
    side_keys_of,
    side_rows_of,
)
from scoring.profile.siblings import MIX, Siblings

USES_MAX: Final = 1 << 20
"""Uses remembered of all partitions together, some 200 MB when full: an event has one or two."""

AGE_MAX_S: Final = 90 * 86_400
"""A use that is older is forgotten: networks take no authentication of more than 90 days."""

USE_COLUMNS: Final = 6
"""Columns of what is kept of a use, uint32: card, merchant, order (0 unknown), acquirer, second of event time, and what
is said of the use in SAID_BITS bits. A dsTransID (IS_ID) has its stem in place of the card: the hash of all but its
last four digits."""
CARD, MERCHANT, ORDER, ACQUIRER, SECOND, SAID = range(USE_COLUMNS)
STEM: Final = CARD
SAID_BITS: Final = 22
IS_ID: Final = 1 << SAID_BITS - 1

_NONE: Final = -1
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_NUMBER_BITS: Final = 32 - SAID_BITS
"""Of the number of a use beyond its lower half: SAID is above them in the same word."""


class Replays(NamedTuple):
    """Proofs that were used before.

    `places` int64[k] among those observed, rising; `known` uint32[k, USE_COLUMNS], of each a use before it.
    """

    places: NDArray[np.int64]
    known: NDArray[np.uint32]


NO_REPLAYS: Final = Replays(np.empty(0, dtype=np.int64), np.empty((0, USE_COLUMNS), dtype=np.uint32))


class _Ring:
    """The uses of one partition, as views of the arrays of all: number s stands at s modulo the size."""

    def __init__(self, keys: NDArray[np.uint64], numbers: NDArray[np.int64], uses: NDArray[np.uint32]) -> None:
        self.keys = keys  # 0: none
        self.numbers = numbers  # plus one; 0: none
        self.uses = uses
        self.end = 0  # number of the next use
        self.flushed = 0  # those before it are logged
        self.again: dict[int, None] = {}  # keys whose rows, or tombstones, the next flush writes
        self.is_owned = False


class Proofs:
    """Remember uses, by this worker and by others. `uses_max` bounds those of all partitions."""

    kind: Final = PROOF
    name: Final = "PROOF"
    words: Final = PROOF_WORDS
    is_shared: Final = True

    def __init__(self, partitions: int, uses_max: int = USES_MAX) -> None:
        self._partitions = partitions
        self._size = max(1 << (uses_max // partitions).bit_length() - 1, 1)
        self._rings: dict[int, _Ring] = {}
        rows = self._size * partitions  # reserved here, touched as uses come
        self._keys, self._numbers = np.zeros(rows, dtype=np.uint64), np.zeros(rows, dtype=np.int64)
        self._uses = np.zeros((rows, USE_COLUMNS), dtype=np.uint32)
        self._siblings = Siblings()
        self._siblings_known = True  # else they are to be filled in from the rings
        self._places: dict[int, int | tuple[int, ...]] = {}  # by key: partition * size + position; several in a tuple

    def siblings(self) -> Siblings:
        """Give the index of the dsTransIDs among the uses by what they have in common."""
        if not self._siblings_known:
            self._siblings_known = True
            self._siblings.clear()
            for ring in self._rings.values():
                places = np.flatnonzero(ring.numbers)
                places = places[np.argsort(ring.numbers[places])]
                self._index_ids(ring.keys[places], ring.uses[places])
        return self._siblings

    def _index_ids(self, keys: NDArray[np.uint64], uses: NDArray[np.uint32]) -> None:
        """Index the dsTransIDs among uses."""
        is_id = uses[:, SAID] & IS_ID != 0
        keys, uses = keys[is_id], uses[is_id].astype(np.uint64)
        merchants = uses[:, MERCHANT] * np.uint64(MIX) + uses[:, ACQUIRER]
        entries = uses[:, SECOND] << _32 | keys & _LOW
        for _ in self._siblings.observe(merchants << _32 | uses[:, STEM], entries, np.ones(len(keys), dtype=np.bool_)):
            pass

    def observe(self, keys: NDArray[np.uint64], uses: NDArray[np.uint32], partition: int) -> Replays:
        """Take proofs in the order of their events; return those that were used before, once for each known use.

        `keys` uint64[m], none 0; `uses` uint32[m, USE_COLUMNS]. With one partition all are kept under 0, as rows are.
        """
        partition = 0 if self._partitions == 1 else partition
        listed: list[int] = keys.tolist()
        found = list(map(self._places.get, listed, repeat(_NONE)))
        if len(set(listed)) != len(listed):
            return self._one_by_one(listed, found, keys, uses, partition)
        unknown = found.count(_NONE)
        if unknown == len(listed):
            self._append(partition, keys, uses)
            return NO_REPLAYS
        try:
            at = np.fromiter(found, dtype=np.int64, count=len(found))
        except TypeError:  # uses of one proof in two partitions
            return self._one_by_one(listed, found, keys, uses, partition)
        is_known = at >= 0
        known = self._uses[at[is_known]]
        ages = uses[is_known, SECOND].astype(np.int64) - known[:, SECOND]
        ring = self._ring(partition)
        if (ages > AGE_MAX_S).any() or ring.end + unknown > self._size:  # a use may go that a later one asks for
            return self._one_by_one(listed, found, keys, uses, partition)
        self._append(partition, keys[~is_known], uses[~is_known])
        return Replays(np.flatnonzero(is_known), known)

    def _one_by_one(
        self,
        listed: list[int],
        found: Sequence[int | tuple[int, ...]],
        keys: NDArray[np.uint64],
        uses: NDArray[np.uint32],
        partition: int,
    ) -> Replays:
        """Do the same where the uses of a batch depend on each other."""
        places: list[int] = []
        known: list[NDArray[np.uint32]] = []
        fresh: set[int] = set()
        begin = 0
        for place, key in enumerate(listed):
            if found[place] == _NONE and key not in fresh:
                fresh.add(key)
                continue
            self._append(partition, keys[begin:place], uses[begin:place])
            recent = self._compare(key, uses[place], partition)
            places += [place] * len(recent)
            known += recent
            begin = place + 1
        self._append(partition, keys[begin:], uses[begin:])
        return Replays(np.array(places, dtype=np.int64), np.array(known, dtype=np.uint32).reshape(-1, USE_COLUMNS))

    def _compare(self, key: int, now: NDArray[np.uint32], partition: int) -> list[NDArray[np.uint32]]:
        """Give the known uses of a key that are not too old; without one, this is its first use."""
        known = [self._uses[code].copy() for code in self._codes(key)]
        recent = [use for use in known if int(now[SECOND]) - int(use[SECOND]) <= AGE_MAX_S]
        if not recent:
            self._drop_of(partition, key)
            elsewhere = self._codes(key)
            self._append(partition, np.array([key], dtype=np.uint64), now[None])
            if elsewhere:
                self._places[key] = (*elsewhere, *self._codes(key))
        return recent

    def _codes(self, key: int) -> tuple[int, ...]:
        codes = self._places.get(key, ())
        return codes if isinstance(codes, tuple) else (codes,)

    def _append(self, partition: int, keys: NDArray[np.uint64], uses: NDArray[np.uint32]) -> None:
        """Give new keys the next numbers of the ring; uses that stood there are forgotten."""
        ring = self._ring(partition)
        for begin in range(0, len(keys), self._size):  # no batch laps itself
            part = keys[begin : begin + self._size]
            numbers = np.arange(ring.end, ring.end + len(part))
            positions = numbers % self._size
            if ring.end + len(part) > self._size:
                for key in ring.keys[positions][ring.numbers[positions] > 0].tolist():
                    self._forget(partition, ring, key)
            ring.keys[positions], ring.numbers[positions] = part, numbers + 1
            ring.uses[positions] = uses[begin : begin + self._size]
            ring.end += len(part)
            listed: list[int] = part.tolist()
            codes: list[int] = (positions + partition * self._size).tolist()
            self._places.update(zip(listed, codes, strict=True))

    def _forget(self, partition: int, ring: _Ring, key: int) -> None:
        if self._drop_of(partition, key) and ring.is_owned:
            ring.again[key] = None

    def _drop_of(self, partition: int, key: int) -> bool:
        """Remove what a partition knows of a key; say whether that was anything."""
        codes = self._codes(key)
        mine = [code for code in codes if code // self._size == partition]
        if not mine:
            return False
        position = mine[0] % self._size
        ring = self._rings[partition]
        ring.keys[position], ring.numbers[position] = 0, 0
        others = tuple(code for code in codes if code != mine[0])
        if others:
            self._places[key] = others if len(others) > 1 else others[0]
        else:
            del self._places[key]
        return True

    def flush(self, partition: int) -> Packed:
        """Pack what is new of a partition in the order of the uses: rows, then the tombstones of those forgotten."""
        ring = self._rings.get(partition)
        if ring is None or (ring.flushed == ring.end and not ring.again):
            return NO_ROWS
        numbers = np.arange(max(ring.flushed, ring.end - self._size), ring.end)
        positions = numbers % self._size
        positions = positions[ring.numbers[positions] == numbers + 1]
        new = set(ring.keys[positions].tolist())
        older, gone = [], []
        for key in ring.again:
            code = next((code for code in self._codes(key) if code // self._size == partition), None)
            if code is None:
                gone.append(key)
            elif key not in new:
                older.append(code % self._size)
        positions = np.concatenate([np.array(older, dtype=np.int64), positions])
        ring.flushed, ring.again = ring.end, {}
        values = np.empty((len(positions), PROOF_WORDS), dtype=np.uint32)
        values[:, 0] = ROW_FORMAT
        numbers = ring.numbers[positions] - 1
        values[:, 1] = numbers & 0xFFFFFFFF
        uses = ring.uses[positions]
        values[:, 2] = numbers >> 32 | uses[:, SAID].astype(np.int64) << _NUMBER_BITS
        values[:, 3:] = uses[:, :SAID]
        known = np.concatenate([ring.keys[positions], np.array(gone, dtype=np.uint64)])
        keys = side_keys(PROOF, partition, known)
        ends = np.minimum(np.arange(1, len(known) + 1), len(positions)) * PROOF_WORDS
        return Packed(keys, values.reshape(-1), ends.astype(np.int64))

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the uses among logged rows that were checked; of two with one key the later counts."""
        fresh: list[tuple[int, list[int]]] = []
        for _, key, begin, end in side_rows_of(PROOF, packed):
            ring = self._ring(partition)
            self._drop_of(partition, key)
            if end == begin:
                continue
            value = packed.values[begin:end].tolist()
            number = value[1] | (value[2] & (1 << _NUMBER_BITS) - 1) << 32
            use = [*value[3:], value[2] >> _NUMBER_BITS]
            position = number % self._size
            ring.end = ring.flushed = max(ring.end, number + 1)
            if ring.numbers[position] > number + 1:
                continue
            if ring.numbers[position] > 0:
                self._drop_of(partition, int(ring.keys[position]))
            ring.keys[position], ring.numbers[position], ring.uses[position] = key, number + 1, use
            if use[SAID] & IS_ID and self._siblings_known:
                fresh.append((key, use))
            code, others = partition * self._size + position, self._codes(key)
            self._places[key] = (*others, code) if others else code
        if fresh:
            keys = np.array([key for key, _ in fresh], dtype=np.uint64)
            self._index_ids(keys, np.array([use for _, use in fresh], dtype=np.uint32))

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note the uses among rows by their keys, so that the next flush writes them or their tombstones."""
        proofs = side_keys_of(PROOF, keys)
        if proofs:
            self._ring(partition).again.update(dict.fromkeys(proofs))

    def forget(self, partition: int) -> None:
        """Forget the uses of a partition, to restore it from its log."""
        ring = self._rings.get(partition)
        if ring is not None:
            for key in ring.keys[ring.numbers > 0].tolist():
                self._drop_of(partition, key)
            del self._rings[partition]
            self._siblings_known = False

    def own(self, partition: int) -> None:
        """Begin to write the uses of a partition, also before its first batch."""
        self._ring(partition).is_owned = True

    def leave(self, partition: int) -> None:
        """Stop writing the uses of a partition: it was revoked, or is about to be restored."""
        ring = self._rings.get(partition)
        if ring is not None:
            ring.is_owned, ring.again, ring.flushed = False, {}, ring.end

    def _ring(self, partition: int) -> _Ring:
        ring = self._rings.get(partition)
        if ring is None:
            rows = slice(partition * self._size, (partition + 1) * self._size)
            ring = self._rings[partition] = _Ring(self._keys[rows], self._numbers[rows], self._uses[rows])
        return ring
