"""Blocks are, byte for byte, the batches that aiokafka would build."""

from collections.abc import Iterator

import numpy as np
import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import example, given
from hypothesis import strategies as st

from scoring import jit
from scoring.profile.packed import Packed
from streams.state.log import blocks as module
from streams.state.log.blocks import BlockBuilder, blocks
from tests.state.rows import Row, pairs, rows_of

NOW_MS = 1_767_225_600_123
HEADER = 61


def parse(block: BlockBuilder) -> list[Row]:
    """Read a block with aiokafka's compiled parser, which consumers use."""
    records = MemoryRecords(bytes(block._build()))
    batch = records.next_batch()
    assert batch.validate_crc()
    rows = list(batch)
    assert [row.offset for row in rows] == list(range(len(rows)))
    assert {row.timestamp for row in rows} == {NOW_MS}
    assert all(row.timestamp_type == 0 and row.headers == [] for row in rows)
    assert not records.has_next()
    assert batch.next_offset == block.record_count() == len(rows)
    return [(row.key, row.value) for row in rows]


def built_by_aiokafka(rows: list[Row], bytes_max: int, *, is_transactional: bool = False) -> Iterator[BatchBuilder]:
    size = (
        bytes_max + 1
    )  # aiokafka's compiled builder refuses a batch of exactly its size limit, unlike its Python builder
    builder = BatchBuilder(size, 0, is_transactional=is_transactional)
    for key, value in rows:
        if builder.append(timestamp=NOW_MS, key=key, value=value) is None:
            yield builder
            builder = BatchBuilder(size, 0, is_transactional=is_transactional)
            builder.append(timestamp=NOW_MS, key=key, value=value)
    yield builder


sizes = st.lists(st.one_of(st.integers(0, 40), st.sampled_from([15, 16, 2047, 2048])), max_size=150)  # 64 B, 8,192 B


@example(sizes=[0, 16, 21, 40], bytes_max=451, state=(1, 1, 1), is_transactional=False)
@given(
    sizes=sizes,
    bytes_max=st.integers(0, 20_000),
    state=st.tuples(*(st.integers(0, n) for n in (2**62, 9, 2**31 - 1))),
    is_transactional=st.booleans(),
)
def test_blocks_equal_what_aiokafka_builds(
    sizes: list[int], bytes_max: int, state: tuple[int, int, int], is_transactional: bool
) -> None:
    packed = rows_of(sizes)
    ours = blocks(packed, NOW_MS, bytes_max, is_transactional=is_transactional)
    rows = pairs(packed)
    theirs = list(built_by_aiokafka(rows, bytes_max, is_transactional=is_transactional)) if sizes else []
    for block in [*ours, *theirs]:
        block._set_producer_state(*state)
    assert [bytes(block._build()) for block in ours] == [bytes(builder._build()) for builder in theirs]
    assert [block.size() for block in ours] == [builder.size() for builder in theirs]


@given(sizes=sizes, bytes_max=st.integers(0, 5_000))
def test_blocks_hold_every_row_in_order_and_keep_the_limit(sizes: list[int], bytes_max: int) -> None:
    packed = rows_of(sizes)
    built = blocks(packed, NOW_MS, bytes_max)
    assert [row for block in built for row in parse(block)] == pairs(packed)
    assert all(block.size() == len(block._build()) for block in built)
    assert all(block.size() <= bytes_max or block.record_count() == 1 for block in built)


@pytest.mark.parametrize("sizes", [[0] * 70, [1] * 20_000, [1 << 18, 0, (1 << 18) - 1]], ids=["64", "8192", "1 MiB"])
def test_lengths_of_more_bytes_are_written_right(sizes: list[int]) -> None:
    packed = rows_of(sizes)
    (block,) = blocks(packed, NOW_MS, 1 << 30)
    assert parse(block) == pairs(packed)


def test_a_block_accepts_no_more_rows_and_has_the_same_bytes_when_it_is_sent_again() -> None:
    (block,) = blocks(rows_of([3, 4]), NOW_MS, 1_000)
    assert block.closed()
    assert block.append(timestamp=1, key=b"k", value=b"v") is None
    assert block.record_count() == 2
    block._set_producer_state(7, 1, 40)
    first = bytes(block._build())
    assert bytes(block._build()) == first
    with pytest.raises(AssertionError, match="sequence number"):
        block._set_producer_state(7, 1, 42)


def test_read_only_arrays_are_accepted() -> None:
    packed = rows_of([2, 0, 5])
    for array in packed:
        array.flags.writeable = False
    assert [parse(block) for block in blocks(packed, NOW_MS, 1_000)] == [pairs(packed)]


def test_rows_that_do_not_fit_their_ends_are_a_bug() -> None:
    packed = rows_of([2, 3])
    with pytest.raises(AssertionError, match="a key for each row"):
        blocks(Packed(packed.keys[:1], packed.values, packed.ends), NOW_MS, 1_000)
    with pytest.raises(AssertionError, match="where the last row does"):
        blocks(Packed(packed.keys, packed.values[:4], packed.ends), NOW_MS, 1_000)


def test_the_kernels_are_those_of_the_loaded_source() -> None:
    cut = np.empty(2, dtype=np.int64)
    assert module._cut(np.array([1], dtype=np.int64), 0, 100, cut) == jit.revision(module.__name__)
