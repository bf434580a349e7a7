"""Ten million events through one worker: its memory must not grow. `python -m tests.bench.soak [--events N]`.

The population is fixed, so profiles reach their size early; later growth is a leak.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer

from tests.bench.harness.kafka_io import PARTITIONS, Gauge, create_topics, partition_of
from tests.bench.harness.machine import WORKER_CORE, pin, resident_mib
from tests.bench.harness.processes import running
from tests.bench.run import Harness, Plan, traffic
from tests.brokers import kafka
from tests.brokers.load import stamp_ms

LEAD_MAX = 150_000
"""Events that may wait for the worker: beyond that the feeder pauses, to limit the broker's disk."""

STALL_S = 120.0
WARM_SHARE = 0.2
GROWTH_MAX_SHARE = 0.03
SAMPLE_EVERY_S = 1.0
SMALL_LOG = {"retention.bytes": str(256 << 20), "segment.bytes": str(64 << 20)}


async def feed(bootstrap: str, topic: str, records: Iterator[tuple[bytes, bytes]], gauge: Gauge) -> None:
    """Produce records in batches, at most LEAD_MAX ahead of the decisions."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, max_batch_size=1 << 19)
    await producer.start()
    batches = [producer.create_batch() for _ in range(PARTITIONS)]

    async def flush() -> None:
        pending = [
            await producer.send_batch(batch, topic, partition=p)
            for p, batch in enumerate(batches)
            if batch.record_count()
        ]
        await asyncio.gather(*pending)
        batches[:] = [producer.create_batch() for _ in range(PARTITIONS)]

    try:
        for sent, (key, value) in enumerate(records, start=1):
            partition = partition_of(key)
            at_ms = stamp_ms(value, time.time_ns() // 1_000_000)
            if batches[partition].append(timestamp=at_ms, key=key, value=value) is None:
                await flush()
                batches[partition].append(timestamp=at_ms, key=key, value=value)
                while sent - await gauge.read() > LEAD_MAX:
                    await asyncio.sleep(0.02)
        await flush()
    finally:
        await producer.stop()


async def soak(harness: Harness, events: int) -> list[tuple[int, float]]:
    """Run one worker over `events` events; return samples of (events decided, resident MiB)."""
    source = "soak-authorizations"
    await create_topics(harness.bootstrap, [source], SMALL_LOG)
    worker = await harness.sekisho("soak", source, SMALL_LOG)
    samples: list[tuple[int, float]] = []
    with running(worker.command) as service:
        service.until_ready(worker.port)
        pin(service.process.pid, WORKER_CORE)
        async with Gauge(harness.bootstrap, worker.target) as watch, Gauge(harness.bootstrap, worker.target) as lead:
            feeding = asyncio.create_task(feed(harness.bootstrap, source, traffic(events), lead))
            moved = time.monotonic()
            while not samples or samples[-1][0] < events:
                await asyncio.sleep(SAMPLE_EVERY_S)
                service.check("being soaked")
                if feeding.done():
                    feeding.result()
                decided = await watch.read()
                if samples and decided > samples[-1][0]:
                    moved = time.monotonic()
                assert time.monotonic() - moved < STALL_S, f"no event was decided for {STALL_S:.0f} s at {decided}"
                samples.append((decided, resident_mib(service.process.pid)))
            await feeding
    return samples


def verdict(samples: list[tuple[int, float]], events: int) -> tuple[float, float]:
    """Compare the median memory of the first tenth after warm-up with that of the last tenth (MiB)."""
    warm = events * WARM_SHARE
    early = [mib for decided, mib in samples if warm <= decided < warm + events / 10]
    late = [mib for decided, mib in samples if decided >= events * 0.9]
    return float(np.median(early)), float(np.median(late))


def main() -> None:
    """Soak a worker on Apache Kafka and print whether its memory is constant."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=main.__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    options = parser.parse_args()
    begun = time.monotonic()
    with kafka.kafka_broker() as broker, tempfile.TemporaryDirectory(prefix="sekisho-soak-") as folder:
        samples = asyncio.run(soak(Harness(broker, Path(folder), Plan()), options.events))
    early, late = verdict(samples, options.events)
    for decided, mib in samples[:: max(1, len(samples) // 20)]:
        print(f"{decided:>12,} events  {mib:8.1f} MiB")
    growth = late / early - 1
    print(
        f"{samples[-1][0]:,} events in {time.monotonic() - begun:.0f} s; resident {early:.1f} MiB after warm-up,"
        f" {late:.1f} MiB at the end: {growth:+.2%}, {'flat' if growth <= GROWTH_MAX_SHARE else 'GROWING'}"
    )
    raise SystemExit(growth > GROWTH_MAX_SHARE)


if __name__ == "__main__":
    main()
