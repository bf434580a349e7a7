"""Take reports and sales in, and read the months of merchants."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import ChannelCode, NetworkCode
from scoring.merchants.months.calendar import months_of
from scoring.merchants.months.claims import Claim, Counted, MonthBasis, Report, claim_of, counted, heard
from scoring.merchants.months.columns import (
    CLAIM_ROW,
    COLUMNS,
    MONTH_ROW,
    ORIGINS,
    MonthCol,
    MonthFigures,
    Origin,
    total,
)
from scoring.merchants.months.table import RowTable
from scoring.profile.packed import Packed

MONTH_KIND: Final = 254
CLAIM_KIND: Final = 253
"""Stand for the entity in the keys of these rows: next to `scoring.profile.packed.SIGHTING`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sales:
    """Hold what a batch of events says of sales: n events, columns borrowed and never written.

    `merchant` is a key of 64 bits, not 0. `attempt`: counts as an authorization. `approved`: a purchase is approved now
    (an answer is no attempt). `reversed`: an approved purchase is taken back. `settled`: a purchase was settled.
    `amount_jpy` is whole yen, -1 unknown, which counts as a sale of no yen. `tds`: with EMV 3-D Secure or Data Only.
    `enumerated`: taken for enumeration. `network` is NetworkCode, `channel` ChannelCode.
    """

    merchant: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]
    network: NDArray[np.int8]
    channel: NDArray[np.int8]
    attempt: NDArray[np.bool_]
    approved: NDArray[np.bool_]
    reversed: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    tds: NDArray[np.bool_]
    enumerated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.merchant)


def row_key(merchant: int, month: int) -> int:
    """Mix a merchant and a month into one key of 64 bits, not 0 (finalizer of SplitMix64)."""
    mixed = (merchant ^ ((month + 1) * _GOLDEN)) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return (mixed ^ (mixed >> 31)) or 1


