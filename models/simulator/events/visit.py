"""Visits: fill card, shop, device, network, account and delivery of attempts.

Genuine visits and camouflaged frauds both use this code, so it does not separate them.
"""

import numpy as np

from models.simulator.events import account
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, Mask, chance, mixed, new_ids
from models.simulator.world.merchants import SENDS_DEVICE, SENDS_IP, SENDS_SHIP, SENDS_SHOPPER

DAY_MS = 86_400_000
_TOKYO_MS = 9 * 3_600_000
_ASN_HOME = (2516, 2518, 2527, 4713, 4721, 9605, 17506, 17676)
ASN_MOBILE = 9605
ASN_HOSTING = 16509
# Address space of identities: one range per kind, all far below NEW_ID_MIN.
_SHARED_IP = 1 << 36
_LOCKER = 1 << 36
_TOURIST_LANG = (1, 1, 2, 3, 4, 2, 1, 1, 1, 1, 1, 5, 1, 6, 1, 1)
_ZONE = (0, 1, 2, 3, 4, 2, 5, 1, 2, 2, 5, 2, 5, 1, 5, 5)


def fill(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Fill in place all columns of a visit except 3-D Secure and the issuer's answer.

    Needs time_ms, card, merchant, jpy and familiar. `card` must be one of the population.
    """
    people, shops = world.people, world.merchants
    rows["issuer"] = people.issuer[rows["card"]]
    rows["last4"] = people.last4[rows["card"]]
    rows["at_ms"] = rows["time_ms"]
    rows["channel"] = shops.channel[rows["merchant"]]
    rows["order"] = new_ids(rng, rows.size)
    charge(world, rows)
    present = rows["channel"] == t.PRESENT
    rows["entry"] = np.where(
        present, mixed(rng, rows.size, ((t.CHIP, 55), (t.CONTACTLESS, 43), (t.STRIPE, 2))), t.KEYED
    )
    rows["entry"][rows["channel"] == t.MOTO] = t.MANUAL
    online = np.flatnonzero(rows["channel"] == t.ECOM)
    part = rows[online]
    _credential(world, rng, part)
    _identity(world, rng, part)
    _network(world, rng, part)
    _delivery(world, rng, part)
    account.fill(world, rng.spawn(1)[0], part)
    rows[online] = part
    _checks(world, rng, rows)


def charge(world: World, rows: Rows) -> None:
    """Convert yen amounts to the merchant's currency, in minor units of ISO 4217."""
    currency = np.array(t.CURRENCY_OF)[world.merchants.country[rows["merchant"]]]
    rows["currency"] = currency
    per_unit = np.array(t.JPY_PER_UNIT)[currency]
    scale = 10.0 ** np.array(t.EXPONENTS)[currency]
    rows["minor"] = np.maximum(
        np.where(rows["jpy"] > 0, 1, 0), np.rint(rows["jpy"] / per_unit * scale).astype(np.int64)
    )


def _credential(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Draw which cards are on file, and since when, and which visits use a wallet instead."""
    n = rows.size
    stored = (rows["familiar"] == 1) & chance(rng, n, 0.55)
    rows["stored"] = stored
    age_days = rng.integers(20, 1_500, n)
    rows["stored_ms"] = np.where(stored, rows["time_ms"] - age_days * DAY_MS, -1)
    rows["entry"][stored] = t.ON_FILE
    wallet = ~stored & chance(rng, n, 0.06)
    rows["wallet"] = np.where(wallet, rng.integers(0, len(t.WALLETS), n), -1)


def _identity(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Give each visit its device and its account at the merchant."""
    n = rows.size
    person = world.people.person[rows["card"]]
    day = rows["time_ms"] // DAY_MS
    u = rng.random(n)
    # A telephone lives about two years; its successor has another fingerprint.
    generation = (day + person * 37) // 700 % 64
    kind = np.where(u < 0.80, 0, np.where(u < 0.95, 1, 2))
    rows["device"] = (person * 64 + generation) * 4 + kind
    # Private mode, cleared storage, a friend's tablet; rarer where one has logged in and kept a card.
    fresh = chance(rng, n, np.where(rows["stored"] == 1, 0.02, 0.045))
    rows["device"] = np.where(fresh, new_ids(rng, n), rows["device"])
    country = world.people.country[rows["card"]]
    rows["lang"] = np.array(_TOURIST_LANG)[country]
    # One resident in sixteen reads another language, and a few keep their telephones on the clock of home.
    at_home = np.where(person % 16 == 3, 1 + person // 16 % (len(t.LANGS) - 1), 0)
    rows["lang"] = np.where(country == t.JP, at_home, rows["lang"])
    rows["zone"] = np.where(person % 61 == 7, person // 61 % len(t.TIME_ZONES), np.array(_ZONE)[country])
    guest = ~(rows["stored"] == 1) & chance(rng, n, np.where(rows["familiar"] == 1, 0.12, 0.45))
    rows["account"] = np.where(guest, -1, person * len(world.merchants.ids) + rows["merchant"])
    old = np.where(rows["familiar"] == 1, 0.86, 0.25)
    member = np.where(chance(rng, n, old), 5, mixed(rng, n, ((2, 50), (3, 30), (4, 20))))
    rows["age_ind"] = np.where(guest, 1, member)
    rows["email"] = np.where(chance(rng, n, 0.05), new_ids(rng, n), person)
    rows["domain"] = np.where(person % 29 == 5, 6, (person * 7 + person // 5) % 6)
    rows["phone"] = np.where(chance(rng, n, 0.7), person, -1)


def home_ip(person: Ints, day: Ints) -> Ints:
    """Return the IP address of a household's line on a day. Some providers change it every few weeks."""
    household = person // 2
    lease = np.where(household % 3 == 0, (day + household) // 21 % 4096, 0)
    out: Ints = household * 4096 + lease
    return out


def carrier_ip(world: World, rng: np.random.Generator, card: Ints) -> Ints:
    """Draw one of the IP addresses that thousands of customers of a mobile carrier share."""
    pool = max(16, world.people.cards // 600)
    out: Ints = _SHARED_IP + (rng.integers(0, pool, card.size) + world.people.region[card] * 7) % pool
    return out


def _network(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Draw the IP address of each visit: the household's line, or a shared one of a mobile carrier."""
    n = rows.size
    person = world.people.person[rows["card"]]
    day = rows["time_ms"] // DAY_MS
    home = home_ip(person, day)
    mobile = carrier_ip(world, rng, rows["card"])
    is_mobile = chance(rng, n, 0.38)
    office = _SHARED_IP + (1 << 20) + person // 40
    is_office = ~is_mobile & chance(rng, n, 0.08)
    rows["ip"] = np.where(is_mobile, mobile, np.where(is_office, office, home))
    rows["asn"] = np.where(is_mobile, ASN_MOBILE, np.array(_ASN_HOME)[person // 2 % len(_ASN_HOME)])
    country = world.people.country[rows["card"]]
    travelling = (country == t.JP) & chance(rng, n, 0.018)
    away = rng.integers(1, 11, n)
    rows["ip_country"] = np.where(travelling, away, country)
    rows["zone"] = np.where(travelling & chance(rng, n, 0.6), np.array(_ZONE)[away], rows["zone"])
    rows["ip"] = np.where(travelling, new_ids(rng, n), rows["ip"])
    vpn = chance(rng, n, 0.015)
    rows["proxy"] = vpn
    rows["ip"] = np.where(vpn, _SHARED_IP + (1 << 24) + rng.integers(0, 200, n), rows["ip"])
    rows["asn"] = np.where(vpn, ASN_HOSTING, rows["asn"])
    rows["ip_country"] = np.where(vpn & chance(rng, n, 0.4), rng.integers(1, 11, n), rows["ip_country"])
    rows["ip_net"] = rows["ip"] // 16


def _delivery(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Draw the delivery address of goods: home, a locker at the station, the office, or a present to another person."""
    n = rows.size
    people = world.people
    person = people.person[rows["card"]]
    region = people.region[rows["card"]]
    u = rng.random(n)
    home = person // 2
    present = rng.integers(0, people.person[-1] // 2 + 1, n)
    locker = _LOCKER + region * 1_000 + rng.integers(0, max(4, people.cards // 2_000), n)
    office = _LOCKER + (1 << 20) + person // 40
    rows["address"] = np.select([u < 0.82, u < 0.90, u < 0.94], [home, locker, office], present)
    rows["method"] = np.select([u < 0.82, u < 0.88, u < 0.90, u < 0.94], [0, 1, 2, 3], 0)
    rows["postal"] = region
    foreign = people.country[rows["card"]] != t.JP
    forwarder = chance(rng, n, np.where(foreign, 0.25, 0.004))
    rows["forwarder"] = forwarder
    rows["address"] = np.where(forwarder, _LOCKER + (1 << 24) + rng.integers(0, 40, n), rows["address"])
    rows["ship_country"] = np.where(foreign & ~forwarder, people.country[rows["card"]], t.JP)
    nothing: Mask = ~world.merchants.ships[rows["merchant"]]
    for name in ("address", "method", "postal", "ship_country", "forwarder"):
        rows[name][nothing] = -1


def _checks(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Draw the results of security-code and address checks. Addresses are rarely verified for Japanese cards."""
    n = rows.size
    asked = (rows["channel"] == t.ECOM) & (rows["stored"] != 1) & (rows["wallet"] < 0)
    rows["cvv2"] = np.where(asked, mixed(rng, n, ((0, 88), (2, 8), (3, 4))), -1)
    country = world.people.country[rows["card"]]
    verified = np.isin(country, (1, 6)) & asked & chance(rng, n, 0.6)
    unavailable = asked & chance(rng, n, 0.06)
    rows["avs"] = np.where(verified, mixed(rng, n, ((0, 70), (1, 8), (2, 10), (3, 12))), np.where(unavailable, 4, -1))


def hide(world: World, rows: Rows) -> None:
    """Make the fields absent, in place, that the merchant's payment service provider does not pass on."""
    psp = world.merchants.psp[rows["merchant"]]
    for sends, names in (
        (SENDS_DEVICE, ("device", "lang", "zone")),
        (SENDS_IP, ("ip", "ip_net", "ip_country", "asn")),
        (SENDS_SHOPPER, ("account", "age_ind", "email", "domain", "phone", *account.FIELDS)),
        (SENDS_SHIP, ("address", "address_usage", "postal", "ship_country", "method", "forwarder")),
    ):
        missing = ~sends[psp]
        for name in names:
            rows[name][missing] = -1
