"""T1: enumeration (credit master). A script runs through the numbers of one BIN at one merchant.

Most numbers do not exist. Most of the existing ones are tried with the wrong expiry or code. Slow variants use hours
and hundreds of addresses.
"""

import numpy as np

from models.simulator.episodes.scene import ASN_VPS, Scene
from models.simulator.events import threeds, visit
from models.simulator.events.rows import Rows, attempts
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, Mask, chance, mixed, new_ids, weighted

_RUN_ID_MIN = 2**41
_CREDMASTER = 4  # SC5 of the Security Checklist
_ANSWERS = (
    (t.BAD_PAN, 730),
    (t.EXPIRED, 130),
    (t.BAD_CVV, 70),
    (t.GENERIC, 35),
    (t.FUNDS, 8),
    (t.SUSPECTED, 9),
    (t.OK, 18),
)
_ANSWERS_LATE = ((t.BAD_PAN, 250), (t.EXPIRED, 420), (t.BAD_CVV, 230), (t.GENERIC, 50), (t.FUNDS, 15), (t.OK, 35))
"""Once numbers are known to exist, the run goes through expiry dates and codes instead."""


def attack(scene: Scene) -> Rows:
    """Return one run: 40 to 1,500 attempts at one in 90 s to ten a second."""
    rng, world = scene.rng, scene.world
    n = min(3_000, 30 + scene.count(70, 1_000))
    # 90 s apart when quiet, 120 ms when loud, evenly on a logarithmic scale.
    slow, fast = np.log(90_000), np.log(120)
    gap_ms = float(np.exp(slow + (fast - slow) * scene.severity**0.8))
    shop = scene.weak_shop(_CREDMASTER, _unprotected(scene))
    issuer = weighted(rng, world.issuers.domestic_cdf, 1)
    stranger = np.zeros(n, np.int64)
    rows = attempts(scene.times(n, gap_ms), stranger, np.full(n, shop), _amount(scene, n))
    visit.fill(world, rng, rows)
    visit.charge(world, rows)
    everything = np.arange(n)
    _numbers(scene, rows, n)
    rows["issuer"] = issuer[0]
    threeds.none(rows, everything)
    rows["tds"] = np.where(rng.random() < 0.6, 0, -1)
    if rng.random() < 0.35:
        rows["type"] = t.VERIFICATION
        rows["jpy"] = 0
        rows["minor"] = 0
    _machinery(scene, rows, n)
    late = rng.random() < 0.3
    scene.decline(rows, everything, _ANSWERS_LATE if late else _ANSWERS)
    return rows


def _unprotected(scene: Scene) -> Mask:
    modes = scene.world.merchants.tds_mode
    out: Mask = np.isin(modes, (t.NO_TDS, t.RISK_BASED, t.UNKNOWN_TDS, t.CARD_REGISTRATION))
    return out


def _amount(scene: Scene, n: int) -> Ints:
    """Draw a small amount, the same for all attempts; a careful script varies it."""
    base = int(scene.rng.choice([50, 100, 110, 200, 330, 500, 980]))
    if scene.rng.random() < 0.7:
        return np.full(n, base)
    return base + scene.rng.integers(0, 60, n) * 10


def _numbers(scene: Scene, rows: Rows, n: int) -> None:
    """Number the cards tried: mostly a new one each time, in order, sometimes the last one again."""
    fresh = chance(scene.rng, n, float(scene.rng.choice([1.0, 0.93, 0.6], p=[0.5, 0.35, 0.15])))
    fresh[0] = True
    order = np.cumsum(fresh) - 1
    first = int(scene.rng.integers(_RUN_ID_MIN, 2**61))
    rows["card"] = first + order
    # The last digit is the check digit: neighbours in a run differ in it as well.
    start = int(scene.rng.integers(0, 1_000))
    in_order = ((start + order) % 1_000) * 10 + (start * 7 + order * 3) % 10
    shuffled = (order * 7_919 + start) % 10_000
    rows["last4"] = in_order if scene.rng.random() < 0.6 else shuffled


def _machinery(scene: Scene, rows: Rows, n: int) -> None:
    """Spread the run over rented addresses. The device fingerprint is missing, fixed, or new each time."""
    rng = scene.rng
    pool = new_ids(rng, max(1, int(n / rng.choice([3, 10, 40, 200]))))
    which = rng.integers(0, pool.size, n)
    rows["ip"] = pool[which]
    rows["ip_net"] = pool[which] // 16
    rows["asn"] = ASN_VPS if rng.random() < 0.6 else 17676
    rows["proxy"] = rng.random() < 0.4
    rows["ip_country"] = t.JP if rng.random() < 0.6 else rng.integers(1, len(t.COUNTRIES))
    style = rng.random()
    if style < 0.4:
        rows["device"] = -1
    elif style < 0.75:
        rows["device"] = new_ids(rng, 1)[0]
    else:
        rows["device"] = new_ids(rng, n)
    everything = np.arange(n)
    scene.stranger(rows, everything)
    rows["cvv2"] = mixed(rng, n, ((0, 40), (1, 30), (2, 30)))
    rows["cvv2"] = np.where(rng.random() < 0.3, -1, rows["cvv2"])
    rows["address"] = np.where(rows["address"] >= 0, new_ids(rng, 1)[0], -1)
