"""The account of a replay: every event sent, every decision read, and what does not add up."""

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
    """What a replay came to. `sent` counts events, repeats and answers among them; the rest is what its name says."""

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
        """Whether every event was decided exactly once and none refused."""
        return (
            self.duplicates == self.missing == self.dead_letters == 0
            and self.distinct == self.decisions == self.sent - self.repeats - self.answers
        )


class Ledger:
    """Count by position, five bytes an event: how often it was decided, and the probability it was given."""

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
        """Note events as sent, before they are: new positions follow the ones before without a gap.

        So many of them are the `answers` to events before them.
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
        """Note a decision; one that answers nothing that was sent is a stranger's."""
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
        """Note a dead letter of an event of ours."""
        self.dead_letters[reason] += 1

    @property
    def repeats(self) -> int:
        """Events sent whose id had been sent before, and that are no answers."""
        return self.events_sent - self.answers - len(self._counts)

    @property
    def answered(self) -> int:
        """Events that came to an end: decided or refused."""
        return self._distinct + self.dead_letters.total()

    @property
    def outstanding(self) -> int:
        """Events sent and neither decided nor refused; repeats and answers are not waited for."""
        return max(0, len(self._counts) - self.answered)

    def account(self) -> Account:
        """Add up."""
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
        """Return float32[n] by position, NaN where there was no decision; a copy."""
        return np.array(self._probabilities, dtype=np.float32)
