"""Every topic in every codec, compressed by producers and by the broker, is read by all readers, across kills."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import aiokafka
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Settings
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from streams.cli import main
from streams.kafka.reading.tail import following
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Topics
from streams.records.batches import Fetched
from streams.records.codecs import MASK
from streams.replay.child import Child
from streams.state.agreement import Agreement
from streams.state.follow import Follower
from streams.state.settings import State
from streams.worker.settings import WorkerSettings
from tests.brokers.load import reader
from tests.brokers.topic_settings import OF_THE_TOPIC
from tests.bundles import small_bundle
from tests.events import encoded, outcome_of, token
from tests.integration.conftest import PARTITIONS, NewWorker
from tests.integration.deployed import Deployed, deploy, kill
from tests.records.build import CODECS
from tests.state.fakes import FlushTelemetry

pytestmark = pytest.mark.kafka

COMPRESSED = [codec for codec in CODECS if codec != "none"]
EVENTS = 40  # for each codec and partition
SENT_MS = 1_777_604_400_000
OUTPUTS = ("decisions", "alerts", "dead_letters")


async def compress(place: Deployed, codec: str) -> None:
    """Set one codec for all topics of a deployment: the broker compresses new batches with it."""
    topics = place.topics.of(Topics.__struct_fields__)
    admin = AIOKafkaAdminClient(**client_options(place.broker))
    await admin.start()
    try:
        described = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])
        settings = {
            name: {key: value for key, value, _, source, *_ in entries if source == OF_THE_TOPIC}
            for answer in described
            for _, _, _, name, entries in answer.resources
        }
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, {**before, "compression.type": codec})
            for name, before in settings.items()
        ]
        for answer in await admin.alter_configs(resources):
            assert not any(code for code, *_ in answer.resources), answer
    finally:
        await admin.close()


async def send(place: Deployed, codec: str, phase: str) -> None:
    """Send events, some of them refused, outcomes, reports and merchants; the producer compresses too."""
    topics, acks = place.topics, []
    client = aiokafka.AIOKafkaProducer(**client_options(place.broker), acks="all", compression_type=codec, linger_ms=20)
    await client.start()
    try:
        for number in range(EVENTS):
            for partition in range(PARTITIONS):
                card = token(f"{phase}-{codec}-{partition}-{number}")
                value = encoded(
                    event_id=f"{phase}-{codec}-{partition}-{number}",
                    card={"pan_hmac": card},
                    merchant={"id": f"m-{codec}-{number}"},
                )
                value = b"{" * 40 if number == 7 else value
                acks.append((topics.authorizations, partition, card.encode(), value))
                acks.append((topics.fraud_reports, partition, card.encode(), report(card, number)))
                outcome = outcome_of(encoded(event_id=f"asked-{number}", card={"pan_hmac": card}))
                acks.append((topics.authorization_outcomes, partition, card.encode(), outcome))
            merchant = {"acquirer_id": "acq-1", "merchant_id": f"m-{codec}-{number}"}
            acks.append((topics.merchants, 0, f"acq-1/m-{codec}-{number}".encode(), orjson.dumps(merchant)))
        sent = [
            await client.send(topic, value, key=key, partition=partition, timestamp_ms=SENT_MS)
            for topic, partition, key, value in acks
        ]
        await asyncio.gather(*sent)
    finally:
        await client.stop()


def report(card: str, number: int) -> bytes:
    fields = {"label_id": f"l-{number}", "event_id": "e", "acquirer_id": "acq-1", "merchant_id": "m-1"}
    fields |= {"pan_hmac": card, "label": "FRAUD", "source": "TC40", "received_ts": "2026-05-01T03:00:00Z"}
    return orjson.dumps({} if number == 7 else fields)


def expected(*phases: str) -> Counter[str]:
    return Counter(
        f"{phase}-{codec}-{partition}-{number}"
        for phase in phases
        for codec in COMPRESSED
        for partition in range(PARTITIONS)
        for number in range(EVENTS)
        if number != 7
    )


def decided(place: Deployed, *phases: str) -> None:
    """Wait until all that was sent is decided, each event once."""
    wanted = expected(*phases)
    records = place.records(place.topics.decisions, wanted.total())
    assert Counter(orjson.loads(record.value)["decision_id"] for record in records) == wanted


async def codecs_of(broker: Broker, topic: str) -> set[int]:
    """Return the codecs of the stored batches of a topic."""
    found: set[int] = set()
    async with reader(broker, topic) as client:
        ends = await client.end_offsets(client.assignment())
        for tp, end in ends.items():
            while await client.position(tp) < end:
                fetched = client._fetcher._records.pop(tp, None)
                if fetched is None:
                    client._fetcher._notify(client._fetcher._wait_consume_future)
                    await asyncio.wait([client._fetcher._create_fetch_waiter()], timeout=0.1)
                    continue
                for batch in Fetched.of(fetched._partition_records):
                    if not batch.header.is_control_batch:
                        found.add(batch.header.attributes & MASK)
                    client.seek(tp, batch.header.next_offset)
    return found


@pytest.fixture
def place(apache: Broker, new_worker: NewWorker, tmp_path: Path) -> Deployed:
    return deploy(apache, new_worker(apache), tmp_path, more="state: {flush_interval_s: 0.2}")


def test_every_topic_in_every_codec_is_read_and_written_across_kills(
    place: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    with place.worker() as worker:
        work(place, worker, "flushed")
        kill(worker)
    place.config.write_text(place.config.read_text().replace("flush_interval_s: 0.2", "flush_interval_s: 60"))
    with place.worker() as worker:
        work(place, worker, "unflushed")
        kill(worker)
    decided(place, "flushed", "unflushed")
    for field in place.topics.having(Topics.__struct_fields__):
        stored = asyncio.run(codecs_of(place.broker, getattr(place.topics, field)))
        assert stored >= {CODECS[codec] for codec in COMPRESSED}, field
    with place.worker() as worker:
        asyncio.run(send(place, "zstd", "last"))
        place.records(place.topics.decisions, (2 * len(COMPRESSED) + 1) * PARTITIONS * (EVENTS - 1))
        assert worker.end(30.0) == 0, worker.last_lines()
    check_outputs(place)
    asyncio.run(check_followed(place))
    assert main(["dlq", "list", "--config", str(place.config), "--json"]) == 0
    groups = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(group["letters"] for group in groups) == [9 * PARTITIONS] * 2


def work(place: Deployed, worker: Child, phase: str) -> None:
    """Send events in every codec to a worker; after each, wait until its profiles can be flushed."""
    for number, codec in enumerate(COMPRESSED, 1):
        asyncio.run(compress(place, codec))
        asyncio.run(send(place, codec, phase))
        place.await_balance(worker, number * EVENTS * PARTITIONS)
        if phase == "flushed":
            place.await_flush(worker)


def check_outputs(place: Deployed) -> None:
    """Read the outputs back as a replay does; each must have all its records, once."""

    async def all_of(topic: str) -> list[Any]:
        async with following(place.broker, [topic], from_start=True) as consumer:
            ends, found = await consumer.end_offsets(consumer.assignment()), []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [orjson.loads(record.value) for record in records]
            return found

    made = {field: asyncio.run(all_of(getattr(place.topics, field))) for field in OUTPUTS}
    once = expected("flushed", "unflushed") + Counter(
        f"last-zstd-{p}-{n}" for p in range(PARTITIONS) for n in range(EVENTS) if n != 7
    )
    assert Counter(one["decision_id"] for one in made["decisions"]) == once
    assert Counter(one["event_id"] for one in made["alerts"]) == once
    letters = Counter((one["topic"], one["partition"], one["offset"]) for one in made["dead_letters"])
    assert letters.total() == len(letters) == 9 * PARTITIONS * 2


async def check_followed(place: Deployed) -> None:
    """Follow `shared-profiles` as a worker without partitions does."""
    settings = WorkerSettings(broker=place.broker, topics=place.topics, state=State())
    thresholds = {"version": "t", "global": {"review": 1, "step_up": 1, "block": 1}}
    limits = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    engine = Engine(small_bundle(), policy_from(thresholds), limits, "test")
    engine.set_partitions(PARTITIONS)
    follower = Follower(settings, engine, FlushTelemetry(), Agreement({}, 0))
    await follower.on_start()
    try:
        await follower.catch_up((), PARTITIONS)
        assert all(one.position > 0 for one in follower._followed.values())
    finally:
        await follower.on_shutdown()
