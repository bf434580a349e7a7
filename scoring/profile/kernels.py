"""Read and update all rows of each event, in order: the two compiled entry points."""

from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.profile.card import (
    is_repeat,
    read_card,
    read_card_reports,
    remember_id,
    report_card,
    update_card,
)
from scoring.profile.entities import SMALL_JPY_MAX, TIME_S_MAX, Entity, Statistic
from scoring.profile.jit import entry, helper, revision
from scoring.profile.layout import Block, Scratch
from scoring.profile.merchant_reports import read_merchant_reports, report_merchant
from scoring.profile.rings import (
    CLOCK_ROWS,
    ELEMENT,
    SKETCH_AT,
    SLOTS,
    WINDOWS,
    add_rings,
    number_buckets,
    read_rings,
    read_sketch,
    set_clock,
    slot_of,
)
from scoring.profile.store import FIRST_S, LAST_S, find_or_insert

_ENTITIES: Final = len(Entity)
_CARD: Final = int(Entity.CARD)
_MERCHANT: Final = int(Entity.MERCHANT)
_SUMS: Final = int(Block.SUMS)
_COUNTS: Final = int(Block.COUNTS)
_SHORTS: Final = int(Block.SHORTS)
_BYTES: Final = int(Block.BYTES)
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
_STATISTIC_OF_OUTCOME: Final = (-1, _APPROVED, _CRED, _CRED, _FUNDS, _RISK, _RISK, _RISK, -1, -1, -1, _RISK)

_ONE: Final = int(Scratch.ONE)
_AMOUNT: Final = int(Scratch.AMOUNT)
_SINCE: Final = int(Scratch.SINCE)
_AGE: Final = int(Scratch.AGE)
_OF_CARD: Final = int(Scratch.ZSCORE)
_RINGS_AT: Final = int(Scratch.END)

_SUM_TOP: Final = 2**60  # five of them still fit an int64
_AMOUNT_TOP: Final = 10**15  # far above any authorization; keeps squares within float32
_COUNT_TOP: Final = 2**32 - 1
_SHORT_TOP: Final = 2**16 - 1
_BYTE_TOP: Final = 2**8 - 1


@helper
def _figure(outcome: int, kind: int, amount: int, tds_failed: bool, adds: NDArray[np.int64]) -> None:
    """Say what one event adds to each statistic."""
    adds[:] = 0
    if kind == 0:
        adds[_ATTEMPTS] = 1
        adds[_SMALL] = 0 <= amount <= SMALL_JPY_MAX
        adds[_TDS_FAILED] = tds_failed
        if 0 <= outcome < len(_STATISTIC_OF_OUTCOME) and _STATISTIC_OF_OUTCOME[outcome] >= 0:
            adds[_STATISTIC_OF_OUTCOME[outcome]] = 1
        adds[_SPEND] = max(amount, 0) * adds[_APPROVED]
    elif kind == 1:
        adds[_REVERSALS] = 1
        adds[_SPEND] = -max(amount, 0)
    else:
        adds[_REFUNDS] = 1


@helper
def _blank(entity: int, plan, scratch) -> None:  # type: ignore[no-untyped-def]
    """Say that nothing is known of an absent entity."""
    blocks, _, _, sketch_runs, _, _, query_runs = plan
    values, rings, distincts, novelties = scratch
    values[_SINCE + entity] = nan
    values[_AGE + entity] = nan
    rings[blocks[entity, 0, 0] : blocks[entity, _LAST_BLOCK, 1]] = nan
    novelties[sketch_runs[entity, 0] : sketch_runs[entity, 1]] = nan
    distincts[query_runs[entity, 0] : query_runs[entity, 1]] = nan
    if entity == _CARD:
        values[_OF_CARD:_RINGS_AT] = nan


