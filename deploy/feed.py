"""Publish simulated traffic: `sekisho simulate ... | python feed.py --config FILE`.

Each line is as `sekisho simulate` writes it: {"topic", "key", "at_ms", "value"}. A record waits until `at_ms`: a stream
that starts now is sent in real time, and one from the past at full speed. `at_ms` is the timestamp of the record too,
so old events are not late. It is for the compose stack and the tests; the switch of an acquirer publishes by itself.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_INFRASTRUCTURE
from streams.kafka.errors import BrokersError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights
from streams.kafka.security import client_options
from streams.replay.lines import FIELDS, Line, read_lines

CHUNK_LINES = 200
IN_FLIGHT_MAX = 2000
"""Records sent and not yet acknowledged; beyond it the pipe waits."""


async def due(lines: Iterator[Line]) -> AsyncIterator[Line]:
    """Yield each line at its time. The pipe is read in a thread, so a pause there blocks nothing."""
    while chunk := await asyncio.to_thread(lambda: list(islice(lines, CHUNK_LINES))):
        for line in chunk:
            wait_s = line.at_ms / 1000 - time.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            yield line


async def feed(settings: Settings, lines: Iterator[Line]) -> int:
    """Publish until the lines end, and return their number. Any error of the broker ends it."""
    topics = settings.topics.full
    sent = 0
    async with AIOKafkaProducer(**client_options(settings.kafka), acks="all", linger_ms=5) as producer:
        acknowledgements = []
        async for line in due(lines):
            key, value = line.record
            topic = getattr(topics, FIELDS[line.topic])
            acknowledgements.append(await producer.send(topic, value=value, key=key, timestamp_ms=line.at_ms))
            sent += 1
            if len(acknowledgements) >= IN_FLIGHT_MAX:
                await asyncio.gather(*acknowledgements)
                acknowledgements.clear()
        await asyncio.gather(*acknowledgements)
    return sent


async def publish(settings: Settings, lines: Iterator[Line]) -> int:
    """Check the rights and publish. Return the number of records.

    Raises:
        BrokersError: rights are missing, or no broker can be reached.
    """
    async with authorized(settings.kafka, command_rights(settings.topics.full, "feed")):
        return await feed(settings, lines)


def main() -> int:
    """Publish standard input on the broker of the configuration."""
    parser = argparse.ArgumentParser(description="Publish the lines of `sekisho simulate` on Kafka, each in its time.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the worker's configuration")
    settings = load_settings(parser.parse_args().config)
    try:
        sent = asyncio.run(publish(settings, read_lines(sys.stdin.buffer, "standard input")))
    except BrokersError as error:
        sys.stderr.write(f"feed: {error}\n")
        return EXIT_INFRASTRUCTURE
    sys.stderr.write(f"feed: {sent} records sent\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
