"""A merchant where fraud becomes frequent (domain.md 1.4): reports of three months, and stolen cards in the afternoon.

The acquirer delivers the reports of the month before as a file, and five hours later, late, those of the month before
that. Then stolen cards buy at the merchant, which has no 3-D Secure, and their issuers telephone within the hour. Each
of the three months in Asia/Tokyo comes to more than 500,000 yen, so the run grows by a month each time.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from models.simulator.config import HOUR_MS
from models.simulator.episodes.scene import MINUTE_MS, Scene
from models.simulator.events import threeds, visit
from models.simulator.events.rows import Rows, attempts
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints

ENOUGH_JPY = 560_000
"""Fraud of each month, at least: above the 500,000 yen of `scoring/reference/limits.yaml`."""

_FILES = ((1, 0), (2, 5 * HOUR_MS))
"""Months back, and the time after the begin of the episode at which their reports are delivered."""
_FIRST_MS = 9 * HOUR_MS
_GAP_MS = 40 * MINUTE_MS
_PRICES_JPY = np.array([62_800, 69_800, 74_500, 79_800, 84_800, 92_400])
_TOKYO = timedelta(hours=9)


class Earlier(NamedTuple):
    """A report of a payment before the stream: received at `received_ms`, delivered to us at `at_ms`."""

    number: int
    card: int
    jpy: int
    received_ms: int
    at_ms: int


def shop(world: World) -> int:
    """Return the largest online merchant at home that has no 3-D Secure, is known, and was not frequent before."""
    shops = world.merchants
    wanted = shops.registered & (shops.tds_mode == t.NO_TDS) & (shops.country == t.JP) & (shops.fraud_status == 0)
    found = shops.online_where(wanted)
    return int(found[np.argmax(shops.weight[found])])


def attack(scene: Scene) -> Rows:
    """Return purchases with stolen cards, each approved, 40 minutes apart, until they come to ENOUGH_JPY."""
    rng, world = scene.rng, scene.world
    jpy = _amounts(rng)
    n = jpy.size
    time_ms = scene.start_ms + _FIRST_MS + np.arange(n) * _GAP_MS + rng.integers(0, 10 * MINUTE_MS, n)
    rows = attempts(time_ms, scene.victims(n), np.full(n, shop(world)), jpy)
    everything = np.arange(n)
    visit.fill(world, rng, rows)
    scene.tools(rows, everything, devices=2, addresses=2)
    scene.stranger(rows, everything)
    threeds.none(rows, everything)
    rows["answer"] = t.OK
    return rows


def told_ms(rows: Rows) -> Ints:
    """Return when issuers telephone about payments, int64[n]: 10 to 40 minutes after each."""
    out: Ints = rows["time_ms"] + (10 + rows["serial"] * 7 % 31) * MINUTE_MS
    return out


def earlier(world: World, at_ms: int) -> list[Earlier]:
    """Return the reports of the two months before that of `at_ms`, the begin of the episode in ms since the epoch."""
    rng = world.generator(23, 0)
    first = (datetime.fromtimestamp(at_ms / 1000, UTC) + _TOKYO).replace(tzinfo=None, hour=0, minute=0, second=0)
    out: list[Earlier] = []
    for back, after_ms in _FILES:
        month = first.replace(day=1)
        for _ in range(back):
            month = (month - timedelta(days=1)).replace(day=1)
        begin_ms = int((month - _TOKYO).replace(tzinfo=UTC).timestamp() * 1000)
        for jpy in _amounts(rng).tolist():
            card = int(rng.integers(0, world.people.residents))
            received_ms = begin_ms + int(rng.integers(2 * 24, 26 * 24)) * HOUR_MS
            out.append(Earlier(len(out), card, jpy, received_ms, at_ms + after_ms))
    return out


def _amounts(rng: np.random.Generator) -> Ints:
    """Draw prices until they come to ENOUGH_JPY."""
    drawn: Ints = rng.choice(_PRICES_JPY, 12)
    return drawn[: int(np.searchsorted(np.cumsum(drawn), ENOUGH_JPY)) + 1]
