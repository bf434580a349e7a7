"""Months of merchants, as the history recorded them and without the payments that a policy blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backtest.decided.batch import Batch
from models.backtest.scored import Scored
from scoring import clock
from scoring.compliance.inputs.columns import month_columns
from scoring.contract.codes import ChannelCode, Clock, Kind, OutcomeClass, PhaseCode
from scoring.contract.label import FraudReport
from scoring.decode import Col, DecodeLimits, parse_reports
from scoring.decode.columns import ms_of
from scoring.merchants.months.calendar import day_of, month_of, months_of
from scoring.merchants.months.claims import Claim, Counted, MonthBasis, claim_of, counted, heard
from scoring.merchants.months.columns import COLUMNS, MonthCol, MonthFigures
from scoring.merchants.months.labels import NOTHING_KNOWN, Payment, network_of, read_label
from scoring.reference.report_codes import report_codes

REPORTS_MAX: Final = 5_000_000
_SALES: Final = (
    MonthCol.VISA_APPROVED_N,
    MonthCol.VISA_REVERSED_N,
    MonthCol.VISA_ATTEMPTS_N,
    MonthCol.MC_APPROVED_N,
    MonthCol.MC_REVERSED_N,
    MonthCol.MC_ECOM_APPROVED_N,
    MonthCol.MC_ECOM_REVERSED_N,
    MonthCol.MC_ECOM_TDS_N,
)
"""Columns that a payment adds 0 or 1 to: one byte for each row."""
_EVENT, _MERCHANT = 0, 1  # columns of the keys of reports


@dataclass(frozen=True, slots=True)
class Group:
    """A merchant that something was reported of, or all others of an acquirer: `merchant` is None."""

    acquirer: str
    merchant: str | None


class Ledger:
    """Keep what rows and reports add to months. Call `take` and `report` in the order of the history, then `close`."""

    def __init__(self, rows: Scored, limits: DecodeLimits) -> None:
        n = len(rows.scores)
        self._rows, self._limits = rows, limits
        self._sales, self._channels = np.zeros(n, np.uint8), np.zeros(n, np.int8)
        self._events, self._is_attempt = np.zeros(n, np.uint64), np.zeros(n, np.bool_)
        self._labels: list[tuple[FraudReport, int, int]] = []

    def take(self, batch: Batch) -> None:
        """Keep what a batch of payments adds."""
        decoded, rows = batch.observed.decoded, batch.rows
        ints = decoded.ints[batch.kept].copy()
        outcome = self._rows.particulars.outcome[rows]
        ints[:, Col.OUTCOME] = outcome
        answered = (ints[:, Col.PHASE] != PhaseCode.PRE_AUTH) | (outcome != OutcomeClass.UNKNOWN)
        columns = month_columns(ints, batch.observed.verdicts[batch.kept], answered)[:, _SALES]
        self._sales[rows] = np.packbits(columns.astype(np.bool_), axis=1)[:, 0] if len(columns) else 0
        self._channels[rows] = ints[:, Col.CHANNEL]
        self._events[rows] = decoded.hashes[batch.kept, _EVENT]
        self._is_attempt[rows] = ints[:, Col.KIND] == Kind.ATTEMPT

    def report(self, values: Sequence[bytes], record_ms: Sequence[int]) -> None:
        """Keep a batch of reports; one from the future counts nowhere.

        Raises:
            ValueError: there are more than `REPORTS_MAX`.
        """
        parsed = parse_reports(values, self._limits)
        clocks = clock.judge(parsed.times_ms, np.array(record_ms, dtype=np.int64)[parsed.index])
        for label, keys, at in zip(parsed.reports, parsed.keys.tolist(), clocks.tolist(), strict=True):
            if at != Clock.EARLY:
                self._labels.append((label, keys[_EVENT], keys[_MERCHANT]))
        if len(self._labels) > REPORTS_MAX:
            raise ValueError(f"more than {REPORTS_MAX:,} fraud reports: use a shorter history")

    def close(self) -> "Months":
        """Join reports with their payments."""
        claims = self._claims()
        told = {event: counted(claim, MonthBasis.REPORT) for event, (_, claim) in claims.items()}
        return Months(self._rows, self._sales, self._events, self._is_attempt, claims, told)

    def _claims(self) -> dict[int, tuple[tuple[str, str], Claim]]:
        """Return by event its merchant and what is claimed."""
        events = np.array([event for _, event, _ in self._labels], np.uint64)
        row_of = _rows_of(self._events, np.unique(events))
        claims: dict[int, tuple[tuple[str, str], Claim]] = {}
        for label, event, merchant in self._labels:
            payment = self._payment(row_of[event]) if event in row_of else NOTHING_KNOWN
            day = day_of(ms_of(label.received_ts))
            for report in read_label(label, event, merchant, report_codes(), day, payment).reports:
                held = claims.get(event)
                if held is None:
                    claims[event] = (label.acquirer_id, label.merchant_id), claim_of(report)
                else:
                    claims[event] = held[0], heard(held[1], report)
        return claims

    def _payment(self, row: int) -> Payment:
        rows = self._rows
        return Payment(
            network=network_of(int(rows.network[row])),
            channel=ChannelCode(int(self._channels[row])),
            amount_jpy=int(rows.amount_jpy[row]),
            event_ms=int(rows.event_ms[row]),
        )


class Months:
    """Months of merchants that something was reported of, one by one; those of the others of an acquirer as one.

    `groups`: whose; `first`: the first month, `count`: how many.
    """

    def __init__(
        self,
        rows: Scored,
        sales: NDArray[np.uint8],
        events: NDArray[np.uint64],
        is_attempt: NDArray[np.bool_],
        claims: Mapping[int, tuple[tuple[str, str], Claim]],
        told: Mapping[int, Counted],
    ) -> None:
        self._sales, self._is_attempt = sales, is_attempt
        self._claims, self._told = claims, told
        reported = {name for name, _ in claims.values()}
        names = rows.particulars.names
        places: dict[Group, int] = {}
        keys, of_row = np.unique(rows.particulars.merchant, return_inverse=True)
        own = [Group(names[key][0], names[key][1] if names[key] in reported else None) for key in keys.tolist()]
        for group in (*own, *(Group(*name) for name in sorted(reported))):
            places.setdefault(group, len(places))
        self.groups = list(places)
        self._place = places
        of_merchant = np.array([places[group] for group in own], np.int64)
        months = months_of(rows.event_ms) if len(rows.event_ms) else np.zeros(0, np.int64)
        spoken = [month for one in told.values() for month, _ in one]
        ends_ms = [int(months.min()), int(months.max())] if len(months) else []
        every = [*ends_ms, *spoken]
        self.first = min(every, default=0)
        self.count = max(every, default=-1) - self.first + 1
        self._cell = of_merchant[of_row] * self.count + (months - self.first)
        self._row_of = _rows_of(events, np.array(sorted(claims), np.uint64))
        self.ends_ms = max(
            [int(rows.event_ms.max()) if len(months) else 0, *(claim.heard_ms for _, claim in claims.values())]
        )
        self.begins_ms = int(rows.event_ms.min()) if len(months) else 0

    def blocked(self, bands_block: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows would not have happened: attempts, bool[n]. `bands_block` bool[n]."""
        return bands_block & self._is_attempt

    def figures(self, blocked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Add up what is left without the blocked rows, bool[n]: int64[groups, months, COLUMNS]."""
        cells = len(self.groups) * self.count
        sums = np.zeros((cells, COLUMNS), np.int64)
        for bit, column in enumerate(_SALES):
            some = ((self._sales >> np.uint8(7 - bit)) & 1).astype(np.bool_) & ~blocked
            sums[:, column] = np.bincount(self._cell[some], minlength=cells)
        for event, (name, _) in self._claims.items():
            row = self._row_of.get(event)
            if row is not None and blocked[row]:
                continue
            place = self._place[Group(*name)] * self.count - self.first
            for (month, column), amount in self._told[event].items():
                sums[place + month, column] += amount
        return sums.reshape(len(self.groups), self.count, COLUMNS)

    def figures_of(self, sums: NDArray[np.int64], group: int, month: int) -> MonthFigures:
        """Return a month of a group; zeros for one outside of the history."""
        inside = self.first <= month < self.first + self.count
        values = tuple(sums[group, month - self.first].tolist()) if inside else (0,) * COLUMNS
        return MonthFigures(month=month, values=values)

    def is_whole(self, month: int) -> bool:
        """Say whether the history has the whole month."""
        return month_of(self.begins_ms) < month < month_of(self.ends_ms)


def _rows_of(events: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> dict[int, int]:
    """Return the row of each wanted event that is one of `events`, uint64[n]."""
    if not len(events) or not len(wanted):
        return {}
    places = np.minimum(np.searchsorted(wanted, events), len(wanted) - 1)
    found = np.flatnonzero(wanted[places] == events)
    return dict(zip(events[found].tolist(), found.tolist(), strict=True))
