"""Judge a batch: the model's scores, the policy's bands and rules, and the reasons of what may alert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.alerting import Alerting
from scoring.contract.decision import Reason
from scoring.features.all import FEATURES
from scoring.incidents.registry import Taken
from scoring.model.bundle import Bundle
from scoring.observer import Observed, Observer
from scoring.policy import PolicyTable
from scoring.policy.reasons import Reasons, of_limit, with_rules
from scoring.policy.rules import NO_HITS, Batch, Ruled


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch after the model and the policy: arrays of length n, and the reasons of those that may alert.

    `silent` rows get no decision: repeats, issuers' answers, and events whose decision was published before a takeover.
    `incidents`: what the batch changed in incidents. `ruled`: the rules that hit.
    """

    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    bands: NDArray[np.int64]
    reasons: Mapping[int, Sequence[Reason]]
    silent: NDArray[np.bool_]
    incidents: Taken
    ruled: Ruled


class Judge:
    """Judge batches with one model."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._reasons = Reasons(FEATURES, bundle.manifest.usual)
        self._contributions = np.empty(len(FEATURES) + 1, dtype=np.float64)

    def judge(
        self,
        observer: Observer,
        observed: Observed,
        margins: NDArray[np.float64],
        silent: NDArray[np.bool_],
        table: PolicyTable,
        alerting: Alerting,
        partition: int,
    ) -> Judged:
        """Judge a batch of a partition by its margins, float64[n]. `silent` bool[n], see `Judged`."""
        probabilities, scores = self._bundle.calibration.apply(margins)
        decoded, at_ms = observed.decoded, observed.trusted_ms
        bands, limited = table.judge(decoded.ints, decoded.hashes, at_ms, scores)
        ruled = NO_HITS
        if table.has_rules:
            merchants, rows = observer.merchants, observed.rows
            batch = Batch(
                features=observed.matrix,
                events=decoded.ints,
                verdicts=observed.verdicts,
                merchants=merchants.table,
                rows=rows,
                scores=scores,
                at_ms=at_ms,
                decided=~observed.passed_over,
                counted=~silent,
            )
            ruled = table.ask(batch, decoded.hashes, lambda: merchants.standings_of(rows))
        raised = {row for row, floor in ruled.floors.items() if floor > bands[row]}
        for row in raised:
            bands[row] = ruled.floors[row]
        reasons: dict[int, Sequence[Reason]] = {}
        for row in np.flatnonzero((bands > 0) & ~observed.passed_over).tolist() if np.count_nonzero(bands) else ():
            self._bundle.trees.contributions(observed.matrix[row], self._contributions)
            reasons[row] = self._reasons.top(self._contributions, observed.matrix[row])
            if row in limited:
                reasons[row] = of_limit(reasons[row])
            if row in ruled.reasons:
                reasons[row] = with_rules(reasons[row], ruled.reasons[row], have_raised=row in raised)
        incidents = alerting.incidents.take(observed, bands, partition)
        return Judged(probabilities, scores, bands, reasons, silent, incidents, ruled)
