"""The limit on dead letters: a policy, which is frozen, and its running state."""

from collections import deque

from streams.transport.settings import PoisonLimit


class PoisonedError(Exception):
    """Raised when most of the recent events were dead letters: the worker stops instead of draining the topic."""


class PoisonState:
    """Count dead letters over the last `window_events` events, to the precision of a batch."""

    def __init__(self, limit: PoisonLimit) -> None:
        self._limit = limit
        self._batches: deque[tuple[int, int]] = deque()
        self._events = 0
        self._letters = 0

    def observe(self, events: int, letters: int) -> None:
        """Add one batch of `events`, `letters` of which became dead letters.

        Raises:
            PoisonedError: both bounds of the limit are passed, this batch included. It must not be acknowledged.
        """
        self._batches.append((events, letters))
        self._events += events
        self._letters += letters
        while self._events - self._batches[0][0] >= self._limit.window_events:
            old_events, old_letters = self._batches.popleft()
            self._events -= old_events
            self._letters -= old_letters
        if self._letters > self._limit.max_letters and self._letters > self._limit.max_ratio * self._events:
            raise PoisonedError(f"{self._letters} of the last {self._events} events were dead letters")