def row_keys(merchants: NDArray[np.uint64], months: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mix many as `row_key` does one."""
    mixed = merchants ^ ((months + 1).astype(np.uint64) * np.uint64(_GOLDEN))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX_1)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX_2)
    keys: NDArray[np.uint64] = np.maximum(mixed ^ (mixed >> np.uint64(31)), np.uint64(1))
    return keys


@dataclass(frozen=True, slots=True)
class Groups:
    """Hold what a batch adds, by key and month: uint64[g], int64[g], int64[g, columns]."""

    keys: NDArray[np.uint64]
    months: NDArray[np.int64]
    sums: NDArray[np.int64]


def grouped(keys: NDArray[np.uint64], months: NDArray[np.int64], columns: NDArray[np.int64]) -> Groups:
    """Add up int64[n, columns] by key and month, without groups that add nothing; n is at least 1."""
    order = np.lexsort((months, keys))
    key, month = keys[order], months[order]
    begins = np.flatnonzero(np.concatenate([[True], (key[1:] != key[:-1]) | (month[1:] != month[:-1])]))
    sums = np.add.reduceat(columns[order], begins, axis=0)
    told = sums.any(axis=1)
    return Groups(key[begins][told], month[begins][told], sums[told])


def add_groups(table: RowTable, partition: int, groups: Groups, owner: str) -> None:
    """Add groups to the rows of a partition; `owner` names the column that keeps the key.

    Rows are changed all at once where none can be evicted on the way, else one after the other.
    """
    keys = row_keys(groups.keys, groups.months).tolist()
    if table.has_room_for(len(keys)):
        rows = np.array([table.make(partition, key) for key in keys], dtype=np.int64)
        table.data[owner][rows], table.data["at"][rows] = groups.keys, groups.months
        table.data["sums"][rows] += groups.sums
        table.mark_all(partition, rows)
        return
    for key, who, month, added in zip(keys, groups.keys.tolist(), groups.months.tolist(), groups.sums, strict=True):
        row = table.make(partition, key)
        table.data[row][owner], table.data[row]["at"] = who, month
        table.data[row]["sums"] += added
        table.mark(row)


class MerchantMonths:
    """Count the months of merchants of several partitions: own ones, and those of others that it follows."""

    def __init__(self, limits: MonthLimits) -> None:
        self._basis: Final = limits.basis
        self._months = RowTable(MONTH_KIND, MONTH_ROW, limits.months_max, list(MonthCol.__members__))
        self._claims = RowTable(CLAIM_KIND, CLAIM_ROW, limits.claims_max, list(Origin.__members__))
        self._partitions: set[int] = set()

    @property
    def evicted(self) -> tuple[int, int]:
        """How many months, and how many reported events, had to make room so far."""
        return self._months.evicted, self._claims.evicted

    def own(self, partition: int) -> None:
        """Begin to write a partition from here."""
        self._months.own(partition)
        self._claims.own(partition)

    def take_reports(self, partition: int, reports: Iterable[Report]) -> list[tuple[int, int]]:
        """Take reports in; return which months changed: merchant and month, each once, in the order of change.

        All reports on one event must come in one partition. A report on an event whose memory was given up or expired
        counts as the first one.
        """
        changed: dict[tuple[int, int], None] = {}
        self._partitions.add(partition)
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
            self._move(partition, after.merchant, moved, changed)
        return list(changed)

    def _move(self, partition: int, merchant: int, moved: Counted, changed: dict[tuple[int, int], None]) -> None:
        for (month, column), amount in moved.items():
            if amount != 0:
                row = self._row(partition, merchant, month)
                self._months.data[row]["sums"][column] += amount
                changed[merchant, month] = None

    def _row(self, partition: int, merchant: int, month: int) -> int:
        row = self._months.make(partition, row_key(merchant, month))
        self._months.data[row]["merchant"], self._months.data[row]["at"] = merchant, month
        self._months.mark(row)
        return row

    def take_sales(self, partition: int, sales: Sales) -> None:
        """Count sales in the months of their own times: one pass over the batch, then one row for each merchant."""
        if len(sales) == 0:
            return
        self._partitions.add(partition)
        groups = grouped(sales.merchant, months_of(sales.time_ms), _columns(sales))
        add_groups(self._months, partition, groups, "merchant")

    def figures(self, merchant: int, month: int) -> MonthFigures:
        """Add up what all partitions saw of a month of a merchant."""
        key = row_key(merchant, month)
        rows = (self._months.find(partition, key) for partition in sorted(self._partitions))
        found = (self._months.data[row]["sums"].tolist() for row in rows if row is not None)
        return total(month, (MonthFigures(month=month, values=tuple(values)) for values in found))

    def history(self, merchant: int, last: int, months: int) -> list[MonthFigures]:
        """Read so many months of a merchant up to `last`, the oldest first; a month without a row is empty."""
        return [self.figures(merchant, month) for month in range(last - months + 1, last + 1)]

    def merchants(self, month: int) -> list[int]:
        """List the merchants of which something was seen in a month, in rising order of their keys."""
        rows = np.fromiter(self._months.rows(), dtype=np.int64)
        data = self._months.data[rows]
        return [int(merchant) for merchant in np.unique(data["merchant"][data["at"] == month])]

    def expire(self, month: int, now_ms: int) -> int:
        """Drop what is older than is kept, seen from a month and a time of the input; return how many rows."""
        return self._months.expire(month - MONTHS_KEPT + 1) + self._claims.expire(now_ms - CLAIM_KEPT_MS)

    def flush(self, partition: int) -> Sequence[Packed]:
        """Pack what changed in a partition, months first."""
        return self._months.flush(partition), self._claims.flush(partition)

    def restore(self, partition: int, packed: Packed) -> None:
        """Put rows of a partition back; those of other kinds are passed over.

        Raises:
            RowFormatError: a row is of another layout, of another partition, or damaged.
        """
        self._partitions.add(partition)
        self._months.restore(partition, packed)
        self._claims.restore(partition, packed)

    def forget(self, partition: int) -> None:
        """Let go of a partition."""
        self._partitions.discard(partition)
        self._months.forget(partition)
        self._claims.forget(partition)


def _columns(sales: Sales) -> NDArray[np.int64]:
    """Lay out what each event adds: int64[n, COLUMNS]."""
    made = np.zeros((len(sales), COLUMNS), dtype=np.int64)
    amount = np.maximum(sales.amount_jpy, 0)
    visa = (sales.network == NetworkCode.VISA) & np.isin(sales.channel, (ChannelCode.ECOM, ChannelCode.MOTO))
    mastercard = sales.network == NetworkCode.MASTERCARD
    ecom = mastercard & (sales.channel == ChannelCode.ECOM)
    for what, number, yen in (
        (sales.approved, MonthCol.APPROVED_N, MonthCol.APPROVED_JPY),
        (sales.reversed, MonthCol.REVERSED_N, MonthCol.REVERSED_JPY),
        (sales.settled, MonthCol.SETTLED_N, MonthCol.SETTLED_JPY),
    ):
        made[:, number] = what
        made[:, yen] = np.where(what, amount, 0)
    for of, approved, taken_back, settled in (
        (visa, MonthCol.VISA_APPROVED_N, MonthCol.VISA_REVERSED_N, MonthCol.VISA_SETTLED_N),
        (mastercard, MonthCol.MC_APPROVED_N, MonthCol.MC_REVERSED_N, MonthCol.MC_SETTLED_N),
        (ecom, MonthCol.MC_ECOM_APPROVED_N, MonthCol.MC_ECOM_REVERSED_N, MonthCol.MC_ECOM_SETTLED_N),
    ):
        made[:, approved] = of & sales.approved
        made[:, taken_back] = of & sales.reversed
        made[:, settled] = of & sales.settled
    made[:, MonthCol.VISA_ATTEMPTS_N] = visa & sales.attempt
    made[:, MonthCol.VISA_ENUMERATED_N] = visa & sales.attempt & sales.enumerated
    made[:, MonthCol.MC_ECOM_TDS_N] = ecom & sales.approved & sales.tds
    return made


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
