"""The flush period: other workers see a change within the interval of the settings."""

import pytest

from streams.state.changelog_writer import period_s
from streams.state.settings import State


@pytest.mark.parametrize(("flush_s", "period"), [(0.0, 0.9), (0.02, 0.86), (0.1, 0.7), (0.3, 0.5), (5.0, 0.5)], ids=str)
def test_flushes_are_early_enough_for_others_to_see_a_change_within_the_interval(flush_s: float, period: float) -> None:
    state = State(flush_interval_s=1.0, follow_interval_s=0.1)
    found_s = period_s(state, flush_s, is_alone=False)
    assert found_s == pytest.approx(period)
    if period > 0.5:
        assert found_s + flush_s + state.follow_interval_s + flush_s <= state.flush_interval_s + 1e-9


def test_a_follow_interval_above_the_flush_interval_leaves_a_pause_between_flushes() -> None:
    assert period_s(State(flush_interval_s=0.05, follow_interval_s=10), 0.0, is_alone=False) == pytest.approx(0.025)


def test_a_worker_with_all_partitions_uses_the_full_interval() -> None:
    assert period_s(State(flush_interval_s=1.0, follow_interval_s=0.1), 0.3, is_alone=True) == 1.0
