"""Ids of alerts that were published before, by this worker's predecessors: an alert that is made again is left out."""

from collections import OrderedDict
from collections.abc import Set as AbstractSet
from typing import Final

PUBLISHED_MAX: Final = 100_000
"""Most ids that are remembered. Beyond it the oldest goes: its alert can only be repeated."""


class PublishedIds:
    """Ids of published alerts, in the order in which they were remembered."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._absorbed: AbstractSet[str] = frozenset()

    def __contains__(self, alert_id: str) -> bool:
        return alert_id in self._ids

    def absorb(self, published: AbstractSet[str]) -> None:
        """Remember what an earlier owner of a partition published after its last marker."""
        if published and published is not self._absorbed:
            self._absorbed = published
            for alert_id in published:
                self.remember(alert_id)

    def remember(self, alert_id: str) -> None:
        """Remember one id."""
        self._ids[alert_id] = None
        if len(self._ids) > PUBLISHED_MAX:
            self._ids.popitem(last=False)
