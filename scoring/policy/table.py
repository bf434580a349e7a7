"""The policy as look-up tables for the hot path."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Band
from scoring.decode import Col
from scoring.decode.hashing import MERCHANT_KEY, PARTS, entity_keys
from scoring.merchants.goods import GROUP_OF_MCC, MCC_GROUPS
from scoring.policy.policy import Policy
from scoring.policy.rules import Batch, BlockCounts, Ruled, RuleSet
from scoring.policy.scopes import Entry, Level, Scope, Suppression
from scoring.policy.timeline import Dated, Timeline

_MIX: Final = 0x9E3779B97F4A7C15
"""Odd, so that different keys stay different: of Fibonacci hashing (Knuth, TAOCP 3, 6.4)."""
_MASK: Final = (1 << 64) - 1
_NO_LIMIT: Final = 1 << 62
_ACQUIRER_PART, _MERCHANT_PART = 1, 3


class Judged(NamedTuple):
    """Bands of a batch, int64[n]: 0 ALLOW to 3 BLOCK. `limited`: rows whose band a limit raised.

    `floors` int64[n]: the band that limits demand, whatever the score; `Judge` adds what rules demand.
    """

    bands: NDArray[np.int64]
    limited: AbstractSet[int]
    floors: NDArray[np.int64]

    def overlaid(self, rows: NDArray[np.int64], other: "Judged") -> "Judged":
        """Return the same with what another policy says of the events of some rows, int64[m], ascending."""
        bands, floors = self.bands.copy(), self.floors.copy()
        bands[rows], floors[rows] = other.bands, other.floors
        limited = self.limited - set(rows.tolist()) if self.limited else self.limited
        return Judged(bands, limited | {rows.item(row) for row in other.limited}, floors)


class PolicyTable:
    """Find what holds for events, by precedence and time. `joined`: entities whose keys leave the acquirer out.

    `share_per_mille`: as in `RuleSet`.
    """

    def __init__(
        self, policy: Policy, joined: frozenset[int] = frozenset(), share_per_mille: int | None = None
    ) -> None:
        everywhere = policy.everywhere
        entries = [*policy.standing, *policy.overrides]
        rows = [everywhere, *(entry.thresholds for entry in entries)]
        keys = keys_of(
            (entry.scope for entry in (*entries, *policy.limits, *policy.suppressions, *policy.rules)), joined
        )
        standing = sum(1 for _ in policy.standing)
        self._timelines = _timelines(entries[:standing], entries[standing:], keys, first=1)
        self._thresholds = np.array([(t.review, t.step_up, t.block) for t in rows], dtype=np.int64)
        self._limits = _timelines(policy.limits, (), keys, first=1)
        self._limit_jpy = np.array([_NO_LIMIT, *(limit.amount_jpy for limit in policy.limits)], dtype=np.int64)
        self._limit_band = np.array([0, *(int(Band[limit.band]) for limit in policy.limits)], dtype=np.int64)
        self._suppressions: dict[tuple[Level, int], list[Suppression]] = {}
        self._rules = RuleSet(policy.rules, keys, policy.rule_caps, share_per_mille)
        self.has_rules = len(self._rules) > 0
        for suppression in policy.suppressions:
            scope = suppression.scope
            self._suppressions.setdefault((scope.level, keys[scope]), []).append(suppression)

    def judge(
        self,
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        at_ms: NDArray[np.int64],
        scores: NDArray[np.int16],
    ) -> Judged:
        """Return the band of each event: the number of thresholds that its score reaches, raised by its limit.

        `ints` int64[n, Col] and `hashes` uint64[n, KEYS] are those of the decoded batch, `at_ms` int64[n] the times in
        ms since the epoch, `scores` int16[n], 0 to 999.
        """
        bands: NDArray[np.int64]
        if not self._timelines:
            bands = self._thresholds[0].searchsorted(scores, side="right")
        else:
            rows = _rows(self._timelines, ints, hashes, at_ms)
            bands = (self._thresholds[rows] <= scores[:, None]).sum(axis=1)
        if not self._limits:
            return Judged(bands, frozenset(), np.zeros_like(bands))
        rows = _rows(self._limits, ints, hashes, at_ms)
        floors = np.where(ints[:, Col.AMOUNT_JPY] > self._limit_jpy[rows], self._limit_band[rows], 0)
        return Judged(np.maximum(bands, floors), frozenset(np.flatnonzero(floors > bands).tolist()), floors)

    def ask(self, batch: Batch, hashes: NDArray[np.uint64], standings: Callable[[], NDArray[np.int64]]) -> Ruled:
        """Say which rules hit which events. `hashes` uint64[n, KEYS] as decoded.

        `standings` gives where each event's merchant stands, int64[n] of `FraudStatusCode`; called if a rule asks.
        """
        rules = self._rules
        keys = np.empty((len(rules.levels), len(hashes)), dtype=np.int64)
        for row, level in enumerate(rules.levels):
            keys[row] = _keys(level, batch.events, hashes).view(np.int64)
        return rules.judge(batch, keys, standings() if rules.needs_standings else np.empty(0, dtype=np.int64))

    def cap(
        self,
        ruled: Ruled,
        bands: NDArray[np.int64],
        batch: Batch,
        hashes: NDArray[np.uint64],
        counts: BlockCounts,
        partition: int,
    ) -> Ruled:
        """Count what rules block, and let those that reached a cap ask for REVIEW. `ruled`: what `ask` said of a batch.

        `bands` int64[n]: those of `judge`. `counts`: of the partition of the batch.
        """
        if not ruled.blocks:
            return ruled
        rows = list(ruled.blocks)
        merchants = _keys(Level.MERCHANT, batch.events[rows], hashes[rows]).tolist()
        return self._rules.cap(ruled, bands, merchants, batch, counts, partition)

    def is_suppressed(
        self, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: int, band: int, reason: str
    ) -> bool:
        """Say whether a suppression covers the alert of an event. `ints` int64[Col] and `hashes` uint64[KEYS]: its row.

        `reason`: the id of its heaviest reason.
        """
        if not self._suppressions:
            return False
        return any(
            found.from_ms <= at_ms < found.to_ms
            and band <= Band[found.up_to_band]
            and (not found.reasons or reason in found.reasons)
            for level in Level
            for found in self._suppressions.get((level, int(_keys(level, ints[None], hashes[None])[0])), ())
        )


def _rows(
    timelines: Sequence[tuple[Level, Timeline]],
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    at_ms: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the row of the narrowest scope of each event, int64[n]; 0 where none names it."""
    rows = np.zeros(len(ints), dtype=np.int64)
    for level, timeline in timelines:
        timeline.find(_keys(level, ints, hashes), at_ms, rows)
    return rows


