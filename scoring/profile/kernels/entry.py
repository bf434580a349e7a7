"""Read and update all rows of each event, in order: the two compiled entry points."""

from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.catalog import PROGRAM, TERMS
from scoring.profile.entities import SMALL_JPY_MAX, TIME_S_MAX, WINDOW_S, Entity, Statistic
from scoring.profile.kernels.card import is_repeat, read_card, read_card_reports, remember_id, report_card, update_card
from scoring.profile.kernels.jit import Scratch, Words, constant, entry, helper, revision, whole
from scoring.profile.kernels.merchant_reports import read_merchant_reports, report_merchant
from scoring.profile.kernels.rings import (
    ADDS,
    CLOCK,
    CLOCKS,
    WORK_SIZE,
    add_rings,
    cell_of,
    read_rings,
    read_sketches,
    set_clock,
    stand,
)
from scoring.profile.kernels.store import FIRST_S, LAST_S, find_or_insert
from scoring.profile.layout import TABLES, Block, Value

# Constants that helpers take as arguments are np.int64: of a plain int, numba would compile a copy for each value.
_ENTITIES: Final = len(Entity)
_CARD: Final = constant(Entity.CARD)
_MERCHANT: Final = constant(Entity.MERCHANT)
_SUMS: Final = constant(Block.SUMS)
_COUNTS: Final = constant(Block.COUNTS)
_SHORTS: Final = constant(Block.SHORTS)
_BYTES: Final = constant(Block.BYTES)
_LAST_BLOCK: Final = int(Block.REPORT_COUNTS)
_STATISTICS: Final = len(Statistic)

_ATTEMPTS: Final = int(Statistic.ATTEMPTS)
_APPROVED: Final = int(Statistic.APPROVED)
_CRED: Final = int(Statistic.CRED)
_FUNDS: Final = int(Statistic.FUNDS)
_RISK: Final = int(Statistic.RISK)
_SMALL: Final = int(Statistic.SMALL)
_TDS_FAILED: Final = int(Statistic.TDS_FAILED)
_REVERSALS: Final = int(Statistic.REVERSALS)
_REFUNDS: Final = int(Statistic.REFUNDS)
_SPEND: Final = int(Statistic.SPEND)
_OF_OUTCOME: Final = np.array(
    [-1, _APPROVED, _CRED, _CRED, _FUNDS, _RISK, _RISK, _RISK, -1, -1, -1, _RISK], dtype=np.int64
)

_ONE: Final = int(Value.ONE)
_AMOUNT: Final = int(Value.AMOUNT)
_SINCE: Final = int(Value.SINCE)
_AGE: Final = int(Value.AGE)
_OUTCOME_APPROVED: Final = 1
_OF_CARD: Final = int(Value.ZSCORE)
_RINGS_AT: Final = int(Value.END)
_DISTINCT_AT: Final = TABLES.distinct_at
_NOVELTY_AT: Final = TABLES.novelty_at
_SCRATCH_SIZE: Final = TABLES.scratch_size
_BLOCKS: Final = TABLES.blocks
_QUERY_RUNS: Final = TABLES.query_runs
_SKETCH_RUNS: Final = TABLES.sketch_runs
_ELEMENT: Final = TABLES.sketch_element
_PROGRAM: Final = PROGRAM
_TERMS: Final = TERMS
_NOVEL_S: Final = WINDOW_S[-1]

_SUM_TOP: Final = constant(2**60)  # five of them still fit an int64
_AMOUNT_TOP: Final = 10**15  # far above any authorization; keeps squares within float32
_COUNT_TOP: Final = constant(2**32 - 1)
_SHORT_TOP: Final = constant(2**16 - 1)
_BYTE_TOP: Final = constant(2**8 - 1)


@helper
def _figure(outcome: int, kind: int, amount: int, tds_failed: bool, work: Words) -> None:
    """Say what one event adds to each statistic."""
    for statistic in range(_STATISTICS):
        work[ADDS + statistic] = 0
    if kind == 0:
        work[ADDS + _ATTEMPTS] = 1
        work[ADDS + _SMALL] = 0 <= amount <= SMALL_JPY_MAX
        work[ADDS + _TDS_FAILED] = tds_failed
        if 0 <= outcome < len(_OF_OUTCOME) and _OF_OUTCOME[outcome] >= 0:
            work[ADDS + _OF_OUTCOME[outcome]] = 1
        if outcome == _OUTCOME_APPROVED:
            work[ADDS + _SPEND] = max(amount, 0)
    elif kind == 1:
        work[ADDS + _REVERSALS] = 1
        work[ADDS + _SPEND] = -max(amount, 0)
    else:
        work[ADDS + _REFUNDS] = 1


