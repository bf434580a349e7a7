"""The limit on dead letters of a partition: by share and number over a sliding window, or in a row."""

import asyncio
from itertools import pairwise

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from scoring.outputs import LetterRuns, Tally, letter_runs
from streams.state.settings import State
from streams.worker import agents
from streams.worker.app import build_app
from streams.worker.poison import PoisonedError, PoisonGuard
from streams.worker.settings import PoisonLimit, WorkerSettings
from tests.doubles import NoTelemetry
from tests.integration.fakes import EchoEngine

IN_A_ROW = 1_000_000


def batch(events: int, letters: int, reason: str = "EMPTY") -> Tally:
    """Make a batch whose first events are good."""
    runs = letter_runs(events, range(events - letters, events))
    return Tally(events=events, dead_letters={reason: letters} if letters else {}, letter_runs=runs)


class Counting:
    """The dead letters of one partition."""

    def __init__(self, limit: PoisonLimit) -> None:
        self.guard = PoisonGuard(limit)

    def observe(self, events: int, letters: int) -> None:
        self.guard.observe("authorizations", 3, batch(events, letters))


def test_a_few_dead_letters_are_tolerated_without_any_good_event() -> None:
    Counting(PoisonLimit()).observe(1_000, 1_000)


def test_mostly_dead_letters_stop_the_worker() -> None:
    state = Counting(PoisonLimit(max_consecutive=IN_A_ROW))
    with pytest.raises(PoisonedError, match=r"1,001 of the last 1,001 .*\(poison\.max_ratio 0\.5, poison"):
        state.observe(1_001, 1_001)


def test_many_dead_letters_among_more_good_events_are_tolerated() -> None:
    state = Counting(PoisonLimit())
    for _ in range(100):
        state.observe(1_000, 500)


def test_good_events_long_ago_do_not_excuse_bad_ones_now() -> None:
    state = Counting(PoisonLimit(window_events=100, max_ratio=0.5, max_letters=10))
    for _ in range(1_000):
        state.observe(10, 0)
    for _ in range(5):
        state.observe(10, 10)
    with pytest.raises(PoisonedError, match="60 of the last 100"):
        state.observe(10, 10)


def test_dead_letters_in_a_row_stop_the_worker_after_any_history() -> None:
    state = Counting(PoisonLimit(max_consecutive=20))
    for _ in range(9):
        state.observe(1_000, 0)
    state.observe(15, 5)
    state.observe(15, 15)
    with pytest.raises(PoisonedError, match=r"21 dead letters in a row \(poison\.max_consecutive 20\)"):
        state.observe(1, 1)


def test_one_good_event_or_repeat_ends_the_row() -> None:
    state = Counting(PoisonLimit(max_consecutive=20, max_letters=IN_A_ROW))
    for _ in range(100):
        state.observe(21, 20)


def test_a_row_reaches_from_batch_to_batch_but_not_over_a_good_event() -> None:
    guard = PoisonGuard(PoisonLimit(max_consecutive=2))
    tally = Tally(events=3, dead_letters={"EMPTY": 2}, letter_runs=letter_runs(3, [0, 2]))
    for _ in range(100):
        guard.observe("authorizations", 0, tally)
    guard = PoisonGuard(PoisonLimit(max_consecutive=1))
    guard.observe("authorizations", 0, tally)
    with pytest.raises(PoisonedError, match="2 dead letters in a row"):
        guard.observe("authorizations", 0, tally)


def test_each_partition_and_topic_has_its_own_limit() -> None:
    guard = PoisonGuard(PoisonLimit(max_consecutive=10))
    for topic, partition in (("authorizations", 0), ("authorizations", 1), ("fraud-reports", 0)):
        guard.observe(topic, partition, batch(10, 10))
    with pytest.raises(PoisonedError, match=r"^fraud-reports partition 0: 11 dead letters in a row"):
        guard.observe("fraud-reports", 0, batch(1, 1))


def test_a_partition_that_was_revoked_is_counted_from_zero() -> None:
    guard = PoisonGuard(PoisonLimit(max_consecutive=10))
    for partition in (0, 1):
        guard.observe("authorizations", partition, batch(10, 10))
    guard.forget([("authorizations", 0), ("authorizations", 7)])
    guard.observe("authorizations", 0, batch(10, 10))
    with pytest.raises(PoisonedError):
        guard.observe("authorizations", 1, batch(1, 1))


