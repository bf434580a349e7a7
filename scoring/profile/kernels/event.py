"""Read and update all rows of one event."""

from math import nan
from typing import Final

import numpy as np

from scoring.jit import constant, helper, whole
from scoring.profile.columns import EventColumns
from scoring.profile.entities import SMALL_JPY_MAX, WINDOW_S, Entity, Statistic
from scoring.profile.features import PROGRAM, TERMS
from scoring.profile.kernels.arrays import Arena, Journal, Keys, Scratch, Words
from scoring.profile.kernels.card import (
    UNKNOWN,
    climb,
    read_card,
    rest,
    update_card,
)
from scoring.profile.kernels.days import add_attempts, read_mature
from scoring.profile.kernels.reports import read_card_reports, read_merchant_reports
from scoring.profile.kernels.rings import (
    ADDS,
    CLOCK,
    CLOCKS,
    OWN_CLOCK,
    add_rings,
    add_splits,
    cell_of,
    clear_rings,
    clear_splits,
    read_rings,
    read_sketches,
    read_splits,
    set_clock,
)
from scoring.profile.kernels.store import FIRST_S, LAST_S, OWN, find_or_insert, part_of, partition_of, touch
from scoring.profile.layout import TABLES, Value
from scoring.profile.row_plans import Block

_ENTITIES: Final = len(Entity)
_CARD: Final = constant(Entity.CARD)
_MERCHANT: Final = constant(Entity.MERCHANT)
_SUMS: Final = constant(Block.SUMS)
_COUNTS: Final = constant(Block.COUNTS)
_SHORTS: Final = constant(Block.SHORTS)
_BYTES: Final = constant(Block.BYTES)
_LAST_BLOCK: Final = int(max(Block))
_OWN_CLOCK: Final = constant(OWN_CLOCK)
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
_GROSS: Final = int(Statistic.GROSS)
_PRICED: Final = int(Statistic.PRICED)
_ANSWERED: Final = int(Statistic.ANSWERED)
_OF_OUTCOME: Final = np.array(
    [-1, _APPROVED, _CRED, _CRED, _FUNDS, _RISK, _RISK, _RISK, -1, -1, -1, _RISK], dtype=np.int64
)

_ABSENT: Final = np.uint64(0)
_ONE: Final = int(Value.ONE)
_AMOUNT: Final = int(Value.AMOUNT)
_SINCE: Final = int(Value.SINCE)
_AGE: Final = int(Value.AGE)
_PARTIES_NEW: Final = int(Value.PARTIES_NEW)
_DEVICE: Final = int(Entity.DEVICE)
_IP: Final = int(Entity.IP)
_ADDRESS: Final = int(Entity.ADDRESS)
_DAY_S: Final = 86_400.0
_OUTCOME_APPROVED: Final = 1
_OF_CARD: Final = int(Value.ZSCORE)
_OF_MERCHANT: Final = int(Value.MERCHANT_REPORTS_24H)
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

WHOLE: Final = constant(0)
"""Share of an event that counts: all, as an attempt with its outcome if it has one, a reversal, or a refund."""

OUTCOME: Final = constant(1)
"""Only the outcome: the attempt counts already."""

REST: Final = constant(2)
"""Only what its outcome, which came first and counts as attempt and outcome, could not say."""


@helper
def _figure(outcome: int, kind: int, amount: int, tds_failed: bool, share: int, work: Words) -> None:
    """Write what one event adds to each statistic. `share`: WHOLE, OUTCOME or REST."""
    for statistic in range(_STATISTICS):
        work[ADDS + statistic] = 0
    if kind == 0:
        if share == WHOLE:
            work[ADDS + _ATTEMPTS] = 1
            work[ADDS + _SMALL] = 0 <= amount <= SMALL_JPY_MAX
        if share != OUTCOME:
            work[ADDS + _TDS_FAILED] = tds_failed
        if share != REST:
            work[ADDS + _ANSWERED] = outcome != UNKNOWN
            if 0 <= outcome < len(_OF_OUTCOME) and _OF_OUTCOME[outcome] >= 0:
                work[ADDS + _OF_OUTCOME[outcome]] = 1
        if share != REST and outcome == _OUTCOME_APPROVED:
            work[ADDS + _SPEND] = max(amount, 0)
            work[ADDS + _GROSS] = max(amount, 0)
            work[ADDS + _PRICED] = amount >= 0
    elif kind == 1:
        work[ADDS + _REVERSALS] = 1
        work[ADDS + _SPEND] = -max(amount, 0)
    else:
        work[ADDS + _REFUNDS] = 1


