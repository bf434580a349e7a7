"""Where everything lies in a row: one table per entity, and from it the offsets that the kernels read.

A row is contiguous bytes: header (key, last second, first second), int64 sums, the entity's own fields, counters, sketches.
Offsets count elements of the field's own type from the start of the row, so one arena serves typed views of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import RING, WINDOW_S, Entity, Statistic, Window

_M1, _M10, _H1, _H24, _D7, _D30 = Window


class Block(IntEnum):
    """Name the runs of rings in a row; each has one element type and one clock."""

    SUMS = 0  # int64, saturating at 2**60 either way
    COUNTS = 1  # uint32
    SHORTS = 2  # uint16, cards only
    BYTES = 3  # uint8, cards only
    REPORT_SUMS = 4  # int64, merchants only, by time of receipt
    REPORT_COUNTS = 5  # uint32, merchants only, by time of receipt


BLOCK_WIDTH: Final = (8, 4, 2, 1, 8, 4)

Pair = tuple[Statistic, Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """Describe a distinct counter: `slots` last-seen seconds of the elements that hash to each, read at `windows`."""

    element: Entity
    slots: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """List what one entity keeps: rings by block, and distinct counters."""

    rings: dict[Block, tuple[Pair, ...]]
    sketches: tuple[Sketch, ...] = ()


def _over(statistic: Statistic, *windows: Window) -> tuple[Pair, ...]:
    return tuple((statistic, window) for window in windows)


_S = Statistic
ROW_PLANS: Final[dict[Entity, RowPlan]] = {
    Entity.CARD: RowPlan(
        rings={
            Block.SUMS: _over(_S.SPEND, _H1, _H24, _D7, _D30),
            Block.SHORTS: _over(_S.ATTEMPTS, *Window) + _over(_S.APPROVED, _H1, _H24, _D30),
            Block.BYTES: _over(_S.CRED, _H1, _H24)
            + _over(_S.FUNDS, _H1, _H24)
            + _over(_S.RISK, _H24, _D7)
            + _over(_S.SMALL, _H1, _H24)
            + _over(_S.TDS_FAILED, _H24)
            + _over(_S.REVERSALS, _H24),
        }
    ),
    Entity.MERCHANT: RowPlan(
        rings={
            Block.SUMS: _over(_S.SPEND, _H24, _D30),
            Block.COUNTS: _over(_S.ATTEMPTS, *Window)
            + _over(_S.APPROVED, _H1, _H24, _D30)
            + _over(_S.CRED, _H1)
            + _over(_S.RISK, _H24)
            + _over(_S.SMALL, _H1, _D30)
            + _over(_S.TDS_FAILED, _H24)
            + _over(_S.REFUNDS, _D7),
            Block.REPORT_SUMS: _over(_S.REPORTED, _D30),
            Block.REPORT_COUNTS: _over(_S.REPORTS, _H24, _D7, _D30),
        },
        sketches=(Sketch(element=Entity.CARD, slots=256, windows=(_M10, _H1, _H24)),),
    ),
    Entity.MERCHANT_BIN: RowPlan(
        rings={Block.COUNTS: _over(_S.ATTEMPTS, _M10, _H1) + _over(_S.APPROVED, _H1) + _over(_S.CRED, _M10, _H1)},
        sketches=(
            Sketch(element=Entity.CARD, slots=128, windows=(_M10, _H1)),
            Sketch(element=Entity.IP, slots=32, windows=(_H1,)),
        ),
    ),
    Entity.BIN: RowPlan(
        rings={Block.COUNTS: _over(_S.ATTEMPTS, _H1) + _over(_S.CRED, _M10, _H1)},
        sketches=(
            Sketch(element=Entity.CARD, slots=256, windows=(_H1,)),
            Sketch(element=Entity.MERCHANT, slots=64, windows=(_H1,)),
        ),
    ),
    Entity.DEVICE: RowPlan(
        rings={Block.COUNTS: _over(_S.ATTEMPTS, _H1, _H24) + _over(_S.CRED, _H24) + _over(_S.TDS_FAILED, _H24)},
        sketches=(
            Sketch(element=Entity.CARD, slots=64, windows=(_H1, _H24, _D7)),
            Sketch(element=Entity.MERCHANT, slots=32, windows=(_H1,)),
            Sketch(element=Entity.ACCOUNT, slots=32, windows=(_H24,)),
        ),
    ),
    Entity.IP: RowPlan(
        rings={Block.COUNTS: _over(_S.ATTEMPTS, _M10, _H1) + _over(_S.CRED, _H1)},
        sketches=(
            Sketch(element=Entity.CARD, slots=64, windows=(_H1, _H24)),
            Sketch(element=Entity.MERCHANT, slots=32, windows=(_H1,)),
            Sketch(element=Entity.ACCOUNT, slots=32, windows=(_H24,)),
        ),
    ),
    Entity.ACCOUNT: RowPlan(
        rings={Block.SUMS: _over(_S.SPEND, _H24), Block.COUNTS: _over(_S.ATTEMPTS, _H24)},
        sketches=(
            Sketch(element=Entity.CARD, slots=32, windows=(_H24, _D30)),
            Sketch(element=Entity.DEVICE, slots=32, windows=(_D30,)),
            Sketch(element=Entity.ADDRESS, slots=32, windows=(_D30,)),
        ),
    ),
    Entity.ADDRESS: RowPlan(
        rings={Block.SUMS: _over(_S.SPEND, _D7), Block.COUNTS: _over(_S.ATTEMPTS, _H24)},
        sketches=(
            Sketch(element=Entity.CARD, slots=64, windows=(_H24, _D7, _D30)),
            Sketch(element=Entity.ACCOUNT, slots=32, windows=(_D7,)),
        ),
    ),
}

# Lengths of the short memories of a row.
IDS: Final = 6  # last event ids of a card, to know a repeat
MERCHANTS: Final = 8  # last merchants of a card, with their times
RECENT: Final = 4  # last devices, addresses, MCCs, countries of a card
CARD_REPORTS: Final = 4  # last fraud reports on a card, with times and amounts
REPORT_LOG: Final = 8  # last seconds in which a merchant was reported

_OWN_FIELDS: Final[dict[Entity, tuple[tuple[str, int, int], ...]]] = {
    Entity.CARD: (
        ("ids", 8, IDS),
        ("merchant_s", 4, MERCHANTS),
        ("report_s", 4, CARD_REPORTS),
        ("report_jpy", 4, CARD_REPORTS),
        ("ladder_jpy", 4, 1),
        ("mean_jpy", 4, 1),
        ("variance", 4, 1),
        ("merchants", 2, MERCHANTS),
        ("devices", 2, RECENT),
        ("addresses", 2, RECENT),
        ("mccs", 2, RECENT),
        ("countries", 2, RECENT),
        ("reports", 2, 1),
        ("ladder", 1, 1),
        ("amounts", 1, 1),
    ),
    Entity.MERCHANT: (
        ("log_jpy", 8, REPORT_LOG),
        ("log_s", 4, REPORT_LOG),
        ("log_n", 4, REPORT_LOG),
        ("report_clock", 4, 1),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLayout:
    """Give the offset of every ring, field and sketch of one entity, in elements of their own type, and the row's size."""

    rings: dict[tuple[Block, Pair], int]
    fields: dict[str, int]
    sketches: tuple[int, ...]
    words: int


