"""Count the fraud reports of a merchant by time of receipt, so that no event sees one received after it."""

from typing import Final

import numpy as np

from scoring.jit import constant, helper, whole
from scoring.profile.entities import Entity, Statistic
from scoring.profile.kernels.arrays import Arena, Scratch, Words
from scoring.profile.kernels.rings import (
    ADDS,
    OWN_CLOCK,
    REPORT_CLOCK,
    add_rings,
    clear_rings,
    read_rings,
    set_clock,
    stand,
)
from scoring.profile.layout import ROW_LAYOUTS, TABLES, Value
from scoring.profile.row_plans import REPORT_LOG, Block

_FIELDS = ROW_LAYOUTS[Entity.MERCHANT].fields
_LOG_JPY: Final = _FIELDS["log_jpy"]
_LOG_S: Final = _FIELDS["log_s"]
_LOG_N: Final = _FIELDS["log_n"]
_CLOCK: Final = _FIELDS["report_clock"]

_MERCHANT: Final = constant(Entity.MERCHANT)
_SUMS: Final = constant(Block.REPORT_SUMS)
_COUNTS: Final = constant(Block.REPORT_COUNTS)
_REPORTS: Final = int(Statistic.REPORTS)
_REPORTED: Final = int(Statistic.REPORTED)
_STATISTIC: Final = TABLES.ring_statistic
_FIRST: Final = int(TABLES.blocks[_MERCHANT, _SUMS, 0])
_END: Final = int(TABLES.blocks[_MERCHANT, _COUNTS, 1])
_RINGS_AT: Final = int(Value.END)
_REPORT_CLOCK: Final = constant(REPORT_CLOCK)
_OWN_CLOCK: Final = constant(OWN_CLOCK)
_COUNT_TOP: Final = constant(2**32 - 1)
_SUM_TOP: Final = constant(2**60)


@helper
def read_merchant_reports(
    arena: Arena,
    at: int,
    work: Words,
    second: int,
    moves: bool,
    values: Scratch,
) -> None:
    """Read what was received up to `second` into the scratch of the report rings. `at`: word offset of the row.

    The rings run up to the last report or event. Reports newer than the event are taken out again by the log of the
    last REPORT_LOG seconds in which any came.
    """
    stands_s = whole(arena.singles[2 * at + _CLOCK])
    if stands_s == 0:
        for ring in range(_FIRST, _END):
            values[_RINGS_AT + ring] = 0.0
        return
    set_clock(work, _REPORT_CLOCK, stands_s, moves)
    read_rings(arena.words, at, _MERCHANT, _SUMS, work, _REPORT_CLOCK, values)
    read_rings(arena.singles, 2 * at, _MERCHANT, _COUNTS, work, _REPORT_CLOCK, values)
    if moves:
        stands_s = max(stands_s, second)
        arena.singles[2 * at + _CLOCK] = stands_s
    for k in range(REPORT_LOG):
        if whole(arena.singles[2 * at + _LOG_S + k]) > second:  # in the ring too, or all in the ring is newer still
            for ring in range(_FIRST, _END):
                of_count = _STATISTIC[ring] == _REPORTS
                unseen = whole(arena.singles[2 * at + _LOG_N + k]) if of_count else arena.words[at + _LOG_JPY + k]
                values[_RINGS_AT + ring] = max(values[_RINGS_AT + ring] - float(unseen), 0.0)


@helper
def stand_with(arena: Arena, own: int, at: int, second: int, work: Words) -> None:
    """Bring the report rings of a partition's own row to an event that moved those of the row that sums up all.

    Their clock has to be the latest of the parts', or what a restart adds up again would stand elsewhere.
    """
    if arena.singles[2 * at + _CLOCK] == 0:
        return
    stands_s = whole(arena.singles[2 * own + _CLOCK])
    set_clock(work, _OWN_CLOCK, stands_s, True)
    clear_rings(arena.words, own, _MERCHANT, _SUMS, work, _OWN_CLOCK)
    clear_rings(arena.singles, 2 * own, _MERCHANT, _COUNTS, work, _OWN_CLOCK)
    arena.singles[2 * own + _CLOCK] = max(stands_s, second)


@helper
def report_merchant(
    arena: Arena,
    at: int,
    work: Words,
    received_s: int,
    amount: int,
    values: Scratch,
) -> None:
    """Count one report. `work` and `values` are overwritten."""
    stands_s = whole(arena.singles[2 * at + _CLOCK])
    work[ADDS + _REPORTS] = 1
    work[ADDS + _REPORTED] = max(amount, 0)
    stand(work, received_s)
    set_clock(work, _REPORT_CLOCK, stands_s, True)
    read_rings(arena.words, at, _MERCHANT, _SUMS, work, _REPORT_CLOCK, values)
    read_rings(arena.singles, 2 * at, _MERCHANT, _COUNTS, work, _REPORT_CLOCK, values)
    add_rings(arena.words, at, _MERCHANT, _SUMS, work, _REPORT_CLOCK, _SUM_TOP)
    add_rings(arena.singles, 2 * at, _MERCHANT, _COUNTS, work, _REPORT_CLOCK, _COUNT_TOP)
    arena.singles[2 * at + _CLOCK] = max(stands_s, received_s)
    _log(arena, at, received_s, work[ADDS + _REPORTED])


@helper
def _log(arena: Arena, at: int, received_s: int, amount: int) -> None:
    """Add a report to its second in the log; the oldest second falls out."""
    oldest = 0
    for k in range(REPORT_LOG):
        logged_s = whole(arena.singles[2 * at + _LOG_S + k])
        if logged_s == received_s:
            oldest = k
            break
        if logged_s < whole(arena.singles[2 * at + _LOG_S + oldest]):
            oldest = k
    logged_s = whole(arena.singles[2 * at + _LOG_S + oldest])
    if received_s < logged_s:
        return
    if received_s > logged_s:
        arena.singles[2 * at + _LOG_S + oldest] = received_s
        arena.singles[2 * at + _LOG_N + oldest] = 0
        arena.words[at + _LOG_JPY + oldest] = 0
    arena.singles[2 * at + _LOG_N + oldest] += np.uint32(1)
    arena.words[at + _LOG_JPY + oldest] = min(arena.words[at + _LOG_JPY + oldest] + amount, _SUM_TOP)
