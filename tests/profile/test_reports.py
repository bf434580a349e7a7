"""Fraud reports: counted from receipt, never seen early, smoothed."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.profile import Entity
from tests.examples import examples
from tests.profile.events import NOON, Event, Report, Stream, at

_TIMES = st.one_of(st.integers(0, 100_000), st.integers(0, 40 * 86_400_000), st.sampled_from([0, 999, 1_000, 1_001]))
HOUR, DAY = 3_600, 86_400


def received(second: float, **fields: int) -> Report:
    return Report(received_ms=round((NOON + second) * 1000), **fields)


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(st.booleans(), _TIMES, st.integers(1, 2), st.integers(-1, 10**12)), min_size=1, max_size=40))
def test_reports_lie_between_their_window_and_five_quarters_of_it_and_are_never_early(
    steps: list[tuple[bool, int, int, int]],
) -> None:
    """Events in order; reports in any order, received up to 8 seconds after the event."""
    stream = Stream()
    known: list[Report] = []
    now_ms = NOON * 1000
    for is_report, time_ms, merchant, amount in steps:
        if is_report:
            item = Report(received_ms=now_ms + time_ms % 4_000, card=0, merchant=merchant, amount=amount)
            stream.report(item)
            known.append(item)
            continue
        now_ms += time_ms
        features = stream.last(at((now_ms - NOON * 1000) / 1000, merchant=merchant))
        for window, width in (("24h", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)):
            of = [item for item in known if item.merchant == merchant]
            least = [item for item in of if now_ms - width * 1000 < item.received_ms <= now_ms - 2_000]
            most = [item for item in of if now_ms - width * 1250 - 1_000 < item.received_ms <= now_ms]
            assert len(least) <= features[f"merchant_reports_{window}"] <= len(most)
            if window == "30d":
                assert sum(max(item.amount, 0) for item in least) <= features["merchant_reported_30d"]
                assert features["merchant_reported_30d"] <= sum(max(item.amount, 0) for item in most)


@settings(max_examples=examples(100))
@given(st.lists(_TIMES, max_size=4), _TIMES)
def test_up_to_four_reports_of_a_card_are_exact_to_the_second(times_ms: list[int], now_ms: int) -> None:
    stream = Stream()
    stream.report(*(Report(received_ms=NOON * 1000 + t, merchant=0, amount=10) for t in times_ms))
    features = stream.last(at(now_ms / 1000))
    seen = [t for t in times_ms if math.ceil(t / 1000) <= now_ms // 1000]
    for window, width in (("24h", DAY), ("30d", 30 * DAY)):
        inside = [t for t in seen if math.ceil(t / 1000) > now_ms // 1000 - width]
        assert features[f"card_reports_{window}"] == len(inside)
    assert features["card_reports_ever"] == len(seen)
    assert features["card_reported_30d"] == 10 * len(
        [t for t in seen if math.ceil(t / 1000) > now_ms // 1000 - 30 * DAY]
    )


def test_an_event_does_not_see_a_report_received_after_it_even_when_it_arrives_later() -> None:
    stream = Stream()
    stream.report(received(10), received(500))
    early = stream.last(at(9.9))
    assert early["merchant_reports_24h"] == early["card_reports_ever"] == early["merchant_reported_30d"] == 0
    between = stream.last(at(20))
    assert between["merchant_reports_24h"] == between["card_reports_ever"] == 1
    assert stream.last(at(500))["merchant_reports_30d"] == 2
    late = stream.last(at(499))
    assert late["merchant_reports_24h"] == late["card_reports_24h"] == 1


def test_a_file_of_reports_received_at_once_stays_hidden_as_one() -> None:
    stream = Stream()
    stream.report(*(received(100) for _ in range(1_000)))
    assert stream.last(at(99))["merchant_reports_24h"] == 0
    assert stream.last(at(100))["merchant_reports_24h"] == 1_000


def test_any_number_of_reports_of_a_card_counts_in_every_window() -> None:
    stream = Stream()
    stream.report(*(received(k) for k in range(7)))
    features = stream.last(at(100))
    assert features["card_reports_24h"] == features["card_reports_30d"] == 7
    assert features["card_reports_ever"] == 7
    assert features["card_reported_30d"] == 7_000
    assert features["merchant_reports_24h"] == 7


def test_reports_on_unknown_keys_make_rows_and_absent_keys_none() -> None:
    stream = Stream()
    stream.report(received(0, card=9, merchant=0), received(0, card=0, merchant=8))
    assert (stream.profiles.reported, stream.profiles.sizes()[Entity.MERCHANT]) == (1, 1)
    assert stream.last(at(1, card=9, merchant=0))["card_reports_ever"] == 1
    features = stream.last(at(1, card=1, merchant=8))
    assert features["merchant_reports_24h"] == 1
    assert features["card_reports_ever"] == 0


def test_the_report_rate_of_a_merchant_is_drawn_to_the_prior_while_attempts_are_few() -> None:
    stream = Stream()
    assert stream.last(at(0))["merchant_report_rate_30d"] == pytest.approx(0.001)
    stream.report(received(1), received(1))
    assert stream.last(at(2))["merchant_report_rate_30d"] == pytest.approx((2 + 0.02) / (1 + 20))
    stream.feed(*(at(3) for _ in range(998)))
    assert stream.last(at(4))["merchant_report_rate_7d"] == pytest.approx((2 + 0.02) / (1_000 + 20))


def test_reports_without_a_usable_time_are_left_out_and_huge_amounts_add_up() -> None:
    stream = Stream()
    stream.report(Report(received_ms=-5), Report(received_ms=2**62))
    stream.report(*(received(0, amount=10**12) for _ in range(3)))
    features = stream.last(at(1))
    assert features["merchant_reports_30d"] == features["card_reports_ever"] == 3
    assert features["merchant_reported_30d"] == 3 * 10**12
    assert features["card_reported_30d"] == 3 * (2**32 - 1)  # a card keeps uint32 yen for each


def test_reports_age_out_after_five_quarters_of_a_window() -> None:
    stream = Stream()
    stream.report(received(0))
    assert stream.last(at(DAY - 1))["merchant_reports_24h"] == 1
    features = stream.last(at(1.25 * DAY))
    assert features["merchant_reports_24h"] == 0
    assert features["merchant_reports_7d"] == 1


def put(cells: NDArray[Any], value: int, other: int) -> None:
    """Overwrite the cells of a card and of a merchant that hold a value."""
    places = np.flatnonzero(cells == value)
    assert len(places) == 2
    cells[places] = other


def test_counts_and_sums_in_the_log_of_a_row_stop_at_their_top() -> None:
    stream = Stream()
    stream.report(*(received(0, amount=1_000) for _ in range(7_777)))
    arena = stream.profiles._arena
    put(arena.singles, 7_777, 2**32 - 3)
    put(arena.words, 7_777_000, 2**60 - 1_500)
    counts = []
    for second in (1, 2, 3):
        stream.report(received(0))
        features = stream.last(at(second))
        counts.append(features["card_reports_ever"])
        assert features["card_reports_24h"] == features["merchant_reports_24h"] == counts[-1]
        assert (
            features["card_reported_30d"]
            == features["merchant_reported_30d"]
            == float(min(2**60, 2**60 - 1_500 + second * 1_000))
        )
    assert counts == [2**32 - 2, 2**32 - 1, 2**32 - 1]


def test_counts_and_sums_of_settled_reports_stop_at_their_top() -> None:
    stream = Stream()
    stream.feed(at(5_000, card=2, merchant=2))
    for second in (0, 1):
        stream.report(*(received(second, amount=1_000) for _ in range(7_777 + second)))
        put(stream.profiles._arena.singles, 7_777 + second, 2**32 - 3 + second)
        put(stream.profiles._arena.words, 1_000 * (7_777 + second), 2**60 - 1_500 * (1 - second))
    stream.report(*(received(100 + k, amount=0) for k in range(16)))  # the first two are settled
    features = stream.last(at(6_000))
    assert features["card_reports_ever"] == 2**32 - 1 + 16
    for window in ("24h", "7d", "30d"):
        assert features[f"merchant_reports_{window}"] == 2**32 - 1 + 16
    assert features["card_reported_30d"] == features["merchant_reported_30d"] == 2**60


TOP_S = 2**32 - 2


@pytest.mark.parametrize(
    ("received_ms", "known"),
    [(-1_000, 0), (0, 0), (1, 1), (1_000, 1), (TOP_S * 1_000, 1), (TOP_S * 1_000 + 1, 0), (2**62, 0)],
)
def test_receipts_from_the_first_second_to_the_last_one_that_a_row_can_hold_count(received_ms: int, known: int) -> None:
    stream = Stream()
    stream.report(Report(received_ms=received_ms))
    features = stream.last(Event(time_ms=TOP_S * 1_000))
    assert features["card_reports_ever"] == known
    assert stream.profiles.reported == known
    assert stream.profiles.sizes()[Entity.MERCHANT] == 1


def test_amounts_that_are_no_yen_are_none_and_a_merchant_keeps_them_up_to_a_thousand_trillion() -> None:
    for amount, of_card, of_merchant in (
        (-1, 0, 0),
        (2**32 - 1, 2**32 - 1, 2**32 - 1),
        (2**32, 2**32 - 1, 2**32),
        (10**15 + 1, 2**32 - 1, 10**15),
    ):
        stream = Stream()
        stream.report(received(0, amount=amount))
        features = stream.last(at(1))
        assert (features["card_reported_30d"], features["merchant_reported_30d"]) == (of_card, of_merchant)


def test_reports_settled_in_the_first_second_count() -> None:
    stream = Stream()
    stream.feed(Event(time_ms=50_000, card=2, merchant=2))
    stream.report(*(Report(received_ms=1_000 * second) for second in range(17, 0, -1)))
    features = stream.last(Event(time_ms=60_000))
    assert features["card_reports_ever"] == features["merchant_reports_24h"] == 17
    assert features["card_reported_30d"] == 17_000


@pytest.mark.parametrize(("window", "width"), [("24h", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)])
def test_a_report_leaves_a_window_when_it_is_as_old_as_the_window(window: str, width: int) -> None:
    for age, known in ((width, 0), (width - 1, 1)):
        stream = Stream()
        stream.report(received(0))
        features = stream.last(at(age))
        assert features[f"merchant_reports_{window}"] == known
        if window != "7d":
            assert features[f"card_reports_{window}"] == known
        if window == "30d":
            assert features["card_reported_30d"] == features["merchant_reported_30d"] == 1_000 * known


@pytest.mark.parametrize("before_s", [60, 6 * DAY - 60], ids=["by a minute", "by days"])
def test_an_event_before_all_settled_reports_sees_none_of_them(before_s: int) -> None:
    """It is in the same sub-bucket of the month; its day's sub-bucket is before theirs, or is not kept."""
    month_s = 30 * DAY // 4
    begins_s = -NOON % month_s
    stream = Stream()
    stream.feed(at(begins_s + 7 * DAY, card=2, merchant=2))
    stream.report(*(received(begins_s + 6 * DAY + 60 * k) for k in range(40)))
    features = stream.last(at(begins_s + 6 * DAY - before_s))
    names = [f"{kind}_reports_{window}" for kind in ("card", "merchant") for window in ("24h", "30d")]
    for name in (*names, "card_reports_ever", "merchant_reports_7d", "card_reported_30d", "merchant_reported_30d"):
        assert features[name] == 0, name
    assert stream.last(at(begins_s + 7 * DAY))["card_reports_ever"] == 40
