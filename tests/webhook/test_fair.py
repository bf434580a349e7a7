"""The fair queue equals a naive model, and an acquirer waits for its share of deliveries only."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.webhook.alerts import Offsets, WaitingAlert
from streams.webhook.fair import NEVER, FairQueue
from tests.examples import examples

NAMES = "ABC"
ACQUIRER_MAX, WAITING_MAX, SLOTS_MAX = 3, 6, 2


def alert(number: int, acquirer: str, part: int = 0, parts: tuple[Offsets, ...] = (Offsets(0),)) -> WaitingAlert:
    return WaitingAlert(str(number), acquirer, b"", number, number, parts[part])


def backoff(failures: int) -> float:
    return float(2**failures)


@dataclass
class Waits:
    """A waiting alert of the model. `due`: None for a fresh one, else the end of its backoff and its number."""

    alert: WaitingAlert
    due: tuple[float, int] | None = None


@dataclass
class Naive:
    """Lists, searched from the start each time."""

    waiting: list[Waits] = field(default_factory=list)
    flights: list[WaitingAlert] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    retries: int = 0

    def of(self, name: str) -> list[Waits]:
        return [one for one in self.waiting if one.alert.acquirer == name]

    def flying(self, name: str) -> int:
        return sum(one.acquirer == name for one in self.flights)

    def tidy(self) -> None:
        for name in [name for name in self.turns if not self.of(name) and not self.flying(name)]:
            self.turns.remove(name)
            self.failures.pop(name, None)
            self.paused.pop(name, None)

    def put(self, new: WaitingAlert) -> WaitingAlert | None:
        self.waiting.append(Waits(new))
        if new.acquirer not in self.turns:
            self.turns.append(new.acquirer)
        if len(self.of(new.acquirer)) > ACQUIRER_MAX:
            name = new.acquirer
        elif len(self.waiting) > WAITING_MAX:
            most = max(len(self.of(name)) for name in self.turns)
            name = next(name for name in self.turns if len(self.of(name)) == most)
        else:
            return None
        oldest = min(self.of(name), key=lambda one: one.alert.at_ms)
        self.waiting.remove(oldest)
        self.tidy()
        return oldest.alert

    def due(self, name: str) -> float:
        starts = [0.0 if one.due is None else one.due[0] for one in self.of(name)]
        return max(min(starts, default=NEVER), self.paused.get(name, 0.0))

    def next_due(self) -> float:
        return min((self.due(name) for name in self.turns if self.flying(name) < SLOTS_MAX), default=NEVER)

    def take(self, now: float) -> WaitingAlert | None:
        for name in self.turns:
            if self.flying(name) >= SLOTS_MAX or self.due(name) > now:
                continue
            retries = sorted((one.due, one) for one in self.of(name) if one.due is not None and one.due[0] <= now)
            chosen = retries[0][1] if retries else next(one for one in self.of(name) if one.due is None)
            self.waiting.remove(chosen)
            self.flights.append(chosen.alert)
            self.turns.remove(name)
            self.turns.append(name)
            return chosen.alert
        return None

    def done(self, one: WaitingAlert, is_delivered: bool) -> None:
        self.flights.remove(one)
        if is_delivered:
            self.failures[one.acquirer] = 0
            self.paused.pop(one.acquirer, None)
        self.tidy()

    def failed(self, one: WaitingAlert, now: float, is_last: bool) -> None:
        self.flights.remove(one)
        if self.paused.get(one.acquirer, 0.0) <= now:
            self.failures[one.acquirer] = self.failures.get(one.acquirer, 0) + 1
            self.paused[one.acquirer] = now + backoff(self.failures[one.acquirer])
        if not is_last:
            self.retries += 1
            self.waiting.append(Waits(one, (now + backoff(one.attempts), self.retries)))
        self.tidy()

    def remove(self, part: Offsets) -> None:
        self.waiting = [one for one in self.waiting if one.alert.offsets is not part]
        self.tidy()


WHATS = ("put", "put", "put", "take", "take", "delivered", "given up", "failed", "failed", "last", "wait", "remove")


def steps(seed: int) -> Iterator[tuple[str, str, int]]:
    """Draw a long walk: what to do, an acquirer and a choice. Partitions move seldom."""
    draw = random.Random(seed)  # noqa: S311 -- a walk of a test
    for _ in range(300):
        what = draw.choice(WHATS)
        if what != "remove" or draw.random() < 0.05:
            yield what, draw.choice(NAMES), draw.randrange(10)


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_queue_equals_a_naive_model(seed: int) -> None:
    queue = FairQueue(acquirer_max=ACQUIRER_MAX, waiting_max=WAITING_MAX, slots_max=SLOTS_MAX)
    naive, now, parts = Naive(), 1.0, (Offsets(0), Offsets(0))
    for number, (what, name, choice) in enumerate(steps(seed)):
        flight = naive.flights[choice % len(naive.flights)] if naive.flights else None
        if what == "put":
            new = alert(number, name, choice % 2, parts)
            assert queue.put(new) is naive.put(new)
        elif what == "take":
            taken = naive.take(now)
            assert queue.take(now) is taken
            if taken is not None:
                taken.attempts += 1
        elif what == "wait":
            now += choice
        elif what == "remove":
            queue.remove(lambda one, part=parts[choice % 2]: one.offsets is part)
            naive.remove(parts[choice % 2])
        elif flight is not None and what in {"delivered", "given up"}:
            queue.done(flight, is_delivered=what == "delivered")
            naive.done(flight, what == "delivered")
        elif flight is not None:
            queue.failed(flight, now, backoff, is_last=what == "last")
            naive.failed(flight, now, what == "last")
        assert len(queue) == len(naive.waiting) <= WAITING_MAX + len(NAMES) * SLOTS_MAX
        assert queue.waiting() == {name: len(naive.of(name)) for name in naive.turns if naive.of(name)}
        assert queue.oldest_ms() == min((one.alert.at_ms for one in naive.waiting), default=None)
        assert max(queue.due_s(), now) == max(naive.next_due(), now)


@settings(max_examples=examples(200))
@given(st.integers(2, 12), st.integers(1, 300))
def test_between_two_deliveries_of_an_acquirer_lies_one_of_each_other(acquirers: int, flood: int) -> None:
    """However many the first one has, the last one of n waits for at most n - 1 deliveries."""
    queue = FairQueue(acquirer_max=10_000, waiting_max=100_000, slots_max=1)
    for number in range(flood):
        queue.put(alert(number, "flood"))
    for other in range(1, acquirers):
        for number in range(2):
            queue.put(alert(number, f"other-{other}"))
    order = []
    while (taken := queue.take(0.0)) is not None:
        order.append(taken.acquirer)
        queue.done(taken, is_delivered=True)
    assert len(order) == flood + 2 * (acquirers - 1)
    for other in range(1, acquirers):
        first, second = (place for place, name in enumerate(order) if name == f"other-{other}")
        assert first <= acquirers - 1
        assert second - first <= acquirers
