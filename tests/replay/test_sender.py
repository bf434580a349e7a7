"""Keys go where Kafka's default partitioner puts them."""

from typing import Any, cast

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.sender import Sender


@given(st.binary(min_size=1, max_size=64), st.integers(1, 60))
def test_the_partition_is_the_default_partitioners(key: bytes, count: int) -> None:
    sender = Sender(cast(Any, None))
    partitions = list(range(count))
    expected = DefaultPartitioner()(key, partitions, partitions)
    assert sender._partition(key, count) == expected
    assert sender._partition(key, count) == expected
