"""Process events and outcomes in order; and all entry points, compiled on first use and cached."""

from collections.abc import Callable
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import OutcomeResult
from scoring.jit import borrow, constant, entry, helper, revision, whole
from scoring.profile.columns import EventColumns, Reports
from scoring.profile.entities import TIME_S_MAX, Entity
from scoring.profile.features import PROGRAM
from scoring.profile.kernels import rows
from scoring.profile.kernels.ahead import look_ahead
from scoring.profile.kernels.arrays import Arena, Journal, Outputs
from scoring.profile.kernels.card import ASKED, UNDECIDED, UNKNOWN, name_of, place_of, remember_id
from scoring.profile.kernels.event import (
    OUTCOME,
    REST,
    WHOLE,
    bring_up,
    note_rows,
    read_event,
    update_rows,
    write_features,
)
from scoring.profile.kernels.reports import take_reports
from scoring.profile.kernels.rings import stand
from scoring.profile.kernels.store import LAST_S, find, find_or_insert, pass_time, salted, touch
from scoring.profile.layout import Value
from scoring.profile.packed import Packed

_CARD: Final = constant(Entity.CARD)
_ABSENT: Final = np.uint64(0)
_ONE: Final = int(Value.ONE)
_PROGRAM: Final = PROGRAM

_COUNTED: Final = int(OutcomeResult.COUNTED)
_UNTIMED: Final = int(OutcomeResult.UNTIMED)
_UNMATCHED: Final = int(OutcomeResult.UNMATCHED)
_REPEAT: Final = int(OutcomeResult.REPEAT)
_UNKNOWN: Final = int(OutcomeResult.UNKNOWN)


@helper
def _read_then_update(
    columns: EventColumns, outputs: Outputs, first_column: int, partition: int, arena: Arena, journal: Journal
) -> None:
    out, values, at = outputs.features, arena.values, arena.at
    values[_ONE] = 1.0
    for i in range(len(columns.event_id)):
        look_ahead(columns, i, partition, arena)
        card, share = columns.keys[i, _CARD], WHOLE
        if card != _ABSENT:
            at[_CARD] = find_or_insert(arena, _CARD, card, partition, journal)
            outcome_is_due = columns.kind[i] == 0 and columns.outcome[i] == UNKNOWN
            name = name_of(columns.event_id[i])
            place = place_of(arena, at[_CARD], name)
            if place < 0:
                remember_id(arena, at[_CARD], name | ASKED if outcome_is_due else name)
            elif arena.words[place] & UNDECIDED != 0:  # its outcome came first, on the other topic
                arena.words[place] = name
                share = REST if columns.kind[i] == 0 else WHOLE
            else:
                out[i, first_column : first_column + len(_PROGRAM)] = nan
                is_answer = arena.words[place] != name and columns.kind[i] == 0 and not outcome_is_due
                outputs.answers[i], outputs.repeats[i] = is_answer, not is_answer
                if not is_answer:
                    continue
                arena.words[place] = name
                share = OUTCOME
        event_s = columns.time_ms[i] // 1000
        moves = columns.trusted_time[i] and 1 <= event_s <= TIME_S_MAX
        if share == OUTCOME and not moves:
            touch(arena, _CARD, at[_CARD], journal)
            continue
        if moves:
            pass_time(arena, event_s)
            stand(arena.work, event_s)
            if card != _ABSENT:
                outputs.disordered[i] = event_s < whole(arena.singles[2 * at[_CARD] + LAST_S])
        if share == OUTCOME:
            bring_up(arena, columns, i, at, partition, journal)
        else:
            read_event(arena, columns, i, at, event_s, moves, partition, journal)
            write_features(values, out, i, first_column)
        if moves:
            update_rows(arena, columns, i, at, event_s, share, partition, journal)
        else:
            note_rows(arena, columns, i, at, partition, journal)


