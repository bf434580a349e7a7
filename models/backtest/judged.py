"""What a policy makes of scored payments: their bands, and which of them raise alerts."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.backtest.scored import CHUNK_ROWS, Scored, Why
from scoring.contract.codes import Band
from scoring.decode import Col
from scoring.decode.hashing import KEYS, MERCHANT_KEY
from scoring.policy import Policy, PolicyTable
from scoring.policy.reasons import of_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`bands` int8[n] of `Band`. `alerts` bool[n]: at least the policy's `minimum_band`, and not suppressed by it.

    `limited`: rows whose band a limit raised.
    """

    policy: Policy
    bands: NDArray[np.int8]
    alerts: NDArray[np.bool_]
    limited: frozenset[int]


def judge(rows: Scored, policy: Policy, why: Why) -> Judged:
    """Judge every row by the look-up tables of a worker.

    Each payment is judged alone: a worker raises one alert for the payments of one case within `dedup_minutes`, and
    none of its own for an attempt of an incident.
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
        for place in np.flatnonzero(alerts[part] & _may_be_suppressed(policy, at_ms, found.bands)).tolist():
            about = (ints[place], hashes[place], int(at_ms[place]), int(found.bands[place]))
            if not of_any_reason.is_suppressed(*about, ""):
                continue
            reasons = why.reasons(low + place)
            heaviest = (of_limit(reasons) if place in found.limited else reasons)[0].id
            if table.is_suppressed(*about, heaviest):
                alerts[low + place] = False
    return Judged(policy=policy, bands=bands, alerts=alerts, limited=frozenset(limited))


def _may_be_suppressed(policy: Policy, at_ms: NDArray[np.int64], bands: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark rows for which a suppression is in force, whatever its scope: bool[n]."""
    found = np.zeros(len(at_ms), np.bool_)
    for each in policy.suppressions:
        found |= (at_ms >= each.from_ms) & (at_ms < each.to_ms)
    return found & (bands < Band.BLOCK)
