"""Shares of EMV 3-D Secure by BIN, against the duties of issuers in the Guidelines.

An acquirer does not see who is enrolled. It sees authentications of the issuer's cards: an attempt (transStatus A) and
the reason 13 say that the cardholder is not enrolled, a result Y, N or R, or one of a challenge, that the cardholder
is. U without reason 13 says nothing. It does not see the method either: authenticationType 01 stands for a static
password. All of it is this acquirer's view, and an estimate of what the duties speak of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum, auto
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.merchants.duties import due_on
from scoring.reference.compliance import Duty
from scoring.reference.table import DatedTable

NOT_ENROLLED: Final = 13
"""transStatusReason of EMV 3-D Secure: cardholder not enrolled."""

STATIC: Final = 1
_TYPES: Final = range(1, 5)
_ENROLLED: Final = tuple(ord(letter) for letter in "YNRCDS")
_BPS: Final = 10_000


class IssuerCol(IntEnum):
    """What is counted of a BIN."""

    JUDGED_N = 0  # authentications that say whether the cardholder is enrolled
    NOT_ENROLLED_N = 1
    TYPED_N = 2  # authentications of enrolled cardholders whose type is known
    STATIC_N = 3


def issuer_columns(
    trans_status: NDArray[np.int64], reason: NDArray[np.int64], auth_type: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Lay out what each authentication adds: int64[n, len(IssuerCol)].

    `trans_status` int64[n] is the code of its letter, 0 unknown. `reason` and `auth_type` int64[n] are numbers, below 0
    unknown.
    """
    made = np.zeros((len(trans_status), len(IssuerCol)), dtype=np.int64)
    is_not_enrolled = (trans_status == ord("A")) | ((trans_status != 0) & (reason == NOT_ENROLLED))
    is_enrolled = np.isin(trans_status, _ENROLLED) & ~is_not_enrolled
    is_typed = is_enrolled & np.isin(auth_type, list(_TYPES))
    made[:, IssuerCol.JUDGED_N] = is_not_enrolled | is_enrolled
    made[:, IssuerCol.NOT_ENROLLED_N] = is_not_enrolled
    made[:, IssuerCol.TYPED_N] = is_typed
    made[:, IssuerCol.STATIC_N] = is_typed & (auth_type == STATIC)
    return made


class Met(Enum):
    """How an issuer stands to a duty.

    NOT_DUE: the day has not come. NOT_BOUND: the Guidelines bind issuers in Japan, and this one is elsewhere. UNKNOWN:
    too few payments were seen, or nobody told the issuer's country.
    """

    MET = auto()
    MISSED = auto()
    UNKNOWN = auto()
    NOT_DUE = auto()
    NOT_BOUND = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerView:
    """Hold the shares of a BIN; None where nothing was seen."""

    enrolled: Fraction | None
    static: Fraction | None
    enrolment: Met
    no_static: Met


def issuer_view(
    counts: Sequence[int], duties: DatedTable[Duty], payments_min: int, day: date, is_bound: bool | None = True
) -> IssuerView:
    """Judge a BIN's counts, by IssuerCol, on a day by the duties ENROLMENT and NO_STATIC.

    `is_bound`: whether the issuer is in Japan; None where nobody told. A single static password is more than none of
    them, however few payments were seen; that all is well takes `payments_min`.
    """
    judged, not_enrolled, typed, static = counts
    enrolled = Fraction(judged - not_enrolled, judged) if judged else None
    statics = Fraction(static, typed) if typed else None
    due = due_on(duties, day)
    asked, banned = duties.find(("ENROLMENT",), day), duties.find(("NO_STATIC",), day)
    enrolment, no_static = Met.NOT_DUE, Met.NOT_DUE
    if "ENROLMENT" in due and asked is not None and asked.share_min_bps is not None:
        is_met = enrolled is not None and enrolled * _BPS >= asked.share_min_bps
        enrolment = Met.UNKNOWN if judged < payments_min else Met.MET if is_met else Met.MISSED
    if "NO_STATIC" in due and banned is not None and banned.share_max_bps is not None:
        is_over = statics is not None and statics * _BPS > banned.share_max_bps
        no_static = Met.MISSED if is_over else Met.UNKNOWN if typed < payments_min else Met.MET
    return IssuerView(
        enrolled=enrolled, static=statics, enrolment=_of(is_bound, enrolment), no_static=_of(is_bound, no_static)
    )


def _of(is_bound: bool | None, found: Met) -> Met:
    if found is Met.NOT_DUE or is_bound:
        return found
    return Met.UNKNOWN if is_bound is None else Met.NOT_BOUND
