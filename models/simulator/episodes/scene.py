"""Common parts of all episodes: victims, thieves' devices and addresses, visits that start as genuine ones."""

from dataclasses import dataclass

import numpy as np

from models.simulator.events import account, threeds, visit
from models.simulator.events.rows import Rows, attempts
from models.simulator.traffic import amounts
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Floats, Ints, Mask, chance, mixed, new_ids, weighted

MINUTE_MS = 60_000
ASN_VPS = 16509
_CASH_OUT = tuple(i for i, c in enumerate(t.CATEGORIES) if c.goods in {"APPLIANCES", "E_MONEY", "TICKETS", "DIGITAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Inputs of one episode. `severity`: from 0 (quiet, slow, small) to 1 (loud, fast, large)."""

    world: World
    rng: np.random.Generator
    start_ms: int
    severity: float

    def between(self, quiet: float, loud: float) -> float:
        """Interpolate by severity, with 25 % of noise, so that no two episodes are alike."""
        return (quiet + (loud - quiet) * self.severity) * float(self.rng.lognormal(0.0, 0.25))

    def count(self, quiet: float, loud: float) -> int:
        """Draw a whole number of at least one around `between`."""
        return max(1, int(self.rng.poisson(max(0.5, self.between(quiet, loud)))))

    def times(self, n: int, gap_ms: float) -> Ints:
        """Draw n moments from the start on, `gap_ms` apart on average, the first at once."""
        gaps = self.rng.gamma(0.8, gap_ms / 0.8, n)
        gaps[:1] = 0
        return self.start_ms + np.cumsum(gaps).astype(np.int64)

    def victims(self, n: int) -> Ints:
        """Draw n domestic cards, in proportion to their use."""
        cards = weighted(self.rng, self.world.people.rate_cdf, n)
        return cards % self.world.people.residents

    def shops(self, n: int, wanted: Mask | None = None) -> Ints:
        """Draw n online merchants among `wanted` (default: goods for resale), larger ones more often."""
        found = self.world.merchants.online_where(self.resale() if wanted is None else wanted)
        weight = np.sqrt(self.world.merchants.weight[found])
        out: Ints = self.rng.choice(found, n, p=weight / weight.sum())
        return out

    def resale(self) -> Mask:
        """Return the merchants whose goods are easily resold (high-risk goods of the Guidelines)."""
        return np.isin(self.world.merchants.category, _CASH_OUT)

    def weak(self, item: int) -> Floats:
        """Return a weight per merchant that is high where checklist item `item` (0-5) is not implemented."""
        return np.where(self.world.merchants.items[:, item] == t.NOT_IMPLEMENTED, 6.0, 1.0)

    def weak_shop(self, item: int, wanted: Mask | None = None) -> int:
        """Draw one online merchant, preferring those with a gap at checklist item `item`, neither huge nor tiny."""
        found = self.world.merchants.online_where(self.resale() if wanted is None else wanted)
        weight = self.weak(item)[found] * self.world.merchants.weight[found] ** 0.3
        return int(self.rng.choice(found, p=weight / weight.sum()))

    def visits(self, time_ms: Ints, card: Ints, merchant: Ints, jpy: Ints) -> tuple[Rows, Ints]:
        """Return approved visits like the cardholders' own, and the row numbers that get traces of a thief.

        The other rows are camouflage: the victim's own shops, amounts, device and address. They cannot be told apart
        from genuine ones, so no model reaches a perfect score here.
        """
        n = card.size
        people = self.world.people
        quiet = chance(self.rng, n, self.world.config.quiet_share)
        own = people.home_online[card, self.rng.integers(0, people.home_online.shape[1], n)]
        merchant = np.where(quiet, own, merchant)
        jpy = np.where(quiet, amounts(self.world, self.rng, card, merchant), jpy)
        rows = attempts(time_ms, card, merchant, jpy)
        rows["familiar"] = quiet
        visit.fill(self.world, self.rng, rows)
        threeds.fill(self.world, self.rng, rows)
        rows["answer"] = t.OK
        return rows, np.flatnonzero(~quiet)

    def tools(self, rows: Rows, where: Ints, *, devices: int, addresses: int = 0) -> None:
        """Replace in place device and line, and the delivery address if any, by a few of the thief's.

        One thief in four uses a carrier's shared address, like a third of all shoppers.
        """
        n = where.size
        rng = self.rng
        device, line = new_ids(rng, devices), new_ids(rng, devices)
        which = rng.integers(0, devices, n)
        rows["device"][where] = device[which]
        style = rng.random()
        if style < 0.75:
            rows["ip"][where] = line[which]
            rows["ip_net"][where] = line[which] // 16
            rows["asn"][where] = np.where(style < 0.3, ASN_VPS, visit.ASN_MOBILE if style < 0.5 else 17676)
            rows["proxy"][where] = style < 0.25
        else:
            rows["ip"][where] = visit.carrier_ip(self.world, rng, rows["card"][where])
            rows["ip_net"][where] = rows["ip"][where] // 16
            rows["asn"][where] = visit.ASN_MOBILE
        if style < 0.14:
            rows["ip_country"][where] = rng.integers(1, len(t.COUNTRIES))
        if rng.random() < 0.2:
            rows["lang"][where] = rng.integers(1, len(t.LANGS))
        if rng.random() < 0.12:
            rows["zone"][where] = rng.integers(1, len(t.TIME_ZONES))
        goods = rows["address"][where] >= 0
        if addresses:
            drop = new_ids(rng, addresses)
            rows["address"][where] = np.where(goods, drop[rng.integers(0, addresses, n)], -1)
            account.use_first(rows, where[goods])
            rows["forwarder"][where] = np.where(goods, rng.random() < 0.3, -1)
            rows["method"][where] = np.where(goods, mixed(rng, n, ((0, 70), (1, 25), (2, 5))), -1)

    def stranger(self, rows: Rows, where: Ints) -> None:
        """Make the shopper in place a new one: no card on file, a guest or an account opened just now."""
        n = where.size
        guest = chance(self.rng, n, 0.5)
        rows["account"][where] = np.where(guest, -1, new_ids(self.rng, n))
        rows["age_ind"][where] = np.where(guest, 1, mixed(self.rng, n, ((2, 75), (3, 20), (5, 5))))
        account.open_new(rows, where)
        rows["email"][where] = new_ids(self.rng, n)
        rows["domain"][where] = mixed(self.rng, n, ((0, 45), (1, 15), (2, 10), (5, 15), (6, 15)))
        rows["phone"][where] = np.where(chance(self.rng, n, 0.5), new_ids(self.rng, n), -1)
        rows["stored"][where] = 0
        rows["stored_ms"][where] = -1
        rows["wallet"][where] = -1
        rows["entry"][where] = t.KEYED
        rows["cvv2"][where] = mixed(self.rng, n, ((0, 90), (2, 10)))

    def decline(self, rows: Rows, where: Ints, choices: tuple[tuple[int, float], ...]) -> None:
        """Draw the issuers' answers of `where` in place from (answer, weight) pairs."""
        answer = mixed(self.rng, where.size, choices)
        rows["answer"][where] = answer
        code = rows["cvv2"][where]
        code = np.where((answer == t.OK) & (code == 1), 0, code)  # an issuer hardly ever approves a wrong code
        rows["cvv2"][where] = np.where((answer == t.BAD_CVV) & (code >= 0), 1, code)


def yen(rng: np.random.Generator, n: int, median: float, sigma: float, *, low: int = 100, high: int = 800_000) -> Ints:
    """Draw n whole-yen amounts, log-normal around a median, rounded like prices."""
    step = mixed(rng, n, ((1, 30), (10, 40), (100, 30)))
    drawn = np.rint(rng.lognormal(np.log(median), sigma, n) / step) * step
    return np.clip(drawn, low, high).astype(np.int64)
