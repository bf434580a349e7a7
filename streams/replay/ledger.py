"""The ledger of a replay: events sent, decisions read, and their differences."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.replay.source import NOT_OURS

_SEEN_MAX = 255  # a byte per event: more decisions for one event than this are still counted as duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Counts of a replay. `sent` includes repeats and issuers' answers. `strangers`: decisions of other events."""

    sent: int
    repeats: int
    answers: int
    decisions: int
    distinct: int
    duplicates: int
    missing: int
    dead_letters: int
    strangers: int

    @property
    def is_exact(self) -> bool:
        """Whether every event was decided exactly once and none was refused."""
        return (
            self.duplicates == self.missing == self.dead_letters == 0
            and self.distinct == self.decisions == self.sent - self.repeats - self.answers
        )


class Ledger:
    """Count decisions by position, with their probability. Memory: five bytes for each event."""

    def __init__(self) -> None:
        self._counts = bytearray()
        self._probabilities = array("f")
        self.events_sent = 0
        self.answers = 0
        self._distinct = 0
        self._duplicates = 0
        self.dead_letters: Counter[str] = Counter()
        self.strangers = 0

    def sent(self, positions: Sequence[int], answers: int = 0) -> None:
        """Record events before they are sent. New positions follow the earlier ones without a gap.

        `answers`: how many of them are issuers' answers to earlier events.
        """
        self.events_sent += len(positions)
        self.answers += answers
        if not positions:
            return
        new = max(positions) + 1 - len(self._counts)
        if new > 0:
            self._counts += bytes(new)
            self._probabilities.extend([float("nan")] * new)

    def decided(self, position: int, probability: float) -> None:
        """Record a decision. One without an event of this replay counts as `strangers`."""
        if position == NOT_OURS:
            self.strangers += 1
            return
        count = self._counts[position]
        if count == 0:
            self._distinct += 1
            self._probabilities[position] = probability
        else:
            self._duplicates += 1
        self._counts[position] = min(count + 1, _SEEN_MAX)

    def refused(self, reason: str) -> None:
        """Record a dead letter of an event of this replay."""
        self.dead_letters[reason] += 1

    @property
    def repeats(self) -> int:
        """Number of events whose id was sent before, without issuers' answers."""
        return self.events_sent - self.answers - len(self._counts)

    @property
    def answered(self) -> int:
        """Number of events that were decided or refused."""
        return self._distinct + self.dead_letters.total()

    @property
    def outstanding(self) -> int:
        """Number of events that are neither decided nor refused, without repeats and issuers' answers."""
        return max(0, len(self._counts) - self.answered)

    def account(self) -> Account:
        """Return all counts."""
        refused = self.dead_letters.total()
        return Account(
            sent=self.events_sent,
            repeats=self.repeats,
            answers=self.answers,
            decisions=self._distinct + self._duplicates,
            distinct=self._distinct,
            duplicates=self._duplicates,
            missing=max(0, self._counts.count(0) - refused),
            dead_letters=refused,
            strangers=self.strangers,
        )

    def probabilities(self) -> NDArray[np.float32]:
        """Return probabilities float32[n] by position, NaN without a decision. It is a copy."""
        return np.array(self._probabilities, dtype=np.float32)
