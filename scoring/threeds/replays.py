"""Rules over several payments: a cryptogram or dsTransID that was used before (TDS08, TDS09, TDS10), and dsTransIDs
that differ only in their last four digits (TDS11). The first use of a dsTransID also keeps what was authenticated, for
the sums of payments by 3RI (`sums`).

A payment is compared with the first use of its proof that each partition keeps (`scoring.profile.proofs`). Refunds
and reversals are not compared: they refer to their payment. Payments by the merchant and by 3RI may name the dsTransID
of the first payment. A value that is missing on one side breaks no rule. Cards of two acquirers cannot be compared.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import InitiatorCode, Kind
from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, MERCHANT_KEY
from scoring.jit import borrow, entry, helper, revision, whole
from scoring.profile.proofs import (
    ACQUIRER,
    CARD,
    IS_ID,
    MERCHANT,
    ORDER,
    SAID,
    SECOND,
    USE_COLUMNS,
    Proofs,
    Replays,
)
from scoring.profile.siblings import MIX, earlier
from scoring.threeds.authentications import Authentications
from scoring.threeds.columns import BROKEN, FIRST_USE_MS, RULES, SEQUENTIAL
from scoring.threeds.sums import Sums, authenticated, find_sums
from scoring.threeds.tables import ACTIVE, SEQUENCE_IDS, SEQUENCE_S, Tables

ODD_ID: Final = 1 << 11
"""Bit of TDS11."""
OTHER_CARD, OTHER_MERCHANT, OTHER_ORDER = 1 << 8, 1 << 9, 1 << 10
"""Bits of TDS08, TDS09 and TDS10."""
_THREE_RI: Final = 3
"""deviceChannel."""
_ID_SALT: Final = np.uint64(0x9E3779B97F4A7C15)
"""Distinguishes a dsTransID from a cryptogram with the same hash."""
_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)
_HALF: Final = 0xFFFFFFFF
_COUNT: Final = (1 << 20) - 1
_DEVICE_CHANNEL: Final = int(Col.DEVICE_CHANNEL)
_KIND, _ATTEMPT = int(Col.KIND), int(Kind.ATTEMPT)
_ID_STEM: Final = int(Col.DS_TRANS_STEM)
_CAVV_KEY, _ID_KEY, _ORDER_KEY = int(Col.CAVV_KEY), int(Col.DS_TRANS_KEY), int(Col.ORDER_KEY)
_ACQUIRER_KEY, _EVENT_MS = int(Col.ACQUIRER_KEY), int(Col.EVENT_MS)


class Ids(NamedTuple):
    """The dsTransIDs among uses, k of them: `tags` and `entries` uint64[k] as in `profile.siblings`.

    int64[k] `rows` of their events, and `places` among the uses.
    """

    tags: NDArray[np.uint64]
    entries: NDArray[np.uint64]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def find_replays(
    proofs: Proofs,
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    taken: NDArray[np.bool_],
    tables: Tables,
    partition: int,
    verdicts: NDArray[np.int64],
    sums: Sums,
    auths: Authentications,
) -> None:
    """Record the proofs of the events `taken`, bool[n], and add the rules that they break to the verdicts.

    `ints` int64[n, Col] and `hashes` uint64[n, 9] as decoded, `verdicts` int64[n, VERDICT_COLUMNS].
    """
    room = 2 * len(ints)
    keys, places = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    uses = np.empty((room, USE_COLUMNS), dtype=np.uint32)
    m = len(ints)
    ids = Ids(np.empty(m, np.uint64), np.empty(m, np.uint64), np.empty(m, np.int64), np.empty(m, np.int64))
    found = _gather(ints, hashes, taken, keys, uses, places, *ids)
    n, of_ids, by_3ri = found & _COUNT, found >> 20 & _COUNT, found >> 40
    if not n:
        return
    keys, uses, places = keys[:n], uses[:n], places[:n]
    replays = proofs.observe(keys, uses, partition)
    if of_ids:
        ids = Ids(ids.tags[:of_ids], ids.entries[:of_ids], ids.rows[:of_ids], ids.places[:of_ids])
        _find_sequences(proofs, ids, replays, n, ints, tables, verdicts)
    if by_3ri:
        rows = ids.rows
        is_3ri = ints[rows, Col.DEVICE_CHANNEL] == _THREE_RI
        find_sums(sums, auths, replays, uses, ids.places[is_3ri], rows[is_3ri], ints, tables, partition, verdicts)
    if len(replays.places):
        _compare(replays, uses, places, ints, tables, verdicts)


def _compare(
    replays: Replays,
    uses: NDArray[np.uint32],
    places: NDArray[np.int64],
    ints: NDArray[np.int64],
    tables: Tables,
    verdicts: NDArray[np.int64],
) -> None:
    """Compare uses with the first ones."""
    now, known = uses[replays.places], replays.known
    broken = _broken(now, known)
    of_ids = (places[replays.places] & 1).astype(np.bool_)
    rows = places[replays.places] >> 1
    refers = (ints[rows, Col.INITIATOR] != InitiatorCode.CIT) | (ints[rows, Col.DEVICE_CHANNEL] == _THREE_RI)
    broken[of_ids] &= OTHER_MERCHANT
    broken[of_ids & refers] = 0
    for k in np.flatnonzero(broken).tolist():
        verdict, first_ms = verdicts[rows[k]], int(known[k, SECOND]) * 1_000
        known_ms = verdict[FIRST_USE_MS]
        layer = np.searchsorted(tables.starts, ints[rows[k], Col.EVENT_MS], side="right") - 1
        verdict[FIRST_USE_MS] = first_ms if known_ms < 0 else min(known_ms, first_ms)
        verdict[BROKEN] |= broken[k]
        verdict[RULES] |= broken[k] & tables.lists[layer, ACTIVE, 0]


def _find_sequences(
    proofs: Proofs,
    ids: Ids,
    replays: Replays,
    n: int,
    ints: NDArray[np.int64],
    tables: Tables,
    verdicts: NDArray[np.int64],
) -> None:
    """Find dsTransIDs of a merchant that differ only in their last four digits, in the time before each payment.

    `n` uses were observed, these ids among them.
    """
    is_new = np.ones(n, dtype=np.bool_)
    is_new[replays.places] = False
    for place, before in proofs.siblings().observe(ids.tags, ids.entries, is_new[ids.places]):
        row = ids.rows[place]
        limits = tables.lists[np.searchsorted(tables.starts, ints[row, Col.EVENT_MS], side="right") - 1, ACTIVE]
        number = 1 + earlier(before, int(ids.entries[place]), int(limits[SEQUENCE_S]))
        if limits[SEQUENCE_IDS] and number >= limits[SEQUENCE_IDS]:
            verdicts[row, SEQUENTIAL] = number
            verdicts[row, BROKEN] |= ODD_ID
            verdicts[row, RULES] |= ODD_ID & limits[0]


@helper
def _write_uses(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    taken: NDArray[np.bool_],
    keys: NDArray[np.uint64],
    uses: NDArray[np.uint32],
    places: NDArray[np.int64],
    tags: NDArray[np.uint64],
    entries: NDArray[np.uint64],
    id_rows: NDArray[np.int64],
    id_places: NDArray[np.int64],
) -> int:
    """Write the proofs of the events `taken`: keys, uses, and places; and the columns of `Ids`.

    A place is twice the row, plus 1 for ids. Return three numbers in 20 bits each: proofs, ids, and ids of 3RI.
    """
    n, of_ids, by_3ri = 0, 0, 0
    for i in range(len(ints)):
        if not taken[i] or ints[i, _KIND] != _ATTEMPT:
            continue
        for kind in range(2):
            key = np.uint64(ints[i, _ID_KEY] if kind else ints[i, _CAVV_KEY])
            if key == np.uint64(0):
                continue
            keys[n] = key ^ _ID_SALT if kind else key
            uses[n, CARD] = np.uint32(ints[i, _ID_STEM] & _HALF if kind else whole(hashes[i, CARD_KEY] & _LOW))
            uses[n, MERCHANT] = np.uint32(hashes[i, MERCHANT_KEY] & _LOW)
            uses[n, ORDER] = np.uint32(ints[i, _ORDER_KEY] & _HALF)
            uses[n, SAID] = np.uint32(0)
            if kind:
                said = authenticated(ints[i])
                uses[n, ORDER] = np.uint32(said & _HALF)
                uses[n, SAID] = np.uint32(IS_ID | said >> 32)
            uses[n, ACQUIRER] = np.uint32(ints[i, _ACQUIRER_KEY] & _HALF)
            uses[n, SECOND] = np.uint32(min(max(ints[i, _EVENT_MS] // 1_000, 0), _HALF))
            places[n] = 2 * i + kind
            if kind:
                merchant = hashes[i, MERCHANT_KEY] * np.uint64(MIX) + np.uint64(uses[n, ACQUIRER])
                tags[of_ids] = merchant << _32 | np.uint64(uses[n, CARD])
                entries[of_ids] = np.uint64(uses[n, SECOND]) << _32 | keys[n] & _LOW
                id_rows[of_ids], id_places[of_ids] = i, n
                of_ids += 1
                by_3ri += ints[i, _DEVICE_CHANNEL] == _THREE_RI
            n += 1
    return n | of_ids << 20 | by_3ri << 40


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def gather(
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        taken: NDArray[np.bool_],
        keys: NDArray[np.uint64],
        uses: NDArray[np.uint32],
        places: NDArray[np.int64],
        tags: NDArray[np.uint64],
        entries: NDArray[np.uint64],
        id_rows: NDArray[np.int64],
        id_places: NDArray[np.int64],
    ) -> int:
        arrays = borrow((ints, hashes, taken, keys, uses, places, tags, entries, id_rows, id_places))
        return _write_uses(*arrays) + 0 * key

    return gather


_gather = _compile(revision("scoring.threeds"))


def _broken(now: NDArray[np.uint32], known: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Give the rules that uses break beside the first ones: int64[k] of two uint32[k, USE_COLUMNS]."""
    differs = now != known
    other_card = ~differs[:, ACQUIRER] & differs[:, CARD]
    other_merchant = differs[:, ACQUIRER] | differs[:, MERCHANT]
    both_have_order = (now[:, ORDER] != 0) & (known[:, ORDER] != 0)
    other_order = ~other_card & ~other_merchant & both_have_order & differs[:, ORDER]
    broken = np.zeros(len(now), dtype=np.int64)
    broken[other_card] |= OTHER_CARD
    broken[other_merchant] |= OTHER_MERCHANT
    broken[other_order] |= OTHER_ORDER
    return broken
