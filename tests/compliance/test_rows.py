"""Rows of fixed size: bounded, flushed once, buried when they go."""

from collections.abc import Iterable

import numpy as np
import pytest

from scoring.merchants.months.columns import CLAIM_ROW
from scoring.merchants.months.table import RowTable
from scoring.profile.packed import PARTITION_BITS, RowFormatError


def table(rows_max: int) -> RowTable:
    return RowTable(200, CLAIM_ROW, rows_max)


def fill(rows: RowTable, keys: Iterable[int], partition: int = 0) -> None:
    for key in keys:
        row = rows.make(partition, key)
        rows.data[row]["at"] = key
        rows.mark(row)


def test_a_table_grows_to_its_limit_and_no_further() -> None:
    small, large = table(10), table(200)
    fill(small, range(1, 31))
    fill(large, range(1, 66))
    assert len(large.data) == 128
    fill(large, range(66, 201))
    assert (len(small.data), len(small), small.evicted) == (10, 10, 20)
    assert (len(large.data), len(large), large.evicted) == (200, 200, 0)
    assert [key for key in range(1, 31) if small.find(0, key) is not None] == list(range(21, 31))
    fill(large, [999])
    assert (len(large), large.evicted) == (198, 3)
    assert [large.find(0, key) for key in range(1, 4)] == [None] * 3


def test_what_awaits_a_flush_is_counted_with_its_tombstones() -> None:
    rows = table(4)
    rows.own(0)
    fill(rows, [1, 2, 3])
    assert rows.pending(0) == 3
    fill(rows, [4, 5], partition=1)
    assert (rows.pending(0), rows.pending(1)) == (3, 2)  # 1 is buried, 2 and 3 changed
    rows.flush(0)
    assert rows.pending(0) == 0
    rows.forget(0)
    fill(rows, [6, 7, 8], partition=1)
    assert rows.pending(0) == 0


def test_an_owner_that_lets_go_buries_nothing_of_the_partition_any_more() -> None:
    rows = table(2)
    rows.own(0)
    fill(rows, [1, 2])
    rows.flush(0)
    fill(rows, [3])
    assert rows.pending(0) == 2
    rows.forget(0)
    assert (rows.pending(0), len(rows)) == (0, 0)
    fill(rows, [1, 2, 3])
    assert rows.pending(0) == 2


def test_the_bytes_of_a_row_do_not_say_where_it_is_kept() -> None:
    rows = table(10)
    fill(rows, [5], partition=0)
    fill(rows, [5], partition=7)
    first, second = rows.flush(0), rows.flush(7)
    assert first.values.tolist() == second.values.tolist()
    assert first.keys.tolist() == [[200 << PARTITION_BITS, 5, 0]]
    assert second.keys.tolist() == [[200 << PARTITION_BITS | 7, 5, 0]]


@pytest.mark.parametrize("wrong", [(8, 10), (256, 10), (200, 0)])
def test_a_table_of_a_kind_that_rows_of_profiles_have_or_without_room_is_refused(wrong: tuple[int, int]) -> None:
    RowTable(9, CLAIM_ROW, 1)
    RowTable(255, CLAIM_ROW, 1)
    with pytest.raises(AssertionError):
        RowTable(wrong[0], CLAIM_ROW, wrong[1])


def test_a_row_whose_bytes_or_columns_mean_something_else_is_refused() -> None:
    header = [
        ("key", "<u8"),
        ("at", "<i8"),
        ("sums", "<i8", (2,)),
        ("home", "<u2"),
        ("dirty", "u1"),
        ("spare", "u1", (5,)),
    ]
    plain = np.dtype(header)
    renamed = np.dtype([(("money", *part[1:]) if part[0] == "sums" else part) for part in header])
    written = RowTable(200, plain, 4, ["A", "B"])
    written.mark(written.make(0, 1))
    packed = written.flush(0)
    same = RowTable(200, plain, 4, ["A", "B"])
    same.restore(0, packed)
    assert len(same) == 1
    for other in (RowTable(200, plain, 4, ["B", "A"]), RowTable(200, plain, 4), RowTable(200, renamed, 4, ["A", "B"])):
        with pytest.raises(RowFormatError, match="row 0 has another layout"):
            other.restore(0, packed)
    assert RowTable(201, plain, 4, ["A", "B"]).layout != written.layout


def test_rows_that_are_marked_together_are_flushed_once_and_not_at_all_when_they_are_gone() -> None:
    rows = table(4)
    assert (rows.has_room_for(4), rows.has_room_for(5)) == (True, False)
    fill(rows, [1, 2])
    assert (rows.has_room_for(2), rows.has_room_for(3)) == (True, False)
    rows.flush(0)
    numbers = np.array([rows.find(0, 1), rows.find(0, 2)], dtype=np.int64)
    rows.mark_all(0, numbers)
    rows.mark_all(0, numbers)
    assert rows.pending(0) == 2
    rows.remove(int(numbers[0]))
    assert rows.pending(0) == 1
    packed = rows.flush(0)
    assert packed.keys[:, 1].tolist() == [2]
    rows.mark_all(0, numbers[1:])
    assert rows.pending(0) == 1
