"""Add up the rows of one entity in several partitions: the sum is the row of all events together.

Buckets begin at absolute times and hold integers. Distinct counters unite by maximum. The clock of a row is the latest
clock of its parts. So the sum of the parts at that clock is the row of all their events in any order, which a test
checks.
"""

from typing import Final

import numpy as np

from scoring.jit import constant, helper, whole
from scoring.profile.entities import RING, Entity
from scoring.profile.kernels.arrays import Arena
from scoring.profile.kernels.days import add_attempts_of_part
from scoring.profile.kernels.reports import add_merchant_reports, set_report_clocks
from scoring.profile.kernels.rings import Cells, add_ring
from scoring.profile.kernels.store import BITS, FIRST_S, LAST_S, OWN, PARTITIONS, SEEN_BY, WORDS, find, salted
from scoring.profile.layout import SUB_S, TABLES
from scoring.profile.row_plans import Block

_MERCHANT: Final = int(Entity.MERCHANT)
_SUMS: Final = constant(Block.SUMS)
_COUNTS: Final = constant(Block.COUNTS)
_SUM_TOP: Final = constant(2**60)
_COUNT_TOP: Final = constant(2**32 - 1)

_BLOCKS: Final = TABLES.blocks
_OFFSET: Final = TABLES.ring_offset
_WINDOW: Final = TABLES.ring_window
_SUB_S: Final = SUB_S
_SKETCH_RUNS: Final = TABLES.sketch_runs
_SKETCH_AT: Final = TABLES.sketch_at
_SLOTS: Final = TABLES.sketch_slots


@helper
def add_up(arena: Arena, entity: int, at: int) -> bool:
    """Make the row at `at` the sum of what the partitions that it names keep; False if none keeps anything."""
    key = np.uint64(arena.words[at])
    seen_by = arena.singles[2 * at + arena.stores[entity, SEEN_BY]]
    still = np.uint32(0)
    for word in range(at + 1, at + arena.stores[entity, WORDS]):
        arena.words[word] = 0
    for turn in range(2):  # the clocks first: a bucket is kept or not by where the sum stands
        for partition in range(arena.stores[0, PARTITIONS]):
            bit = np.uint32(1) << np.uint32(partition % BITS)
            part = find(arena, OWN + entity, salted(key, partition)) if seen_by & bit else -1
            if part >= 0 and turn == 0:
                still |= bit
                _set_clocks(arena, entity, at, part)
            elif part >= 0:
                _add(arena, entity, at, part)
    arena.singles[2 * at + arena.stores[entity, SEEN_BY]] = still
    return bool(still != np.uint32(0))


@helper
def _set_clocks(arena: Arena, entity: int, at: int, own: int) -> None:
    first_s, own_s = arena.singles[2 * at + FIRST_S], arena.singles[2 * own + FIRST_S]
    if own_s != 0 and (first_s == 0 or own_s < first_s):
        arena.singles[2 * at + FIRST_S] = own_s
    arena.singles[2 * at + LAST_S] = max(arena.singles[2 * at + LAST_S], arena.singles[2 * own + LAST_S])
    if entity == _MERCHANT:
        set_report_clocks(arena, at, own)


@helper
def _add(arena: Arena, entity: int, at: int, own: int) -> None:
    stands_s, own_s = whole(arena.singles[2 * at + LAST_S]), whole(arena.singles[2 * own + LAST_S])
    _add_block(arena.words, at, own, entity, _SUMS, stands_s, own_s, _SUM_TOP)
    _add_block(arena.singles, 2 * at, 2 * own, entity, _COUNTS, stands_s, own_s, _COUNT_TOP)
    for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
        for cell in range(_SKETCH_AT[sketch], _SKETCH_AT[sketch] + _SLOTS[sketch]):
            arena.singles[2 * at + cell] = max(arena.singles[2 * at + cell], arena.singles[2 * own + cell])
    if entity == _MERCHANT:
        add_merchant_reports(arena, at, own)
        add_attempts_of_part(arena, at, own, stands_s, own_s)


@helper
def _add_block(cells: Cells, at: int, own: int, entity: int, block: int, stands_s: int, own_s: int, top: int) -> None:
    """Add the buckets of a part that the sum still has. `stands_s`, `own_s`: the clocks of the sum and of the part."""
    for ring in range(_BLOCKS[entity, block, 0], _BLOCKS[entity, block, 1]):
        offset = _OFFSET[ring]
        add_ring(cells, at + offset, own + offset, RING, _SUB_S[_WINDOW[ring]], stands_s, own_s, top)
