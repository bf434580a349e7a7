"""Genuine traffic of one hour, by the time of day in Tokyo, with retries, reversals and refunds."""

from dataclasses import dataclass

import numpy as np

from models.simulator.config import DAY_MS, HOUR_MS
from models.simulator.events import account, answers, threeds, visit
from models.simulator.events.rows import Rows, attempts, joined
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Floats, Ints, chance, mixed, new_ids, weighted

_TOKYO_MS = 9 * HOUR_MS
# Share of a day's events per hour, Asia/Tokyo: online shopping peaks late in the evening, shops at noon and six.
_ONLINE_HOURS = np.array(
    [4, 2.4, 1.4, 1, 0.9, 1.2, 2, 3, 3.6, 4.2, 4.6, 4.8, 5.6, 4.8, 4.6, 4.6, 4.6, 4.8, 5, 5.8, 6.8, 7.6, 7.2, 5.5]
)
_PRESENT_HOURS = np.array(
    [0.8, 0.4, 0.3, 0.2, 0.3, 0.8, 2, 4, 5, 5.2, 6, 7.2, 9, 7, 6, 6.2, 6.6, 8, 9, 7.4, 5, 2.6, 1.6, 1]
)
_WEEKDAYS = np.array([0.95, 0.94, 0.95, 0.97, 1.04, 1.1, 1.05])  # Monday first
# Share of first attempts, without sprees, subscriptions, retries, refunds and reversals.
_ONLINE_SHARE, _PRESENT_SHARE = 0.487, 0.363
_TOURIST_SHARE = 0.07  # of card-present events: inbound travellers, foreign cards and entirely genuine
_FLASH_SALE_HOUR, _FLASH_SALE_SHARE = 10, 0.004
_DESK_SHARE = 0.12  # of a travel merchant's online bookings are typed by its own staff, on one device
_TRAVEL = tuple(i for i, c in enumerate(t.CATEGORIES) if c.name in {"TRAVEL", "AIRLINE"})
_TICKETS = tuple(i for i, c in enumerate(t.CATEGORIES) if c.name == "TICKETS")
_DESK = 1 << 37


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """First attempts, before the other columns are drawn."""

    time_ms: Ints
    card: Ints
    merchant: Ints
    familiar: Ints


