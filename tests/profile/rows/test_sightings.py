"""A bounded sample finds cards in two partitions, logs each sighting once and restores it."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.profile import Profiles, sightings
from scoring.profile.packed import KEY_WORDS, ROW_FORMAT, SIGHTING, Packed, RowFormatError
from scoring.profile.sightings import CARDS_MAX, SAMPLED_BITS, Sightings
from tests.examples import examples, is_quick
from tests.profile.events import SMALL, at
from tests.profile.rows.test_changelog import feed, one_row

PARTITIONS = 4


def card(number: int) -> int:
    """Make a card of the sample."""
    return number << SAMPLED_BITS | (1 << SAMPLED_BITS) - 1


def cards(*numbers: int) -> NDArray[np.uint64]:
    return np.array([card(number) for number in numbers], dtype=np.uint64)


def said(packed: Packed) -> list[tuple[int, int, list[int]]]:
    """Read rows as (partition, number of the card, words of the value)."""
    found = []
    for n, key in enumerate(packed.keys.tolist()):
        assert key[0] >> 24 == SIGHTING
        value = one_row(packed, n).values.tolist()
        found.append((key[0] & 0xFFFFFF, (key[2] << 32 | key[1]) >> SAMPLED_BITS, value))
    return found


def test_one_card_in_256_is_sampled_and_never_an_absent_one() -> None:
    hashes = np.random.default_rng(3).integers(1, 2**64, 1_000_000, dtype=np.uint64)
    seen = Sightings(2)
    assert seen.observe(hashes, 0) == 0
    sampled = len(seen.flush(0))
    assert abs(sampled - 1_000_000 / 256) < 5 * (1_000_000 / 256) ** 0.5
    assert seen.observe(hashes, 1) == sampled
    assert seen.observe(np.zeros(10, dtype=np.uint64), 0) == seen.observe(np.zeros(10, dtype=np.uint64), 1) == 0
    assert len(seen.flush(0)) == 0


def test_a_card_is_reported_once_for_each_partition_after_its_first() -> None:
    seen = Sightings(PARTITIONS)
    batches = [(0, (1, 2, 1)), (1, (1, 1)), (0, (1,)), (1, (1, 2)), (3, (1, 2, 3)), (0, (1, 2, 3))]
    assert [seen.observe(cards(*numbers), partition) for partition, numbers in batches] == [0, 1, 0, 1, 2, 1]
    assert sum(seen.observe(cards(1, 2, 3), partition) for partition in (0, 1, 3)) == 1  # card 3 in partition 1
    assert seen.observe(cards(), 0) == 0


def test_with_one_partition_no_sighting_is_kept_or_written() -> None:
    profiles = Profiles(SMALL)
    assert profiles.changelog.sightings.observe(cards(1), 0) == profiles.changelog.sightings.observe(cards(1), 5) == 0
    assert [len(packed) for packed in profiles.changelog.flush(0)] == [0, 0]


def test_a_sighting_is_written_once_behind_the_shared_rows() -> None:
    profiles = Profiles(SMALL, PARTITIONS)
    changelog = profiles.changelog
    feed(profiles, at(0), 1, 2)
    changelog.sightings.observe(cards(7, 7, 2**56 - 1), 2)
    changelog.sightings.observe(cards(7), 0)
    _, shared = changelog.flush(2)
    assert [key >> 24 for key in shared.keys[:, 0].tolist()] == [*range(1, 8), SIGHTING, SIGHTING]
    assert [said(one_row(shared, n)) for n in (7, 8)] == [
        [(2, 7, [ROW_FORMAT, 0])],
        [(2, 2**56 - 1, [ROW_FORMAT, 0])],
    ]
    assert said(changelog.flush(0)[1]) == [(0, 7, [ROW_FORMAT, 1])]
    assert [len(packed) for packed in (*changelog.flush(2), *changelog.flush(0))] == [0, 0, 0, 0]
    again = Profiles(SMALL, PARTITIONS)
    again.changelog.restore(2, shared)
    assert again.sizes() == {entity: int(entity > 0) for entity in again.sizes()}
    assert feed(again, at(1, card=2), 2, 2) == feed(profiles, at(1, card=2), 2, 2)


def test_the_oldest_card_is_dropped_and_gets_a_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "CARDS_MAX", 3)
    seen, follower = Sightings(PARTITIONS), Profiles(SMALL, PARTITIONS)
    seen.observe(cards(1, 2), 0)
    seen.observe(cards(1), 1)
    for partition in (0, 1):
        follower.changelog.restore(partition, seen.flush(partition))
    assert seen.observe(cards(1, 3, 4), 2) == 1  # card 1 had been seen in two more partitions, and is dropped
    assert seen.observe(cards(2), 1) == 1
    flushed = {partition: seen.flush(partition) for partition in (0, 1, 2)}
    assert said(flushed[0]) == [(0, 1, [])]
    assert sorted(said(flushed[1])) == [(1, 1, []), (1, 2, [ROW_FORMAT, 1])]
    assert sorted(said(flushed[2])) == [(2, 1, []), (2, 3, [ROW_FORMAT, 0]), (2, 4, [ROW_FORMAT, 0])]
    for partition, packed in flushed.items():
        follower.changelog.restore(partition, packed)
    assert follower.changelog.sightings.observe(cards(1), 3) == 0, "it has a tombstone"
    assert seen.observe(cards(1), 0) == 0, "it was dropped, so it is new"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    most = CARDS_MAX // 16 if is_quick() else CARDS_MAX
    monkeypatch.setattr(sightings, "CARDS_MAX", most)
    seen = Sightings(2)
    for first in range(0, 2 * most, most // 4):
        seen.observe(cards(*range(first, first + most // 4)), 0)
        seen.flush(0)
    assert len(seen._where) == most
    assert seen.observe(cards(0, 2 * most - 1), 1) == 1


def test_sightings_of_other_workers_partitions_are_not_noted_for_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "CARDS_MAX", 3)
    other, this = Sightings(PARTITIONS), Profiles(SMALL, PARTITIONS).changelog
    for partition in (1, 3):
        this.own(partition)
    this.forget_cards(1)
    for number in range(20):
        other.observe(cards(number), number % 2)
        this.restore(number % 2, other.flush(number % 2))
    assert this.sightings.observe(cards(19), 3) == 1
    assert set(this.sightings._notes) == {3}


def test_followed_sightings_that_are_not_in_the_log_are_dropped_when_the_partition_is_restored() -> None:
    """Its last worker may have died between the two markers of a flush."""
    other, this = Sightings(PARTITIONS), Profiles(SMALL, PARTITIONS).changelog
    other.observe(cards(1, 2), 1)
    this.restore(1, other.flush(1))
    this.sightings.observe(cards(2), 0)
    this.flush(0)
    this.forget_shared(1)
    assert this.sightings.observe(cards(1), 0) == 0
    assert this.sightings.observe(cards(1, 2), 1) == 2
    assert len(this.flush(1)[1]) == 2


def test_cards_of_two_partitions_are_dropped_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "CARDS_MAX", 3)
    other, this = Sightings(PARTITIONS), Sightings(PARTITIONS)
    for number in range(20):
        this.observe(cards(number), 3)
        other.observe(cards(number), 1)
        this.restore(1, other.flush(1))
        assert this._met[3] == {card(number): None}
    for number in range(30, 40):
        this.restore(1, other.flush(1))
        other.observe(cards(number), 1)
    assert this._met[3] == {}


def test_a_tombstone_removes_one_partition() -> None:
    one, two = Sightings(PARTITIONS), Sightings(PARTITIONS)
    one.observe(cards(1), 0)
    one.observe(cards(1), 1)
    rows = {partition: one.flush(partition) for partition in (0, 1)}
    for partition, packed in rows.items():
        two.restore(partition, packed)
    two.restore(0, Packed(rows[0].keys, rows[0].values[:0], np.zeros(1, dtype=np.int64)))
    assert two.observe(cards(1), 1) == 0
    assert two.observe(cards(1), 0) == 1


def test_sightings_behind_the_last_marker_are_written_again_or_deleted_by_tombstones() -> None:
    behind = Profiles(SMALL, PARTITIONS)
    feed(behind, at(0), 1, 1)
    behind.changelog.sightings.observe(cards(1, 2), 1)
    lost = behind.changelog.flush(1)[1]
    again = Profiles(SMALL, PARTITIONS)
    again.changelog.forget_shared(1)
    again.changelog.sightings.observe(cards(1), 1)
    again.changelog.flush(1)
    again.changelog.rewrite(1, lost.keys)
    _, shared = again.changelog.flush(1)
    assert len(shared) == 9
    assert [said(one_row(shared, n)) for n in (7, 8)] == [[(1, 1, [ROW_FORMAT, 0])], [(1, 2, [])]]
    assert sum(np.diff(shared.ends, prepend=0) == 0) == 8


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([ROW_FORMAT + 1, 0], f"row 0 has format {ROW_FORMAT + 1}; this version reads format {ROW_FORMAT}"),
        ([ROW_FORMAT, 0, 0], "row 0 of SIGHTING is damaged"),
        ([ROW_FORMAT], "row 0 of SIGHTING is damaged"),
    ],
)
def test_a_sighting_of_another_format_is_refused_without_its_card(words: list[int], complaint: str) -> None:
    seen, target = Sightings(PARTITIONS), Profiles(SMALL, PARTITIONS)
    seen.observe(cards(1), 0)
    packed = Packed(seen.flush(0).keys, np.array(words, dtype=np.uint32), np.array([len(words)]))
    with pytest.raises(RowFormatError) as refused:
        target.changelog.restore(0, packed)
    assert str(refused.value) == complaint
    assert target.changelog.sightings.observe(cards(1), 1) == 0


def test_a_sighting_of_another_partition_is_refused() -> None:
    seen = Sightings(PARTITIONS)
    seen.observe(cards(1), 3)
    with pytest.raises(RowFormatError, match="entity 255 and partition 3, in the log of partition 1"):
        Profiles(SMALL, PARTITIONS).changelog.restore(1, seen.flush(3))


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=12), st.data())
def test_sightings_among_other_rows_do_not_change_those(kinds: list[tuple[int, bool]], data: st.DataObject) -> None:
    profiles, plain = Profiles(SMALL, PARTITIONS), Profiles(SMALL, PARTITIONS)
    feed(profiles, at(0), 1, 1)
    shared = profiles.changelog.flush(1)[1]
    rows = [one_row(shared, n) for n in range(len(shared))]
    plain.changelog.restore(1, shared)
    for number, (_, is_known) in enumerate(kinds):
        value = np.array([ROW_FORMAT, 0] if is_known else [], dtype=np.uint32)
        key = np.array([[SIGHTING << 24 | 1, card(number), 0]], dtype=np.uint32)
        rows.insert(data.draw(st.integers(0, len(rows))), Packed(key, value, np.array([len(value)])))
    mixed = Profiles(SMALL, PARTITIONS)
    mixed.changelog.restore(1, joined(rows))
    assert (mixed._arena.words == plain._arena.words).all()
    known = [number for number, (_, is_known) in enumerate(kinds) if is_known]
    assert mixed.changelog.sightings.observe(cards(*range(len(kinds))), 2) == len(known)


def joined(rows: Iterable[Packed]) -> Packed:
    keys, values, ends = zip(*rows, strict=True)
    return Packed(
        np.concatenate(keys).reshape(-1, KEY_WORDS), np.concatenate(values), np.cumsum([end[0] for end in ends])
    )
