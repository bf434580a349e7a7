"""Take reports, and read the months of merchants.

An event's reports lie in the partition of its card, the events of a merchant in all of them. So a partition has a month
of a merchant as a row of its own, and a month is the sum over partitions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.merchants.months.calendar import month_of
from scoring.merchants.months.claims import Claim, Counted, MonthBasis, Report, claim_of, counted, heard, is_fraud
from scoring.merchants.months.columns import (
    CLAIM_ROW,
    MONTH_ROW,
    ORIGINS,
    MonthCol,
    MonthFigures,
    Origin,
    total,
)
from scoring.merchants.months.table import Row, RowTable, Shape
from scoring.profile.changelog import Changelog
from scoring.profile.packed import CLAIM, MONTH

MONTHS_KEPT: Final = 26
CLAIM_KEPT_MS: Final = 200 * 86_400_000
"""How long a month and an event's reports are kept, after the month and after the last report."""

_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLimits:
    """How many months of merchants, and how many reported events, a worker keeps at most."""

    months_max: int = 1_000_000
    claims_max: int = 1_000_000
    basis: MonthBasis = MonthBasis.REPORT


def row_key(merchant: int, month: int) -> int:
    """Mix a merchant and a month into one key of 64 bits, not 0 (finalizer of SplitMix64)."""
    mixed = (merchant ^ ((month + 1) * _GOLDEN)) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return (mixed ^ (mixed >> 31)) or 1


_MONTHS: Final = Shape(kind=MONTH, name="MONTH", dtype=MONTH_ROW, is_shared=True, columns=tuple(MonthCol.__members__))
_CLAIMS: Final = Shape(kind=CLAIM, name="CLAIM", dtype=CLAIM_ROW, is_shared=False, columns=tuple(Origin.__members__))


