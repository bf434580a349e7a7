"""Issuers: BINs with network, country, funding and the share of cardholders enrolled in 3-D Secure."""

from dataclasses import dataclass

import numpy as np

from models.simulator.world import tables as t
from models.simulator.world.draw import Floats, Ints, cumulative, generator, mixed

DOMESTIC = 56
FOREIGN = 40
_PREFIX = ("4", "5", "35", "37", "36", "62")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """Columns over BINs; the first `DOMESTIC` are Japanese."""

    bins: tuple[str, ...]
    network: Ints
    country: Ints
    product: Ints
    enrolled: Floats  # share of cardholders who can be authenticated
    domestic_cdf: Floats
    foreign_cdf: Floats


def build(seed: int) -> Issuers:
    """Draw the issuers of one seed. BINs are invented: a network's leading digits and a hash of the row."""
    rng = generator(seed, 1)
    n = DOMESTIC + FOREIGN
    domestic = mixed(rng, DOMESTIC, ((t.VISA, 48), (t.MASTERCARD, 20), (t.JCB, 25), (t.AMEX, 5), (t.DINERS, 2)))
    foreign = mixed(rng, FOREIGN, ((t.VISA, 50), (t.MASTERCARD, 33), (t.AMEX, 7), (t.UNIONPAY, 10)))
    network = np.concatenate([domestic, foreign])
    # The first BINs cover every network, so that small worlds have them all.
    network[:5] = (t.VISA, t.MASTERCARD, t.JCB, t.AMEX, t.DINERS)
    country = np.zeros(n, np.int64)
    country[DOMESTIC:] = rng.integers(1, len(t.COUNTRIES), FOREIGN)
    tails = rng.permutation(900_000)[:n] + 100_000
    bins = []
    for row in range(n):
        digits = 6 if network[row] == t.AMEX else 8  # American Express kept six digits for longer in this world
        bins.append((_PREFIX[network[row]] + f"{tails[row]:06d}{row:02d}")[:digits])
    enrolled = np.where(country == t.JP, rng.beta(14, 2.5, n), rng.beta(5, 3, n))
    return Issuers(
        bins=tuple(bins),
        network=network,
        country=country,
        product=mixed(rng, n, ((0, 55), (1, 15), (2, 8), (3, 5), (4, 12), (5, 5))),
        enrolled=enrolled,
        domestic_cdf=cumulative(rng.pareto(1.2, DOMESTIC) + 0.3),
        foreign_cdf=cumulative(rng.pareto(1.2, FOREIGN) + 0.3),
    )
