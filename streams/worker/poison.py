"""The limit on dead letters, checked for each partition after each batch."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping

from scoring.outputs import Tally
from streams.worker.settings import PoisonLimit

_REASONS_TOLD = 4

Partition = tuple[str, int]
"""Topic and number; Faust's TP and aiokafka's TopicPartition are such tuples."""


class PoisonedError(Exception):
    """Raised when a partition exceeds the limit on dead letters: the worker halts, and refuses no further events."""


class PoisonGuard:
    """Apply the limit to each partition by itself: good partitions do not hide one with a faulty sender."""

    def __init__(self, limit: PoisonLimit) -> None:
        self._limit = limit
        self._states: dict[Partition, PoisonState] = {}

    def observe(self, topic: str, partition: int, tally: Tally) -> None:
        """Add the counts of one batch of a partition.

        Raises:
            PoisonedError: the limit is exceeded, this batch included. The batch must not be acknowledged.
        """
        state = self._states.get((topic, partition))
        if state is None:
            state = self._states[topic, partition] = PoisonState(self._limit)
        fault = state.observe(tally)
        if fault is not None:
            raise PoisonedError(
                f"{topic} partition {partition}: {fault}. This batch was not committed, so nothing is lost. "
                "`sekisho dlq list` shows which events were refused before it and why. Mend or stop their producer, "
                "or raise the limit if the refusals are right. Then restart the worker."
            )

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop the counts of revoked partitions."""
        for partition in partitions:
            self._states.pop((partition[0], partition[1]), None)


class PoisonState:
    """Count the dead letters of one partition.

    Those among the last `window_events` events are counted in whole batches, those in a row exactly.
    """

    def __init__(self, limit: PoisonLimit) -> None:
        self._limit = limit
        self._batches: deque[tuple[int, Mapping[str, int]]] = deque()  # events, and letters by reason
        self._events = 0
        self._letters: Counter[str] = Counter()
        self._run = 0  # dead letters in a row, up to now

    def observe(self, tally: Tally) -> str | None:
        """Add one batch. Return a description of the fault if the limit is exceeded, else None."""
        self._batches.append((tally.events, tally.dead_letters))
        self._events += tally.events
        self._letters.update(tally.dead_letters)
        while self._events - self._batches[0][0] >= self._limit.window_events:
            events, letters = self._batches.popleft()
            self._events -= events
            self._letters.subtract(letters)
        run = self._longest_run(tally)
        if run > self._limit.max_consecutive:
            return f"{run:,} dead letters in a row (poison.max_consecutive {self._limit.max_consecutive:,}); {self}"
        total = self._letters.total()
        if total > self._limit.max_letters and total > self._limit.max_ratio * self._events:
            limits = f"poison.max_ratio {self._limit.max_ratio:g}, poison.max_letters {self._limit.max_letters:,}"
            return f"{self} ({limits})"
        return None

    def _longest_run(self, tally: Tally) -> int:
        """Return the longest run of dead letters that this batch extends or contains."""
        runs = tally.letter_runs
        joined = self._run + runs.leading
        self._run = joined if runs.leading == tally.events else runs.trailing
        return max(joined, runs.longest)

    def __str__(self) -> str:
        told = [f"{reason} {count:,}" for reason, count in self._letters.most_common(_REASONS_TOLD) if count]
        reasons = f": {', '.join(told)}" if told else ""
        return f"{self._letters.total():,} of the last {self._events:,} events were dead letters{reasons}"
