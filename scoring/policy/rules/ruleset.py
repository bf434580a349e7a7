"""The rules of a policy, compiled: which rules hit which events of a batch."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.contract.codes import Band
from scoring.contract.decision import REASONS_MAX, RULE_HITS_MAX, CapName, Reason
from scoring.policy.reasons import of_capped_rule
from scoring.policy.reasons.merchant import FOR_MERCHANTS_BY_RULE, OF_RULE
from scoring.policy.rules.counts import HOUR_MS, PER_MILLE, BlockCounts, Caps, number_of
from scoring.policy.rules.kernel import run
from scoring.policy.rules.language import checked
from scoring.policy.rules.operations import TRUE
from scoring.policy.rules.program import Gate, Program, program_of
from scoring.policy.rules.rule import Rule, RuleCaps
from scoring.policy.scopes import Level, Scope

KEYS_MAX: Final = 4
"""Rules of one event that are remembered until its reports come."""


class Batch(NamedTuple):
    """What rules read of n events. Arrays are C-contiguous, `at_ms` excepted.

    `features` float64[n, F]; `events` int64[n, Col]; `verdicts` int64[n, VERDICT_COLUMNS]; `merchants` int64[m,
    MERCHANT_COLUMNS], with `rows` int64[n] into it; `scores` int16[n]; `at_ms` int64[n], the times of the events as the
    policy takes them, in ms since the epoch; `decided` bool[n]: events that get a decision; `counted` bool[n]: those of
    them whose decision is published now.
    """

    features: NDArray[np.float64]
    events: NDArray[np.int64]
    verdicts: NDArray[np.int64]
    merchants: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: NDArray[np.int16]
    at_ms: NDArray[np.int64]
    decided: NDArray[np.bool_]
    counted: NDArray[np.bool_]

    def of(self, rows: NDArray[np.int64]) -> "Batch":
        """Return copies of the events of some rows, int64[m]."""
        return Batch(
            features=self.features[rows],
            events=self.events[rows],
            verdicts=self.verdicts[rows],
            merchants=self.merchants,
            rows=self.rows[rows],
            scores=self.scores[rows],
            at_ms=self.at_ms[rows],
            decided=self.decided[rows],
            counted=self.counted[rows],
        )

    def without(self, rows: NDArray[np.int64]) -> "Batch":
        """Return the same events, of which those of some rows, int64[m], are neither decided nor counted."""
        decided, counted = self.decided.copy(), self.counted.copy()
        decided[rows] = counted[rows] = False
        return self._replace(decided=decided, counted=counted)


class Ruled(NamedTuple):
    """What rules say of a batch, by row of those that a rule hits.

    `floors`: the lowest band that rules in mode `on` allow. `reasons`: of these rules, the strongest action first.
    `hits`: every rule that hits, in JSON. `counts`: hits by rule and mode, `errors` by rule: those of counted events.
    `keys`: `rule_key` of the first rules that hit, in the order of the rules. `blocks`: where a rule blocks, the
    numbers of all rules that hit. `capped`: counted events that a rule may not block any more, by rule.
    """

    floors: Mapping[int, int]
    reasons: Mapping[int, Sequence[Reason]]
    hits: Mapping[int, bytes]
    counts: Mapping[tuple[str, str], int]
    errors: Mapping[str, int]
    keys: Mapping[int, Sequence[int]]
    blocks: Mapping[int, Sequence[int]]
    capped: Mapping[str, int]

    def moved(self, rows: Sequence[int]) -> "Ruled":
        """Return the same of a larger batch, in which the events of this one are those of `rows`."""
        return Ruled(
            {rows[row]: said for row, said in self.floors.items()},
            {rows[row]: said for row, said in self.reasons.items()},
            {rows[row]: said for row, said in self.hits.items()},
            self.counts,
            self.errors,
            {rows[row]: said for row, said in self.keys.items()},
            {rows[row]: said for row, said in self.blocks.items()},
            self.capped,
        )

    def of(self, rows: Collection[int]) -> "Ruled":
        """Return what is said of some rows, all of which block; without counts and keys."""
        return Ruled(
            {row: self.floors[row] for row in rows},
            {row: self.reasons[row] for row in rows},
            {row: self.hits[row] for row in rows},
            {},
            {},
            {},
            {row: self.blocks[row] for row in rows},
            {},
        )


def together(parts: Sequence[Ruled]) -> Ruled:
    """Return what all parts say of one batch: of a row in several the last one counts, and counts are added up."""
    counts, errors, capped = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    for part in parts:
        counts.update(part.counts)
        errors.update(part.errors)
        capped.update(part.capped)
    return Ruled(
        dict(chain.from_iterable(part.floors.items() for part in parts)),
        dict(chain.from_iterable(part.reasons.items() for part in parts)),
        dict(chain.from_iterable(part.hits.items() for part in parts)),
        counts,
        errors,
        dict(chain.from_iterable(part.keys.items() for part in parts)),
        dict(chain.from_iterable(part.blocks.items() for part in parts)),
        capped,
    )


NO_HITS: Final = Ruled({}, {}, {}, {}, {}, {}, {}, {})
_REVIEW, _BLOCK = int(Band.REVIEW), int(Band.BLOCK)


class RuleSet:
    """The rules of a policy that are not off, strongest action first, those in mode `on` before those in shadow.

    `keys`: by scope, the key of each event that it names, as `levels` has them. `caps`: those of rules without own.
    `share_per_mille`: that of the cards that a candidate decides, None for the published policy. A candidate has as
    large a share of each cap, and counts apart.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        keys: Mapping[Scope, int],
        caps: RuleCaps,
        share_per_mille: int | None = None,
    ) -> None:
        asked = [rule for rule in rules if rule.mode != "off"]
        self._rules = sorted(asked, key=lambda rule: (rule.mode != "on", -band_of(rule)))
        self.levels: Sequence[Level] = sorted({rule.scope.level for rule in self._rules} - {Level.GLOBAL})
        self._program: Program = program_of([(checked(each.when), self._gate(each, keys)) for each in self._rules])
        self._memory = self._program.memory()
        self._bands = [band_of(rule) for rule in self._rules]
        self._keys = [rule_key(rule.id) for rule in self._rules]
        self._on = sum(rule.mode == "on" for rule in self._rules)
        blocking = [rule for rule in self._rules[: self._on] if band_of(rule) == _BLOCK]
        self._blocking = len(blocking)
        self._numbers = [number_of(rule.id, is_candidate=share_per_mille is not None) for rule in blocking]
        self._caps = [
            Caps(
                rule.blocks_per_hour or caps.blocks_per_hour,
                rule.merchant_blocks_per_hour or caps.merchant_blocks_per_hour,
            ).scaled(PER_MILLE if share_per_mille is None else share_per_mille)
            for rule in blocking
        ]
        self._shown = [orjson.dumps({"id": rule.id, "mode": rule.mode}) for rule in self._rules]
        self._reasons = [
            Reason(
                id=OF_RULE + rule.id,
                weight=0.0,
                en=rule.text.en,
                ja=rule.text.ja,
                evidence={},
                merchant_en=FOR_MERCHANTS_BY_RULE[0],
                merchant_ja=FOR_MERCHANTS_BY_RULE[1],
            )
            for rule in self._rules
        ]

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def needs_standings(self) -> bool:
        """Whether a rule reads where merchants stand."""
        return self._program.has_standings

    def judge(self, batch: Batch, keys: NDArray[np.int64], standings: NDArray[np.int64]) -> Ruled:
        """Say which rules hit which events.

        `keys` int64[len(levels), n]: the key of each event at each level. `standings` int64[n] of `FraudStatusCode`, -1
        unknown; it may be empty unless `needs_standings`.
        """
        n = len(batch.rows)
        flags = np.empty((len(self._rules), n), dtype=np.uint8)
        errors = np.zeros(len(self._rules), dtype=np.int64)
        program = self._program
        run(
            *program[:5],
            *batch[:5],
            batch.scores.astype(np.int64),
            standings,
            keys,
            np.ascontiguousarray(batch.at_ms),
            batch.counted,
            *self._memory,
            flags,
            errors,
        )
        failed = {self._rules[rule].id: int(errors[rule]) for rule in np.flatnonzero(errors).tolist()}
        is_hit = flags == TRUE
        if not is_hit.any():
            return NO_HITS._replace(errors=failed)
        is_hit &= batch.decided
        return self._told(is_hit, np.count_nonzero(is_hit & batch.counted, axis=1).tolist(), failed)

    def _told(self, is_hit: NDArray[np.bool_], counts: Sequence[int], errors: Mapping[str, int]) -> Ruled:
        """Tell hits by event. `is_hit` bool[rules, n], `counts`: hits of counted events by rule."""
        rows, rules = np.nonzero(np.ascontiguousarray(is_hit.T))
        ends = np.flatnonzero(np.diff(rows, append=-1)) + 1
        in_order, begin = rules.tolist(), 0
        floors: dict[int, int] = {}
        reasons: dict[int, Sequence[Reason]] = {}
        hits: dict[int, bytes] = {}
        keys: dict[int, Sequence[int]] = {}
        blocks: dict[int, Sequence[int]] = {}
        shown, on, blocking = self._shown, self._on, self._blocking
        for row, end in zip(rows[ends - 1].tolist(), ends.tolist(), strict=True):
            own = in_order[begin:end]
            begin = end
            hits[row] = b"[" + b",".join([shown[rule] for rule in own[:RULE_HITS_MAX]]) + b"]"
            keys[row] = [self._keys[rule] for rule in own[:KEYS_MAX]]
            if own[0] < on:
                floors[row] = self._bands[own[0]]
                reasons[row] = [self._reasons[rule] for rule in own[:REASONS_MAX] if rule < on]
                if own[0] < blocking:
                    blocks[row] = own
        by_rule = {(rule.id, str(rule.mode)): count for rule, count in zip(self._rules, counts, strict=True) if count}
        return Ruled(floors, reasons, hits, by_rule, errors, keys, blocks, {})

    def cap(
        self,
        ruled: Ruled,
        bands: NDArray[np.int64],
        merchants: Sequence[int],
        batch: Batch,
        counts: BlockCounts,
        partition: int,
    ) -> Ruled:
        """Count the payments that rules block, in their order, and ask for REVIEW where every such rule is capped.

        `bands` int64[n]: those of model and limits; what they block is no rule's doing, and not counted. `merchants`:
        the key of the merchant of each row of `ruled.blocks`. `batch`: the events that `ruled` is about.
        """
        floors, reasons, hits = dict(ruled.floors), dict(ruled.reasons), dict(ruled.hits)
        capped: Counter[str] = Counter()
        for (row, own), merchant in zip(ruled.blocks.items(), merchants, strict=True):
            if bands[row] >= _BLOCK:
                continue
            reached: dict[int, CapName] = {}
            blocking, hour = bisect_left(own, self._blocking), int(batch.at_ms[row]) // HOUR_MS
            for rule in own[:blocking]:
                cap = counts.take(partition, self._numbers[rule], merchant, hour, self._caps[rule])
                if cap is not None:
                    reached[rule] = cap
            if not reached:
                continue
            hits[row] = self._capped_hits(own, reached)
            if len(reached) == blocking:
                other = own[blocking] if blocking < len(own) else self._on
                floors[row] = self._bands[other] if other < self._on else _REVIEW
                first, *rest = ruled.reasons[row]
                reasons[row] = [first, of_capped_rule(self._rules[own[0]].id), *rest][:REASONS_MAX]
            if batch.counted[row]:
                capped.update(self._rules[rule].id for rule in reached)
        return ruled._replace(floors=floors, reasons=reasons, hits=hits, capped=capped)

    def _capped_hits(self, own: Sequence[int], reached: Mapping[int, CapName]) -> bytes:
        """Name the rules that hit, and the cap of those that reached one."""
        told = [
            self._shown[rule][:-1] + b',"capped":"%s"}' % reached[rule].encode()
            if rule in reached
            else self._shown[rule]
            for rule in own[:RULE_HITS_MAX]
        ]
        return b"[" + b",".join(told) + b"]"

    def _gate(self, rule: Rule, keys: Mapping[Scope, int]) -> Gate:
        scope = rule.scope
        key = None
        if scope.level != Level.GLOBAL:
            unsigned = keys[scope]
            key = self.levels.index(scope.level), unsigned - (1 << 64) if unsigned >> 63 else unsigned
        return Gate(key, rule.from_ms, rule.to_ms)


def rule_key(rule: str) -> int:
    """Return the key of a rule by its id: 32 bits, the same in every version of a policy."""
    return crc32(rule.encode())


def band_of(rule: Rule) -> int:
    """Return the band that a rule raises a decision to."""
    return int(Band[rule.action.upper()])
