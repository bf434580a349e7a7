"""Entries of the topic: what an event meets is what the last record before it says, whatever was read when."""

import json
import random
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scoring.decode import DecodeLimits, decode
from scoring.lists import DatedEntries, DatedLimits
from scoring.lists.changes import KEEP_S
from scoring.lists.dated import ListName
from scoring.lists.slots import PERIODS_MAX
from tests.events import encoded
from tests.examples import examples

SCHEMA = Draft202012Validator(
    json.loads((resources.files("scoring.contract") / "schemas" / "list-entry.v1.json").read_text(encoding="utf-8"))
)
T0 = 1_777_604_400_000
DELAY_MS = 1_500
VALUES = ("v-1", "v-2", "v-3")
NAMES = (("stolen", "card", None), ("stolen", "card", "acq-1"), ("stolen", "device", None), ("late", "card", None))
Record = tuple[bytes, bytes | None, int]


def entry(kind: str, acquirer: str | None, to_ms: int, from_ms: int | None = None) -> bytes:
    def stamp(ms: int) -> str:
        return str(np.datetime64(ms, "ms")) + "Z"

    said: dict[str, Any] = {"kind": kind, "effective_to": stamp(to_ms)}
    if acquirer is not None:
        said["acquirer"] = acquirer
    if from_ms is not None:
        said["effective_from"] = stamp(from_ms)
    return json.dumps(said).encode()


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Record, tuple[Any, ...] | None]]:
    """Records in the order of a partition, each with what it says: (name, value, from, to), or None for a removal."""
    at_ms, made = T0, []
    for _ in range(draw(st.integers(1, 12))):
        at_ms += draw(st.sampled_from((0, 1, 499, 500, 1000, 3000)))
        name, value = draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))
        key = f"{name[0]}/{value}".encode()
        begins = draw(st.sampled_from((None, T0 + 1_000, T0 + 5_000)))
        ends = T0 + draw(st.sampled_from((6_000, 20_000)))
        what = draw(st.sampled_from(("add", "add", "add", "remove", "bad")))
        if what == "add":
            made.append(((key, entry(name[1], name[2], ends, begins), at_ms), (name, value, begins or 0, ends)))
        else:
            made.append(((key, None if what == "remove" else b'{"kind":"card"}', at_ms), None))
    return made


