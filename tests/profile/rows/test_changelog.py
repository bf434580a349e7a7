"""Durable profiles: rows restored from a log are bit for bit those that were written, on any worker."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.profile import PROFILE_FEATURES, ProfileLimits, Profiles
from scoring.profile.changelog import LAYOUT
from scoring.profile.kernels import store
from scoring.profile.packed import ROW_FORMAT, Packed, RowFormatError
from tests.examples import examples, few
from tests.profile.events import SMALL, Event, Report, at, columns_of, ids, reports
from tests.profile.oracles.strategies import streams
from tests.profile.outcomes.conversations import arrivals
from tests.profile.rows.test_rows import TINY

PARTITIONS = 3
Log = dict[int, list[Packed]]


def partition_of(event: Event, partitions: int = PARTITIONS) -> int:
    """Key the stream by card, as an acquirer does; an event without a card goes to any partition."""
    return event.card % partitions


def feed(profiles: Profiles, event: Event, event_id: int, partition: int = 0) -> bytes:
    """Score one event and return its features and whether it is a repeat; or take an outcome and return its result."""
    if event.apart:
        return profiles.take_outcomes(columns_of([event], [event_id]), partition).tobytes()
    out = np.full((1, len(PROFILE_FEATURES)), -1.0)
    seen = profiles.read_then_update(columns_of([event], [event_id]), out, 0, partition)
    return b"".join([out.tobytes(), *(column.tobytes() for column in seen)])


def append(log: Log, profiles: Profiles, partitions: Sequence[int]) -> None:
    """Flush partitions into a log that keeps copies, as a broker does."""
    for partition in partitions:
        for packed in profiles.changelog.flush(partition):
            log.setdefault(partition, []).append(Packed(*(array.copy() for array in packed)))


def restored(log: Log, limits: ProfileLimits, partitions: int = PARTITIONS) -> Profiles:
    profiles = Profiles(limits, partitions)
    for partition, flushes in log.items():
        for packed in flushes:
            profiles.changelog.restore(partition, packed, in_place=partitions == 1)
    if partitions == 1:
        profiles.changelog.settle()
    return profiles


def rows_that_belong_to_a_partition(profiles: Profiles) -> int:
    found, arena = 0, profiles._arena
    for line in arena.stores:
        for row in range(int(line[store.USED])):
            at = line[store.ARENA_AT] + row * line[store.WORDS]
            found += bool(arena.words[at] != 0 and arena.shorts[4 * at + line[store.PARTITION]] != 0)
    return found


def compacted(flushes: list[Packed]) -> list[Packed]:
    """Keep the last row of each key and no tombstone, as compaction does in the end."""
    seen: set[bytes] = set()
    kept: list[Packed] = []
    for packed in reversed(flushes):
        for n in reversed(range(len(packed))):
            row = one_row(packed, n)
            if bytes(row.keys) not in seen and row.ends[0]:
                kept.append(row)
            seen.add(bytes(row.keys))
    return kept[::-1]


def one_row(packed: Packed, n: int) -> Packed:
    begin = int(packed.ends[n - 1]) if n else 0
    values = packed.values[begin : packed.ends[n]]
    return Packed(packed.keys[n : n + 1], values, np.array([len(values)], dtype=np.int64))


@settings(max_examples=few(80))
@given(streams(), st.data(), st.sampled_from([TINY, SMALL]))
def test_a_restart_changes_no_bit_of_later_features(
    events: list[Event], data: st.DataObject, limits: ProfileLimits
) -> None:
    names = ids(events)
    flushes = data.draw(st.sets(st.integers(0, len(events))))
    restarts = data.draw(st.sets(st.sampled_from(sorted(flushes)))) if flushes else set()
    plain, durable = Profiles(limits), Profiles(limits)
    log: Log = {}
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        if number in flushes:
            append(log, durable, [0])
        if number in restarts:
            eviction_cursors = durable.changelog.eviction_cursors
            durable = restored(log, limits, 1)
            durable.changelog.eviction_cursors = eviction_cursors
        assert feed(durable, event, name) == feed(plain, event, name)
    assert durable.sizes() == plain.sizes()


@settings(max_examples=few(80))
@given(arrivals, st.integers(2, 70))
def test_one_worker_is_exact_with_any_number_of_partitions(events: list[Event], partitions: int) -> None:
    names = ids(events)
    whole, split = Profiles(SMALL), Profiles(SMALL, partitions)
    for event, name in zip(events, names, strict=True):
        assert feed(split, event, name, partition_of(event, partitions)) == feed(whole, event, name)


@settings(max_examples=few(80))
@given(arrivals, st.data())
def test_rows_of_several_partitions_add_up_to_one_row(events: list[Event], data: st.DataObject) -> None:
    names = ids(events)
    at_once = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    plain, durable = Profiles(SMALL), Profiles(SMALL, PARTITIONS)
    log: Log = {}
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        if number in at_once:
            append(log, durable, range(PARTITIONS))
            durable = restored(log, SMALL)
        if data.draw(st.integers(0, 5)) == 0:
            report = reports([Report(received_ms=event.time_ms, card=event.card, merchant=event.merchant)])
            plain.report(report)
            durable.report(report, partition_of(event))
        assert feed(durable, event, name, partition_of(event)) == feed(plain, event, name)


@settings(max_examples=examples(40))
@given(arrivals, st.data())
def test_workers_that_follow_each_other_see_the_whole_traffic(events: list[Event], data: st.DataObject) -> None:
    names = ids(events)
    plain, workers = Profiles(SMALL), [Profiles(SMALL, PARTITIONS) for _ in range(2)]
    for event, name in zip(events, names, strict=True):
        partition = partition_of(event)
        owner, other = workers[partition % 2], workers[1 - partition % 2]
        assert feed(owner, event, name, partition) == feed(plain, event, name)
        other.changelog.restore(partition, owner.changelog.flush(partition)[1])


@settings(max_examples=examples(40))
@given(arrivals, st.data())
def test_a_partition_moves_to_another_worker(events: list[Event], data: st.DataObject) -> None:
    names = ids(events)
    moves = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    plain = Profiles(SMALL)
    log: Log = {}
    home, away = Profiles(SMALL, PARTITIONS), Profiles(SMALL, PARTITIONS)
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        if number in moves:  # all partitions go to the other worker, which may remember an older time
            append(log, home, range(PARTITIONS))
            for partition in range(PARTITIONS):
                home.changelog.forget_cards(partition)
            home, away = away, home
            for partition in range(PARTITIONS):
                home.changelog.forget_cards(partition)
                home.changelog.forget_shared(partition)
            for partition, flushes in log.items():
                for packed in flushes:
                    home.changelog.restore(partition, packed)
        assert feed(home, event, name, partition_of(event)) == feed(plain, event, name)


def test_a_row_is_flushed_once_however_often_it_changed() -> None:
    profiles = Profiles(SMALL)
    for name in range(5):
        feed(profiles, at(name), name + 1)
    cards, shared = profiles.changelog.flush(0)
    assert (len(cards), len(shared)) == (1, 7)
    assert [len(packed) for packed in profiles.changelog.flush(0)] == [0, 0]


def test_a_fresh_row_packs_to_a_fraction_of_its_size() -> None:
    profiles = Profiles(SMALL)
    feed(profiles, at(0), 1)
    cards, shared = profiles.changelog.flush(0)
    assert cards.values.nbytes < 250
    assert shared.values.nbytes < 7 * 250


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_an_evicted_row_gets_a_tombstone_and_does_not_come_back(partitions: int) -> None:
    profiles = Profiles(TINY, partitions)
    for partition in range(partitions):
        profiles.changelog.own(partition)
    log: Log = {}
    events = [at(n, card=n + 1, device=n + 1) for n in range(40)]
    for name, event in enumerate(events):
        feed(profiles, event, name + 1, partition_of(event, partitions))
        append(log, profiles, range(partitions))
    written = [packed for flushes in log.values() for packed in flushes]
    assert sum(int((np.diff(packed.ends, prepend=0) == 0).sum()) for packed in written) > 40
    live: set[bytes] = set()
    for packed in written:
        for key, words in zip(packed.keys, np.diff(packed.ends, prepend=0).tolist(), strict=True):
            (live.add if words else live.discard)(bytes(key))
    assert len(live) == rows_that_belong_to_a_partition(profiles)
    if partitions == 1:
        assert restored(log, TINY, 1).sizes() == profiles.sizes()


def test_evictions_of_partitions_that_are_not_ours_are_not_kept() -> None:
    profiles = Profiles(TINY, PARTITIONS)
    profiles.changelog.own(1)
    for name in range(4_000):
        event = at(name, card=name + 1, device=name + 1)
        feed(profiles, event, name + 1, partition_of(event))
        if name % 100 == 0:
            profiles.changelog.flush(1)
    assert len(profiles.changelog._gone) <= 4_096 + 400
    profiles.changelog.forget_cards(1)
    assert profiles.changelog._gone_n[0] == 0


def test_rows_behind_the_last_marker_are_written_again_or_deleted_by_tombstones() -> None:
    profiles = Profiles(SMALL)
    feed(profiles, at(0, card=1), 1)
    kept = profiles.changelog.flush(0)
    behind = Profiles(SMALL)
    feed(behind, at(0, card=1), 1)
    feed(behind, at(1, card=2), 2)
    lost = behind.changelog.flush(0)
    again = Profiles(SMALL)
    for packed in kept:
        again.changelog.restore(0, packed)
    again.changelog.rewrite(0, np.concatenate([lost[0].keys, lost[1].keys]))
    cards, shared = again.changelog.flush(0)
    assert sorted(np.diff(cards.ends, prepend=0) == 0) == [False, True], "card 1 written again, tombstone for card 2"
    assert {bytes(key) for key in shared.keys} == {bytes(key) for key in kept[1].keys}
    assert shared.values.tobytes() != b""


def test_a_row_of_another_format_is_refused_with_its_number() -> None:
    profiles = Profiles(SMALL)
    feed(profiles, at(0), 1)
    cards, shared = profiles.changelog.flush(0)
    cards.values[0] = ROW_FORMAT + 1
    with pytest.raises(RowFormatError, match=f"row 0 has format {ROW_FORMAT + 1}; this version reads format"):
        Profiles(SMALL).changelog.restore(0, cards)
    with pytest.raises(RowFormatError, match="partition 0, in the log of partition 1"):
        Profiles(SMALL, 2).changelog.restore(1, shared)


@settings(max_examples=few(60))
@given(st.data())
def test_a_damaged_row_is_refused_or_stays_within_its_row(data: st.DataObject) -> None:
    profiles = Profiles(SMALL)
    feed(profiles, at(0), 1)
    _, shared = profiles.changelog.flush(0)
    row = one_row(shared, data.draw(st.integers(0, len(shared) - 1)))
    values = row.values.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        values[data.draw(st.integers(0, len(values) - 1))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    cut = values[: data.draw(st.integers(1, len(values)))]
    damaged = Packed(row.keys, np.ascontiguousarray(cut), np.array([len(cut)], dtype=np.int64))
    target = Profiles(TINY)
    before = target._arena.words.copy()
    try:
        target.changelog.restore(0, damaged)
    except RowFormatError:
        assert (target._arena.words == before).all()
    assert sum(target.sizes().values()) <= 1


def test_the_layout_of_rows_changes_with_their_format_only() -> None:
    assert (ROW_FORMAT, LAYOUT) == (6, "1ec8602a"), (
        "a new layout: raise ROW_FORMAT, say so in the changelog, and note it here"
    )


def test_evictions_in_a_partition_that_another_worker_flushes_get_no_tombstone_later() -> None:
    owner, other = Profiles(TINY, PARTITIONS), Profiles(TINY, PARTITIONS)
    log: Log = {}
    for name in range(3):
        feed(owner, at(name, device=name + 1, merchant=7), name + 1, 0)
    append(log, owner, [0])
    for packed in log[0][1::2]:
        other.changelog.restore(0, packed)
    for name in range(40):  # of partition 1, until no followed row is left
        feed(other, at(100 + name, device=100 + name, merchant=100 + name), 100 + name, 1)
    other.changelog.flush(1)
    for partition in (1, 0):  # partition 1 is revoked and partition 0 assigned
        other.changelog.forget_shared(partition)
    for packed in log[0]:
        other.changelog.restore(0, packed)
    assert [len(packed) for packed in other.changelog.flush(0)] == [0, 0], "no row of partition 0 has changed"


@settings(max_examples=few(60))
@given(streams(), st.data(), st.sampled_from([TINY, SMALL]))
def test_the_only_partition_goes_away_and_comes_back(
    events: list[Event], data: st.DataObject, limits: ProfileLimits
) -> None:
    names = ids(events)
    moves = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    plain, home, away = Profiles(limits), Profiles(limits), Profiles(limits)
    log: Log = {}
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        if number in moves:
            append(log, home, [0])
            eviction_cursors = home.changelog.eviction_cursors
            home.changelog.forget_cards(0)
            home, away = away, home
            home.changelog.forget_shared(0)
            for packed in compacted(log[0]):
                home.changelog.restore(0, packed, in_place=True)
            home.changelog.settle()
            home.changelog.eviction_cursors = eviction_cursors
        assert feed(home, event, name) == feed(plain, event, name)
    assert home.sizes() == plain.sizes()
