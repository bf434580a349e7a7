"""A seeded simulator of a Japanese acquirer's card traffic, with labelled fraud episodes.

>>> from models.simulator import Simulator, SimulatorConfig
>>> items = iter(Simulator(SimulatorConfig(seed=1, days=1, events_per_day=500, cards=1_000, merchants=80)))
>>> next(items).topic
'merchants'
"""

from models.simulator.config import EpisodeRates, Planned, SimulatorConfig, demo
from models.simulator.stream import Item, Simulator, Truth

__all__ = ["EpisodeRates", "Item", "Planned", "Simulator", "SimulatorConfig", "Truth", "demo"]