def _lay_out(entity: Entity) -> RowLayout:
    """Place the widest fields first, so that nothing needs padding but the end."""
    plan = ROW_PLANS[entity]
    rings: dict[tuple[Block, Pair], int] = {}
    fields: dict[str, int] = {}
    sketches: tuple[int, ...] = ()
    cursor = 16  # key: uint64; last and first second: uint32
    for width in (8, 4, 2, 1):
        for name, field_width, count in _OWN_FIELDS.get(entity, ()):
            if field_width == width:
                fields[name], cursor = cursor // width, cursor + width * count
        for block, pairs in plan.rings.items():
            for pair in pairs if BLOCK_WIDTH[block] == width else ():
                rings[block, pair], cursor = cursor // width, cursor + width * RING
        for sketch in plan.sketches if width == 4 else ():
            sketches, cursor = (*sketches, cursor // width), cursor + width * sketch.slots
    return RowLayout(rings=rings, fields=fields, sketches=sketches, words=-(-cursor // 8))


ROW_LAYOUTS: Final[tuple[RowLayout, ...]] = tuple(_lay_out(entity) for entity in Entity)
ROW_WORDS: Final = tuple(layout.words for layout in ROW_LAYOUTS)


def distinct_estimates(slots: int) -> list[float]:
    """Tabulate linear counting: index is the number of occupied slots of `slots`, value the estimated distinct elements.

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
    ZSCORE = 18
    MEAN_AMOUNT = 19
    LADDER = 20
    MERCHANTS_1H = 21
    MERCHANTS_24H = 22
    NEW_MERCHANT = 23
    NEW_DEVICE = 24
    NEW_ADDRESS = 25
    NEW_MCC = 26
    NEW_COUNTRY = 27
    CARD_REPORTS_24H = 28
    CARD_REPORTS_30D = 29
    CARD_REPORTS_EVER = 30
    CARD_REPORTED = 31
    END = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Number all rings, queries and sketches of all entities, in the order of ROW_PLANS, as the kernels read them.

    Ring r fills scratch `Value.END + r`, query q `distinct_at + q`, and sketch k `novelty_at + k`: 1.0 where the event's
    element is new to the row. `blocks`: int64[8, 6, 2], the run of rings of each entity and block; `query_runs` and
    `sketch_runs`: int64[8, 2]. All others: int64 by ring, query or sketch. `estimates`: float64, `distinct_estimates` of
    each sketch, which begin at `estimates_at`. `*_of` find a scratch position by name.
    """

    blocks: NDArray[np.int64]
    ring_offset: NDArray[np.int64]
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
