"""What a month of a merchant counts, and the bytes of its rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np


class MonthCol(IntEnum):
    """Columns of a month. `_N` counts, `_JPY` is whole yen. CNP: without the card present."""

    FRAUD_N = 0  # events that a standing report calls fraud, each once
    FRAUD_JPY = 1
    FRAUD_UNPRICED_N = 2  # of them, those of which no report gave an amount
    FRAUD_UNDATED_N = 3  # of them, those in the month of their report because that of the payment is not known
    APPROVED_N = 4  # purchases
    APPROVED_JPY = 5
    REVERSED_N = 6
    REVERSED_JPY = 7
    SETTLED_N = 8
    SETTLED_JPY = 9
    VISA_FRAUD_N = 10  # TC40, CNP
    VISA_DISPUTE_N = 11  # TC15, CNP
    VISA_ITEMS_JPY = 12  # of both
    VISA_APPROVED_N = 13  # CNP purchases
    VISA_REVERSED_N = 14
    VISA_SETTLED_N = 15  # TC05, CNP
    VISA_ATTEMPTS_N = 16  # CNP authorizations, approved or not
    VISA_ENUMERATED_N = 17  # of them, those that we take for enumeration: an estimate
    MC_CHARGEBACK_N = 18
    MC_FRAUD_CHARGEBACK_N = 19  # CNP
    MC_FRAUD_CHARGEBACK_JPY = 20
    MC_APPROVED_N = 21
    MC_REVERSED_N = 22
    MC_SETTLED_N = 23
    MC_ECOM_APPROVED_N = 24
    MC_ECOM_REVERSED_N = 25
    MC_ECOM_SETTLED_N = 26
    MC_ECOM_TDS_N = 27  # approved with EMV 3-D Secure or Data Only


COLUMNS: Final = len(MonthCol)


class Origin(IntEnum):
    """Who says something of an event: each is remembered apart, and each is heard in its own right."""

    NETWORK = 0  # TC40, FLD
    FRAUD_DISPUTE = 1  # a chargeback for fraud
    OTHER_DISPUTE = 2  # any other chargeback
    OTHER = 3  # an issuer's call, an analyst, others


ORIGINS: Final = len(Origin)

NAME_BYTES: Final = 32

_HEADER: Final = [("key", "<u8"), ("at", "<i8")]
_OWNER: Final = [("home", "<u2"), ("dirty", "u1")]

MONTH_ROW: Final = np.dtype(
    [
        *_HEADER,
        ("merchant", "<u8"),
        ("heard_ms", "<i8"),
        ("acquirer_id", f"S{NAME_BYTES}"),
        ("merchant_id", f"S{NAME_BYTES}"),
        ("sums", "<i8", (COLUMNS,)),
        *_OWNER,
        ("spare", "u1", (5,)),
    ]
)
"""A month of a merchant in one partition: `at` is the month. 328 bytes.

`heard_ms` is the latest report that changed it, 0 for none. An id of more than NAME_BYTES bytes is cut.
"""

CLAIM_ROW: Final = np.dtype(
    [
        *_HEADER,
        ("merchant", "<u8"),
        ("event_ms", "<i8"),
        ("first_ms", "<i8", (ORIGINS,)),
        ("last_ms", "<i8", (ORIGINS,)),
        ("reversed_ms", "<i8", (ORIGINS,)),
        ("amount_ms", "<i8", (ORIGINS,)),
        ("amount_jpy", "<i8", (ORIGINS,)),
        *_OWNER,
        ("excluded", "u1"),
        ("network", "u1"),
        ("cnp", "u1"),
        ("spare", "u1", (2,)),
    ]
)
"""What was reported of an event in one partition: `at` is the latest time of a report. 200 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFigures:
    """Hold one month of one merchant, or of several added up; `values` by MonthCol."""

    month: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        assert len(self.values) == COLUMNS

    def __getitem__(self, column: MonthCol) -> int:
        return self.values[column]


def empty(month: int) -> MonthFigures:
    """Return a month in which nothing was seen."""
    return MonthFigures(month=month, values=(0,) * COLUMNS)


def total(month: int, figures: Iterable[MonthFigures]) -> MonthFigures:
    """Add figures of one month up."""
    sums = [0] * COLUMNS
    for one in figures:
        assert one.month == month
        sums = [a + b for a, b in zip(sums, one.values, strict=True)]
    return MonthFigures(month=month, values=tuple(sums))
