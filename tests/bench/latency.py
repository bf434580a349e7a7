"""Open loop: events are sent on schedule, independent of decisions; latency is from produce to decision readable."""

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.kafka.sending.append import append
from tests.bench.harness.kafka_io import PARTITIONS, partition_of
from tests.brokers.load import stamp_ms

WARM_UP_S = 30.0  # the broker compiles the code of small requests first: until then it takes twice the time
GRACE_S = 5.0
TICK_S = 0.002
SIGNATURE = b'"decision_id":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latency in milliseconds over `events` measured events, and the delay of the generator itself."""

    events: int
    lost: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    generator_late_p99_ms: float


async def measure(
    bootstrap: str, source: str, target: str, events: Sequence[tuple[str, bytes, bytes]], rate: float
) -> Latency:
    """Send (event id, key, value) triples at `rate` per second and time each until its decision can be read."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=0)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50, auto_offset_reset="latest")
    await producer.start()
    await reader.start()
    reader.assign([TopicPartition(target, p) for p in range(PARTITIONS)])
    await reader.seek_to_end()
    sent: dict[str, float] = {}
    took: dict[str, float] = {}
    reading = asyncio.create_task(_read(reader, sent, took))
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        late = await _send(producer, source, events, rate, sent)
        deadline = time.perf_counter() + GRACE_S
        while len(took) < len(sent) and time.perf_counter() < deadline:
            await asyncio.sleep(0.05)
    finally:
        gc.enable()
        reading.cancel()
        await producer.stop()
        await reader.stop()
    skip = int(WARM_UP_S * rate)
    measured = [event_id for event_id, _, _ in events[skip:]]
    values = np.array([took[event_id] for event_id in measured if event_id in took]) * 1000
    return Latency(
        events=len(values),
        lost=len(measured) - len(values),
        p50_ms=float(np.percentile(values, 50)),
        p99_ms=float(np.percentile(values, 99)),
        p999_ms=float(np.percentile(values, 99.9)),
        generator_late_p99_ms=float(np.percentile(late[skip:], 99) * 1000),
    )


def decision_id(value: bytes) -> str:
    """Read the event's id without parsing the decision: the reader shares its core with the broker."""
    start = value.index(SIGNATURE) + len(SIGNATURE)
    return value[start : value.index(b'"', start)].decode()


async def _send(
    producer: AIOKafkaProducer,
    source: str,
    events: Sequence[tuple[str, bytes, bytes]],
    rate: float,
    sent: dict[str, float],
) -> list[float]:
    late: list[float] = []
    now_ms = time.time_ns() // 1_000_000
    stamps = [stamp_ms(value, now_ms) for _, _, value in events]
    begun = time.perf_counter()
    position = 0
    while position < len(events):
        due = int((time.perf_counter() - begun) * rate) + 1
        for (event_id, key, value), at_ms in zip(events[position:due], stamps[position:due], strict=True):
            now = time.perf_counter()
            late.append(now - begun - len(late) / rate)
            sent[event_id] = now
            append(
                producer._message_accumulator,
                TopicPartition(source, partition_of(key)),
                [(key, value)],
                at_ms,
            )
        position = max(position, min(due, len(events)))
        await asyncio.sleep(TICK_S)
    return late


async def _read(reader: AIOKafkaConsumer, sent: dict[str, float], took: dict[str, float]) -> None:
    while True:
        for records in (await reader.getmany(timeout_ms=100)).values():
            now = time.perf_counter()
            for record in records:
                event_id = decision_id(record.value)
                if event_id in sent:
                    took[event_id] = now - sent[event_id]
