"""Streams that several tests read: each is simulated once."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Final

from models.simulator import Item, Simulator, SimulatorConfig
from tests.examples import is_quick

QUICK_DAY: Final = SimulatorConfig(seed=5, days=1, events_per_day=20_000, cards=30_000, merchants=1_000)


def traffic_of(config: SimulatorConfig) -> tuple[Simulator, Iterable[Item]]:
    """Simulate a day of ordinary traffic, without records of merchants.

    In the inner loop, tests whose figures hold for any seed read the same, smaller day.
    """
    if is_quick():
        return _quick_day()
    simulator = Simulator(config)
    return simulator, simulator.traffic()


@cache
def _quick_day() -> tuple[Simulator, tuple[Item, ...]]:
    simulator = Simulator(QUICK_DAY)
    return simulator, tuple(simulator.traffic())


def small(seed: int, *, days: int = 1) -> Simulator:
    """Return the simulator of a stream of a few hundred events a day."""
    return Simulator(SimulatorConfig(seed=seed, days=days, events_per_day=600, cards=400, merchants=80))


def digest(items: Iterable[Item]) -> str:
    """Return a hash of all that a stream yields."""
    found = hashlib.sha256()
    for item in items:
        found.update(repr(item).encode())
    return found.hexdigest()
