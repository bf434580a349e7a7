"""Authentications: results of 3-D Secure of a feed, and the claims that wait for one, as rows of `shared-profiles`.

Each partition has four tables of its own: results by dsTransID, failed challenges by card, claims that wait by
dsTransID, and the claims without a result that were not reported yet, by merchant. A row is logged by the flush that
follows its change, so a restore has what the last marker says, and other workers read it with their next poll. A full
table forgets its oldest row. Keys are 62 bits of a hash; no id, card or cryptogram is kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.profile.packed import (
    AUTHENTICATION,
    NO_ROWS,
    ROW_FORMAT,
    Packed,
    RowFormatError,
    side_keys,
    side_keys_of,
    side_rows_of,
)

RESULTS_MAX: Final = 1 << 19
"""Results remembered of all partitions together, some 100 MB when full. What is older than the oldest one is unknown,
and not called missing."""
FAILED_CARDS_MAX: Final = 1 << 16
CLAIMS_MAX: Final = 1 << 16
MERCHANTS_MAX: Final = 1 << 14
FAILURES_MAX: Final = 8
"""Failed challenges kept of a card: the last ones."""

SECOND, CARD, MERCHANT, ACQUIRER, SAID, AMOUNT_LOW, AMOUNT_HIGH, EXPONENT = range(1, 9)
"""uint32 words of a result: second of its time, lower halves of three hashes, transStatus in ASCII << 16 | currency,
the amount plus one and the exponent plus one, 0 unknown. Word 0 of every row is its format."""
RESULT_WORDS: Final = 9

_RESULT, _FAILED, _CLAIM, _MISSING = range(4)
_TABLE_BIT: Final = 62
_KEY_MASK: Final = (1 << _TABLE_BIT) - 1
_CLOCK: Final = 0  # in place of the key of a result: no dsTransID has it
_HALF: Final = 0xFFFFFFFF
_AS_RESULT: Final = Struct(f"<{RESULT_WORDS}I")
_AS_CLAIM: Final = Struct("<IIIQ")  # format, when it is due, when it was made, merchant
_AS_MISSING: Final = Struct("<III")  # format, number, when the first of them was made
_AS_CLOCK: Final = Struct("<III")  # format, horizon, feed
_AS_FAILURE: Final = Struct("<II")  # lower half of the threeDSServerTransID's hash, second
_FORMAT: Final = Struct("<I").pack(ROW_FORMAT)
_SIZES: Final = (_AS_RESULT.size, 0, _AS_CLAIM.size, _AS_MISSING.size)


class Result(NamedTuple):
    """One result of the feed: hashes of 64 bits, `second` since the epoch, and codes as in `ParsedResults`."""

    transaction: int
    server: int
    card: int
    merchant: int
    acquirer: int
    second: int
    status: int
    amount: int
    exponent: int
    currency: int
    is_failure: bool


class Settled(NamedTuple):
    """Numbers of claims that a batch of results settled: their result came late, or there is none."""

    late: int
    missing: int


class _Partition:
    """The rows of one partition. `horizon`: from its second back no result is known; -1: no feed yet."""

    def __init__(self) -> None:
        self.tables: tuple[dict[int, bytes], ...] = ({}, {}, {}, {})
        self.notes: dict[int, None] = {}  # rows, or tombstones, of the next flush: table << 62 | key
        self.is_owned = False
        self.due: list[tuple[int, int]] = []  # heap of claims: when due, key
        self.horizon = -1
        self.feed = 0

    def note(self, table: int, key: int) -> None:
        """Log a row with the next flush, in the order of the last changes: that of its table too."""
        if self.is_owned:
            code = table << _TABLE_BIT | key
            self.notes.pop(code, None)
            self.notes[code] = None


class Authentications:
    """Remember results and claims of all partitions of the input."""

    kind: Final = AUTHENTICATION
    name: Final = "AUTHENTICATION"
    words: Final = 0
    is_shared: Final = True

    def __init__(self, partitions: int = 1, results_max: int = RESULTS_MAX) -> None:
        bounds = (results_max, FAILED_CARDS_MAX, CLAIMS_MAX, MERCHANTS_MAX)
        self._bounds = [max(bound // partitions, 1) for bound in bounds]
        self._partitions = partitions
        self._of: dict[int, _Partition] = {}

    def take(self, results: Iterable[Result], partition: int) -> Settled:
        """Take results in the order of the feed, then settle the claims that are due by its clock."""
        part, late = self._part(partition), 0
        for result in results:
            if part.horizon < 0:
                part.horizon = result.second
            part.feed = max(part.feed, result.second)
            if result.is_failure:
                self._take_failure(part, result)
            if result.transaction:
                key = result.transaction & _KEY_MASK
                self._put(part, _RESULT, key, _packed(result))
                late += self._remove(part, _CLAIM, key)
            part.note(_RESULT, _CLOCK)
        settled = [self._settle(part, key) for key in self._due(part)]
        return Settled(late + len(settled) - sum(settled), sum(settled))

    def find(self, keys: Sequence[int], partition: int) -> list[bytes | None]:
        """Give the row of the result of each dsTransID, by its hash; None where there is none.

        The partition's own one counts before those of others.
        """
        masked = [key & _KEY_MASK for key in keys]
        found: list[bytes | None] = list(map(self._part(partition).tables[_RESULT].get, masked))
        missing = [place for place, row in enumerate(found) if row is None] if None in found else []
        for other in self._of.values() if missing else ():
            table = other.tables[_RESULT]
            for place in missing:
                found[place] = found[place] or table.get(masked[place])
        return found

    def failures(self, cards: Sequence[int]) -> dict[int, list[int]]:
        """Give the seconds of the last failed challenges of each card that has some, by its place among `cards`.

        An authentication that failed in two partitions counts once, at its later time.
        """
        found: dict[int, dict[int, int]] = {}
        tables = [part.tables[_FAILED] for part in self._of.values() if part.tables[_FAILED]]
        masked = [card & _KEY_MASK for card in cards] if tables else []
        for table in tables:
            if table.keys().isdisjoint(masked):  # the rule: few cards have failures
                continue
            for place, row in enumerate(map(table.get, masked)):
                if row is not None:
                    known = found.setdefault(place, {})
                    for server, second in _AS_FAILURE.iter_unpack(row[len(_FORMAT) :]):
                        known[server] = max(known.get(server, 0), second)
        return {place: sorted(seconds.values()) for place, seconds in found.items()}

    def wait(self, key: int, merchant: int, due: int, claimed: int, partition: int) -> None:
        """Let a claim wait for its result until the feed has reached the second `due`."""
        part, key = self._part(partition), key & _KEY_MASK
        if key not in part.tables[_CLAIM]:
            self._put(part, _CLAIM, key, _AS_CLAIM.pack(ROW_FORMAT, due, claimed, merchant))
            self._queue(part, due, key)

    def report(self, merchants: Sequence[int], partition: int) -> dict[int, tuple[int, int]]:
        """Give, once, the claims of merchants that have no result: their number and the second of the first.

        By the first place of the merchant among `merchants`, hashes and 0 for none.
        """
        part, found = self._part(partition), {}
        if self.has_missing(partition):
            for place, merchant in enumerate(merchants):
                row = part.tables[_MISSING].get(merchant & _KEY_MASK)
                if row is not None:
                    found[place] = _AS_MISSING.unpack(row)[1:]
                    self._remove(part, _MISSING, merchant & _KEY_MASK)
        return found

    def has_missing(self, partition: int) -> bool:
        """Tell whether a partition has claims to report."""
        return bool(self._part(partition).tables[_MISSING])

    def clock(self, partition: int) -> tuple[int, int]:
        """Give the horizon and the newest second of the feed of a partition; a horizon of -1: there is no feed."""
        part = self._part(partition)
        return part.horizon, part.feed

    def sizes(self) -> tuple[int, ...]:
        """Give the rows of each table."""
        return tuple(sum(len(part.tables[table]) for part in self._of.values()) for table in range(4))

    def _take_failure(self, part: _Partition, result: Result) -> None:
        key = result.card & _KEY_MASK
        failure = _AS_FAILURE.pack(result.server & _HALF, result.second)
        row = part.tables[_FAILED].get(key, _FORMAT)
        before = [row[at : at + _AS_FAILURE.size] for at in range(len(_FORMAT), len(row), _AS_FAILURE.size)]
        if all(failure[:4] != one[:4] for one in before):
            self._put(part, _FAILED, key, _FORMAT + b"".join([*before, failure][-FAILURES_MAX:]))

    def _due(self, part: _Partition) -> Iterator[int]:
        """Take the claims off that the feed has reached."""
        while part.due and part.due[0][0] <= part.feed:
            due, key = heappop(part.due)
            row = part.tables[_CLAIM].get(key)
            if row is not None and _AS_CLAIM.unpack(row)[1] == due:
                yield key

    def _settle(self, part: _Partition, key: int) -> bool:
        """End a claim; tell whether it has no result in any partition."""
        _, _, claimed, merchant = _AS_CLAIM.unpack(part.tables[_CLAIM][key])
        self._remove(part, _CLAIM, key)
        if any(key in other.tables[_RESULT] for other in self._of.values()):
            return False
        row = part.tables[_MISSING].get(merchant & _KEY_MASK)
        _, number, first = (0, 0, claimed) if row is None else _AS_MISSING.unpack(row)
        counted = _AS_MISSING.pack(ROW_FORMAT, min(number + 1, _HALF), min(first, claimed))
        self._put(part, _MISSING, merchant & _KEY_MASK, counted)
        return True

    def _queue(self, part: _Partition, due: int, key: int) -> None:
        """Note when a claim is due. Claims that are gone stay in the heap until it is made anew."""
        heappush(part.due, (due, key))
        if len(part.due) > 2 * self._bounds[_CLAIM]:
            part.due = sorted((_AS_CLAIM.unpack(row)[1], key) for key, row in part.tables[_CLAIM].items())

    def _put(self, part: _Partition, table: int, key: int, row: bytes) -> None:
        """Make a row the newest of its table; a full one forgets its oldest."""
        rows = part.tables[table]
        rows.pop(key, None)
        rows[key] = row
        part.note(table, key)
        if len(rows) > self._bounds[table]:
            oldest = next(iter(rows))
            if table == _RESULT:
                part.horizon = max(part.horizon, _AS_RESULT.unpack(rows[oldest])[SECOND])
                part.note(_RESULT, _CLOCK)
            self._remove(part, table, oldest)

    def _remove(self, part: _Partition, table: int, key: int) -> bool:
        if part.tables[table].pop(key, None) is None:
            return False
        part.note(table, key)
        return True

    # -- rows

    def own(self, partition: int) -> None:
        """Begin to write the rows of a partition."""
        self._part(partition).is_owned = True

    def leave(self, partition: int) -> None:
        """Stop writing the rows of a partition."""
        part = self._part(partition)
        part.is_owned, part.notes = False, {}

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition, to restore it from its log."""
        self._of.pop(partition, None)

    def flush(self, partition: int) -> Packed:
        """Pack the rows that changed, and tombstones of those removed, in the order of the changes."""
        part = self._of.get(partition)
        if part is None or not part.notes:
            return NO_ROWS
        codes, part.notes = list(part.notes), {}
        rows = [self._row(part, code) for code in codes]
        listed = np.array(codes, dtype=np.uint64)
        keys = side_keys(AUTHENTICATION, partition, listed)
        values = np.frombuffer(b"".join(rows), dtype="<u4").astype(np.uint32)
        return Packed(keys, values, np.cumsum([len(row) // 4 for row in rows], dtype=np.int64))

    def _row(self, part: _Partition, code: int) -> bytes:
        if code == _CLOCK:
            return _AS_CLOCK.pack(ROW_FORMAT, part.horizon + 1, part.feed)
        return part.tables[code >> _TABLE_BIT].get(code & _KEY_MASK, b"")

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the rows of this kind among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a row of this kind is damaged.
        """
        rows = list(side_rows_of(AUTHENTICATION, packed))
        if not rows:
            return
        part, values = self._part(partition), packed.values.astype("<u4").tobytes()
        for _, code, begin, end in rows:
            row, table, key = values[4 * begin : 4 * end], code >> _TABLE_BIT, code & _KEY_MASK
            size = _AS_CLOCK.size if code == _CLOCK else _SIZES[table]
            if row and (len(row) != size if size else len(row) % _AS_FAILURE.size != len(_FORMAT)):
                raise RowFormatError(f"a row of {self.name} has {end - begin} words")
            if code == _CLOCK:
                _, horizon, part.feed = _AS_CLOCK.unpack(row) if row else (0, 0, 0)
                part.horizon = horizon - 1
                continue
            part.tables[table].pop(key, None)
            if row:
                part.tables[table][key] = row
                if table == _CLAIM:
                    self._queue(part, _AS_CLAIM.unpack(row)[1], key)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note rows by their keys, so that the next flush writes them or their tombstones: they become the newest."""
        part = self._part(partition)
        for code in side_keys_of(AUTHENTICATION, keys):
            part.notes[code] = None
            table = part.tables[code >> _TABLE_BIT]
            row = table.pop(code & _KEY_MASK, None)
            if row is not None:
                table[code & _KEY_MASK] = row

    def _part(self, partition: int) -> _Partition:
        partition = 0 if self._partitions == 1 else partition
        part = self._of.get(partition)
        if part is None:
            part = self._of[partition] = _Partition()
        return part


def _packed(result: Result) -> bytes:
    return _AS_RESULT.pack(
        ROW_FORMAT,
        result.second,
        result.card & _HALF,
        result.merchant & _HALF,
        result.acquirer & _HALF,
        result.status << 16 | result.currency,
        result.amount + 1 & _HALF,
        result.amount + 1 >> 32,
        result.exponent + 1,
    )
