"""The policy compiled for the hot path: one look-up per event gives its three thresholds."""

from bisect import bisect_right
from collections.abc import Sequence

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
        self._thresholds = [(t.review, t.step_up, t.block) for t in rows]
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

    def bands(self, events: Sequence[Authorization], scores: Sequence[int]) -> list[int]:
        """Give each event its band, 0 ALLOW to 3 BLOCK, for its score from 0 to 999: how many thresholds it reaches."""
        if not self._scoped:
            everywhere = self._thresholds[0]
            return [bisect_right(everywhere, score) for score in scores]
        return [
            bisect_right(self._thresholds[self.resolve(event)], score)
            for event, score in zip(events, scores, strict=True)
        ]
