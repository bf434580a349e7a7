"""Take the records of the topics in, for one report or for two that are compared: events are decoded once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scoring.compliance.build import Read, build
from scoring.compliance.figures import Figures
from scoring.compliance.inputs.answers import Answers
from scoring.compliance.inputs.reports import Reports
from scoring.compliance.inputs.settlements import Settlements
from scoring.compliance.inputs.sums import SEEN_MAX
from scoring.compliance.inputs.traffic import Traffic
from scoring.compliance.programmes import Terms
from scoring.compliance.report import Report
from scoring.compliance.scope import Scope
from scoring.contract.merchant import MerchantRecord
from scoring.decode import DecodeLimits, decode, decode_outcomes, parse_merchants
from scoring.merchants.store import MerchantStore
from scoring.reference.threeds import reference
from scoring.threeds.settings import ThreeDsSettings
from scoring.threeds.tables import tables_of

Ranges = Mapping[str, Mapping[str, tuple[int, int]]]
"""Offsets that were read, the end excluded, by topic and partition."""

BATCH_MAX: Final = 4_096


class Assembly:
    """Make one report.

    Take all merchants, reports and settlements first, then `begin`, then all authorizations, then `finish`. Outcomes
    that were written up to a day after an authorization are taken before it.
    """

    def __init__(self, scope: Scope, limits: DecodeLimits, threeds: ThreeDsSettings, merchants_max: int) -> None:
        self.scope = scope
        self.reports = Reports(scope, limits)
        self.answers = Answers(scope.acquirer_id)
        self.settlements = Settlements(scope, limits)
        self.records: dict[str, MerchantRecord] = {}
        self._limits = limits
        self._threeds = threeds
        self._merchants_max = merchants_max
        self._tally: Counter[str] = Counter(read=0, refused=0, others=0, later=0, beyond_limit=0)
        self._traffic: Traffic | None = None

    def take_merchants(self, keys: Sequence[bytes], values: Sequence[bytes | None], times_ms: Sequence[int]) -> None:
        """Take records of the topic of merchants with the times of their records; later ones are left out."""
        kept = [row for row, at_ms in enumerate(times_ms) if at_ms < self.scope.end_ms]
        parsed = parse_merchants([keys[row] for row in kept], [values[row] for row in kept], self._limits)
        self._tally["read"] += len(keys)
        self._tally["later"] += len(keys) - len(kept)
        self._tally["refused"] += len(parsed.rejects)
        for acquirer_id, merchant_id, record in parsed.changes:
            if acquirer_id != self.scope.acquirer_id:
                self._tally["others"] += 1
            elif record is None:
                self.records.pop(merchant_id, None)
            elif merchant_id in self.records or len(self.records) < self._merchants_max:
                self.records[merchant_id] = record
            else:
                self._tally["beyond_limit"] += 1

    def begin(self, ids_max: int = SEEN_MAX) -> Traffic:
        """Get ready for authorizations."""
        store = MerchantStore(self._merchants_max)
        for record in self.records.values():
            store.upsert(record)
        tables = tables_of(reference(), self._threeds.amount_tolerance)
        self._traffic = Traffic(self.scope, store, tables, self.reports.events(), self.answers, ids_max=ids_max)
        return self._traffic

    @property
    def has_records(self) -> bool:
        """Tell whether anything of the acquirer was read."""
        traffic = self._traffic
        return bool(
            self.records or self.reports.count or self.settlements.names or (traffic is not None and traffic.names)
        )

    def finish(self, terms: Terms, ranges: Ranges | None, code: str) -> Report:
        """Make the report. `code`: the version of this program."""
        traffic = self._traffic
        assert traffic is not None, "begin first"
        traffic.finish()
        figures = Figures(traffic, self.reports.figures(traffic.payments), self.settlements)
        read = Read(
            traffic=traffic.tally,
            reports=self.reports.tally,
            merchants=dict(self._tally),
            outcomes=dict(self.answers.counts),
            settlements=dict(self.settlements.counts),
            ranges=ranges,
        )
        return build(self.scope, terms, figures, traffic.issuers.values(), self.records, read, code)


def feed(traffics: Sequence[Traffic], values: Sequence[bytes], written_ms: Sequence[int], limits: DecodeLimits) -> None:
    """Decode events and give them to each, at most `BATCH_MAX` at a time. `written_ms`: timestamps of their records."""
    for low in range(0, len(values), BATCH_MAX):
        decoded = decode(values[low : low + BATCH_MAX], limits)
        stamps = np.array(written_ms[low : low + BATCH_MAX], dtype=np.int64)
        for traffic in traffics:
            traffic.take(decoded, stamps)


def feed_outcomes(
    assemblies: Sequence[Assembly], values: Sequence[bytes], written_ms: Sequence[int], limits: DecodeLimits
) -> None:
    """Decode outcomes and give them to each, at most `BATCH_MAX` at a time."""
    for low in range(0, len(values), BATCH_MAX):
        decoded = decode_outcomes(values[low : low + BATCH_MAX], limits)
        stamps = np.array(written_ms[low : low + BATCH_MAX], dtype=np.int64)
        for assembly in assemblies:
            assembly.answers.take(decoded, stamps)
