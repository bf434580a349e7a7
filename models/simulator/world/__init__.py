"""The world of one simulation: issuers, merchants, people, tokens. It is built once and does not change."""

from dataclasses import dataclass

import numpy as np

from models.simulator.config import SimulatorConfig
from models.simulator.world import issuers, merchants, people
from models.simulator.world.draw import generator
from models.simulator.world.issuers import Issuers
from models.simulator.world.merchants import Merchants
from models.simulator.world.people import People
from models.simulator.world.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The constant data of one simulation."""

    config: SimulatorConfig
    tokens: Tokens
    issuers: Issuers
    merchants: Merchants
    people: People

    def generator(self, purpose: int, part: int) -> np.random.Generator:
        """Return the generator of one purpose and one part (an hour, an episode) of the stream."""
        return generator(self.config.seed, purpose, part)


def build(config: SimulatorConfig) -> World:
    """Draw the world of one config: seconds for a million cards, milliseconds for the default."""
    drawn_issuers = issuers.build(config.seed)
    drawn_merchants = merchants.build(config)
    return World(
        config=config,
        tokens=Tokens(config.seed),
        issuers=drawn_issuers,
        merchants=drawn_merchants,
        people=people.build(config, drawn_issuers, drawn_merchants),
    )
