"""Counts and sums: the stated bound, bursts over edges, late events, jumps, saturation."""

import math

from hypothesis import given, settings

from scoring.profile import Entity
from tests.examples import few
from tests.profile.events import APPROVED, FRAUD, NAMES, NOON, REFUND, REVERSAL, Event, Stream, at
from tests.profile.oracles.oracle import COUNTED, Oracle
from tests.profile.oracles.strategies import streams

COUNTERS = [name for name in NAMES if COUNTED.fullmatch(name)]
SPENDS = [name for name in COUNTERS if "_spend_" in name]


def check_bounds(events: list[Event], names: list[str]) -> None:
    stream, oracle = Stream(), Oracle()
    for event, features in zip(events, stream.feed(*events), strict=True):
        trusted = event if event.trusted else None
        for name in names:
            owner = oracle.owner(name)
            if event.key(owner) == 0:
                assert math.isnan(features[name]), name
            elif trusted is not None:
                least, most = oracle.count(name, event), oracle.count(name, event, 1.25)
                assert least is not None
                assert most is not None
                assert least <= features[name] <= most, (name, least, features[name], most)
        oracle.add(event)


@settings(max_examples=few(150))
@given(streams())
def test_every_counter_lies_between_its_window_and_five_quarters_of_it(events: list[Event]) -> None:
    check_bounds(events, [name for name in COUNTERS if name not in SPENDS])


@settings(max_examples=few(100))
@given(streams(reversals=False))
def test_every_sum_lies_between_its_window_and_five_quarters_of_it(events: list[Event]) -> None:
    check_bounds(events, SPENDS)


def test_the_oracle_covers_counters_of_every_entity() -> None:
    owners = {Oracle().owner(name) for name in COUNTERS}
    assert owners == set(Entity)


def test_a_burst_that_straddles_an_edge_is_counted_whole() -> None:
    stream = Stream()
    for edge in range(0, 600, 15):
        burst = [at(10_000 * edge + edge - 5 + k, card=1 + edge) for k in range(10)]
        assert stream.last(*burst, at(10_000 * edge + edge + 20, card=1 + edge))["card_attempts_1m"] == 10


def test_an_event_does_not_see_itself() -> None:
    features = Stream().last(at(0))
    assert features["card_attempts_1m"] == features["merchant_attempts_30d"] == 0
    assert math.isnan(features["card_since_last_s"])


def test_a_window_forgets_after_five_quarters_of_its_width() -> None:
    stream = Stream()
    stream.feed(at(0))
    assert stream.last(at(59.999))["card_attempts_1m"] == 1
    assert stream.last(at(59.999 + 75))["card_attempts_1m"] == 0


def test_a_late_event_counts_in_its_own_bucket_and_moves_no_window_back() -> None:
    stream = Stream()
    stream.feed(at(0), at(100))
    late = stream.last(at(90))
    assert late["card_attempts_1m"] == 1  # the row's windows end at 100 s
    assert late["card_since_last_s"] == 0
    after = stream.last(at(101))
    assert after["card_attempts_1m"] == 2
    assert after["card_since_last_s"] == 1
    assert stream.last(at(157))["card_attempts_1m"] == 2 + 1  # the bucket of 90 s to 105 s is still kept


def test_an_event_too_late_for_a_window_still_counts_in_wider_ones() -> None:
    stream = Stream()
    stream.feed(at(10_000))
    stream.feed(at(0))
    features = stream.last(at(10_001))
    assert features["card_attempts_10m"] == 1
    assert features["card_attempts_24h"] == 2


def test_years_of_silence_empty_every_window_and_keep_the_row() -> None:
    stream = Stream()
    stream.feed(*(at(k) for k in range(20)))
    features = stream.last(at(10 * 365 * 86_400))
    assert all(features[f"card_attempts_{window}"] == 0 for window in ("1m", "10m", "1h", "24h", "7d", "30d"))
    assert features["card_age_days"] == 3650


def test_an_event_without_trusted_time_reads_the_current_windows_and_moves_none() -> None:
    stream = Stream()
    stream.feed(at(0), at(1))
    ahead = at(10 * 86_400, trusted=False)
    features = stream.last(ahead)
    assert features["card_attempts_1m"] == 2
    assert math.isnan(features["card_since_last_s"])
    assert stream.last(at(2))["card_attempts_1m"] == 2


