"""Judge a batch: the model's scores, the policy's bands, rules and lists, and the reasons of what may alert."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import numpy as np
from numpy.typing import NDArray

from scoring.alerting import Alerting
from scoring.compiled import CompiledPolicy
from scoring.contract.decision import Reason
from scoring.decide.threeds import ThreeDsEncoder
from scoring.features.all import FEATURES
from scoring.judged import JudgedBatch
from scoring.model.bundle import Bundle
from scoring.observer import Observed, Observer
from scoring.policy import Judged, Listed, PolicyTable
from scoring.policy.reasons import Reasons, after_lists, of_limit, with_rules
from scoring.policy.rules import NO_HITS, Batch, Ruled


class Judge:
    """Judge batches with one model."""

    def __init__(self, bundle: Bundle, threeds: ThreeDsEncoder) -> None:
        self._bundle = bundle
        self._threeds = threeds
        self._reasons = Reasons(FEATURES, bundle.manifest.usual)
        self._contributions = np.empty(len(FEATURES) + 1, dtype=np.float64)

    def judge(
        self,
        observer: Observer,
        observed: Observed,
        margins: NDArray[np.float64],
        silent: NDArray[np.bool_],
        policy: CompiledPolicy,
        alerting: Alerting,
        partition: int,
    ) -> JudgedBatch:
        """Judge a batch of a partition by its margins, float64[n]. `silent` bool[n], see `JudgedBatch`.

        Limits and rules raise the band of the model. Lists come last: an allowing one lowers what the model alone said.
        """
        probabilities, scores = self._bundle.calibration.apply(margins)
        of_batch = observed.decoded.ints, observed.decoded.hashes, observed.trusted_ms
        judged = policy.table.judge(*of_batch, scores)
        ruled, raised = NO_HITS, frozenset[int]()
        if policy.table.has_rules:
            ruled = _asked(policy.table, observer, observed, scores, silent)
            raised = _raise(judged, ruled)
        listed = policy.lists.judge(*of_batch, judged, partial(self._is_critical, observer, observed))
        reasons = self._reasons_of(observed, judged, ruled, raised, listed)
        incidents = alerting.incidents.take(observed, listed.bands, partition)
        return JudgedBatch(probabilities, scores, listed.bands, reasons, silent, incidents, ruled, listed)

    def _reasons_of(
        self, observed: Observed, judged: Judged, ruled: Ruled, raised: AbstractSet[int], listed: Listed
    ) -> Mapping[int, Sequence[Reason]]:
        told = listed.bands > 0
        if listed.reasons:
            told[list(listed.reasons)] = True
        reasons: dict[int, Sequence[Reason]] = {}
        for row in np.flatnonzero(told & ~observed.passed_over).tolist() if np.count_nonzero(told) else ():
            self._bundle.trees.contributions(observed.matrix[row], self._contributions)
            reasons[row] = self._reasons.top(self._contributions, observed.matrix[row])
            if row in judged.limited:
                reasons[row] = of_limit(reasons[row])
            if row in ruled.reasons:
                reasons[row] = with_rules(reasons[row], ruled.reasons[row], have_raised=row in raised)
            if row in listed.reasons:
                reasons[row] = after_lists(listed.reasons[row], reasons[row])
        return reasons

    def _is_critical(self, observer: Observer, observed: Observed, row: int) -> bool:
        decoded, merchant = observed.decoded, observer.merchants.table[observed.rows[row]].tolist()
        event, verdict = decoded.ints[row].tolist(), observed.verdicts[row].tolist()
        return self._threeds.is_critical(event, decoded.names[row], merchant, verdict)


def _asked(
    table: PolicyTable, observer: Observer, observed: Observed, scores: NDArray[np.int16], silent: NDArray[np.bool_]
) -> Ruled:
    batch = rule_batch(observer, observed, scores, silent)
    return table.ask(batch, observed.decoded.hashes, lambda: observer.merchants.standings_of(observed.rows))


def rule_batch(observer: Observer, observed: Observed, scores: NDArray[np.int16], silent: NDArray[np.bool_]) -> Batch:
    """Return what rules read of a batch. `silent` bool[n]: events whose hits are not counted."""
    return Batch(
        features=observed.matrix,
        events=observed.decoded.ints,
        verdicts=observed.verdicts,
        merchants=observer.merchants.table,
        rows=observed.rows,
        scores=scores,
        at_ms=observed.trusted_ms,
        decided=~observed.passed_over,
        counted=~silent,
    )


def _raise(judged: Judged, ruled: Ruled) -> frozenset[int]:
    """Raise bands and floors to what rules demand. Return the rows whose band was lower."""
    raised = frozenset(row for row, floor in ruled.floors.items() if floor > judged.bands[row])
    for row, floor in ruled.floors.items():
        judged.floors[row] = max(judged.floors[row], floor)
        judged.bands[row] = max(judged.bands[row], floor)
    return raised