@helper
def _read_row(entity: int, at: int, keys, second: int, moves: bool, plan, cells, clock, scratch) -> None:  # type: ignore[no-untyped-def]
    """Bring one row's rings up to the event and read what every entity has. `at`: word offset of the row."""
    blocks, rings, sketches, sketch_runs, queries, estimates, _ = plan
    sums, singles, _, shorts, octets = cells
    values, ring_values, distincts, novelties = scratch
    last_s = np.int64(singles[2 * at + LAST_S])
    set_clock(clock, last_s, second, moves)
    read_rings(sums, at, blocks[entity, _SUMS], rings, clock, ring_values)
    read_rings(singles, 2 * at, blocks[entity, _COUNTS], rings, clock, ring_values)
    if entity == _CARD:
        read_rings(shorts, 4 * at, blocks[entity, _SHORTS], rings, clock, ring_values)
        read_rings(octets, 8 * at, blocks[entity, _BYTES], rings, clock, ring_values)
    stands_s = max(second, last_s)
    fresh = last_s == 0
    values[_SINCE + entity] = nan if fresh or not moves else np.float64(max(second - last_s, 0))
    values[_AGE + entity] = nan if fresh else np.float64(stands_s - np.int64(singles[2 * at + FIRST_S]))
    for k in range(sketch_runs[entity, 0], sketch_runs[entity, 1]):
        sketch = sketches[k]
        read_sketch(singles, 2 * at, sketch, queries, estimates, stands_s, distincts)
        element = keys[sketch[ELEMENT]]
        novelties[k] = nan
        if element != np.uint64(0) and not fresh:
            seen_s = np.int64(singles[2 * at + sketch[SKETCH_AT] + slot_of(element, sketch[SLOTS])])
            novelties[k] = 1.0 if seen_s < max(stands_s - 2_592_000, 1) else 0.0


@helper
def _update_row(entity: int, at: int, keys, second: int, attempt: bool, plan, cells, clock, adds) -> None:  # type: ignore[no-untyped-def]
    """Add an event to the rings and sketches of one row and move its times."""
    blocks, rings, sketches, sketch_runs, _, _, _ = plan
    sums, singles, _, shorts, octets = cells
    last_s = np.int64(singles[2 * at + LAST_S])
    set_clock(clock, last_s, second, True)
    add_rings(sums, at, blocks[entity, _SUMS], rings, clock, adds, _SUM_TOP)
    add_rings(singles, 2 * at, blocks[entity, _COUNTS], rings, clock, adds, _COUNT_TOP)
    if entity == _CARD:
        add_rings(shorts, 4 * at, blocks[entity, _SHORTS], rings, clock, adds, _SHORT_TOP)
        add_rings(octets, 8 * at, blocks[entity, _BYTES], rings, clock, adds, _BYTE_TOP)
    singles[2 * at + LAST_S] = max(last_s, second)
    if last_s == 0 or second < np.int64(singles[2 * at + FIRST_S]):
        singles[2 * at + FIRST_S] = second
    if attempt:
        for k in range(sketch_runs[entity, 0], sketch_runs[entity, 1]):
            element = keys[sketches[k, ELEMENT]]
            if element != np.uint64(0):
                cell = 2 * at + sketches[k, SKETCH_AT] + slot_of(element, sketches[k, SLOTS])
                singles[cell] = max(np.int64(singles[cell]), second)


@helper
def _write_features(program, terms, values, out) -> None:  # type: ignore[no-untyped-def]
    """Make each feature: (a * b * scale + plus) / (c + prior), NaN where the denominator is not positive."""
    for column in range(program.shape[0]):
        a, b, c = program[column, 0], program[column, 1], program[column, 2]
        if b == _ONE and c == _ONE:
            out[column] = values[a] * terms[column, 0]
        else:
            below = values[c] + terms[column, 2]
            above = values[a] * values[b] * terms[column, 0] + terms[column, 1]
            out[column] = above / below if below > 0.0 else nan


