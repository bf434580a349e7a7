"""T2: card testing. Stolen cards are tried with small amounts; the valid ones are used or sold."""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import answers, threeds
from models.simulator.events.rows import Rows, joined
from models.simulator.world import tables as t
from models.simulator.world.draw import chance

_SMALL = tuple(i for i, c in enumerate(t.CATEGORIES) if c.name in {"DONATIONS", "MEDIA", "GAMES", "BOOKS"})
_ANSWERS = ((t.OK, 74), (t.GENERIC, 8), (t.FUNDS, 5), (t.EXPIRED, 4), (t.BAD_CVV, 4), (t.SUSPECTED, 3), (t.STOLEN, 2))


def attack(scene: Scene) -> Rows:
    """Return one session: some cards, one to three small payments each, then a purchase on some of them."""
    rng, world = scene.rng, scene.world
    cards = scene.victims(2 + scene.count(2, 16))
    tries = rng.integers(1, 4, cards.size)
    card = np.repeat(cards, tries)
    n = card.size
    shops = scene.shops(int(rng.integers(1, 5)), np.isin(world.merchants.category, _SMALL))
    small = rng.choice([100, 120, 250, 300, 490, 500], n)
    merchant = rng.choice(shops, n)
    tests, loud = scene.visits(scene.times(n, scene.between(9 * MINUTE_MS, 25_000)), card, merchant, small)
    scene.tools(tests, loud, devices=int(rng.integers(1, 4)))
    scene.stranger(tests, loud)
    threeds.none(tests, loud[chance(rng, loud.size, 0.8)])
    scene.decline(tests, loud, _ANSWERS)
    undone = tests[(tests["answer"] == t.OK) & chance(rng, n, float(rng.choice([0.0, 0.35])))]
    reversals = answers.undo(rng, undone, t.REVERSAL, rng.integers(4_000, 8 * MINUTE_MS, undone.size))
    return joined([tests, reversals, _harvest(scene, tests)])


def _harvest(scene: Scene, tests: Rows) -> Rows:
    """Return large purchases within a day on about a third of the approved cards."""
    rng = scene.rng
    alive = np.unique(tests["card"][tests["answer"] == t.OK])
    used = alive[chance(rng, alive.size, 0.35)]
    n = used.size
    if n == 0:
        return joined([])
    later = tests["time_ms"].max() + rng.integers(10 * MINUTE_MS, 20 * 60 * MINUTE_MS, n)
    rows, loud = scene.visits(later, used, scene.shops(n), yen(rng, n, scene.between(9_000, 45_000), 0.6))
    scene.tools(rows, loud, devices=2, addresses=2)
    scene.stranger(rows, loud)
    scene.decline(rows, loud, ((t.OK, 72), (t.SUSPECTED, 10), (t.FUNDS, 8), (t.LIMIT, 5), (t.GENERIC, 5)))
    return rows
