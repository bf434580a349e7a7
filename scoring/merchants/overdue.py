"""What is overdue at merchants by their records, told once each, with rows of the changelog that say what was told.

Two things: a contract that was made after the last day on which it needed no EMV 3-D Secure, at a merchant in Japan
that has none; and an attestation of the Security Checklist that is older than it may be. As of a standing, the owner
of the merchant's home partition judges. Its row says what was told, and is written with the marker after the notices.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import TdsModeCode
from scoring.decode.hashing import MERCHANT_KEY, PARTS, entity_keys
from scoring.merchants.months.calendar import DAY_MS, TOKYO_MS, day_of
from scoring.merchants.months.table import RowTable, Shape
from scoring.merchants.store import BLOCK_BITS, MerchantCol, MerchantStore
from scoring.merchants.summaries import UNKNOWN
from scoring.profile.changelog import Changelog
from scoring.profile.packed import OVERDUE
from scoring.reference.compliance import duties
from scoring.reference.limits import ChecklistLimits, limits, limits_from
from scoring.reference.table import start_ms

JUDGED_MAX: Final = 1_024
"""Most merchants judged at once, and about the most that wait; others are looked for at the next flush."""

BLOCKS_MAX: Final = 16
"""Most blocks of merchants looked through at once: about 65,000 merchants."""

What = Literal["CONTRACTED_WITHOUT_TDS", "ATTESTATION_STALE"]
WHATS: Final[tuple[What, ...]] = get_args(What)
Name = tuple[bytes, bytes]
"""Acquirer and merchant, ids in UTF-8."""

_ROW: Final = np.dtype(
    [
        *[("key", "<u8"), ("at", "<i8"), ("told", "<i4", (len(WHATS),)), ("home", "<u2"), ("dirty", "u1")],
        *[("is_told", "u1", (len(WHATS),)), ("spare", "u1", (3,))],
    ]
)
"""What was told of a merchant in its home partition: by `WHATS`, whether, and of the contract or attestation of which
day, counted from 1970. `at` is the day of the last notice."""

_SHAPE: Final = Shape(kind=OVERDUE, name="OVERDUE", dtype=_ROW, is_shared=False, columns=WHATS)
_NO_DAY: Final = date(1970, 1, 1)
_NEVER: Final = 2**62


class OverdueNotice(NamedTuple):
    """What a person should be told of a merchant's record on a day.

    `since`: the day of the contract, or of the attestation. `last`: the last day on which a contract needed no 3-D
    Secure, or on which the attestation was not stale. `what`, the merchant's key and `since` name a notice, so a
    worker that judges again after a crash gives the same name.
    """

    what: What
    key: int
    name: Name
    day: date
    since: date
    last: date


class OverdueRules(NamedTuple):
    """The rules of a day in Tokyo: contracts after `contracts_until` need 3-D Secure, None: none does."""

    day: date
    contracts_until: date | None
    stale_over_days: int


@lru_cache(maxsize=16)
def rules_on(day: date) -> OverdueRules:
    """Return the rules of a day, from the dated tables."""
    contract = duties().find(("TDS_CONTRACT",), day)
    until = None if contract is None else contract.due_on
    return OverdueRules(day, until, limits_from(limits(), "CHECKLIST", day, ChecklistLimits).stale_over_days)


def is_overdue(table: NDArray[np.int64], in_japan: NDArray[np.bool_], rules: OverdueRules) -> NDArray[np.bool_]:
    """Say what is overdue at merchants: rows of the merchant store int64[n, MerchantCol] to bool[n, WHATS].

    What the record does not say is not overdue. A day belongs to its contract and to 3-D Secure that begins on it.
    """
    found = np.zeros((len(table), len(WHATS)), dtype=np.bool_)
    end_ms = start_ms(rules.day + timedelta(1))
    contracted_ms = table[:, MerchantCol.CONTRACTED_MS]
    is_without = table[:, MerchantCol.TDS_MODE] == TdsModeCode.NONE
    is_without |= table[:, MerchantCol.TDS_INTRODUCED_MS] >= end_ms
    from_ms = _NEVER if rules.contracts_until is None else start_ms(rules.contracts_until + timedelta(1))
    found[:, 0] = in_japan & is_without & (contracted_ms >= from_ms) & (contracted_ms < end_ms)
    attested_ms = table[:, MerchantCol.ATTESTED_MS]
    ages = (rules.day - _NO_DAY).days - (attested_ms + TOKYO_MS) // DAY_MS
    found[:, 1] = (attested_ms != UNKNOWN) & (ages > rules.stale_over_days)
    return found


class OverdueRecords:
    """Judge the merchants whose home partition is owned.

    `rows_max`: of so many merchants a worker keeps what was told; beyond that the one that was told longest ago is
    forgotten, and may be told again.
    """

    def __init__(self, merchants: MerchantStore, rows_max: int, partitions: int = 1) -> None:
        self._merchants = merchants
        self._partitions = partitions
        self._rows = _Table(rows_max, self)
        self._due: dict[int, dict[Name, int]] = {}  # by home partition: merchants to judge, with their keys
        self._blocks: dict[int, None] = {}  # of merchants, to look through
        self._sums: NDArray[np.int64] = np.zeros((1, len(WHATS)), dtype=np.int64)  # by block
        self._day_ends_ms = 0
        self._day: date | None = None
        self.counts: Mapping[str, int] = dict.fromkeys(WHATS, 0)
        """Merchants of owned home partitions by what is overdue at them, told or not. Replaced, never changed."""

    def attach_to(self, changelog: Changelog) -> None:
        """Log the rows with those of the profiles."""
        changelog.attach(self._rows)

    def tick(self, time_ms: int) -> None:
        """Move the clock of the input forward. With a new day, all merchants are looked through again."""
        if time_ms < self._day_ends_ms:
            return
        self._day = day_of(time_ms)
        self._day_ends_ms = start_ms(self._day + timedelta(1))
        self.look_again()

    def look_again(self) -> None:
        """Look through all merchants from now on: the day, or what is owned, changed."""
        self._blocks = dict.fromkeys(range((len(self._merchants.names) >> BLOCK_BITS) + 1))

    def drop(self, partition: int) -> None:
        """Judge the merchants of a home partition no more."""
        self._due.pop(partition, None)
        self.look_again()
        if not self._rows.owned:  # nothing is judged here any more, so nobody counts anew
            self._sums[:] = 0
            self.counts = dict.fromkeys(WHATS, 0)

    def is_due(self, partition: int) -> bool:
        """Say whether merchants of a home partition await a judgement, or rows a flush."""
        return bool(self._due.get(partition)) or self._rows.pending(partition) > 0

    @property
    def evicted(self) -> int:
        """How many rows had to make room so far."""
        return self._rows.evicted

    def judge(self, partition: int) -> list[OverdueNotice]:
        """Judge merchants of a home partition, at most JUDGED_MAX; return what to tell.

        The rows that change are in the next flush of the partition.
        """
        if self._day is None:
            return []
        rules = rules_on(self._day)
        self._look(rules)
        due = self._due.get(partition)
        if not due:
            return []
        named = [(name, due.pop(name)) for name in list(due)[:JUDGED_MAX]]
        rows = np.array([self._merchants.row_of(name) for name, _ in named], dtype=np.int64)
        table, found = self._merchants.table[rows], self._overdue(rows, rules)
        return [
            notice
            for at, (name, key) in enumerate(named)
            for notice in self._notices(partition, name, key, _days(table[at]), found[at], rules)
        ]

    def _overdue(self, rows: NDArray[np.int64], rules: OverdueRules) -> NDArray[np.bool_]:
        return is_overdue(self._merchants.table[rows], self._merchants.in_japan[rows], rules)

    def _notices(
        self, partition: int, name: Name, key: int, days: Sequence[int], found: Any, rules: OverdueRules
    ) -> Iterator[OverdueNotice]:
        for at, what in enumerate(WHATS):
            if found[at] and self._is_new(partition, key, at, days[at]):
                number = self._rows.make(partition, key)
                row = self._rows.data[number]
                row["told"][at], row["is_told"][at] = days[at], 1
                row["at"] = (rules.day - _NO_DAY).days
                self._rows.mark(number)
                since = _NO_DAY + timedelta(days[at])
                stale_on = since + timedelta(rules.stale_over_days)
                last = rules.contracts_until if what == "CONTRACTED_WITHOUT_TDS" else stale_on
                assert last is not None
                yield OverdueNotice(what, key, name, rules.day, since, last)

    def _is_new(self, partition: int, key: int, at: int, day: int) -> bool:
        """Say whether nothing was told yet of a contract or attestation of a day, or of a later one.

        So a record that goes back to an earlier date repeats nothing.
        """
        number = self._rows.find(partition, key)
        if number is None:
            return True
        row = self._rows.data[number]
        return not row["is_told"][at] or bool(day > row["told"][at])

    def _look(self, rules: OverdueRules) -> None:
        """Look blocks of merchants through, until enough wait for a judgement."""
        self._blocks |= self._merchants.changed_blocks
        self._merchants.changed_blocks.clear()
        if not self._blocks:
            return
        for _ in range(BLOCKS_MAX):
            if not self._blocks or sum(map(len, self._due.values())) >= JUDGED_MAX:
                break
            block = next(iter(self._blocks))
            del self._blocks[block]
            self._look_through(block, rules)
        self.counts = dict(zip(WHATS, self._sums.sum(axis=0).tolist(), strict=True))

    def _look_through(self, block: int, rules: OverdueRules) -> None:
        if block >= len(self._sums):
            more = np.zeros((block + 1 - len(self._sums), len(WHATS)), dtype=np.int64)
            self._sums = np.concatenate([self._sums, more])
        self._sums[block] = 0
        begin, end = block << BLOCK_BITS, min((block + 1) << BLOCK_BITS, len(self._merchants.names))
        rows = np.arange(begin, end, dtype=np.int64)
        found = self._overdue(rows, rules)
        is_found = found.any(axis=1)
        rows, found = rows[is_found], found[is_found]
        names = [name for name in map(self._merchants.names.__getitem__, rows.tolist()) if name is not None]
        assert len(names) == len(rows), "a row that is not used says nothing"
        keys = _keys_of(names)
        for at, (name, key) in enumerate(zip(names, keys, strict=True)):
            home = key % self._partitions
            if home not in self._rows.owned:
                continue
            self._sums[block] += found[at]
            days = _days(self._merchants.table[rows[at]])
            if any(is_so and self._is_new(home, key, n, days[n]) for n, is_so in enumerate(found[at].tolist())):
                self._due.setdefault(home, {})[name] = key


class _Table(RowTable):
    """Rows of what was told, which are written where their partition is owned."""

    def __init__(self, rows_max: int, records: OverdueRecords) -> None:
        super().__init__(_SHAPE, rows_max)
        self._records = records

    @property
    def owned(self) -> set[int]:
        """The partitions that are flushed from here."""
        return self._owned

    def own(self, partition: int) -> None:
        super().own(partition)
        self._records.look_again()

    def leave(self, partition: int) -> None:
        super().leave(partition)
        self._records.drop(partition)


def _days(row: NDArray[np.int64]) -> tuple[int, int]:
    """Number the days of the contract and of the attestation of a merchant, by `WHATS`."""
    contracted, attested = row[[MerchantCol.CONTRACTED_MS, MerchantCol.ATTESTED_MS]].tolist()
    return (contracted + TOKYO_MS) // DAY_MS, (attested + TOKYO_MS) // DAY_MS


def _keys_of(names: Sequence[Name]) -> list[int]:
    """Key merchants, each of its acquirer alone, also where acquirers share the profiles of merchants."""
    if not names:
        return []
    parts: list[str] = []
    for acquirer, merchant in names:
        parts += ("", acquirer.decode(), "", merchant.decode(), *("",) * (PARTS - 4))
    keys: list[int] = entity_keys(parts, frozenset())[:, MERCHANT_KEY].tolist()
    return keys