@helper
def _blank(entity: int, values: Scratch) -> None:
    """Say that nothing is known of an absent entity."""
    values[_SINCE + entity] = nan
    values[_AGE + entity] = nan
    for ring in range(_BLOCKS[entity, 0, 0], _BLOCKS[entity, _LAST_BLOCK, 1]):
        values[_RINGS_AT + ring] = nan
    for query in range(_QUERY_RUNS[entity, 0], _QUERY_RUNS[entity, 1]):
        values[_DISTINCT_AT + query] = nan
    for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
        values[_NOVELTY_AT + sketch] = nan
    if entity == _CARD:
        for k in range(_OF_CARD, _RINGS_AT):
            values[k] = nan


@helper
def _read_row(  # type: ignore[no-untyped-def]
    entity: int, at: int, keys, i: int, second: int, moves: bool, sums, singles, shorts, octets, work, values
) -> None:
    """Bring one row's rings up to the event and read what every entity has. `at`: word offset of the row."""
    clock = CLOCKS + CLOCK * entity
    last_s = whole(singles[2 * at + LAST_S])
    set_clock(work, clock, last_s, moves)
    read_rings(sums, at, entity, _SUMS, work, clock, values)
    if entity == _CARD:
        read_rings(shorts, 4 * at, entity, _SHORTS, work, clock, values)
        read_rings(octets, 8 * at, entity, _BYTES, work, clock, values)
    else:
        read_rings(singles, 2 * at, entity, _COUNTS, work, clock, values)
    stands_s = max(second, last_s)
    fresh = last_s == 0
    values[_SINCE + entity] = nan if fresh or not moves else float(max(second - last_s, 0))
    values[_AGE + entity] = nan if fresh else float(stands_s - whole(singles[2 * at + FIRST_S]))
    read_sketches(singles, 2 * at, entity, stands_s, values)
    for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
        element = keys[i, _ELEMENT[sketch]]
        values[_NOVELTY_AT + sketch] = nan
        if element != np.uint64(0) and not fresh:
            seen_s = whole(singles[cell_of(2 * at, sketch, element)])
            values[_NOVELTY_AT + sketch] = 1.0 if seen_s < max(stands_s - _NOVEL_S, 1) else 0.0


@helper
def _update_row(  # type: ignore[no-untyped-def]
    entity: int, at: int, keys, i: int, second: int, attempt: bool, sums, singles, shorts, octets, work
) -> None:
    """Add an event to the rings and sketches of the row that `_read_row` brought up to it, and move the row's times."""
    clock = CLOCKS + CLOCK * entity
    add_rings(sums, at, entity, _SUMS, work, clock, _SUM_TOP)
    if entity == _CARD:
        add_rings(shorts, 4 * at, entity, _SHORTS, work, clock, _SHORT_TOP)
        add_rings(octets, 8 * at, entity, _BYTES, work, clock, _BYTE_TOP)
    else:
        add_rings(singles, 2 * at, entity, _COUNTS, work, clock, _COUNT_TOP)
    last_s = whole(singles[2 * at + LAST_S])
    singles[2 * at + LAST_S] = max(last_s, second)
    if last_s == 0 or second < whole(singles[2 * at + FIRST_S]):
        singles[2 * at + FIRST_S] = second
    if attempt:
        for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
            element = keys[i, _ELEMENT[sketch]]
            if element != np.uint64(0):
                cell = cell_of(2 * at, sketch, element)
                singles[cell] = max(whole(singles[cell]), second)


@helper
def _write_features(values: Scratch, out: Scratch, i: int, first_column: int) -> None:
    """Make each feature: (a * b * scale + plus) / (c + prior), NaN where the denominator is not positive."""
    for k in range(len(_PROGRAM)):
        a, b, c = _PROGRAM[k, 0], _PROGRAM[k, 1], _PROGRAM[k, 2]
        value = values[a] * _TERMS[k, 0]
        if c != _ONE:
            below = values[c] + _TERMS[k, 2]
            value = (value * values[b] + _TERMS[k, 1]) / below if below > 0.0 else nan
        out[i, first_column + k] = value