@helper
def _take_outcomes(
    columns: EventColumns, results: NDArray[np.int8], partition: int, arena: Arena, journal: Journal
) -> None:
    at = arena.at
    for i in range(len(columns.event_id)):
        card, name = columns.keys[i, _CARD], name_of(columns.event_id[i])
        row, place = whole(-1), whole(-1)
        if card != _ABSENT:
            row = find(arena, _CARD, salted(card, partition))
            if row >= 0:
                place = place_of(arena, row, name)
        event_s = columns.time_ms[i] // 1000
        moves = columns.trusted_time[i] and 1 <= event_s <= TIME_S_MAX
        if place >= 0 and arena.words[place] & ASKED == 0:
            results[i] = _REPEAT
            continue
        if columns.outcome[i] == UNKNOWN:
            results[i] = _UNKNOWN
            continue
        share = WHOLE
        if place >= 0:
            arena.words[place] = name
            share = OUTCOME
        if not moves:
            results[i] = _UNTIMED
            if place >= 0:
                touch(arena, _CARD, row, journal)
            continue
        results[i] = _COUNTED if place >= 0 else _UNMATCHED
        if card != _ABSENT:
            if place < 0:
                row = find_or_insert(arena, _CARD, card, partition, journal)
                remember_id(arena, row, name | UNDECIDED)
            at[_CARD] = row
        pass_time(arena, event_s)
        stand(arena.work, event_s)
        bring_up(arena, columns, i, at, partition, journal)
        update_rows(arena, columns, i, at, event_s, share, partition, journal)


Entries = tuple[
    Callable[[EventColumns, Outputs, int, int, Arena, Journal], int],
    Callable[[EventColumns, NDArray[np.int8], int, Arena, Journal], int],
    Callable[[Reports, int, Arena, Journal], int],
    Callable[[int, bool, Arena, Journal, Packed], int],
    Callable[[Packed, int, bool, Arena, Journal], int],
    Callable[[int, bool, Arena, Journal], int],
    Callable[[NDArray[np.uint32], int, Arena, Journal], int],
    Callable[[Arena], int],
]


def _entry_points(built_from: int) -> Entries:
    """Make the functions that numba caches. The digest of all that they call is part of the key; most return it."""

    @entry
    def read_then_update(
        columns: EventColumns, outputs: Outputs, first_column: int, partition: int, arena: Arena, journal: Journal
    ) -> int:
        _read_then_update(borrow(columns), borrow(outputs), first_column, partition, borrow(arena), borrow(journal))
        return built_from

    @entry
    def take_outcomes(
        columns: EventColumns, results: NDArray[np.int8], partition: int, arena: Arena, journal: Journal
    ) -> int:
        _take_outcomes(borrow(columns), borrow((results,))[0], partition, borrow(arena), borrow(journal))
        return built_from

    @entry
    def report(columns: Reports, partition: int, arena: Arena, journal: Journal) -> int:
        take_reports(borrow(columns), partition, borrow(arena), borrow(journal))
        return built_from

    @entry
    def pack(partition: int, cards: bool, arena: Arena, journal: Journal, to: Packed) -> int:
        return rows.pack(partition, cards, borrow(arena), borrow(journal), borrow(to)) + 0 * built_from

    @entry
    def restore(packed: Packed, partition: int, in_place: bool, arena: Arena, journal: Journal) -> int:
        return rows.restore(borrow(packed), partition, in_place, borrow(arena), borrow(journal)) + 0 * built_from

    @entry
    def leave(partition: int, cards: bool, arena: Arena, journal: Journal) -> int:
        rows.leave(partition, cards, borrow(arena), borrow(journal))
        return built_from

    @entry
    def mark(keys: NDArray[np.uint32], partition: int, arena: Arena, journal: Journal) -> int:
        rows.mark(keys, partition, borrow(arena), borrow(journal))
        return built_from

    @entry
    def collect(arena: Arena) -> int:
        rows.collect(borrow(arena))
        return built_from

    return read_then_update, take_outcomes, report, pack, restore, leave, mark, collect


_KEY: Final = revision("scoring.profile.kernels")
read_then_update, take_outcomes, report, pack, restore, leave, mark, collect = _entry_points(_KEY)
