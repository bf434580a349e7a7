"""Send JSON lines from standard input to Kafka: `sekisho simulate ... | python feed.py kafka:19092`.

A line is what `sekisho simulate` writes: {"topic", "key", "at_ms", "value"}. Each record is held back until the
clock shows its `at_ms`, so that a stream that starts now flows in real time and one from the past as fast as it goes.
The compose stack's traffic; a real acquirer's switch publishes by itself.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable

import msgspec
from aiokafka import AIOKafkaProducer

BATCH_LINES = 500


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record to publish; its value is passed on byte for byte."""

    topic: str
    key: str
    at_ms: int
    value: msgspec.Raw


def read(lines: Iterable[bytes]) -> Iterable[Line]:
    """Read lines as they come; raise `msgspec.DecodeError` on anything that `sekisho simulate` would not write."""
    decoder = msgspec.json.Decoder(Line)
    return (decoder.decode(line) for line in lines)


async def due(lines: Iterable[Line]) -> AsyncIterator[Line]:
    """Yield each line when its time has come; give others their turn every few hundred lines."""
    for count, line in enumerate(lines, start=1):
        wait_s = line.at_ms / 1000 - time.time()
        if wait_s > 0 or count % BATCH_LINES == 0:
            await asyncio.sleep(max(wait_s, 0))
        yield line


async def feed(bootstrap: str, prefix: str, lines: Iterable[Line]) -> int:
    """Publish until the lines end; return how many. Any error of the broker ends it."""
    # Without idempotence, so that the embedded broker takes it too: a repeat is part of the contract.
    sent = 0
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5) as producer:
        acknowledged: set[asyncio.Future[object]] = set()
        async for line in due(lines):
            acknowledged.add(await producer.send(prefix + line.topic, key=line.key.encode(), value=bytes(line.value)))
            sent += 1
            if len(acknowledged) >= BATCH_LINES:
                await asyncio.gather(*acknowledged)
                acknowledged.clear()
        await asyncio.gather(*acknowledged)
    return sent


def main() -> int:
    """Feed standard input to the broker that the command line names."""
    parser = argparse.ArgumentParser(description="Publish the lines of `sekisho simulate` on Kafka, each in its time.")
    parser.add_argument("bootstrap", metavar="HOST:PORT", help="a broker")
    parser.add_argument("--prefix", default="", help="before every topic's name, as topics.prefix of the worker")
    options = parser.parse_args()
    sent = asyncio.run(feed(options.bootstrap, options.prefix, read(sys.stdin.buffer)))
    sys.stderr.write(f"feed: {sent} records sent\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
