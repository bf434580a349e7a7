"""Fields that only a card's row has: last event ids, merchants, devices, amounts, series of FUNDS declines."""

from math import nan, sqrt
from typing import Final

import numpy as np

from scoring.jit import constant, helper, whole
from scoring.profile.columns import EventColumns
from scoring.profile.entities import Entity
from scoring.profile.kernels.arrays import Arena, Scratch
from scoring.profile.kernels.store import mix
from scoring.profile.layout import ROW_LAYOUTS, Value
from scoring.profile.row_plans import AMOUNT_MEMORIES, IDS, MERCHANTS, RECENT

_FIELDS = ROW_LAYOUTS[Entity.CARD].fields
_IDS: Final = _FIELDS["ids"]
_MERCHANT_S: Final = _FIELDS["merchant_s"]
_LADDER_JPY: Final = _FIELDS["ladder_jpy"]
_MEANS: Final = _FIELDS["means_jpy"]
_VARIANCES: Final = _FIELDS["variances"]
_SURPRISE: Final = _FIELDS["surprise"]
_OUTLIERS: Final = _FIELDS["outliers"]
_MERCHANTS: Final = _FIELDS["merchants"]
_DEVICES: Final = _FIELDS["devices"]
_ADDRESSES: Final = _FIELDS["addresses"]
_MCCS: Final = _FIELDS["mccs"]
_COUNTRIES: Final = _FIELDS["countries"]
_LADDER: Final = _FIELDS["ladder"]
_AMOUNTS: Final = _FIELDS["amounts"]

_AMOUNT: Final = int(Value.AMOUNT)
_ZSCORE: Final = int(Value.ZSCORE)
_MEAN_AMOUNT: Final = int(Value.MEAN_AMOUNT)
_SURPRISE_TO: Final = int(Value.SURPRISE)
_OUTLIERS_TO: Final = int(Value.OUTLIERS)
_LADDER_RUN: Final = int(Value.LADDER)
_MERCHANTS_1H: Final = int(Value.MERCHANTS_1H)
_MERCHANTS_24H: Final = int(Value.MERCHANTS_24H)
_NEW_MERCHANT: Final = int(Value.NEW_MERCHANT)
_NEW_DEVICE: Final = int(Value.NEW_DEVICE)
_NEW_ADDRESS: Final = int(Value.NEW_ADDRESS)
_NEW_MCC: Final = int(Value.NEW_MCC)
_NEW_COUNTRY: Final = int(Value.NEW_COUNTRY)

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_U32_MAX: Final = 2**32 - 1
_MEMORIES: Final = AMOUNT_MEMORIES  # mean and variance forget at the rate of 1 / memory an amount
_AMOUNTS_MEMORY: Final = AMOUNT_MEMORIES[-1]
_AMOUNTS_MIN: Final = 3  # fewer say nothing about a spread
_LONGEST: Final = len(AMOUNT_MEMORIES) - 1  # the memory that says what is usual
_SURPRISE_MEMORY: Final = 8
_SURPRISE_MIN: Final = -5.0
_SURPRISE_MAX: Final = 10.0  # one amount must not outweigh all that follow
_OUTLIERS_MEMORY: Final = 16
_OUTLIER_FROM: Final = 3.0
_SHARE_ONE: Final = 65_535.0  # a share of 1 in 16 bits

UNKNOWN: Final = 0  # OutcomeClass
APPROVED: Final = 1
FUNDS: Final = 4

ASKED: Final = constant(1)
"""The lowest bit of the word of an id in a card's row: its outcome is not known yet."""

UNDECIDED: Final = constant(2)
"""The next bit: only its outcome has come, and counts as attempt and outcome. Never set together with ASKED."""

_NAME: Final = constant(~3)


@helper
def fingerprint(value: np.uint64) -> np.uint16:
    """Shorten a key or code to a fingerprint of 16 bits, never 0. Two collide once in 65,535."""
    return np.uint16(max(mix(value) >> np.uint64(48), np.uint64(1)))


@helper
def _code(value: int) -> np.uint64:
    return np.uint64(max(value, 0))


@helper
def name_of(event_id: np.uint64) -> int:
    """Return the word of an id in a card's row: never 0, with the two lowest bits free for ASKED and UNDECIDED."""
    name = whole(event_id << np.uint64(2))
    return name if name != 0 else whole(4)