@helper
def _blank(entity: int, values: Scratch) -> None:
    """Write unknown for every value of an absent entity."""
    values[_SINCE + entity] = nan
    values[_AGE + entity] = nan
    for ring in range(_BLOCKS[entity, 0, 0], _BLOCKS[entity, _LAST_BLOCK, 1]):
        values[_RINGS_AT + ring] = nan
    for query in range(_QUERY_RUNS[entity, 0], _QUERY_RUNS[entity, 1]):
        values[_DISTINCT_AT + query] = nan
    for sketch in range(_SKETCH_RUNS[entity, 0], _SKETCH_RUNS[entity, 1]):
        values[_NOVELTY_AT + sketch] = nan
    if entity == _CARD:
        for k in range(_OF_CARD, _OF_MERCHANT):
            values[k] = nan
    elif entity == _MERCHANT:
        for k in range(_OF_MERCHANT, _RINGS_AT):
            values[k] = nan


@helper
def _read_row(
    arena: Arena, entity: int, at: int, keys: Keys, i: int, second: int, moves: bool, work: Words, values: Scratch
) -> None:
    """Advance the rings of a row to the event and read the values of every entity. `at`: word offset of the row."""
    clock = CLOCKS + CLOCK * entity
    last_s = whole(arena.singles[2 * at + LAST_S])
    set_clock(work, clock, last_s, moves)
    if entity == _CARD:
        read_splits(arena, at, entity, work, clock, values)
        read_rings(arena.shorts, 4 * at, entity, _SHORTS, work, clock, values)
        read_rings(arena.octets, 8 * at, entity, _BYTES, work, clock, values)
    else:
        read_rings(arena.words, at, entity, _SUMS, work, clock, values)
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
    arena: Arena, entity: int, at: int, keys: Keys, i: int, second: int, attempt: bool, work: Words, clock: int
) -> None:
    """Add an event to the rings and sketches of a row that was brought up to it, and move the row's times."""
    if entity == _CARD:
        add_splits(arena, at, entity, work, clock)
        add_rings(arena.shorts, 4 * at, entity, _SHORTS, work, clock, _SHORT_TOP)
        add_rings(arena.octets, 8 * at, entity, _BYTES, work, clock, _BYTE_TOP)
    else:
        add_rings(arena.words, at, entity, _SUMS, work, clock, _SUM_TOP)
        add_rings(arena.singles, 2 * at, entity, _COUNTS, work, clock, _COUNT_TOP)
    if entity == _MERCHANT:
        add_attempts(arena, at, second, work[ADDS + _ATTEMPTS])
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
def _update_part(
    arena: Arena, columns: EventColumns, i: int, entity: int, part: int, second: int, attempt: bool, work: Words
) -> None:
    """Add an event to the row of its partition alone, as to the row that sums up all partitions."""
    set_clock(work, _OWN_CLOCK, whole(arena.singles[2 * part + LAST_S]), True)
    clear_rings(arena.words, part, entity, _SUMS, work, _OWN_CLOCK)
    clear_rings(arena.singles, 2 * part, entity, _COUNTS, work, _OWN_CLOCK)
    _update_row(arena, entity, part, columns.keys, i, second, attempt, work, _OWN_CLOCK)


@helper
def _count_new_parties(keys: Keys, i: int, values: Scratch) -> float:
    """Count which of device, IP and delivery address were first seen within a day; NaN if the event names none."""
    named, new = 0, 0
    for entity in (_DEVICE, _IP, _ADDRESS):
        if keys[i, entity] != _ABSENT:
            named += 1
            new += not values[_AGE + entity] > _DAY_S  # NaN: never before
    return float(new) if named > 0 else nan


@helper
def write_features(values: Scratch, out: Scratch, i: int, first_column: int) -> None:
    """Make each feature: (a * b * scale + plus) / (c + prior), NaN where the denominator is not positive."""
    for k in range(len(_PROGRAM)):
        a, b, c = _PROGRAM[k, 0], _PROGRAM[k, 1], _PROGRAM[k, 2]
        value = values[a] * _TERMS[k, 0]
        if c != _ONE:
            below = values[c] + _TERMS[k, 2]
            value = (value * values[b] + _TERMS[k, 1]) / below if below > 0.0 else nan
        out[i, first_column + k] = value


