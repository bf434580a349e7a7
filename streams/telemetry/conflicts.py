"""Cards that turned up in two partitions: said once a minute, and of the cards only how many they are."""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
"""A producer that keys wrongly does so with every card: what is new between two lines is only their number."""


class CardConflicts:
    """Collect the conflicts of all partitions for the next line."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._cards: Counter[int] = Counter()
        self._told_s = clock() - INTERVAL_S

    def note(self, partition: int, cards: int) -> None:
        """Add the conflicts of a batch, mostly none, and tell what has gathered if the last line is a minute old."""
        if cards:
            self._cards[partition] += cards
        if self._cards and self._clock() - self._told_s >= INTERVAL_S:
            partitions = ",".join(str(number) for number in sorted(self._cards))
            log.warning("card_in_two_partitions partition=%s cards=%d", partitions, self._cards.total())
            self._cards.clear()
            self._told_s = self._clock()
