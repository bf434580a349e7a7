"""Cardholders: their cards, region, rate of purchases and shops.

A card belongs to a person, and a person to a household. Devices, accounts and addresses are computed from these
numbers, so a million cards need a few columns and no look-up per event.
"""

from dataclasses import dataclass

import numpy as np

from models.simulator.config import SimulatorConfig
from models.simulator.world import tables as t
from models.simulator.world.draw import Floats, Ints, cumulative, generator, weighted
from models.simulator.world.issuers import DOMESTIC, Issuers
from models.simulator.world.merchants import Merchants

HOME_SHOPS = 5
TOURIST_SHARE = 0.06
ABROAD_SHARE = 0.02
STAY_SHARE = 1 / 9
"""A tourist's card is in the country for about a ninth of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Columns over cards: residents first, then foreign online shoppers, then tourists."""

    residents: int
    tourists_from: int
    person: Ints
    issuer: Ints
    last4: Ints
    region: Ints
    country: Ints
    thrift: Floats  # factor on every amount
    rate_cdf: Floats  # over residents and foreign shoppers
    home_present: Ints  # [cards, HOME_SHOPS] merchant rows
    home_online: Ints
    sub_card: Ints  # subscriptions: card, merchant, day of month 0-29, price
    sub_merchant: Ints
    sub_day: Ints
    sub_jpy: Ints

    @property
    def cards(self) -> int:
        """Number of cards of the population."""
        return int(self.person.size)

    def tourists_on(self, day: int) -> tuple[int, int]:
        """Return first row and count of the tourists who are in the country on this day."""
        total = self.cards - self.tourists_from
        stay = max(1, int(total * STAY_SHARE))
        first = (day * max(1, stay // 7)) % max(1, total - stay + 1)
        return self.tourists_from + first, stay


def build(config: SimulatorConfig, issuers: Issuers, merchants: Merchants) -> People:
    """Draw the population of one config."""
    rng = generator(config.seed, 4)
    n = config.cards
    tourists_from = n - max(1, int(n * TOURIST_SHARE))
    residents = tourists_from - max(1, int(n * ABROAD_SHARE))
    issuer = np.empty(n, np.int64)
    issuer[:residents] = weighted(rng, issuers.domestic_cdf, residents)
    issuer[residents:] = DOMESTIC + weighted(rng, issuers.foreign_cdf, n - residents)
    region = rng.integers(0, t.REGIONS, n)
    rate = rng.gamma(0.7, 1.0, tourists_from) + 0.02
    rate *= rng.lognormal(0.0, 0.6, tourists_from)
    subs = max(1, int(config.events_per_day * 30 * 0.05))
    sub_merchant, sub_jpy = _subscriptions(rng, merchants, subs)
    return People(
        residents=residents,
        tourists_from=tourists_from,
        person=_holders(rng, n),
        issuer=issuer,
        last4=rng.integers(0, 10_000, n),
        region=region,
        country=issuers.country[issuer],
        thrift=rng.lognormal(0.0, 0.4, n),
        rate_cdf=cumulative(rate),
        home_present=_near(rng, merchants, region),
        home_online=merchants.online[weighted(rng, merchants.online_cdf, n * HOME_SHOPS).reshape(n, HOME_SHOPS)],
        sub_card=rng.integers(0, residents, subs),
        sub_merchant=sub_merchant,
        sub_day=rng.integers(0, 30, subs),
        sub_jpy=sub_jpy,
    )


def _holders(rng: np.random.Generator, n: int) -> Ints:
    """Number the holders so that about one card in five is a second card of the same person."""
    return np.cumsum(rng.random(n) >= 0.2).astype(np.int64)


def _near(rng: np.random.Generator, merchants: Merchants, region: Ints) -> Ints:
    """Draw the shops each card visits in person: those of its region, by size."""
    out = np.empty((region.size, HOME_SHOPS), np.int64)
    for number in range(t.REGIONS):
        rows = np.flatnonzero(region == number)
        shops = merchants.present[merchants.region[merchants.present] == number]
        if not shops.size:
            shops = merchants.present
        # Flatter than true size: people go to the shop around the corner as well as to the chain.
        cdf = cumulative(np.sqrt(merchants.weight[shops]))
        out[rows] = shops[weighted(rng, cdf, rows.size * HOME_SHOPS).reshape(rows.size, HOME_SHOPS)]
    return out


def _subscriptions(rng: np.random.Generator, merchants: Merchants, n: int) -> tuple[Ints, Ints]:
    rows = np.flatnonzero(merchants.recurring)
    chosen = rows[weighted(rng, cumulative(merchants.weight[rows]), n)]
    price = merchants.median_jpy[chosen] * rng.choice([0.6, 0.8, 1.0, 1.3], n)
    return chosen, np.maximum(100, (price / 10).astype(np.int64) * 10)
