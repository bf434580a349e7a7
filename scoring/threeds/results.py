"""Rules that need the feed of results: TDS12, TDS13, TDS14 by the amount of the result, and TDS23.

A payment that claims 3-D Secure is compared with the result of its dsTransID. The result comes first as a rule. Where
it is not there yet, the claim waits until the feed of its partition has passed the grace time; one that has no result
then is reported with the next payment of its merchant in the partition, as is said in ADR 0024.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import InitiatorCode, Kind, ResultState, ThreeDsStatus
from scoring.decode import ParsedResults
from scoring.decode.columns import Col
from scoring.decode.hashing import CARD_KEY, MERCHANT_KEY
from scoring.jit import borrow, entry, helper, plain, revision, whole
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
"""deviceChannel."""
_LETTER_N: Final = ord("N")
_COL: Final = plain(Col)
_ATTEMPT, _CIT = int(Kind.ATTEMPT), int(InitiatorCode.CIT)
_AUTHENTICATED, _ATTEMPTED = int(ThreeDsStatus.AUTHENTICATED), int(ThreeDsStatus.ATTEMPTED)
_CARD_KEY, _MERCHANT_KEY = CARD_KEY, MERCHANT_KEY
_OF_CARD, _OF_MERCHANT, _OF_ACQUIRER, _SAID = words.CARD, words.MERCHANT, words.ACQUIRER, words.SAID
_LOW_HALF, _HIGH_HALF, _EXPONENT = words.AMOUNT_LOW, words.AMOUNT_HIGH, words.EXPONENT
_LOW: Final = np.uint64(0xFFFFFFFF)


class Batch(NamedTuple):
    """The events of a batch that claim 3-D Secure, k of them.

    `rows` int64[k]; `keys` uint64[k], hashes of their dsTransIDs, 0 for none; `claimed` int64[k], seconds of their
    authentications; `refers` bool[k]: by right the payment refers to an authentication of another one.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.uint64]
    claimed: NDArray[np.int64]
    refers: NDArray[np.bool_]


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
    horizon, _ = auths.clock(partition)
    counts: Mapping[str, int] = {}
    if horizon < 0:
        return counts
    n = len(ints)
    batch = Batch(np.empty(n, np.int64), np.empty(n, np.uint64), np.empty(n, np.int64), np.empty(n, np.bool_))
    number = _gather(ints, taken, verdicts, *batch)
    if number:
        batch = Batch(batch.rows[:number], batch.keys[:number], batch.claimed[:number], batch.refers[:number])
        counts = _join(auths, batch, ints, hashes, tables, grace_s, partition, verdicts)
        _find_relays(auths, batch, ints, hashes, tables, verdicts)
    if auths.has_missing(partition):
        attempts = np.flatnonzero(taken & (ints[:, Col.KIND] == Kind.ATTEMPT))
        _report(auths, attempts, ints, hashes, tables, partition, verdicts)
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
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    grace_s: int,
    partition: int,
    verdicts: NDArray[np.int64],
) -> Mapping[str, int]:
    """Find the result of each claim that names a dsTransID; let the others wait, or call them missing."""
    named = np.flatnonzero(batch.keys)
    keys: list[int] = batch.keys[named].tolist()
    found = auths.find(keys, partition)
    rows = batch.rows[named]
    states = np.full(len(named), ResultState.MATCHED, dtype=np.int64)
    hits, lines = named, found
    if None in found:
        is_there = np.array([row is not None for row in found], dtype=np.bool_)
        hits, lines = named[is_there], [row for row in found if row is not None]
        states[~is_there] = _states(auths, batch, named[~is_there], ints, hashes, tables, grace_s, partition, verdicts)
    if len(hits):
        said = np.frombuffer(bytearray(b"".join(lines)), dtype=np.uint32).reshape(-1, RESULT_WORDS)  # type: ignore[arg-type]  # no None
        batch.claimed[hits] = said[:, words.SECOND]
        active = tables.lists[:, ACTIVE, 0].copy()
        _compare(
            said, batch.rows[hits], batch.refers[hits], ints, hashes, tables.starts, active, tables.settings, verdicts
        )
    verdicts[rows, RESULT] = states
    verdicts[rows, CODE] += RESULT_UNIT * states
    numbers = np.bincount(states, minlength=len(ResultState)).tolist()
    return {state.name: number for state, number in zip(ResultState, numbers, strict=True) if number}


