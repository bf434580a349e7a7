"""Layout of rows, and the tables of offsets that the kernels read.

A row is contiguous bytes: a header (key, last second, first second, owner partition; rows of cards have the owner at
their end), then the widest fields first. Offsets count elements of the field's own type from the start of the row,
so one arena serves typed views of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import RING, SUB_BUCKETS, WINDOW_S, Entity, Window
from scoring.profile.row_plans import BLOCK_WIDTH, OWN_FIELDS, REPORTED_FIELDS, ROW_PLANS, Block, Fields, Pair, RowPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLayout:
    """Give the offset of every ring, field and sketch of a kind of row, in elements of their own type, and its size.

    `uppers`: of the upper parts of a split ring, in uint16.
    """

    rings: dict[tuple[Block, Pair], int]
    uppers: dict[Pair, int]
    fields: dict[str, int]
    sketches: tuple[int, ...]
    words: int


_UPPER_WIDTH: Final = 2


def _lay_out(plan: RowPlan, own: Fields, *, is_of_card: bool) -> RowLayout:
    """Place the widest fields first, so that only the end needs padding."""
    rings: dict[tuple[Block, Pair], int] = {}
    uppers: dict[Pair, int] = {}
    fields: dict[str, int] = {}
    sketches: tuple[int, ...] = ()
    cursor = 16  # key: uint64; last and first second: uint32
    if not is_of_card:  # a card has no room for it there
        fields, cursor = {"seen_by": cursor // 4, "home": cursor // 2 + 2, "dirty": cursor + 6}, cursor + 8
    for width in (8, 4, 2, 1):
        for name, field_width, count in own:
            if field_width == width:
                fields[name], cursor = cursor // width, cursor + width * count
        for block, pairs in plan.rings.items():
            for pair in pairs if BLOCK_WIDTH[block] == width else ():
                rings[block, pair], cursor = cursor // width, cursor + width * RING
        for pair in plan.rings.get(Block.SPLITS, ()) if width == _UPPER_WIDTH else ():
            uppers[pair], cursor = cursor // width, cursor + width * RING
        for sketch in plan.sketches if width == 4 else ():
            sketches, cursor = (*sketches, cursor // width), cursor + width * sketch.slots
    return RowLayout(rings=rings, uppers=uppers, fields=fields, sketches=sketches, words=-(-cursor // 8))


ROW_LAYOUTS: Final[tuple[RowLayout, ...]] = (
    *(_lay_out(ROW_PLANS[e], OWN_FIELDS.get(e, ()), is_of_card=e == Entity.CARD) for e in Entity),
    _lay_out(RowPlan(rings={}), REPORTED_FIELDS, is_of_card=True),
)
"""By entity, and last of the rows of reported cards (`REPORTED`)."""

ROW_WORDS: Final = tuple(layout.words for layout in ROW_LAYOUTS)


def distinct_estimates(slots: int) -> list[float]:
    """Tabulate linear counting: index is the number of occupied slots of `slots`, value the estimate.

    m ln(m / empty) of Whang, Vander-Zanden and Taylor, "A linear-time probabilistic counting algorithm for database
    applications" (ACM TODS 15, 1990); its standard error is sqrt(m (e^p - p - 1)) / n for p = n / m. With no slot empty
    it says m ln(2m), the least figure above all others: "at least". Rounded so that every platform's log agrees.
    """
    inner = [round(slots * log(slots / empty), 6) for empty in range(slots, 0, -1)]
    return [*inner, round(slots * log(2 * slots), 6)]


class Value(IntEnum):
    """Name the values of one event that features are made of, ahead of those that the row plans list."""

    ONE = 0
    AMOUNT = 1
    SINCE = 2  # + entity: seconds since the row's last event
    AGE = 10  # + entity: seconds since its first
    ZSCORE = 18  # + place in AMOUNT_MEMORIES
    MEAN_AMOUNT = 20  # + place in AMOUNT_MEMORIES
    SURPRISE = 22
    OUTLIERS = 23
    LADDER = 24
    MERCHANTS_1H = 25
    MERCHANTS_24H = 26
    NEW_MERCHANT = 27
    NEW_DEVICE = 28
    NEW_ADDRESS = 29
    NEW_MCC = 30
    NEW_COUNTRY = 31
    CARD_REPORTS_24H = 32  # these five in the order in which `kernels.reports` writes them
    CARD_REPORTS_7D = 33
    CARD_REPORTS_30D = 34
    CARD_REPORTS_EVER = 35
    CARD_REPORTED_30D = 36
    MERCHANT_REPORTS_24H = 37
    MERCHANT_REPORTS_7D = 38
    MERCHANT_REPORTS_30D = 39
    MERCHANT_REPORTS_EVER = 40
    MERCHANT_REPORTED_30D = 41
    MATURE_ATTEMPTS = 42  # + place in MATURE_DAYS
    MATURE_REPORTS = 49  # + place in MATURE_DAYS
    PARTIES_NEW = 56
    END = 57


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Number all rings, queries and sketches of all entities, in the order of ROW_PLANS, as the kernels read them.

    Ring r fills scratch `Value.END + r`, query q `distinct_at + q`, and sketch k `novelty_at + k`: 1.0 where the
    event's element is new to the row. `blocks`: int64[8, 5, 2], the run of rings of each entity and block; `query_runs`
    and `sketch_runs`: int64[8, 2]. All others: int64 by ring, query or sketch. `estimates`: float64,
    `distinct_estimates` of each sketch, which begin at `estimates_at`. `*_of` find a scratch position by name.
    """

    blocks: NDArray[np.int64]
    ring_offset: NDArray[np.int64]
    ring_upper: NDArray[np.int64]
    ring_statistic: NDArray[np.int64]
    ring_window: NDArray[np.int64]
    query_runs: NDArray[np.int64]
    query_sketch: NDArray[np.int64]
    query_s: NDArray[np.int64]
    sketch_runs: NDArray[np.int64]
    sketch_at: NDArray[np.int64]
    sketch_slots: NDArray[np.int64]
    sketch_element: NDArray[np.int64]
    estimates_at: NDArray[np.int64]
    estimates: NDArray[np.float64]
    distinct_at: int
    novelty_at: int
    scratch_size: int
    ring_of: dict[tuple[Entity, Pair], int]
    distinct_of: dict[tuple[Entity, Entity, Window], int]
    novelty_of: dict[tuple[Entity, Entity], int]


