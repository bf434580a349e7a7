"""How fresh the counts over several partitions were. Pure: decisions of telling workers in, findings out."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.chaos.oracles.oracle import Finding, Input, Output

ATTEMPT = 0
ENTITIES = ("merchant", "device", "ip", "account", "address")
"""In the order of `tests.chaos.worker.COUNTS`."""

Spans = Sequence[tuple[float, float]]
"""From, to, in ms since the epoch."""


class _Rows(NamedTuple):
    """Events that named one key, in the order of their partitions: columns of equal length."""

    partition: NDArray[np.int64]
    offset: NDArray[np.int64]
    attempt: NDArray[np.bool_]
    decided_ms: NDArray[np.int64]
    polled_ms: NDArray[np.int64]
    told: NDArray[np.int64]
    judged: NDArray[np.bool_]


def shared_counts(
    asked: Input, out: Output, *, behind_s: float, usually_s: float | None = None, unsettled: Spans = ()
) -> Finding:
    """Check that counts over all partitions were never too high, and too low only by events younger than `behind_s`.

    And that 99 in 100 of them are too low only by events younger than `usually_s`.

    Each event saw a number of attempts of its merchant, device, IP address, account and address. It must include all
    events of its own partition before it. Of other partitions it includes at most those decided by then and at least
    those decided `behind_s` before its poll. The lower limit does not hold in `unsettled` spans, in which a worker was
    gone or had not caught up. Windows are longer than the traffic, so no event leaves them.
    """
    finding = Finding()
    rows = [made for made in out.decisions if made.name in asked.good]
    place = np.array([asked.good[made.name] for made in rows], dtype=np.int64).reshape(-1, 2)
    times = np.array([(made.times["decided_ms"], made.times["received_ms"]) for made in rows]).reshape(-1, 2)
    attempt = np.array([made.extra["kind"] == ATTEMPT for made in rows], dtype=np.bool_)
    judged = np.ones(len(rows), dtype=np.bool_)
    for begin, end in unsettled:
        judged &= (times[:, 1] < begin) | (times[:, 1] > end)
    behind_ms = [np.zeros(0, dtype=np.int64)]
    given = [*zip(place.tolist(), attempt.tolist(), times.tolist(), judged.tolist(), strict=True)]
    high, short, late = 0, 0, 0
    for entity in range(len(ENTITIES)):
        members = defaultdict(list)
        for made, (where, is_attempt, at_ms, is_judged) in zip(rows, given, strict=True):
            key, told = made.extra["shared"][entity]
            if key:
                members[key].append((*where, is_attempt, *at_ms, told, is_judged))
        for found in members.values():
            columns = np.array(sorted(found), dtype=np.int64).T
            of_key = _Rows(*columns)._replace(attempt=columns[2] == 1, judged=columns[6] == 1)
            over, own_missing, ages = _compare(of_key)
            high += over
            short += own_missing
            late += int(np.count_nonzero(ages > behind_s * 1000))
            behind_ms.append(ages[ages > 0])
    for count, what in (
        (high, "shared counts above what had been decided"),
        (short, "shared counts that lack events of their own partition"),
        (late, f"shared counts that lack what had been decided {behind_s} s before"),
    ):
        if count:
            finding.failures.append(f"{count} {what}")
    behind = np.sort(np.concatenate(behind_ms)) / 1000
    p99_s = float(behind[int(0.99 * len(behind))]) if len(behind) else 0.0
    if usually_s is not None and p99_s > usually_s:
        finding.failures.append(f"1 in 100 shared counts that lack something lack what is older than {p99_s:.2f} s")
    finding.numbers = {
        "shared_judged": int(judged.sum()),
        "shared_too_high": high,
        "shared_too_low": short + late,
        "shared_behind": len(behind),
        "shared_behind_s_p99": round(p99_s, 2),
        "shared_behind_s_max": round(float(behind.max(initial=0.0)), 2),
    }
    return finding


def _compare(rows: _Rows) -> tuple[int, int, NDArray[np.int64]]:
    """Return how many counts were too high, how many lack events of their own partition, and an age for judged rows.

    The age in ms: how long before, the oldest missing event of another partition had been decided.
    """
    high = short = 0
    ages = []
    for partition in set(rows.partition.tolist()):
        here = rows.partition == partition
        own = np.cumsum(rows.attempt[here]) - rows.attempt[here]
        elsewhere = np.sort(rows.decided_ms[~here & rows.attempt])
        counted = rows.told[here] - own
        high += int(np.count_nonzero(counted > np.searchsorted(elsewhere, rows.decided_ms[here], side="right")))
        short += int(np.count_nonzero(counted < 0))
        unseen_ms = np.append(elsewhere, np.iinfo(np.int64).max)[np.clip(counted, 0, len(elsewhere))]
        ages.append(np.maximum(rows.polled_ms[here] - unseen_ms, 0)[rows.judged[here]])
    return high, short, np.concatenate(ages)
