"""Fraud reports and disputes of an acquirer, each event once, as figures of merchants' months and days."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.inputs.columns import days_of
from scoring.compliance.inputs.sums import TooManyError
from scoring.compliance.scope import Scope
from scoring.contract.label import FraudReport
from scoring.decode.columns import ms_of
from scoring.decode.hashing import PARTS, entity_keys
from scoring.decode.settings import DecodeLimits
from scoring.decode.side_inputs import parse_reports
from scoring.merchants.months.claims import Claim, MonthBasis, claim_of, counted, heard
from scoring.merchants.months.columns import MonthCol, Origin
from scoring.merchants.months.labels import NOTHING_KNOWN, Payment, read_label
from scoring.reference.report_codes import report_codes

REPORTS_MAX: Final = 1_000_000
BASIS: Final = MonthBasis.REPORT
_SCAM: Final = "MERCHANT_FRAUD"
_EPOCH: Final = date(1970, 1, 1)


@dataclass(slots=True)
class ReportTally:
    """Count what became of the reports read.

    `later`: received or written after the report's day. `unread`: they say nothing that counts. `channel_unknown`:
    nobody tells whether the card was present, so programmes without the card do not count them. `payment_unknown`:
    their payment was not read. Times are those of receipt.
    """

    read: int = 0
    refused: int = 0
    others: int = 0
    later: int = 0
    repeats: int = 0
    counted: int = 0
    unread: int = 0
    channel_unknown: int = 0
    payment_unknown: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


@dataclass(slots=True)
class Reported:
    """Hold what reports add.

    `months` by merchant and month, then by column. `chargebacks` of Mastercard and `scams` (reports of issuers and
    others that name the merchant itself) by merchant and day. `taken_over`: by merchant and account, the last day of a
    payment within the account of a member that is reported as fraud. Merchants are ids, days are numbers since 1970.
    """

    months: dict[tuple[str, int], Counter[MonthCol]] = field(default_factory=dict)
    chargebacks: Counter[tuple[str, int]] = field(default_factory=Counter)
    scams: Counter[tuple[str, int]] = field(default_factory=Counter)
    taken_over: dict[str, dict[int, int]] = field(default_factory=dict)


class Reports:
    """Keep the reports of one acquirer that were received up to the day, each label once."""

    def __init__(self, scope: Scope, limits: DecodeLimits) -> None:
        self.tally = ReportTally()
        self._scope = scope
        self._limits = limits
        self._labels: dict[str, FraudReport] = {}

    def take(self, values: Sequence[bytes], written_ms: Sequence[int]) -> None:
        """Keep a batch. `written_ms`: the timestamps of its records.

        Raises:
            TooManyError: there are more than `REPORTS_MAX`.
        """
        parsed, tally = parse_reports(values, self._limits), self.tally
        tally.read += len(values)
        tally.refused += len(parsed.rejects)
        for position, label in zip(parsed.index.tolist(), parsed.reports, strict=True):
            if label.acquirer_id != self._scope.acquirer_id:
                tally.others += 1
            elif self._is_later(ms_of(label.received_ts), written_ms[position]):
                tally.later += 1
            elif label.label_id in self._labels:
                tally.repeats += 1
            elif len(self._labels) == REPORTS_MAX:
                raise TooManyError(f"more than {REPORTS_MAX:,} fraud reports of this acquirer")
            else:
                self._labels[label.label_id] = label
                at_ms = ms_of(label.received_ts)
                tally.first_ms = at_ms if tally.first_ms is None else min(tally.first_ms, at_ms)
                tally.last_ms = at_ms if tally.last_ms is None else max(tally.last_ms, at_ms)

    @property
    def count(self) -> int:
        """How many are kept."""
        return len(self._labels)

    def _is_later(self, received_ms: int, written_ms: int) -> bool:
        return received_ms >= self._scope.end_ms or written_ms >= self._scope.written_before_ms

    def events(self) -> NDArray[np.uint64]:
        """Return the ids of the events that were reported, sorted, as an authorization's key of its id."""
        return np.unique(np.array(list(self._keys().values()), dtype=np.uint64))

    def figures(self, payments: Mapping[int, Payment]) -> Reported:
        """Count what the reports add. `payments`: what is known of the events, by the key of their ids."""
        keys, made, tally = self._keys(), Reported(), self.tally
        numbers: dict[str, int] = {}
        claims: dict[int, tuple[str, Claim]] = {}
        tally.counted = tally.unread = tally.channel_unknown = tally.payment_unknown = 0
        for label in sorted(self._labels.values(), key=lambda label: (label.received_ts, label.label_id)):
            key, day = keys[label.event_id], self._day(label)
            payment = payments.get(key, NOTHING_KNOWN)
            merchant = numbers.setdefault(label.merchant_id, len(numbers) + 1)
            read = read_label(label, key, merchant, report_codes(), _EPOCH + timedelta(day), payment)
            tally.counted += bool(read.reports)
            tally.unread += read.is_unread
            tally.channel_unknown += read.is_channel_unknown
            tally.payment_unknown += payment is NOTHING_KNOWN
            if label.label == _SCAM:
                made.scams[label.merchant_id, day] += 1
            for report in read.reports:
                held = claims.get(key)
                claims[key] = (
                    (label.merchant_id, claim_of(report)) if held is None else (held[0], heard(held[1], report))
                )
        for key, (merchant_id, claim) in claims.items():
            _add(made, merchant_id, claim)
            _add_account(made, merchant_id, claim, payments.get(key, NOTHING_KNOWN))
        return made

    def _day(self, label: FraudReport) -> int:
        return int(days_of(np.array([ms_of(label.received_ts)], dtype=np.int64))[0])

    def _keys(self) -> dict[str, int]:
        """Key every event that was reported."""
        ids = sorted({label.event_id for label in self._labels.values()})
        parts: list[str] = []
        for event_id in ids:
            parts += (event_id, self._scope.acquirer_id, *("",) * (PARTS - 2))
        return dict(zip(ids, entity_keys(parts, self._limits.joined)[:, 0].tolist(), strict=True)) if ids else {}


def _add(made: Reported, merchant_id: str, claim: Claim) -> None:
    for (month, column), amount in counted(claim, BASIS).items():
        made.months.setdefault((merchant_id, month), Counter())[column] += amount
        if column is MonthCol.MC_CHARGEBACK_N and claim.cnp:
            times = [claim.first_ms[origin] for origin in (Origin.FRAUD_DISPUTE, Origin.OTHER_DISPUTE)]
            at_ms = np.array([min(time for time in times if time)], dtype=np.int64)
            made.chargebacks[merchant_id, int(days_of(at_ms)[0])] += amount


def _add_account(made: Reported, merchant_id: str, claim: Claim, payment: Payment) -> None:
    if payment.account and any(column is MonthCol.FRAUD_N for _, column in counted(claim, BASIS)):
        accounts = made.taken_over.setdefault(merchant_id, {})
        day = int(days_of(np.array([payment.event_ms], dtype=np.int64))[0])
        accounts[payment.account] = max(day, accounts.get(payment.account, day))
