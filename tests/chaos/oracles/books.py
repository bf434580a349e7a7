"""Read topics to their end, and the offsets that a group has committed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.chaos.brokers.site import Deployment
from tests.chaos.oracles.oracle import Input, Output, Record, take_alerts, take_decision, take_input, take_letters

READ_S = 120.0
LOOK_S = 0.1


def read_input(deployment: Deployment) -> Input:
    """Read the input, as a consumer of committed records sees it."""
    return take_input(read_topic(deployment.site.bootstrap, deployment.topics.authorizations))


def read_output(deployment: Deployment) -> Output:
    """Read all outputs."""
    bootstrap, topics = deployment.site.bootstrap, deployment.topics
    return Output(
        decisions=[take_decision(record) for record in read_topic(bootstrap, topics.decisions)],
        letters=take_letters(read_topic(bootstrap, topics.dead_letters)),
        alerts=take_alerts(read_topic(bootstrap, topics.alerts)),
    )


def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Read a topic from its start to its end, each partition in order.

    Raises:
        TimeoutError: it takes longer than READ_S.
    """
    return asyncio.run(_read(bootstrap, topic))


def await_committed(deployment: Deployment, timeout_s: float) -> dict[int, int]:
    """Wait until the group has committed the end of every partition; return the missing offsets after `timeout_s`."""
    return asyncio.run(_await_committed(deployment, timeout_s))


def uncommitted(deployment: Deployment) -> dict[int, int]:
    """Return by partition how many offsets the group has not committed; only partitions with some."""

    async def look() -> dict[int, int]:
        async with consumer(deployment.site.bootstrap, deployment.name) as client:
            return await _uncommitted(client, deployment.topics.authorizations)

    return asyncio.run(look())


@asynccontextmanager
async def consumer(bootstrap: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=1 << 23,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def _read(bootstrap: str, topic: str) -> list[Record]:
    records: list[Record] = []
    async with asyncio.timeout(READ_S), consumer(bootstrap) as client:
        left = await partitions_of(client, topic)
        client.assign(left)
        await client.seek_to_beginning()
        ends = await client.end_offsets(left)
        while left := [tp for tp in left if await client.position(tp) < ends[tp]]:
            for polled in (await client.getmany(timeout_ms=200)).values():
                records += [Record(record.partition, record.offset, record.value) for record in polled]
    return records


async def partitions_of(client: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await client._client._wait_on_metadata(topic)
    return [TopicPartition(topic, partition) for partition in client.partitions_for_topic(topic) or ()]


async def _await_committed(deployment: Deployment, timeout_s: float) -> dict[int, int]:
    deadline = time.monotonic() + timeout_s
    async with consumer(deployment.site.bootstrap, deployment.name) as client:
        while True:
            missing = await _uncommitted(client, deployment.topics.authorizations)
            if not missing or time.monotonic() > deadline:
                return missing
            await asyncio.sleep(LOOK_S)


async def _uncommitted(client: AIOKafkaConsumer, topic: str) -> dict[int, int]:
    partitions = await partitions_of(client, topic)
    ends = await client.end_offsets(partitions)
    committed = {tp: await client.committed(tp) or 0 for tp in partitions}
    return {tp.partition: ends[tp] - committed[tp] for tp in partitions if committed[tp] != ends[tp]}
