"""Where the merchants of a worker stand, on rows of the changelog, and what of it a person should be told.

A merchant is judged by one worker: the owner of its home partition, which follows the months of all others. Its row
says what was told, and is written with the marker after the notices. So a death between them repeats a notice under
the same id, and loses none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from scoring.contract.codes import FraudStatusCode
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS, day_of, first_day, month_of, month_of_day, name_of
from scoring.merchants.months.columns import NAME_BYTES
from scoring.merchants.months.store import MONTHS_KEPT, MerchantMonths
from scoring.merchants.months.table import Row, RowTable, Shape
from scoring.merchants.standing import (
    ACTUALISED,
    MONITORED,
    NO_REPORTS,
    NORMAL,
    WARNING,
    WATCH,
    Act,
    Forecast,
    History,
    Standing,
    act,
    advance,
    aged,
    entered,
    forecast,
    standing_rules,
)
from scoring.merchants.store import DeclaredStatus, MerchantStore
from scoring.merchants.summaries import FRAUD_STATUSES, StandingEvidence
from scoring.profile.changelog import Changelog
from scoring.profile.packed import STANDING

JUDGED_MAX: Final = 4_096
"""Most merchants judged at once; others wait for the next flush."""

LEVELS: Final = 3
"""States that a merchant can enter for the worse: WATCH, WARNING, ACTUALISED."""

SHOWN: Final = 3
"""Months whose fraud is shown with a standing: the last ones up to `run_to`."""

_ROW: Final = np.dtype(
    [
        *[("key", "<u8"), ("at", "<i8"), ("acquirer_id", f"S{NAME_BYTES}"), ("merchant_id", f"S{NAME_BYTES}")],
        ("fraud_jpy", "<i8", (SHOWN,)),
        *[
            (name, "<i4")
            for name in ("since", "frequent_since", "acted_on", "actualised_month", "counts_from", "run_to")
        ],
        *[("forecast_month", "<i4"), ("reminders", "<u4"), ("entered_run", "<i4", (LEVELS,)), ("frequent_run", "<i4")],
        *[("entered_n", "<u2", (LEVELS,)), ("months", "<u2"), ("home", "<u2")],
        *[("dirty", "u1"), ("status", "u1"), ("unfounded", "u1"), ("spare", "u1", (3,))],
    ]
)
"""A merchant's standing in its home partition. Days count from 1970, 0 for none; `at` is that of the last change.

