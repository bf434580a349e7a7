"""Rows: repeats, cuts of the stream into batches, bounded memory, eviction, and the index."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.profile import PROFILE_FEATURES, Entity, ProfileLimits, Profiles
from scoring.profile.entities import REPORTED
from scoring.profile.profiles import row_nbytes
from tests.examples import examples, few
from tests.profile.events import NOON, SMALL, Event, Report, Stream, at, columns_of, ids, reports, spread
from tests.profile.oracles.strategies import streams

TINY = ProfileLimits(card=4, merchant=4, merchant_bin=4, bin=4, device=4, ip=4, account=4, address=4)


def run(events: list[Event], cuts: list[int], limits: ProfileLimits) -> tuple[np.ndarray, list[bool]]:
    profiles, event_ids = Profiles(limits), ids(events)
    rows, repeats = [], []
    for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
        out = np.full((stop - start, len(PROFILE_FEATURES)), -1.0)
        columns = columns_of(events[start:stop], event_ids[start:stop])
        repeats += profiles.read_then_update(columns, out, 0).repeats.tolist()
        rows.append(out)
    return np.concatenate(rows), repeats


@settings(max_examples=few(80))
@given(streams(), st.data(), st.sampled_from([TINY, SMALL]))
def test_how_a_stream_is_cut_into_batches_changes_no_bit(
    events: list[Event], data: st.DataObject, limits: ProfileLimits
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6)))
    whole, repeats = run(events, [], limits)
    parts, parted_repeats = run(events, cuts, limits)
    assert whole.tobytes() == parts.tobytes()
    assert repeats == parted_repeats


@settings(max_examples=few(60))
@given(streams(untrusted=False), st.data())
def test_a_repeat_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    named = [dataclasses.replace(event, id=i + 1) for i, event in enumerate(events)]
    doubled, fresh = [], []
    for event in named:
        doubled.append(event)
        fresh.append(True)
        if data.draw(st.booleans()):
            again = dataclasses.replace(event, time_ms=event.time_ms + 5, merchant=3, amount=7)
            doubled.append(again)
            fresh.append(False)
    once, repeats = run(named, [], TINY)
    twice, doubled_repeats = run(doubled, [], TINY)
    assert not any(repeats)
    assert doubled_repeats == [not new for new in fresh]
    assert twice[fresh].tobytes() == once.tobytes()
    assert np.isnan(twice[np.logical_not(fresh)]).all()


def test_a_repeat_is_known_among_the_last_six_ids_of_its_card_only() -> None:
    stream = Stream()
    stream.feed(at(0, id=1), at(0, id=1, card=2), *(at(k, id=k) for k in range(2, 7)))
    assert stream.repeats == [False] * 7
    stream.feed(at(9, id=1), at(9, id=7), at(9, id=1))
    assert stream.repeats[7:] == [True, False, False]


def test_ids_are_remembered_even_of_events_without_trusted_time() -> None:
    stream = Stream()
    stream.feed(at(0, id=5, trusted=False), at(0, id=5))
    assert stream.repeats == [False, True]


def test_absent_keys_make_no_rows_and_their_features_are_unknown() -> None:
    stream = Stream()
    absent = at(0, merchant=0, merchant_bin=0, bin=0, device=0, ip=0, account=0, address=0)
    features = stream.last(absent)
    assert stream.profiles.sizes() == {entity: int(entity == Entity.CARD) for entity in Entity}
    known = {name for name, value in features.items() if not np.isnan(value)}
    assert {name.split("_")[0] for name in known} == {"card"}


def test_a_card_takes_at_most_512_bytes_with_its_share_of_the_index() -> None:
    profiles = Profiles(ProfileLimits(card=1 << 10))
    events = [
        at(k, card=k + 1, merchant=0, merchant_bin=0, bin=0, device=0, ip=0, account=0, address=0)
        for k in range(1 << 10)
    ]
    out = np.empty((len(events), len(PROFILE_FEATURES)))
    profiles.read_then_update(columns_of(events, ids(events)), out, 0)
    profiles.report(reports([Report(card=k + 1, merchant=0) for k in range(1 << 10)]))
    assert profiles.sizes()[Entity.CARD] == 1 << 10
    assert profiles.reported == profiles.limits.reported == 1 << 6
    assert profiles.nbytes <= 512 * (1 << 10)


def test_memory_is_bounded_for_any_input() -> None:
    stream = Stream(TINY)
    for start in range(0, 3_000, 500):
        keys = range(start + 1, start + 501)
        stream.report(*(Report(card=k, merchant=k) for k in keys))
        stream.feed(
            *(at(k, card=k, merchant=k, merchant_bin=k, bin=k, device=k, ip=k, account=k, address=k) for k in keys)
        )
        assert stream.profiles.nbytes == TINY.nbytes
    assert stream.profiles.sizes() == dict.fromkeys(Entity, 4)
    assert stream.profiles.reported == TINY.reported == 8
    assert TINY.nbytes == 4 * sum(row_nbytes(entity) for entity in Entity) + 8 * row_nbytes(REPORTED)


def test_a_full_store_evicts_the_row_that_was_idle_longest() -> None:
    stream = Stream(TINY)
    stream.feed(at(0, card=1), at(1, card=2), at(2, card=3), at(3, card=4), at(4, card=1), at(5, card=5))
    assert [stream.last(at(6, card=card))["card_attempts_1h"] for card in (1, 3, 4, 5)] == [2, 1, 1, 1]
    assert np.isnan(stream.last(at(7, card=2))["card_since_last_s"])


def test_an_evicted_key_starts_from_nothing() -> None:
    stream = Stream(TINY)
    stream.feed(*(at(k, card=card) for k, card in enumerate([1, 1, 1, 2, 3, 4, 5])))
    features = stream.last(at(10, card=1))
    assert features["card_attempts_24h"] == 0
    assert np.isnan(features["card_age_days"])
    assert np.isnan(features["card_new_merchant"])


def test_a_card_reported_lately_is_not_idle() -> None:
    stream = Stream(TINY)
    stream.feed(at(0, card=1), at(1, card=2), at(2, card=3), at(3, card=4))
    stream.report(Report(card=1, merchant=0, received_ms=(NOON + 5) * 1000))
    stream.feed(at(6, card=5))
    assert stream.last(at(7, card=1))["card_reports_ever"] == 1


@settings(max_examples=few(150))
@given(st.lists(st.integers(1, 24), min_size=1, max_size=200), st.sampled_from([1, 2, 8, 16]))
def test_every_row_that_was_not_evicted_is_found_again(cards: list[int], capacity: int) -> None:
    """The model: rows in a list with the same eviction cursor, without an index."""
    limits = dataclasses.replace(TINY, card=capacity)
    rows: list[list[int]] = []  # card, last second, attempts
    cursor, expected = 0, []
    for second, card in enumerate(cards):
        row = next((row for row in rows if row[0] == card), None)
        if row is None:
            row = [card, 0, 0]
            if len(rows) < capacity:
                rows.append(row)
            else:
                swept = [(cursor + step) % capacity for step in range(min(8, capacity))]
                rows[min(swept, key=lambda slot: (rows[slot][1], swept.index(slot)))] = row
                cursor = (cursor + 8) % capacity
        expected.append(row[2])
        row[1:] = [NOON + second, row[2] + 1]
    features = Stream(limits).feed(*(at(second, card=card) for second, card in enumerate(cards)))
    assert [each["card_attempts_24h"] for each in features] == expected


@settings(max_examples=examples(40))
@given(st.lists(st.integers(0, 7), min_size=1, max_size=80))
def test_keys_that_collide_in_the_index_are_kept_apart(choices: list[int]) -> None:
    """The keys share all 32 bits that the index compares, so only the key in the row distinguishes them."""
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)
    keys = [unfold((0xABCDEF01 << 32 | low) * inverse % 2**64) for low in range(1, 9)]
    profiles = Profiles(dataclasses.replace(TINY, card=8))
    events = [at(second) for second in range(len(choices))]
    batch = columns_of(events, ids(events))
    batch.keys[:, Entity.CARD] = [keys[choice] for choice in choices]
    out = np.empty((len(events), len(PROFILE_FEATURES)))
    profiles.read_then_update(batch, out, 0)
    column = [feature.name for feature in PROFILE_FEATURES].index("card_attempts_24h")
    assert out[:, column].tolist() == [choices[:k].count(choice) for k, choice in enumerate(choices)]
    assert profiles.sizes()[Entity.CARD] == len(set(choices))


def unfold(key: int) -> int:
    """Invert key ^= key >> 32."""
    return key ^ (key >> 32)


@pytest.mark.parametrize("rows", [0, 3, 2**29, -4])
def test_limits_are_powers_of_two_within_bounds(rows: int) -> None:
    with pytest.raises(ValueError, match=r"device: .* not a power of two"):
        ProfileLimits(device=rows)


def test_an_output_without_room_or_with_gaps_is_refused() -> None:
    batch = columns_of([at(0)], [1])
    with pytest.raises(AssertionError, match="no room"):
        Profiles(TINY).read_then_update(batch, np.empty((1, len(PROFILE_FEATURES))), 1)
    with pytest.raises(AssertionError, match="not C-contiguous"):
        Profiles(TINY).read_then_update(batch, np.empty((1, 400))[:, ::2], 0)


def test_an_empty_batch_is_fine() -> None:
    assert list(Stream().feed()) == []


def test_small_keys_spread_apart() -> None:
    assert len({spread(entity, key) for entity in Entity for key in range(1, 1_000)}) == 8 * 999
