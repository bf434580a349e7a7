"""Rules over several payments: a cryptogram or dsTransID that was used before (TDS08, TDS09, TDS10).

A payment is compared with the first use of its proof that each partition remembers (`scoring.profile.proofs`). Refunds
and reversals refer to their payment by right, and so do payments of the merchant and by 3RI to the dsTransID of the
first one. What is not known on one side breaks no rule; cards of two acquirers cannot be compared.
"""

from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import InitiatorCode, Kind
from scoring.decode import Decoded
from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, MERCHANT_KEY
from scoring.profile.proofs import ACQUIRER, CARD, FACTS, MERCHANT, ORDER, SECOND, Proofs
from scoring.threeds.columns import BROKEN, FIRST_USE_MS, RULES
from scoring.threeds.tables import ACTIVE, Tables

OTHER_CARD, OTHER_MERCHANT, OTHER_ORDER = 1 << 8, 1 << 9, 1 << 10
"""Bits of TDS08, TDS09 and TDS10."""
_THREE_RI: Final = 3
"""deviceChannel."""
_ID_SALT: Final = np.uint64(0x9E3779B97F4A7C15)
"""Tells a dsTransID from a cryptogram with the same hash."""
_LOW: Final = np.uint64(0xFFFFFFFF)
_KEYS: Final = [Col.CAVV_KEY, Col.DS_TRANS_KEY]


def find_replays(
    proofs: Proofs,
    decoded: Decoded,
    taken: NDArray[np.bool_],
    tables: Tables,
    partition: int,
    verdicts: NDArray[np.int64],
) -> None:
    """Take the proofs of the events `taken`, bool[n]; add to their verdicts the rules that they break."""
    ints = decoded.ints
    told = (ints[:, Col.CAVV_KEY] | ints[:, Col.DS_TRANS_KEY]) != 0
    events = np.flatnonzero(told & taken & (ints[:, Col.KIND] == Kind.ATTEMPT))
    if not events.size:
        return
    keys = ints[events][:, _KEYS].view(np.uint64)
    keys[:, 1] ^= np.where(keys[:, 1] != 0, _ID_SALT, np.uint64(0))
    flat = keys.reshape(-1)
    places = np.flatnonzero(flat)
    rows = events[places >> 1]
    facts = _facts(decoded, rows)
    replays = proofs.observe(flat[places], facts, partition)
    if not replays:
        return
    layers = np.searchsorted(tables.starts, ints[rows, Col.EVENT_MS], side="right") - 1
    for replay in replays:
        row, event = int(rows[replay.place]), ints[rows[replay.place]]
        broken = _broken(facts[replay.place].tolist(), replay.known)
        if places[replay.place] & 1:
            refers = event[Col.INITIATOR] != InitiatorCode.CIT or event[Col.DEVICE_CHANNEL] == _THREE_RI
            broken = 0 if refers else broken & OTHER_MERCHANT
        if broken:
            verdict, first_ms = verdicts[row], replay.known[SECOND] * 1_000
            known_ms = verdict[FIRST_USE_MS]
            verdict[FIRST_USE_MS] = first_ms if known_ms < 0 else min(known_ms, first_ms)
            verdict[BROKEN] |= broken
            verdict[RULES] |= broken & tables.lists[layers[replay.place], ACTIVE, 0]


def _facts(decoded: Decoded, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    facts = np.empty((len(rows), FACTS), dtype=np.uint32)
    facts[:, CARD] = decoded.hashes[rows, CARD_KEY] & _LOW
    facts[:, MERCHANT] = decoded.hashes[rows, MERCHANT_KEY] & _LOW
    facts[:, ORDER] = decoded.ints[rows, Col.ORDER_KEY] & 0xFFFFFFFF
    acquirers = [decoded.names[row][1] for row in rows.tolist()]
    codes = {name: crc32(name) for name in set(acquirers)}
    facts[:, ACQUIRER] = [codes[name] for name in acquirers]
    facts[:, SECOND] = np.clip(decoded.ints[rows, Col.EVENT_MS] // 1_000, 0, 0xFFFFFFFF)
    return facts


def _broken(now: list[int], known: tuple[int, ...]) -> int:
    """Give the rules that a use breaks beside a known one."""
    is_one_acquirer = now[ACQUIRER] == known[ACQUIRER]
    broken = OTHER_CARD if is_one_acquirer and now[CARD] != known[CARD] else 0
    if not is_one_acquirer or now[MERCHANT] != known[MERCHANT]:
        broken |= OTHER_MERCHANT
    if not broken and now[ORDER] != 0 and known[ORDER] != 0 and now[ORDER] != known[ORDER]:
        broken = OTHER_ORDER
    return broken
