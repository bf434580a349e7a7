"""The state is kept by event, and history is separate from the live part."""

import pytest

from streams.demo.state import State


def value(event_id: str) -> bytes:
    return b'{"event_id":"%b"}' % event_id.encode()


def test_only_events_first_sent_after_going_live_are_live() -> None:
    state = State(60.0)
    state.sent([value("old"), value("older")], [1, 2], 0.0)
    state.go_live(0.0)
    state.sent([value("new"), value("old")], [3, 4], 0.0)
    assert [state.is_live(name) for name in ("old", "older", "new", "unknown")] == [False, False, True, False]
    assert [state.time_of(name) for name in ("old", "older", "new")] == [1, 2, 3]
    assert state.ledger.repeats == 1


def test_latency_is_given_over_all_and_over_the_last_seconds() -> None:
    latency = State(60.0).latency
    assert latency.overall(0.5) is None
    assert latency.recent(0.5) is None
    latency.add([5] * 98 + [40, 200], now_s=0.0)
    assert (latency.overall(0.5), latency.overall(0.985), latency.overall(0.999)) == (5.0, 40.0, 200.0)
    latency.add([7], now_s=100.0)
    assert latency.recent(0.5) == pytest.approx(7.0)


def test_latency_runs_from_when_an_event_was_sent_last() -> None:
    state = State(60.0)
    state.sent([value("a"), value("b")], [1, 2], 10.0)
    state.sent([value("a")], [1], 30.0)
    assert [state.latency_ms(position, 30.5) for position in (0, 1)] == [500, 20_500]


def test_a_clock_that_runs_backwards_counts_as_no_latency() -> None:
    latency = State(60.0).latency
    latency.add([-3], now_s=0.0)
    assert latency.overall(0.99) == 0.0
