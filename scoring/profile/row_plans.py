"""Content of each entity's row: rings, distinct counters and fields, in one table."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from scoring.profile.entities import RING, Entity, Statistic, Window

_M1, _M10, _H1, _H24, _D7, _D30 = Window


class Block(IntEnum):
    """Name the runs of rings in a row; each has one element type and one clock."""

    SUMS = 0  # int64, saturating at 2**60 either way; not in cards
    COUNTS = 1  # uint32
    SHORTS = 2  # uint16, cards only
    BYTES = 3  # uint8, cards only
    SPLITS = 4  # int48 as a run of uint32 and one of the upper 16 bits, saturating at 2**47 - 1 either way; cards only


BLOCK_WIDTH: Final = (8, 4, 2, 1, 4)
"""Bytes of a cell; of a split one, of its lower part. Its upper part takes two more, elsewhere in the row."""

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
            Block.SPLITS: _over(_S.SPEND, _H1, _H24, _D7, _D30) + _over(_S.GROSS, _D30),
            Block.SHORTS: _over(_S.ATTEMPTS, _H24, _D7, _D30)
            + _over(_S.ANSWERED, _H24)
            + _over(_S.APPROVED, _H1, _H24)
            + _over(_S.PRICED, _D30),
            Block.BYTES: _over(_S.ATTEMPTS, _M1, _M10, _H1)
            + _over(_S.CRED, _H1, _H24)
            + _over(_S.FUNDS, _H1, _H24)
            + _over(_S.RISK, _H24, _D7)
            + _over(_S.SMALL, _H1, _H24)
            + _over(_S.TDS_FAILED, _H24)
            + _over(_S.REVERSALS, _H24),
        }
    ),
    Entity.MERCHANT: RowPlan(
        rings={
            Block.SUMS: _over(_S.SPEND, _H24) + _over(_S.GROSS, _D30),
            Block.COUNTS: _over(_S.ATTEMPTS, *Window)
            + _over(_S.ANSWERED, _H1, _H24)
            + _over(_S.APPROVED, _H1, _H24)
            + _over(_S.PRICED, _D30)
            + _over(_S.CRED, _H1)
            + _over(_S.RISK, _H24)
            + _over(_S.SMALL, _H1, _D30)
            + _over(_S.TDS_FAILED, _H24)
            + _over(_S.REFUNDS, _D7),
        },
        sketches=(Sketch(element=Entity.CARD, slots=256, windows=(_M10, _H1, _H24)),),
    ),
    Entity.MERCHANT_BIN: RowPlan(
        rings={
            Block.COUNTS: _over(_S.ATTEMPTS, _M10)
            + _over(_S.ANSWERED, _H1)
            + _over(_S.APPROVED, _H1)
            + _over(_S.CRED, _M10, _H1)
        },
        sketches=(
            Sketch(element=Entity.CARD, slots=128, windows=(_M10, _H1)),
            Sketch(element=Entity.IP, slots=32, windows=(_H1,)),
        ),
    ),
    Entity.BIN: RowPlan(
        rings={Block.COUNTS: _over(_S.ANSWERED, _H1) + _over(_S.CRED, _M10, _H1)},
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
            Sketch(element=Entity.ADDRESS, slots=32, windows=()),
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
REPORT_LOG: Final = 16  # last seconds in which a card or a merchant was reported

AMOUNT_MEMORIES: Final = (32, 255)
"""Amounts over which a card's running means and variances reach back. One byte counts the amounts."""

MATURE_DAYS: Final = (1, 2, 3, 7, 14, 21, 30)
"""Whole days over which a merchant's reports are compared with the attempts that they speak of."""

REPORT_DELAY_DAYS: Final = 7
"""Days from a payment to its fraud report: the attempts of younger days can have no reports yet."""

REPORT_DAYS: Final = MATURE_DAYS[-1] + 2
"""Days in the ring of reports: for an event of the day before the latest one, too."""

ATTEMPT_DAYS: Final = MATURE_DAYS[-1] + REPORT_DELAY_DAYS + 3
"""Days in the ring of attempts: today, and for an event of the day before the latest one, too."""

Fields = tuple[tuple[str, int, int], ...]
"""Name, width in bytes and count of each field."""

REPORT_FIELDS: Final[Fields] = (
    ("log_jpy", 8, REPORT_LOG + 1),  # one more, while the oldest is being moved out
    ("settled_jpy_24h", 8, RING),
    ("settled_jpy_30d", 8, RING),
    ("log_s", 4, REPORT_LOG + 1),
    ("log_n", 4, REPORT_LOG + 1),
    ("settled_24h", 4, RING),
    ("settled_7d", 4, RING),
    ("settled_30d", 4, RING),
    ("settled_ever", 4, 1),
    ("settled_s", 4, 1),
    ("heard_s", 4, 1),
)
"""What fraud reports said of a card or of a merchant: see `scoring.profile.kernels.reports`."""

DAY_FIELDS: Final[Fields] = (("attempts_by_day", 4, ATTEMPT_DAYS), ("settled_by_day", 4, REPORT_DAYS))
"""Attempts and reports of a merchant by day: see `scoring.profile.kernels.days`."""

OWN_FIELDS: Final[dict[Entity, Fields]] = {
    Entity.CARD: (
        ("ids", 8, IDS),
        ("merchant_s", 4, MERCHANTS),
        ("ladder_jpy", 4, 1),
        ("means_jpy", 4, len(AMOUNT_MEMORIES)),
        ("variances", 4, len(AMOUNT_MEMORIES)),
        ("surprise", 4, 1),
        ("merchants", 2, MERCHANTS),
        ("devices", 2, RECENT),
        ("addresses", 2, RECENT),
        ("mccs", 2, RECENT),
        ("countries", 2, RECENT),
        ("outliers", 2, 1),
        ("ladder", 1, 1),
        ("amounts", 1, 1),
        ("home", 2, 1),
        ("dirty", 1, 1),
    ),
    Entity.MERCHANT: (*REPORT_FIELDS, *DAY_FIELDS),
}
"""The fields that only one entity has."""

REPORTED_FIELDS: Final[Fields] = (*REPORT_FIELDS, ("home", 2, 1), ("dirty", 1, 1))
"""The fields of a row of a reported card: few cards are ever reported, so their own rows keep nothing of it."""
