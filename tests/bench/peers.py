"""The peers: plain Faust, plain aiokafka, and a floor that only fetches, parses and produces in batches.

Run one as `python -m tests.bench.peers NAME --bootstrap HOST:PORT --source TOPIC --target TOPIC --model FILE`.
Each runs until it is ended; the harness measures the target topic.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.same_job import SameJob

DECISION_BYTES = 900
"""The output of the floor per event: about the size of a decision."""


def vanilla_faust(options: argparse.Namespace) -> None:
    """Run an agent written as in Faust's own documentation."""
    import faust

    app = faust.App(
        options.target,
        broker=f"kafka://{options.bootstrap}",
        value_serializer="raw",
        key_serializer="raw",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
        topic_disable_leader=True,
    )
    source, target = app.topic(options.source), app.topic(options.target)
    job = SameJob(options.model)

    @app.agent(source)
    async def score(stream: faust.Stream[bytes]) -> None:
        async for value in stream:
            key, decision = job(value)
            await target.send(key=key, value=decision)

    app.finalize()
    faust.Worker(app, loglevel="warn").execute_from_commandline()


async def _clients(options: argparse.Namespace) -> tuple[AIOKafkaConsumer, AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks="all", max_batch_size=1 << 19)
    await producer.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    await consumer._client.force_metadata_update()
    partitions = consumer.partitions_for_topic(options.source) or {0}
    consumer.assign([TopicPartition(options.source, p) for p in partitions])
    await consumer.seek_to_beginning()
    return consumer, producer


async def plain_aiokafka(options: argparse.Namespace) -> None:
    """Score event by event in a plain loop; send each decision without waiting for it."""
    job = SameJob(options.model)
    consumer, producer = await _clients(options)
    while True:
        sent = []
        for partition, records in (await consumer.getmany(timeout_ms=200, max_records=500)).items():
            for record in records:
                key, decision = job(record.value)
                sent.append(await producer.send(options.target, decision, key=key, partition=partition.partition))
        await asyncio.gather(*sent)


async def floor(options: argparse.Namespace) -> None:
    """Fetch, parse with orjson, produce in batches: the fastest that this client can be, without any useful work."""
    consumer, producer = await _clients(options)
    filler = b"x" * DECISION_BYTES
    pending: set[asyncio.Future[object]] = set()
    while True:
        for partition, records in (await consumer.getmany(timeout_ms=200)).items():
            batch = producer.create_batch()
            for record in records:
                event = orjson.loads(record.value)
                key = event["card"]["pan_hmac"].encode()
                if batch.append(timestamp=None, key=key, value=filler) is None:
                    pending.add(await producer.send_batch(batch, options.target, partition=partition.partition))
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=filler)
            pending.add(await producer.send_batch(batch, options.target, partition=partition.partition))
        pending = {future for future in pending if not future.done()}


def main() -> None:
    """Run the named peer until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["vanilla-faust", "plain-aiokafka", "floor"])
    for name in ("bootstrap", "source", "target"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--model", type=Path, required=True)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # otherwise Faust's worker would read the arguments as its own
    if options.peer == "vanilla-faust":
        vanilla_faust(options)
    else:
        uvloop.run(plain_aiokafka(options) if options.peer == "plain-aiokafka" else floor(options))


if __name__ == "__main__":
    main()
