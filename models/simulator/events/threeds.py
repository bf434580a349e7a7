"""EMV 3-D Secure of an attempt: performed or not, its verdict, and an ECI that agrees with both.

ECI values by network: authenticated 05, attempted 06, none 07, and 02, 01, 00 for Mastercard.
"""

import numpy as np

from models.simulator.events.lapses import (
    LAPSES,
    LATE_CHARGES,
    ODD_CRYPTOGRAM,
    ODD_CURRENCY,
    ODD_ID,
    ODD_VALUE,
    RETIRED_2_1_MS,
    SHARE_2_1,
    UNSAID,
    chance_of,
    lapsed,
)
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, Mask, chance, mixed, new_ids
from models.simulator.world.merchants import SHORT_ECI_PSP
from scoring.contract.threeds_codes import MANDATE_MS

_ECI_CLASS = np.array([0, 1, 2, 2, 2, 2])  # by status: authenticated, attempted, none
_DAY_S, _TOKYO_S = 86_400, 9 * 3_600
_WANTED = np.array([0.94, 0.90, 0.85, 0.15, 0.0, 0.3])  # by mode of the merchant


def fill(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Fill in place the 3-D Secure fields of genuine e-commerce attempts. Those of others stay absent."""
    n = rows.size
    rows["odd"] = 0
    mode = world.merchants.tds_mode[rows["merchant"]]
    online = (rows["channel"] == t.ECOM) & (rows["type"] == t.PURCHASE)
    wanted = _WANTED[mode]
    wanted = np.where((mode == t.CARD_REGISTRATION) & (rows["stored"] == 1), 0.03, wanted)
    wanted = np.where((mode == t.RISK_BASED) & (rows["jpy"] > 20_000), 0.7, wanted)
    excused = (rows["wallet"] >= 0) | (rows["mit"] == 1)
    performed = online & ~excused & chance(rng, n, wanted)
    told = performed | (online & chance(rng, n, 0.8))
    rows["tds"] = np.where(performed, 1, np.where(told, 0, -1))
    # A shop that must use 3-D Secure gives the reason why there was none; others often do not.
    owes = np.isin(mode, (t.EVERY_PAYMENT, t.CARD_REGISTRATION, t.RECURRING_INITIAL)) & (rows["stored"] != 1)
    said = told & ~performed & np.where(owes, ~chance_of(world, rng, rows, UNSAID), chance(rng, n, 0.5))
    reason = np.select(
        [rows["wallet"] >= 0, rows["mit"] == 1, rows["stored"] == 1],
        [1, 4, 0],
        mixed(rng, n, ((3, 80), (2, 20))),
    )
    rows["exempt"] = np.where(said, reason, -1)
    authenticate(world, rng, rows, np.flatnonzero(performed), challenge=0.2)
    kept = (rows["stored"] == 1) & (rows["stored_ms"] >= MANDATE_MS) & (mode == t.CARD_REGISTRATION)
    kept &= ~chance_of(world, rng, rows, UNSAID)
    rows["registered"] = np.where(kept, new_ids(rng, n), -1)
    lost = performed & (rows["cavv"] >= 0) & lapsed(world, rng, rows, "TDS01")
    rows["cavv"][lost] = -1
    rows["cavv_result"][lost] = -1
    one_eci = LAPSES["TDS03"].share - LAPSES["TDS02"].share
    fixed = np.flatnonzero(performed & (rows["status"] == t.STATUS_Y) & chance_of(world, rng, rows, one_eci))
    rows["eci"][fixed] = eci(world, rows["issuer"][fixed], rows["merchant"][fixed], np.full(fixed.size, 2))
    _misreport(world, rng.spawn(1)[0], rows, performed)
    _write_oddly(world, rng.spawn(1)[0], rows, performed)


def _misreport(world: World, rng: np.random.Generator, rows: Rows, performed: Mask) -> None:
    """Write in place wrong values of providers and shops about authentications: TDS02, TDS07, TDS14, TDS15, TDS19.

    `rng` is a generator of its own, so these draws do not change the others.
    """
    authenticated = rows["status"] == t.STATUS_Y
    foreign = np.flatnonzero(performed & authenticated & lapsed(world, rng, rows, "TDS02"))
    mastercard = world.issuers.network[rows["issuer"][foreign]] == t.MASTERCARD
    rows["eci"][foreign] = np.where(mastercard, t.ECIS.index("05"), t.ECIS.index("00"))
    broken = performed & (rows["cavv_result"] >= 0) & lapsed(world, rng, rows, "TDS07")
    failed_result(rows, np.flatnonzero(broken))
    more = np.flatnonzero(performed & lapsed(world, rng, rows, "TDS14"))
    rows["tds_minor"][more] = np.maximum(1, (rows["minor"][more] / rng.uniform(1.02, 1.25, more.size)).astype(np.int64))
    dated = np.flatnonzero(performed & lapsed(world, rng, rows, "TDS15"))
    late = chance(rng, dated.size, LATE_CHARGES)
    rows["tds_age_s"][dated] = np.where(
        late, rng.integers(91 * _DAY_S, 180 * _DAY_S, dated.size), rows["tds_age_s"][dated] - _TOKYO_S
    )
    unfinished = np.isin(rows["status"], (t.STATUS_N, t.STATUS_U, t.STATUS_R))
    rows["reason"][performed & unfinished & lapsed(world, rng, rows, "TDS19")] = -1


def _write_oddly(world: World, rng: np.random.Generator, rows: Rows, performed: Mask) -> None:
    """Write in place what providers and shops write oddly: TDS06, TDS11, TDS13, TDS17, TDS18, TDS22. `rng` as above."""
    proven = performed & (rows["cavv"] >= 0)
    make_odd(rows, np.flatnonzero(proven & lapsed(world, rng, rows, "TDS06")), ODD_CRYPTOGRAM)
    make_odd(rows, np.flatnonzero(performed & lapsed(world, rng, rows, "TDS11")), ODD_ID)
    make_odd(rows, np.flatnonzero(performed & lapsed(world, rng, rows, "TDS13")), ODD_CURRENCY)
    make_odd(rows, np.flatnonzero(performed & lapsed(world, rng, rows, "TDS17")), ODD_VALUE)
    rows["tds_channel"][performed & lapsed(world, rng, rows, "TDS18")] = 3
    rows["entry"][performed & lapsed(world, rng, rows, "TDS22")] = t.CHIP


def make_odd(rows: Rows, where: Ints, odd: int) -> None:
    """Set in place that something is odd about the authentications of `where`; a value of 2.3.1 stands beside 2.2.0."""
    rows["odd"][where] |= odd
    if odd == ODD_VALUE:
        rows["version"][where] = t.TDS_VERSIONS.index("2.2.0")


def failed_result(rows: Rows, where: Ints) -> None:
    """Set in place a failed check of the cryptogram by the network, for the rows `where` with verdict Y or A."""
    rows["cavv_result"][where] = np.where(rows["status"][where] == t.STATUS_A, t.CAVV_FAILED_A, t.CAVV_FAILED_Y)


def authenticate(world: World, rng: np.random.Generator, rows: Rows, where: Ints, *, challenge: float) -> None:
    """Draw the verdicts of the rows `where` in place, by the issuers' enrolment. `challenge`: share of challenges.

    After a failure there is no authorization, so N, R and an open challenge are lapses.
    """
    n = where.size
    enrolled = chance(rng, n, world.issuers.enrolled[rows["issuer"][where]])
    stepped = enrolled & chance(rng, n, challenge)
    smooth = mixed(rng, n, ((t.STATUS_Y, 967), (t.STATUS_U, 18), (t.STATUS_A, 15)))
    challenged = mixed(rng, n, ((t.STATUS_Y, 988), (t.STATUS_U, 12)))
    without = mixed(rng, n, ((t.STATUS_A, 90), (t.STATUS_U, 10)))
    status = np.where(stepped, challenged, np.where(enrolled, smooth, without))
    refused = lapsed(world, rng, rows[where], "TDS04")
    status = np.where(refused, mixed(rng, n, ((t.STATUS_N, 80), (t.STATUS_R, 20))), status)
    early = ~refused & lapsed(world, rng, rows[where], "TDS05")
    status = np.where(early, t.STATUS_C, status)
    stepped |= early
    verdict(world, rng, rows, where, status, stepped)


def verdict(world: World, rng: np.random.Generator, rows: Rows, where: Ints, status: Ints, stepped: Mask) -> None:
    """Set in place one consistent 3-D Secure verdict per row of `where`."""
    n = where.size
    rows["tds"][where] = 1
    rows["exempt"][where] = -1
    retiring = (rows["time_ms"][where] < RETIRED_2_1_MS) & chance(rng, n, SHARE_2_1)
    rows["version"][where] = np.where(retiring, 2, mixed(rng, n, ((0, 88), (1, 12))))
    rows["status"][where] = status
    reason = np.select(
        [status == t.STATUS_N, status == t.STATUS_U, status == t.STATUS_R],
        [
            np.where(
                stepped, mixed(rng, n, ((1, 50), (14, 20), (26, 30))), mixed(rng, n, ((13, 50), (8, 20), (11, 30)))
            ),
            mixed(rng, n, ((22, 60), (14, 40))),
            mixed(rng, n, ((11, 60), (12, 25), (10, 15))),
        ],
        -1,
    )
    rows["reason"][where] = reason
    rows["eci"][where] = eci(world, rows["issuer"][where], rows["merchant"][where], _ECI_CLASS[status])
    proven = (status == t.STATUS_Y) | (status == t.STATUS_A)
    rows["cavv"][where] = np.where(proven, new_ids(rng, n), -1)
    network = world.issuers.network[rows["issuer"][where]]
    checked = proven & ((network == t.VISA) | (network == t.AMEX)) & chance(rng, n, 0.7)
    rows["cavv_result"][where] = np.where(checked, np.where(status == t.STATUS_Y, t.CAVV_PASSED_Y, t.CAVV_PASSED_A), -1)
    rows["tds_ref"][where] = new_ids(rng, n)
    rows["auth_type"][where] = np.where(stepped, mixed(rng, n, ((2, 62), (3, 32), (1, 6))), -1)
    rows["challenge"][where] = stepped
    gave_up = stepped & (reason == 26)
    rows["cancel"][where] = np.where(gave_up, mixed(rng, n, ((1, 70), (4, 30))), -1)
    rows["tds_channel"][where] = np.where(chance(rng, n, 0.18), 1, 2)
    rows["tds_age_s"][where] = rng.integers(3, 90, n) + np.where(stepped, 25, 0)
    rows["tds_minor"][where] = -1


def eci(world: World, issuer: Ints, merchant: Ints, eci_class: Ints) -> Ints:
    """Return the indicator (index of ECIS) of a class (0 authenticated, 1 attempted, 2 none) on each card's network."""
    mastercard = world.issuers.network[issuer] == t.MASTERCARD
    short = world.merchants.psp[merchant] == SHORT_ECI_PSP
    out: Ints = np.where(mastercard, 3 + eci_class, np.where(short, 6 + eci_class, eci_class))
    return out


def none(rows: Rows, where: Ints) -> None:
    """Remove 3-D Secure from the rows `where`, in place: it was not performed."""
    for name in (
        "version", "status", "reason", "eci", "cavv", "tds_ref", "auth_type", "challenge", "cancel", "tds_channel",
        "tds_age_s", "tds_minor", "exempt", "cavv_result",
    ):  # fmt: skip
        rows[name][where] = -1
    rows["odd"][where] = 0
    rows["tds"][where] = 0
