"""A queue of alerts in fair turns of acquirers, with limits for each acquirer and for all.

Acquirers take turns, one alert each: when n acquirers have alerts that can be sent, an acquirer waits for at most n - 1
deliveries of others between two of its own, however many they have. An alert that failed waits for its own backoff; its
acquirer pauses too, so that a receiver that is down gets one attempt of each acquirer at a time.

Times are in seconds of the caller's clock. Nothing here waits.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.webhook.alerts import WaitingAlert

NEVER: Final = float("inf")


@dataclass(slots=True)
class _Acquirer:
    """The waiting alerts of one acquirer. `retries`: heap by due time. `failures`: in a row."""

    fresh: deque[WaitingAlert] = field(default_factory=deque)
    retries: list[tuple[float, int, WaitingAlert]] = field(default_factory=list)
    in_flight: int = 0
    failures: int = 0
    paused_until_s: float = -NEVER

    @property
    def waiting(self) -> int:
        return len(self.fresh) + len(self.retries)

    def due_s(self) -> float:
        """Return from when on its next alert can be sent."""
        if self.fresh:
            return self.paused_until_s
        return max(self.retries[0][0], self.paused_until_s) if self.retries else NEVER

    def pop(self, now_s: float) -> WaitingAlert:
        """Take the next alert: one whose backoff is over, before a fresh one."""
        if self.retries and self.retries[0][0] <= now_s:
            return heapq.heappop(self.retries)[2]
        return self.fresh.popleft()

    def pop_oldest(self) -> WaitingAlert:
        """Take the alert that has waited longest on the topic: a retry was read before what is fresh."""
        if not self.retries:
            return self.fresh.popleft()
        oldest = min(range(len(self.retries)), key=lambda index: self.retries[index][2].at_ms)
        alert = self.retries.pop(oldest)[2]
        heapq.heapify(self.retries)
        return alert


class FairQueue:
    """Alerts that wait for delivery. `acquirer_max`, `waiting_max`: most of one acquirer, and of all.

    `slots_max`: most alerts of one acquirer that are in flight at once.
    """

    def __init__(self, *, acquirer_max: int, waiting_max: int, slots_max: int) -> None:
        self._acquirer_max = acquirer_max
        self._waiting_max = waiting_max
        self._slots_max = slots_max
        self._turns: OrderedDict[str, _Acquirer] = OrderedDict()  # whose turn is next, first
        self._serial = 0
        self._waiting = 0

    def put(self, alert: WaitingAlert) -> WaitingAlert | None:
        """Add a fresh alert. Return the alert that had to leave, if a limit is reached.

        Alerts that failed return also to a full queue, so it may hold what was in flight above its limits.
        It is the oldest one: of the same acquirer at its limit, or else of the acquirer with most alerts.
        """
        own = self._turns.setdefault(alert.acquirer, _Acquirer())
        own.fresh.append(alert)
        self._waiting += 1
        if own.waiting > self._acquirer_max:
            longest = own
        elif self._waiting > self._waiting_max:
            longest = max(self._turns.values(), key=lambda one: one.waiting)
        else:
            return None
        oldest = longest.pop_oldest()
        self._waiting -= 1
        self._forget_idle([oldest.acquirer])
        return oldest

    def take(self, now_s: float) -> WaitingAlert | None:
        """Take the next alert that can be sent now, of the acquirer whose turn it is. It is in flight from then on."""
        for name, acquirer in self._turns.items():
            if acquirer.in_flight < self._slots_max and acquirer.due_s() <= now_s:
                self._turns.move_to_end(name)
                acquirer.in_flight += 1
                self._waiting -= 1
                return acquirer.pop(now_s)
        return None

    def due_s(self) -> float:
        """Return when `take` can return the next alert, if nothing else happens; infinity if it cannot."""
        ready = (one.due_s() for one in self._turns.values() if one.in_flight < self._slots_max)
        return min(ready, default=NEVER)

    def done(self, alert: WaitingAlert, *, is_delivered: bool) -> None:
        """End the flight of an alert that is delivered or given up. A delivery ends the pause of its acquirer."""
        acquirer = self._turns[alert.acquirer]
        acquirer.in_flight -= 1
        if is_delivered:
            acquirer.failures, acquirer.paused_until_s = 0, -NEVER
        self._forget_idle([alert.acquirer])

    def failed(self, alert: WaitingAlert, now_s: float, backoff_s: Callable[[int], float], *, is_last: bool) -> None:
        """End the flight of an alert that failed; unless it was its last attempt, it waits for the next.

        `backoff_s` returns the wait after so many failures. Failures during a pause do not make it longer: several
        attempts of an acquirer may have been in flight together.
        """
        acquirer = self._turns[alert.acquirer]
        if acquirer.paused_until_s <= now_s:
            acquirer.failures += 1
            acquirer.paused_until_s = now_s + backoff_s(acquirer.failures)
        if not is_last:
            self._serial += 1
            self._waiting += 1
            heapq.heappush(acquirer.retries, (now_s + backoff_s(alert.attempts), self._serial, alert))
        acquirer.in_flight -= 1
        self._forget_idle([alert.acquirer])

    def remove(self, is_gone: Callable[[WaitingAlert], bool]) -> None:
        """Remove waiting alerts, such as those of a partition that has moved."""
        for acquirer in self._turns.values():
            acquirer.fresh = deque(alert for alert in acquirer.fresh if not is_gone(alert))
            acquirer.retries = [entry for entry in acquirer.retries if not is_gone(entry[2])]
            heapq.heapify(acquirer.retries)
        self._waiting = sum(one.waiting for one in self._turns.values())
        self._forget_idle(list(self._turns))

    def waiting(self) -> Mapping[str, int]:
        """Return the number of waiting alerts by acquirer."""
        return {name: one.waiting for name, one in self._turns.items() if one.waiting}

    def oldest_ms(self) -> int | None:
        """Return the smallest timestamp of a waiting alert."""
        return min((alert.at_ms for one in self._turns.values() for alert in _heads(one)), default=None)

    def __len__(self) -> int:
        return self._waiting

    def _forget_idle(self, names: Iterable[str]) -> None:
        for name in names:
            acquirer = self._turns[name]
            if not acquirer.waiting and not acquirer.in_flight:
                del self._turns[name]


def _heads(acquirer: _Acquirer) -> Iterator[WaitingAlert]:
    """Yield the first fresh alert and all retries: one of them is the oldest."""
    yield from (entry[2] for entry in acquirer.retries)
    if acquirer.fresh:
        yield acquirer.fresh[0]
