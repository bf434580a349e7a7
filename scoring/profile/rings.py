"""Count in sliding windows: rings of sub-buckets for counts and sums, last-seen slots for distinct counts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import RING, SUB_BUCKETS, WINDOW_S
from scoring.profile.jit import helper
from scoring.profile.store import mix

WINDOWS: Final = len(WINDOW_S)

# Rows of a clock, the int64[5, 6] that says for each window where the rings of one row stand.
STEPS: Final = 0  # buckets to clear before reading: how many began since the row's last event, RING at most
SLOT: Final = 1  # slot of the running bucket
EVENT_SLOT: Final = 2  # slot of the event's own bucket, -1 when it is held no more
BUCKET: Final = 3  # number of the event's bucket since the epoch; the same for all rows
CLOCK_ROWS: Final = 4

# Rows of the ring table.
OFFSET: Final = 0
STATISTIC: Final = 1
WINDOW: Final = 2

_SUB_S: Final = tuple(width // SUB_BUCKETS for width in WINDOW_S)


@helper
def number_buckets(clock: NDArray[np.int64], second: int) -> None:
    """Set the number of the bucket of each window that holds `second`."""
    for window in range(WINDOWS):
        clock[BUCKET, window] = np.uint32(second) // np.uint32(_SUB_S[window])


@helper
def set_clock(clock: NDArray[np.int64], last_s: int, second: int, moves: bool) -> None:
    """Place an event of `second` in rings that stand at `last_s`; `number_buckets` has run.

    A later event moves the rings on. A late one never moves them back: it belongs to its own bucket while that is held.
    """
    for window in range(WINDOWS):
        held = np.int64(np.uint32(last_s) // np.uint32(_SUB_S[window]))
        now = clock[BUCKET, window]
        if not moves:
            clock[STEPS, window] = 0
            clock[SLOT, window] = held % RING
            clock[EVENT_SLOT, window] = -1
        elif now >= held:
            clock[STEPS, window] = min(now - held, RING)
            clock[SLOT, window] = now % RING
            clock[EVENT_SLOT, window] = now % RING
        else:
            clock[STEPS, window] = 0
            clock[SLOT, window] = held % RING
            clock[EVENT_SLOT, window] = now % RING if held - now < RING else -1


@helper
def read_rings(  # type: ignore[no-untyped-def]  # `cells` is an array of any integer type: one specialisation for each
    cells, at: int, run: NDArray[np.int64], rings: NDArray[np.int64], clock: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    """Clear what has left each ring of a run, then add up the rest into `values[ring]`, a negative net as 0."""
    for ring in range(run[0], run[1]):
        first = at + rings[OFFSET, ring]
        window = rings[WINDOW, ring]
        slot = clock[SLOT, window]
        for _ in range(clock[STEPS, window]):
            cells[first + slot] = 0
            slot = slot - 1 if slot > 0 else RING - 1
        total = np.int64(0)
        for slot in range(RING):
            total += np.int64(cells[first + slot])
        values[ring] = np.float64(max(total, 0))


@helper
def add_rings(  # type: ignore[no-untyped-def]
    cells, at: int, run: NDArray[np.int64], rings: NDArray[np.int64], clock: NDArray[np.int64], adds: NDArray[np.int64], top: int
) -> None:
    """Add an event's figures to its bucket of each ring of a run, saturating at `top` and, for signed cells, `-top`."""
    for ring in range(run[0], run[1]):
        add = adds[rings[STATISTIC, ring]]
        slot = clock[EVENT_SLOT, rings[WINDOW, ring]]
        if add != 0 and slot >= 0:
            cell = at + rings[OFFSET, ring] + slot
            total = np.int64(cells[cell]) + add
            cells[cell] = min(max(total, -top), top)


# Columns of the sketch table.
SKETCH_AT: Final = 0
SLOTS: Final = 1
ELEMENT: Final = 2
FIRST_QUERY: Final = 3
END_QUERY: Final = 4
ESTIMATES_AT: Final = 5


@helper
def slot_of(key: np.uint64, slots: int) -> int:
    """Choose the slot of an element; `slots` is a power of two. Other bits than the index uses."""
    return np.int64(mix(key * np.uint64(3)) >> np.uint64(40)) & (slots - 1)


@helper
def read_sketch(
    seen: NDArray[np.uint32],
    at: int,
    sketch: NDArray[np.int64],
    queries: NDArray[np.int64],
    estimates: NDArray[np.float64],
    second: int,
    values: NDArray[np.float64],
) -> None:
    """Estimate the distinct elements seen in each queried window that ends at `second` into `values[query]`."""
    slots = seen[at + sketch[SKETCH_AT] : at + sketch[SKETCH_AT] + sketch[SLOTS]]
    for query in range(sketch[FIRST_QUERY], sketch[END_QUERY]):
        since = np.uint32(max(second - queries[query], 1))
        occupied = np.uint32(0)
        for slot in range(len(slots)):
            occupied += np.uint32(slots[slot] >= since)
        values[query] = estimates[sketch[ESTIMATES_AT] + occupied]
