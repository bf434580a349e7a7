"""Count in sliding windows: rings of sub-buckets for counts and sums, last-seen slots for distinct counts."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import constant, helper, whole
from scoring.profile.entities import RING, WINDOW_S, Entity, Statistic
from scoring.profile.kernels.arrays import Arena, Scratch, Words
from scoring.profile.kernels.store import mix
from scoring.profile.layout import SUB_S, TABLES, Value
from scoring.profile.row_plans import Block

WINDOWS: Final = len(WINDOW_S)

# The int64 workspace of one call: the bucket of the event, the amounts it adds, and the clock of the rings of each row.
START: Final = 0  # + window: first second of the event's bucket
SLOT: Final = WINDOWS  # + window: slot of that bucket; the same in all rows
ADDS: Final = 2 * WINDOWS  # + statistic
CLOCKS: Final = ADDS + len(Statistic)  # + CLOCK * row: one for each entity, and one for a partition's own
STEPS: Final = 0  # + window: buckets to clear before reading, as many as began since the row's last event
HEAD: Final = WINDOWS  # + window: slot of the row's running bucket
EVENT_SLOT: Final = 2 * WINDOWS  # + window: slot of the event's own bucket, -1 if the ring no longer has it
CLOCK: Final = 3 * WINDOWS
OWN_CLOCK: Final = CLOCKS + CLOCK * len(Entity)
WORK_SIZE: Final = OWN_CLOCK + CLOCK

Cells = NDArray[np.integer[Any]]
"""The view of the arena whose element type a block has; a helper that takes it is compiled once for each type."""

_SUB_S: Final = SUB_S
_RINGS_AT: Final = int(Value.END)
_DISTINCT_AT: Final = TABLES.distinct_at
_OFFSET: Final = TABLES.ring_offset
_STATISTIC: Final = TABLES.ring_statistic
_WINDOW: Final = TABLES.ring_window
_BLOCKS: Final = TABLES.blocks
_UPPER: Final = TABLES.ring_upper
_SPLITS: Final = constant(Block.SPLITS)
_SPLIT_TOP: Final = constant(2**47 - 1)
_LOW_BITS: Final = 32
_LOW: Final = constant(2**32 - 1)
_SIGN: Final = constant(2**15)


@helper
def stand(work: Words, second: int) -> None:
    """Find the bucket of each window that contains `second`."""
    for window in range(WINDOWS):
        number = second // _SUB_S[window]
        work[START + window] = number * _SUB_S[window]
        work[SLOT + window] = number % RING


@helper
def set_clock(work: Words, clock: int, last_s: int, moves: bool) -> None:
    """Place the event of the last `stand` in rings whose latest second is `last_s`. `clock`: offset of the row's clock.

    A later event moves the rings on. A late one never moves them back: it belongs to its own bucket while that is held.
    """
    for window in range(WINDOWS):
        start, slot, width = work[START + window], work[SLOT + window], _SUB_S[window]
        steps, head, event_slot = 0, slot, slot
        if not moves:
            head, event_slot = (last_s // width) % RING, -1
        elif last_s < start:
            steps = 1
            while steps < RING and last_s < start - steps * width:
                steps += 1
        elif last_s >= start + width:
            ahead = last_s // width - start // width
            head, event_slot = (slot + ahead) % RING, slot if ahead < RING else -1
        work[clock + STEPS + window] = steps
        work[clock + HEAD + window] = head
        work[clock + EVENT_SLOT + window] = event_slot


@helper
def read_rings(cells: Cells, at: int, entity: int, block: int, work: Words, clock: int, values: Scratch) -> None:
    """Clear expired buckets of each ring of a block, then add up the others into the scratch; a negative net is 0."""
    for ring in range(_BLOCKS[entity, block, 0], _BLOCKS[entity, block, 1]):
        first = at + _OFFSET[ring]
        window = _WINDOW[ring]
        slot = work[clock + HEAD + window]
        for _ in range(work[clock + STEPS + window]):
            cells[first + slot] = 0
            slot = slot - 1 if slot > 0 else RING - 1
        total = whole(0)
        for k in range(RING):
            total += whole(cells[first + k])
        values[_RINGS_AT + ring] = float(max(total, 0))


@helper
def clear_rings(cells: Cells, at: int, entity: int, block: int, work: Words, clock: int) -> None:
    """Clear the expired buckets of each ring of a block, without reading."""
    for ring in range(_BLOCKS[entity, block, 0], _BLOCKS[entity, block, 1]):
        first, window = at + _OFFSET[ring], _WINDOW[ring]
        slot = work[clock + HEAD + window]
        for _ in range(work[clock + STEPS + window]):
            cells[first + slot] = 0
            slot = slot - 1 if slot > 0 else RING - 1


@helper
def add_rings(cells: Cells, at: int, entity: int, block: int, work: Words, clock: int, top: int) -> None:
    """Add an event's figures to its bucket of each ring of a block, saturating at `top` (where signed, `-top` too)."""
    for ring in range(_BLOCKS[entity, block, 0], _BLOCKS[entity, block, 1]):
        add = work[ADDS + _STATISTIC[ring]]
        slot = work[clock + EVENT_SLOT + _WINDOW[ring]]
        if add != 0 and slot >= 0:
            cell = at + _OFFSET[ring] + slot
            cells[cell] = min(max(whole(cells[cell]) + add, -top), top)


