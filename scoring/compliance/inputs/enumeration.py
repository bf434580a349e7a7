"""Hours of a merchant and a BIN that look like enumeration: an estimate, since Visa counts by a model of its own."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.inputs.columns import among, without_card
from scoring.contract.codes import Kind, NetworkCode, OutcomeClass
from scoring.decode import Col
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS
from scoring.reference.limits import limits_from
from scoring.reference.monitoring import monitoring_limits

HOUR_MS: Final = 3_600_000
KEPT_MS: Final = 48 * HOUR_MS
"""An hour is judged once events so much later have come; what comes after that begins it anew."""


@dataclass(frozen=True, slots=True)
class EnumerationLimits:
    """Hold the limits of scope ENUMERATION."""

    attempts_min: int
    bad_min_bps: int


@dataclass(slots=True)
class Cell:
    """Count an hour of a merchant and a BIN, without the card present."""

    attempts: int = 0
    bad: int = 0
    visa: int = 0


class Found(NamedTuple):
    """An hour that is taken for enumeration. `visa`: its authorizations with cards of Visa."""

    merchant: int
    at_ms: int
    day: int
    visa: int


class Enumeration:
    """Count hours, and judge them by the limits of their day. Memory: the hours of about two days."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int, int], Cell] = {}
        self._horizon_ms = 0

    def take(
        self,
        ints: NDArray[np.int64],
        merchants: NDArray[np.int64],
        bins: NDArray[np.uint64],
        answered: NDArray[np.bool_],
    ) -> list[Found]:
        """Count answered attempts without the card, and return the hours that are over and found."""
        tried = answered & (ints[:, Col.KIND] == Kind.ATTEMPT) & without_card(ints) & (bins != 0)
        bad = among(ints[:, Col.OUTCOME], OutcomeClass.BAD_PAN, OutcomeClass.BAD_CRED)
        visa = ints[:, Col.NETWORK] == NetworkCode.VISA
        hours = ints[:, Col.EVENT_MS] // HOUR_MS
        for row in np.flatnonzero(tried).tolist():
            cell = self._cells.setdefault((int(merchants[row]), int(bins[row]), int(hours[row])), Cell())
            cell.attempts += 1
            cell.bad += int(bad[row])
            cell.visa += int(visa[row])
        newest_ms = int(ints[:, Col.EVENT_MS].max())
        if newest_ms - self._horizon_ms <= KEPT_MS:
            return []
        self._horizon_ms = newest_ms
        return self.close((newest_ms - KEPT_MS) // HOUR_MS)

    def close(self, before_hour: int | None = None) -> list[Found]:
        """Judge hours before one, or all, and forget them."""
        found = []
        for key in [key for key in self._cells if before_hour is None or key[2] < before_hour]:
            merchant, _, hour = key
            cell, at_ms = self._cells.pop(key), hour * HOUR_MS
            day = (at_ms + TOKYO_MS) // DAY_MS
            if _is_enumeration(cell, _limits_on(day)):
                found.append(Found(merchant, at_ms, day, cell.visa))
        return found


@lru_cache(maxsize=64)
def _limits_on(day: int) -> EnumerationLimits:
    return limits_from(monitoring_limits(), "ENUMERATION", date(1970, 1, 1) + timedelta(day), EnumerationLimits)


def _is_enumeration(cell: Cell, limits: EnumerationLimits) -> bool:
    return cell.attempts >= limits.attempts_min and cell.bad * 10_000 >= limits.bad_min_bps * cell.attempts
