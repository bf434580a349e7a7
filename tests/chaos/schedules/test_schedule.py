from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.schedules.schedule import (
    EFFECTS,
    FAULTS_MAX,
    KINDS,
    Effect,
    Fault,
    Schedule,
    ScheduleError,
    draw,
)
from tests.chaos.schedules.shrink import RUNS_MAX, shrink

SHORTEST, LONGEST = 0.5, 6.0
MANY = [draw(23, number) for number in range(500)]


def test_a_seed_draws_the_same_schedules_every_time_and_another_seed_draws_others() -> None:
    assert [draw(23, number) for number in range(500)] == MANY
    assert len(set(MANY)) > 490
    assert len(set(MANY) & {draw(24, number) for number in range(500)}) < 10


def test_every_kind_and_every_effect_is_drawn_and_the_broker_restarts_now_and_then() -> None:
    faults = [fault for schedule in MANY for fault in schedule.faults]
    assert {len(schedule.faults) for schedule in MANY} == set(range(1, FAULTS_MAX + 1))
    assert {fault.kind for fault in faults} == set(KINDS)
    assert {fault.effect for fault in faults} == set(EFFECTS) == set(Effect)
    assert {(fault.kind, fault.effect) for fault in faults} > {(kind, Effect.HOLD) for kind in KINDS}
    assert 0.02 < sum(schedule.is_alone for schedule in MANY) / len(MANY) < 0.08
    assert Counter(fault.worker for fault in faults).keys() == {0, 1}


@given(st.integers(), st.integers(0, 10_000))
def test_a_written_schedule_is_read_as_the_same(seed: int, number: int) -> None:
    schedule = draw(seed, number)
    assert Schedule.parse(str(schedule)) == schedule
    assert len(schedule.words.splitlines()) == len(schedule.faults)


@pytest.mark.parametrize(
    "text", ["0:outputs:3:hold", "2:outputs:3:hold:1", "0:inputs:3:hold:1", "0:rows:0:hold:1", "0:rows:3:hold:1e9"]
)
def test_a_text_that_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.parse(text)


def fault(kind: str, nth: int, effect: Effect = Effect.HOLD, seconds: float = LONGEST) -> Fault:
    return Fault(worker=0, kind=kind, nth=nth, effect=effect, seconds=seconds)


def test_a_failing_schedule_shrinks_to_the_faults_that_it_needs_at_their_shortest() -> None:
    """It fails if rows are held for longer than two seconds and the worker is killed by then."""

    def fails(schedule: Schedule) -> bool:
        held = any(f.kind == "rows" and f.effect is Effect.HOLD and f.seconds > 2 for f in schedule.faults)
        return held and any(f.effect is Effect.KILL for f in schedule.faults)

    drawn = Schedule(
        (fault("group", 3), fault("rows", 40), fault("all", 9, Effect.CUT, 0), fault("fence", 5, Effect.KILL))
    )
    assert fails(drawn)
    least = Schedule((fault("rows", 1, Effect.HOLD, 3.5), fault("fence", 1, Effect.KILL, SHORTEST)))
    assert shrink(drawn, fails) == least
    assert shrink(least, fails) == least


@given(st.integers(0, 1_000), st.randoms())
def test_shrinking_ends_and_returns_a_schedule_that_failed(number: int, choose: object) -> None:
    schedule = draw(1, number)
    seen = [schedule]

    def fails(candidate: Schedule) -> bool:
        failed: bool = choose.random() < 0.5  # type: ignore[attr-defined]
        if failed:
            seen.append(candidate)
        return failed

    assert shrink(schedule, fails) == seen[-1]
    assert len(seen) <= RUNS_MAX + 1
