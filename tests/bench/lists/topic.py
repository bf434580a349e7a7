"""`python -m tests.bench.lists.topic [ENTRIES]`: the topic of lists on Apache Kafka: start, memory and pauses.

A process with the engine and the loader of a worker reads ENTRIES records of the compacted topic to its end, and then
follows CHANGES changes that arrive at once. A pause is what a sleep of a millisecond on the main loop takes longer;
it contains those that other processes of the machine cause, so the work of this thread between two sleeps is told
too. It needs Java and Maven, as the tests on Apache Kafka, and disk for about 250 bytes an entry. It ends by itself.
"""

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import uvloop
import yaml

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.lists import DatedLimits
from scoring.observer import Settings
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from streams.kafka.admin import create_topics
from streams.kafka.settings import Broker, Topics
from streams.kafka.topics import TopicsSettings, plan
from streams.worker.settings import ListsSettings, WorkerSettings
from streams.worker.whole.lists import ListLoader
from tests.brokers.kafka import kafka_broker
from tests.brokers.load import producer
from tests.bundles import small_bundle
from tests.doubles import NoTelemetry

CHANGES = 100_000
ENTRIES_MAX = 10_000_000
LIMIT_S = 900.0
IDLE_S = 5.0
TICK_S = 0.001
TOPICS = TopicsSettings(names=Topics(lists="lists"))
LISTS = "lists"
POLICY = """\
version: t
global: {review: 1000, step_up: 1000, block: 1000}
lists:
  - {id: stolen, kind: card, direction: deny, action: block, source: topic, author: a, reason: b}
"""


def main() -> None:
    """Fill the topic, then measure a reader of it as a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists.topic", description=main.__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader is not None:
        uvloop.run(read(msgspec.json.decode(arguments.reader, type=Broker), arguments.entries))
        return
    entries = arguments.entries
    with kafka_broker() as broker:
        asyncio.run(create_topics(broker, plan(TOPICS)))
        began_s = time.monotonic()
        asyncio.run(fill(broker, 0, entries))
        print(f"{entries:,} records sent in {time.monotonic() - began_s:.0f} s", flush=True)
        command = [sys.executable, "-m", "tests.bench.lists.topic", "--reader", msgspec.json.encode(broker).decode()]
        with subprocess.Popen([*command, str(entries)], stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            for line in reader.stdout:
                print(line, end="", flush=True)
                if line.startswith("idle"):
                    asyncio.run(fill(broker, entries // 2, CHANGES))
            assert reader.wait(LIMIT_S) == 0


async def fill(broker: Broker, first: int, count: int) -> None:
    """Send records of entries with sixty ends; one in 25 is a tombstone."""
    ends = [f"20{27 + number}-0{1 + number % 9}-01T00:00:00+09:00" for number in range(60)]
    values = [json.dumps({"kind": "card", "effective_to": end}).encode() for end in ends]
    async with producer(broker) as client:
        batch, acks = client.create_batch(), []
        for number in range(first, first + count):
            key = b"stolen/" + hashlib.blake2b(b"%d" % number, digest_size=32).hexdigest().encode()
            value = None if number % 25 == 24 else values[number % 60]
            if batch.append(key=key, value=value, timestamp=None) is None:
                acks.append(await client.send_batch(batch, LISTS, partition=0))
                batch = client.create_batch()
                batch.append(key=key, value=value, timestamp=None)
            if len(acks) > 16:
                await acks.pop(0)
        for ack in [*acks, await client.send_batch(batch, LISTS, partition=0)]:
            await ack


class Read(NoTelemetry):
    """Counts the records."""

    def __init__(self) -> None:
        self.records = 0

    def list_records(self, results: Mapping[str, int]) -> None:
        assert results.keys() <= {"ADDED", "REMOVED"}, results
        self.records += sum(results.values())


async def read(broker: Broker, entries: int) -> None:
    """Read the topic as a worker does, and print what it takes."""
    dated = DatedLimits(entries_max=ENTRIES_MAX)
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), dated=dated)
    engine = Engine(small_bundle(), policy_from(yaml.safe_load(POLICY)), settings, "bench")
    worker = WorkerSettings(
        broker=broker, topics=TOPICS.full, lists=ListsSettings(entries_max=ENTRIES_MAX, load_timeout_s=LIMIT_S)
    )
    telemetry = Read()
    loader = ListLoader(LISTS, worker, engine, telemetry)
    before, began_s, began_cpu_s = peak_bytes(), time.monotonic(), time.process_time()
    await loader.start()
    took_s, cpu_s, grown = time.monotonic() - began_s, time.process_time() - began_cpu_s, peak_bytes() - before
    assert telemetry.records == entries
    print(
        f"loaded {entries:,} records in {took_s:.1f} s ({took_s / entries * 1e6:.2f} us each, "
        f"{cpu_s / entries * 1e6:.2f} of this process); peak memory grew by {grown / 1e6:.0f} MB, "
        f"{grown / len(engine.observer.dated):.1f} bytes for each of {len(engine.observer.dated):,} entries",
        flush=True,
    )
    print(f"idle: {await longest(telemetry, -1)} in {IDLE_S:g} s", flush=True)
    began_s = time.monotonic()
    told = await longest(telemetry, entries + CHANGES)
    print(f"{CHANGES:,} changes: {told} in {time.monotonic() - began_s:.1f} s", flush=True)
    await loader.stop()


async def longest(telemetry: Read, records: int) -> str:
    """Tell the longest pause of the main loop until so many records were read, or in IDLE_S."""
    until_s = time.monotonic() + (IDLE_S if records < 0 else LIMIT_S)
    longest_s, longest_cpu_s, last_s, last_cpu_s = 0.0, 0.0, time.monotonic(), time.thread_time()
    while last_s < until_s and (records < 0 or telemetry.records < records):
        await asyncio.sleep(TICK_S)
        now_s, now_cpu_s = time.monotonic(), time.thread_time()
        longest_s, last_s = max(longest_s, now_s - last_s - TICK_S), now_s
        longest_cpu_s, last_cpu_s = max(longest_cpu_s, now_cpu_s - last_cpu_s), now_cpu_s
    return f"longest pause {longest_s * 1e3:.1f} ms, {longest_cpu_s * 1e3:.1f} ms of it the processor's work here"


def peak_bytes() -> int:
    """Return the largest resident size of this process so far (VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
