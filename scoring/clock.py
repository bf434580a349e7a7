"""Compare the time of an event with the timestamp of its Kafka record, and decide whether it may change windows.

The timestamp of the record is used, never this machine's clock, so a replay after a crash gives the same result.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Clock

AHEAD_MAX_MS: Final = 5 * 60_000
BEHIND_MAX_MS: Final = 24 * 3_600_000
"""Limits of trusted times: an event more than 5 minutes ahead of its record, or more than 24 hours behind it, is scored
with a flag and changes no window."""

UNDATED: Final = -1
"""Kafka's value for a record without a timestamp. Its event counts as on time."""


def judge(event_ms: NDArray[np.int64], record_ms: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the `Clock` of each event by its record: int8[n] of ON_TIME, LATE and EARLY.

    `event_ms` and `record_ms` int64[n] are milliseconds since the epoch; a negative `record_ms` is UNDATED.
    """
    ahead = np.where(record_ms < 0, 0, event_ms - record_ms)
    clocks = np.zeros(len(event_ms), dtype=np.int8)
    clocks[ahead > AHEAD_MAX_MS] = Clock.EARLY
    clocks[ahead < -BEHIND_MAX_MS] = Clock.LATE
    return clocks


def trusted(clocks: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return bool[n]: whether the time of each event may change windows."""
    return clocks < Clock.LATE