def expected(history: list[tuple[Record, tuple[Any, ...] | None]], value: str, at_ms: int) -> set[ListName]:
    """What names an event of acq-1 whose card and device are both `value`: by the last record of each key."""
    hits = set()
    for list_id in ("stolen", "late"):
        last = None
        for (key, _, stamp_ms), said in history:
            first_s = -(-(stamp_ms + DELAY_MS) // 1000)
            if key == f"{list_id}/{value}".encode() and first_s <= at_ms // 1000:
                last = said
        if last is not None and last[2] // 1000 <= at_ms // 1000 < last[3] // 1000:
            hits.add(ListName(*last[0]))
    return hits


def look_up(entries: DatedEntries, value: str, at_ms: int) -> set[ListName]:
    events = decode([encoded(card={"pan_hmac": value}, device={"fp_hmac": value})], DecodeLimits())
    found = entries.find(events.ints, events.hashes, np.array([at_ms], dtype=np.int64))
    return {entries.names[number] for _, number in found.tolist()}


def taken(records: list[Record], pieces: int, limits: DatedLimits | None = None) -> DatedEntries:
    entries = DatedEntries(limits or DatedLimits(delay_ms=DELAY_MS, entries_max=1_000), frozenset())
    for start in range(0, len(records), pieces):
        entries.take(*map(list, zip(*records[start : start + pieces], strict=True)))  # type: ignore[arg-type]
    return entries


@settings(max_examples=examples(60), deadline=None)
@given(histories(), st.integers(1, 5))
def test_an_event_meets_what_the_last_record_before_its_time_less_the_delay_says(
    history: list[tuple[Record, tuple[Any, ...] | None]], pieces: int
) -> None:
    entries = taken([record for record, _ in history], pieces)
    for at_ms in range(T0, T0 + 24_000, 500):
        for value in VALUES:
            assert look_up(entries, value, at_ms) == expected(history, value, at_ms)


@settings(max_examples=examples(30), deadline=None)
@given(histories(), st.data())
def test_a_worker_that_has_read_less_decides_the_same_until_the_delay_is_over(
    history: list[tuple[Record, tuple[Any, ...] | None]], data: st.DataObject
) -> None:
    whole = taken([record for record, _ in history], 3)
    cut = data.draw(st.integers(1, len(history)))
    part = taken([record for record, _ in history[:cut]], 2)
    until_ms = history[cut][0][2] + DELAY_MS if cut < len(history) else T0 + 24_000
    for at_ms in range(T0, until_ms, 250):
        for value in VALUES:
            assert look_up(part, value, at_ms) == look_up(whole, value, at_ms)


GOOD = entry("card", None, T0 + 10**9)


@pytest.mark.parametrize(
    ("key", "value", "stamp_ms", "result"),
    [
        (b"stolen/v-1", GOOD, T0, "ADDED"),
        (b"stolen/v-1", None, T0, "REMOVED"),
        (b"stolen", GOOD, T0, "BAD_KEY"),
        (b"", None, T0, "BAD_KEY"),
        (b"STOLEN/v-1", GOOD, T0, "BAD_KEY"),
        (b"a" * 49 + b"/v-1", GOOD, T0, "BAD_KEY"),
        (b"stolen/v 1", GOOD, T0, "BAD_KEY"),
        (b"stolen/v,1", GOOD, T0, "BAD_KEY"),
        (b"stolen/" + b"v" * 129, GOOD, T0, "BAD_KEY"),
        (b"stolen/v-1", GOOD, -1, "UNDATED"),
        (b"stolen/v-1", b"{}", T0, "BAD_ENTRY"),
        (b"stolen/v-1", b"", T0, "BAD_ENTRY"),
        (b"stolen/v-1", b"\xff", T0, "BAD_ENTRY"),
        (b"stolen/v-1", b'{"kind":"card","effective_to":""}', T0, "BAD_ENTRY"),
        (b"stolen/v-1", b'{"kind":"card","effective_to":"soon"}', T0, "BAD_ENTRY"),
        (b"stolen/v-1", b'{"kind":"card","effective_to":"2027-01-01"}', T0, "BAD_ENTRY"),
        (b"stolen/v-1", b'{"kind":"card","effective_to":"2027-01-01T00:00:00Z,x"}', T0, "BAD_ENTRY"),
        (b"stolen/m-1", b'{"kind":"merchant","effective_to":"2027-01-01T00:00:00Z"}', T0, "BAD_ENTRY"),
        (b"stolen/" + b"62000000" + b"00000005", GOOD, T0, "BAD_VALUE"),
        (b"stolen/12345", GOOD.replace(b"card", b"bin"), T0, "BAD_VALUE"),
        (b"stolen/a@b.jp", GOOD.replace(b"card", b"email"), T0, "BAD_VALUE"),
    ],
)
def test_each_record_has_a_result_and_a_refused_one_adds_nothing(
    key: bytes, value: bytes | None, stamp_ms: int, result: str
) -> None:
    entries = DatedEntries(DatedLimits(delay_ms=0), frozenset())
    assert entries.take([key, b"other/v-2"], [value, GOOD], [stamp_ms, T0]) == {
        **({"ADDED": 2} if result == "ADDED" else {result: 1, "ADDED": 1})
    }
    assert len(entries) == 1 + (result == "ADDED")
    assert look_up(entries, "v-2", T0 + 1000) == {ListName("other", "card", None)}


@pytest.mark.parametrize(
    "bad",
    [b"{", b'{"kind":"card","effective_to":"2027-13-01T00:00:00Z"}', b'{"kind":"card","effective_to":"soon"}', None],
)
def test_a_refused_record_removes_the_entry_of_its_key_as_a_restart_finds_it_after_compaction(bad: bytes) -> None:
    both = taken([(b"stolen/v-1", GOOD, T0), (b"stolen/v-1", bad, T0 + 5_000)], 1)
    compacted = taken([(b"stolen/v-1", bad, T0 + 5_000)], 1)
    assert look_up(both, "v-1", T0 + 6_000) == {ListName("stolen", "card", None)}
    assert look_up(both, "v-1", T0 + 7_000) == look_up(compacted, "v-1", T0 + 7_000) == set()


def test_a_value_that_changes_often_keeps_its_last_periods() -> None:
    records: list[Record] = []
    for turn in range(3 * PERIODS_MAX):
        at_ms = T0 + 10_000 * turn
        records += [(b"stolen/v-1", GOOD, at_ms), (b"stolen/v-1", None, at_ms + 5_000)]
    entries = taken(records, 7)
    assert len(entries) == PERIODS_MAX
    for turn in range(2 * PERIODS_MAX, 3 * PERIODS_MAX):
        assert look_up(entries, "v-1", T0 + 10_000 * turn + 2_000)
        assert not look_up(entries, "v-1", T0 + 10_000 * turn + 7_000)


def test_entries_that_ended_long_ago_make_room_and_others_stay() -> None:
    limits = DatedLimits(delay_ms=0, entries_max=4)
    short = entry("card", None, T0 + 2_000)
    entries = taken([(f"stolen/v-{k}".encode(), short if k < 3 else GOOD, T0) for k in range(4)], 4, limits)
    counted = entries.take([b"stolen/new"], [GOOD], [T0 + 10_000])
    assert (counted, len(entries)) == ({"NO_ROOM": 1}, 4)
    counted = entries.take([b"stolen/new"], [GOOD], [T0 + 3_000 + KEEP_S * 1000])
    assert (counted, len(entries)) == ({"ADDED": 1}, 2)
    assert look_up(entries, "v-3", T0 + 4_000) == {ListName("stolen", "card", None)}
    assert look_up(entries, "new", T0 + 4_000 + KEEP_S * 1000)


def test_an_ended_period_is_used_again_once_it_is_old() -> None:
    later = T0 + (KEEP_S + 10) * 1000
    short = entry("card", None, T0 + 4_000)
    entries = taken([(b"stolen/v-1", short, T0), (b"stolen/v-1", GOOD, T0 + 6_000)], 1)
    assert len(entries) == 2
    entries.take([b"stolen/v-1"], [entry("card", None, later + 10**9)], [later])
    assert len(entries) == 2
    assert look_up(entries, "v-1", later + 2_000)


def test_two_thousand_random_changes_equal_the_plain_count() -> None:
    choose = random.Random(4)  # noqa: S311 -- a seed, no secret
    at_ms, now, records = T0, {}, []
    for _ in range(2_000):
        at_ms += choose.randint(0, 3)
        value = f"v-{choose.randint(0, 300)}"
        is_added = choose.random() < 0.7
        records.append((f"stolen/{value}".encode(), GOOD if is_added else None, at_ms))
        now[value] = is_added
    entries = taken(records, 97, DatedLimits(delay_ms=0, entries_max=5_000))
    end_ms = at_ms + 1_000
    events = decode([encoded(event_id=f"e-{v}", card={"pan_hmac": v}) for v in now], DecodeLimits())
    found = entries.find(events.ints, events.hashes, np.full(len(now), end_ms, dtype=np.int64))
    assert {row for row, _ in found.tolist()} == {row for row, is_in in enumerate(now.values()) if is_in}


def test_too_many_lists_are_refused() -> None:
    entries = DatedEntries(DatedLimits(delay_ms=0, entries_max=2_000), frozenset())
    keys = [f"list-{k}/v".encode() for k in range(1_001)]
    assert entries.take(keys, [GOOD] * 1_001, [T0] * 1_001) == {"ADDED": 1_000, "TOO_MANY_LISTS": 1}


ODD = ("", "x", "2027-01-01T00:00:00Z", "2027-01-01T00:00:00+09:00", "2027-01-01", "2027-01-01T00:00:00", 7, None, ...)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(("card", "bin", "merchant", "CARD", None, ...)),
            "effective_to": st.sampled_from(ODD),
            "effective_from": st.sampled_from((*ODD, "2028-01-01T00:00:00Z")),
            "acquirer": st.sampled_from(("acq-1", "", "a" * 33, None, ...)),
            "schema_version": st.sampled_from(("list-entry.v1", "list-entry.v2", ...)),
            "note": st.sampled_from((1, ...)),
        }
    )
)
def test_a_record_that_its_schema_refuses_is_refused_and_a_good_one_needs_sound_times_too(said: dict[str, Any]) -> None:
    value = {key: what for key, what in said.items() if what is not ...}
    taken_by = DatedEntries(DatedLimits(delay_ms=0, entries_max=10), frozenset())
    (result,) = taken_by.take([b"stolen/453200"], [json.dumps(value).encode()], [T0])
    times = [value.get(key) for key in ("effective_to", "effective_from") if value.get(key)]
    is_sound = all(isinstance(one, str) and len(one) > 19 for one in times) and len(times) == len(set(times))
    is_ordered = len(times) < 2 or str(times[1]) < "2028"
    is_ordered = is_ordered and times != ["2027-01-01T00:00:00+09:00", "2027-01-01T00:00:00Z"]
    assert (result == "ADDED") == (SCHEMA.is_valid(value) and is_sound and is_ordered), result


def test_a_refused_period_behind_a_good_record_of_the_same_list_removes_its_own_entry_and_no_other() -> None:
    entries = taken([(b"stolen/v-1", GOOD, T0), (b"stolen/v-3", GOOD, T0)], 2)
    bad = b'{"kind":"card","effective_to":"2027-13-01T00:00:00Z"}'
    counted = entries.take([b"stolen/v-2", b"stolen/v-1"], [GOOD, bad], [T0 + 5_000] * 2)
    assert counted == {"ADDED": 1, "BAD_ENTRY": 1}
    stolen = {ListName("stolen", "card", None)}
    assert [look_up(entries, value, T0 + 7_000) for value in VALUES] == [set(), stolen, stolen]
