"""The watermark is the end of the finished prefix, in any order of finishing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.window import AckWindow


def test_nothing_is_committable_before_a_batch_is_finished() -> None:
    window = AckWindow()
    window.deliver(10, 20, 0)
    assert window.watermark is None
    assert window.depth == 1


def test_a_finished_batch_waits_for_the_one_before_it() -> None:
    window = AckWindow()
    first, second = window.deliver(0, 5, 0), window.deliver(5, 9, 1)
    window.finish(second)
    assert window.watermark is None
    window.finish(first)
    assert window.watermark == 9


def test_a_gap_between_delivered_batches_is_a_bug() -> None:
    window = AckWindow()
    window.deliver(0, 5, 0)
    with pytest.raises(AssertionError, match="not delivered"):
        window.deliver(6, 9, 0)


def test_an_empty_range_moves_the_watermark_only_when_all_before_it_is_finished() -> None:
    window = AckWindow()
    first = window.deliver(0, 5, 0)
    window.skip(5, 8)
    assert window.watermark is None
    window.finish(first)
    assert window.watermark == 8


def test_the_head_is_the_oldest_unfinished_batch() -> None:
    window = AckWindow()
    first = window.deliver(0, 5, 100)
    window.deliver(5, 6, 200)
    assert window.head_ns == 100
    window.finish(first)
    assert window.head_ns == 200


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    start=st.integers(0, 10**12),
    data=st.data(),
)
def test_the_watermark_never_passes_an_unfinished_batch(lengths: list[int], start: int, data: st.DataObject) -> None:
    window, tickets, position = AckWindow(), [], start
    for length in lengths:
        tickets.append((window.deliver(position, position + length, 0), position, position + length))
        position += length
    finished: set[int] = set()
    for index in data.draw(st.permutations(range(len(tickets)))):
        window.finish(tickets[index][0])
        finished.add(index)
        unfinished = [begin for number, (_, begin, _) in enumerate(tickets) if number not in finished]
        oracle = min(unfinished, default=position)
        assert (start if window.watermark is None else window.watermark) == oracle
    assert window.depth == 0
