"""The limit on dead letters needs both a ratio and a number, over a sliding window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.poison import PoisonedError, PoisonState
from streams.transport.settings import PoisonLimit


def test_a_few_dead_letters_are_tolerated_even_if_they_are_all_there_is() -> None:
    PoisonState(PoisonLimit()).observe(1_000, 1_000)


def test_mostly_dead_letters_stop_the_worker() -> None:
    state = PoisonState(PoisonLimit())
    with pytest.raises(PoisonedError, match="1001 of the last 1001"):
        state.observe(1_001, 1_001)


def test_many_dead_letters_among_more_good_events_are_tolerated() -> None:
    state = PoisonState(PoisonLimit())
    for _ in range(100):
        state.observe(1_000, 500)


def test_good_events_long_ago_do_not_excuse_bad_ones_now() -> None:
    state = PoisonState(PoisonLimit(window_events=100, max_ratio=0.5, max_letters=10))
    for _ in range(1_000):
        state.observe(10, 0)
    for _ in range(5):
        state.observe(10, 10)
    with pytest.raises(PoisonedError, match="60 of the last 100"):
        state.observe(10, 10)


@given(
    batches=st.lists(st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=60),
    window=st.integers(1, 200),
)
def test_it_agrees_with_counting_over_again(batches: list[tuple[int, int]], window: int) -> None:
    state = PoisonState(PoisonLimit(window_events=window, max_ratio=0.5, max_letters=20))
    seen: list[tuple[int, int]] = []
    for events, letters in batches:
        seen.append((events, letters))
        recent: list[tuple[int, int]] = []
        for batch in reversed(seen):  # whole batches, newest first, until the window is covered
            recent.append(batch)
            if sum(size for size, _ in recent) >= window:
                break
        total, bad = sum(size for size, _ in recent), sum(count for _, count in recent)
        if bad > 20 and bad > total / 2:
            with pytest.raises(PoisonedError):
                state.observe(events, letters)
            return
        state.observe(events, letters)
