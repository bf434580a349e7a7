"""Standings and programmes under a policy: a payment that it blocks is no sale, and brings no report and no dispute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.effects.ledger import Months
from models.backtest.figures import DIGITS
from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored
from scoring.contract.codes import Band
from scoring.merchants.months.calendar import day_of, first_day, name_of
from scoring.merchants.months.columns import MonthCol
from scoring.merchants.programmes.mastercard import MonthJudged, ecm, efm
from scoring.merchants.programmes.tiers import Ratio, SalesBasis, Verdict
from scoring.merchants.programmes.vamp import vamp
from scoring.merchants.standing import History, Standing, advance, standing_rules
from scoring.reference.monitoring import programme_tiers

_BEFORE: Final = 12
"""Months before the history that standings are judged with: nothing is known of them."""

LINES_MAX: Final = 1_000
"""Most lines of merchants in a list: those with most items. The counts beside it are of all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Where acquirers are: regions at Visa and Mastercard, and yen for one minor unit of a currency."""

    region: str = "AP"
    efm_region: str = "NON_REGULATED"
    rates: Mapping[str, Fraction] = field(default_factory=dict)


class Stands(Struct, frozen=True, kw_only=True):
    """A merchant that stands above NORMAL, or would without the policy, at the end of the history.

    `recorded`: as the history is; `current`: with what the current policy blocks left out; `status`: this policy.
    `months_over`: months in a row with more fraud than the Guidelines' limit. `is_frequent`: fraud is frequent.
    """

    acquirer: str
    merchant: str
    recorded: str
    current: str
    status: str
    months_over: int
    is_frequent: bool
    fraud_jpy: int
    recorded_fraud_jpy: int


class Programme(Struct, frozen=True, kw_only=True):
    """A month in a scheme's programme: of an acquirer (`merchant` is ""), or of a merchant with a tier in any of three.

    `recorded_tier`, `current_tier`: as in `Stands`; "" for none. `unjudged`: tiers that ask for a rate (`--rate`).
    `is_whole` false: the history does not have all of the month.
    """

    programme: str
    acquirer: str
    merchant: str
    month: str
    is_whole: bool
    items: int
    sales: int
    ratio_bps: float | None
    tier: str
    current_tier: str
    recorded_tier: str
    unjudged: str


class Effects(Struct, frozen=True, kw_only=True):
    """What a policy does if its BLOCK is followed. Counts are of attempts of the whole history.

    `blocked_other`: those without a standing report. `changed`: merchants whose standing differs from the recorded one.
    `standings` and `programmes` have at most LINES_MAX lines of merchants.
    """

    blocked: int
    blocked_frauds: int
    blocked_fraud_jpy: int
    blocked_other: int
    frequent: int
    changed: int
    standings: list[Stands]
    programmes: list[Programme]


@dataclass(frozen=True, slots=True)
class _Known:
    """Standings by group and tiers by line of one reckoning."""

    standings: Mapping[int, Standing]
    lines: Mapping[tuple[str, str, str, int], tuple[Ratio, Verdict]]
    fraud_jpy: NDArray[np.int64]


class Reckoning:
    """Reckon months for policies: `of` gives the effects of each; the current policy's are reckoned once."""

    def __init__(self, rows: Scored, months: Months, terms: Terms, current: Judged) -> None:
        self._rows, self._months, self._terms = rows, months, terms
        self._recorded = self._known(np.zeros(len(rows.scores), np.bool_))
        self._current = self._known(self._blocked(current))

    def of(self, judged: Judged) -> Effects:
        """Return the effects of a policy."""
        blocked = self._blocked(judged)
        known, rows = self._known(blocked), self._rows
        frauds = blocked & (rows.fates == Fate.FRAUD)
        standings = [self._stands(known, group) for group in known.standings]
        shown = [one for one in standings if {one.recorded, one.current, one.status} != {"NORMAL"}]
        shown.sort(key=lambda one: (-one.recorded_fraud_jpy, one.acquirer, one.merchant))
        return Effects(
            blocked=int(blocked.sum()),
            blocked_frauds=int(frauds.sum()),
            blocked_fraud_jpy=int(rows.yen[frauds].sum()),
            blocked_other=int((blocked & ~frauds).sum()),
            frequent=sum(one.is_frequent for one in standings),
            changed=sum(one.status != one.recorded for one in standings),
            standings=shown[:LINES_MAX],
            programmes=self._programmes(known),
        )

    def _blocked(self, judged: Judged) -> NDArray[np.bool_]:
        return self._months.blocked(judged.bands == Band.BLOCK)

    def _known(self, blocked: NDArray[np.bool_]) -> _Known:
        sums = self._months.figures(blocked)
        standings = {
            place: standing_of(jpy.tolist(), self._months)
            for place, group in enumerate(self._months.groups)
            if group.merchant is not None
            for jpy in (sums[place, :, MonthCol.FRAUD_JPY],)
        }
        lines = dict(_lines(self._months, sums, self._terms))
        return _Known(standings, lines, sums[:, :, MonthCol.FRAUD_JPY].sum(axis=1))

    def _stands(self, known: _Known, place: int) -> Stands:
        group, standing = self._months.groups[place], known.standings[place]
        return Stands(
            acquirer=group.acquirer,
            merchant=group.merchant or "",
            recorded=self._recorded.standings[place].status.name,
            current=self._current.standings[place].status.name,
            status=standing.status.name,
            months_over=standing.months,
            is_frequent=standing.frequent_since is not None,
            fraud_jpy=int(known.fraud_jpy[place]),
            recorded_fraud_jpy=int(self._recorded.fraud_jpy[place]),
        )

    def _programmes(self, known: _Known) -> list[Programme]:
        """Return the lines of acquirers in order, then those of merchants with a tier, by items as recorded."""
        found = []
        for line in self._recorded.lines.keys() | self._current.lines.keys() | known.lines.keys():
            programme, acquirer, merchant, month = line
            ratio, verdict = known.lines.get(line, _NOTHING)
            tiers = [one.lines.get(line, _NOTHING)[1].tier or "" for one in (known, self._current, self._recorded)]
            if merchant and not (any(tiers) or verdict.unjudged):
                continue
            bps = ratio.bps
            recorded = self._recorded.lines.get(line, _NOTHING)[0]
            made = Programme(
                programme=programme,
                acquirer=acquirer,
                merchant=merchant,
                month=name_of(month),
                is_whole=self._months.is_whole(month),
                items=ratio.items,
                sales=ratio.sales,
                ratio_bps=None if bps is None else round(float(bps), DIGITS),
                tier=tiers[0],
                current_tier=tiers[1],
                recorded_tier=tiers[2],
                unjudged=" ".join(verdict.unjudged),
            )
            found.append(((bool(merchant), -recorded.items if merchant else 0, *line[:3], month), made))
        found.sort(key=lambda one: one[0])
        acquirers = [made for _, made in found if not made.merchant]
        return acquirers + [made for _, made in found if made.merchant][:LINES_MAX]


