"""A table that is nearly full forgets what ended, some slots at a time, and finds all the rest."""

import random

import numpy as np
import pytest

from scoring.lists import changes
from scoring.lists.changes import KEEP_S, ChangingSlots
from scoring.lists.slots import Slots, empty_slots
from tests.examples import examples


def entries(keys: list[int], until_s: list[int]) -> Slots:
    made = empty_slots(len(keys))
    made.keys[:], made.until[:], made.since[:] = np.array(keys, dtype=np.uint64), until_s, 1
    return made


def found(table: ChangingSlots, key: int) -> int | None:
    """Look a key up as its search does: from its first slot on, until an empty one."""
    slots, size = table.slots, len(table.slots.keys)
    at = ((key >> 32) * size) >> 32
    while slots.keys[at]:
        if int(slots.keys[at]) == key:
            return int(slots.until[at])
        at = (at + 1) % size
    return None


@pytest.mark.parametrize("seed", range(examples(30)))
def test_ended_entries_go_and_all_others_are_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are close together, some at the end of the table, so that removals move others, also around its end."""
    choose = random.Random(seed)  # noqa: S311 -- a seed, no secret
    monkeypatch.setattr(changes, "SWEEP_MIN", choose.choice((1, 3, 7, 50)))
    monkeypatch.setattr(changes, "SWEEP_EACH", 1)
    table, known, now_s = ChangingSlots(40), dict[int, int](), 10 * KEEP_S
    size = len(table.slots.keys)
    for _ in range(150):
        now_s += choose.choice((0, 1, KEEP_S // 4))
        near = choose.choice((0, size // 2, size - 2, size - 1))
        key = (((near << 32) // size + choose.randrange(1, 1 << 26)) << 32) | choose.randrange(1 << 32)
        until_s = now_s + choose.choice((1, KEEP_S // 2, 5 * KEEP_S))
        before = {int(k) for k in table.slots.keys if k}
        beyond = table.change(entries([key], [until_s]), np.array([now_s], dtype=np.int64))
        gone = before - {int(k) for k in table.slots.keys if k}
        assert all(known.pop(one) <= now_s - KEEP_S for one in gone), "only what ended long ago goes"
        if not beyond[0]:
            known[key] = until_s
        assert table.count == len(known) == int(np.count_nonzero(table.slots.keys))
        assert {key: found(table, key) for key in known} == known
    assert len(known) < 150


def test_below_seven_eighths_nothing_is_looked_at_and_above_it_all_slots_are_within_some_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "SWEEP_MIN", 10)
    monkeypatch.setattr(changes, "SWEEP_EACH", 2)
    table = ChangingSlots(80)  # 101 slots
    keys = [(number << 57) | 1 for number in range(1, 70)]
    table.change(entries(keys, [5] * 69), np.full(69, 1, dtype=np.int64))
    later = np.array([6 + KEEP_S], dtype=np.int64)
    table.change(entries([1 << 32], [int(later[0]) + 9]), later)
    assert table.count == 70, "70 of 80 are not more than seven eighths"
    table.change(entries([2 << 32], [int(later[0]) + 9]), later)
    assert 50 <= table.count <= 70, "ten slots were looked at, and the new one is in"
    for number in range(70):
        refused = table.change(entries([(3 + number) << 32], [int(later[0]) + 9]), later)
        assert not refused.any(), "there was always room, as old ones went"
    assert 72 <= table.count <= 80
    for number in range(40):
        table.change(entries([(90 + number) << 32], [int(later[0]) + 9]), later)
    assert table.count == 80
    assert all(found(table, number << 32) for number in range(1, 73)), "nothing that counts goes for a new one"
