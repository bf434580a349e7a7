"""The table finds what a plain search by values finds: every kind, acquirer and period, through growth."""

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.decode import Col, DecodeLimits, decode
from scoring.decode.hashing import CARD_KEY, KEYS, prefix_key
from scoring.lists import KINDS, ListReader, ListTable
from scoring.lists.kinds import PLACES
from scoring.lists.reading import hash_of
from scoring.lists.slots import PERIODS_MAX, empty_slots
from tests.events import encoded, event, token
from tests.lists.oracle import PATHS, RUNS, lines, named_by

NOW_S = 1_777_604_400  # of the plain event
VALUES = [token(f"value-{k}") for k in range(4)]
OF_KIND = {
    "bin": ["453200", "4532001", "45320010", "45320011", "4532990"],
    "merchant": ["m-1", "m-2", "m-3", "m-4"],
}


def values_of(kind: str) -> list[str]:
    return OF_KIND.get(kind, VALUES)


def built(table: ListTable, rules: list[dict[str, Any]], rows: list[list[tuple[str, int, int]]]) -> None:
    for number, (rule, own) in enumerate(zip(rules, rows, strict=True)):
        reader = ListReader(table, number, rule["kind"], rule["acquirer"])
        reader.feed("\n".join(lines(own)).encode() + b"\n", is_last=True)


def found(table: ListTable, events: list[dict[str, Any]], joined: frozenset[int] = frozenset()) -> set[tuple[int, int]]:
    decoded = decode([encoded(**each) for each in events], DecodeLimits(joined=joined))
    assert len(decoded) == len(events)
    at_ms = np.array([NOW_S * 1000 + k for k in range(len(events))], dtype=np.int64)
    return {tuple(pair) for pair in table.find(decoded.ints, decoded.hashes, at_ms).tolist()}


@st.composite
def rules_and_rows(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[tuple[str, int, int]]]]:
    rules, rows = [], []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(KINDS))
        rules.append({"kind": kind, "acquirer": draw(st.sampled_from((None, "acq-1", "acq-2")))})
        since = st.sampled_from((0, NOW_S - 1, NOW_S, NOW_S + 1))
        period = st.tuples(since, st.sampled_from((1, 2, 3)))
        own = draw(st.lists(st.tuples(st.sampled_from(values_of(kind)), period), max_size=12))
        rows.append([(value, since, (since or NOW_S - 2) + length) for value, (since, length) in own])
    return rules, rows


@st.composite
def events_of(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"acquirer": {"id": draw(st.sampled_from(("acq-1", "acq-2", "acq-3")))}}
    for kind, (section, field) in PATHS.items():
        value = draw(st.sampled_from(values_of(kind)))
        if kind in ("card", "merchant") or draw(st.booleans()):
            made.setdefault(section, {})[field] = value
    return made


@settings(max_examples=RUNS, deadline=None)
@given(rules_and_rows(), st.lists(events_of(), min_size=1, max_size=6), st.sampled_from(([], [4, 5], list(range(8)))))
def test_a_list_names_the_events_that_carry_its_values_in_their_period(
    drawn: tuple[list[dict[str, Any]], list[list[tuple[str, int, int]]]],
    events: list[dict[str, Any]],
    joined: list[int],
) -> None:
    rules, rows = drawn
    table = ListTable(frozenset(joined))
    built(table, rules, rows)
    assert len(table) == sum(map(len, rows))
    whole = [event(**each) for each in events]
    assert found(table, events, frozenset(joined)) == {
        (place, number)
        for place, each in enumerate(whole)
        for number, (rule, own) in enumerate(zip(rules, rows, strict=True))
        if named_by(rule, own, each, NOW_S * 1000 + place)
    }


@settings(max_examples=RUNS, deadline=None)
@given(
    st.lists(st.text("01", min_size=6, max_size=8), min_size=1, max_size=12),
    st.lists(st.text("01", min_size=6, max_size=8), min_size=1, max_size=8),
    st.sampled_from((None, "acq-1")),
    st.sampled_from((frozenset[int](), frozenset((3,)))),
)
@example(["1111110"], ["11111101", "1111110", "111111", "11111111"], None, frozenset())
@example(["111111"], ["11111101", "1111110", "111111", "11111011"], "acq-1", frozenset({3}))
def test_a_bin_names_every_event_whose_bin_begins_with_it(
    entries: list[str], carried: list[str], acquirer: str | None, joined: frozenset[int]
) -> None:
    table = ListTable(joined)
    built(table, [{"kind": "bin", "acquirer": acquirer}], [[(each, 0, NOW_S + 9) for each in dict.fromkeys(entries)]])
    hits = found(table, [{"card": {"bin": value}} for value in carried], joined)
    assert hits == {(row, 0) for row, value in enumerate(carried) if any(map(value.startswith, entries))}


