"""The order of records of several partitions, by hand."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.explain.order import Beside, Payment, is_due, is_known, placed, rank
from streams.explain.portion import Times
from streams.kafka.types import DAY_MS


def payment(at_ms: int, received_ms: int, decided_ms: int = 0) -> Payment:
    return Payment(0, b"", b"", at_ms, Times(received_ms, decided_ms or received_ms + 1))


def beside(at_ms: int) -> Beside:
    return Beside(0, b"", b"", at_ms)


def test_a_record_without_a_decision_stays_between_its_neighbours() -> None:
    known = [None, Times(100, 110), None, None, None, Times(200, 210), None, None]
    at_ms = [50, 95, 90, 150, 500, 190, 120, 300]
    assert placed(at_ms, known, Times(0, 0)) == [
        Times(50, 50),
        Times(100, 110),
        Times(100, 110),  # written before the poll of the last one: the same batch
        Times(150, 150),
        Times(200, 210),  # not after the next decision, whatever its time
        Times(200, 210),
        Times(200, 210),
        Times(300, 300),
    ]
    assert placed([50], [None], Times(70, 80)) == [Times(70, 80)]


@given(
    st.lists(st.tuples(st.integers(0, 1_000), st.one_of(st.none(), st.integers(1, 5))), max_size=20),
)
def test_times_never_fall_and_those_of_decisions_are_kept(drawn: list[tuple[int, int | None]]) -> None:
    clock, known = 0, []
    for _, step in drawn:
        clock += (step or 0) * 10
        known.append(None if step is None else Times(clock, clock + 5))
    made = placed([at for at, _ in drawn], known, Times(0, 0))
    assert made == sorted(made)
    assert all(own is None or own == times for own, times in zip(known, made, strict=True))


def test_a_record_is_applied_before_the_first_payment_that_is_not_older() -> None:
    assert is_due(beside(100), payment(100, 105))
    assert not is_due(beside(101), payment(100, 105)), "it was written after the payment"
    assert not is_due(beside(101), payment(100, 100 + DAY_MS)), "the payment is late, not replayed"


def test_beside_replayed_payments_a_record_counts_from_its_writing() -> None:
    replayed = payment(100, 100 + 400 * DAY_MS)
    assert is_due(beside(100 + 400 * DAY_MS), replayed)
    assert not is_due(beside(101 + 400 * DAY_MS), replayed)
    assert not is_due(beside(100 + DAY_MS), replayed), "within a day it is as old as the payments"
    assert is_due(beside(101 + DAY_MS), replayed)


def test_a_merchant_is_known_from_the_poll_on() -> None:
    assert is_known(beside(105), payment(100, 105))
    assert not is_known(beside(106), payment(100, 105))
    assert is_known(beside(100), payment(100, 0))


def test_payments_are_sorted_by_the_end_of_their_batch_then_by_its_poll_then_by_partition() -> None:
    some: list[Any] = [(payment(9, 5, 20), 1), (payment(1, 7, 20), 0), (payment(5, 5, 10), 2), (payment(9, 5, 20), 0)]
    assert sorted(some, key=lambda one: rank(*one)) == [some[2], some[3], some[0], some[1]]