@helper
def place_of(arena: Arena, at: int, name: int) -> int:
    """Return the word that holds a name among the last IDS of this card, or -1."""
    place = whole(-1)
    for k in range(IDS):
        if arena.words[at + _IDS + k] & _NAME == name:
            place = at + _IDS + k
    return place


@helper
def remember_id(arena: Arena, at: int, word: int) -> None:
    """Add an id; the oldest is dropped."""
    for k in range(IDS - 1, 0, -1):
        arena.words[at + _IDS + k] = arena.words[at + _IDS + k - 1]
    arena.words[at + _IDS] = word


@helper
def _novelty(arena: Arena, at: int, length: int, value: np.uint64) -> float:
    """Return 1.0 if a list of fingerprints has others but not this, 0.0 if it has it, NaN if value or list is empty."""
    if value == np.uint64(0) or arena.shorts[at] == 0:
        return nan
    wanted = fingerprint(value)
    for k in range(length):
        if arena.shorts[at + k] == wanted:
            return 0.0
    return 1.0


@helper
def _remember(arena: Arena, at: int, value: np.uint64) -> None:
    """Move a value to the front of a list of fingerprints; the least recently used one is dropped."""
    if value == np.uint64(0):
        return
    wanted = fingerprint(value)
    k = 0
    while k < RECENT - 1 and arena.shorts[at + k] != wanted:
        k += 1
    while k > 0:
        arena.shorts[at + k] = arena.shorts[at + k - 1]
        k -= 1
    arena.shorts[at] = wanted


@helper
def read_card(
    arena: Arena,
    at: int,
    columns: EventColumns,
    i: int,
    second: int,
    idle_s: int,
    values: Scratch,
) -> None:
    """Read memories into the scratch. `at`: byte offset of the row; `second`: the row's clock after this event."""
    at4, at2 = at >> 2, at >> 1
    in_hour, in_day = 0, 0
    for k in range(MERCHANTS):
        met = whole(arena.singles[at4 + _MERCHANT_S + k])
        in_hour += met >= max(second - _HOUR_S, 1)
        in_day += met >= max(second - _DAY_S, 1)
    values[_MERCHANTS_1H] = in_hour
    values[_MERCHANTS_24H] = in_day
    values[_NEW_MERCHANT] = _novelty(arena, at2 + _MERCHANTS, MERCHANTS, columns.keys[i, 1])
    values[_NEW_DEVICE] = _novelty(arena, at2 + _DEVICES, RECENT, columns.keys[i, 4])
    values[_NEW_ADDRESS] = _novelty(arena, at2 + _ADDRESSES, RECENT, columns.keys[i, 7])
    values[_NEW_MCC] = _novelty(arena, at2 + _MCCS, RECENT, _code(columns.mcc[i]))
    values[_NEW_COUNTRY] = _novelty(arena, at2 + _COUNTRIES, RECENT, _code(columns.country[i]))
    values[_LADDER_RUN] = arena.octets[at + _LADDER] if idle_s <= _DAY_S else 0
    has_enough = arena.octets[at + _AMOUNTS] >= _AMOUNTS_MIN
    for k in range(len(_MEMORIES)):
        values[_MEAN_AMOUNT + k] = float(arena.floats[at4 + _MEANS + k]) if has_enough else nan
        values[_ZSCORE + k] = _deviations(arena, at4, k, values[_AMOUNT]) if has_enough else nan
    values[_SURPRISE_TO] = float(arena.floats[at4 + _SURPRISE]) if has_enough else nan
    values[_OUTLIERS_TO] = float(arena.shorts[at2 + _OUTLIERS]) / _SHARE_ONE if has_enough else nan


@helper
def _deviations(arena: Arena, at4: int, k: int, amount: float) -> float:
    """Return an amount in deviations from the running mean of a memory; NaN if it is unknown."""
    mean = float(arena.floats[at4 + _MEANS + k])
    return (amount - mean) / sqrt(float(arena.floats[at4 + _VARIANCES + k]) + 0.01 * mean * mean + 1.0)


