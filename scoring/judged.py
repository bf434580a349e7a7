"""A batch after the model and the policy, and what is counted of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring import threeds
from scoring.contract.codes import Clock
from scoring.contract.dead_letter import Reject
from scoring.contract.decision import Reason
from scoring.contract.threeds_codes import UNKNOWN_EXEMPTION
from scoring.decide.decisions import BAND_NAMES, CLOCK_NAMES
from scoring.decide.threeds import STATUS_NAMES
from scoring.decode import Col
from scoring.incidents.registry import Taken
from scoring.merchants.store import MerchantStore
from scoring.observer import Observed
from scoring.outputs import ANSWERS, CLAIMS, Emitted, Tally
from scoring.policy import Listed
from scoring.policy.experiment import Arm, Arms
from scoring.policy.fallback import Fallen
from scoring.policy.rules import Ruled
from scoring.refused import reasons_of, runs_of


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """A batch after the model and the policy: arrays of length n, and the reasons of those that may alert.

    `silent` rows get no decision: repeats, issuers' answers, and events whose decision was published before a takeover.
    `incidents`: what the batch changed in incidents. `ruled`: the rules that hit. `listed`: the lists that hit.
    `fallen`: events without a sound model; None for none. `arms`: None where no event is in an experiment.
    """

    probabilities: NDArray[np.float64]
    scores: NDArray[np.int16]
    bands: NDArray[np.int64]
    reasons: Mapping[int, Sequence[Reason]]
    silent: NDArray[np.bool_]
    incidents: Taken
    ruled: Ruled
    listed: Listed
    fallen: Fallen | None = None
    arms: Arms | None = None


def silent_rows(observed: Observed, emitted: Emitted) -> NDArray[np.bool_]:
    """Return the rows that get no decision, bool[n]."""
    if not emitted.decisions:
        return observed.passed_over
    known = (name[0] in emitted.decisions for name in observed.decoded.names)
    return observed.passed_over | np.fromiter(known, dtype=np.bool_, count=len(observed.decoded))


def by_name(names: Sequence[str], codes: NDArray[np.signedinteger] | NDArray[np.bool_]) -> dict[str, int]:
    """Count codes by their names."""
    return {names[code]: count for code, count in Counter(codes.tolist()).items()}


def tally_of(
    events: int, observed: Observed, judged: JudgedBatch, rejects: list[tuple[int, Reject]], merchants: MerchantStore
) -> Tally:
    """Count a batch of `events` values. `rejects`: those that become dead letters now."""
    bands, rows, clocks = judged.bands, observed.rows, observed.clocks
    statuses, exemptions = observed.verdicts[:, threeds.STATUS], observed.decoded.ints[:, Col.EXEMPT]
    repeats, silent = int(np.count_nonzero(observed.repeats)), int(np.count_nonzero(judged.silent))
    answers = by_name(ANSWERS, observed.clocks[observed.answers] >= Clock.LATE) if silent else {}
    if silent:
        kept = ~judged.silent
        bands, rows, clocks, statuses = bands[kept], rows[kept], clocks[kept], statuses[kept]
        exemptions = exemptions[kept]
    fallen = {} if judged.fallen is None else judged.fallen.counts(~judged.silent)
    return Tally(
        events=events,
        repeats=repeats,
        answers=answers,
        replayed=silent - repeats - sum(answers.values()) + len(observed.decoded.rejects) - len(rejects),
        clocks=by_name(CLOCK_NAMES, clocks),
        bands=by_name(BAND_NAMES, bands),
        dead_letters=reasons_of(rejects),
        letter_runs=runs_of(events, observed.decoded.rejects),
        threeds=by_name(STATUS_NAMES, statuses),
        claims={name: count for name, count in observed.claims.items() if name in CLAIMS},
        near_keys=dict(observed.decoded.near_keys),
        repeated_keys=observed.decoded.repeated_keys,
        unknown_exemptions=int(np.count_nonzero(exemptions == UNKNOWN_EXEMPTION)),
        unknown_codes=dict(observed.decoded.unlisted),
        gaps=merchants.gap_counts(rows.tolist()),
        rule_hits=judged.ruled.counts,
        rule_errors=judged.ruled.errors,
        rules_capped=judged.ruled.capped,
        list_hits=judged.listed.counts(judged.silent),
        fallen=fallen,
        arm_bands={} if judged.arms is None else _by_arm(judged.arms.of[~judged.silent], bands),
    )


def _by_arm(arms: NDArray[np.int8], bands: NDArray[np.int64]) -> dict[tuple[str, str], int]:
    """Count decisions of an experiment by arm and band. `arms` int8[n] of `Arm`, `bands` int64[n]."""
    pairs = Counter((arms.astype(np.int64) * len(BAND_NAMES) + bands)[arms > 0].tolist())
    return {
        (Arm(pair // len(BAND_NAMES)).name, BAND_NAMES[pair % len(BAND_NAMES)]): count for pair, count in pairs.items()
    }