@helper
def read_splits(arena: Arena, at: int, entity: int, work: Words, clock: int, values: Scratch) -> None:
    """Clear and add up as `read_rings`, where a cell is split in two. `at`: word offset of the row."""
    clear_splits(arena, at, entity, work, clock)
    for ring in range(_BLOCKS[entity, _SPLITS, 0], _BLOCKS[entity, _SPLITS, 1]):
        low, high = 2 * at + _OFFSET[ring], 4 * at + _UPPER[ring]
        lower, upper = whole(0), whole(0)
        for k in range(RING):
            lower += whole(arena.singles[low + k])
            upper += (whole(arena.shorts[high + k]) ^ _SIGN) - _SIGN
        values[_RINGS_AT + ring] = float(max((upper << _LOW_BITS) + lower, 0))


@helper
def clear_splits(arena: Arena, at: int, entity: int, work: Words, clock: int) -> None:
    """Clear what has left each split ring."""
    for ring in range(_BLOCKS[entity, _SPLITS, 0], _BLOCKS[entity, _SPLITS, 1]):
        low, high, window = 2 * at + _OFFSET[ring], 4 * at + _UPPER[ring], _WINDOW[ring]
        slot = work[clock + HEAD + window]
        for _ in range(work[clock + STEPS + window]):
            arena.singles[low + slot] = 0
            arena.shorts[high + slot] = 0
            slot = slot - 1 if slot > 0 else RING - 1


@helper
def add_splits(arena: Arena, at: int, entity: int, work: Words, clock: int) -> None:
    """Add an event's figures as `add_rings`, where a cell is split in two."""
    for ring in range(_BLOCKS[entity, _SPLITS, 0], _BLOCKS[entity, _SPLITS, 1]):
        add = work[ADDS + _STATISTIC[ring]]
        slot = work[clock + EVENT_SLOT + _WINDOW[ring]]
        if add != 0 and slot >= 0:
            low, high = 2 * at + _OFFSET[ring] + slot, 4 * at + _UPPER[ring] + slot
            upper = (whole(arena.shorts[high]) ^ _SIGN) - _SIGN
            total = (upper << _LOW_BITS) + whole(arena.singles[low]) + add
            total = min(max(total, -_SPLIT_TOP), _SPLIT_TOP)
            arena.singles[low] = total & _LOW
            arena.shorts[high] = (total >> _LOW_BITS) & (2 * _SIGN - 1)


@helper
def add_ring(cells: Cells, to: int, of: int, length: int, width: int, stands_s: int, of_s: int, top: int) -> None:
    """Add the buckets of a ring at `of_s` that one at `stands_s` still holds to it, saturating as `add_rings`.

    `length`: the number of buckets, each `width` seconds long.
    """
    head, of_head = stands_s // width, of_s // width
    for bucket in range(max(head, of_head) - length + 1, of_head + 1):
        cell = to + bucket % length
        cells[cell] = min(max(whole(cells[cell]) + whole(cells[of + bucket % length]), -top), top)


@helper
def add_at(cells: Cells, at: int, length: int, width: int, stands_s: int, second: int, add: int, top: int) -> None:
    """Add to the bucket of a second, if the ring still has it. `stands_s`: the second at the head of the ring."""
    bucket, head = second // width, stands_s // width
    for passed in range(max(head, bucket - length) + 1, bucket + 1):
        cells[at + passed % length] = 0
    if bucket > head - length:
        cell = at + bucket % length
        cells[cell] = min(whole(cells[cell]) + add, top)


_SKETCH_AT: Final = TABLES.sketch_at
_SLOTS: Final = TABLES.sketch_slots
_ESTIMATES_AT: Final = TABLES.estimates_at
_ESTIMATES: Final = TABLES.estimates
_QUERY_RUNS: Final = TABLES.query_runs
_QUERY_SKETCH: Final = TABLES.query_sketch
_QUERY_S: Final = TABLES.query_s


@helper
def cell_of(at: int, sketch: int, element: np.uint64) -> int:
    """Return the slot of an element in a row's sketch, chosen by other bits than the index uses."""
    slot = whole(mix(element * np.uint64(3)) >> np.uint64(40)) & (_SLOTS[sketch] - 1)
    return whole(at + _SKETCH_AT[sketch] + slot)


@helper
def read_sketches(arena: Arena, at: int, entity: int, second: int, values: Scratch) -> None:
    """Estimate the distinct elements seen in each queried window that ends at `second` into the scratch."""
    for query in range(_QUERY_RUNS[entity, 0], _QUERY_RUNS[entity, 1]):
        sketch = _QUERY_SKETCH[query]
        first = at + _SKETCH_AT[sketch]
        since = np.uint32(max(second - _QUERY_S[query], 1))
        occupied = np.uint32(0)
        for cell in range(first, first + _SLOTS[sketch]):
            occupied += np.uint32(arena.singles[np.uint64(cell)] >= since)
        values[_DISTINCT_AT + query] = _ESTIMATES[_ESTIMATES_AT[sketch] + occupied]