@helper
def read_event(
    arena: Arena, columns: EventColumns, i: int, at: Words, event_s: int, moves: bool, partition: int, journal: Journal
) -> None:
    """Find the rows of one event and read them all into the scratch; the card's row is found already."""
    work, values = arena.work, arena.values
    amount = min(columns.amount_jpy[i], _AMOUNT_TOP)
    values[_AMOUNT] = float(amount) if amount >= 0 else nan
    for entity in range(_ENTITIES):
        key = columns.keys[i, entity]
        if key == _ABSENT:
            _blank(entity, values)
            continue
        if entity != _CARD:
            at[entity] = find_or_insert(arena, entity, key, partition, journal)
        last_s = whole(arena.singles[2 * at[entity] + LAST_S])
        second = event_s if moves else last_s
        _read_row(arena, entity, at[entity], columns.keys, i, second, moves, work, values)
        if entity == _CARD:
            read_card(arena, 8 * at[_CARD], columns, i, max(second, last_s), max(second - last_s, 0), values)
            read_card_reports(arena, key, partition, second, values)
        elif entity == _MERCHANT:
            read_merchant_reports(arena, at[_MERCHANT], second, values)
            read_mature(arena, at[_MERCHANT], second, values)
    values[_PARTIES_NEW] = _count_new_parties(columns.keys, i, values)


@helper
def bring_up(arena: Arena, columns: EventColumns, i: int, at: Words, partition: int, journal: Journal) -> None:
    """Find the rows of an outcome and clear what has left their rings; the card's row is found already."""
    work = arena.work
    for entity in range(_ENTITIES):
        key = columns.keys[i, entity]
        if key == _ABSENT:
            continue
        if entity != _CARD:
            at[entity] = find_or_insert(arena, entity, key, partition, journal)
        row, clock = at[entity], CLOCKS + CLOCK * entity
        set_clock(work, clock, whole(arena.singles[2 * row + LAST_S]), True)
        if entity == _CARD:
            clear_splits(arena, row, entity, work, clock)
            clear_rings(arena.shorts, 4 * row, entity, _SHORTS, work, clock)
            clear_rings(arena.octets, 8 * row, entity, _BYTES, work, clock)
        else:
            clear_rings(arena.words, row, entity, _SUMS, work, clock)
            clear_rings(arena.singles, 2 * row, entity, _COUNTS, work, clock)


@helper
def update_rows(
    arena: Arena, columns: EventColumns, i: int, at: Words, event_s: int, share: int, partition: int, journal: Journal
) -> None:
    """Add one event, or a share of it, to all of its rows: WHOLE, OUTCOME or REST."""
    work = arena.work
    amount = min(columns.amount_jpy[i], _AMOUNT_TOP)
    attempt = columns.kind[i] == 0 and share != OUTCOME
    outcome = whole(columns.outcome[i])
    _figure(outcome, whole(columns.kind[i]), amount, columns.tds_failed[i], share, work)
    for entity in range(_ENTITIES):
        if columns.keys[i, entity] == _ABSENT:
            continue
        row = at[entity]
        if entity == _CARD:
            part = row
            rest(arena, 8 * row, event_s, whole(arena.singles[2 * row + LAST_S]))
            if attempt:
                update_card(arena, 8 * row, columns, i, amount, event_s, share == WHOLE)
            if columns.kind[i] == 0 and share != REST:
                climb(arena, 8 * row, outcome, amount)
        else:
            part = part_of(arena, entity, row, columns.keys[i, entity], partition, journal)
        touch(arena, entity if part == row else OWN + entity, part, journal)
        _update_row(arena, entity, row, columns.keys, i, event_s, attempt, work, CLOCKS + CLOCK * entity)
        if part != row:
            _update_part(arena, columns, i, entity, part, event_s, attempt, work)


@helper
def note_rows(arena: Arena, columns: EventColumns, i: int, at: Words, partition: int, journal: Journal) -> None:
    """Note the rows of an event that moves no window: it left its id, and rows where there were none."""
    for entity in range(_ENTITIES):
        if columns.keys[i, entity] != _ABSENT and partition_of(arena, entity, at[entity]) == partition:
            touch(arena, entity, at[entity], journal)