_NOTHING: Final = (Ratio(items=0, sales=0), Verdict())


def standing_of(fraud_jpy: list[int], months: Months) -> Standing:
    """Follow a merchant through the months of the history, each judged on its last day.

    `fraud_jpy`: yen of fraud by month. Acts of the acquirer are not known.
    """
    standing, rules = Standing(), standing_rules()
    jpy: tuple[int, ...] = (0,) * _BEFORE
    end = day_of(months.ends_ms)
    for month, own in enumerate(fraud_jpy, months.first):
        jpy += (own,)
        last = min(_last_day(month), max(end, first_day(month)))
        standing = advance(standing, History(last=month, fraud_jpy=jpy), rules, last)
    return standing


def _last_day(month: int) -> date:
    return first_day(month + 1) - timedelta(1)


def _lines(
    months: Months, sums: NDArray[np.int64], terms: Terms
) -> Iterator[tuple[tuple[str, str, str, int], tuple[Ratio, Verdict]]]:
    """Judge every month in every programme, by programme, acquirer, merchant ("" for the acquirer itself) and month."""
    table, basis = programme_tiers(), SalesBasis.APPROVED
    by_acquirer: dict[str, list[int]] = {}
    for place, group in enumerate(months.groups):
        by_acquirer.setdefault(group.acquirer, []).append(place)
    for month in range(months.first, months.first + months.count):
        for acquirer, places in by_acquirer.items():
            own = {place: months.figures_of(sums, place, month) for place in places}
            found = vamp(own, month, table, region=terms.region, basis=basis, rates=terms.rates, now_ms=months.ends_ms)
            yield ("VAMP", acquirer, "", month), (found.ratio, found.verdict)
            for part in found.merchants:
                name = months.groups[part.merchant].merchant
                if name is not None and part.ratio.items:
                    yield ("VAMP", acquirer, name, month), (part.ratio, part.verdict)
        for place, group in enumerate(months.groups):
            if group.merchant is not None:
                before, now = (months.figures_of(sums, place, one) for one in (month - 1, month))
                judged: dict[str, MonthJudged] = {
                    "ECM": ecm(before, now, table, basis),
                    "EFM": efm(before, now, table, basis, region=terms.efm_region, rates=terms.rates),
                }
                for programme, one in judged.items():
                    if one.measured.ratio.items:
                        yield (programme, group.acquirer, group.merchant, month), (one.measured.ratio, one.verdict)
