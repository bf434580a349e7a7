"""T9: phishing to resale. The holder typed the one-time password into a false page; the goods go to one address.

3-D Secure is Y after a challenge, and consistent. The shared devices and addresses of the cards show the ring.
"""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import threeds
from models.simulator.events.rows import Rows, joined
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, chance, new_ids

_ANSWERS = ((t.OK, 82), (t.FUNDS, 7), (t.LIMIT, 5), (t.SUSPECTED, 4), (t.GENERIC, 2))


def attack(scene: Scene) -> Rows:
    """Return one ring: 3 to 20 cards, one or two purchases each, few devices, one to three delivery addresses."""
    rng, world = scene.rng, scene.world
    cards = scene.victims(2 + scene.count(2, 12))
    card = np.repeat(cards, rng.integers(1, 3, cards.size))
    n = card.size
    ships = world.merchants.ships & scene.resale()
    goods = scene.shops(n, ships if rng.random() < 0.7 else None)
    if rng.random() < 0.4:
        goods[:] = goods[0]
    time_ms = scene.times(n, scene.between(180 * MINUTE_MS, 8 * MINUTE_MS))
    rows, loud = scene.visits(time_ms, card, goods, yen(rng, n, scene.between(14_000, 70_000), 0.5))
    scene.tools(rows, loud, devices=max(1, int(n * rng.choice([0.1, 0.3, 1.0]))), addresses=int(rng.integers(1, 4)))
    scene.stranger(rows, loud)
    passed = loud[chance(rng, loud.size, 0.9)]
    everyone = np.ones(passed.size, dtype=np.bool_)
    threeds.verdict(world, rng, rows, passed, np.full(passed.size, t.STATUS_Y), everyone)
    scene.decline(rows, loud, _ANSWERS)
    return joined([_failures(scene, rows, passed), rows])


def _failures(scene: Scene, rows: Rows, passed: Ints) -> Rows:
    """Return failed attempts with a late password: N, a minute or two before the one that succeeded."""
    rng = scene.rng
    first = rows[passed[chance(rng, passed.size, 0.25)]].copy()
    n = first.size
    first["time_ms"] -= rng.integers(30_000, 150_000, n)
    first["at_ms"] = first["time_ms"]
    first["order"] = new_ids(rng, n)
    threeds.verdict(scene.world, rng, first, np.arange(n), np.full(n, t.STATUS_N), np.ones(n, dtype=np.bool_))
    first["answer"] = t.GENERIC
    return first
