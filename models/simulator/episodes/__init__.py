"""Fraud episodes: one file per typology or script, each a function from a scene to rows."""

from collections.abc import Callable, Container

import numpy as np

from models.simulator.config import HOUR_MS, TYPOLOGIES, Script, Typology
from models.simulator.episodes import (
    crossborder,
    enumeration,
    frequent,
    phishing,
    replay,
    stolen,
    takeover,
    testing,
    threeds_abuse,
)
from models.simulator.episodes.scene import Scene
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t

Course = Callable[[Scene], Rows]

ATTACKS: dict[Typology, Course] = {
    "T1": enumeration.attack,
    "T2": testing.attack,
    "T3": stolen.attack,
    "T4": takeover.attack,
    "T8": crossborder.attack,
    "T9": phishing.attack,
    "T11": threeds_abuse.attack,
}
SCRIPTS: dict[Script, Course] = {
    "FRAUD_FREQUENT": frequent.attack,
    "REPLAYED_RESULTS": replay.attack,
}


def begin(world: World, hour: int, names: list[str]) -> list[Rows]:
    """Return the episodes that begin in hour `hour` of the stream, and append their ids to `names`.

    Planned episodes come first. `episode` of a row is the position of its id in `names`. Scripts draw from generators
    of their own: all other episodes are the same with and without them.
    """
    scripts = {plan.name: place for place, plan in enumerate(world.config.planned) if plan.script}
    rng = world.generator(20, hour)
    first_ms = hour * HOUR_MS
    out = []
    for plan in world.config.planned:
        if not first_ms <= plan.at_ms < first_ms + HOUR_MS:
            continue
        if plan.script is None:
            course, draws = ATTACKS[plan.typology], _draws(world, names, scripts)
        else:
            course, draws = SCRIPTS[plan.script], world.generator(22, scripts[plan.name])
        scene = _scene(world, draws, plan.at_ms, plan.severity)
        out.append(_played(course, scene, plan.typology, plan.name, names))
    until = world.config.background_days
    if until is None or hour < until * 24:
        for typology in TYPOLOGIES:
            mean = world.config.episodes.of(typology) * world.config.events_per_day / 24 / 100_000
            for _ in range(int(rng.poisson(mean))):
                at_ms = first_ms + int(rng.integers(0, HOUR_MS))
                severity = float(rng.beta(1.4, 1.6))
                name = f"{typology}-{len(names):06d}"
                scene = _scene(world, _draws(world, names, scripts), at_ms, severity)
                out.append(_played(ATTACKS[typology], scene, typology, name, names))
    return out


def _draws(world: World, names: list[str], scripts: Container[str]) -> np.random.Generator:
    """Return the generator of the next drawn episode. It depends only on the seed and on how many there were."""
    return world.generator(21, sum(name not in scripts for name in names) if scripts else len(names))


def _scene(world: World, rng: np.random.Generator, at_ms: int, severity: float) -> Scene:
    return Scene(world=world, rng=rng, start_ms=world.config.start_ms + at_ms, severity=severity)


def _played(course: Course, scene: Scene, typology: Typology, name: str, names: list[str]) -> Rows:
    """Play one episode, and label its rows."""
    number = len(names)
    names.append(name)
    rows = course(scene)
    # The merchant makes a reversal: it reverses a fraud and is no fraud itself.
    guilty = rows["type"] != t.REVERSAL
    rows["fraud"] = guilty
    rows["typology"] = np.where(guilty, int(typology[1:]), 0)
    rows["episode"] = np.where(guilty, number, -1)
    return rows
