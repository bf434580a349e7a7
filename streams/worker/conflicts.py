"""What a sender does wrong with most of its records: said once a minute, with partitions and numbers only."""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
"""What is new between two lines is only how many more there are."""


class _OncePerMinute:
    """Gather a number by partition for the next line."""

    line: str

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._found: Counter[int] = Counter()
        self._told_s = clock() - INTERVAL_S

    def note(self, partition: int, number: int) -> None:
        """Add the number of a batch, mostly 0, and tell what has gathered if the last line is a minute old."""
        if number:
            self._found[partition] += number
        if self._found and self._clock() - self._told_s >= INTERVAL_S:
            partitions = ",".join(str(number) for number in sorted(self._found))
            log.warning(self.line, partitions, self._found.total())
            self._found.clear()
            self._told_s = self._clock()


class CardConflicts(_OncePerMinute):
    """Collect cards that turned up in two partitions: their producer keys by something else."""

    line = "card_in_two_partitions partition=%s cards=%d"


class EarlyReports(_OncePerMinute):
    """Collect fraud reports from the future: their sender's clock is wrong, and they count for nothing."""

    line = "fraud_reports_from_the_future partition=%s reports=%d"
