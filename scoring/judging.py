"""Judge a batch: the model's scores, the policy's bands, rules and lists, and the reasons of what may alert.

Without a sound model (`scoring.policy.fallback`) an event may have no score. Then limits, rules and lists give its
band, which is at least REVIEW where a rule of 3-D Secure of severity CRITICAL is broken.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import threeds
from scoring.alerting import Alerting
from scoring.compiled import CompiledPolicy
from scoring.contract.codes import Band
from scoring.contract.decision import Reason
from scoring.decide.threeds import ThreeDsEncoder
from scoring.decode.hashing import CARD_KEY
from scoring.features.all import FEATURES
from scoring.judged import JudgedBatch
from scoring.model.absent import NO_VERSION, NoModel
from scoring.model.bundle import Bundle
from scoring.observer import Observed, Observer
from scoring.policy import Judged, Listed
from scoring.policy.experiment import Arms
from scoring.policy.fallback import Fallen
from scoring.policy.reasons import Reasons, after_lists, closed_with, of_limit, with_rules
from scoring.policy.rules import NO_HITS, Batch, BlockCounts, Ruled, together


class Judge:
    """Judge batches with one model, or without one. `blocks`: the payments that rules blocked."""

    def __init__(self, model: Bundle | NoModel, threeds: ThreeDsEncoder, blocks: BlockCounts) -> None:
        self.model = model
        self._threeds = threeds
        self._blocks = blocks
        self._reasons = Reasons(FEATURES, model.manifest.usual if isinstance(model, Bundle) else {})
        self._contributions = np.empty(len(FEATURES) + 1, dtype=np.float64)

    @property
    def version(self) -> str:
        """The version of the model that decisions name."""
        return self.model.version if isinstance(self.model, Bundle) else NO_VERSION

    def score(self, matrix: NDArray[np.float64], margins: NDArray[np.float64]) -> None:
        """Fill in the margins float64[n] of a matrix float64[n, F]; without a model with zeros."""
        if isinstance(self.model, Bundle):
            self.model.trees.margins(matrix, margins)
        else:
            margins[:] = 0.0

    def run_once(self) -> None:
        """Score one row and find its reasons, so that nothing of the model is compiled while an event waits."""
        matrix, margins = np.zeros((1, len(FEATURES))), np.empty(1)
        self.score(matrix, margins)
        self._scores_of(margins, None)
        if isinstance(self.model, Bundle):
            self._by_model(matrix[0])

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

        Raises:
            ModelStopError: an event needs a sound model, and the policy says `stop`.
        """
        found = self.banded(observer, observed, margins, silent, policy, partition)
        listed = found.listed
        reasons = self._reasons_of(observed, found)
        incidents = alerting.incidents.take(observed, listed.bands, partition)
        return JudgedBatch(
            found.probabilities,
            found.scores,
            listed.bands,
            reasons,
            silent,
            incidents,
            found.ruled,
            listed,
            found.fallen,
            found.arms,
        )

    def banded(
        self,
        observer: Observer,
        observed: Observed,
        margins: NDArray[np.float64],
        silent: NDArray[np.bool_],
        policy: CompiledPolicy,
        partition: int,
    ) -> "Banded":
        """Find the bands of a batch, as `judge` does, without reasons and incidents.

        Limits and rules raise the band of the model. Lists come last: an allowing one lowers what the model alone said.
        Where an experiment is in force, its candidate judges arm B by its own thresholds, limits and rules.
        """
        of_batch = observed.decoded.ints, observed.decoded.hashes, observed.trusted_ms
        arms = policy.arms(observed.decoded.hashes[:, CARD_KEY], observed.trusted_ms)
        fallen = policy.fallback.judge(self._trained_until_ms, observed.decoded.ints, observed.trusted_ms, silent)
        probabilities, scores = self._scores_of(margins, fallen)
        judged = _banded(policy, arms, *of_batch, scores)
        ruled, raised = NO_HITS, frozenset[int]()
        if any(table.has_rules for table in policy.tables):
            known = scores if fallen is None else np.where(fallen.unscored, UNKNOWN_SCORE, scores)
            ruled = self._asked(policy, arms, observer, observed, judged, known, silent, partition)
            raised = _raise(judged, ruled)
        closed = frozenset[int]() if fallen is None else self._close(observer, observed, judged, fallen)
        is_critical = partial(self._is_critical, observer, observed)
        listed = policy.lists.judge(*of_batch, observed.record_ms, judged, is_critical)
        return Banded(probabilities, scores, judged.limited, ruled, raised, closed, listed, fallen, arms)

    @property
    def _trained_until_ms(self) -> int | NoModel:
        return self.model.trained_until_ms if isinstance(self.model, Bundle) else self.model

    def _scores_of(
        self, margins: NDArray[np.float64], fallen: Fallen | None
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Return probabilities float64[n] and scores int16[n]; both are 0 where an event has no score."""
        if not isinstance(self.model, Bundle):
            return np.zeros(len(margins)), np.zeros(len(margins), dtype=np.int16)
        probabilities, scores = self.model.calibration.apply(margins)
        if fallen is not None:
            probabilities[fallen.unscored] = 0.0
            scores[fallen.unscored] = 0
        return probabilities, scores

    def _close(self, observer: Observer, observed: Observed, judged: Judged, fallen: Fallen) -> frozenset[int]:
        """Raise to REVIEW what has no score and breaks a rule of severity CRITICAL. Return the rows that were lower."""
        asked = fallen.unscored & (observed.verdicts[:, threeds.RULES] != 0) & (judged.bands < Band.REVIEW)
        closed = frozenset(row for row in np.flatnonzero(asked).tolist() if self._is_critical(observer, observed, row))
        judged.bands[list(closed)] = Band.REVIEW
        return closed

    def _asked(
        self,
        policy: CompiledPolicy,
        arms: Arms | None,
        observer: Observer,
        observed: Observed,
        judged: Judged,
        scores: NDArray[np.int16],
        silent: NDArray[np.bool_],
        partition: int,
    ) -> Ruled:
        batch, hashes = rule_batch(observer, observed, scores, silent), observed.decoded.hashes
        standings_of, table = observer.merchants.standings_of, policy.table
        if policy.experiment is None or arms is None:
            ruled = table.ask(batch, hashes, lambda: standings_of(observed.rows))
            return table.cap(ruled, judged.bands, batch, hashes, self._blocks, partition)
        of_candidate, candidate = arms.of_candidate, policy.experiment.table
        one = table.ask(batch.without(of_candidate), hashes, lambda: standings_of(observed.rows))
        part = batch.of(of_candidate)
        other = candidate.ask(part, hashes[of_candidate], lambda: standings_of(part.rows))
        parts = [ruled := together([one, other.moved(of_candidate.tolist())])]
        # in the order of the events: both arms share the limit on counts
        for is_other, run in groupby(sorted(ruled.blocks), key=lambda row: row not in one.blocks):
            by = candidate if is_other else table
            parts.append(by.cap(ruled.of(list(run)), judged.bands, batch, hashes, self._blocks, partition))
        return together(parts)

    def _reasons_of(self, observed: Observed, found: "Banded") -> Mapping[int, Sequence[Reason]]:
        listed = found.listed
        told = listed.bands > 0
        if listed.reasons:
            told[list(listed.reasons)] = True
        rows = np.flatnonzero(told & ~observed.passed_over).tolist() if np.count_nonzero(told) else ()
        return {row: found.reasons(row, self.reasons_by_model(observed, found, row)) for row in rows}

    def reasons_by_model(self, observed: Observed, found: "Banded", row: int) -> Sequence[Reason]:
        """Return the reasons that the model gives for an event; none where it has no score."""
        is_scored = found.fallen is None or not found.fallen.unscored[row]
        return self._by_model(observed.matrix[row]) if is_scored else []

    def _by_model(self, row: NDArray[np.float64]) -> Sequence[Reason]:
        assert isinstance(self.model, Bundle), "without a model no event has a score"
        self.model.trees.contributions(row, self._contributions)
        return self._reasons.top(self._contributions, row)

    def _is_critical(self, observer: Observer, observed: Observed, row: int) -> bool:
        decoded, merchant = observed.decoded, observer.merchants.table[observed.rows[row]].tolist()
        event, verdict = decoded.ints[row].tolist(), observed.verdicts[row].tolist()
        return self._threeds.is_critical(event, decoded.names[row], merchant, verdict)


class Added(NamedTuple):
    """What the policy adds to the reasons that the model gives for an event.

    `is_limited`: a limit raised the band. `rules`: reasons of rules; `have_raised`: they raised the band. `is_closed`:
    it has no score and breaks a critical rule. `lists`: reasons of lists.
    """

    is_limited: bool
    rules: Sequence[Reason]
    have_raised: bool
    is_closed: bool
    lists: Sequence[Reason]

    def to(self, reasons: Sequence[Reason]) -> Sequence[Reason]:
        """Return the reasons of the decision, at most five. `reasons`: those of the model."""
        if self.is_limited:
            reasons = of_limit(reasons)
        if self.rules:
            reasons = with_rules(reasons, self.rules, have_raised=self.have_raised)
        if self.is_closed:
            reasons = closed_with(reasons)
        return after_lists(self.lists, reasons) if self.lists else reasons


class Banded(NamedTuple):
    """A batch of n events with its bands, which are those of `listed`.

    `probabilities` float64[n], `scores` int16[n]. `limited`: rows whose band a limit raised. `ruled`: the rules that
    hit, `raised`: rows whose band they raised. `closed`: rows without a score that break a critical rule, which raised
    the band. `listed`: the lists that hit. `fallen`: events without a sound model; None for none. `arms`: who decides
    each event; None without an experiment.
    """

    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    limited: AbstractSet[int]
    ruled: Ruled
    raised: AbstractSet[int]
    closed: AbstractSet[int]
    listed: Listed
    fallen: Fallen | None
    arms: Arms | None

    def added(self, row: int) -> Added | None:
        """Return what the policy adds to the reasons of an event; None for nothing."""
        rules, lists = self.ruled.reasons.get(row, ()), self.listed.reasons.get(row, ())
        if not (rules or lists or row in self.limited or row in self.closed):
            return None
        return Added(row in self.limited, rules, row in self.raised, row in self.closed, lists)

    def reasons(self, row: int, by_model: Sequence[Reason]) -> Sequence[Reason]:
        """Return the reasons of an event."""
        added = self.added(row)
        return by_model if added is None else added.to(by_model)


UNKNOWN_SCORE: Final = np.int16(-1)
"""The score of an event without one, as rules see it: a condition that reads it is not true, and is counted."""


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


def _banded(
    policy: CompiledPolicy,
    arms: Arms | None,
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    at_ms: NDArray[np.int64],
    scores: NDArray[np.int16],
) -> Judged:
    """Return the bands by thresholds and limits: of arm B by those of the candidate. Arrays as `PolicyTable.judge`."""
    judged = policy.table.judge(ints, hashes, at_ms, scores)
    if policy.experiment is None or arms is None:
        return judged
    rows = arms.of_candidate
    return judged.overlaid(rows, policy.experiment.table.judge(ints[rows], hashes[rows], at_ms[rows], scores[rows]))


def _raise(judged: Judged, ruled: Ruled) -> frozenset[int]:
    """Raise bands and floors to what rules demand. Return the rows whose band was lower."""
    raised = frozenset(row for row, floor in ruled.floors.items() if floor > judged.bands[row])
    for row, floor in ruled.floors.items():
        judged.floors[row] = max(judged.floors[row], floor)
        judged.bands[row] = max(judged.bands[row], floor)
    return raised
