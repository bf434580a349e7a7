"""Fraud episodes: one file per typology, each a function from a scene to labelled rows."""

from collections.abc import Callable

import numpy as np

from models.simulator.config import HOUR_MS, TYPOLOGIES, Typology
from models.simulator.episodes import crossborder, enumeration, phishing, stolen, takeover, testing, threeds_abuse
from models.simulator.episodes.scene import Scene
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t

ATTACKS: dict[Typology, Callable[[Scene], Rows]] = {
    "T1": enumeration.attack,
    "T2": testing.attack,
    "T3": stolen.attack,
    "T4": takeover.attack,
    "T8": crossborder.attack,
    "T9": phishing.attack,
    "T11": threeds_abuse.attack,
}


def begin(world: World, hour: int, names: list[str]) -> list[Rows]:
    """Return the episodes that begin in hour `hour` of the stream, and append their ids to `names`.

    Planned episodes come first. `episode` of a row is the position of its id in `names`.
    """
    rng = world.generator(20, hour)
    first_ms = hour * HOUR_MS
    out = []
    for plan in world.config.planned:
        if first_ms <= plan.at_ms < first_ms + HOUR_MS:
            out.append(_played(world, plan.typology, plan.at_ms, plan.severity, plan.name, names))
    until = world.config.background_days
    if until is None or hour < until * 24:
        for typology in TYPOLOGIES:
            mean = world.config.episodes.of(typology) * world.config.events_per_day / 24 / 100_000
            for _ in range(int(rng.poisson(mean))):
                at_ms = first_ms + int(rng.integers(0, HOUR_MS))
                severity = float(rng.beta(1.4, 1.6))
                name = f"{typology}-{len(names):06d}"
                out.append(_played(world, typology, at_ms, severity, name, names))
    return out


def _played(world: World, typology: Typology, at_ms: int, severity: float, name: str, names: list[str]) -> Rows:
    """Draw one episode. It depends only on the seed and its number."""
    number = len(names)
    names.append(name)
    scene = Scene(
        world=world,
        rng=world.generator(21, number),
        start_ms=world.config.start_ms + at_ms,
        severity=severity,
    )
    rows = ATTACKS[typology](scene)
    # The merchant makes a reversal: it reverses a fraud and is no fraud itself.
    guilty = rows["type"] != t.REVERSAL
    rows["fraud"] = guilty
    rows["typology"] = np.where(guilty, int(typology[1:]), 0)
    rows["episode"] = np.where(guilty, number, -1)
    return rows
