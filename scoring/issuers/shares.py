"""Shares of EMV 3-D Secure by BIN and month in Tokyo, against the duties of issuers in the Guidelines.

An acquirer does not see who is enrolled. It sees authentications of the issuer's cards: an attempt (transStatus A) and
the reason 13 say that the cardholder is not enrolled, a result Y, N or R, or one of a challenge, that the cardholder
is. U without reason 13 says nothing. It does not see the method either: authenticationType 01 stands for a static
password. All of it is this acquirer's view.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum, auto
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.merchants.months.calendar import months_of
from scoring.merchants.months.store import add_groups, grouped, row_key
from scoring.merchants.months.table import RowTable
from scoring.profile.packed import Packed
from scoring.reference.rows import Duty
from scoring.reference.table import DatedTable

ISSUER_KIND: Final = 250
NOT_ENROLLED: Final = 13
"""transStatusReason of EMV 3-D Secure: cardholder not enrolled."""

STATIC: Final = 1
_TYPES: Final = range(1, 5)
_BPS: Final = 10_000


class IssuerCol(IntEnum):
    """Columns of a month of a BIN, all counts."""

    JUDGED_N = 0  # authentications that say whether the cardholder is enrolled
    NOT_ENROLLED_N = 1
    TYPED_N = 2  # authentications whose type is known
    STATIC_N = 3


ISSUER_ROW: Final = np.dtype(
    [
        *[("key", "<u8"), ("at", "<i8"), ("bin", "<u8"), ("sums", "<i8", (len(IssuerCol),))],
        *[("home", "<u2"), ("dirty", "u1"), ("spare", "u1", (5,))],
    ]
)
"""A month of a BIN in one partition: `at` is the month. 64 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentications:
    """Hold results of a batch: n of them, columns borrowed and never written.

    `bin`: a key of acquirer and BIN of 64 bits, not 0. `trans_status` is the code of its letter, 0 unknown. `reason`
    and `auth_type` are numbers, -1 unknown.
    """

    bin: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    trans_status: NDArray[np.int64]
    reason: NDArray[np.int64]
    auth_type: NDArray[np.int64]


def columns_of(found: Authentications) -> NDArray[np.int64]:
    """Lay out what each result adds: int64[n, len(IssuerCol)]."""
    made = np.zeros((len(found.bin), len(IssuerCol)), dtype=np.int64)
    is_told = found.trans_status != 0
    is_not_enrolled = is_told & ((found.trans_status == ord("A")) | (found.reason == NOT_ENROLLED))
    is_enrolled = np.isin(found.trans_status, [ord(letter) for letter in "YNRCDS"]) & ~is_not_enrolled
    is_typed = is_enrolled & np.isin(found.auth_type, list(_TYPES))
    made[:, IssuerCol.JUDGED_N] = is_not_enrolled | is_enrolled
    made[:, IssuerCol.NOT_ENROLLED_N] = is_not_enrolled
    made[:, IssuerCol.TYPED_N] = is_typed
    made[:, IssuerCol.STATIC_N] = is_typed & (found.auth_type == STATIC)
    return made


class IssuerMonths:
    """Count months of BINs, within `rows_max` rows; those of the oldest months make room."""

    def __init__(self, rows_max: int) -> None:
        self._rows = RowTable(ISSUER_KIND, ISSUER_ROW, rows_max, list(IssuerCol.__members__))
        self._partitions: set[int] = set()

    def own(self, partition: int) -> None:
        """Begin to write a partition from here."""
        self._rows.own(partition)

    def take(self, partition: int, found: Authentications) -> None:
        """Count a batch in the months of its own times."""
        if len(found.bin) == 0:
            return
        self._partitions.add(partition)
        add_groups(self._rows, partition, grouped(found.bin, months_of(found.time_ms), columns_of(found)), "bin")

    def counts(self, bin_key: int, first: int, last: int) -> tuple[int, ...]:
        """Add up the months of a BIN from `first` to `last`, by IssuerCol."""
        sums = np.zeros(len(IssuerCol), dtype=np.int64)
        for month in range(first, last + 1):
            for partition in self._partitions:
                row = self._rows.find(partition, row_key(bin_key, month))
                if row is not None:
                    sums += self._rows.data[row]["sums"]
        return tuple(sums.tolist())

    def bins(self, first: int, last: int) -> list[int]:
        """List the BINs of which something was seen from `first` to `last`, in rising order of their keys."""
        data = self._rows.data[np.fromiter(self._rows.rows(), dtype=np.int64)]
        return [int(key) for key in np.unique(data["bin"][(data["at"] >= first) & (data["at"] <= last)])]

    def expire(self, before: int) -> int:
        """Drop months before one; return how many rows."""
        return self._rows.expire(before)

    def flush(self, partition: int) -> Packed:
        """Pack what changed in a partition."""
        return self._rows.flush(partition)

    def restore(self, partition: int, packed: Packed) -> None:
        """Put rows of a partition back.

        Raises:
            RowFormatError: a row is of another layout, of another partition, or damaged.
        """
        self._partitions.add(partition)
        self._rows.restore(partition, packed)

    def forget(self, partition: int) -> None:
        """Let go of a partition."""
        self._partitions.discard(partition)
        self._rows.forget(partition)


class Met(Enum):
    """How an issuer stands to a duty. NOT_DUE: the day has not come. UNKNOWN: too few payments were seen."""

    MET = auto()
    MISSED = auto()
    UNKNOWN = auto()
    NOT_DUE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerView:
    """Hold the shares of a BIN; None where nothing was seen."""

    enrolled: Fraction | None
    static: Fraction | None
    enrolment: Met
    no_static: Met


def issuer_view(counts: tuple[int, ...], duties: DatedTable[Duty], payments_min: int, day: date) -> IssuerView:
    """Judge a BIN's counts, by IssuerCol, on a day by the duties ENROLMENT and NO_STATIC.

    A single static password is more than none of them, however few payments were seen; that all is well takes
    `payments_min`.
    """
    judged, not_enrolled, typed, static = counts
    enrolled = Fraction(judged - not_enrolled, judged) if judged else None
    statics = Fraction(static, typed) if typed else None
    asked, banned = duties.find(("ENROLMENT",), day), duties.find(("NO_STATIC",), day)
    enrolment, no_static = Met.NOT_DUE, Met.NOT_DUE
    if asked is not None and asked.share_min_bps is not None and _is_due(asked, day):
        is_met = enrolled is not None and enrolled * _BPS >= asked.share_min_bps
        enrolment = Met.UNKNOWN if judged < payments_min else Met.MET if is_met else Met.MISSED
    if banned is not None and banned.share_max_bps is not None and _is_due(banned, day):
        is_over = statics is not None and statics * _BPS > banned.share_max_bps
        no_static = Met.MISSED if is_over else Met.UNKNOWN if typed < payments_min else Met.MET
    return IssuerView(enrolled=enrolled, static=statics, enrolment=enrolment, no_static=no_static)


def _is_due(duty: Duty, day: date) -> bool:
    return duty.due_on is None or day >= duty.due_on
