"""Outcomes of an acquirer from their own topic, kept for about two days, to answer the requests of its payments."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.compliance.inputs.sums import TooManyError
from scoring.contract.codes import OutcomeClass
from scoring.decode import Col, Decoded
from scoring.merchants.months.calendar import DAY_MS

REACH_MS: Final = DAY_MS
"""An outcome answers a request if their records were written at most so far apart."""

OUTCOMES_MAX: Final = 20_000_000
"""At most so many are kept at once, 17 bytes each."""

_ROW: Final = np.dtype([("id", "<u8"), ("written_ms", "<i8"), ("outcome", "i1")])


class Answers:
    """Find the outcome of a request: the earliest that was written within `REACH_MS` of it.

    `counts` says what became of the records: `others` are of other acquirers, `silent` ones say no outcome.
    """

    def __init__(self, acquirer_id: str, rows_max: int = OUTCOMES_MAX) -> None:
        self.counts = {"read": 0, "refused": 0, "others": 0, "silent": 0}
        self._acquirer = acquirer_id.encode()
        self._max = rows_max
        self._rows: NDArray[np.void] = np.zeros(0, dtype=_ROW)  # sorted by id, then by time
        self._new: list[NDArray[np.void]] = []

    def take(self, decoded: Decoded, written_ms: NDArray[np.int64]) -> None:
        """Keep a batch of outcomes. `written_ms`: timestamps of the records of all its values, of refused ones too.

        Raises:
            TooManyError: there are more than `rows_max` within the days that are kept.
        """
        own = np.array([name[1] == self._acquirer for name in decoded.names], dtype=np.bool_)
        outcomes = decoded.ints[:, Col.OUTCOME]
        told = own & (outcomes != OutcomeClass.UNKNOWN)
        self.counts["read"] += len(decoded) + len(decoded.rejects)
        self.counts["refused"] += len(decoded.rejects)
        self.counts["others"] += len(decoded) - int(own.sum())
        self.counts["silent"] += int((own & ~told).sum())
        rows = np.zeros(int(told.sum()), dtype=_ROW)
        rows["id"], rows["outcome"] = decoded.hashes[told, 0], outcomes[told]
        rows["written_ms"] = written_ms[decoded.index][told]
        self._new.append(rows)
        if len(self._rows) + sum(map(len, self._new)) > self._max:
            raise TooManyError(f"more than {self._max:,} outcomes of this acquirer within three days")

    def forget(self, before_ms: int) -> None:
        """Forget what was written before a time: no request that is still to come is near enough."""
        self._settle()
        self._rows = self._rows[self._rows["written_ms"] >= before_ms]

    def of(self, ids: NDArray[np.uint64], written_ms: NDArray[np.int64], before_ms: int) -> NDArray[np.int64]:
        """Return the outcome of each request (`OutcomeClass`), int64[n], UNKNOWN where there is none.

        `ids` uint64[n] are keys of event ids, `written_ms` int64[n] the times of their records. Outcomes that were
        written at `before_ms` or later are not known.
        """
        self._settle()
        found = np.full(len(ids), int(OutcomeClass.UNKNOWN), dtype=np.int64)
        low = np.searchsorted(self._rows["id"], ids, side="left")
        high = np.searchsorted(self._rows["id"], ids, side="right")
        for row in np.flatnonzero(high > low).tolist():
            times = self._rows["written_ms"][low[row] : high[row]]
            at = int(np.searchsorted(times, written_ms[row] - REACH_MS, side="left"))
            if at < len(times) and times[at] <= written_ms[row] + REACH_MS and times[at] < before_ms:
                found[row] = self._rows["outcome"][low[row] + at]
        return found

    def _settle(self) -> None:
        if self._new:
            rows = np.concatenate([self._rows, *self._new])
            self._rows, self._new = rows[np.lexsort((rows["outcome"], rows["written_ms"], rows["id"]))], []