class MerchantMonths:
    """Count the months of merchants of several partitions: own ones, and those of others that it follows."""

    def __init__(self, limits: MonthLimits, partitions: int = 1) -> None:
        self._basis: Final = limits.basis
        self._partitions = range(partitions)
        self._months = RowTable(_MONTHS, limits.months_max, self._count_row)
        self._claims = RowTable(_CLAIMS, limits.claims_max)
        self._fraud_jpy: dict[int, int] = {}  # by row key: the sum over partitions
        self._heard_ms: dict[int, int] = {}  # by merchant: the latest report that changed a month
        self.heard_ms = 0
        """The latest report that changed a month of any merchant."""
        self.changed: dict[int, None] = {}
        """Merchants with a month whose fraud changed in yen, in the order of change. Its reader empties it."""

    def attach_to(self, changelog: Changelog) -> None:
        """Log the rows with those of the profiles."""
        changelog.attach(self._claims)
        changelog.attach(self._months)

    @property
    def evicted(self) -> tuple[int, int]:
        """How many months, and how many reported events, had to make room so far."""
        return self._months.evicted, self._claims.evicted

    def take_reports(self, partition: int, reports: Iterable[Report]) -> list[tuple[int, int]]:
        """Take reports in; return which months changed: merchant and month, each once, in the order of change.

        All reports on one event must come in one partition. A report on an event whose memory was given up or expired
        counts as the first one.
        """
        changed: dict[tuple[int, int], None] = {}
        for report in reports:
            row = self._claims.find(partition, report.event)
            before = None if row is None else _read(self._claims.data[row])
            after = claim_of(report) if before is None else heard(before, report)
            if after == before:
                continue
            row = self._claims.make(partition, report.event)
            _write(self._claims.data, row, after)
            self._claims.mark(row)
            moved = dict(counted(after, self._basis))
            for place, amount in ({} if before is None else counted(before, self._basis)).items():
                moved[place] = moved.get(place, 0) - amount
            changed.update(dict.fromkeys(self._move(partition, after.merchant, moved, report)))
        return list(changed)

    def _move(self, partition: int, merchant: int, moved: Counted, report: Report) -> Iterator[tuple[int, int]]:
        """Add to the months of a merchant what a report moved; yield the places that changed."""
        for (month, column), amount in moved.items():
            if amount != 0:
                number = self._months.make(partition, row_key(merchant, month))
                row = self._months.data[number]
                row["merchant"], row["at"] = merchant, month
                row["heard_ms"] = max(int(row["heard_ms"]), report.received_ms)
                self._hear(merchant, report.received_ms)
                if report.merchant == merchant:
                    row["acquirer_id"], row["merchant_id"] = report.acquirer_id, report.merchant_id
                row["sums"][column] += amount
                self._months.mark(number)
                if column is MonthCol.FRAUD_JPY:
                    self._count(merchant, month, amount)
                yield merchant, month

    def _hear(self, merchant: int, time_ms: int) -> None:
        self._heard_ms[merchant] = max(self._heard_ms.get(merchant, 0), time_ms)
        self.heard_ms = max(self.heard_ms, time_ms)

    def _count_row(self, row: Row, sign: int) -> None:
        if sign > 0:
            self._hear(int(row["merchant"]), int(row["heard_ms"]))
        self._count(int(row["merchant"]), int(row["at"]), sign * int(row["sums"][MonthCol.FRAUD_JPY]))

    def _count(self, merchant: int, month: int, amount_jpy: int) -> None:
        if amount_jpy == 0:
            return
        key = row_key(merchant, month)
        self._fraud_jpy[key] = self._fraud_jpy.get(key, 0) + amount_jpy
        if self._fraud_jpy[key] == 0:
            del self._fraud_jpy[key]
        self.changed[merchant] = None

    def is_fraud(self, partition: int, event: int) -> bool:
        """Say whether an event is reported as fraud now, by the reports that came in a partition."""
        row = self._claims.find(partition, event)
        return row is not None and is_fraud(_read(self._claims.data[row]))

    def fraud_jpy(self, merchant: int, last: int, months: int) -> list[int]:
        """Return the fraud in yen of so many months of a merchant up to `last`, the oldest first."""
        return [self._fraud_jpy.get(row_key(merchant, month), 0) for month in range(last - months + 1, last + 1)]

    def heard_of(self, merchant: int) -> int:
        """Return when the latest report that changed a month of a merchant was received, 0 for never."""
        return self._heard_ms.get(merchant, 0)

    def name_of(self, merchant: int) -> tuple[bytes, bytes]:
        """Return the ids of acquirer and merchant by the rows of its months, cut at NAME_BYTES; empty without one."""
        last = month_of(self.heard_ms)
        for key in (row_key(merchant, month) for month in range(last + 1, last - MONTHS_KEPT, -1)):
            for row in (self._months.find(partition, key) for partition in self._partitions):
                if row is not None and self._months.data[row]["acquirer_id"]:
                    found = self._months.data[row]
                    return bytes(found["acquirer_id"]), bytes(found["merchant_id"])
        return b"", b""

    def every(self) -> list[int]:
        """List the merchants that a month is kept of, in rising order of their keys."""
        found: list[int] = np.unique(self._months.data[self._months.rows()]["merchant"]).tolist()
        return found

    def figures(self, merchant: int, month: int) -> MonthFigures:
        """Add up what all partitions saw of a month of a merchant."""
        key = row_key(merchant, month)
        rows = (self._months.find(partition, key) for partition in self._partitions)
        found = (self._months.data[row]["sums"].tolist() for row in rows if row is not None)
        return total(month, (MonthFigures(month=month, values=tuple(values)) for values in found))

    def history(self, merchant: int, last: int, months: int) -> list[MonthFigures]:
        """Read so many months of a merchant up to `last`, the oldest first; a month without a row is empty."""
        return [self.figures(merchant, month) for month in range(last - months + 1, last + 1)]

    def merchants(self, month: int) -> list[int]:
        """List the merchants of which something was seen in a month, in rising order of their keys."""
        data = self._months.data[self._months.rows()]
        found: list[int] = np.unique(data["merchant"][data["at"] == month]).tolist()
        return found

    def expire(self, month: int, now_ms: int) -> int:
        """Drop what is older than is kept, seen from a month and a time of the input; return how many rows."""
        return self._months.expire(month - MONTHS_KEPT + 1) + self._claims.expire(now_ms - CLAIM_KEPT_MS)


def _read(row: np.void) -> Claim:
    return Claim(
        merchant=int(row["merchant"]),
        network=int(row["network"]),
        cnp=bool(row["cnp"]),
        event_ms=int(row["event_ms"]),
        first_ms=tuple(row["first_ms"].tolist()),
        last_ms=tuple(row["last_ms"].tolist()),
        reversed_ms=tuple(row["reversed_ms"].tolist()),
        amount_ms=tuple(row["amount_ms"].tolist()),
        amount_jpy=tuple(row["amount_jpy"].tolist()),
        excluded=int(row["excluded"]),
    )


def _write(data: NDArray[np.void], at: int, claim: Claim) -> None:
    row = data[at]
    row["at"], row["merchant"], row["event_ms"] = claim.heard_ms, claim.merchant, claim.event_ms
    for name in ("first_ms", "last_ms", "reversed_ms", "amount_ms", "amount_jpy"):
        row[name] = getattr(claim, name)
    row["network"], row["cnp"], row["excluded"] = claim.network, claim.cnp, claim.excluded
    assert len(claim.first_ms) == ORIGINS
