"""Results of 3-D Secure that are replayed: one authentication pays for orders, cards and shops it was not made for.

The first payment is the one that was authenticated. The others repeat its cryptogram and dsTransID (TDS08: another
card, TDS09: another merchant, TDS10: another order of the same card and merchant; domain.md 2.8).
"""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import threeds, visit
from models.simulator.events.rows import Rows, attempts
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, new_ids

_COURSE = ((0, 0), (0, 0), (1, 0), (0, 1), (0, 0), (2, 0), (0, 2), (3, 1), (4, 0), (0, 0))
"""Of each payment: which of the cards, and which of the shops. Every order is another one."""
_AFTER_MS, _GAP_MS = 180 * MINUTE_MS, 9 * MINUTE_MS


def attack(scene: Scene) -> Rows:
    """Return the payment that was authenticated, and from three hours later on nine replays of it, all approved."""
    rng, world = scene.rng, scene.world
    which = np.array(_COURSE)
    n = len(which)
    cards, shops = _cards(scene, int(which[:, 0].max()) + 1), _shops(scene, int(which[:, 1].max()) + 1)
    time_ms = scene.start_ms + np.arange(n) * _GAP_MS
    time_ms[1:] += _AFTER_MS
    rows = attempts(time_ms, cards[which[:, 0]], shops[which[:, 1]], yen(rng, n, 24_000, 0.3))
    everything = np.arange(n)
    visit.fill(world, rng, rows)
    scene.tools(rows, everything, devices=1, addresses=1)
    scene.stranger(rows, everything)
    threeds.verdict(world, rng, rows, everything, np.full(n, t.STATUS_Y), np.zeros(n, dtype=np.bool_))
    proof = new_ids(rng, 2)
    rows["cavv"], rows["tds_ref"] = proof
    rows["tds_age_s"] = 30 + (rows["time_ms"] - scene.start_ms) // 1_000
    rows["answer"] = t.OK
    return rows


def _cards(scene: Scene, n: int) -> Ints:
    """Draw n different cards of one network, whose cryptograms look alike."""
    drawn = np.unique(scene.victims(40 * n))
    networks = scene.world.issuers.network[scene.world.people.issuer[drawn]]
    same = drawn[networks == np.bincount(networks).argmax()]
    return scene.rng.permutation(same)[:n]


def _shops(scene: Scene, n: int) -> Ints:
    """Draw n different online merchants at home with 3-D Secure on every payment, all of one acquirer."""
    shops = scene.world.merchants
    first = shops.acquirers[int(np.argmax(shops.weight))]
    one = np.array([acquirer == first for acquirer in shops.acquirers])
    found = shops.online_where(one & (shops.tds_mode == t.EVERY_PAYMENT) & (shops.country == t.JP))
    return scene.rng.choice(found, n, replace=False)
