"""Count the fraud reports of a merchant by time of receipt, so that no event sees one received after it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import RING, SUB_BUCKETS, WINDOW_S, Entity, Statistic
from scoring.profile.jit import helper
from scoring.profile.layout import REPORT_LOG, ROW_LAYOUTS, Block
from scoring.profile.rings import STATISTIC, WINDOW, add_rings, number_buckets, read_rings, set_clock

_FIELDS = ROW_LAYOUTS[Entity.MERCHANT].fields
_LOG_JPY: Final = _FIELDS["log_jpy"]
_LOG_S: Final = _FIELDS["log_s"]
_LOG_N: Final = _FIELDS["log_n"]
_CLOCK: Final = _FIELDS["report_clock"]

_MERCHANT: Final = int(Entity.MERCHANT)
_SUMS: Final = int(Block.REPORT_SUMS)
_COUNTS: Final = int(Block.REPORT_COUNTS)
_REPORTS: Final = int(Statistic.REPORTS)
_REPORTED: Final = int(Statistic.REPORTED)
_SUB_S: Final = tuple(width // SUB_BUCKETS for width in WINDOW_S)
_COUNT_TOP: Final = 2**32 - 1
_SUM_TOP: Final = 2**60


@helper
def read_merchant_reports(
    at: int,
    sums: NDArray[np.int64],
    singles: NDArray[np.uint32],
    blocks: NDArray[np.int64],
    rings: NDArray[np.int64],
    clock: NDArray[np.int64],
    second: int,
    moves: bool,
    values: NDArray[np.float64],
) -> None:
    """Read what was received up to `second` into the scratch of the report rings. `at`: word offset of the row.

    The rings run up to the last report or event. Reports newer than the event are taken out again by the log of the last
    REPORT_LOG seconds in which any came.
    """
    stands_s = np.int64(singles[2 * at + _CLOCK])
    if stands_s == 0:
        values[blocks[_MERCHANT, _SUMS, 0] : blocks[_MERCHANT, _COUNTS, 1]] = 0.0
        return
    set_clock(clock, stands_s, second, moves)
    read_rings(sums, at, blocks[_MERCHANT, _SUMS], rings, clock, values)
    read_rings(singles, 2 * at, blocks[_MERCHANT, _COUNTS], rings, clock, values)
    if moves:
        stands_s = max(stands_s, second)
        singles[2 * at + _CLOCK] = stands_s
    for k in range(REPORT_LOG):
        received_s = np.int64(singles[2 * at + _LOG_S + k])
        if received_s > second:
            for ring in range(blocks[_MERCHANT, _SUMS, 0], blocks[_MERCHANT, _COUNTS, 1]):
                width = _SUB_S[rings[WINDOW, ring]]
                if stands_s // width - received_s // width < RING:
                    of_count = rings[STATISTIC, ring] == _REPORTS
                    unseen = np.int64(singles[2 * at + _LOG_N + k]) if of_count else sums[at + _LOG_JPY + k]
                    values[ring] = max(values[ring] - np.float64(unseen), 0.0)


@helper
def report_merchant(
    at: int,
    sums: NDArray[np.int64],
    singles: NDArray[np.uint32],
    blocks: NDArray[np.int64],
    rings: NDArray[np.int64],
    clock: NDArray[np.int64],
    received_s: int,
    amount: int,
    adds: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    """Count one report. `values` is scratch, overwritten."""
    stands_s = np.int64(singles[2 * at + _CLOCK])
    adds[:] = 0
    adds[_REPORTS] = 1
    adds[_REPORTED] = max(amount, 0)
    number_buckets(clock, received_s)
    set_clock(clock, stands_s, received_s, True)
    read_rings(sums, at, blocks[_MERCHANT, _SUMS], rings, clock, values)
    read_rings(singles, 2 * at, blocks[_MERCHANT, _COUNTS], rings, clock, values)
    add_rings(sums, at, blocks[_MERCHANT, _SUMS], rings, clock, adds, _SUM_TOP)
    add_rings(singles, 2 * at, blocks[_MERCHANT, _COUNTS], rings, clock, adds, _COUNT_TOP)
    singles[2 * at + _CLOCK] = max(stands_s, received_s)
    _log(at, sums, singles, received_s, adds[_REPORTED])


@helper
def _log(at: int, sums: NDArray[np.int64], singles: NDArray[np.uint32], received_s: int, amount: int) -> None:
    """Add a report to its second in the log; the oldest second falls out."""
    oldest = 0
    for k in range(REPORT_LOG):
        logged_s = np.int64(singles[2 * at + _LOG_S + k])
        if logged_s == received_s:
            oldest = k
            break
        if logged_s < np.int64(singles[2 * at + _LOG_S + oldest]):
            oldest = k
    logged_s = np.int64(singles[2 * at + _LOG_S + oldest])
    if received_s < logged_s:
        return
    if received_s > logged_s:
        singles[2 * at + _LOG_S + oldest] = received_s
        singles[2 * at + _LOG_N + oldest] = 0
        sums[at + _LOG_JPY + oldest] = 0
    singles[2 * at + _LOG_N + oldest] += np.uint32(1)
    sums[at + _LOG_JPY + oldest] = min(sums[at + _LOG_JPY + oldest] + amount, _SUM_TOP)
