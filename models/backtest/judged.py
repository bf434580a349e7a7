"""What a policy makes of scored payments: their bands, and which of them raise alerts."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.backtest.scored import CHUNK_ROWS, Scored, Why
from scoring.contract.codes import Band
from scoring.contract.decision import Reason
from scoring.decode import Col
from scoring.decode.hashing import KEYS, MERCHANT_KEY
from scoring.judging import Added
from scoring.policy import Policy, PolicyTable
from scoring.policy.experiment import Arm

_LIMITED: Final = Added(is_limited=True, rules=(), have_raised=False, is_closed=False, lists=())


class Join(IntEnum):
    """What the payments of a case have in common. NOTHING: no case. ATTACK: they are attempts of one incident."""

    NOTHING = 0
    CARD = 1
    MERCHANT = 2
    MERCHANT_BIN = 3
    DEVICE = 4
    IP = 5
    ADDRESS = 6
    ACCOUNT = 7
    ATTACK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`bands` int8[n] of `Band`. `alerts` bool[n]: at least the policy's `minimum_band`, and not suppressed by it.

    `cases` int64[n]: payments of one case or incident have one number; 0 for those of none. `joins` int8[n] of `Join`:
    what joined a payment to its case. `arms` int8[n] of `Arm`: who decided a payment of an experiment. `added`: what
    the policy adds to the model's reasons, by row. `lowered`: rows whose band an allowing list lowered.
    """

    policy: Policy
    bands: NDArray[np.int8]
    alerts: NDArray[np.bool_]
    cases: NDArray[np.int64]
    joins: NDArray[np.int8]
    arms: NDArray[np.int8]
    added: Mapping[int, Added]
    lowered: Set[int]

    def policy_of(self, row: int) -> Policy:
        """Return the policy that decided a row: the candidate of the experiment, if the row is in arm B."""
        candidate = self.policy.candidate if self.arms[row] == Arm.B else None
        return self.policy if candidate is None else candidate

    def reasons(self, row: int, why: Why) -> Sequence[Reason]:
        """Return the reasons of a row, as its decision has them."""
        by_model, added = why.reasons(row), self.added.get(row)
        return by_model if added is None else added.to(by_model)


def judge(rows: Scored, policy: Policy, why: Why) -> Judged:
    """Judge every row by the thresholds, limits and suppressions of a policy, without rules, lists and experiment.

    Each payment is a case of its own. `models.backtest.decided` decides as a worker does; it reads the history again.
    """
    table, minimum = PolicyTable(policy), int(Band[policy.alerts.minimum_band])
    suppressions = [msgspec.structs.replace(each, reasons=[]) for each in policy.suppressions]
    of_any_reason = PolicyTable(msgspec.structs.replace(policy, suppressions=suppressions))  # reasons take time
    n = len(rows.scores)
    bands, alerts = np.empty(n, np.int8), np.empty(n, np.bool_)
    limited: set[int] = set()
    ints, hashes = np.zeros((CHUNK_ROWS, len(Col)), np.int64), np.zeros((CHUNK_ROWS, KEYS), np.uint64)
    for low in range(0, n, CHUNK_ROWS):
        part = slice(low, min(low + CHUNK_ROWS, n))
        size, at_ms = part.stop - low, rows.event_ms[part]
        ints[:size, Col.EVENT_MS], ints[:size, Col.AMOUNT_JPY] = at_ms, rows.amount_jpy[part]
        ints[:size, Col.MCC], ints[:size, Col.ACQUIRER_KEY] = (
            rows.particulars.mcc[part],
            rows.particulars.acquirer[part],
        )
        hashes[:size, MERCHANT_KEY] = rows.particulars.merchant[part]
        found = table.judge(ints[:size], hashes[:size], at_ms, rows.scores[part])
        bands[part], alerts[part] = found.bands, found.bands >= minimum
        limited |= {low + place for place in found.limited}
        for place in np.flatnonzero(alerts[part] & may_be_suppressed(policy, at_ms, found.bands)).tolist():
            about = (ints[place], hashes[place], int(at_ms[place]), int(found.bands[place]))
            if not of_any_reason.is_suppressed(*about, ""):
                continue
            reasons = why.reasons(low + place)
            heaviest = (_LIMITED.to(reasons) if place in found.limited else reasons)[0].id
            if table.is_suppressed(*about, heaviest):
                alerts[low + place] = False
    cases = np.where(alerts, np.arange(1, n + 1), 0)
    return Judged(
        policy=policy,
        bands=bands,
        alerts=alerts,
        cases=cases,
        joins=np.where(alerts, np.int8(Join.CARD), np.int8(Join.NOTHING)),
        arms=np.zeros(n, np.int8),
        added=dict.fromkeys(limited, _LIMITED),
        lowered=frozenset(),
    )


def may_be_suppressed(policy: Policy, at_ms: NDArray[np.int64], bands: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark rows for which a suppression is in force, whatever its scope: bool[n]."""
    found = np.zeros(len(at_ms), np.bool_)
    for each in policy.suppressions:
        found |= (at_ms >= each.from_ms) & (at_ms < each.to_ms)
    return found & (bands < Band.BLOCK)
