"""Add authorizations up: by merchant and month, by merchant and day, by BIN. Events themselves are not kept."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.inputs.answers import Answers
from scoring.compliance.inputs.columns import (
    CoverageCol,
    DayCol,
    coverage_columns,
    day_columns,
    days_of,
    month_columns,
)
from scoring.compliance.inputs.enumeration import Enumeration, Found
from scoring.compliance.inputs.sums import Seen, Sums
from scoring.compliance.scope import Scope
from scoring.contract.codes import (
    ChannelCode,
    InitiatorCode,
    Kind,
    OutcomeClass,
    PhaseCode,
    TxnTypeCode,
)
from scoring.decode import Col, Decoded, country_code
from scoring.issuers.shares import IssuerCol, issuer_columns
from scoring.merchants.months.calendar import months_of
from scoring.merchants.months.columns import COLUMNS, MonthCol
from scoring.merchants.months.labels import Payment, network_of
from scoring.merchants.store import MerchantStore
from scoring.profile.entities import Entity
from scoring.threeds.columns import VERDICT_COLUMNS
from scoring.threeds.tables import Tables
from scoring.threeds.verdict import normalise

MERCHANT_MONTHS_MAX: Final = 1_000_000
MERCHANT_DAYS_MAX: Final = 5_000_000
BINS_MAX: Final = 200_000
_ANSWERED: Final = np.uint64(0x9E3779B97F4A7C15)
"""Tells the answer to an event from the event: both have one id."""

_JAPAN: Final = country_code("JP")
_OVER_30_DAYS: Final = 4
"""chAccAgeInd: 04 is an account of 30 to 60 days, 05 one that is older (EMV 3DS)."""


@dataclass(slots=True, kw_only=True)
class Issuer:
    """Count a BIN. `is_japanese` is None while nobody told the issuer's country."""

    bin: str
    is_japanese: bool | None = None
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(IssuerCol), dtype=np.int64))


@dataclass(slots=True)
class Tally:
    """Count what became of the events read.

    `others`: of other acquirers. `outside`: before the first month, or after the day by their own time or by that of
    their record. `repeats`: they add nothing. `requests`: payments, each once, and `answers`: those of which an answer
    was read. Only they can be sales. `joined`: answers that came from the topic of outcomes. `earliest_ms`: of all
    events read, those of other acquirers too.
    """

    read: int = 0
    refused: int = 0
    others: int = 0
    outside: int = 0
    repeats: int = 0
    requests: int = 0
    answers: int = 0
    joined: int = 0
    earliest_ms: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None