def test_times_that_no_row_can_hold_are_not_trusted() -> None:
    stream = Stream()
    stream.feed(at(0))
    for time_ms in (-(2**62), -1, 999, (2**32 - 1) * 1000, 2**62):
        assert stream.last(Event(time_ms=time_ms))["card_attempts_1m"] == 1
    assert stream.last(at(1))["card_attempts_1m"] == 1


def test_a_reversal_subtracts_spend_and_is_no_attempt() -> None:
    stream = Stream()
    stream.feed(at(0, amount=900), at(1, amount=300, kind=REVERSAL))
    features = stream.last(at(2))
    assert features["card_attempts_1h"] == 1
    assert features["card_spend_1h"] == features["account_spend_24h"] == 600
    assert features["card_reversals_24h"] == 1


def test_spend_below_zero_reads_as_zero_and_is_not_forgotten() -> None:
    stream = Stream()
    stream.feed(at(0, amount=900, kind=REVERSAL))
    assert stream.last(at(1, amount=1_000))["card_spend_1h"] == 0
    assert stream.last(at(2))["card_spend_1h"] == 100


def test_refunds_are_counted_apart() -> None:
    stream = Stream()
    stream.feed(at(0), at(1), at(2, kind=REFUND))
    features = stream.last(at(3))
    assert features["merchant_attempts_7d"] == 2
    assert features["merchant_refunds_over_attempts_7d"] == 0.5
    assert features["card_spend_24h"] == 2_000


def test_huge_amounts_add_up_without_overflow() -> None:
    stream = Stream()
    features = stream.last(*(at(0, amount=10**12) for _ in range(1_000)), at(1))
    assert features["card_spend_24h"] == 2**47 - 1
    assert features["merchant_spend_24h"] == 10**15
    assert stream.last(*(at(2, card=2, amount=10**12) for _ in range(100)), at(3, card=2))["card_spend_24h"] == 10**14
    features = stream.last(*(at(4, amount=2**63 - 1) for _ in range(2_000)), at(5))
    assert features["card_spend_24h"] == features["card_spend_30d"] == 2**47 - 1
    assert features["merchant_spend_24h"] == 2**60
    reversed_ = [at(6, amount=2**63 - 1, kind=REVERSAL) for _ in range(2)]
    assert stream.last(*reversed_, at(7, amount=5_000), at(8))["card_spend_1h"] == 0
    reversed_ = [at(9, card=3, amount=2_000, kind=REVERSAL), at(9, card=3, amount=3 * 2**32)]
    assert stream.last(*reversed_, at(10, card=3))["card_spend_1h"] == 3 * 2**32 - 2_000


def test_narrow_counters_saturate_and_never_wrap() -> None:
    stream = Stream()
    stream.feed(*[at(0, outcome=FRAUD, amount=1)] * 66_000)
    features = stream.last(at(1))
    assert features["card_attempts_24h"] == 65_535
    assert features["card_risk_declines_24h"] == 255
    assert features["card_small_attempts_1h"] == 255
    assert features["merchant_attempts_24h"] == 66_000


def test_shares_divide_by_the_attempts_of_their_window_and_are_unknown_without_any() -> None:
    stream = Stream()
    assert math.isnan(stream.last(at(0, outcome=APPROVED))["merchant_approval_rate_1h"])
    stream.feed(at(1, outcome=FRAUD), at(2, outcome=3, amount=200), at(3, outcome=2))
    features = stream.last(at(4))
    assert features["merchant_approval_rate_1h"] == 0.25
    assert features["merchant_risk_rate_24h"] == 0.25
    assert features["merchant_cred_rate_1h"] == 0.5
    assert features["merchant_small_rate_1h"] == 0.25
    assert features["bin_cred_rate_1h"] == features["merchant_bin_cred_rate_1h"] == 0.5


def test_noon_is_an_edge_of_every_bucket_up_to_a_day() -> None:
    assert NOON % 21_600 == 0


def test_an_event_behind_the_latest_of_its_card_is_disordered_and_counts_where_it_belongs() -> None:
    stream = Stream()
    stream.feed(at(1_000), at(400), at(1_000), at(999, card=2), at(5_000, trusted=False), at(1_001), at(0, card=0))
    assert stream.disordered == [False, True, False, False, False, False, False]
    stream.feed(at(1_000, trusted=False), at(1_000, id=7), at(1_000, id=7))
    assert stream.disordered[7:] == [False, True, False]
    assert stream.repeats[7:] == [False, False, True]
