"""T11: abuse of 3-D Secure: contradicting claims, cryptograms used twice, cards that cannot be challenged."""

import numpy as np

from models.simulator.episodes.scene import MINUTE_MS, Scene, yen
from models.simulator.events import threeds
from models.simulator.events.lapses import ODD_CRYPTOGRAM, ODD_CURRENCY, ODD_ID, ODD_VALUE
from models.simulator.events.rows import Rows
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, chance, mixed, new_ids

_ANSWERS = ((t.OK, 66), (t.GENERIC, 12), (t.BAD_CAVV, 8), (t.FUNDS, 6), (t.SUSPECTED, 8))


def attack(scene: Scene) -> Rows:
    """Return one series of 3 to 25 attempts at one or two shops, by one of four tricks."""
    rng, world = scene.rng, scene.world
    trick = int(rng.integers(0, 4))
    n = 2 + scene.count(2, 14)
    card = _not_enrolled(scene, n) if trick == 0 else scene.victims(n)
    merchant = rng.choice(scene.shops(2), n)
    time_ms = scene.times(n, scene.between(60 * MINUTE_MS, 3 * MINUTE_MS))
    rows, loud = scene.visits(time_ms, card, merchant, yen(rng, n, scene.between(7_000, 38_000), 0.6))
    scene.tools(rows, loud, devices=max(1, n // 3), addresses=2)
    scene.stranger(rows, loud)
    status = np.full(loud.size, t.STATUS_A if trick == 0 else t.STATUS_Y)
    threeds.verdict(world, rng, rows, loud, status, np.zeros(loud.size, dtype=np.bool_))
    (_steering, _no_proof, _contradiction, _reuse)[trick](scene, rows, loud)
    scene.decline(rows, loud, _ANSWERS)
    threeds.failed_result(rows, loud[(rows["answer"][loud] == t.BAD_CAVV) & (rows["cavv_result"][loud] >= 0)])
    return rows


def _not_enrolled(scene: Scene, n: int) -> Ints:
    """Draw cards of the two issuers with the fewest enrolled holders: their answer is an attempt, never a challenge."""
    people, issuers = scene.world.people, scene.world.issuers
    issuer = people.issuer[: people.residents]
    held = np.unique(issuer)
    weakest = held[np.argsort(issuers.enrolled[held])[:2]]
    return scene.rng.choice(np.flatnonzero(np.isin(issuer, weakest)), n)


def _steering(_scene: Scene, _rows: Rows, _where: Ints) -> None:
    """Leave the attempts as they are: consistent, but too many."""


def _no_proof(scene: Scene, rows: Rows, where: Ints) -> None:
    """Claim an authenticated ECI without its cryptogram; some claims bear a date after the payment."""
    rows["cavv"][where] = -1
    rows["cavv_result"][where] = -1
    rows["tds_age_s"][where[chance(scene.rng, where.size, 0.2)]] = -3_600


def _contradiction(scene: Scene, rows: Rows, where: Ints) -> None:
    """Claim success in the ECI over a verdict of N, R or U, or an ECI this network does not have."""
    n = where.size
    status = mixed(scene.rng, n, ((t.STATUS_N, 50), (t.STATUS_R, 20), (t.STATUS_U, 30)))
    rows["status"][where] = status
    rows["reason"][where] = np.where(chance(scene.rng, n, 0.5), mixed(scene.rng, n, ((11, 50), (1, 50))), -1)
    network = scene.world.issuers.network[rows["issuer"][where]]
    impossible = np.where(network == t.MASTERCARD, 0, 3)  # 05 on Mastercard, 02 elsewhere
    rows["eci"][where] = np.where(chance(scene.rng, n, 0.3), impossible, rows["eci"][where])
    odd = scene.rng.spawn(1)[0]  # a stream of its own: these draws leave all others as they are
    for kind in (ODD_ID, ODD_VALUE):
        threeds.make_odd(rows, where[chance(odd, n, 0.2)], kind)
    rows["tds_channel"][where[chance(odd, n, 0.1)]] = 3
    rows["entry"][where[chance(odd, n, 0.1)]] = t.CHIP


def _reuse(scene: Scene, rows: Rows, where: Ints) -> None:
    """Use the cryptogram and transaction id of one authentication, of a small amount, for several cards."""
    shared = new_ids(scene.rng, 2)
    rows["cavv"][where] = shared[0]
    rows["tds_ref"][where] = shared[1]
    rows["tds_age_s"][where] = 60 + (rows["time_ms"][where] - rows["time_ms"].min()) // 1_000
    rows["tds_minor"][where] = rows["minor"][where].min(initial=np.iinfo(np.int64).max)
    odd = scene.rng.spawn(1)[0]
    for kind in (ODD_CRYPTOGRAM, ODD_CURRENCY):
        threeds.make_odd(rows, where[chance(odd, where.size, 0.2)], kind)
