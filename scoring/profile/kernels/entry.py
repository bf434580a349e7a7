"""Read and update all rows of each event, in order: the two entry points, compiled on first use and cached."""

from collections.abc import Callable
from math import nan
from typing import Final

import numpy as np

from scoring.jit import borrow, constant, entry, helper, revision, whole
from scoring.profile.catalog import PROGRAM, TERMS
from scoring.profile.entities import SMALL_JPY_MAX, TIME_S_MAX, WINDOW_S, Entity, Statistic
from scoring.profile.kernels.arrays import Arena, Columns, Keys, Outputs, ReportColumns, Scratch, Words
from scoring.profile.kernels.card import is_repeat, read_card, read_card_reports, remember_id, report_card, update_card
from scoring.profile.kernels.merchant_reports import read_merchant_reports, report_merchant
from scoring.profile.kernels.rings import (
    ADDS,
    CLOCK,
    CLOCKS,
    add_rings,
    cell_of,
    read_rings,
    read_sketches,
    set_clock,
    stand,
)
from scoring.profile.kernels.store import FIRST_S, LAST_S, find_or_insert
from scoring.profile.layout import TABLES, Value
from scoring.profile.row_plans import Block

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

_ABSENT: Final = np.uint64(0)
_ONE: Final = int(Value.ONE)
_AMOUNT: Final = int(Value.AMOUNT)
_SINCE: Final = int(Value.SINCE)
_AGE: Final = int(Value.AGE)
_OUTCOME_APPROVED: Final = 1
_OF_CARD: Final = int(Value.ZSCORE)
_RINGS_AT: Final = int(Value.END)
_DISTINCT_AT: Final = TABLES.distinct_at
_NOVELTY_AT: Final = TABLES.novelty_at
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
def _read_row(
    arena: Arena, entity: int, at: int, keys: Keys, i: int, second: int, moves: bool, work: Words, values: Scratch
) -> None:
    """Bring one row's rings up to the event and read what every entity has. `at`: word offset of the row."""
    clock = CLOCKS + CLOCK * entity
    last_s = whole(arena.singles[2 * at + LAST_S])
    set_clock(work, clock, last_s, moves)
    read_rings(arena.words, at, entity, _SUMS, work, clock, values)
    if entity == _CARD:
        read_rings(arena.shorts, 4 * at, entity, _SHORTS, work, clock, values)
        read_rings(arena.octets, 8 * at, entity, _BYTES, work, clock, values)
    else:
        read_rings(arena.singles, 2 * at, entity, _COUNTS, work, clock, values)
    stands_s = max(second, last_s)
    fresh = last_s == 0
    values[_SINCE + entity] = nan if fresh or not moves else float(max(second - last_s, 0))
    values[_AGE + entity] = nan if fresh else float(stands_s - whole(arena.singles[2 * at + FIRST_S]))
    read_sketches(arena, 2 * at, entity, stands_s, values)
    for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
        element = keys[i, _ELEMENT[sketch]]
        values[_NOVELTY_AT + sketch] = nan
        if element != _ABSENT and not fresh:
            seen_s = whole(arena.singles[cell_of(2 * at, sketch, element)])
            values[_NOVELTY_AT + sketch] = 1.0 if seen_s < max(stands_s - _NOVEL_S, 1) else 0.0


@helper
def _update_row(
    arena: Arena, entity: int, at: int, keys: Keys, i: int, second: int, attempt: bool, work: Words
) -> None:
    """Add an event to the rings and sketches of the row that `_read_row` brought up to it, and move the row's times."""
    clock = CLOCKS + CLOCK * entity
    add_rings(arena.words, at, entity, _SUMS, work, clock, _SUM_TOP)
    if entity == _CARD:
        add_rings(arena.shorts, 4 * at, entity, _SHORTS, work, clock, _SHORT_TOP)
        add_rings(arena.octets, 8 * at, entity, _BYTES, work, clock, _BYTE_TOP)
    else:
        add_rings(arena.singles, 2 * at, entity, _COUNTS, work, clock, _COUNT_TOP)
    last_s = whole(arena.singles[2 * at + LAST_S])
    arena.singles[2 * at + LAST_S] = max(last_s, second)
    if last_s == 0 or second < whole(arena.singles[2 * at + FIRST_S]):
        arena.singles[2 * at + FIRST_S] = second
    if attempt:
        for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
            element = keys[i, _ELEMENT[sketch]]
            if element != _ABSENT:
                cell = cell_of(2 * at, sketch, element)
                arena.singles[cell] = max(whole(arena.singles[cell]), second)


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
def _read_event(
    arena: Arena, columns: Columns, i: int, at: Words, event_s: int, moves: bool, work: Words, values: Scratch
) -> None:
    """Find the rows of one event and read them all into the scratch; the card's row is found already."""
    amount = min(columns.amount_jpy[i], _AMOUNT_TOP)
    values[_AMOUNT] = float(amount) if amount >= 0 else nan
    for entity in range(_ENTITIES):
        key = columns.keys[i, entity]
        if key == _ABSENT:
            _blank(entity, values)
            continue
        if entity != _CARD:
            at[entity] = find_or_insert(arena, entity, key)
        last_s = whole(arena.singles[2 * at[entity] + LAST_S])
        second = event_s if moves else last_s
        _read_row(arena, entity, at[entity], columns.keys, i, second, moves, work, values)
        if entity == _CARD:
            read_card(arena, 8 * at[_CARD], columns, i, max(second, last_s), max(second - last_s, 0), values)
            read_card_reports(arena, 8 * at[_CARD], second, values)
        elif entity == _MERCHANT:
            read_merchant_reports(arena, at[_MERCHANT], work, second, moves, values)


