"""The kernel: count a sample of a batch into bins, and pick the payments to remember until their reports come."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Clock, Kind, OutcomeClass
from scoring.decode.columns import Col
from scoring.jit import borrow, entry, helper, plain, revision, whole
from scoring.merchants.months.calendar import DAY_MS
from scoring.model.baseline import SCORES_A_BIN

COUNTED_IN: Final = 16
"""One decided event in so many is counted in the bins, by its id: the same ones after a restart."""

KEPT_IN: Final = 64
"""One payment in so many is remembered where nothing was raised, by its id."""

_COL: Final = plain(Col)
_LATE: Final = int(Clock.LATE)
_ATTEMPT: Final = int(Kind.ATTEMPT)
_UNKNOWN, _APPROVED = int(OutcomeClass.UNKNOWN), int(OutcomeClass.APPROVED)
_EVENT: Final = 0
"""Column of the event's id in the hashes."""
_KEPT_BITS: Final = 8
"""Other bits of the id than those by which events are counted."""
_COUNTED_MASK, _KEPT_MASK = np.uint64(COUNTED_IN - 1), np.uint64((KEPT_IN - 1) << _KEPT_BITS)
_ZERO: Final = np.uint64(0)


@helper
def _day_of(row: NDArray[np.int64], clock: int, record_ms: int) -> int:
    """Return the day (UTC) of an event by its own time, or by that of its record where its own is not trusted."""
    time_ms = max(record_ms, 0) if clock >= _LATE else row[_COL.EVENT_MS]
    return time_ms // DAY_MS


@helper
def _count_inputs(
    values: NDArray[np.float64],
    starts: NDArray[np.int64],
    bounds: NDArray[np.float64],
    is_category: NDArray[np.bool_],
    counts: NDArray[np.uint32],
) -> None:
    """Count one row of the matrix: each input in one of its places."""
    for f in range(len(is_category)):
        first, last, value = starts[f], starts[f + 1] - 1, values[f]
        if np.isnan(value):
            counts[first] += 1
        elif is_category[f]:
            place = first + 1
            while place < last and bounds[place] != value:
                place += 1
            counts[place] += 1
        else:
            place = last
            while place > first + 1 and value < bounds[place]:
                place -= 1
            counts[place] += 1


@helper
def _take(
    day: int,
    days: tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.int64]],
    hashes: NDArray[np.uint64],
    passed: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    judged: tuple[NDArray[np.float64], NDArray[np.int16], NDArray[np.int64], NDArray[np.bool_]],
    bins: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]],
    counts: NDArray[np.uint32],
    kept: NDArray[np.int64],
) -> int:
    ints, clocks, record_ms = days
    repeats, answers = passed
    matrix, scores, bands, has_hit = judged
    starts, bounds, is_category = bins
    n, counted, others = 0, 0, 0
    for i in range(len(ints)):
        if repeats[i] or answers[i]:
            continue
        key = hashes[i, _EVENT]
        is_counted = len(counts) > 0 and key & _COUNTED_MASK == _ZERO
        is_kept = bands[i] > 0 or has_hit[i] or key & _KEPT_MASK == _ZERO
        if not is_counted and not is_kept:
            continue
        if _day_of(ints[i], clocks[i], record_ms[i]) != day:
            others += 1
            continue
        if is_counted:
            _count_inputs(matrix[i], starts, bounds, is_category, counts)
            counts[starts[len(is_category)] + whole(scores[i]) // SCORES_A_BIN] += 1
            counted += 1
        outcome = ints[i, _COL.OUTCOME]
        if is_kept and ints[i, _COL.KIND] == _ATTEMPT and (outcome == _UNKNOWN or outcome == _APPROVED):
            kept[n] = i
            n += 1
    return n | counted << 16 | others << 32


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def take(
        day: int,
        ints: NDArray[np.int64],
        clocks: NDArray[np.int8],
        record_ms: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        repeats: NDArray[np.bool_],
        answers: NDArray[np.bool_],
        matrix: NDArray[np.float64],
        scores: NDArray[np.int16],
        bands: NDArray[np.int64],
        has_hit: NDArray[np.bool_],
        starts: NDArray[np.int64],
        bounds: NDArray[np.float64],
        is_category: NDArray[np.bool_],
        counts: NDArray[np.uint32],
        kept: NDArray[np.int64],
    ) -> int:
        days = borrow((ints, clocks, record_ms))
        passed, judged = borrow((repeats, answers)), borrow((matrix, scores, bands, has_hit))
        hashes, counts, kept = borrow((hashes, counts, kept))
        bins = borrow((starts, bounds, is_category))
        return _take(day, days, hashes, passed, judged, bins, counts, kept) + 0 * key

    return take


take = _compile(revision("scoring.watching"))
"""Take the events of one day (since 1970, UTC) of a batch of n.

`counts` uint32[places] are added to, and may be empty: nothing is counted. `kept` int64[n]: overwritten from its begin
on with the rows to remember. `has_hit` bool[n]: whether a rule hits. Other arrays as in `Observed`, `JudgedBatch` and
`Bins`.

Return the number of rows to remember, that of counted events in the bits from 16 on, and that of events to count or
remember which are of other days in the bits from 32 on. A batch has at most 4,096 events.
"""
