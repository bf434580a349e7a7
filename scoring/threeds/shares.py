"""Jumps of a merchant's share of transStatus A or U (TDS21): attackers steer to cards without 3-D Secure, or whose ACS
is down.

Each partition counts the authentications of a merchant by day in Tokyo, and those that ended in A or U. The day of a
payment, itself included, is compared with the days before it, over all partitions that are known here. The rows are
in `shared-profiles`: a restore has what the last marker says, and other workers read them with their next poll. Counts
by day do not depend on the order of the payments. A full table forgets the merchants that were seen longest ago.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import InitiatorCode, Kind, ThreeDsStatus
from scoring.decode.columns import Col
from scoring.decode.hashing import MERCHANT_KEY
from scoring.jit import borrow, entry, helper, plain, revision, whole
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.merchants.months.table import NO_ROW, Row, RowTable, Shape
from scoring.profile.packed import SHARE
from scoring.threeds.columns import BASE_FEW, BASE_N, BROKEN, DAY_FEW, DAY_N, RULES, STATUS
from scoring.threeds.tables import ACTIVE, BASE_DAYS, FACTOR, PAYMENTS_MIN, SIGMAS, Tables

ROWS_MAX: Final = 1 << 17
"""Rows remembered of all partitions together, some 30 MB when full: one for each merchant and partition."""

DAYS: Final = 9
"""Days of a row: that of a payment, seven before it, and one more for payments of yesterday that come today."""

JUMP: Final = 1 << 21
"""Bit of TDS21."""

_ROW: Final = np.dtype(
    [
        *[("key", "<u8"), ("at", "<i8"), ("counts", "<u4", (DAYS, 2)), ("days", "<i4", (DAYS,))],
        *[("home", "<u2"), ("dirty", "u1"), ("spare", "u1", (1,))],
    ]
)
"""A merchant's last days in a partition: day d since 1970 stands at d modulo DAYS, with its authentications and those
of A or U. `at` is the last day."""

_SHAPE: Final = Shape(kind=SHARE, name="SHARE", dtype=_ROW, is_shared=True)
_COL: Final = plain(Col)
_THREE_RI: Final = 3
"""deviceChannel."""
_ATTEMPT, _CIT = int(Kind.ATTEMPT), int(InitiatorCode.CIT)
_ATTEMPTED, _UNAVAILABLE = int(ThreeDsStatus.ATTEMPTED), int(ThreeDsStatus.UNAVAILABLE)
_AT, _COUNTS, _DAYS, _LAST = 2, 4, 4 + 2 * DAYS, 4 + 3 * DAYS
"""Words of a row where its last day, counts, days, and the word with its partition and dirty flag begin."""
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_HALF: Final = 0xFFFFFFFF
_NEAR: Final = 1 << 16
"""Places of the short way from a merchant to its row."""
_SPREAD: Final = 0x9E3779B1
_MISSING, _CHANGED, _COUNTED = 1 << 32, 1 << 33, 1 << 34
"""What a kernel says beside a number: some rows are not near; some changed for the first time since they were written;
all is counted."""


class Shares(RowTable):
    """Count the authentications of merchants by partition and day: `profile.packed.SideRows`."""

    def __init__(self, partitions: int = 1, rows_max: int = ROWS_MAX) -> None:
        super().__init__(_SHAPE, rows_max, self._note_change)
        self._partitions = partitions
        self.is_alone = partitions == 1
        self._near = np.full(_NEAR, NO_ROW, dtype=np.int32)
        self._is_stale = False

    def _note_change(self, _row: Row, _sign: int) -> None:
        self._is_stale = True

    def home(self, partition: int) -> int:
        """Return the partition under which rows are kept: of one partition all are kept under 0."""
        return 0 if self._partitions == 1 else partition

    def near(self) -> NDArray[np.int32]:
        """Give rows by a hash of merchant and partition, int32[_NEAR]. None of them was removed; NO_ROW is unknown."""
        if self._is_stale:
            self._near.fill(NO_ROW)
            self._is_stale = False
        return self._near

    def rows_of(self, keys: list[int], days: list[int], home: int) -> NDArray[np.int64]:
        """Return the row of each merchant, int64[m], new ones where need be; NO_ROW where the table is too small."""
        found = self.find_all(home, keys)
        missing = np.flatnonzero(found == NO_ROW).tolist()
        for place in missing:
            row = self.make(home, keys[place])
            self.data[row]["at"] = max(int(self.data[row]["at"]), days[place])  # else the next one may evict it
        return self.find_all(home, keys) if missing else found

    def resolve(self, rows: NDArray[np.int64], keys: NDArray[np.uint64], days: NDArray[np.int64], home: int) -> None:
        """Fill in the rows that were not near, in place; all of them if that made others go."""
        places = np.flatnonzero(rows == NO_ROW)
        rows[places] = self.rows_of(keys[places].tolist(), days[places].tolist(), home)
        if self._is_stale:
            rows[:] = self.find_all(home, keys.tolist())
        near = (keys ^ np.uint64(home * _SPREAD)) & np.uint64(_NEAR - 1)
        self.near()[near] = rows

    def elsewhere(self, keys: list[int], home: int) -> NDArray[np.int64]:
        """Return the rows of m merchants in the other partitions, int64[m, partitions - 1]; NO_ROW for none."""
        found = np.empty((len(keys), self._partitions - 1), dtype=np.int64)
        for place, other in enumerate(other for other in range(self._partitions) if other != home):
            found[:, place] = self.find_all(other, keys)
        return found

    @property
    def as_words(self) -> NDArray[np.uint32]:
        """The rows as uint32[capacity, words of a row], a view; read it anew after `resolve`."""
        return self.data.view(np.uint32).reshape(len(self.data), -1)


def find_jumps(
    shares: Shares,
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    taken: NDArray[np.bool_],
    tables: Tables,
    partition: int,
    verdicts: NDArray[np.int64],
) -> None:
    """Count the authentications of the events `taken`, bool[n]; payments of A or U break TDS21 where the share jumped.

    Payments that the merchant initiates, or that come by 3RI, are not counted: they may name the authentication of an
    earlier one. Arrays as in `replays.find_replays`.
    """
    n, home = len(ints), shares.home(partition)
    places, keys, days = np.empty(n, np.int64), np.empty(n, np.uint64), np.empty(n, np.int64)
    few, rows, others = np.empty(n, np.bool_), np.empty(n, np.int64), np.empty((n, 0), np.int64)
    columns = rows, others, places, days, few, ints, tables.starts, tables.lists, verdicts
    got = _gather(hashes, taken, keys, shares.near(), home, shares.is_alone, shares.as_words, *columns)
    number = got & _HALF
    if number and not got & _COUNTED:
        if got & _MISSING:
            shares.resolve(rows[:number], keys[:number], days[:number], home)
        others = shares.elsewhere(keys[:number][few[:number]].tolist(), home)
        got |= _count(number, shares.as_words, rows, others, *columns[2:])
    if got & _CHANGED:
        rows = rows[:number]
        shares.mark_all(rows[rows != NO_ROW])


def run_jumps(ints: NDArray[np.int64], hashes: NDArray[np.uint64], tables: Tables, verdicts: NDArray[np.int64]) -> None:
    """Run the kernels for no events, to compile them."""
    none, nothing = np.empty(0, np.int64), np.empty(0, np.bool_)
    shares, others = Shares(1, 1), np.empty((0, 0), np.int64)
    columns = none, others, none, none, nothing, ints, tables.starts, tables.lists, verdicts
    _gather(hashes, nothing, np.empty(0, np.uint64), shares.near(), 0, True, shares.as_words, *columns)
    _count(0, shares.as_words, *columns)


@helper
def _write_authentications(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    taken: NDArray[np.bool_],
    verdicts: NDArray[np.int64],
    words: NDArray[np.uint32],
    near: NDArray[np.int32],
    home: int,
    places: NDArray[np.int64],
    keys: NDArray[np.uint64],
    days: NDArray[np.int64],
    few: NDArray[np.bool_],
    rows: NDArray[np.int64],
) -> int:
    """Write the authentications among the events: row, merchant, day in Tokyo, whether it ended in A or U, and the row.

    Return their number, and _MISSING if the row of one is not near.
    """
    n, missing = 0, 0
    for i in range(len(ints)):
        row = ints[i]
        if row[_COL.TRANS_STATUS] == 0 or not taken[i] or row[_COL.KIND] != _ATTEMPT:
            continue
        if row[_COL.INITIATOR] != _CIT or row[_COL.DEVICE_CHANNEL] == _THREE_RI:
            continue
        status = verdicts[i, STATUS]
        places[n] = i
        key = hashes[i, MERCHANT_KEY]
        keys[n] = key
        k = whole(near[(key ^ np.uint64(home * _SPREAD)) & np.uint64(_NEAR - 1)])
        is_near = k >= 0 and words[k, 0] == key & _LOW and words[k, 1] == key >> _32
        if is_near and whole(words[k, _LAST]) & 0xFFFF == home + 1:
            rows[n] = k
        else:
            rows[n] = -1
            missing = _MISSING
        days[n] = (row[_COL.EVENT_MS] + TOKYO_MS) // DAY_MS
        few[n] = status == _ATTEMPTED or status == _UNAVAILABLE
        n += 1
    return n | missing


@helper
def _counted(words: NDArray[np.uint32], row: int, day: int, column: int) -> int:
    """Give what a row counts on a day: authentications, or those of A or U."""
    slot = day % DAYS
    if row < 0 or whole(words[row, _DAYS + slot]) != day:
        return 0
    return whole(words[row, _COUNTS + 2 * slot + column])


@helper
def _sum_of(words: NDArray[np.uint32], row: int, others: NDArray[np.int64], day: int, column: int) -> float:
    """Give what all partitions count on a day."""
    total = _counted(words, row, day, column)
    for k in range(len(others)):
        total += _counted(words, others[k], day, column)
    return float(total)


@helper
def _judge(
    words: NDArray[np.uint32],
    row: int,
    others: NDArray[np.int64],
    day: int,
    limits: NDArray[np.int64],
    verdict: NDArray[np.int64],
) -> None:
    """Compare a day with its base.

    The standard deviation is that of a share of as many payments, or that of the shares of the base's days if it is
    greater. A base without A or U counts as one with one: of a share of zero, everything would be a multiple.
    """
    if limits[PAYMENTS_MIN] == 0:
        return
    n, few = _sum_of(words, row, others, day, 0), _sum_of(words, row, others, day, 1)
    base_n, base_few, squares = 0.0, 0.0, 0.0
    for before in range(1, limits[BASE_DAYS] + 1):
        day_n, day_few = _sum_of(words, row, others, day - before, 0), _sum_of(words, row, others, day - before, 1)
        if day_n > 0.0:
            base_n += day_n
            base_few += day_few
            squares += day_few * day_few / day_n
    if n < limits[PAYMENTS_MIN] or base_n < limits[PAYMENTS_MIN]:
        return
    least = max(base_few, 1.0)
    above = few * base_n - least * n  # over n * base_n: by how much the share is above
    of_days = squares / base_n - (base_few / base_n) ** 2
    variance = max(least * (base_n - least) * n, of_days * (n * base_n) ** 2)  # over (n * base_n) ** 2
    sigmas = limits[SIGMAS] / 1_000.0
    is_multiple = 1_000.0 * few * base_n > limits[FACTOR] * least * n
    if is_multiple or (above > 0.0 and above * above > sigmas * sigmas * variance):
        verdict[BROKEN] |= JUMP
        verdict[RULES] |= JUMP & limits[0]
        verdict[DAY_N], verdict[DAY_FEW] = int(n), int(few)
        verdict[BASE_N], verdict[BASE_FEW] = int(base_n), int(base_few) + 1


@helper
def _write_counts(
    n: int,
    words: NDArray[np.uint32],
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    places: NDArray[np.int64],
    days: NDArray[np.int64],
    few: NDArray[np.bool_],
    ints: NDArray[np.int64],
    starts: NDArray[np.int64],
    lists: NDArray[np.int64],
    verdicts: NDArray[np.int64],
) -> int:
    """Count n authentications in their order, and judge those of A or U: others int64[those, partitions - 1].

    Return _CHANGED if a row changed that was written since its last change, else 0.
    """
    judged, changed = -1, 0
    for k in range(n):
        judged += few[k]
        row, day, slot = rows[k], days[k], days[k] % DAYS
        if row < 0 or whole(words[row, _DAYS + slot]) > day:  # no room, or more than DAYS behind
            continue
        if whole(words[row, _DAYS + slot]) < day:
            words[row, _DAYS + slot] = day
            words[row, _COUNTS + 2 * slot] = words[row, _COUNTS + 2 * slot + 1] = 0
        if not whole(words[row, _LAST]) >> 16 & 1:
            changed = _CHANGED
        words[row, _AT] = max(whole(words[row, _AT]), day)
        words[row, _COUNTS + 2 * slot] += 1
        words[row, _COUNTS + 2 * slot + 1] += few[k]
        if few[k]:
            layer = len(starts) - 1
            while ints[places[k], _COL.EVENT_MS] < starts[layer]:
                layer -= 1
            _judge(words, row, others[judged], day, lists[layer, ACTIVE], verdicts[places[k]])
    return changed


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def gather(
        hashes: NDArray[np.uint64],
        taken: NDArray[np.bool_],
        keys: NDArray[np.uint64],
        near: NDArray[np.int32],
        home: int,
        is_alone: bool,
        words: NDArray[np.uint32],
        rows: NDArray[np.int64],
        others: NDArray[np.int64],
        places: NDArray[np.int64],
        days: NDArray[np.int64],
        few: NDArray[np.bool_],
        ints: NDArray[np.int64],
        starts: NDArray[np.int64],
        lists: NDArray[np.int64],
        verdicts: NDArray[np.int64],
    ) -> int:
        hashes, taken, keys, near, words, rows = borrow((hashes, taken, keys, near, words, rows))
        others, places, days, few, ints = borrow((others, places, days, few, ints))
        starts, lists, verdicts = borrow((starts, lists, verdicts))
        n = _write_authentications(ints, hashes, taken, verdicts, words, near, home, places, keys, days, few, rows)
        if is_alone and n < _MISSING:
            n |= _write_counts(n, words, rows, others, places, days, few, ints, starts, lists, verdicts) | _COUNTED
        return n + 0 * key

    @entry
    def count(
        n: int,
        words: NDArray[np.uint32],
        rows: NDArray[np.int64],
        others: NDArray[np.int64],
        places: NDArray[np.int64],
        days: NDArray[np.int64],
        few: NDArray[np.bool_],
        ints: NDArray[np.int64],
        starts: NDArray[np.int64],
        lists: NDArray[np.int64],
        verdicts: NDArray[np.int64],
    ) -> int:
        words, rows, others, places, days, few = borrow((words, rows, others, places, days, few))
        ints, starts, lists, verdicts = borrow((ints, starts, lists, verdicts))
        return _write_counts(n, words, rows, others, places, days, few, ints, starts, lists, verdicts) + 0 * key

    return gather, count


_gather, _count = _compile(revision("scoring.threeds"))