@helper
def _update_rows(arena: Arena, columns: Columns, i: int, at: Words, event_s: int, work: Words) -> None:
    """Let one event count in all of its rows."""
    amount = min(columns.amount_jpy[i], _AMOUNT_TOP)
    attempt = columns.kind[i] == 0
    _figure(whole(columns.outcome[i]), whole(columns.kind[i]), amount, columns.tds_failed[i], work)
    for entity in range(_ENTITIES):
        if columns.keys[i, entity] == _ABSENT:
            continue
        if entity == _CARD and attempt:
            last_s = whole(arena.singles[2 * at[_CARD] + LAST_S])
            update_card(arena, 8 * at[_CARD], columns, i, amount, event_s, last_s)
        _update_row(arena, entity, at[entity], columns.keys, i, event_s, attempt, work)


@helper
def _read_then_update(columns: Columns, outputs: Outputs, first_column: int, arena: Arena) -> None:
    out, repeats = outputs.features, outputs.repeats
    values, work, at = arena.values, arena.work, arena.at
    values[_ONE] = 1.0
    for i in range(len(columns.event_id)):
        card = columns.keys[i, _CARD]
        if card != _ABSENT:
            at[_CARD] = find_or_insert(arena, _CARD, card)
            event_id = whole(max(columns.event_id[i], np.uint64(1)))
            repeats[i] = is_repeat(arena, at[_CARD], event_id)
            if repeats[i]:
                out[i, first_column : first_column + len(_PROGRAM)] = nan
                continue
            remember_id(arena, at[_CARD], event_id)
        event_s = columns.time_ms[i] // 1000
        moves = columns.trusted_time[i] and 1 <= event_s <= TIME_S_MAX
        if moves:
            stand(work, event_s)
            if card != _ABSENT:
                outputs.disordered[i] = event_s < whole(arena.singles[2 * at[_CARD] + LAST_S])
        _read_event(arena, columns, i, at, event_s, moves, work, values)
        _write_features(values, out, i, first_column)
        if moves:
            _update_rows(arena, columns, i, at, event_s, work)


@helper
def _report(columns: ReportColumns, arena: Arena) -> None:
    values, work = arena.values, arena.work
    for i in range(len(columns.card)):
        received_s = (columns.received_ms[i] + 999) // 1000  # rounded up: never visible to an event before it
        if not 1 <= received_s <= TIME_S_MAX:
            continue
        amount = min(columns.amount_jpy[i], _AMOUNT_TOP)
        if columns.card[i] != _ABSENT:
            at = find_or_insert(arena, _CARD, columns.card[i])
            report_card(arena, 8 * at, received_s, amount)
        if columns.merchant[i] != _ABSENT:
            at = find_or_insert(arena, _MERCHANT, columns.merchant[i])
            report_merchant(arena, at, work, received_s, amount, values)


ReadThenUpdate = Callable[[Columns, Outputs, int, Arena], int]
Report = Callable[[ReportColumns, Arena], int]


def _entry_points(built_from: int) -> tuple[ReadThenUpdate, Report]:
    """Make the two functions that numba caches, keyed by the digest of all that they call, which they return."""

    @entry
    def read_then_update(columns: Columns, outputs: Outputs, first_column: int, arena: Arena) -> int:
        _read_then_update(borrow(columns), borrow(outputs), first_column, borrow(arena))
        return built_from

    @entry
    def report(columns: ReportColumns, arena: Arena) -> int:
        _report(borrow(columns), borrow(arena))
        return built_from

    return read_then_update, report


read_then_update, report = _entry_points(revision("scoring.profile"))