@helper
def update_card(arena: Arena, at: int, columns: EventColumns, i: int, amount: int, second: int, weighs: bool) -> None:
    """Add an attempt at `second` to the memories of a row, without its outcome.

    Memories hold an attempt once, however often it is taken; only its amount would weigh again (`weighs`).
    """
    at4, at2 = at >> 2, at >> 1
    _remember(arena, at2 + _DEVICES, columns.keys[i, 4])
    _remember(arena, at2 + _ADDRESSES, columns.keys[i, 7])
    _remember(arena, at2 + _MCCS, _code(columns.mcc[i]))
    _remember(arena, at2 + _COUNTRIES, _code(columns.country[i]))
    if columns.keys[i, 1] != np.uint64(0):
        _meet(arena, at4, at2, fingerprint(columns.keys[i, 1]), second)
    if weighs and amount > 0 and columns.outcome[i] <= APPROVED:  # not declined yet, or never
        _weigh(arena, at, float(amount))


@helper
def climb(arena: Arena, at: int, outcome: int, amount: int) -> None:
    """Take an outcome into the series of funds declines."""
    at4 = at >> 2
    if outcome == APPROVED:
        _end_ladder(arena, at)
    elif outcome == FUNDS and amount > 0:
        run = whole(arena.octets[at + _LADDER]) if amount < whole(arena.singles[at4 + _LADDER_JPY]) else 0
        arena.octets[at + _LADDER] = min(run + 1, 255)
        arena.singles[at4 + _LADDER_JPY] = min(amount, _U32_MAX)


@helper
def rest(arena: Arena, at: int, second: int, last_s: int) -> None:
    """End the series of funds declines of a card that did nothing for a day. The clock of the row is `last_s`."""
    if second - last_s > _DAY_S:
        _end_ladder(arena, at)


@helper
def _end_ladder(arena: Arena, at: int) -> None:
    arena.octets[at + _LADDER] = 0
    arena.singles[(at >> 2) + _LADDER_JPY] = 0


@helper
def _meet(arena: Arena, at4: int, at2: int, merchant: np.uint16, second: int) -> None:
    """Store the time at a merchant; the least recent merchant is dropped."""
    oldest = 0
    for k in range(MERCHANTS):
        if arena.shorts[at2 + _MERCHANTS + k] == merchant:
            arena.singles[at4 + _MERCHANT_S + k] = max(whole(arena.singles[at4 + _MERCHANT_S + k]), second)
            return
        if arena.singles[at4 + _MERCHANT_S + k] < arena.singles[at4 + _MERCHANT_S + oldest]:
            oldest = k
    if second > whole(arena.singles[at4 + _MERCHANT_S + oldest]):
        arena.singles[at4 + _MERCHANT_S + oldest] = second
        arena.shorts[at2 + _MERCHANTS + oldest] = merchant


@helper
def _weigh(arena: Arena, at: int, amount: float) -> None:
    """Update the running figures with an amount: plain means until a memory is full, exponentially weighted after."""
    at4, at2 = at >> 2, at >> 1
    seen = whole(arena.octets[at + _AMOUNTS])
    if seen >= _AMOUNTS_MIN:
        away = _deviations(arena, at4, _LONGEST, amount)
        surprise = float(arena.floats[at4 + _SURPRISE])
        surprise += (min(max(away, _SURPRISE_MIN), _SURPRISE_MAX) - surprise) / _SURPRISE_MEMORY
        arena.floats[at4 + _SURPRISE] = surprise
        outliers = float(arena.shorts[at2 + _OUTLIERS])
        outliers += ((_SHARE_ONE if away > _OUTLIER_FROM else 0.0) - outliers) / _OUTLIERS_MEMORY
        arena.shorts[at2 + _OUTLIERS] = np.uint16(outliers + 0.5)
    seen = min(seen + 1, _AMOUNTS_MEMORY)
    arena.octets[at + _AMOUNTS] = seen
    for k in range(len(_MEMORIES)):
        weight = 1.0 / float(min(seen, _MEMORIES[k]))
        off = amount - float(arena.floats[at4 + _MEANS + k])
        arena.floats[at4 + _MEANS + k] = float(arena.floats[at4 + _MEANS + k]) + weight * off
        variance = float(arena.floats[at4 + _VARIANCES + k])
        arena.floats[at4 + _VARIANCES + k] = (1.0 - weight) * (variance + weight * off * off)
