"""Rows of fixed size: bounded, flushed once, buried when they go."""

from collections.abc import Iterable

import numpy as np
import pytest

from scoring.merchants.months.columns import CLAIM_ROW
from scoring.merchants.months.table import RowTable, Shape
from scoring.profile.packed import PARTITION_BITS, RowFormatError


def shape(dtype: np.dtype[np.void] = CLAIM_ROW, *columns: str, kind: int = 200) -> Shape:
    return Shape(kind=kind, name="THING", dtype=dtype, is_shared=True, columns=columns)


def table(rows_max: int) -> RowTable:
    return RowTable(shape(), rows_max)


def pending(rows: RowTable, partition: int) -> int:
    return len(rows._dirty.get(partition, ())) + len(rows._gone.get(partition, ()))


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
    assert pending(rows, 0) == 3
    fill(rows, [4, 5], partition=1)
    assert (pending(rows, 0), pending(rows, 1)) == (3, 2)  # 1 is buried, 2 and 3 changed
    rows.flush(0)
    assert pending(rows, 0) == 0
    rows.forget(0)
    fill(rows, [6, 7, 8], partition=1)
    assert pending(rows, 0) == 0


def test_an_owner_that_lets_go_buries_nothing_of_the_partition_any_more() -> None:
    rows = table(2)
    rows.own(0)
    fill(rows, [1, 2])
    rows.flush(0)
    fill(rows, [3])
    assert pending(rows, 0) == 2
    rows.forget(0)
    assert (pending(rows, 0), len(rows)) == (0, 0)
    fill(rows, [1, 2, 3])
    assert pending(rows, 0) == 2


def test_the_bytes_of_a_row_do_not_say_where_it_is_kept() -> None:
    rows = table(10)
    fill(rows, [5], partition=0)
    fill(rows, [5], partition=7)
    first, second = rows.flush(0), rows.flush(7)
    assert first.values.tolist() == second.values.tolist()
    assert first.keys.tolist() == [[200 << PARTITION_BITS, 5, 0]]
    assert second.keys.tolist() == [[200 << PARTITION_BITS | 7, 5, 0]]


@pytest.mark.parametrize("kind", [191, 256])
def test_a_table_of_a_kind_that_rows_of_profiles_have_is_refused(kind: int) -> None:
    RowTable(shape(kind=192), 1)
    RowTable(shape(kind=255), 1)
    with pytest.raises(AssertionError):
        shape(kind=kind)


def test_a_table_without_room_is_refused() -> None:
    with pytest.raises(AssertionError):
        RowTable(shape(), 0)


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
    written = RowTable(shape(plain, "A", "B"), 4)
    written.mark(written.make(0, 1))
    packed = written.flush(0)
    same = RowTable(shape(plain, "A", "B"), 4)
    same.restore(0, packed)
    assert len(same) == 1
    for other in (
        RowTable(shape(plain, "B", "A"), 4),
        RowTable(shape(plain), 4),
        RowTable(shape(renamed, "A", "B"), 4),
    ):
        with pytest.raises(RowFormatError, match="row 0 of THING has another layout"):
            other.restore(0, packed)
    assert RowTable(shape(plain, "A", "B", kind=201), 4).layout != written.layout


def test_rows_that_a_crash_left_are_written_again_or_buried() -> None:
    rows = table(4)
    rows.own(0)
    fill(rows, [1, 2])
    keys = rows.flush(0).keys
    unknown = keys.copy()
    unknown[:, 1] = [7, 8]
    other = keys.copy()
    other[:, 0] = 201 << PARTITION_BITS
    for left in (keys, unknown, other):
        rows.rewrite(0, left)
    packed = rows.flush(0)
    sizes = np.diff(packed.ends, prepend=0)
    assert sorted(zip(packed.keys[:, 1].tolist(), (sizes > 0).tolist(), strict=True)) == [
        *((1, True), (2, True), (7, False), (8, False)),
    ]


def test_a_partition_that_moved_keeps_its_rows_and_writes_none() -> None:
    rows = table(4)
    rows.own(0)
    fill(rows, [1, 2])
    rows.remove(rows.make(0, 2))
    rows.leave(0)
    assert pending(rows, 0) == 0
    assert (len(rows), rows.find(0, 1)) == (1, 0)
    rows.mark(0)
    assert pending(rows, 0) == 1
