"""The policy as look-up tables for the hot path."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.decode import Name
from scoring.policy.policy import Policy, Thresholds


class PolicyTable:
    """Find thresholds of events by precedence: merchant, category (with acquirer first), acquirer, global."""

    def __init__(self, policy: Policy) -> None:
        rows: list[Thresholds] = [policy.everywhere]

        def row(thresholds: Thresholds) -> int:
            rows.append(thresholds)
            return len(rows) - 1

        self._merchants = {
            (scope.acquirer.encode(), scope.merchant.encode()): row(scope.thresholds) for scope in policy.merchants
        }
        self._mccs = {
            (None if scope.acquirer is None else scope.acquirer.encode(), int(scope.mcc)): row(scope.thresholds)
            for scope in policy.mccs
        }
        self._acquirers = {scope.acquirer.encode(): row(scope.thresholds) for scope in policy.acquirers}
        self._scoped = len(rows) > 1
        self._thresholds = np.array([(t.review, t.step_up, t.block) for t in rows], dtype=np.int64)

    def resolve(self, name: Name, mcc: int) -> int:
        """Return the row of the narrowest scope that names an event; 0 is global."""
        _, acquirer, _, merchant = name
        for row in (
            self._merchants.get((acquirer, merchant)),
            self._mccs.get((acquirer, mcc)),
            self._mccs.get((None, mcc)),
            self._acquirers.get(acquirer),
        ):
            if row is not None:
                return row
        return 0

    def bands(self, names: Sequence[Name], mccs: NDArray[np.int64], scores: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the band of each event, int64[n]: 0 ALLOW to 3 BLOCK, the number of thresholds that its score reaches.

        `names`, `mccs` and `scores` (0 to 999) have length n.
        """
        if not self._scoped:
            reached: NDArray[np.int64] = self._thresholds[0].searchsorted(scores, side="right")
            return reached
        rows = [self.resolve(name, mcc) for name, mcc in zip(names, mccs.tolist(), strict=True)]
        bands: NDArray[np.int64] = (self._thresholds[rows] <= scores[:, None]).sum(axis=1)
        return bands