def test_a_prefix_is_taken_of_digits_only() -> None:
    """By a kernel of the test, since only kernels call it."""
    texts = ["45320011", "4532001", "453200", "4532001a", "453200/1", "45320:11", "453200110", "", "45320"]
    keys = np.array([hash_of(text) for text in texts], dtype=np.uint64)
    cut = numba.njit(lambda keys, size: [prefix_key(key, size) for key in keys])
    assert list(cut(keys, 6)) == [hash_of("453200"), hash_of("453200"), *[0] * 7]
    assert list(cut(keys, 7)) == [hash_of("4532001"), *[0] * 8]


def test_a_period_includes_its_first_ms_and_not_its_end() -> None:
    table = ListTable()
    built(table, [{"kind": "card", "acquirer": None}], [[(token("card-1"), NOW_S, NOW_S + 1)]])
    decoded = decode([encoded()] * 4, DecodeLimits())
    at_ms = np.array([-1, 0, 999, 1000], dtype=np.int64) + NOW_S * 1000
    assert table.find(decoded.ints, decoded.hashes, at_ms)[:, 0].tolist() == [1, 2]


def test_a_table_keeps_every_entry_when_it_grows_and_stays_within_its_memory() -> None:
    rng = np.random.default_rng(7)
    table, entries = ListTable(), empty_slots(5_000)
    table.seek("card", False)
    keys = rng.integers(1, 2**64 - 1, 200_000, dtype=np.uint64)  # of 64 bits, as hashes are
    for start in range(0, len(keys), 5_000):
        entries.keys[:] = keys[start : start + 5_000]
        entries.until[:] = 9
        assert table.add(entries, 5_000) == 0
        assert len(table) == start + 5_000
        if start:
            assert table.nbytes <= 29 * len(table)
    kept = np.sort(table._slots.keys[table._slots.keys != 0])
    np.testing.assert_array_equal(kept, np.sort(keys))


def test_a_table_with_room_for_its_entries_does_not_move() -> None:
    table, entries = ListTable(), empty_slots(1_000)
    table.reserve(1_000)
    slots = table._slots
    entries.keys[:] = np.arange(1, 1_001, dtype=np.uint64)
    assert table.add(entries, 1_000) == 0
    assert table._slots is slots
    assert table.nbytes <= 23 * 1_000
    table.reserve(10)
    assert table._slots is slots


def test_a_value_has_a_limit_of_periods_in_each_list() -> None:
    table, entries = ListTable(), empty_slots(PERIODS_MAX + 1)
    entries.keys[:] = 77
    assert table.add(entries, PERIODS_MAX) == 0
    assert table.add(entries, 1) == 1
    assert len(table) == PERIODS_MAX
    entries.numbers[:] = 1
    assert table.add(entries, 1) == 0


def test_searches_and_moves_go_past_the_last_slot_to_the_first() -> None:
    table, entries = ListTable(), empty_slots(40)
    entries.keys[:] = np.uint64(2**64 - 1) - np.arange(40, dtype=np.uint64)
    assert table.add(entries, 40) == 0
    assert set(table._slots.keys[table._slots.keys != 0].tolist()) == set(entries.keys.tolist())
    assert table._slots.keys[0] != 0
    more = empty_slots(20)
    more.keys[:] = 2**64 - 100 - np.arange(20, dtype=np.uint64)
    assert table.add(more, 20) == 0
    assert np.count_nonzero(table._slots.keys) == 60
    keys = np.concatenate((entries.keys, more.keys))
    table._slots.until[:] = 9
    table.seek("card", True)  # the key of an entry is then that of the event's card
    ints, hashes = np.zeros((60, len(Col)), dtype=np.int64), np.zeros((60, KEYS), dtype=np.uint64)
    hashes[:, CARD_KEY] = keys
    assert table.find(ints, hashes, np.zeros(60, dtype=np.int64)).tolist() == [[row, 0] for row in range(60)]


def test_more_hits_than_there_was_room_for_are_all_returned() -> None:
    table, numbers = ListTable(), range(9)
    built(table, [{"kind": "card", "acquirer": None}] * 9, [[(token("card-1"), 0, NOW_S + 9)]] * 9)
    assert found(table, [{}] * 90) == {(row, number) for row in range(90) for number in numbers}


def test_every_kind_has_a_place_in_the_order_of_their_numbers() -> None:
    assert tuple(PLACES) == KINDS
    assert {kind: place.path for kind, place in PLACES.items()} == {k: ".".join(path) for k, path in PATHS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_without_the_value_is_never_named(kind: str) -> None:
    table = ListTable()
    section, field = PATHS[kind]
    other = {"bin": "400000", "merchant": "m-9"}.get(kind, token("other"))
    built(table, [{"kind": kind, "acquirer": "acq-1"}], [[(other, 0, NOW_S + 9)]])
    assert found(table, [{section: {field: other}}]) == {(0, 0)}
    assert found(table, [{}]) == set()
