"""T4: account takeover. Login, history and card on file are right; device and address are new.

Where the merchant says so, a change of the account's data or password, or an alarm of its login measures, came before.
"""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import account, threeds, visit
from models.simulator.events.rows import Rows
from models.simulator.world import tables as t
from models.simulator.world.draw import NEW_ID_MIN, Ints, chance, mixed

_LOGIN = 5  # SC6 of the Security Checklist
_ANSWERS = ((t.OK, 86), (t.FUNDS, 5), (t.LIMIT, 3), (t.SUSPECTED, 4), (t.GENERIC, 2))


def attack(scene: Scene) -> Rows:
    """Return one to six purchases on each of one to four accounts at one shop, cards on file."""
    rng, world = scene.rng, scene.world
    shop = scene.weak_shop(_LOGIN, scene.resale() | world.merchants.ships)
    accounts = int(rng.integers(1, 5)) if scene.severity > 0.3 else 1
    card = np.repeat(_customers(scene, shop, accounts), rng.integers(1, 3 + int(4 * scene.severity), accounts))
    n = card.size
    time_ms = scene.times(n, scene.between(40 * MINUTE_MS, 5 * MINUTE_MS))
    median = max(float(world.merchants.median_jpy[shop]) * 1.5, 6_000) * scene.between(0.6, 2.0)
    rows, loud = scene.visits(time_ms, card, np.full(n, shop), yen(rng, n, median, 0.5))
    scene.tools(rows, loud, devices=1, addresses=1 if rng.random() < 0.8 else 0)
    # The thief does not change the account, which is old and trusted, and the card on file.
    rows["stored"][loud] = 1
    rows["stored_ms"][loud] = rows["time_ms"][loud] - rng.integers(60, 1_200, loud.size) * visit.DAY_MS
    rows["entry"][loud] = t.ON_FILE
    rows["wallet"][loud] = -1
    rows["cvv2"][loud] = -1
    person = world.people.person[rows["card"][loud]]
    rows["account"][loud] = person * len(world.merchants.ids) + shop
    rows["age_ind"][loud] = mixed(rng, loud.size, ((5, 92), (4, 8)))
    rows["email"][loud] = person
    _indicators(scene, rows, loud)
    threeds.none(rows, loud[chance(rng, loud.size, 0.6)])
    rows["exempt"][loud] = np.where(rows["tds"][loud] == 0, 0, -1)
    scene.decline(rows, loud, _ANSWERS)
    return rows


def _indicators(scene: Scene, rows: Rows, loud: Ints) -> None:
    """Fill what the merchant says of the accounts: the holder's history, then what the thief did."""
    draws = scene.rng.spawn(1)[0]  # of its own, so that all other draws of the stream stay as they were
    holders = rows[loud]
    account.forget(holders, np.arange(loud.size))
    account.fill(scene.world, draws, holders)
    rows[loud] = holders
    account.use_first(rows, loud[rows["address"][loud] >= NEW_ID_MIN])
    account.take_over(scene.world, draws, rows, loud)


def _customers(scene: Scene, shop: int, n: int) -> Ints:
    """Draw cards that shop here already, if there are any."""
    people = scene.world.people
    regulars = np.flatnonzero((people.home_online[: people.residents, :3] == shop).any(axis=1))
    if regulars.size == 0:
        return scene.victims(n)
    return scene.rng.choice(regulars, n)
