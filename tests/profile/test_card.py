"""Features of a card's own row: novelty, amounts against its own, the FUNDS ladder, time since the last event."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.profile.events import APPROVED, FRAUD, FUNDS, REVERSAL, Stream, at

NOVELTY = ("merchant", "device", "address", "mcc", "country")


def test_novelty_is_unknown_until_there_is_something_to_compare_with() -> None:
    features = Stream().last(at(0))
    assert all(math.isnan(features[f"card_new_{what}"]) for what in NOVELTY)


@pytest.mark.parametrize("what", NOVELTY)
def test_a_value_is_new_once(what: str) -> None:
    stream = Stream()
    name = f"card_new_{what}"
    seen = [stream.last(at(k, **{what: value}))[name] for k, value in enumerate([11, 11, 22, 22, 11])]
    assert seen[1:] == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("what", "length"), [("merchant", 8), ("device", 4), ("address", 4), ("mcc", 4), ("country", 4)]
)
def test_the_least_recent_value_is_dropped_first(what: str, length: int) -> None:
    stream = Stream()
    name = f"card_new_{what}"
    stream.feed(*(at(k, **{what: 100 + k}) for k in range(length)))
    stream.feed(at(50, **{what: 100}))  # used again, so 101 is now the least recent
    stream.feed(at(51, **{what: 999}))
    assert stream.last(at(52, kind=REVERSAL, **{what: 100}))[name] == 0.0
    assert stream.last(at(53, kind=REVERSAL, **{what: 101}))[name] == 1.0


@pytest.mark.parametrize("what", NOVELTY)
def test_an_absent_value_is_neither_new_nor_remembered(what: str) -> None:
    stream = Stream()
    name = f"card_new_{what}"
    stream.feed(at(0, **{what: 0}))
    assert math.isnan(stream.last(at(1, **{what: 5}))[name])
    assert math.isnan(stream.last(at(2, **{what: 0}))[name])
    assert stream.last(at(3, **{what: 5}))[name] == 0.0


def test_an_element_is_new_to_an_account_until_it_was_met_there_within_a_month() -> None:
    stream = Stream()
    assert math.isnan(stream.last(at(0))["account_new_device"])
    features = stream.last(at(1, device=2))
    assert (features["account_new_device"], features["account_new_card"]) == (1.0, 0.0)
    assert stream.last(at(2, device=2))["account_new_device"] == 0.0
    assert stream.last(at(31 * 86_400, device=2))["account_new_device"] == 1.0


@settings(max_examples=examples(100))
@given(st.lists(st.integers(1, 10**12), min_size=3, max_size=30), st.integers(0, 10**12))
def test_the_z_score_is_that_of_the_plain_mean_and_variance_of_the_first_32_amounts(
    amounts: list[int], amount: int
) -> None:
    stream = Stream()
    features = stream.last(*(at(k, amount=each) for k, each in enumerate(amounts)), at(99, amount=amount))
    mean, variance = statistics.fmean(amounts), statistics.pvariance(amounts)
    expected = (amount - mean) / math.sqrt(variance + 0.01 * mean * mean + 1.0)
    assert features["card_amount_zscore"] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_z_score_ignores_declined_zero_and_unknown_amounts() -> None:
    stream = Stream()
    stream.feed(*(at(k, amount=1_000) for k in range(5)))
    stream.feed(at(6, amount=90_000, outcome=FRAUD), at(7, amount=0), at(8, amount=-1))
    assert stream.last(at(9, amount=1_000))["card_amount_zscore"] == 0.0
    assert math.isnan(stream.last(at(10, amount=-1))["card_amount_zscore"])


def test_the_running_mean_follows_a_change_of_habit() -> None:
    stream = Stream()
    stream.feed(*(at(k, amount=1_000) for k in range(100)), *(at(200 + k, amount=9_000) for k in range(150)))
    assert abs(stream.last(at(400, amount=9_000))["card_amount_zscore"]) < 0.5


def test_amounts_are_set_against_the_means_of_thirty_days() -> None:
    stream = Stream()
    stream.feed(at(0, amount=1_000), at(86_400, amount=3_000), at(86_500, amount=99_999, outcome=FUNDS))
    features = stream.last(at(86_600, amount=8_000))
    assert features["card_mean_amount_30d"] == 2_000
    assert features["card_amount_over_mean_30d"] == features["merchant_amount_over_mean_30d"] == 4.0
    assert features["card_spend_1h_over_daily"] == 3_000 / (4_000 / 30)
    assert math.isnan(stream.last(at(86_601, amount=-1))["card_amount_over_mean_30d"])


def test_the_ladder_counts_funds_declines_at_falling_amounts() -> None:
    stream = Stream()
    rungs = [
        stream.last(at(k, amount=amount, outcome=FUNDS))["card_funds_ladder"]
        for k, amount in enumerate([900, 800, 700, 700])
    ]
    assert rungs == [0, 1, 2, 3]
    assert stream.last(at(10, amount=600, outcome=APPROVED))["card_funds_ladder"] == 1  # the second 700 begins a series
    assert stream.last(at(11))["card_funds_ladder"] == 0  # an approval ends the series


def test_a_ladder_is_over_after_a_day() -> None:
    stream = Stream()
    stream.feed(at(0, amount=900, outcome=FUNDS), at(1, amount=800, outcome=FUNDS))
    assert stream.last(at(86_402, amount=700, outcome=FUNDS))["card_funds_ladder"] == 0
    assert stream.last(at(86_403))["card_funds_ladder"] == 1


def test_a_long_ladder_saturates() -> None:
    stream = Stream()
    assert stream.last(*(at(k, amount=9_000 - k, outcome=FUNDS) for k in range(400)))["card_funds_ladder"] == 255


def test_times_since_last_and_first_are_in_seconds_and_days() -> None:
    stream = Stream()
    stream.feed(at(0), at(50))
    features = stream.last(at(86_400 + 25))
    assert features["card_since_last_s"] == 86_375
    assert features["card_age_days"] == features["device_age_days"] == (86_400 + 25) / 86_400
