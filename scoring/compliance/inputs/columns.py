"""What each event adds to the sums, as columns."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    ChannelCode,
    Expectation,
    Flow,
    Kind,
    NetworkCode,
    OutcomeClass,
    ThreeDsStatus,
    TxnTypeCode,
)
from scoring.decode import Col
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.merchants.months.columns import COLUMNS, MonthCol
from scoring.threeds.columns import EXPECTED, FLOW, STATUS


class CoverageCol(IntEnum):
    """What is counted of 3-D Secure at a merchant in a month: purchases, each once."""

    DUE_N = 0  # 3-D Secure was REQUIRED
    WITHOUT_N = 1  # of them, those without any
    UNTOLD_N = 2  # of them, those of which the event says nothing
    UNCLEAR_N = 3  # not known whether it was required
    NOT_DUE_N = 4
    AUTHENTICATED_N = 5  # of all purchases
    ATTEMPTED_N = 6


class DayCol(IntEnum):
    """What is counted of a merchant on a day. Those of Mastercard are without the card present."""

    MC_ATTEMPTS_N = 0
    MC_APPROVED_N = 1
    MC_TECH_N = 2  # failures of systems
    MC_BAD_CARD_N = 3
    MC_PURCHASES_N = 4  # approved
    MC_REFUNDS_N = 5
    DUE_N = 6
    WITHOUT_N = 7
    ENUMERATED_HOURS = 8  # hours of a BIN that we take for enumeration: an estimate


def days_of(at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the days of times in Tokyo since 1970, int64[n] to int64[n]."""
    return (at_ms + TOKYO_MS) // DAY_MS


def among(values: NDArray[np.int64], *codes: int) -> NDArray[np.bool_]:
    """Tell which values are one of some codes: bool[n]. `np.isin` takes ten times as long for the payments of a day."""
    found = np.zeros(len(values), dtype=np.bool_)
    for code in codes:
        found |= values == int(code)
    return found


def without_card(ints: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which payments were made without the card present: bool[n]."""
    return among(ints[:, Col.CHANNEL], ChannelCode.ECOM, ChannelCode.MOTO)


def coverage_columns(verdicts: NDArray[np.int64], purchase: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lay out what each purchase adds to CoverageCol: int64[n, len(CoverageCol)]."""
    status, expected = verdicts[:, STATUS], verdicts[:, EXPECTED]
    due = purchase & (expected == Expectation.REQUIRED)
    made = np.zeros((len(verdicts), len(CoverageCol)), dtype=np.int64)
    made[:, CoverageCol.DUE_N] = due
    made[:, CoverageCol.WITHOUT_N] = due & (status == ThreeDsStatus.ABSENT)
    made[:, CoverageCol.UNTOLD_N] = due & (status == ThreeDsStatus.UNKNOWN)
    made[:, CoverageCol.UNCLEAR_N] = purchase & (expected == Expectation.UNKNOWN)
    made[:, CoverageCol.NOT_DUE_N] = purchase & (expected == Expectation.NOT_REQUIRED)
    made[:, CoverageCol.AUTHENTICATED_N] = purchase & (status == ThreeDsStatus.AUTHENTICATED)
    made[:, CoverageCol.ATTEMPTED_N] = purchase & (status == ThreeDsStatus.ATTEMPTED)
    return made


def month_columns(
    ints: NDArray[np.int64], verdicts: NDArray[np.int64], answered: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Lay out what each answered event adds to MonthCol: int64[n, COLUMNS].

    Sales are approved purchases. A reversal counts unless it was declined.
    """
    made = np.zeros((len(ints), COLUMNS), dtype=np.int64)
    cnp, ecom = without_card(ints), ints[:, Col.CHANNEL] == ChannelCode.ECOM
    network, outcome = ints[:, Col.NETWORK], ints[:, Col.OUTCOME]
    visa, mastercard = network == NetworkCode.VISA, network == NetworkCode.MASTERCARD
    approved = answered & (ints[:, Col.TXN_TYPE] == TxnTypeCode.PURCHASE) & (outcome == OutcomeClass.APPROVED)
    reversed_ = answered & (ints[:, Col.KIND] == Kind.REVERSAL)
    reversed_ &= among(outcome, OutcomeClass.APPROVED, OutcomeClass.UNKNOWN)
    secured = among(verdicts[:, STATUS], ThreeDsStatus.AUTHENTICATED, ThreeDsStatus.ATTEMPTED)
    secured |= verdicts[:, FLOW] == Flow.DATA_ONLY
    made[:, MonthCol.VISA_APPROVED_N] = approved & visa & cnp
    made[:, MonthCol.VISA_REVERSED_N] = reversed_ & visa & cnp
    made[:, MonthCol.VISA_ATTEMPTS_N] = answered & visa & cnp & (ints[:, Col.KIND] == Kind.ATTEMPT)
    made[:, MonthCol.MC_APPROVED_N] = approved & mastercard
    made[:, MonthCol.MC_REVERSED_N] = reversed_ & mastercard
    made[:, MonthCol.MC_ECOM_APPROVED_N] = approved & mastercard & ecom
    made[:, MonthCol.MC_ECOM_REVERSED_N] = reversed_ & mastercard & ecom
    made[:, MonthCol.MC_ECOM_TDS_N] = approved & mastercard & ecom & secured
    return made


def day_columns(ints: NDArray[np.int64], answered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lay out what each answered event adds to the columns of Mastercard in DayCol: int64[n, len(DayCol)]."""
    made = np.zeros((len(ints), len(DayCol)), dtype=np.int64)
    kind, outcome = ints[:, Col.KIND], ints[:, Col.OUTCOME]
    ours = without_card(ints) & (ints[:, Col.NETWORK] == NetworkCode.MASTERCARD)
    tried = ours & answered & (kind == Kind.ATTEMPT)
    made[:, DayCol.MC_ATTEMPTS_N] = tried
    made[:, DayCol.MC_APPROVED_N] = tried & (outcome == OutcomeClass.APPROVED)
    made[:, DayCol.MC_TECH_N] = tried & (outcome == OutcomeClass.TECH)
    made[:, DayCol.MC_BAD_CARD_N] = tried & among(outcome, OutcomeClass.BAD_PAN, OutcomeClass.BAD_CRED)
    purchase = ints[:, Col.TXN_TYPE] == TxnTypeCode.PURCHASE
    made[:, DayCol.MC_PURCHASES_N] = tried & purchase & (outcome == OutcomeClass.APPROVED)
    refunded = ours & answered & (kind == Kind.REFUND)
    made[:, DayCol.MC_REFUNDS_N] = refunded & among(outcome, OutcomeClass.APPROVED, OutcomeClass.UNKNOWN)
    return made