def test_the_worker_drops_the_counts_of_revoked_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[object] = []
    monkeypatch.setattr(agents.PoisonGuard, "forget", lambda _, partitions: forgotten.append(partitions))

    async def rebalance() -> None:
        app = build_app(WorkerSettings(state=State(enabled=False)), EchoEngine(), NoTelemetry())
        await app.on_partitions_revoked.send({TP("authorizations", 1)})

    asyncio.run(rebalance())
    assert forgotten == [{TP("authorizations", 1)}]


def test_the_message_names_the_place_the_reasons_and_the_way_out() -> None:
    guard = PoisonGuard(PoisonLimit(max_consecutive=50))
    guard.observe("authorizations", 3, batch(100, 10, "EMPTY"))
    guard.observe("authorizations", 3, batch(30, 30, "MISSING_FIELD"))
    with pytest.raises(PoisonedError) as stopped:
        guard.observe("authorizations", 3, batch(20, 20, "WRONG_TYPE"))
    assert str(stopped.value) == (
        "authorizations partition 3: 60 dead letters in a row (poison.max_consecutive 50); "
        "60 of the last 150 events were dead letters: MISSING_FIELD 30, WRONG_TYPE 20, EMPTY 10. "
        "This batch was not committed, so nothing is lost. `sekisho dlq list` shows which events were refused before "
        "it and why. Mend or stop their producer, or raise the limit if the refusals are right. "
        "Then restart the worker."
    )


@given(
    batches=st.lists(st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=60),
    window=st.integers(1, 200),
)
def test_it_agrees_with_a_full_recount(batches: list[tuple[int, int]], window: int) -> None:
    state = Counting(PoisonLimit(window_events=window, max_ratio=0.5, max_letters=20, max_consecutive=IN_A_ROW))
    seen: list[tuple[int, int]] = []
    for events, letters in batches:
        seen.append((events, letters))
        recent: list[tuple[int, int]] = []
        for one in reversed(seen):  # whole batches, newest first, until the window is full
            recent.append(one)
            if sum(size for size, _ in recent) >= window:
                break
        total, bad = sum(size for size, _ in recent), sum(count for _, count in recent)
        if bad > 20 and bad > total / 2:
            with pytest.raises(PoisonedError):
                state.observe(events, letters)
            return
        state.observe(events, letters)


@given(
    stream=st.lists(st.booleans(), max_size=80),
    cuts=st.sets(st.integers(1, 79)),
    limit=st.integers(1, 12),
)
def test_the_row_is_exact_for_any_cut_into_batches(stream: list[bool], cuts: set[int], limit: int) -> None:
    guard = PoisonGuard(PoisonLimit(window_events=IN_A_ROW, max_letters=IN_A_ROW, max_consecutive=limit))
    run, first_too_many = 0, None
    for position, is_letter in enumerate(stream):
        run = run + 1 if is_letter else 0
        if run > limit and first_too_many is None:
            first_too_many = position
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(edges):
        refused = [position for position, is_letter in enumerate(stream[start:end]) if is_letter]
        tally = Tally(
            events=end - start,
            dead_letters={"EMPTY": len(refused)} if refused else {},
            letter_runs=letter_runs(end - start, refused),
        )
        if first_too_many is not None and first_too_many < end:
            with pytest.raises(PoisonedError, match="in a row"):
                guard.observe("authorizations", 0, tally)
            return
        guard.observe("authorizations", 0, tally)


@pytest.mark.parametrize(
    ("events", "refused", "runs"),
    [
        (0, [], (0, 0, 0)),
        (5, [], (0, 0, 0)),
        (5, [0, 1, 2, 3, 4], (5, 5, 5)),
        (5, [0, 1, 3], (2, 0, 2)),
        (6, [0, 2, 3, 4], (1, 0, 3)),
        (6, [1, 3, 4, 5], (0, 3, 3)),
        (1, [0], (1, 1, 1)),
    ],
)
def test_runs_are_measured_at_both_ends_and_at_most(
    events: int, refused: list[int], runs: tuple[int, int, int]
) -> None:
    assert letter_runs(events, refused) == LetterRuns(*runs)
