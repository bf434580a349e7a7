"""Issuers' answers (ISO 8583 DE 39), and the retries, reversals and refunds that follow."""

import numpy as np

from models.simulator.events import account
from models.simulator.events.lapses import lapsed
from models.simulator.events.rows import Rows, joined
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, chance, mixed, new_ids

_ONLINE = (
    (t.OK, 9_480), (t.FUNDS, 170), (t.GENERIC, 120), (t.EXPIRED, 45), (t.BAD_CVV, 70), (t.LIMIT, 40), (t.POLICY, 15),
    (t.SUSPECTED, 14), (t.CLOSED, 6), (t.INOPERATIVE, 15), (t.MALFUNCTION, 10), (t.BAD_PAN, 15),
)  # fmt: skip
_PRESENT = (
    (t.OK, 9_860), (t.FUNDS, 70), (t.GENERIC, 30), (t.EXPIRED, 8), (t.LIMIT, 12), (t.STOLEN, 3), (t.INOPERATIVE, 12),
    (t.POLICY, 5),
)  # fmt: skip
_RECURRING = (
    (t.OK, 9_300), (t.FUNDS, 330), (t.GENERIC, 120), (t.EXPIRED, 160), (t.CLOSED, 40), (t.LIMIT, 40), (t.POLICY, 10),
)  # fmt: skip


def fill(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Draw the answers of genuine attempts in place, at the rates of each channel."""
    n = rows.size
    rows["answer"] = np.where(
        rows["mit"] == 1,
        mixed(rng, n, _RECURRING),
        np.where(rows["channel"] == t.PRESENT, mixed(rng, n, _PRESENT), mixed(rng, n, _ONLINE)),
    )
    unproven = (rows["status"] == t.STATUS_N) | (rows["status"] == t.STATUS_R) | (rows["status"] == t.STATUS_C)
    failed = np.isin(rows["cavv_result"], (t.CAVV_FAILED_Y, t.CAVV_FAILED_A))
    refused = (unproven | failed) & chance(rng, n, 0.7)
    rows["answer"] = np.where(refused, np.where(failed, t.BAD_CAVV, t.GENERIC), rows["answer"])
    foreign = (world.people.country[rows["card"] % world.people.cards] != t.JP) & (rows["channel"] == t.ECOM)
    rows["answer"] = np.where(foreign & chance(rng, n, 0.05), t.SUSPECTED, rows["answer"])
    rows["cvv2"] = np.where((rows["answer"] == t.BAD_CVV) & (rows["cvv2"] >= 0), 1, rows["cvv2"])
    lenient = (rows["answer"] == t.OK) & (rows["cvv2"] == 0) & lapsed(world, rng, rows, "CVV2")
    rows["cvv2"] = np.where(lenient, 1, rows["cvv2"])
    mistyped = np.flatnonzero((rows["answer"] == t.BAD_PAN) & (rows["channel"] == t.ECOM))
    rows["card"][mistyped] = new_ids(rng, mistyped.size)
    rows["last4"][mistyped] = rng.integers(0, 10_000, mistyped.size)


def retries(world: World, rng: np.random.Generator, rows: Rows, cards: Ints) -> Rows:
    """Return the second attempts that declined online shoppers make within minutes.

    `cards`: int64[n], the card each row was meant to carry, before a slip of the finger.
    """
    # There is no retry after a failed authentication or a wrong cryptogram.
    no = (rows["answer"] != t.OK) & ~np.isin(rows["status"], (t.STATUS_N, t.STATUS_R, t.STATUS_C))
    no &= rows["answer"] != t.BAD_CAVV
    again = np.flatnonzero(no & (rows["channel"] == t.ECOM) & (rows["mit"] == 0) & chance(rng, rows.size, 0.55))
    out = rows[again].copy()
    n = out.size
    out["card"] = cards[again]
    out["last4"] = world.people.last4[out["card"]]
    out["time_ms"] += rng.integers(15_000, 240_000, n)
    out["at_ms"] = out["time_ms"]
    out["tds_ref"] = np.where(out["tds_ref"] >= 0, new_ids(rng, n), -1)
    out["cavv"] = np.where(out["cavv"] >= 0, new_ids(rng, n), -1)
    typing = np.isin(out["answer"], (t.EXPIRED, t.BAD_CVV, t.BAD_PAN, t.INOPERATIVE, t.MALFUNCTION))
    out["answer"] = np.where(chance(rng, n, np.where(typing, 0.85, 0.3)), t.OK, out["answer"])
    out["answer"] = np.where(out["answer"] == t.BAD_PAN, t.GENERIC, out["answer"])
    out["cvv2"] = np.where(out["answer"] == t.OK, np.minimum(out["cvv2"], 0), out["cvv2"])
    return out


def undo(rng: np.random.Generator, rows: Rows, kind: int, delay_ms: Ints) -> Rows:
    """Return refunds or reversals (`kind`) of approved rows, `delay_ms` later: same card, merchant and order."""
    out = rows.copy()
    out["time_ms"] += delay_ms
    out["at_ms"] = out["time_ms"]
    out["type"] = kind
    for name in (
        "cvv2", "avs", "cavv_result", "tds", "exempt", "device", "lang", "zone", "ip", "ip_net", "ip_country", "asn",
        "account", "age_ind", "email", "domain", "phone", "address", "postal", "ship_country", "method", "forwarder",
        "stored", "stored_ms", "registered", "wallet", *account.FIELDS,
    ):  # fmt: skip
        out[name] = -1
    out["proxy"] = 0
    out["answer"] = t.OK
    out["fraud"] = 0
    out["typology"] = 0
    out["episode"] = -1
    if kind == t.REFUND:
        partly = chance(rng, out.size, 0.3)
        share = rng.uniform(0.2, 0.9, out.size)
        for name in ("minor", "jpy"):
            reduced = np.maximum(1, (out[name] * share).astype(np.int64))
            out[name] = np.where(partly, reduced, out[name])
    return out


def aftermath(rng: np.random.Generator, rows: Rows) -> Rows:
    """Return the reversals (minutes later) and refunds (days later) of genuine purchases."""
    bought = (rows["answer"] == t.OK) & (rows["type"] == t.PURCHASE) & (rows["jpy"] > 0)
    u = rng.random(rows.size)
    reversed_rows = rows[bought & (u < 0.004)]
    refunded = rows[bought & (u > 0.986) & (rows["channel"] != t.PRESENT)]
    return joined(
        [
            undo(rng, reversed_rows, t.REVERSAL, rng.integers(2_000, 1_800_000, reversed_rows.size)),
            undo(rng, refunded, t.REFUND, rng.integers(3_600_000, 12 * 86_400_000, refunded.size)),
        ]
    )
