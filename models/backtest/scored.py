"""A history with the scores of a bundle, and what happened to each payment."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.training.matrix import Samples
from models.training.particulars import Particulars
from models.training.stored import Matrix
from scoring.contract.codes import OutcomeClass
from scoring.contract.decision import Reason
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.policy.reasons import Reasons

CHUNK_ROWS: Final = 1 << 12

_AGE: Final = [feature.name for feature in FEATURES].index("merchant_age_days")

_ANSWERED_YES: Final = (OutcomeClass.UNKNOWN, OutcomeClass.APPROVED)


class Fate(IntEnum):
    """What happened to a payment. Where several are true the first one counts.

    FRAUD: reported, and not taken back since. DECLINED: the issuer declined it, so nobody knows what it was. REFUNDED:
    a later refund or reversal names its order. GOOD: nothing of these is known.
    """

    FRAUD = 0
    DECLINED = 1
    REFUNDED = 2
    GOOD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Payments in the order of receipt: n rows.

    `matrix` float64[n, F]; `event_ms` and `amount_jpy` (-1 unknown) int64[n]; `scores` int16[n]; `fates` int8[n] of
    `Fate`; `is_declined` bool[n], also of frauds; `is_counted` bool[n]: within the period and old enough for its label.
    `network` int64[n] of `NetworkCode`; `age_days` float64[n]: days since the merchant's contract, NaN unknown.
    `is_within` bool[n]: within the period. `mature_ms`: younger payments have no label yet; None if all have.
    """

    matrix: NDArray[np.float64] | Matrix
    event_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]
    scores: NDArray[np.int16]
    fates: NDArray[np.int8]
    is_declined: NDArray[np.bool_]
    network: NDArray[np.int64]
    age_days: NDArray[np.float64]
    is_within: NDArray[np.bool_]
    is_counted: NDArray[np.bool_]
    mature_ms: int | None
    particulars: Particulars

    @property
    def yen(self) -> NDArray[np.int64]:
        """Amount in yen, 0 where it is not known: int64[n]."""
        return np.maximum(self.amount_jpy, 0)


def scored(samples: Samples, particulars: Particulars, bundle: Bundle, *, since_ms: int | None = None) -> Scored:
    """Score the rows of a history. Rows before `since_ms` are scored, and are in no figure.

    Labels are those of all reports; a payment is counted once it is older than the time after which it is presumed
    good, so that counted frauds and counted good payments had the same time to be reported.
    """
    n = len(samples.event_ms)
    scores, age_days, margins = np.empty(n, np.int16), np.empty(n), np.empty(CHUNK_ROWS)
    for low in range(0, n, CHUNK_ROWS):
        rows = np.ascontiguousarray(samples.matrix[low : low + CHUNK_ROWS])
        bundle.trees.margins(rows, margins[: len(rows)])
        scores[low : low + len(rows)] = bundle.calibration.apply(margins[: len(rows)])[1]
        age_days[low : low + len(rows)] = rows[:, _AGE]
    is_declined = ~np.isin(particulars.outcome, _ANSWERED_YES)
    known = [samples.fraud, is_declined, particulars.is_taken_back]
    is_within = np.ones(n, np.bool_) if since_ms is None else samples.event_ms >= since_ms
    is_mature = np.ones(n, np.bool_) if samples.mature_ms is None else samples.event_ms < samples.mature_ms
    return Scored(
        matrix=samples.matrix,
        event_ms=samples.event_ms,
        amount_jpy=samples.amount_jpy,
        scores=scores,
        fates=np.select(known, [Fate.FRAUD, Fate.DECLINED, Fate.REFUNDED], Fate.GOOD).astype(np.int8),
        is_declined=is_declined,
        network=samples.segments["network"],
        age_days=age_days,
        is_within=is_within,
        is_counted=is_within & is_mature,
        mature_ms=samples.mature_ms,
        particulars=particulars,
    )


class Why:
    """Reasons of rows, as a worker gives them: computed once for each row."""

    def __init__(self, bundle: Bundle, matrix: NDArray[np.float64] | Matrix) -> None:
        self._bundle, self._matrix = bundle, matrix
        self._reasons = Reasons(FEATURES, bundle.manifest.usual)
        self._contributions = np.empty(len(FEATURES) + 1, np.float64)
        self._known: dict[int, list[Reason]] = {}

    def reasons(self, row: int) -> list[Reason]:
        """Return at most five reasons of a row's score, heaviest first."""
        if row not in self._known:
            features = np.ascontiguousarray(self._matrix[row])
            self._bundle.trees.contributions(features, self._contributions)
            self._known[row] = self._reasons.top(self._contributions, features)
        return self._known[row]