def hour(world: World, number: int) -> Rows:
    """Return the genuine events that begin in hour `number` of the stream, unsorted.

    Their retries, reversals and refunds are included, and may be up to twelve days later.
    """
    rng = world.generator(10, number)
    start_ms = world.config.start_ms + number * HOUR_MS
    local = (start_ms + _TOKYO_MS) // HOUR_MS
    weekday = (local // 24 + 3) % 7  # the epoch was a Thursday
    per_day = world.config.events_per_day * _WEEKDAYS[weekday]
    online = int(rng.poisson(per_day * _ONLINE_SHARE * _ONLINE_HOURS[local % 24] / _ONLINE_HOURS.sum()))
    present = int(rng.poisson(per_day * _PRESENT_SHARE * _PRESENT_HOURS[local % 24] / _PRESENT_HOURS.sum()))
    wishes = [
        _shopping(world, rng, start_ms, online, world.people.home_online, t.ECOM),
        _shopping(world, rng, start_ms, present, world.people.home_present, t.PRESENT),
        _tourists(world, rng, start_ms, int(local // 24), int(rng.poisson(present * _TOURIST_SHARE))),
    ]
    wishes.append(_sprees(world, rng, wishes[0]))
    if local % 24 == _FLASH_SALE_HOUR:
        wishes.append(_flash_sale(world, rng, start_ms, int(per_day * _FLASH_SALE_SHARE)))
    genuine = _visits(world, rng, wishes)
    intended = genuine["card"].copy()
    answers.fill(world, rng, genuine)
    genuine = joined(
        [genuine, answers.retries(world, rng, genuine, intended), _subscriptions(world, rng, start_ms, int(local))]
    )
    return joined([genuine, answers.aftermath(rng, genuine)])


def amounts(world: World, rng: np.random.Generator, card: Ints, merchant: Ints) -> Ints:
    """Draw whole-yen amounts for card and merchant: log-normal, or from the price points of the merchant."""
    shops = world.merchants
    drawn = shops.median_jpy[merchant] * rng.lognormal(0.0, shops.sigma[merchant])
    drawn *= world.people.thrift[card % world.people.cards]
    step = mixed(rng, card.size, ((1, 40), (10, 45), (100, 15)))
    rounded = np.clip(np.rint(drawn / step) * step, 50, 3_000_000).astype(np.int64)
    return np.where(shops.priced[merchant], _price_point(drawn), rounded)


def _price_point(wanted: Floats) -> Ints:
    prices = np.array(t.PRICES_JPY + t.PRICES_JPY_HIGH, dtype=np.int64)
    return prices[np.minimum(np.searchsorted(prices, wanted), prices.size - 1)]


def _shopping(world: World, rng: np.random.Generator, start_ms: int, n: int, homes: Ints, channel: int) -> _Wish:
    """Draw n first attempts of residents: mostly at their usual shops, else at any shop by size."""
    shops = world.merchants
    card = weighted(rng, world.people.rate_cdf, n)
    anywhere = (
        shops.online[weighted(rng, shops.online_cdf, n)]
        if channel == t.ECOM
        else shops.present[weighted(rng, shops.present_cdf, n)]
    )
    familiar = chance(rng, n, 0.72)
    # The first of one's shops gets most of the visits.
    favourite = np.minimum(rng.geometric(0.45, n) - 1, homes.shape[1] - 1)
    return _Wish(
        time_ms=start_ms + rng.integers(0, HOUR_MS, n),
        card=card,
        merchant=np.where(familiar, homes[card, favourite], anywhere),
        familiar=familiar.astype(np.int64),
    )


def _tourists(world: World, rng: np.random.Generator, start_ms: int, day: int, n: int) -> _Wish:
    """Draw n purchases of travellers who are in the country this week."""
    first, stay = world.people.tourists_on(day)
    shops = world.merchants
    # Squared: some travellers shop, most do not.
    card = first + (rng.random(n) ** 2 * stay).astype(np.int64)
    return _Wish(
        time_ms=start_ms + rng.integers(0, HOUR_MS, n),
        card=card,
        merchant=shops.present[weighted(rng, shops.present_cdf, n)],
        familiar=np.zeros(n, np.int64),
    )


def _sprees(world: World, rng: np.random.Generator, first: _Wish) -> _Wish:
    """Draw further purchases within the hour after some online purchases: the same game, or another shop."""
    n = first.card.size
    gaming = world.merchants.priced[first.merchant]
    begins = np.flatnonzero(chance(rng, n, np.where(gaming, 0.07, 0.03)))
    more = np.minimum(rng.geometric(0.4, begins.size), 7)
    source = np.repeat(begins, more)
    position = np.arange(source.size) - np.repeat(np.cumsum(more) - more, more)
    pace_ms = np.where(gaming[source], 90_000, 500_000)
    elsewhere = ~gaming[source] & chance(rng, source.size, 0.6)
    anywhere = world.merchants.online[weighted(rng, world.merchants.online_cdf, source.size)]
    return _Wish(
        time_ms=first.time_ms[source] + ((position + rng.uniform(0.3, 1.3, source.size)) * pace_ms).astype(np.int64),
        card=first.card[source],
        merchant=np.where(elsewhere, anywhere, first.merchant[source]),
        familiar=np.where(elsewhere, 0, first.familiar[source]),
    )


def _flash_sale(world: World, rng: np.random.Generator, start_ms: int, n: int) -> _Wish:
    """Draw the rush at one ticket shop when a sale opens: thousands of cards in minutes, all genuine."""
    shops = world.merchants.online_where(np.isin(world.merchants.category, _TICKETS))
    return _Wish(
        time_ms=start_ms + rng.exponential(100_000, n).astype(np.int64),
        card=weighted(rng, world.people.rate_cdf, n),
        merchant=np.full(n, rng.choice(shops)),
        familiar=np.zeros(n, np.int64),
    )


def _visits(world: World, rng: np.random.Generator, wishes: list[_Wish]) -> Rows:
    card = np.concatenate([w.card for w in wishes])
    merchant = np.concatenate([w.merchant for w in wishes])
    rows = attempts(np.concatenate([w.time_ms for w in wishes]), card, merchant, amounts(world, rng, card, merchant))
    rows["familiar"] = np.concatenate([w.familiar for w in wishes])
    visit.fill(world, rng, rows)
    _verifications(rng, rows)
    _desks(world, rng, rows)
    _new_lives(world, rng, rows)
    visit.charge(world, rows)
    threeds.fill(world, rng, rows)
    return rows


def _verifications(rng: np.random.Generator, rows: Rows) -> None:
    """Turn a few purchases into zero-amount checks of a card being stored."""
    check = (rows["channel"] == t.ECOM) & (rows["stored"] != 1) & (rows["age_ind"] > 1) & chance(rng, rows.size, 0.03)
    rows["type"][check] = t.VERIFICATION
    rows["jpy"][check] = 0


def _desks(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Make some travel bookings by staff who type customers' cards: one device, one address, very many cards."""
    desk = np.isin(world.merchants.category[rows["merchant"]], _TRAVEL) & (rows["channel"] == t.ECOM)
    desk &= (rows["merchant"] % 3 == 0) | chance(rng, rows.size, _DESK_SHARE)
    desk &= chance(rng, rows.size, 0.5)
    rows["device"][desk] = _DESK + rows["merchant"][desk]
    rows["ip"][desk] = _DESK + rows["merchant"][desk]
    rows["ip_net"][desk] = rows["ip"][desk] // 16


def _new_lives(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Make a few people change telephone, line and address at once and spend more: it looks like a takeover."""
    moved = (rows["channel"] == t.ECOM) & (rows["stored"] != 1) & chance(rng, rows.size, 0.0015)
    where = np.flatnonzero(moved)
    for name in ("device", "ip", "account", "address"):
        rows[name][where] = np.where(rows[name][where] >= 0, new_ids(rng, where.size), -1)
    rows["ip_net"][where] = new_ids(rng, where.size)
    rows["age_ind"][where] = account.CREATED
    account.open_new(rows, where)
    rows["jpy"][where] = (rows["jpy"][where] * rng.uniform(1.0, 5.0, where.size)).astype(np.int64)


def _subscriptions(world: World, rng: np.random.Generator, start_ms: int, local: int) -> Rows:
    """Return the merchant-initiated charges due in this hour: two nightly runs, at three and four."""
    people = world.people
    if local % 24 not in (3, 4):
        return joined([])
    due = np.flatnonzero((people.sub_day == (local // 24) % 30) & (people.sub_card % 2 == local % 24 - 3))
    n = due.size
    rows = attempts(
        start_ms + np.sort((rng.beta(1.2, 6.0, n) * HOUR_MS).astype(np.int64)),
        people.sub_card[due],
        people.sub_merchant[due],
        people.sub_jpy[due],
    )
    rows["familiar"] = 1
    visit.fill(world, rng, rows)
    rows["mit"] = 1
    rows["recurring"] = 1
    rows["stored"] = 1
    rows["entry"] = t.ON_FILE
    rows["stored_ms"] = np.where(rows["stored_ms"] < 0, rows["time_ms"] - 90 * DAY_MS, rows["stored_ms"])
    for name in ("device", "lang", "zone", "ip", "ip_net", "ip_country", "asn", "cvv2", "avs", "wallet"):
        rows[name] = -1
    rows["proxy"] = 0
    account.forget(rows, np.arange(n))
    threeds.fill(world, rng, rows)
    answers.fill(world, rng, rows)
    return rows
