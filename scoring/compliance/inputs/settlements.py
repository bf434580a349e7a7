"""Settled sales of an acquirer, added up by merchant and month."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from scoring.compliance.inputs.sums import SEEN_MAX, Seen, Sums
from scoring.compliance.scope import Scope
from scoring.contract.label import Settlement
from scoring.decode.columns import ms_of
from scoring.decode.hashing import PARTS, entity_keys
from scoring.decode.settings import DecodeLimits
from scoring.decode.side_inputs import parse_settlements
from scoring.merchants.months.calendar import DAY_MS, begin_ms, months_of
from scoring.merchants.months.columns import COLUMNS, MonthCol
from scoring.merchants.programmes.tiers import SalesBasis

MERCHANT_MONTHS_MAX: Final = 1_000_000
_WITHOUT_CARD: Final = frozenset({"ecom", "moto"})


class Settlements:
    """Add up settlements, each once, of the months of a report.

    `counts` says what became of the records: `others` are of other acquirers, `outside` before the first month or after
    the day by their own time or by that of their record, `unread` no sales.
    """

    def __init__(self, scope: Scope, limits: DecodeLimits, ids_max: int = SEEN_MAX) -> None:
        self.counts = dict.fromkeys(("read", "refused", "others", "outside", "repeats", "sales", "unread"), 0)
        self.names: dict[str, int] = {}
        self.months = Sums(COLUMNS, MERCHANT_MONTHS_MAX, "months of merchants with settlements")
        self._scope = scope
        self._limits = limits
        self._seen = Seen(ids_max)
        self._earliest_ms: int | None = None
        self._settled: set[int] = set()  # months with a sale of the acquirer

    def take(self, values: Sequence[bytes], written_ms: Sequence[int]) -> None:
        """Add a batch. `written_ms`: the timestamps of its records.

        Raises:
            TooManyError: there are more merchants than the limits allow.
        """
        parsed, counts = parse_settlements(values, self._limits), self.counts
        counts["read"] += len(values)
        counts["refused"] += len(parsed.rejects)
        kept = []
        for position, one in zip(parsed.index, parsed.settlements, strict=True):
            at_ms = ms_of(one.settled_ts)
            if written_ms[position] < self._scope.written_before_ms:
                self._earliest_ms = at_ms if self._earliest_ms is None else min(at_ms, self._earliest_ms)
            if one.acquirer_id != self._scope.acquirer_id:
                counts["others"] += 1
            elif not self._is_inside(at_ms, written_ms[position]):
                counts["outside"] += 1
            else:
                kept.append((at_ms, one))
        if kept:
            self._add(kept)

    def _is_inside(self, at_ms: int, written_ms: int) -> bool:
        scope = self._scope
        return scope.begin_ms <= at_ms < scope.end_ms and written_ms < scope.written_before_ms

    def _add(self, kept: Sequence[tuple[int, Settlement]]) -> None:
        parts: list[str] = []
        for _, one in kept:
            parts += (one.settlement_id, *("",) * (PARTS - 1))
        first = self._seen.first(entity_keys(parts, frozenset())[:, 0])
        sale = np.array([one.type == "sale" for _, one in kept], dtype=np.bool_)
        self.counts["repeats"] += int((~first).sum())
        self.counts["unread"] += int((first & ~sale).sum())
        self.counts["sales"] += int((first & sale).sum())
        sales = [kept[row] for row in np.flatnonzero(first & sale).tolist()]
        who = np.array([self.names.setdefault(one.merchant_id, len(self.names)) for _, one in sales], dtype=np.int64)
        months = months_of(np.array([at_ms for at_ms, _ in sales], dtype=np.int64))
        made = np.zeros((len(sales), COLUMNS), dtype=np.int64)
        for row, (_, one) in enumerate(sales):
            is_remote, is_mastercard = one.channel in _WITHOUT_CARD, one.network == "mastercard"
            made[row, MonthCol.SETTLED_N] = 1
            made[row, MonthCol.SETTLED_JPY] = one.amount_jpy or 0
            made[row, MonthCol.VISA_SETTLED_N] = one.network == "visa" and is_remote
            made[row, MonthCol.MC_SETTLED_N] = is_mastercard
            made[row, MonthCol.MC_ECOM_SETTLED_N] = is_mastercard and one.channel == "ecom"
        self.months.add(who, months, made)
        self._settled.update(months.tolist())

    def basis(self, month: int) -> SalesBasis:
        """Say what the sales of a month are counted by.

        They are settled sales where the acquirer has any in it, and settlements, of any acquirer, were read from its
        first day on or from before. Else they are approved ones: a part of a month's settlements would make its ratios
        too high.
        """
        reaches = self._earliest_ms is not None and self._earliest_ms < begin_ms(month) + DAY_MS
        return SalesBasis.SETTLED if reaches and month in self._settled else SalesBasis.APPROVED
