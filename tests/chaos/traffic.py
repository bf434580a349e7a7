"""Events: seeded authorizations with repeats, mild disorder and bad events, each with partition and time."""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from models.simulator.config import START_MS
from models.simulator.soak import soak_values
from tests.bench.harness.kafka_io import partition_of

POPULATION = 2_000
"""Few cards, so each has a history."""

GAP_MS = 5
ID_SIGNATURE = b'"event_id":"'
BAD_SIGNATURE = b"chaos_bad"
DELAY_MAX = 40
"""Largest number of places by which an event may come late."""

REPEATED_WITHIN = 3
"""Events of the same card, at most, between an event and its repeat: a card's row keeps the last six ids."""


class Event(NamedTuple):
    """One record of the input topic. `at_ms` is the payment's own time, and the record's."""

    key: bytes
    value: bytes
    partition: int
    at_ms: int


class Mix(NamedTuple):
    """Shares of repeats, disorder and bad events in all events."""

    repeated: float = 0.01
    delayed: float = 0.02
    bad: float = 0.001


MIX = Mix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A stream that is the same every time it is iterated."""

    events: int
    partitions: int = 1
    seed: int = 23
    mix: Mix = MIX

    def __iter__(self) -> Iterator[Event]:
        """Yield the events in the order in which they are sent; a few more than `events`, for the repeats."""
        choose = random.Random(self.seed)  # noqa: S311 - a seed, no secret
        return _with_repeats(_with_bad(_delayed(self._plain(), choose, self.mix), choose, self.mix), choose, self.mix)

    def _plain(self) -> Iterator[Event]:
        number = 0
        for batch in soak_values(self.events, POPULATION, self.seed, gap_ms=GAP_MS, lean=True):
            for key, value in batch:
                yield Event(key, value, partition_of(key, self.partitions), START_MS + number * GAP_MS)
                number += 1


def event_id(value: bytes) -> bytes:
    """Read the id of an event, also of a bad one, without parsing it."""
    start = value.index(ID_SIGNATURE) + len(ID_SIGNATURE)
    return value[start : value.index(b'"', start)]


def is_bad(value: bytes) -> bool:
    """Tell whether an event was made bad here."""
    return BAD_SIGNATURE in value


def _delayed(events: Iterator[Event], choose: random.Random, mix: Mix) -> Iterator[Event]:
    waiting: list[tuple[int, int, Event]] = []
    for place, event in enumerate(events):
        late = choose.randint(1, DELAY_MAX) if choose.random() < mix.delayed else 0
        heapq.heappush(waiting, (place + late, place, event))
        while waiting[0][0] <= place:
            yield heapq.heappop(waiting)[2]
            if not waiting:
                break
    while waiting:
        yield heapq.heappop(waiting)[2]


def _with_bad(events: Iterator[Event], choose: random.Random, mix: Mix) -> Iterator[Event]:
    for event in events:
        yield event._replace(value=_spoil(event.value, choose)) if choose.random() < mix.bad else event


def _spoil(value: bytes, choose: random.Random) -> bytes:
    """Make an event that is refused: cut short, without its id, or without a time."""
    marked = b'{"%b":true,' % BAD_SIGNATURE + value[1:]
    return (
        marked[: -choose.randint(1, 200)],
        marked.replace(ID_SIGNATURE, b'"event_no":"'),
        marked.replace(b'"event_ts":"', b'"event_ts":"never '),
    )[choose.randrange(3)]


def _with_repeats(events: Iterator[Event], choose: random.Random, mix: Mix) -> Iterator[Event]:
    due: defaultdict[bytes, list[tuple[int, Event]]] = defaultdict(list)  # by card: after this many more of its events
    for event in events:
        yield event
        card = event.key
        later = []
        for left, again in due.pop(card, ()):
            if left == 1:
                yield again
            else:
                later.append((left - 1, again))
        if not is_bad(event.value) and choose.random() < mix.repeated:
            left = choose.randint(0, REPEATED_WITHIN)
            if left == 0:
                yield event
            else:
                later.append((left, event))
        if later:
            due[card] = later
    for remaining in due.values():
        for _, again in remaining:
            yield again
