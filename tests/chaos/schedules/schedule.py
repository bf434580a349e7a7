"""Schedules of faults as values: drawn from a seed, described in words, and written as a text that can be played again.
Pure.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

from tests.chaos.brokers.proxy import Api
from tests.chaos.scenarios.late import MARKER, OUTPUTS, ROWS

WORKERS: Final = 2
FAULTS_MAX: Final = 4
RESTART_SHARE: Final = 0.05
"""Share of schedules with one fault of the broker, which all workers share. They are played alone."""

SECONDS: Final[Mapping[float, int]] = {0.5: 1, 1.5: 1, 3.5: 2, 6.0: 2}
"""Durations of faults and their shares: shorter and longer than a takeover with `play.SETTINGS`."""

OUTAGES: Final = (0.5, 1.5)
"""Durations for which the broker is away."""


class Kind(NamedTuple):
    """Requests that a fault may wait for; `nth_max` is about how many of them a worker makes in a schedule."""

    words: str
    nth_max: int
    weight: int
    apis: tuple[Api, ...] = ()  # none: any
    fields: tuple[str, ...] = ()  # of the topics that it names; at least one
    having: bytes = b""


KINDS: Final[Mapping[str, Kind]] = {
    "outputs": Kind("produce of outputs", 60, 6, (Api.PRODUCE,), OUTPUTS),
    "rows": Kind("produce of rows or markers", 50, 5, (Api.PRODUCE,), ROWS),
    "markers": Kind("produce of a marker", 30, 3, (Api.PRODUCE,), ROWS, MARKER),
    "commits": Kind("offset commit", 14, 2, (Api.OFFSET_COMMIT,)),
    "group": Kind("join, sync or heartbeat", 10, 3, (Api.JOIN_GROUP, Api.SYNC_GROUP, Api.HEARTBEAT)),
    "fence": Kind("request of a fence", 10, 3, (Api.INIT_PRODUCER_ID, Api.ADD_PARTITIONS_TO_TXN, Api.END_TXN)),
    "reads": Kind("fetch of rows or decisions", 45, 2, (Api.FETCH,), (*ROWS, "decisions")),
    "all": Kind("request of any kind", 400, 2),
}


class Effect(StrEnum):
    """The effect of a fault when its moment has come."""

    HOLD = "hold"
    DIE = "die"
    ANSWERS = "answers"
    CUT = "cut"
    LOSE = "lose"
    KILL = "kill"
    FREEZE = "freeze"
    LEAVE = "leave"
    RESTART = "restart"


EFFECTS: Final[Mapping[Effect, tuple[int, str]]] = {
    Effect.HOLD: (5, "it and all like it reach the broker {seconds:g} s later"),
    Effect.DIE: (6, "the worker is killed and replaced, and it reaches the broker {seconds:g} s later"),
    Effect.ANSWERS: (3, "its answer and all like it come {seconds:g} s later"),
    Effect.CUT: (1, "its connection is cut before the broker sees it"),
    Effect.LOSE: (2, "its connection is cut when the broker has done it"),
    Effect.KILL: (3, "the worker is killed when the broker has done it, and replaced after {seconds:g} s"),
    Effect.FREEZE: (3, "the worker is frozen for {seconds:g} s"),
    Effect.LEAVE: (1, "the worker is asked to end, and replaced"),
    Effect.RESTART: (0, "the broker is killed, and started after {seconds:g} s"),
}
"""Share of each, and its description."""

TIMELESS: Final = frozenset({Effect.CUT, Effect.LOSE, Effect.LEAVE})


class ScheduleError(ValueError):
    """The text is no schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of a worker: at its `nth` request of a kind since the schedule began, for a duration."""

    worker: int
    kind: str
    nth: int
    effect: Effect
    seconds: float = 0.0

    def __str__(self) -> str:
        """Write it in the form that `parse` reads."""
        return f"{self.worker}:{self.kind}:{self.nth}:{self.effect}:{self.seconds:g}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a fault in the form that `str` writes.

        Raises:
            ScheduleError: it is no fault.
        """
        try:
            worker, kind, nth, effect, seconds = text.split(":")
            fault = cls(worker=int(worker), kind=kind, nth=int(nth), effect=Effect(effect), seconds=float(seconds))
        except ValueError as error:
            raise ScheduleError(f"{text!r} is no fault, which is WORKER:KIND:NTH:EFFECT:SECONDS ({error})") from None
        if not (0 <= fault.worker < WORKERS and kind in KINDS and fault.nth > 0 and 0 <= fault.seconds <= max(SECONDS)):
            raise ScheduleError(f"{text!r}: no such worker, kind, number or duration")
        return fault

    @property
    def words(self) -> str:
        """Describe it to a reader."""
        then = EFFECTS[self.effect][1].format(seconds=self.seconds)
        return f"worker {self.worker}, {KINDS[self.kind].words} number {self.nth}: {then}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Faults that are independent of each other."""

    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        """Write it in the form that `parse` reads."""
        return ",".join(map(str, self.faults))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a schedule in the form that `str` writes.

        Raises:
            ScheduleError: it is no schedule.
        """
        return cls(tuple(map(Fault.parse, text.split(",")))) if text else cls(())

    @property
    def words(self) -> str:
        """Describe it to a reader, a line for each fault."""
        return "\n".join(fault.words for fault in self.faults) or "no fault"

    @property
    def is_alone(self) -> bool:
        """Tell whether it needs a broker of its own while it is played."""
        return any(fault.effect is Effect.RESTART for fault in self.faults)


def draw(seed: int, number: int) -> Schedule:
    """Draw the schedule of this number: always the same for the same seed."""
    choose = random.Random(f"{seed}/{number}")  # noqa: S311 - a seed, no secret
    faults = [_fault(choose) for _ in range(choose.randint(1, FAULTS_MAX))]
    if choose.random() < RESTART_SHARE:
        broken = faults[0]
        seconds = choose.choice(OUTAGES)
        faults[0] = Fault(
            worker=broken.worker, kind=broken.kind, nth=broken.nth, effect=Effect.RESTART, seconds=seconds
        )
    return Schedule(tuple(faults))


def _fault(choose: random.Random) -> Fault:
    (seconds,) = choose.choices(list(SECONDS), list(SECONDS.values()))
    (kind,) = choose.choices(list(KINDS), [kind.weight for kind in KINDS.values()])
    (effect,) = choose.choices(list(EFFECTS), [weight for weight, _ in EFFECTS.values()])
    return Fault(
        worker=choose.randrange(WORKERS),
        kind=kind,
        nth=choose.randint(1, KINDS[kind].nth_max),
        effect=effect,
        seconds=0.0 if effect in TIMELESS else seconds,
    )
