"""T8: cross-border. Japanese cards abroad without their holders, and foreign cards spent on Japanese goods."""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import threeds, visit
from models.simulator.events.rows import Rows
from models.simulator.world import tables as t
from models.simulator.world.draw import chance, new_ids

_ANSWERS = ((t.OK, 58), (t.SUSPECTED, 14), (t.POLICY, 8), (t.RESTRICTED, 6), (t.FUNDS, 6), (t.GENERIC, 8))


def attack(scene: Scene) -> Rows:
    """Return one series of two to ten attempts within a day, from two or three countries."""
    return _outbound(scene) if scene.rng.random() < 0.5 else _inbound(scene)


def _outbound(scene: Scene) -> Rows:
    """Return attempts with one domestic card, from foreign lines, partly at foreign merchants of the acquirer."""
    rng, world = scene.rng, scene.world
    n = min(12, 1 + scene.count(1.5, 6))
    card = np.repeat(scene.victims(1), n)
    abroad = world.merchants.country != t.JP
    foreign = chance(rng, n, 0.5)
    merchant = np.where(foreign, scene.shops(n, abroad), scene.shops(n))
    time_ms = scene.times(n, scene.between(150 * MINUTE_MS, 12 * MINUTE_MS))
    rows, loud = scene.visits(time_ms, card, merchant, yen(rng, n, scene.between(5_000, 32_000), 0.7))
    _from(scene, rows, loud, countries=1 + int(rng.integers(0, 3)))
    scene.stranger(rows, loud)
    threeds.none(rows, loud[chance(rng, loud.size, 0.7)])
    scene.decline(rows, loud, _ANSWERS)
    return rows


def _inbound(scene: Scene) -> Rows:
    """Return attempts with a few foreign cards at Japanese shops: tickets, games, electronics to a forwarder."""
    rng, world = scene.rng, scene.world
    people = world.people
    cards = rng.integers(people.residents, people.cards, 1 + int(3 * scene.severity))
    card = np.repeat(cards, rng.integers(1, 4, cards.size))
    n = card.size
    time_ms = scene.times(n, scene.between(90 * MINUTE_MS, 6 * MINUTE_MS))
    rows, loud = scene.visits(time_ms, card, scene.shops(n), yen(rng, n, scene.between(8_000, 40_000), 0.6))
    _from(scene, rows, loud, countries=1)
    scene.stranger(rows, loud)
    goods = loud[rows["address"][loud] >= 0]
    rows["address"][goods] = new_ids(rng, 1)[0]
    rows["forwarder"][goods] = rng.random() < 0.5
    rows["ship_country"][goods] = t.JP
    threeds.none(rows, loud[chance(rng, loud.size, 0.6)])
    scene.decline(rows, loud, _ANSWERS)
    return rows


def _from(scene: Scene, rows: Rows, where: np.ndarray[tuple[int], np.dtype[np.int64]], *, countries: int) -> None:
    """Move the shopper in place to one line in each of a few countries, with their language and time zone."""
    rng = scene.rng
    scene.tools(rows, where, devices=1)
    which = rng.integers(0, countries, where.size)
    line = new_ids(rng, countries)
    rows["ip"][where] = line[which]
    rows["ip_net"][where] = line[which] // 16
    rows["ip_country"][where] = rng.integers(1, len(t.COUNTRIES), countries)[which]
    rows["proxy"][where] = rng.random() < 0.3
    rows["asn"][where] = visit.ASN_HOSTING if rng.random() < 0.4 else 7922
    rows["zone"][where] = rng.integers(0, len(t.TIME_ZONES))