def _states(
    auths: Authentications,
    batch: Batch,
    places: NDArray[np.int64],
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    grace_s: int,
    partition: int,
    verdicts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Say of the claims at `places`, which have no result, whether they may still get one; let these wait."""
    horizon, feed = auths.clock(partition)
    rows, claimed = batch.rows[places], batch.claimed[places]
    events = ints[rows]
    due = claimed + grace_s
    is_known = (claimed > horizon) & ~(batch.refers[places] & (events[:, Col.AUTH_MS] < 0))
    is_missing = is_known & (feed >= due)
    is_pending = is_known & ~is_missing
    is_late = is_pending & (events[:, Col.EVENT_MS] // 1_000 >= due)
    verdicts[rows[is_late], LOWERED] |= NO_RECORD
    _break(verdicts, events, tables, rows, np.where(is_missing | is_late, NO_RECORD, 0))
    waiting = np.flatnonzero(is_pending)
    for claim in zip(
        batch.keys[places[waiting]].tolist(),
        hashes[rows[waiting], MERCHANT_KEY].tolist(),
        due[waiting].tolist(),
        claimed[waiting].tolist(),
        strict=True,
    ):
        auths.wait(*claim, partition)
    return np.where(is_missing, ResultState.MISSING, np.where(is_pending, ResultState.PENDING, ResultState.UNKNOWN))


@helper
def _write_claims(
    ints: NDArray[np.int64],
    taken: NDArray[np.bool_],
    verdicts: NDArray[np.int64],
    rows: NDArray[np.int64],
    keys: NDArray[np.uint64],
    claimed: NDArray[np.int64],
    refers: NDArray[np.bool_],
) -> int:
    """Write the columns of a `Batch` for the events `taken` that claim an authentication or an attempt."""
    n = 0
    for i in range(len(ints)):
        status = verdicts[i, STATUS]
        if not taken[i] or ints[i, _COL.KIND] != _ATTEMPT or (status != _AUTHENTICATED and status != _ATTEMPTED):
            continue
        rows[n] = i
        keys[n] = np.uint64(ints[i, _COL.DS_TRANS_KEY])
        claimed[n] = (ints[i, _COL.AUTH_MS] if ints[i, _COL.AUTH_MS] >= 0 else ints[i, _COL.EVENT_MS]) // 1_000
        refers[n] = ints[i, _COL.INITIATOR] != _CIT or ints[i, _COL.DEVICE_CHANNEL] == _THREE_RI
        n += 1
    return n


@helper
def _judge(
    said: NDArray[np.uint32],
    rows: NDArray[np.int64],
    refers: NDArray[np.bool_],
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    active: NDArray[np.int64],
    settings: NDArray[np.float64],
    verdicts: NDArray[np.int64],
) -> None:
    """Compare payments with their results: said uint32[h, RESULT_WORDS]. Nothing is said of those that refer."""
    for k in range(len(rows)):
        if refers[k]:
            continue
        line, row, hashed = said[k], ints[rows[k]], hashes[rows[k]]
        currency = whole(line[_SAID]) & 0xFFFF
        differs = 0
        if np.uint64(row[_COL.ACQUIRER_KEY]) & _LOW != np.uint64(line[_OF_ACQUIRER]):
            differs |= 2
        elif hashed[_CARD_KEY] & _LOW != np.uint64(line[_OF_CARD]):
            differs |= 1
        if hashed[_MERCHANT_KEY] & _LOW != np.uint64(line[_OF_MERCHANT]):
            differs |= 2
        if currency != 0 and currency != row[_COL.CURRENCY]:
            differs |= 4
        broken = OTHER_PAYMENT if differs != 0 else 0
        amount = whole(line[_LOW_HALF]) | whole(line[_HIGH_HALF]) << 32
        if amount > 0 and currency == row[_COL.CURRENCY]:
            own = whole(line[_EXPONENT]) - 1 if line[_EXPONENT] > 0 else row[_COL.EXPONENT]
            paid = float(row[_COL.AMOUNT_MINOR]) * 10.0**own
            if paid > float(amount - 1) * 10.0 ** row[_COL.EXPONENT] * (1.0 + settings[0]):
                broken |= ABOVE
                verdicts[rows[k], RESULT_AMOUNT], verdicts[rows[k], RESULT_EXPONENT] = amount, own + 1
        if broken != 0:
            layer = len(starts) - 1
            while row[_COL.EVENT_MS] < starts[layer]:
                layer -= 1
            verdicts[rows[k], DIFFERS] = differs
            verdicts[rows[k], BROKEN] |= broken
            verdicts[rows[k], RULES] |= broken & active[layer]


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def gather(
        ints: NDArray[np.int64],
        taken: NDArray[np.bool_],
        verdicts: NDArray[np.int64],
        rows: NDArray[np.int64],
        keys: NDArray[np.uint64],
        claimed: NDArray[np.int64],
        refers: NDArray[np.bool_],
    ) -> int:
        return _write_claims(*borrow((ints, taken, verdicts, rows, keys, claimed, refers))) + 0 * key

    @entry
    def compare(
        said: NDArray[np.uint32],
        rows: NDArray[np.int64],
        refers: NDArray[np.bool_],
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        starts: NDArray[np.int64],
        active: NDArray[np.int64],
        settings: NDArray[np.float64],
        verdicts: NDArray[np.int64],
    ) -> int:
        _judge(*borrow((said, rows, refers, ints, hashes, starts, active, settings, verdicts)))
        return key

    return gather, compare


_gather, _compare = _compile(revision("scoring.threeds"))


def _find_relays(
    auths: Authentications,
    batch: Batch,
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    tables: Tables,
    verdicts: NDArray[np.int64],
) -> None:
    """Find authentications that follow failed challenges of their card: one-time passwords are relayed."""
    places = np.flatnonzero(~batch.refers & (verdicts[batch.rows, STATUS] == ThreeDsStatus.AUTHENTICATED))
    failures = auths.failures(hashes[batch.rows[places], CARD_KEY].tolist())
    for place, seconds in failures.items():
        k = places[place]
        row, at = batch.rows[k], int(batch.claimed[k])
        event = ints[row : row + 1]
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


def run_results(
    ints: NDArray[np.int64], hashes: NDArray[np.uint64], tables: Tables, verdicts: NDArray[np.int64]
) -> None:
    """Run the kernels for no events, to compile them."""
    none, nothing = np.empty(0, np.int64), np.empty(0, np.bool_)
    _gather(ints, nothing, verdicts, none, np.empty(0, np.uint64), none, nothing)
    said = np.empty((0, RESULT_WORDS), np.uint32)
    _compare(said, none, nothing, ints, hashes, tables.starts, none, tables.settings, verdicts)