class Traffic:
    """Add up what one acquirer's authorizations say, in about the order of their times.

    `merchants` gives the records by which it is judged whether 3-D Secure was due: those of the report's day.
    `reported` are the ids of events of which there is a report, uint64 and sorted; their payments are kept. `answers`
    are outcomes of a topic of their own, which answer requests.
    """

    def __init__(
        self,
        scope: Scope,
        merchants: MerchantStore,
        tables: Tables,
        reported: NDArray[np.uint64],
        answers: Answers,
        *,
        ids_max: int,
    ) -> None:
        self.scope = scope
        self.tally = Tally()
        self.names: dict[bytes, int] = {}
        self.mccs: dict[int, int] = {}
        self.months = Sums(COLUMNS, MERCHANT_MONTHS_MAX, "months of merchants")
        self.coverage = Sums(len(CoverageCol), MERCHANT_MONTHS_MAX, "months of merchants")
        self.days = Sums(len(DayCol), MERCHANT_DAYS_MAX, "days of merchants")
        self.issuers: dict[int, Issuer] = {}
        self.payments: dict[int, Payment] = {}
        self._merchants = merchants
        self._tables = tables
        self._reported = reported
        self._answers = answers
        self._seen = Seen(ids_max)
        self._enumeration = Enumeration()
        self._acquirer = scope.acquirer_id.encode()

    def take(self, decoded: Decoded, written_ms: NDArray[np.int64]) -> None:
        """Add a batch. `written_ms`: the timestamps of the records of all its values, of refused ones too.

        Raises:
            TooManyError: there are more merchants or BINs than the limits allow.
        """
        tally = self.tally
        tally.read += len(decoded) + len(decoded.rejects)
        tally.refused += len(decoded.rejects)
        own = np.array([name[1] == self._acquirer for name in decoded.names], dtype=np.bool_)
        tally.others += len(decoded) - int(own.sum())
        at_ms = decoded.ints[:, Col.EVENT_MS]
        known = own & (at_ms < self.scope.end_ms) & (written_ms[decoded.index] < self.scope.written_before_ms)
        if len(decoded):
            low = int(at_ms.min())
            tally.earliest_ms = low if tally.earliest_ms is None else min(low, tally.earliest_ms)
        self._note_payments(decoded, known & (at_ms >= self.scope.payments_from_ms))
        inside = known & (at_ms >= self.scope.begin_ms)
        tally.outside += int((own & ~inside).sum())
        if inside.any():
            self._add(decoded, np.flatnonzero(inside), written_ms[decoded.index][inside])

    def finish(self) -> None:
        """Judge the hours that are still open."""
        self._note_enumeration(self._enumeration.close())

    def _note_payments(self, decoded: Decoded, wanted: NDArray[np.bool_]) -> None:
        if not len(self._reported):
            return
        ids = decoded.hashes[:, 0]
        at = np.minimum(np.searchsorted(self._reported, ids), len(self._reported) - 1)
        for row in np.flatnonzero(wanted & (self._reported[at] == ids)).tolist():
            ints = decoded.ints[row]
            self.payments.setdefault(
                int(ids[row]),
                Payment(
                    network=network_of(int(ints[Col.NETWORK])),
                    channel=ChannelCode(int(ints[Col.CHANNEL])),
                    amount_jpy=int(ints[Col.AMOUNT_JPY]),
                    event_ms=int(ints[Col.EVENT_MS]),
                    account=int(decoded.hashes[row, 1 + Entity.ACCOUNT]) if _is_of_member(ints) else 0,
                ),
            )

    def _join(
        self,
        ints: NDArray[np.int64],
        ids: NDArray[np.uint64],
        written_ms: NDArray[np.int64],
        is_asked: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Write the outcomes of requests into their columns; return which have one: bool[n]."""
        found = np.zeros(len(ids), dtype=np.bool_)
        outcomes = self._answers.of(ids[is_asked], written_ms[is_asked], self.scope.written_before_ms)
        found[is_asked] = outcomes != OutcomeClass.UNKNOWN
        ints[found, Col.OUTCOME] = outcomes[outcomes != OutcomeClass.UNKNOWN]
        return found

    def _add(self, decoded: Decoded, rows: NDArray[np.int64], written_ms: NDArray[np.int64]) -> None:
        ints, ids = decoded.ints[rows], decoded.hashes[rows, 0]
        is_attempt = ints[:, Col.KIND] == Kind.ATTEMPT
        is_known = (ints[:, Col.OUTCOME] != OutcomeClass.UNKNOWN) | ~is_attempt
        is_answer = (ints[:, Col.PHASE] == PhaseCode.POST_AUTH) & is_known
        joined = self._join(ints, ids, written_ms, is_attempt & ~is_answer)
        is_answer |= joined
        first = self._seen.first(ids)
        answered = np.zeros(len(rows), dtype=np.bool_)
        answered[is_answer] = self._seen.first(ids[is_answer] ^ _ANSWERED)
        self._count(ints, first, answered)
        self.tally.joined += int((answered & joined).sum())
        kept = first | answered
        if not kept.any():
            return
        rows, ints, first, answered = rows[kept], ints[kept], first[kept], answered[kept]
        names = [decoded.names[row] for row in rows.tolist()]
        who = np.array([self.names.setdefault(name[3], len(self.names)) for name in names], dtype=np.int64)
        self.mccs.update(zip(who.tolist(), ints[:, Col.MCC].tolist(), strict=True))
        verdicts = np.zeros((len(rows), VERDICT_COLUMNS), dtype=np.int64)
        table = self._merchants.table
        normalise(np.ascontiguousarray(ints), table, self._merchants.rows(names), verdicts, self._tables)
        months = months_of(ints[:, Col.EVENT_MS])
        purchase = first & (ints[:, Col.TXN_TYPE] == TxnTypeCode.PURCHASE)
        coverage = coverage_columns(verdicts, purchase)
        self.months.add(who, months, month_columns(ints, verdicts, answered))
        self.coverage.add(who, months, coverage)
        self._add_days(ints, who, answered, coverage)
        self._add_issuers(decoded, rows, ints, purchase)
        bins = decoded.hashes[rows, 1 + Entity.BIN]
        self._note_enumeration(self._enumeration.take(ints, who, bins, answered))

    def _count(self, ints: NDArray[np.int64], first: NDArray[np.bool_], answered: NDArray[np.bool_]) -> None:
        tally, at_ms = self.tally, ints[:, Col.EVENT_MS]
        tally.repeats += int((~first & ~answered).sum())
        tally.requests += int(first.sum())
        tally.answers += int(answered.sum())
        low, high = int(at_ms.min()), int(at_ms.max())
        tally.first_ms = low if tally.first_ms is None else min(low, tally.first_ms)
        tally.last_ms = high if tally.last_ms is None else max(high, tally.last_ms)

    def _add_days(
        self,
        ints: NDArray[np.int64],
        who: NDArray[np.int64],
        answered: NDArray[np.bool_],
        coverage: NDArray[np.int64],
    ) -> None:
        days = days_of(ints[:, Col.EVENT_MS])
        values = day_columns(ints, answered)
        values[:, DayCol.DUE_N] = coverage[:, CoverageCol.DUE_N] - coverage[:, CoverageCol.UNTOLD_N]
        values[:, DayCol.WITHOUT_N] = coverage[:, CoverageCol.WITHOUT_N]
        kept = days >= self.scope.days_from
        self.days.add(who[kept], days[kept], values[kept])

    def _add_issuers(
        self, decoded: Decoded, rows: NDArray[np.int64], ints: NDArray[np.int64], purchase: NDArray[np.bool_]
    ) -> None:
        bins = decoded.hashes[rows, 1 + Entity.BIN]
        wanted = purchase & (ints[:, Col.CHANNEL] == ChannelCode.ECOM) & (ints[:, Col.INITIATOR] == InitiatorCode.CIT)
        wanted &= (bins != 0) & (ints[:, Col.EVENT_MS] >= self.scope.recent_ms)
        columns = issuer_columns(ints[:, Col.TRANS_STATUS], ints[:, Col.TRANS_STATUS_REASON], ints[:, Col.AUTH_TYPE])
        for row in np.flatnonzero(wanted & columns.any(axis=1)).tolist():
            issuer = self.issuers.get(int(bins[row]))
            if issuer is None:
                if len(self.issuers) == BINS_MAX:
                    continue
                told = decoded.event(int(rows[row])).card.bin
                issuer = self.issuers[int(bins[row])] = Issuer(bin=told or "")
            country = int(ints[row, Col.ISSUER_COUNTRY])
            if country:
                issuer.is_japanese = country == _JAPAN
            issuer.counts += columns[row]

    def _note_enumeration(self, found: list[Found]) -> None:
        for one in found:
            who, month = np.array([one.merchant], dtype=np.int64), np.zeros((1, COLUMNS), dtype=np.int64)
            month[0, MonthCol.VISA_ENUMERATED_N] = one.visa
            self.months.add(who, months_of(np.array([one.at_ms], dtype=np.int64)), month)
            if one.day >= self.scope.days_from:
                hours = np.zeros((1, len(DayCol)), dtype=np.int64)
                hours[0, DayCol.ENUMERATED_HOURS] = 1
                self.days.add(who, np.array([one.day], dtype=np.int64), hours)


def _is_of_member(ints: NDArray[np.int64]) -> bool:
    """Tell whether a cardholder paid within an account that is older than 30 days, with a card that is kept there."""
    is_online = ints[Col.CHANNEL] == ChannelCode.ECOM and ints[Col.INITIATOR] == InitiatorCode.CIT
    return bool(is_online and ints[Col.STORED] == 1 and ints[Col.ACCOUNT_AGE] >= _OVER_30_DAYS)
