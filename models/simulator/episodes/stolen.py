"""T3: a stolen card, used before its loss is noticed: a burst of goods for resale, or one ordinary purchase."""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import threeds
from models.simulator.events.rows import Rows
from models.simulator.traffic import amounts
from models.simulator.world import tables as t
from models.simulator.world.draw import chance

_ANSWERS = ((t.OK, 66), (t.FUNDS, 11), (t.LIMIT, 5), (t.GENERIC, 7), (t.SUSPECTED, 9), (t.STOLEN, 2))
_QUIET_BELOW = 0.2


def attack(scene: Scene) -> Rows:
    """Return one burst on one card: up to 16 purchases in minutes to hours; one purchase if severity is below 0.2."""
    rng, world = scene.rng, scene.world
    n = 1 if scene.severity < _QUIET_BELOW else min(16, 1 + scene.count(1, 8))
    card = np.repeat(scene.victims(1), n)
    jpy = yen(rng, n, scene.between(4_000, 48_000), 0.7)
    merchant = scene.shops(n)
    if rng.random() < 0.4:
        merchant[:] = merchant[0]
    if rng.random() < 0.35:  # a first, ordinary purchase as a test
        jpy[0] = amounts(world, rng, card[:1], merchant[:1])[0]
    rows, loud = scene.visits(scene.times(n, scene.between(70 * MINUTE_MS, 3 * MINUTE_MS)), card, merchant, jpy)
    scene.tools(rows, loud, devices=1, addresses=1)
    scene.stranger(rows, loud)
    threeds.none(rows, loud[chance(rng, loud.size, 0.45)])
    scene.decline(rows, loud, _ANSWERS)
    _ladder(scene, rows)
    return rows


def _ladder(scene: Scene, rows: Rows) -> None:
    """Lower the amount after a decline for lack of funds, at the same shop, within seconds."""
    for i in range(1, rows.size):
        if rows["answer"][i - 1] in (t.FUNDS, t.LIMIT) and scene.rng.random() < 0.8:
            for name in ("merchant", "channel", "currency"):
                rows[name][i] = rows[name][i - 1]
            rows["time_ms"][i] = rows["time_ms"][i - 1] + int(scene.rng.integers(12_000, 90_000))
            share = float(scene.rng.uniform(0.3, 0.75))
            rows["jpy"][i] = max(100, int(rows["jpy"][i - 1] * share))
            rows["minor"][i] = max(1, int(rows["minor"][i - 1] * share))
    rows["at_ms"] = rows["time_ms"]
