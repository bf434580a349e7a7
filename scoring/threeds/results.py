"""Rules that need the feed of results: TDS12, TDS13, TDS14 by the amount of the result, and TDS23.

A payment that claims 3-D Secure is compared with the result of its dsTransID. The result comes first as a rule. Where
it is not there yet, the claim waits until the feed of its partition has passed the grace time; one that has no result
then is reported with the next payment of its merchant in the partition, as is said in ADR 0024.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import InitiatorCode, Kind, ResultState, ThreeDsStatus
from scoring.decode import ParsedResults
from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, MERCHANT_KEY
from scoring.threeds import authentications as words
from scoring.threeds.authentications import RESULT_WORDS, Authentications, Result, Settled
from scoring.threeds.columns import (
    BROKEN,
    CODE,
    DIFFERS,
    FAILURES,
    LOWERED,
    RESULT,
    RESULT_AMOUNT,
    RESULT_EXPONENT,
    RESULT_UNIT,
    RULES,
    STATUS,
    UNMATCHED,
    UNMATCHED_MS,
)
from scoring.threeds.tables import ABANDONED, ACTIVE, FAILED_CHALLENGES, WITHIN_S, Tables

NO_RECORD, OTHER_PAYMENT, ABOVE, RELAY = 1 << 12, 1 << 13, 1 << 14, 1 << 23
"""Bits of TDS12, TDS13, TDS14 and TDS23."""
_THREE_RI: Final = 3
_LETTER_N, _LETTER_Y = ord("N"), ord("Y")
_LOW: Final = np.uint64(0xFFFFFFFF)


class Batch(NamedTuple):
    """The events that claim 3-D Secure, k of a batch: `rows` int64[k], and of each what the feed is asked for.

    `refers` bool[k]: by right the payment refers to an authentication of another one.
    """

    rows: NDArray[np.int64]
    ints: NDArray[np.int64]
    refers: NDArray[np.bool_]
    claimed: NDArray[np.int64]


def take_results(
    auths: Authentications, parsed: ParsedResults, taken: NDArray[np.bool_], tables: Tables, partition: int
) -> Settled:
    """Remember the results `taken`, bool[a], of a batch, and settle the claims that the feed has reached."""
    layers = np.searchsorted(tables.starts, parsed.times_ms, side="right") - 1
    known = (parsed.cancel >= 0) & (parsed.cancel < tables.lists.shape[2])
    abandoned = known & (tables.lists[layers, ABANDONED, np.where(known, parsed.cancel, 0)] == 1)
    failed = np.where(parsed.cancel >= 0, abandoned, parsed.status == _LETTER_N) & (parsed.status != ord("U"))
    seconds = np.clip(parsed.times_ms // 1_000, 0, 0xFFFFFFFF)
    columns = (
        *(parsed.transaction, parsed.server, parsed.card, parsed.merchant, parsed.acquirer, seconds, parsed.status),
        *(parsed.amount, parsed.exponent, parsed.currency, failed),
    )
    return auths.take(map(Result, *(column[taken].tolist() for column in columns)), partition)


def find_results(
    auths: Authentications,
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    taken: NDArray[np.bool_],
    tables: Tables,
    grace_s: int,
    partition: int,
    verdicts: NDArray[np.int64],
) -> Mapping[str, int]:
    """Compare the events `taken`, bool[n], with the feed; add to their verdicts what it says and the rules they break.

    Return the number of claims by `ResultState`. Arrays as in `replays.find_replays`; the columns of `verdicts` from
    RESULT on are 0.
    """
    attempts = taken & (ints[:, Col.KIND] == Kind.ATTEMPT)
    status = verdicts[:, STATUS]
    is_proven = status == ThreeDsStatus.AUTHENTICATED
    rows = np.flatnonzero(attempts & (is_proven | (status == ThreeDsStatus.ATTEMPTED)))
    horizon, _ = auths.clock(partition)
    counts: Mapping[str, int] = {}
    if len(rows) and horizon >= 0:
        some = ints[rows]
        refers = (some[:, Col.INITIATOR] != InitiatorCode.CIT) | (some[:, Col.DEVICE_CHANNEL] == _THREE_RI)
        told = some[:, Col.AUTH_MS] >= 0
        claimed = np.where(told, some[:, Col.AUTH_MS], some[:, Col.EVENT_MS]) // 1_000
        batch = Batch(rows, some, refers, claimed)
        counts = _join(auths, batch, hashes, tables, grace_s, partition, verdicts)
        _find_relays(auths, batch, is_proven[rows] & ~refers, hashes, tables, verdicts)
    if auths.has_missing(partition):
        _report(auths, np.flatnonzero(attempts), ints, hashes, tables, partition, verdicts)
    return counts


def _report(
    auths: Authentications,
    rows: NDArray[np.int64],
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    partition: int,
    verdicts: NDArray[np.int64],
) -> None:
    """Report claims of merchants that found no result, with the first payment of each among the events `rows`."""
    for place, (number, first_s) in auths.report(hashes[rows, MERCHANT_KEY].tolist(), partition).items():
        row = rows[place : place + 1]
        verdicts[row, UNMATCHED], verdicts[row, UNMATCHED_MS] = number, first_s * 1_000
        verdicts[row, LOWERED] &= ~NO_RECORD
        _break(verdicts, ints[row], tables, row, np.array([NO_RECORD]))


def _join(
    auths: Authentications,
    batch: Batch,
    hashes: NDArray[np.uint64],
    tables: Tables,
    grace_s: int,
    partition: int,
    verdicts: NDArray[np.int64],
) -> Mapping[str, int]:
    """Find the result of each claim that names a dsTransID; let the others wait, or call them missing."""
    named = np.flatnonzero(batch.ints[:, Col.DS_TRANS_KEY] != 0)
    keys: list[int] = batch.ints[named, Col.DS_TRANS_KEY].astype(np.uint64).tolist()
    found = auths.find(keys, partition)
    rows = batch.rows[named]
    states = np.full(len(named), ResultState.MATCHED, dtype=np.int64)
    hits, lines = named, found
    if None in found:
        is_there = np.array([row is not None for row in found], dtype=np.bool_)
        hits, lines = named[is_there], [row for row in found if row is not None]
        states[~is_there] = _states(auths, batch, named[~is_there], hashes, tables, grace_s, partition, verdicts)
    verdicts[rows, RESULT] = states
    verdicts[rows, CODE] += RESULT_UNIT * states
    if len(hits):
        said = np.frombuffer(b"".join(lines), dtype="<u4").reshape(-1, RESULT_WORDS)  # type: ignore[arg-type]  # no None
        batch.claimed[hits] = said[:, words.SECOND]
        _compare(batch, hits, said.astype(np.int64), hashes, tables, verdicts)
    numbers = np.bincount(states, minlength=len(ResultState)).tolist()
    return {state.name: number for state, number in zip(ResultState, numbers, strict=True) if number}


def _states(
    auths: Authentications,
    batch: Batch,
    places: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    grace_s: int,
    partition: int,
    verdicts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Say of the claims at `places`, which have no result, whether they may still get one; let these wait."""
    horizon, feed = auths.clock(partition)
    rows, events, claimed = batch.rows[places], batch.ints[places], batch.claimed[places]
    due = claimed + grace_s
    is_known = (claimed > horizon) & ~(batch.refers[places] & (events[:, Col.AUTH_MS] < 0))
    is_missing = is_known & (feed >= due)
    is_pending = is_known & ~is_missing
    is_late = is_pending & (events[:, Col.EVENT_MS] // 1_000 >= due)
    verdicts[rows[is_late], LOWERED] |= NO_RECORD
    _break(verdicts, events, tables, rows, np.where(is_missing | is_late, NO_RECORD, 0))
    waiting = np.flatnonzero(is_pending)
    for claim in zip(
        events[waiting, Col.DS_TRANS_KEY].astype(np.uint64).tolist(),
        hashes[rows[waiting], MERCHANT_KEY].tolist(),
        due[waiting].tolist(),
        claimed[waiting].tolist(),
        strict=True,
    ):
        auths.wait(*claim, partition)
    return np.where(is_missing, ResultState.MISSING, np.where(is_pending, ResultState.PENDING, ResultState.UNKNOWN))


def _compare(
    batch: Batch,
    hits: NDArray[np.int64],
    said: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    verdicts: NDArray[np.int64],
) -> None:
    """Compare payments with their results: said int64[h, RESULT_WORDS]. Another payment's result is none of theirs."""
    rows, events = batch.rows[hits], batch.ints[hits]
    low = hashes[rows][:, [CARD_KEY, MERCHANT_KEY]] & _LOW
    same_acquirer = (events[:, Col.ACQUIRER_KEY].astype(np.uint64) & _LOW).astype(np.int64) == said[:, words.ACQUIRER]
    currency = said[:, words.SAID] & 0xFFFF
    other_card = same_acquirer & (low[:, 0].astype(np.int64) != said[:, words.CARD])
    other_merchant = ~same_acquirer | (low[:, 1].astype(np.int64) != said[:, words.MERCHANT])
    other_currency = (currency != 0) & (currency != events[:, Col.CURRENCY])
    differs = np.where(batch.refers[hits], 0, other_card * 1 + other_merchant * 2 + other_currency * 4)
    verdicts[rows, DIFFERS] = differs
    amount = said[:, words.AMOUNT_LOW] | said[:, words.AMOUNT_HIGH] << 32
    exponent = said[:, words.EXPONENT] - 1
    own = np.where(exponent >= 0, exponent, events[:, Col.EXPONENT])
    paid = events[:, Col.AMOUNT_MINOR].astype(np.float64) * 10.0**own
    limit = (amount - 1).astype(np.float64) * 10.0 ** events[:, Col.EXPONENT] * (1.0 + tables.settings[0])
    above = (amount > 0) & (currency == events[:, Col.CURRENCY]) & (paid > limit)
    above &= ~batch.refers[hits]
    verdicts[rows, RESULT_AMOUNT] = np.where(above, amount, 0)
    verdicts[rows, RESULT_EXPONENT] = np.where(above, own + 1, 0)
    broken = np.zeros(len(rows), dtype=np.int64)
    broken[differs != 0] |= OTHER_PAYMENT
    broken[above] |= ABOVE
    if np.count_nonzero(broken):
        _break(verdicts, events, tables, rows, broken)


def _find_relays(
    auths: Authentications,
    batch: Batch,
    proven: NDArray[np.bool_],
    hashes: NDArray[np.uint64],
    tables: Tables,
    verdicts: NDArray[np.int64],
) -> None:
    """Find authentications that follow failed challenges of their card: one-time passwords are relayed."""
    places = np.flatnonzero(proven)
    failures = auths.failures(hashes[batch.rows[places], CARD_KEY].tolist())
    for place, seconds in failures.items():
        k = places[place]
        row, event, at = batch.rows[k], batch.ints[k : k + 1], int(batch.claimed[k])
        limits = tables.lists[np.searchsorted(tables.starts, event[0, Col.EVENT_MS], side="right") - 1, ACTIVE]
        number = sum(at - limits[WITHIN_S] <= second <= at for second in seconds)
        if limits[FAILED_CHALLENGES] and number >= limits[FAILED_CHALLENGES]:
            verdicts[row, FAILURES] = number
            _break(verdicts, event, tables, np.array([row]), np.array([RELAY]))


def _break(
    verdicts: NDArray[np.int64],
    events: NDArray[np.int64],
    tables: Tables,
    rows: NDArray[np.int64],
    broken: NDArray[np.int64],
) -> None:
    """Add broken rules, int64[k] of bits, to the verdicts of `rows`; `events` int64[k, Col] are theirs."""
    layers = np.searchsorted(tables.starts, events[:, Col.EVENT_MS], side="right") - 1
    verdicts[rows, BROKEN] |= broken
    verdicts[rows, RULES] |= broken & tables.lists[layers, ACTIVE, 0]
