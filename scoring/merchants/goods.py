"""Groups of merchant category codes (ISO 18245) that differ in fraud.

High-risk goods follow the list of Japan's Credit Card Security Guidelines: digital content, home appliances,
electronic money, tickets, lodging. The Guidelines list goods, so a merchant's own `goods_class` goes first.
"""

import numpy as np
from numpy.typing import NDArray

MCC_GROUPS = (
    "unknown",
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
)
_HIGH_RISK = frozenset({"digital", "appliances", "e_money", "tickets", "lodging"})

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


def _tables() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    groups = np.ones(10_000, dtype=np.int8)
    groups[0] = 0
    for name, spans in _MEMBERS.items():
        for first, last in spans:
            groups[first : last + 1] = MCC_GROUPS.index(name)
    high_risk = np.isin(groups, [MCC_GROUPS.index(name) for name in _HIGH_RISK]).astype(np.int8)
    return groups, high_risk


GROUP_OF_MCC, HIGH_RISK_MCC = _tables()
"""int8[10000] each: index in MCC_GROUPS, and 1 where the category sells high-risk goods."""