@helper
def _read_then_update(facts, out, first_column, repeats, state, plan, program, terms, scratch_size) -> None:  # type: ignore[no-untyped-def]
    event_id, keys, time_ms, amount_jpy, outcome, kind, mcc, country, tds_failed, trusted_time = facts
    stores, index, words, sums, singles, floats, shorts, octets = state
    cells = (sums, singles, floats, shorts, octets)
    blocks, rings, sketches, _, queries, _, _ = plan
    values = np.empty(scratch_size)
    distincts_at = _RINGS_AT + rings.shape[1]
    novelties_at = distincts_at + queries.shape[0]
    ring_values = values[_RINGS_AT:distincts_at]
    scratch = (values, ring_values, values[distincts_at:novelties_at], values[novelties_at:])
    clock = np.zeros((CLOCK_ROWS, WINDOWS), np.int64)
    adds = np.zeros(_STATISTICS, np.int64)
    at = np.zeros(_ENTITIES, np.int64)
    values[_ONE] = 1.0
    for i in range(event_id.shape[0]):
        row = out[i, first_column : first_column + program.shape[0]]
        key = keys[i]
        event = max(event_id[i], np.uint64(1))
        if key[_CARD] != np.uint64(0):
            at[_CARD] = find_or_insert(stores[_CARD], index, words, singles, key[_CARD])
            repeats[i] = is_repeat(words, at[_CARD], event)
            if repeats[i]:
                row[:] = nan
                continue
            remember_id(words, at[_CARD], event)
        event_s = time_ms[i] // 1000
        moves = trusted_time[i] and 1 <= event_s <= TIME_S_MAX
        amount = min(amount_jpy[i], _AMOUNT_TOP)
        mcc_key, country_key = np.uint64(max(mcc[i], 0)), np.uint64(max(country[i], 0))
        values[_AMOUNT] = np.float64(amount) if amount >= 0 else nan
        if moves:
            number_buckets(clock, event_s)
        for entity in range(_ENTITIES):
            if key[entity] == np.uint64(0):
                _blank(entity, plan, scratch)
                continue
            if entity != _CARD:
                at[entity] = find_or_insert(stores[entity], index, words, singles, key[entity])
            last_s = np.int64(singles[2 * at[entity] + LAST_S])
            second = event_s if moves else last_s
            _read_row(entity, at[entity], key, second, moves, plan, cells, clock, scratch)
            if entity == _CARD:
                stands_s, idle_s = max(second, last_s), max(second - last_s, 0)
                read_card(
                    8 * at[_CARD], singles, floats, shorts, octets, key, mcc_key, country_key, amount, stands_s, idle_s, values
                )
                read_card_reports(8 * at[_CARD], singles, shorts, second, values)
            elif entity == _MERCHANT:
                read_merchant_reports(at[_MERCHANT], sums, singles, blocks, rings, clock, second, moves, ring_values)
        _write_features(program, terms, values, row)
        if not moves:
            continue
        attempt = kind[i] == 0
        _figure(outcome[i], kind[i], amount, tds_failed[i], adds)
        for entity in range(_ENTITIES):
            if key[entity] == np.uint64(0):
                continue
            if entity == _CARD and attempt:
                last_s = np.int64(singles[2 * at[_CARD] + LAST_S])
                update_card(
                    8 * at[_CARD], singles, floats, shorts, octets, key, mcc_key, country_key, amount, outcome[i], event_s, last_s
                )
            _update_row(entity, at[entity], key, event_s, attempt, plan, cells, clock, adds)


@helper
def _report(reports, state, plan) -> None:  # type: ignore[no-untyped-def]
    card, merchant, received_ms, amount_jpy = reports
    stores, index, words, sums, singles, _, shorts, _ = state
    blocks, rings, _, _, _, _, _ = plan
    clock = np.zeros((CLOCK_ROWS, WINDOWS), np.int64)
    adds = np.zeros(_STATISTICS, np.int64)
    values = np.empty(rings.shape[1])
    for i in range(card.shape[0]):
        received_s = (received_ms[i] + 999) // 1000  # rounded up: never visible to an event before it
        if not 1 <= received_s <= TIME_S_MAX:
            continue
        amount = min(amount_jpy[i], _AMOUNT_TOP)
        if card[i] != np.uint64(0):
            at = find_or_insert(stores[_CARD], index, words, singles, card[i])
            report_card(8 * at, singles, shorts, received_s, amount)
        if merchant[i] != np.uint64(0):
            at = find_or_insert(stores[_MERCHANT], index, words, singles, merchant[i])
            report_merchant(at, sums, singles, blocks, rings, clock, received_s, amount, adds, values)


def _entry_points(built_from):  # type: ignore[no-untyped-def]
    """Make the two functions that numba caches, keyed by the digest of all that they call."""

    @entry
    def read_then_update(facts, out, first_column, repeats, state, plan, program, terms, scratch_size):  # type: ignore[no-untyped-def]
        _read_then_update(facts, out, first_column, repeats, state, plan, program, terms, scratch_size)
        return built_from

    @entry
    def report(reports, state, plan):  # type: ignore[no-untyped-def]
        _report(reports, state, plan)
        return built_from

    return read_then_update, report


read_then_update, report = _entry_points(revision())
"""Compiled on first use and cached. The first writes features and repeats of a batch, then updates; both return a digest."""
