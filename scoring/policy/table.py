"""The policy compiled for the hot path: one look-up per event gives its three thresholds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.policy.policy import Policy, Thresholds


class PolicyTable:
    """Resolve events to thresholds by precedence: merchant, category (own acquirer's first), acquirer, global."""

    def __init__(self, policy: Policy) -> None:
        rows: list[Thresholds] = [policy.everywhere]

        def row(thresholds: Thresholds) -> int:
            rows.append(thresholds)
            return len(rows) - 1

        self._merchants = {(s.acquirer, s.merchant): row(s.thresholds) for s in policy.merchants}
        self._mccs = {(s.acquirer, s.mcc): row(s.thresholds) for s in policy.mccs}
        self._acquirers = {s.acquirer: row(s.thresholds) for s in policy.acquirers}
        self._scoped = len(rows) > 1
        self._thresholds: NDArray[np.int16] = np.array([(t.review, t.step_up, t.block) for t in rows], dtype=np.int16)
        self.policy = policy

    def resolve(self, event: Authorization) -> int:
        """Find the row of the narrowest scope that names this event."""
        acquirer, mcc = event.acquirer.id, event.merchant.mcc
        for row in (
            self._merchants.get((acquirer, event.merchant.id)),
            self._mccs.get((acquirer, mcc)),
            self._mccs.get((None, mcc)),
            self._acquirers.get(acquirer),
        ):
            if row is not None:
                return row
        return 0

    def bands(self, events: Sequence[Authorization], scores: NDArray[np.int16]) -> NDArray[np.int64]:
        """Give each event its band: int64[n], 0 ALLOW to 3 BLOCK, for scores int16[n] from 0 to 999."""
        if self._scoped:
            limits = self._thresholds[np.array([self.resolve(event) for event in events], dtype=np.int64)]
        else:
            limits = self._thresholds
        bands: NDArray[np.int64] = (scores[:, None] >= limits).sum(axis=1, dtype=np.int64)
        return bands
