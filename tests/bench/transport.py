"""The transport alone, with an engine that echoes: `python -m tests.bench.transport [--broker kafka|embedded]
[--help]`.

Throughput: a topic is filled first, then one worker reads it and produces every event to `decisions`. Latency: an open
loop sends one event every 1/rate s, whether or not earlier ones are decided, and a consumer reads the decisions.
"""

import argparse
import asyncio
import sys
import time
import uuid

import uvloop

from streams.kafka.admin import create_topics
from streams.kafka.embedded import embedded_broker
from streams.kafka.settings import Broker, TopicPartitions
from streams.kafka.topics import TopicsSettings, plan
from streams.state.settings import State
from streams.transport.settings import Consume
from streams.worker.settings import WorkerSettings
from tests.brokers.kafka import kafka_broker
from tests.brokers.load import load, producer, read, reader
from tests.brokers.workers import cpu_seconds, terminate, worker_process

EVENT_BYTES = 1_000
WARM_UP_S = 25.0  # meanwhile the broker compiles its own code


async def prepare(broker: Broker, partitions: int) -> WorkerSettings:
    """Create a fresh set of topics and return the settings of a worker for them."""
    name = uuid.uuid4().hex[:8]
    topics = TopicsSettings(prefix=f"{name}-", partitions=TopicPartitions(events=partitions))
    await create_topics(broker, plan(topics))
    return WorkerSettings(broker=broker, topics=topics.full, consume=Consume(group=name), state=State(enabled=False))


async def throughput(broker: Broker, events: int, partitions: int) -> None:
    """Print events per second of wall time, and per second of the worker's processor time."""
    settings = await prepare(broker, partitions)
    value = b"e" * EVENT_BYTES
    await load(broker, settings.topics.authorizations, {p: [value] * (events // partitions) for p in range(partitions)})
    total = events // partitions * partitions
    with worker_process(settings) as worker:
        async with reader(broker, settings.topics.decisions) as client:
            tps = list(client.assignment())
            while not (done := sum((await client.end_offsets(tps)).values())):
                await asyncio.sleep(0.01)
            started, cpu, first = time.monotonic(), cpu_seconds(worker), done
            while (done := sum((await client.end_offsets(tps)).values())) < total * 0.95:
                await asyncio.sleep(0.05)
            wall, cpu = time.monotonic() - started, cpu_seconds(worker) - cpu
        await read(broker, settings.topics.decisions, total, 120)
        assert terminate(worker) == 0
    moved = done - first
    print(f"throughput: {moved / wall:,.0f} events/s, {moved / cpu:,.0f} per core-second ({moved} events)")


async def latency(broker: Broker, rate: int, seconds: float, partitions: int) -> None:
    """Print percentiles of the time from produce to decision readable, in ms."""
    settings = await prepare(broker, partitions)
    with worker_process(settings) as worker:
        own = time.process_time()
        await load(broker, settings.topics.authorizations, {p: [b"first"] for p in range(partitions)})
        await read(broker, settings.topics.decisions, partitions)
        async with reader(broker, settings.topics.decisions, wait_ms=15) as client:
            receiving = asyncio.create_task(_receive(client, int(rate * seconds) + partitions))
            await _send(broker, settings.topics.authorizations, rate, seconds, partitions)
            times = await asyncio.wait_for(receiving, 30)
        cpu, own = cpu_seconds(worker), time.process_time() - own
        assert terminate(worker) == 0
    times = sorted(times[int(WARM_UP_S * rate) :])
    marks = " ".join(f"p{q:g}={times[int(len(times) * q / 100)] / 1e6:.2f}" for q in (1, 50, 90, 99, 99.9))
    print(f"latency at {rate}/s: {marks} max={times[-1] / 1e6:.2f} ms ({len(times)} events)")
    print(f"processor time: worker {cpu:.1f} s, generator and reader {own:.1f} s, of {seconds:.0f} s")


async def _send(broker: Broker, topic: str, rate: int, seconds: float, partitions: int) -> None:
    async with producer(broker) as client:
        start, acks = time.monotonic(), []
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            stamp = b"%020d|" % time.monotonic_ns()
            acks.append(await client.send(topic, stamp.ljust(EVENT_BYTES, b"e"), partition=number % partitions))
        await asyncio.gather(*acks)


async def _receive(client: object, expected: int) -> list[int]:
    times: list[int] = []
    seen = 0
    while seen < expected:
        polled = await client.getmany(timeout_ms=1000)  # type: ignore[attr-defined]
        now = time.monotonic_ns()
        for records in polled.values():
            for record in records:
                seen += 1
                if (stamp := record.value.split(b"|", 3)[2]).isdigit():  # known|process|stamp|filler
                    times.append(now - int(stamp))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", choices=("kafka", "embedded"), default="kafka")
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--only", choices=("throughput", "latency"))
    arguments = parser.parse_args()
    with (kafka_broker if arguments.broker == "kafka" else embedded_broker)() as broker:
        print(f"python {sys.version.split()[0]}, {arguments.broker}, {arguments.partitions} partitions")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if arguments.only != "latency":
                runner.run(throughput(broker, arguments.events, arguments.partitions))
            if arguments.only != "throughput":
                runner.run(latency(broker, arguments.rate, arguments.seconds, arguments.partitions))


if __name__ == "__main__":
    main()
