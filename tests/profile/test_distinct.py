"""Distinct counts: sliding windows, the stated error, absent keys."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from scoring.profile.layout import distinct_estimates
from tests.examples import few
from tests.profile.events import NAMES, REVERSAL, Event, Stream, at
from tests.profile.oracles.oracle import DISTINCT, Oracle
from tests.profile.oracles.strategies import streams

SKETCHED = [name for name in NAMES if DISTINCT.fullmatch(name) and not name.startswith("card_")]


@settings(max_examples=few(100))
@given(streams())
def test_few_elements_are_counted_within_a_twentieth_unless_they_share_a_slot(events: list[Event]) -> None:
    stream, oracle = Stream(), Oracle()
    for event, features in zip(events, stream.feed(*events), strict=True):
        for name in SKETCHED:
            if event.key(oracle.owner(name)) == 0:
                assert math.isnan(features[name]), name
            elif event.trusted:
                least, most = oracle.distinct(name, event), oracle.distinct(name, event, 1_000)
                assert least is not None
                assert most is not None
                assert min(least, 1) <= features[name] <= 1.06 * most, (name, least, features[name], most)
        oracle.add(event)


@settings(max_examples=few(100))
@given(streams(untrusted=False))
def test_a_card_counts_up_to_eight_merchants_exactly(events: list[Event]) -> None:
    stream, oracle = Stream(), Oracle()
    for event, features in zip(events, stream.feed(*events), strict=True):
        for name in ("card_merchants_1h", "card_merchants_24h"):
            least, most = oracle.distinct(name, event), oracle.distinct(name, event, 1_000)
            assert least is not None
            assert most is not None
            assert least <= features[name] <= most
        oracle.add(event)


def test_more_than_eight_merchants_of_a_card_read_as_eight() -> None:
    stream = Stream()
    assert stream.last(*(at(k, merchant=k + 1) for k in range(30)))["card_merchants_1h"] == 8


@pytest.mark.parametrize(
    ("name", "slots", "element"),
    [("merchant_cards_1h", 256, "card"), ("device_cards_1h", 64, "card"), ("device_merchants_1h", 32, "merchant")],
)
def test_linear_counting_keeps_its_standard_error(name: str, slots: int, element: str) -> None:
    n, off = slots, []
    for trial in range(40):
        stream = Stream()
        burst = [at(0, id=trial * 1_000 + k + 1, **{element: 1 + k + 1_000 * trial}) for k in range(n)]
        off.append(stream.last(*burst, at(1, **{element: 1 + 1_000 * trial}))[name] / n - 1.0)
    stated = math.sqrt(slots * (math.e - 2.0)) / slots
    assert abs(np.mean(off)) < 0.5 * stated
    assert 0.7 * stated < np.std(off) < 1.4 * stated


def test_a_full_sketch_gives_a_lower_bound() -> None:
    stream = Stream()
    features = stream.last(*(at(0, card=k + 1) for k in range(5_000)), at(1, card=1))
    assert features["device_cards_1h"] == distinct_estimates(64)[-1] > 250


def test_windows_of_distinct_counts_slide_to_the_second() -> None:
    stream = Stream()
    stream.feed(at(0, card=2), at(1, card=3))
    assert stream.last(at(3_600, card=2))["device_cards_1h"] == distinct_estimates(64)[2]
    assert stream.last(at(3_601.5, card=9))["device_cards_1h"] == distinct_estimates(64)[2]  # elements 3 and 2 again
    assert stream.last(at(3_603, card=9))["device_cards_1h"] == distinct_estimates(64)[2]  # elements 2 and 9


def test_neither_absent_keys_nor_reversals_are_elements() -> None:
    stream = Stream()
    stream.feed(at(0, card=2, account=0), at(1, card=3, kind=REVERSAL, account=3))
    features = stream.last(at(2))
    assert features["device_cards_1h"] == distinct_estimates(64)[1]
    assert features["device_accounts_24h"] == 0


@pytest.mark.parametrize("slots", [32, 64, 128, 256])
def test_estimates_rise_from_zero_and_are_near_the_count_while_few(slots: int) -> None:
    table = distinct_estimates(slots)
    assert table[0] == 0
    assert len(table) == slots + 1
    assert all(low < high for low, high in pairwise(table))
    assert table[1] == pytest.approx(1, rel=0.02)