def _column(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


def _runs(names: Iterable[Entity]) -> NDArray[np.int64]:
    """Return the run of each entity in a list ordered by entity: int64[8, 2]."""
    ends = np.cumsum(np.bincount(_column(names), minlength=len(Entity)))
    return np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1).astype(np.int64)


def tables() -> Tables:
    """Number every ring, query and sketch."""
    rings = [
        (entity, block, pair) for entity in Entity for block in Block for pair in ROW_PLANS[entity].rings.get(block, ())
    ]
    sketches = [(entity, sketch) for entity in Entity for sketch in ROW_PLANS[entity].sketches]
    queries = [(entity, k, window) for k, (entity, sketch) in enumerate(sketches) for window in sketch.windows]
    sizes = [len(ROW_PLANS[entity].rings.get(block, ())) for entity in Entity for block in Block]
    ends = np.cumsum(sizes)
    distinct_at = Value.END + len(rings)
    novelty_at = distinct_at + len(queries)
    return Tables(
        blocks=np.stack([ends - sizes, ends], axis=1).astype(np.int64).reshape(len(Entity), len(Block), 2),
        ring_offset=_column(ROW_LAYOUTS[entity].rings[block, pair] for entity, block, pair in rings),
        ring_upper=_column(ROW_LAYOUTS[entity].uppers.get(pair, 0) for entity, _, pair in rings),
        ring_statistic=_column(pair[0] for _, _, pair in rings),
        ring_window=_column(pair[1] for _, _, pair in rings),
        query_runs=_runs(entity for entity, _, _ in queries),
        query_sketch=_column(k for _, k, _ in queries),
        query_s=_column(WINDOW_S[window] for _, _, window in queries),
        sketch_runs=_runs(entity for entity, _ in sketches),
        sketch_at=_column(offset for layout in ROW_LAYOUTS for offset in layout.sketches),
        sketch_slots=_column(sketch.slots for _, sketch in sketches),
        sketch_element=_column(sketch.element for _, sketch in sketches),
        estimates_at=_column(np.cumsum([0, *(sketch.slots + 1 for _, sketch in sketches)])[:-1]),
        estimates=np.concatenate([distinct_estimates(sketch.slots) for _, sketch in sketches]),
        distinct_at=distinct_at,
        novelty_at=novelty_at,
        scratch_size=novelty_at + len(sketches),
        ring_of={(entity, pair): Value.END + r for r, (entity, _, pair) in enumerate(rings)},
        distinct_of={
            (entity, sketches[k][1].element, window): distinct_at + q for q, (entity, k, window) in enumerate(queries)
        },
        novelty_of={(entity, sketch.element): novelty_at + k for k, (entity, sketch) in enumerate(sketches)},
    )


TABLES: Final = tables()
SUB_S: Final = np.array([width // SUB_BUCKETS for width in WINDOW_S], dtype=np.int64)
"""Width of a sub-bucket of each window in seconds."""