`entered_run` and `entered_n`: of WATCH, WARNING and ACTUALISED, the run of the last entry, and its entries so far.
"""

_SHAPE: Final = Shape(kind=STANDING, name="STANDING", dtype=_ROW, is_shared=True)
_NO_DAY: Final = date(1970, 1, 1)

What = Literal["ENTERED", "WITHOUT_TDS", "FORECAST"]
Name = tuple[bytes, bytes]
"""Acquirer and merchant, ids in UTF-8."""


class Notice(NamedTuple):
    """What a person should be told of a merchant.

    ENTERED: it stands worse than before. WITHOUT_TDS: fraud is frequent, and it has no 3-D Secure for `days` since.
    FORECAST: this month will be above `limit_jpy` if it goes on. `what`, the merchant's key and `occasion` name a
    notice: they do not depend on when it was judged, so a worker that judges again after a crash gives the same name.
    """

    what: What
    occasion: str
    key: int
    name: Name
    day: date
    evidence: StandingEvidence
    limit_jpy: int
    days: int | None = None
    cast: Forecast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimit:
    """How many merchants a worker keeps a standing of at most: those whose fraud was above the limit, or will be."""

    standings_max: int = 100_000


class Standings:
    """Judge the merchants whose home partition is owned, and follow the standings of the others."""

    def __init__(
        self, limit: StandingLimit, months: MerchantMonths, merchants: MerchantStore, partitions: int = 1
    ) -> None:
        self._months = months
        self._merchants = merchants
        self._partitions = partitions
        self._rules = standing_rules()
        self._rows = _Table(limit.standings_max, self)
        self._due: dict[int, dict[int, None]] = {}  # by home partition: merchants to judge
        self._all: set[int] = set()  # home partitions whose merchants are all to be judged
        self._clock_ms = 0
        self._day_ends_ms = 0
        self._is_stale = False  # the counts
        self.counts: Mapping[str, int] = dict.fromkeys(FRAUD_STATUSES, 0)
        """Merchants of owned home partitions that a row is kept of, by standing. Replaced, never changed."""

    def attach_to(self, changelog: Changelog) -> None:
        """Log the rows with those of the profiles."""
        changelog.attach(self._rows)

    def tick(self, time_ms: int) -> None:
        """Move the clock of the input forward. With a new day, all that stand somewhere are judged again."""
        if time_ms < self._day_ends_ms:
            self._clock_ms = max(self._clock_ms, time_ms)
            return
        month, self._clock_ms, self._is_stale = month_of(self._clock_ms), time_ms, True
        self._day_ends_ms = ((time_ms + TOKYO_MS) // DAY_MS + 1) * DAY_MS - TOKYO_MS
        for row in self._rows.rows().tolist():
            self._note(int(self._rows.data[row]["key"]))
        if month != month_of(time_ms):
            self._months.expire(month_of(time_ms), time_ms)
            for row in self._rows.rows().tolist():
                self.show(self._rows.data[row], 1)

    def home_of(self, merchant: int) -> int:
        """Return the partition whose owner judges a merchant."""
        return merchant % self._partitions

    def own(self, partition: int) -> None:
        """Judge the merchants of a home partition from now on, all of them at first."""
        self._all.add(partition)
        self._is_stale = True

    def leave(self, partition: int) -> None:
        """Judge the merchants of a home partition no more."""
        self._all.discard(partition)
        self._due.pop(partition, None)
        self._count()

    def _note(self, merchant: int) -> None:
        self._due.setdefault(self.home_of(merchant), {})[merchant] = None

    def _collect(self) -> None:
        """Sort the merchants that changed by their homes."""
        for merchant in self._months.changed:
            self._note(merchant)
        self._months.changed.clear()
        for name in self._merchants.changed_records:
            key = self._merchants.standing_key(name)
            if key is not None:
                self._note(key)
        self._merchants.changed_records.clear()
        for home in self._due.keys() - self._rows.owned:
            del self._due[home]

    def judge(self, partition: int) -> list[Notice]:
        """Judge the merchants of a home partition that changed, at most JUDGED_MAX; return what to tell.

        The rows that change are in the next flush of the partition.
        """
        self._collect()
        if partition in self._all:
            self._all.discard(partition)
            for merchant in self._months.every():
                if self.home_of(merchant) == partition:
                    self._note(merchant)
        due = self._due.get(partition, {})
        notices: list[Notice] = []
        for merchant in list(due)[:JUDGED_MAX]:
            del due[merchant]
            notices += self._judge(partition, merchant)
        if notices or self._is_stale:
            self._is_stale = False
            self._count()
        return notices

    def is_due(self, partition: int) -> bool:
        """Say whether rows of a home partition await a flush, or merchants a judgement."""
        return bool(self._due.get(partition)) or self._rows.pending(partition) > 0

    def _count(self) -> None:
        data = self._rows.data[self._rows.rows()]
        data = data[np.isin(data["home"].astype(np.int64) - 1, self._rows.owned)]
        is_over = np.isin(data["status"], (WATCH, WARNING)) & (data["run_to"] < month_of(self._now_ms()) - 1)
        found = np.bincount(np.where(is_over, NORMAL, data["status"]), minlength=len(FRAUD_STATUSES)).tolist()
        self.counts = dict(zip(FRAUD_STATUSES, found, strict=True))

    @property
    def evicted(self) -> int:
        """How many standings had to make room so far."""
        return self._rows.evicted

    def _now_ms(self) -> int:
        return max(self._clock_ms, self._months.heard_ms)

    def _judge(self, partition: int, merchant: int) -> Iterator[Notice]:
        number, heard_ms = self._rows.find(partition, merchant), self._months.heard_of(merchant)
        before = NO_REPORTS if number is None else _read(self._rows.data[number])
        day, now_ms = day_of(heard_ms), self._now_ms()
        history = self._history(merchant, month_of_day(day))
        standing = advance(before, history, self._rules, day)
        cast = self._cast(merchant, standing, now_ms)
        if number is None and standing == NO_REPORTS and cast is None:
            return
        number = self._rows.make(partition, merchant)
        name = self._name(number, merchant)
        declared = self._merchants.declared_status(name)
        standing, acted_on = _acted(standing, declared, int(self._rows.data[number]["acted_on"]))
        worse = entered(aged(before, history.last), standing)
        row = self._rows.data[number]
        shown = self._history(merchant, standing.run_to or history.last).fraud_jpy[-SHOWN:]
        old = row.tobytes()
        _write(row, standing)
        row["acquirer_id"], row["merchant_id"] = name
        row["acted_on"], row["fraud_jpy"] = acted_on, shown
        evidence = _evidence(row, standing)
        limit_jpy = self._rules.on(first_day(standing.run_to or history.last)).over_jpy
        run = _run_of(standing)
        if worse is not None:
            occasion = _entry(row, worse, run)
            yield Notice("ENTERED", occasion, merchant, name, day, evidence, limit_jpy)
        if aged(before, history.last).frequent_since is None:
            row["frequent_run"], row["reminders"] = run, 0
        reminder = Notice("WITHOUT_TDS", "", merchant, name, day, evidence, limit_jpy)
        yield from self._remind(row, standing, declared, reminder)
        month = month_of(now_ms)
        if cast is not None and row["forecast_month"] != month:
            row["forecast_month"] = month
            yield Notice("FORECAST", name_of(month), merchant, name, day_of(now_ms), evidence, limit_jpy, cast=cast)
        if row.tobytes() != old:
            row["at"] = _number(day)
            self._rows.mark(number)
            self.show(row, 1)
            self._is_stale = True

    def _remind(self, row: Any, standing: Standing, declared: DeclaredStatus, notice: Notice) -> Iterator[Notice]:
        """Tell of frequent fraud without 3-D Secure when it begins, and again after each `remind_days`."""
        today = day_of(self._now_ms())
        since = aged(standing, month_of_day(today)).frequent_since
        if since is None or not declared.is_without_tds(today):
            row["reminders"] = 0 if since is None else row["reminders"]
            return
        days = max((today - since).days, 0)
        number = days // self._rules.on(today).remind_days
        if number >= row["reminders"]:
            row["reminders"] = number + 1
            yield notice._replace(occasion=f"{row['frequent_run']}:{number}", day=today, days=days)

    def _history(self, merchant: int, last: int) -> History:
        return History(last=last, fraud_jpy=tuple(self._months.fraud_jpy(merchant, last, MONTHS_KEPT)))

    def _cast(self, merchant: int, standing: Standing, now_ms: int) -> Forecast | None:
        """Return what this month will come to, if that is above the limit and is not yet."""
        history = self._history(merchant, month_of(now_ms))
        found = forecast(history, standing, self._rules, now_ms) if history.fraud_jpy[-1] > 0 else None
        return None if found is None or found.crosses_on is None else found

    def _name(self, number: int, merchant: int) -> Name:
        row = self._rows.data[number]
        told = bytes(row["acquirer_id"]), bytes(row["merchant_id"])
        return told if told[0] else self._months.name_of(merchant)

    def show(self, row: Row, sign: int) -> None:
        """Give a standing to the merchant store, or take it away (-1): decisions show it."""
        name = bytes(row["acquirer_id"]), bytes(row["merchant_id"])
        if not name[0]:
            return
        standing = aged(_read(row), month_of(self._now_ms()))
        is_shown = sign > 0 and standing.status is not FraudStatusCode.NORMAL
        self._merchants.set_standing(name, int(row["key"]), _evidence(row, standing) if is_shown else None)


class _Table(RowTable):
    """Rows of standings, which are judged where they are owned."""

    def __init__(self, rows_max: int, standings: Standings) -> None:
        super().__init__(_SHAPE, rows_max, standings.show)
        self._standings = standings

    def own(self, partition: int) -> None:
        super().own(partition)
        self._standings.own(partition)

    def leave(self, partition: int) -> None:
        super().leave(partition)
        self._standings.leave(partition)

    @property
    def owned(self) -> list[int]:
        """The partitions that are flushed from here."""
        return list(self._owned)


def _acted(standing: Standing, declared: DeclaredStatus, acted_on: int) -> tuple[Standing, int]:
    """Apply what an acquirer says of a merchant that is ACTUALISED or MONITORED, once, if it says so since then."""
    on, since = declared.status_on, standing.since
    if standing.status not in (ACTUALISED, MONITORED) or on is None or since is None:
        return standing, acted_on
    if on < since or _number(on) <= acted_on:
        return standing, acted_on
    if declared.status is MONITORED:
        return act(standing, Act.MEASURES_RECORDED, on), _number(on)
    if declared.status is FraudStatusCode.NORMAL:
        return act(standing, Act.RELEASED, on), _number(on)
    return standing, acted_on


def _run_of(standing: Standing) -> int:
    """Name the run of months that a state rests on: its first month, or the act since which actualised fraud counts."""
    if standing.status in (ACTUALISED, MONITORED):
        return standing.counts_from
    return standing.run_to - standing.months + 1


def _entry(row: Any, status: FraudStatusCode, run: int) -> str:
    """Count an entry into a status, and name it by the run."""
    at = int(status) - 1
    is_again = row["entered_n"][at] > 0 and row["entered_run"][at] == run
    row["entered_n"][at] = row["entered_n"][at] + 1 if is_again else 1
    row["entered_run"][at] = run
    return f"{int(status)}:{run}:{row['entered_n'][at]}"


def _number(day: date | None) -> int:
    return 0 if day is None else (day - _NO_DAY).days


def _day(number: int) -> date | None:
    return None if number == 0 else _NO_DAY + timedelta(int(number))


def _write(row: Any, standing: Standing) -> None:
    row["since"], row["frequent_since"] = _number(standing.since), _number(standing.frequent_since)
    row["actualised_month"] = standing.actualised_month or 0
    row["counts_from"], row["run_to"], row["months"] = standing.counts_from, standing.run_to, standing.months
    row["status"], row["unfounded"] = standing.status, standing.is_unfounded


def _read(row: Any) -> Standing:
    return Standing(
        status=FraudStatusCode(int(row["status"])),
        since=_day(row["since"]),
        months=int(row["months"]),
        run_to=int(row["run_to"]),
        actualised_month=int(row["actualised_month"]) or None,
        is_unfounded=bool(row["unfounded"]),
        counts_from=int(row["counts_from"]),
        frequent_since=_day(row["frequent_since"]),
    )


def _evidence(row: Any, standing: Standing) -> StandingEvidence:
    return StandingEvidence(
        status=int(standing.status),
        since=standing.since,
        months=standing.months,
        run_to=standing.run_to,
        fraud_jpy=tuple(row["fraud_jpy"].tolist()),
        frequent_since=standing.frequent_since,
        unfounded=standing.is_unfounded,
    )
