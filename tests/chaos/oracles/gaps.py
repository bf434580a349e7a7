"""Times in which nothing was appended to a topic, and the wait of a plain producer beside the workers."""

import asyncio
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import aiokafka
from aiokafka.errors import KafkaError

from tests.chaos.oracles.books import consumer, partitions_of

PROBE_S = 0.05
PROBE_ASK_MS = 500
"""Short timeout of the plain producer, so that it finds a new leader as soon as there is one."""

END_S = 30.0


class Probe:
    """Produce a record to each partition of topics every PROBE_S, with idempotence only. A context."""

    def __init__(self, bootstrap: str, topics: Sequence[str], partitions: int) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._partitions = partitions
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="probe")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(END_S)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for topic in self._topics:
                for partition in range(self._partitions):
                    group.create_task(self._produce(topic, partition))

    async def _produce(self, topic: str, partition: int) -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=PROBE_ASK_MS
        )
        await producer.start()
        try:
            while not self._stopped.is_set():
                await producer.send_and_wait(topic, b"", partition=partition)
                await asyncio.sleep(PROBE_S)
        except KafkaError:
            if not self._stopped.is_set():
                raise
        finally:
            await producer.stop()


Span = tuple[float, float]
"""From, to, in ms since the epoch."""


def gaps_s(bootstrap: str, topic: str, spans: Sequence[Span]) -> list[float]:
    """Return for each span the longest time between two successive records of one partition in it.

    The topic's records have the time at which their broker appended them.
    """
    times = asyncio.run(_times(bootstrap, topic))
    return [max((_longest_ms(one, span) for one in times), default=0.0) / 1000 for span in spans]


def _longest_ms(times_ms: Sequence[int], span: Span) -> float:
    begin, end = span
    inside = [pair for pair in pairwise(times_ms) if pair[1] >= begin and pair[0] <= end]
    return max((after - before for before, after in inside), default=0)


async def _times(bootstrap: str, topic: str) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    async with consumer(bootstrap) as client:
        left = await partitions_of(client, topic)
        client.assign(left)
        await client.seek_to_beginning()
        ends = await client.end_offsets(left)
        while [tp for tp in left if await client.position(tp) < ends[tp]]:
            for tp, records in (await client.getmany(timeout_ms=200)).items():
                found.setdefault(tp.partition, []).extend(record.timestamp for record in records)
    return list(found.values())