def _keys(level: Level, ints: NDArray[np.int64], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the key of each event at a level: uint64[n]. Equal keys are equal scopes, as `_key_of` has them."""
    if level == Level.GLOBAL:
        return np.zeros(len(ints), dtype=np.uint64)
    if level == Level.MCC:
        return ints[:, Col.MCC].astype(np.uint64)
    if level == Level.GOODS:
        return GROUP_OF_MCC[ints[:, Col.MCC]].astype(np.uint64)
    acquirers = ints[:, Col.ACQUIRER_KEY].astype(np.uint64)
    if level == Level.ACQUIRER:
        return acquirers
    mixed: NDArray[np.uint64] = acquirers * np.uint64(_MIX)
    if level == Level.ACQUIRER_GOODS:
        return mixed ^ GROUP_OF_MCC[ints[:, Col.MCC]].astype(np.uint64)
    return mixed ^ (ints[:, Col.MCC].astype(np.uint64) if level == Level.ACQUIRER_MCC else hashes[:, MERCHANT_KEY])


def keys_of(scopes: Iterable[Scope], joined: frozenset[int]) -> dict[Scope, int]:
    """Return the key of each scope."""
    distinct = list(dict.fromkeys(scopes))
    parts: list[str] = []
    for scope in distinct:
        of_scope = [""] * PARTS
        of_scope[0] = of_scope[_ACQUIRER_PART] = scope.acquirer or ""  # the first key is that of a text alone
        of_scope[_MERCHANT_PART] = scope.merchant or ""
        parts += of_scope
    hashes = entity_keys(parts, joined) if any(parts) else np.zeros((len(distinct), MERCHANT_KEY + 1), dtype=np.uint64)
    acquirers, merchants = hashes[:, 0].tolist(), hashes[:, MERCHANT_KEY].tolist()
    return {scope: _key_of(*each) for scope, *each in zip(distinct, distinct, acquirers, merchants, strict=True)}


def _key_of(scope: Scope, acquirer: int, merchant: int) -> int:
    level = scope.level
    if level == Level.GLOBAL:
        return 0
    if level == Level.ACQUIRER:
        return acquirer
    own = merchant
    if scope.mcc is not None:
        own = int(scope.mcc)
    elif scope.goods is not None:
        own = MCC_GROUPS.index(scope.goods)
    return own if scope.acquirer is None else (acquirer * _MIX & _MASK) ^ own


def _timelines(
    standing: Sequence[Entry], overrides: Sequence[Entry], keys: dict[Scope, int], first: int
) -> list[tuple[Level, Timeline]]:
    """Return a timeline for each level with entries, widest first. Rows count from `first`, overrides last."""
    by_level: dict[Level, tuple[list[Dated], list[Dated]]] = {}
    for row, entry in enumerate((*standing, *overrides), start=first):
        scope = entry.scope
        dated = Dated(keys[scope], entry.from_ms, entry.to_ms, row)
        by_level.setdefault(scope.level, ([], []))[row - first >= len(standing)].append(dated)
    return [(level, Timeline(*by_level[level])) for level in sorted(by_level)]
