"""What lists say of the events of a batch, and which band follows."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import LIST_HITS_MAX, ListEffect, ListHit, Reason
from scoring.lists.dated import DatedEntries
from scoring.lists.kinds import BAND_OF
from scoring.lists.table import ListTable
from scoring.policy.lists import ListRule
from scoring.policy.reasons import of_list
from scoring.policy.table import Judged

SHOWN_MAX: Final = 3
"""Most reasons of lists in a decision: those of the model stand beside them."""


class Listed(NamedTuple):
    """Bands of a batch after its lists, int64[n]; by row the hits of lists, and the reasons that they give.

    A row with reasons has them before those of the model, also where its band is ALLOW now.
    """

    bands: NDArray[np.int64]
    hits: Mapping[int, Sequence[ListHit]]
    reasons: Mapping[int, Sequence[Reason]]

    def counts(self, silent: NDArray[np.bool_]) -> dict[tuple[str, str], int]:
        """Count hits by kind and effect, without those of rows that get no decision: bool[n]."""
        found = (hit for row, hits in self.hits.items() if not silent[row] for hit in hits)
        return dict(Counter((hit.kind, hit.effect) for hit in found)) if self.hits else {}


class ListJudge:
    """Judge by lists. `rules` in the order of the numbers that their entries have in `table`.

    `dated`: the entries of lists whose source is the topic.
    """

    def __init__(self, rules: Sequence[ListRule], table: ListTable, dated: DatedEntries) -> None:
        self._rules = rules
        self._table = table
        self._dated = dated
        self._of_topic = {
            (rule.id, rule.kind, rule.acquirer): number for number, rule in enumerate(rules) if rule.source == "topic"
        }

    def judge(
        self,
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        at_ms: NDArray[np.int64],
        record_ms: NDArray[np.int64],
        judged: Judged,
        is_critical: Callable[[int], bool],
    ) -> Listed:
        """Return bands, hits and reasons. The first arrays are those of `PolicyTable.judge`, which gave `judged`.

        `record_ms` int64[n]: timestamps of the events' records, negative where there is none.

        `is_critical` says whether the event of a row breaks a rule of severity CRITICAL. It is asked only where an
        allowing list would lower a band.
        """
        named: dict[int, set[int]] = {}
        if len(self._table):
            for row, number in self._table.find(ints, hashes, at_ms).tolist():
                if self._rules[number].mode != "off":
                    named.setdefault(row, set()).add(number)
        if self._of_topic and len(self._dated):
            # a time ahead of the record's would ask for entries that no worker has read yet
            known_ms = np.where(record_ms < 0, at_ms, np.minimum(at_ms, record_ms))
            for row, number in self._dated.find(ints, hashes, known_ms).tolist():
                own = self._of_topic.get(self._dated.names[number])
                if own is not None and self._rules[own].mode != "off":
                    named.setdefault(row, set()).add(own)
        if not named:
            return Listed(judged.bands, {}, {})
        bands = judged.bands.copy()
        hits: dict[int, list[ListHit]] = {}
        reasons: dict[int, list[Reason]] = {}
        for row, numbers in named.items():
            rules = [self._rules[number] for number in sorted(numbers)]
            model, floor = int(judged.bands[row]), int(judged.floors[row])
            bands[row], effects = settled(rules, model, floor, partial(is_critical, row))
            hits[row] = _shown(
                ListHit(list=rule.id, kind=rule.kind, direction=rule.direction, effect=effect)
                for rule, effect in zip(rules, effects, strict=True)
            )
            if said := _told(rules, effects):
                reasons[row] = said
        return Listed(bands, hits, reasons)


def settled(
    rules: Sequence[ListRule], band: int, floor: int, is_critical: Callable[[], bool]
) -> tuple[int, list[ListEffect]]:
    """Return the band of an event that lists name, and the effect of each of them.

    `band`: before the lists, 0 ALLOW to 3 BLOCK. `floor`: the band that limits and rules demand, at most `band`.
    """
    effects: list[ListEffect] = ["SHADOW" if rule.mode == "shadow" else "NO_CHANGE" for rule in rules]
    demanded = [BAND_OF[rule.action] if rule.action is not None and rule.mode == "on" else 0 for rule in rules]
    most = max(demanded)
    if most > band:
        effects = ["RAISED" if wanted == most else effect for wanted, effect in zip(demanded, effects, strict=True)]
    allows = [k for k, rule in enumerate(rules) if rule.direction == "allow" and rule.mode == "on"]
    if not allows:
        return max(band, most), effects
    effect, after = _of_allow(band, floor, most, is_critical)
    for k in allows:
        effects[k] = effect
    return after, effects


def _of_allow(band: int, floor: int, denied: int, is_critical: Callable[[], bool]) -> tuple[ListEffect, int]:
    """Return the effect of an allowing list, and the band. `denied`: the band that denying lists demand, 0 none."""
    if denied:
        return "DENIED", max(band, denied)
    if not band:
        return "NO_CHANGE", band
    if floor == band:
        return "LIMIT", band
    return ("CRITICAL_RULE", band) if is_critical() else ("LOWERED", floor)


def _shown(hits: Iterable[ListHit]) -> list[ListHit]:
    """Return the hits that a decision tells: of too many, first those that changed the band."""
    found = list(hits)
    if len(found) > LIST_HITS_MAX:
        found.sort(key=lambda hit: hit.effect not in ("RAISED", "LOWERED"))
    return found[:LIST_HITS_MAX]


def _told(rules: Sequence[ListRule], effects: Sequence[ListEffect]) -> list[Reason]:
    """Return a reason for each list that took part: the strongest denying one first, then the allowing ones."""
    denying = [rule for rule in rules if rule.direction == "deny" and rule.mode == "on"]
    denying.sort(key=lambda rule: -BAND_OF[rule.action or "review"])
    allowing = [
        rule
        for rule, effect in zip(rules, effects, strict=True)
        if rule.direction == "allow" and effect not in ("NO_CHANGE", "SHADOW")
    ]
    return [of_list(rule.id, rule.kind, rule.direction) for rule in (*denying[: SHOWN_MAX - 1], *allowing)][:SHOWN_MAX]