@helper
def _read_then_update(facts, out, first_column, repeats, state) -> None:  # type: ignore[no-untyped-def]
    event_id, keys, time_ms, amount_jpy, outcome, kind, mcc, country, tds_failed, trusted_time = facts
    stores, index, sums, singles, floats, shorts, octets = state
    values = np.empty(_SCRATCH_SIZE)
    work = np.zeros(WORK_SIZE, np.int64)
    at = np.zeros(_ENTITIES, np.int64)
    values[_ONE] = 1.0
    for i in range(event_id.shape[0]):
        event = whole(max(event_id[i], np.uint64(1)))
        if keys[i, _CARD] != np.uint64(0):
            at[_CARD] = find_or_insert(stores, _CARD, index, sums, singles, keys[i, _CARD])
            repeats[i] = is_repeat(sums, at[_CARD], event)
            if repeats[i]:
                for k in range(len(_PROGRAM)):
                    out[i, first_column + k] = nan
                continue
            remember_id(sums, at[_CARD], event)
        event_s = time_ms[i] // 1000
        moves = trusted_time[i] and 1 <= event_s <= TIME_S_MAX
        amount = min(amount_jpy[i], _AMOUNT_TOP)
        mcc_key, country_key = np.uint64(max(mcc[i], 0)), np.uint64(max(country[i], 0))
        values[_AMOUNT] = float(amount) if amount >= 0 else nan
        if moves:
            stand(work, event_s)
        for entity in range(_ENTITIES):
            if keys[i, entity] == np.uint64(0):
                _blank(entity, values)
                continue
            if entity != _CARD:
                at[entity] = find_or_insert(stores, entity, index, sums, singles, keys[i, entity])
            last_s = whole(singles[2 * at[entity] + LAST_S])
            second = event_s if moves else last_s
            _read_row(entity, at[entity], keys, i, second, moves, sums, singles, shorts, octets, work, values)
            if entity == _CARD:
                stands_s, idle_s = max(second, last_s), max(second - last_s, 0)
                read_card(
                    8 * at[_CARD],
                    singles,
                    floats,
                    shorts,
                    octets,
                    keys,
                    i,
                    mcc_key,
                    country_key,
                    amount,
                    stands_s,
                    idle_s,
                    values,
                )
                read_card_reports(8 * at[_CARD], singles, shorts, second, values)
            elif entity == _MERCHANT:
                read_merchant_reports(at[_MERCHANT], sums, singles, work, second, moves, values)
        _write_features(values, out, i, first_column)
        if not moves:
            continue
        attempt = kind[i] == 0
        _figure(whole(outcome[i]), whole(kind[i]), amount, tds_failed[i], work)
        for entity in range(_ENTITIES):
            if keys[i, entity] == np.uint64(0):
                continue
            if entity == _CARD and attempt:
                last_s = whole(singles[2 * at[_CARD] + LAST_S])
                update_card(
                    8 * at[_CARD],
                    singles,
                    floats,
                    shorts,
                    octets,
                    keys,
                    i,
                    mcc_key,
                    country_key,
                    amount,
                    whole(outcome[i]),
                    event_s,
                    last_s,
                )
            _update_row(entity, at[entity], keys, i, event_s, attempt, sums, singles, shorts, octets, work)


@helper
def _report(reports, state) -> None:  # type: ignore[no-untyped-def]
    card, merchant, received_ms, amount_jpy = reports
    stores, index, sums, singles, _, shorts, _ = state
    work = np.zeros(WORK_SIZE, np.int64)
    values = np.empty(_SCRATCH_SIZE)
    for i in range(card.shape[0]):
        received_s = (received_ms[i] + 999) // 1000  # rounded up: never visible to an event before it
        if not 1 <= received_s <= TIME_S_MAX:
            continue
        amount = min(amount_jpy[i], _AMOUNT_TOP)
        if card[i] != np.uint64(0):
            at = find_or_insert(stores, _CARD, index, sums, singles, card[i])
            report_card(8 * at, singles, shorts, received_s, amount)
        if merchant[i] != np.uint64(0):
            at = find_or_insert(stores, _MERCHANT, index, sums, singles, merchant[i])
            report_merchant(at, sums, singles, work, received_s, amount, values)


def _entry_points(built_from):  # type: ignore[no-untyped-def]
    """Make the two functions that numba caches, keyed by the digest of all that they call."""

    @entry
    def read_then_update(facts, out, first_column, repeats, state):  # type: ignore[no-untyped-def]
        _read_then_update(facts, out, first_column, repeats, state)
        return built_from

    @entry
    def report(reports, state):  # type: ignore[no-untyped-def]
        _report(reports, state)
        return built_from

    return read_then_update, report


read_then_update, report = _entry_points(revision())
"""Compiled on first use and cached. The first writes features and repeats of a batch, then updates; both return a digest."""
