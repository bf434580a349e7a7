"""Keys go where Kafka's default partitioner puts them, with the time they are given."""

import asyncio
import time
from typing import Any, cast

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.sending.bulk import Sender


@given(st.binary(min_size=1, max_size=64), st.integers(1, 60))
def test_the_partition_is_the_default_partitioners(key: bytes, count: int) -> None:
    sender = Sender(cast(Any, None))
    partitions = list(range(count))
    expected = DefaultPartitioner()(key, partitions, partitions)
    assert sender._partition(key, count) == expected
    assert sender._partition(key, count) == expected


class FakeClient:
    """Keep what is sent, by partition, as (value, timestamp)."""

    def __init__(self) -> None:
        self.sent: dict[int, list[tuple[bytes, int]]] = {}

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1, 2}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1 << 16, 0)

    async def send_batch(self, built: BatchBuilder, _topic: str, *, partition: int) -> "asyncio.Future[None]":
        batch = MemoryRecords(bytes(built._build())).next_batch()
        self.sent.setdefault(partition, []).extend((record.value, record.timestamp) for record in batch)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def test_records_carry_the_times_given_on_whatever_partition_and_otherwise_now() -> None:
    client = FakeClient()
    sender = Sender(cast(Any, client))
    records = [(b"key-%d" % n, b"%d" % n) for n in range(50)]
    asyncio.run(sender.send("t", records, [1_522_540_800_000 + n for n in range(50)]))
    found = [pair for pairs in client.sent.values() for pair in pairs]
    assert len(client.sent) == 3
    assert sorted(found) == sorted((b"%d" % n, 1_522_540_800_000 + n) for n in range(50))
    client.sent.clear()
    asyncio.run(sender.send("t", records[:1]))
    ((_, stamp_ms),) = next(iter(client.sent.values()))
    assert abs(stamp_ms - time.time_ns() // 1_000_000) < 60_000
