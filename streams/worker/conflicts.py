"""Warnings about faulty senders: one line a minute at most, with partitions and counts only."""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
"""Least time between two lines. They differ in their counts only."""


class _OncePerMinute:
    """Add up counts by partition until the next line."""

    line: str

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._found: Counter[int] = Counter()
        self._told_s = clock() - INTERVAL_S

    def note(self, partition: int, number: int) -> None:
        """Add the count of a batch, mostly 0. Log the sum if the last line is a minute old."""
        if number:
            self._found[partition] += number
        if self._found and self._clock() - self._told_s >= INTERVAL_S:
            partitions = ",".join(str(number) for number in sorted(self._found))
            log.warning(self.line, partitions, self._found.total())
            self._found.clear()
            self._told_s = self._clock()


class CardConflicts(_OncePerMinute):
    """Warn of cards that were seen in two partitions: their producer keys by something other than the card."""

    line = "card_in_two_partitions partition=%s cards=%d"


class EarlyReports(_OncePerMinute):
    """Warn of fraud reports from the future: their sender's clock is wrong, and they change no profile."""

    line = "fraud_reports_from_the_future partition=%s reports=%d"
