"""How the time an event gives stands to the time of its Kafka record, and what follows for the windows.

The yardstick is the record's timestamp and never this machine's clock: a replay after a crash judges every event as
it was judged before.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Clock

AHEAD_MAX_MS: Final = 5 * 60_000
BEHIND_MAX_MS: Final = 24 * 3_600_000
"""The runtime policy's row on clocks: an event more than 5 minutes ahead of its record, or more than 24 hours behind
it, is scored with a flag and advances no window."""

UNDATED: Final = -1
"""Kafka's timestamp of a record that has none: with nothing to compare, its event is on time."""


def judge(event_ms: NDArray[np.int64], record_ms: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the `Clock` of each event as far as its record tells: int8[n] of ON_TIME, LATE and EARLY.

    `event_ms` and `record_ms` int64[n] are milliseconds since the epoch; a negative `record_ms` is UNDATED.
    """
    ahead = np.where(record_ms < 0, 0, event_ms - record_ms)
    clocks = np.zeros(len(event_ms), dtype=np.int8)
    clocks[ahead > AHEAD_MAX_MS] = Clock.EARLY
    clocks[ahead < -BEHIND_MAX_MS] = Clock.LATE
    return clocks


def trusted(clocks: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Say of each event whether its time may move windows."""
    return clocks < Clock.LATE
