"""The smallest schedule that still fails: fewer faults first, then shorter and earlier ones. Pure but for `fails`."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.chaos.schedules.schedule import SECONDS, TIMELESS, Fault, Schedule

RUNS_MAX = 30


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool], runs_max: int = RUNS_MAX) -> Schedule:
    """Remove from a failing schedule all that it does not need to fail.

    Greedy: faults are removed one by one; the remaining ones become shorter, then earlier. `fails` is called at most
    `runs_max` times. A schedule that fails only sometimes may stay larger than needed; the result was seen to fail.
    """
    left = runs_max
    for simplify in (_fewer, _shorter, _earlier):
        tried: set[Schedule] = set()
        while (simpler := next((one for one in simplify(schedule) if one not in tried), None)) is not None and left:
            left -= 1
            tried.add(simpler)
            if fails(simpler):
                schedule = simpler
    return schedule


def _fewer(schedule: Schedule) -> Iterator[Schedule]:
    faults = schedule.faults
    if len(faults) > 1:
        for place in range(len(faults)):
            yield Schedule(faults[:place] + faults[place + 1 :])


def _shorter(schedule: Schedule) -> Iterator[Schedule]:
    for place, fault in enumerate(schedule.faults):
        if fault.effect not in TIMELESS:
            for seconds in SECONDS:
                if seconds < fault.seconds:
                    yield _with(schedule, place, replace(fault, seconds=seconds))


def _earlier(schedule: Schedule) -> Iterator[Schedule]:
    for place, fault in enumerate(schedule.faults):
        if fault.nth > 1:
            yield _with(schedule, place, replace(fault, nth=fault.nth // 2))


def _with(schedule: Schedule, place: int, fault: Fault) -> Schedule:
    return Schedule((*schedule.faults[:place], fault, *schedule.faults[place + 1 :]))
