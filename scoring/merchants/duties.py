"""The duties that a merchant, or its acquirer, owes under the Guidelines, by the merchant's record.

What the record does not say is unknown, and makes no duty.
"""

from collections.abc import Collection
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import ChannelCode, TdsModeCode
from scoring.decode.columns import Col, country_code
from scoring.reference.compliance import Duty
from scoring.reference.table import DatedTable

_JAPAN: Final = country_code("JP")


def is_bound(ints: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for which events the Guidelines bind the merchant: e-commerce in Japan. `ints` int64[n, Col]; bool[n]."""
    bound: NDArray[np.bool_] = (ints[:, Col.CHANNEL] == ChannelCode.ECOM) & (ints[:, Col.MERCHANT_COUNTRY] == _JAPAN)
    return bound


def due_on(duties: DatedTable[Duty], day: date) -> frozenset[str]:
    """Name the duties that are owed on a day."""
    return frozenset(row.duty for row in duties.on(day).values() if row.due_on is None or row.due_on < day)


def owed(
    due: Collection[str],
    gaps: Collection[str],
    *,
    tds_mode: int,
    introduced_later: bool,
    contracted_late: bool,
    is_frequent: bool,
) -> list[str]:
    """Name the duties that are owed, of those that are `due`.

    `gaps`: items of the checklist that are not implemented. `tds_mode` (`TdsModeCode`) is -1 if unknown.
    `introduced_later`: 3-D Secure begins after the day. `contracted_late`: the contract was made after the last day on
    which it needed no 3-D Secure. `is_frequent`: fraud is frequent at the merchant.
    """
    without_tds = introduced_later or tds_mode == TdsModeCode.NONE
    found = {
        "CHECKLIST": bool(gaps),
        "LOGIN": "SC6_LOGIN" in gaps,
        "TDS": without_tds,
        "TDS_AT_ONCE": without_tds and is_frequent,
        "TDS_CONTRACT": without_tds and contracted_late,
    }
    return [duty for duty, is_owed in found.items() if is_owed and duty in due]
