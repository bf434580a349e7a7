"""Groups of merchant category codes (ISO 18245) that differ in fraud, and high-risk goods by the day.

High-risk goods follow the list of Japan's Credit Card Security Guidelines (`goods_classes.yaml`). It names goods, so a
merchant's own `goods_class` goes first, and the goods of its category (`goods_categories.yaml`) stand in for it. The
groups are codes of a model, so they have no day: a table that changes leaves them as they are.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from scoring.contract.merchant import GoodsClass
from scoring.reference.goods import GoodsCategory, ListedGoods, goods_categories, goods_classes
from scoring.reference.table import DatedTable, start_ms

CLASSES: Final[tuple[GoodsClass, ...]] = get_args(GoodsClass)
"""Class k is bit k of goods in one number."""

MccGroup = Literal[
    "other",
    "digital",
    "appliances",
    "e_money",
    "tickets",
    "lodging",
    "travel",
    "grocery",
    "restaurant",
    "fuel",
    "fashion",
    "health",
    "utilities",
    "transport",
    "entertainment",
    "donation",
    "gambling",
    "services",
    "mail_order",
]
"""A group of merchant categories by what they sell."""

MCC_GROUPS: Final[tuple[str, ...]] = ("unknown", *get_args(MccGroup))

_MEMBERS: dict[str, tuple[tuple[int, int], ...]] = {
    "services": ((7200, 7399), (8000, 8099), (8100, 8299), (8900, 8999)),
    "travel": ((3000, 3500), (4411, 4411), (4723, 4723)),
    "lodging": ((7011, 7011), (3501, 3999)),
    "digital": ((5815, 5818),),
    "appliances": ((5722, 5722), (5732, 5732), (5045, 5045)),
    "e_money": ((6540, 6540), (6051, 6051)),
    "tickets": ((7922, 7922), (4111, 4112), (4511, 4511), (4722, 4722), (7941, 7941), (7991, 7991)),
    "grocery": ((5300, 5311), (5411, 5499)),
    "restaurant": ((5811, 5814),),
    "fuel": ((5541, 5542),),
    "fashion": ((5600, 5699), (5944, 5944), (5977, 5977)),
    "health": ((5912, 5912), (8011, 8099)),
    "utilities": ((4812, 4816), (4899, 4900)),
    "transport": ((4121, 4131), (4784, 4789)),
    "entertainment": ((7829, 7841), (7992, 7999)),
    "donation": ((8398, 8398), (8641, 8661)),
    "gambling": ((7800, 7802), (7995, 7995)),
    "mail_order": ((5960, 5969),),
}


def _groups() -> NDArray[np.int8]:
    groups = np.ones(10_000, dtype=np.int8)
    groups[0] = 0
    for name, spans in _MEMBERS.items():
        for first, last in spans:
            groups[first : last + 1] = MCC_GROUPS.index(name)
    return groups


GROUP_OF_MCC = _groups()
"""int8[10000]: index in MCC_GROUPS."""


class GoodsSteps(NamedTuple):
    """Goods by time: step 0 is before the first change, step k begins at `starts_ms[k - 1]`.

    Goods are bits of CLASSES: `high_risk` int64[k + 1] those that are high-risk, `of_mcc` int64[k + 1, 10000] those of
    each merchant category, `risky` bool[k + 1, 10000] whether any of them is high-risk.
    """

    starts_ms: NDArray[np.int64]
    high_risk: NDArray[np.int64]
    of_mcc: NDArray[np.int64]
    risky: NDArray[np.bool_]

    def are_high_risk(self, mcc: NDArray[np.int64], event_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of payments whether their categories sell high-risk goods at their times: all are [n]."""
        steps = np.searchsorted(self.starts_ms, event_ms, side="right") if len(self.starts_ms) else 0
        found: NDArray[np.bool_] = self.risky[steps, mcc]
        return found


def bits_of(goods: Iterable[GoodsClass]) -> int:
    """Write goods as bits."""
    return sum({1 << CLASSES.index(one) for one in goods})


def goods_of(bits: int) -> tuple[GoodsClass, ...]:
    """Read goods from bits, in the order of CLASSES."""
    return tuple(one for number, one in enumerate(CLASSES) if bits >> number & 1)


def high_risk_on(classes: DatedTable[ListedGoods], day: date) -> int:
    """Return the goods that are high-risk on a day, as bits; before the first row those of its day."""
    return bits_of(row.goods for row in classes.on(max(day, min(row.effective_from for row in classes))).values())


def goods_steps(
    classes: DatedTable[ListedGoods] | None = None, categories: DatedTable[GoodsCategory] | None = None
) -> GoodsSteps:
    """Make the steps of two tables, without them of those that ship."""
    listed, mapped = classes or goods_classes(), categories or goods_categories()
    days = sorted(listed.changes | mapped.changes)
    of_mcc = np.zeros((len(days), 10_000), dtype=np.int64)
    for step, day in enumerate(days):
        for row in mapped.on(day).values():
            of_mcc[step, int(row.first) : int(row.last) + 1] |= bits_of([row.goods])
    high_risk = np.array([high_risk_on(listed, day) for day in days], dtype=np.int64)
    starts_ms = np.array([start_ms(day) for day in days[1:]], dtype=np.int64)
    return GoodsSteps(starts_ms, high_risk, of_mcc, of_mcc & high_risk[:, None] != 0)


STEPS: Final = goods_steps()
"""Those of the tables that ship."""
